"""Edges as the engine gives them: those that lead away from a set of ids."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from clew.lineage.tables import LINKS
from clew.store.engine.contract import QueryLimits, Scan

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa

    from clew.base.times import TimeRange
    from clew.lineage.parameters import Direction
    from clew.lineage.query.store import Store
    from clew.store.engine.contract import Snapshot

ROWS_MAX: Final = 200_000
"""Of one step: what a node with a million outputs would give is no answer, and takes a second."""

DESCRIBE_MS_MAX: Final = 10_000
"""For what is told of the edges that a walk found."""

MEMORY_BYTES_MAX: Final = 1 << 30

_AT: Final = "toUnixTimestamp64Nano(Timestamp) AS at"
_ORDER: Final = "TraceId, ParentTraceId, at, StreamId, Epoch, Seq"


Pair = tuple[int, int]
"""An edge: what was made, and one of the ids that it was made of."""


def ends_of(pair: Pair, direction: Direction) -> Pair:
    """Return the id that a walk comes from, and the one that it goes to."""
    return pair if direction == "up" else (pair[1], pair[0])


class Link(NamedTuple):
    """An edge, the item that says so, and when (Unix nanoseconds)."""

    trace_id: int
    parent: int
    position: int
    stream_id: int
    epoch: int
    seq: int
    at: int


@dataclass(frozen=True, slots=True)
class Edges:
    """The edges of one moment of a store, within a range of the times at which they were made."""

    store: Store
    snapshot: Snapshot
    window: TimeRange

    def find(
        self, ids: Collection[int], direction: Direction, *, time_ms_max: int
    ) -> tuple[set[Pair], bool]:
        """Return the edges that lead away from some ids, and whether those are all.

        Ids alone: each further column would cost half of the question's time once more.

        Raises:
            ClewError: TIMEOUT.
        """
        rows = self._ask(
            f"SELECT * FROM @links LIMIT {ROWS_MAX + 1}",
            _far_from(direction),
            ("TraceId", "ParentTraceId"),
            {"ids": sorted(ids)},
            time_ms_max,
        )
        outputs, parents = (column.to_pylist() for column in rows.columns)
        return set(zip(outputs, parents, strict=True)), rows.num_rows <= ROWS_MAX

    def has_any(self, ids: Collection[int], direction: Direction, *, time_ms_max: int) -> bool:
        """Whether any edge leads away from some ids.

        Raises:
            ClewError: TIMEOUT.
        """
        rows = self._ask(
            "SELECT 1 FROM @links LIMIT 1",
            _far_from(direction),
            ("TraceId",),
            {"ids": sorted(ids)},
            time_ms_max,
        )
        return bool(rows.num_rows)

    def describe(self, pairs: Collection[Pair], *, is_cut: bool = True) -> list[Link] | None:
        """Return what is told of edges, in their order; None where one is not there any more.

        Of rows that say the same, the one that was made first tells of the edge. Where these are
        not a part of all that lead away from their ends, it is cheaper to say so (`is_cut`).
        """
        if not pairs:
            return []
        where = "TraceId IN {outputs:Array(UInt64)}"
        parameters: dict[str, object] = {"outputs": sorted({output for output, _ in pairs})}
        if is_cut:
            # An output may have thousands of inputs that are not asked for.
            where += " AND ParentTraceId IN {parents:Array(UInt64)}"
            parameters["parents"] = sorted({parent for _, parent in pairs})
        rows = self._ask(
            f"SELECT * FROM @links ORDER BY {_ORDER} LIMIT 1 BY TraceId, ParentTraceId",
            where,
            ("TraceId", "ParentTraceId", "Position", "StreamId", "Epoch", "Seq", _AT),
            parameters,
            DESCRIBE_MS_MAX,
        )
        columns = [column.to_pylist() for column in rows.columns]
        told = {(row[0], row[1]): Link(*row) for row in zip(*columns, strict=True)}
        if len(told.keys() & pairs) < len(pairs):
            return None
        return [told[pair] for pair in pairs]

    def _ask(
        self,
        sql: str,
        where: str,
        columns: tuple[str, ...],
        parameters: dict[str, object],
        time_ms_max: int,
    ) -> pa.Table:
        conditions = [where]
        if self.window.start is not None:
            conditions.append("Timestamp >= fromUnixTimestamp64Nano({start:Int64})")
            parameters["start"] = self.window.start
        if self.window.end is not None:
            conditions.append("Timestamp < fromUnixTimestamp64Nano({end:Int64})")
            parameters["end"] = self.window.end
        return self.store.engine.query(
            sql,
            snapshot=self.snapshot,
            scans={"links": Scan(LINKS, columns, " AND ".join(conditions))},
            parameters=parameters,
            limits=QueryLimits(time_ms_max=time_ms_max, memory_bytes_max=MEMORY_BYTES_MAX),
        )


def _far_from(direction: Direction) -> str:
    column = "TraceId" if direction == "up" else "ParentTraceId"
    return f"{column} IN {{ids:Array(UInt64)}}"
