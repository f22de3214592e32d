"""Items by their trace ids, and trace ids by their items."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.lineage import documents as doc
from clew.lineage.numbers import U32_MAX, parse_number
from clew.lineage.tables import ITEMS
from clew.store.engine.contract import QueryLimits, Scan

if TYPE_CHECKING:
    from collections.abc import Collection

    from clew.lineage.parameters import ItemQuery
    from clew.lineage.query.store import Store
    from clew.store.engine.contract import Snapshot

ITEMS_OF_NODE_MAX: Final = 10
"""Of one node: an id may be that of every item of a chain."""

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
    "SELECT TraceId, StreamId, Epoch, Seq, min(at) AS first FROM @items"
    " GROUP BY TraceId, StreamId, Epoch, Seq"
)


def find_items_of(
    store: Store, snapshot: Snapshot, trace_ids: Collection[int]
) -> dict[int, tuple[list[doc.Item], int]]:
    """Return, by trace id, the first items that have it, and how many there are."""
    rows = store.engine.query(
        f"SELECT *, count() OVER (PARTITION BY TraceId) AS total FROM ({_DISTINCT})"
        f" ORDER BY TraceId, first, StreamId, Epoch, Seq LIMIT {ITEMS_OF_NODE_MAX} BY TraceId",
        snapshot=snapshot,
        scans={"items": Scan(ITEMS, _COLUMNS, "TraceId IN {ids:Array(UInt64)}")},
        parameters={"ids": sorted(trace_ids)},
        limits=LIMITS,
    ).to_pylist()
    found: dict[int, tuple[list[doc.Item], int]] = {}
    for row in rows:
        items, _ = found.setdefault(row["TraceId"], ([], row["total"]))
        items.append(doc.Item(**_place(row)))
    return found


def find_traced(store: Store, query: ItemQuery) -> doc.ItemList:
    """Return the items with a number in a stream, those that were put out first first.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    where = "StreamId = {stream:UInt32} AND Seq = {seq:UInt64}"
    parameters: dict[str, object] = {
        "stream": parse_number(query.stream_id, "a stream", U32_MAX),
        "seq": parse_number(query.seq, "a number in a stream"),
    }
    if query.epoch is not None:
        where += " AND Epoch = {epoch:UInt64}"
        parameters["epoch"] = parse_number(query.epoch, "an epoch")
    rows = store.engine.query(
        f"SELECT *, count() OVER () AS total FROM ({_DISTINCT})"
        f" ORDER BY first, Epoch, TraceId LIMIT {query.limit}",
        snapshot=store.snapshot(),
        scans={"items": Scan(ITEMS, _COLUMNS, where)},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    items = [doc.TracedItem(trace_id=str(row["TraceId"]), **_place(row)) for row in rows]
    total = rows[0]["total"] if rows else 0
    return doc.ItemList(items=items, count=len(items), total=total, truncated=total > len(items))


def _place(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "stream_id": row["StreamId"],
        "epoch": str(row["Epoch"]),
        "seq": str(row["Seq"]),
        "at": format_time(row["first"]),
    }
