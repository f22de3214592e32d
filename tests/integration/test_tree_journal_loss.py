"""What was removed from the outbox before telemetry took it shows in the journal itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clew.access.schema import SCHEMA as ACCESS
from clew.base.errors import ClewError, ErrorCode
from clew.store.database.sqlite import SqliteDatabase
from clew.tree.journal.journal import Journal
from clew.tree.journal.records import JournalLog, JournalSpan
from clew.tree.journal.schema import SCHEMA as JOURNAL
from clew.tree.journal.schema import read_position
from clew.tree.keeper.upkeep import Retention, Upkeep
from clew.tree.registry import retention
from clew.tree.registry.schema import SCHEMA as TREE
from tests.integration.tree_house import new_id, open_house, run, until


class Telemetry:
    """Takes records, or nothing while it is full."""

    def __init__(self) -> None:
        self.is_full = False
        self.logs: list[JournalLog] = []

    async def write(self, logs: Sequence[JournalLog], spans: Sequence[JournalSpan]) -> None:
        del spans
        if self.is_full:
            raise ClewError(ErrorCode.OVERLOADED, "the log is full")
        self.logs += logs


def test_a_loss_is_counted_and_stands_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "OUTBOX_ENTRIES_MAX", 5)
    database = SqliteDatabase.open(tmp_path, [ACCESS, TREE, JOURNAL])

    async def scenario() -> None:
        telemetry = Telemetry()
        app_id = new_id()
        async with open_house(database) as house, house.client() as client:
            await client.register(app_id)
            journal = Journal(database, house.keeper.hub, telemetry)
            journal.open()
            await until(lambda: journal.position and journal.behind == 0)
            told = journal.position
            telemetry.is_full = True
            for seq in range(1, 21):
                await client.say(app_id, seq)
            await until(lambda: not journal.is_telling)
            newest = house.keeper.hub.newest
            upkeep = Upkeep(
                database,
                house.keeper,
                house.clock.now,
                Retention(),
                told=read_position,
                forget=lambda _app_ids: None,
            )
            await upkeep.trim()
            assert upkeep.lost == newest - 5 - told
            telemetry.is_full = False
            # The end tells what is there, as the next try would.
            await journal.close()
            assert (journal.lost, journal.behind) == (upkeep.lost, 0)
        (lost,) = [each for each in telemetry.logs if each.event_name == "trails.lost"]
        assert lost.attributes["trails.lost.count"] == newest - 5 - told
        assert lost.attributes["trails.lost.from"] == told + 1
        ids = [each.attributes.get("trails.event.id") for each in telemetry.logs]
        after = [each for each in ids if isinstance(each, int) and each > told]
        assert after == list(range(newest - 4, newest + 1))

    try:
        run(scenario())
    finally:
        database.close()
