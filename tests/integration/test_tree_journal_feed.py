"""The journal tells everything once and in order, whether it was handed over or read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clew.access.schema import SCHEMA as ACCESS
from clew.base.errors import ClewError, ErrorCode
from clew.store.database.sqlite import SqliteDatabase
from clew.tree.journal import journal as journals
from clew.tree.journal.journal import Journal
from clew.tree.journal.records import JournalLog, JournalSpan
from clew.tree.journal.schema import SCHEMA as JOURNAL
from clew.tree.journal.schema import read_position
from clew.tree.keeper import hub as hubs
from clew.tree.keeper.hub import Hub
from clew.tree.machine.changes import Happened
from clew.tree.registry.keeping import keep
from clew.tree.registry.schema import SCHEMA as TREE
from tests.integration.tree_house import new_id, run, until

DOCUMENT = (
    b'{"app_name":"worker","msg_type":"Status","seq":1,"epoch":1,"source":"app",'
    b'"payload_bytes":2,"payload":{}}'
)


class Told:
    """A sink that takes everything, but for as many times as it is told to refuse."""

    def __init__(self) -> None:
        self.ids: list[object] = []
        self.refusals = 0

    async def write(self, logs: Sequence[JournalLog], spans: Sequence[JournalSpan]) -> None:
        assert not spans
        if self.refusals:
            self.refusals -= 1
            raise ClewError(ErrorCode.OVERLOADED, "there is no room")
        self.ids += [each.attributes["trails.event.id"] for each in logs]


def happen(database: SqliteDatabase, hub: Hub, count: int) -> None:
    """Keep so many entries and hand them out."""
    app_id = new_id()
    entry = Happened(at=1, app_id=app_id, path=(app_id,), kind="message", document=DOCUMENT)
    kept = database.submit(lambda transaction: keep(transaction, [entry] * count)).result()
    hub.publish(kept.happened)


def test_all_is_told_once_and_in_order_whatever_the_feed_could_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "GATHER_S", 0.0)
    monkeypatch.setattr(journals, "RETRY_S", 0.0)
    monkeypatch.setattr(journals, "BATCH_ENTRIES", 7)
    monkeypatch.setattr(hubs, "ENTRIES_MAX", 50)
    database = SqliteDatabase.open(tmp_path / "data", [ACCESS, TREE, JOURNAL])

    async def scenario() -> None:
        hub, told = Hub(), Told()
        happen(database, hub, 20)
        journal = Journal(database, hub, told)
        journal.open()
        for count in (1, 3, 30, 200, 5, 49, 51, 2):
            happen(database, hub, count)
            if count == 5:
                told.refusals = 2
            await until(lambda: journal.position == hub.newest)
            assert told.ids == list(range(1, hub.newest + 1))
            assert database.read(read_position) == hub.newest
        happen(database, hub, 10)
        await journal.close()
        assert told.ids == list(range(1, hub.newest + 1))

    try:
        run(scenario())
    finally:
        database.close()
