"""Edges as the engine gives them: those that lead away from a set of ids."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from clew.lineage.query.columns import read_numbers, read_rows
from clew.lineage.tables import LINKS
from clew.store.engine.contract import QueryLimits, Scan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import pyarrow as pa

    from clew.base.times import TimeRange
    from clew.lineage.parameters import Direction
    from clew.lineage.query.store import Store
    from clew.store.engine.contract import Snapshot

ROWS_MAX: Final = 200_000
"""Of one step: what a node with a million outputs would give is no answer, and takes a second."""

FEW_ROWS: Final = 1_000
"""Beside twice the edges: of those that are told of more often the engine picks the first."""

INPUTS_MAX: Final = 20_000
"""Of all outputs of an answer, where it does not walk to all of their inputs: half a second."""

DESCRIBE_MS_MAX: Final = 10_000
"""For what is told of the edges that a walk found."""

MEMORY_BYTES_MAX: Final = 1 << 30

_AT: Final = "toUnixTimestamp64Nano(Timestamp) AS at"
_ORDER: Final = "TraceId, ParentTraceId, at, StreamId, Epoch, Seq"
_TOLD: Final = (
    *("TraceId", "ParentTraceId", "Position", "Parents"),
    *("StreamId", "Epoch", "Seq", _AT),
)

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
    parents: int
    """How many inputs the set named that says so."""

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
        outputs, parents = map(read_numbers, rows.columns)
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
        # To put together what came several times takes the engine longer than to find it.
        few = 2 * len(pairs) + FEW_ROWS
        rows = self._ask("@links", where, _TOLD, parameters, DESCRIBE_MS_MAX, limit=few)
        if rows.num_rows >= few:
            sql = f"SELECT * FROM @links ORDER BY {_ORDER} LIMIT 1 BY TraceId, ParentTraceId"
            rows = self._ask(sql, where, _TOLD, parameters, DESCRIBE_MS_MAX)
        told: dict[Pair, Link] = {}
        for link in _links(rows):
            pair = (link.trace_id, link.parent)
            first = told.setdefault(pair, link)
            if first is not link and _moment(link) < _moment(first):
                told[pair] = link
        links = [told[pair] for pair in pairs if pair in told]
        return links if len(links) == len(pairs) else None

    def find_inputs(self, outputs: Collection[int]) -> list[Link]:
        """Return all edges that lead from some outputs to their inputs, `INPUTS_MAX` at most.

        Order: outputs, then inputs, ascending.
        """
        if not outputs:
            return []
        rows = self._ask(
            f"SELECT * FROM @links ORDER BY {_ORDER} LIMIT 1 BY TraceId, ParentTraceId"
            f" LIMIT {INPUTS_MAX}",
            "TraceId IN {outputs:Array(UInt64)}",
            _TOLD,
            {"outputs": sorted(outputs)},
            DESCRIBE_MS_MAX,
        )
        return list(_links(rows))

    def _ask(
        self,
        sql: str,
        where: str,
        columns: tuple[str, ...],
        parameters: dict[str, object],
        time_ms_max: int,
        limit: int | None = None,
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
            scans={"links": Scan(LINKS, columns, " AND ".join(conditions), limit=limit)},
            parameters=parameters,
            limits=QueryLimits(time_ms_max=time_ms_max, memory_bytes_max=MEMORY_BYTES_MAX),
        )


def _links(rows: pa.Table) -> Iterator[Link]:
    return itertools.starmap(Link, read_rows(rows))


def _moment(link: Link) -> tuple[int, int, int, int]:
    return (link.at, link.stream_id, link.epoch, link.seq)


def _far_from(direction: Direction) -> str:
    column = "TraceId" if direction == "up" else "ParentTraceId"
    return f"{column} IN {{ids:Array(UInt64)}}"
