"""Who bears a name that is also somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.access.caller import ROLE_VERBS, Caller, CallerKind, Role
from clew.access.registry import AccessRegistry
from clew.base.errors import ClewError, ErrorCode
from clew.tree.parameters import NewCommand
from clew.tree.service import TreeService
from tests.integration.tree_house import new_id, open_house, run

READER = ROLE_VERBS[Role.READER]


def test_only_who_gave_a_command_reads_it_without_seeing_its_target(tmp_path: Path) -> None:
    async def scenario() -> None:
        job, kid, other = new_id(), new_id(), new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            for app_id, parent_id in ((job, None), (kid, job), (other, None)):
                await client.register(app_id, parent_id)
            access = AccessRegistry.open(house.database, house.clock.now)
            service = TreeService(house.database, house.keeper, access, house.clock.now)
            owner = Caller(CallerKind.APP, job)
            command = NewCommand(action="pause", correlation_id="of the job")
            await service.command(owner, kid, command, 0)
            assert service.get_command(owner, "of the job").requested_by == job
            key = Caller(CallerKind.KEY, job, READER, scope=other)
            # A key that is bound to another part of the tree, naming the app without a proof.
            named = Caller(CallerKind.APP, job, scope=other, at_most=READER)
            for stranger in (key, named):
                with pytest.raises(ClewError) as refused:
                    service.get_command(stranger, "of the job")
                assert refused.value.code is ErrorCode.NOT_FOUND
            service.close()

    run(scenario())
