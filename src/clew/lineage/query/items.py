"""Items by their trace ids, and trace ids by their items."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from clew.lineage.query.columns import read_numbers, read_rows
from clew.lineage.query.windows import PutOut
from clew.lineage.tables import ITEMS
from clew.store.engine.contract import QueryLimits, Scan

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa

    from clew.lineage.query.store import Store
    from clew.store.engine.contract import Snapshot

ITEMS_READ_MAX: Final = 30
"""Of one node: an id may be that of every item of a chain. Of more, those that are needed are asked
for by their times."""

FEW_ROWS: Final = 20_000
"""Up to here rows are read as they lie: twice the nodes of the largest answer."""

LIMITS: Final = QueryLimits(time_ms_max=10_000, memory_bytes_max=1 << 30)

_COLUMNS: Final = (
    "TraceId",
    "StreamId",
    "Epoch",
    "Seq",
    "toUnixTimestamp64Nano(Timestamp) AS at",
)

# What is told twice of an item is told once; the first one counts.
_DISTINCT: Final = (
    "SELECT min(at) AS first, StreamId, Epoch, Seq, TraceId FROM @items"
    " GROUP BY TraceId, StreamId, Epoch, Seq"
)


@dataclass(frozen=True, slots=True)
class Items:
    """The first items that have an id, those that were put out first first; and how many do."""

    first: list[PutOut]
    total: int

    @property
    def is_whole(self) -> bool:
        """Whether these are all."""
        return len(self.first) == self.total


NO_ITEMS: Final = Items([], 0)


class Traced(NamedTuple):
    """An item and its trace id."""

    item: PutOut
    trace_id: int


def find_items_of(
    store: Store, snapshot: Snapshot, trace_ids: Collection[int], each_max: int = ITEMS_READ_MAX
) -> dict[int, Items]:
    """Return, by trace id, the first items that have it, at most so many of each."""
    # To put together and count takes the engine twice the time of finding the rows.
    rows = _read(store, snapshot, trace_ids, "@items", limit=FEW_ROWS + 1)
    if rows.num_rows <= FEW_ROWS:
        return _take_first(rows, each_max)
    rows = _read(
        store,
        snapshot,
        trace_ids,
        f"SELECT *, count() OVER (PARTITION BY TraceId) AS total FROM ({_DISTINCT})"
        f" ORDER BY TraceId, first, StreamId, Epoch, Seq LIMIT {each_max} BY TraceId",
    )
    found: dict[int, Items] = {}
    for at, stream_id, epoch, seq, trace_id, total in read_rows(rows):
        if trace_id not in found:
            found[trace_id] = Items([], total)
        found[trace_id].first.append(PutOut(at, stream_id, epoch, seq))
    return found


def _read(
    store: Store,
    snapshot: Snapshot,
    trace_ids: Collection[int],
    sql: str,
    limit: int | None = None,
) -> pa.Table:
    scan = Scan(ITEMS, _COLUMNS, "TraceId IN {ids:Array(UInt64)}", limit=limit)
    return store.engine.query(
        sql,
        snapshot=snapshot,
        scans={"items": scan},
        parameters={"ids": sorted(trace_ids)},
        limits=LIMITS,
    )


def _take_first(rows: pa.Table, each_max: int) -> dict[int, Items]:
    put: dict[int, dict[tuple[int, int, int], int]] = {}
    for trace_id, stream_id, epoch, seq, at in read_rows(rows):
        told, place = put.setdefault(trace_id, {}), (stream_id, epoch, seq)
        told[place] = min(at, told.get(place, at))
    found = {}
    for trace_id, told in put.items():
        items = sorted(PutOut(at, *place) for place, at in told.items())
        found[trace_id] = Items(items[:each_max], len(items))
    return found


def find_items_before(
    store: Store, snapshot: Snapshot, moments: Collection[tuple[int, int]]
) -> dict[tuple[int, int], PutOut]:
    """Return, by trace id and moment (Unix nanoseconds), the item that was put out last before."""
    rows = store.engine.query(
        "SELECT put.first, put.StreamId, put.Epoch, put.Seq, told.id, told.moment"
        " FROM (SELECT arrayJoin(arrayZip({ids:Array(UInt64)}, {moments:Array(Int64)})) AS each,"
        " each.1 AS id, each.2 AS moment) AS told"
        f" ASOF INNER JOIN ({_DISTINCT}) AS put"
        " ON told.id = put.TraceId AND told.moment >= put.first",
        snapshot=snapshot,
        scans={"items": Scan(ITEMS, _COLUMNS, "TraceId IN {ids:Array(UInt64)}")},
        parameters={
            "ids": [trace_id for trace_id, _ in moments],
            "moments": [moment for _, moment in moments],
        },
        limits=LIMITS,
    )
    return {(trace_id, moment): PutOut(*item) for *item, trace_id, moment in read_rows(rows)}


def find_traced(
    store: Store, stream_id: int, epoch: int | None, seq: int, limit: int
) -> tuple[list[Traced], int]:
    """Return the items with a number in a stream, and how many there are.

    Those that were put out first stand first. Without an epoch, of any.
    """
    where = "StreamId = {stream:UInt32} AND Seq = {seq:UInt64}"
    parameters: dict[str, object] = {"stream": stream_id, "seq": seq}
    if epoch is not None:
        where += " AND Epoch = {epoch:UInt64}"
        parameters["epoch"] = epoch
    rows = store.engine.query(
        f"SELECT *, count() OVER () AS total FROM ({_DISTINCT})"
        f" ORDER BY first, Epoch, TraceId LIMIT {limit}",
        snapshot=store.snapshot(),
        scans={"items": Scan(ITEMS, _COLUMNS, where)},
        parameters=parameters,
        limits=LIMITS,
    )
    *items, totals = map(read_numbers, rows.columns)
    found = [Traced(PutOut(*item), trace_id) for *item, trace_id in zip(*items, strict=True)]
    return found, totals[0] if totals else 0
