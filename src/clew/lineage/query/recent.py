"""Edges in memory, ids alone: a walk of twenty steps without twenty questions to the engine.

Theory of operation. A question to the engine takes some 3 ms however little it asks, and a walk
asks for one level at a time. Ids of two million edges take 64 MB, so up to that many are kept: the
*base*, as sorted arrays in both directions, loaded when the first walk is asked for, and what came
since as small *layers* on top, one for each walk that found something new. Which frames those are
is known by the number of the newest frame that is in; what has a higher one is asked for before
each walk, so a walk sees every row that was acknowledged before it. Layers and base are never
changed: a walk keeps those it began with.

Rows that retention takes away stay in memory. So whoever tells of edges asks the engine for them,
and `forget`s all of it when one is not there any more. Graphs that are larger than the bound are
walked in the engine.
"""

# ruff: noqa: S608 - values are numbers of ours; the rest is our own text

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.lineage.query.columns import read_numbers
from clew.lineage.tables import LINKS
from clew.store.engine.contract import QueryLimits, Scan
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import pyarrow as pa

    from clew.lineage.parameters import Direction
    from clew.lineage.query.edges import Pair
    from clew.lineage.query.store import Store
    from clew.store.engine.contract import Snapshot

EDGES_MAX: Final = 2_000_000
"""Of the base: 64 MB."""

FRESH_MAX: Final = 100_000
"""Edges of all layers, some 30 MB; then the base is loaded anew, which takes half a second."""

LAYERS_MAX: Final = 16
"""Each is looked into at each step; then they are made one."""

LARGE_S: Final = 60.0
"""For so long a graph that was too large is not tried again."""

LIMITS: Final = QueryLimits(time_ms_max=10_000, memory_bytes_max=1 << 30)


@dataclass(frozen=True, slots=True)
class Column:
    """Edges by one of their ends: `near` ascending, and the other end of each at the same place."""

    near: array[int]
    far: array[int]

    def find(self, each: int) -> array[int]:
        """Return the other ends of the edges that begin at an id."""
        first = bisect_left(self.near, each)
        last = first
        while last < len(self.near) and self.near[last] == each:
            last += 1
        return self.far[first:last]


@dataclass(frozen=True, slots=True)
class Layer:
    """A few edges, by each of their ends."""

    up: Mapping[int, list[int]]
    down: Mapping[int, list[int]]
    edges: int


@dataclass(frozen=True, slots=True)
class RecentEdges:
    """All edges of one moment. What it gives is what `Edges` gives without a time range."""

    snapshot: Snapshot
    base: Mapping[Direction, Column]
    layers: tuple[Layer, ...]

    def find(
        self, ids: Collection[int], direction: Direction, *, time_ms_max: int
    ) -> tuple[set[Pair], bool]:
        """Return the edges that lead away from some ids; all of them, at once."""
        found: set[Pair] = set()
        for near in ids:
            for far in self._following(near, direction):
                found.add((near, far) if direction == "up" else (far, near))
        return found, True

    def has_any(self, ids: Collection[int], direction: Direction, *, time_ms_max: int) -> bool:
        """Whether any edge leads away from some ids."""
        return any(self._following(near, direction) for near in ids)

    def _following(self, near: int, direction: Direction) -> list[int]:
        following = list(self.base[direction].find(near))
        for layer in self.layers:
            following += (layer.up if direction == "up" else layer.down).get(near, ())
        return following


class EdgeMemory:
    """Keeps the edges of one store. Safe to use from any thread."""

    def __init__(
        self,
        store: Store,
        edges_max: int = EDGES_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._edges_max = edges_max
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: RecentEdges | None = None
        self._large_until = 0.0

    def open(self) -> RecentEdges | None:
        """Return the edges of this moment, None where there are too many. Blocks.

        Raises:
            ClewError: TIMEOUT, UNAVAILABLE.
        """
        with self._lock:
            if self._clock() < self._large_until:
                return None
            snapshot = self._store.snapshot()
            if snapshot.frames is not None:
                # What came since cannot be told from shards' frames.
                return None
            kept = self._kept
            if kept is not None:
                kept = self._add(kept, snapshot)
            if kept is None:
                kept = self._load(snapshot)
            if kept is None:
                self._large_until = self._clock() + LARGE_S
            self._kept = kept
            return kept

    def forget(self) -> None:
        """Let go of everything: some of it is not there any more."""
        with self._lock:
            self._kept = None

    def _add(self, kept: RecentEdges, snapshot: Snapshot) -> RecentEdges | None:
        """Return edges with what came since, None where that is too much: all is to be loaded."""
        if snapshot.acked == kept.snapshot.acked:
            return RecentEdges(snapshot, kept.base, kept.layers)
        rows = self._ask(
            f"SELECT * FROM @links LIMIT {FRESH_MAX + 1}",
            snapshot,
            f"{FRAME} > {kept.snapshot.acked}",
        )
        layers = kept.layers
        if rows.num_rows:
            layers = (*layers, _lay(rows))
        if sum(layer.edges for layer in layers) > FRESH_MAX:
            return None
        if len(layers) > LAYERS_MAX:
            layers = (_merge(layers),)
        return RecentEdges(snapshot, kept.base, layers)

    def _load(self, snapshot: Snapshot) -> RecentEdges | None:
        base: dict[Direction, Column] = {}
        ways: tuple[tuple[Direction, str], ...] = (
            ("up", "TraceId, ParentTraceId"),
            ("down", "ParentTraceId, TraceId"),
        )
        for direction, order in ways:
            rows = self._ask(
                f"SELECT {order} FROM @links ORDER BY {order} LIMIT {self._edges_max + 1}",
                snapshot,
                "1",
            )
            if rows.num_rows > self._edges_max:
                return None
            base[direction] = Column(*(read_numbers(column) for column in rows.columns))
        return RecentEdges(snapshot, base, ())

    def _ask(self, sql: str, snapshot: Snapshot, where: str) -> pa.Table:
        scan = Scan(LINKS, ("TraceId", "ParentTraceId"), where)
        return self._store.engine.query(
            sql, snapshot=snapshot, scans={"links": scan}, limits=LIMITS
        )


def _lay(rows: pa.Table) -> Layer:
    up: dict[int, list[int]] = {}
    down: dict[int, list[int]] = {}
    outputs, parents = (read_numbers(column) for column in rows.columns)
    for output, parent in zip(outputs, parents, strict=True):
        up.setdefault(output, []).append(parent)
        down.setdefault(parent, []).append(output)
    return Layer(up, down, rows.num_rows)


def _merge(layers: Collection[Layer]) -> Layer:
    up: dict[int, list[int]] = {}
    down: dict[int, list[int]] = {}
    for layer in layers:
        for into, of in ((up, layer.up), (down, layer.down)):
            for near, far in of.items():
                into.setdefault(near, []).extend(far)
    return Layer(up, down, sum(layer.edges for layer in layers))
