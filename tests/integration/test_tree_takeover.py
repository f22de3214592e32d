"""A tree whose server begins to lead: what its log has, and its registry has not yet."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from clew.access.schema import SCHEMA as ACCESS
from clew.store.database.sqlite import SqliteDatabase
from clew.tree.registry.schema import SCHEMA as TREE
from tests.conformance.registry_replay import MemoryLog
from tests.conformance.registry_writes import Gate
from tests.integration.tree_house import new_id, open_house, run, until


def test_a_tree_that_opens_while_the_end_of_the_log_comes_in_goes_on_from_there(
    tmp_path: Path,
) -> None:
    log = MemoryLog()

    def open_registry(name: str) -> SqliteDatabase:
        return SqliteDatabase.open(tmp_path / name, [ACCESS, TREE], changes=log.after)

    async def scenario(former: SqliteDatabase) -> None:
        app_id = new_id()
        async with open_house(former) as house, house.client() as client:
            await client.register(app_id)
            following = open_registry("following")
            had = len(log.changes)
            await client.say(app_id, 1)
        late = log.changes[had:]
        with closing(following):
            following.lead(log.record)
            gate = Gate(following)
            for change in late:
                following.apply(*change)

            async def take_over() -> None:
                async with open_house(following) as house:
                    assert house.app(app_id).seq == 1

            opening = asyncio.create_task(take_over())
            # What the tree does first waits behind what came in.
            await until(lambda: following.status().queued > len(late))
            gate.open()
            await opening

    with closing(open_registry("former")) as former:
        former.lead(log.record)
        run(scenario(former))
