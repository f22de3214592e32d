"""What an older version wrote down of objects is read by the one that is there now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.tables import MIGRATIONS
from clew.twin.events import Event, EventType
from clew.twin.migrations import MIGRATIONS as TWIN_MIGRATIONS
from clew.twin.state.folding import fold_events
from clew.twin.state.memory import Memory
from clew.twin.state.reading import fold_read
from clew.twin.state.selection import Subject
from clew.twin.state.snapshots import Written, write_snapshots
from clew.twin.state.store import RecordedStore
from clew.twin.tables import SNAPSHOTS, TABLES
from tests.conformance.twin_house import MORNING, House

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from clew.store.table import Table

EVENT = Event(
    at=MORNING,
    seq=1,
    event_id="e0",
    type=EventType.STATE_CHANGE,
    obj_type="Cart",
    obj_id="",
    patch={"a": 1},
)


def test_what_an_older_version_wrote_down_had_come_when_it_was_made(tmp_path: Path) -> None:
    columns = tuple(each for each in SNAPSHOTS.columns if each.name != "Received")
    before = replace(SNAPSHOTS, columns=columns)
    older = ChdbEngine(tmp_path, migrations=MIGRATIONS)
    older.create([before])
    known = fold_read([EVENT], None, {})
    subject = Subject("Cart", "old")
    written = Written(subject, known, 1, {}, received=MORNING, kept_from=MORNING + 5)
    write_snapshots(_Older(older, before), [written], now=MORNING + 7)  # type: ignore[arg-type]
    older.close()
    newer = ChdbEngine(tmp_path, migrations=(*MIGRATIONS, *TWIN_MIGRATIONS))
    try:
        newer.create(TABLES)
        house = House(newer)
        house.store([EVENT])
        memory = Memory(house, lambda: MORNING)
        for recorded, expired in ((MORNING + 6, MORNING + 5), (MORNING + 7, None)):
            store = RecordedStore(memory.store, recorded)
            assert fold_events(store, subject).expired == expired
    finally:
        newer.close()


@dataclass(frozen=True)
class _Older:
    """An engine that takes the columns of a table as it was."""

    engine: ChdbEngine
    table: Table

    def insert(self, _table: Table, rows: pa.Table, *, token: str) -> None:
        names = [each.name for each in self.table.columns]
        self.engine.insert(self.table, rows.select(names), token=token)
