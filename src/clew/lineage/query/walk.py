"""The walk: level by level, until nothing new comes or a wall is reached.

Theory of operation. A level's ids are asked for together: of the edges in memory, or of the engine
by key. Ids that were seen are not asked for again, so cycles and diamonds end by themselves, and
each id stands at the fewest steps that lead to it. A walk sees one moment of the store.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.query.edges import ends_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from clew.lineage.parameters import Direction
    from clew.lineage.query.edges import Pair

SEARCH_NODES_MAX: Final = 100_000
"""Nodes that a search for a way looks at: a second of questions."""

WALK_SECONDS_MAX: Final = 10.0
"""Of one walk: then what was found is the answer."""


class Stop(StrEnum):
    """Why a walk ended before the graph did. Closed."""

    DEPTH = "depth"
    NODES = "nodes"
    EDGES = "edges"
    TIME = "time"


@dataclass(slots=True)
class Walk:
    """What was found: ids by how many steps away they are, in that order, and edges among them."""

    root: int
    direction: Direction
    depths: dict[int, int]
    level: list[int]
    """Ids that were found last and not gone on from."""

    pairs: list[Pair] = field(default_factory=list)
    stops: set[Stop] = field(default_factory=set)
    length: int | None = None
    """Of a way that was looked for, where one was found: its edges."""

    @property
    def is_cut(self) -> bool:
        """Whether an output may have inputs beside those here: of a way, down, and at a wall."""
        walls = {Stop.NODES, Stop.EDGES}
        return self.length is not None or self.direction == "down" or bool(walls & self.stops)


class EdgeSource(Protocol):
    """The edges of one moment of a graph. Blocks; every call MUST see the same edges."""

    def find(
        self, ids: Collection[int], direction: Direction, *, time_ms_max: int
    ) -> tuple[set[Pair], bool]:
        """Return the edges that lead away from some ids, and whether those are all.

        Raises:
            ClewError: TIMEOUT.
        """
        ...

    def has_any(self, ids: Collection[int], direction: Direction, *, time_ms_max: int) -> bool:
        """Whether any edge leads away from some ids.

        Raises:
            ClewError: TIMEOUT.
        """
        ...


class Walker:
    """Walks one moment of a graph, for so long at most over all its walks."""

    def __init__(self, edges: EdgeSource, seconds_max: float = WALK_SECONDS_MAX) -> None:
        self._edges = edges
        self._deadline = time.monotonic() + seconds_max

    def walk(self, root: int, direction: Direction, *, depth: int, nodes_max: int) -> Walk:
        """Return all that is at most `depth` steps away; of more than `nodes_max`, the nearest."""
        found = Walk(root, direction, {root: 0}, [root])
        for step, pairs in self._steps(found, depth):
            _add(found, pairs, step, nodes_max)
            if not found.level or Stop.NODES in found.stops:
                return found
        if Stop.TIME not in found.stops:
            self._look_beyond(found)
        return found

    def search(
        self, start: int, target: int, direction: Direction, *, depth: int, nodes_max: int
    ) -> Walk:
        """Return the walk from one id up to the step at which another was found."""
        found = Walk(start, direction, {start: 0}, [start])
        if start == target:
            return found
        for step, pairs in self._steps(found, depth):
            # Of more than there is room for, what was looked for is not left out.
            led = [pair for pair in pairs if target in pair]
            _add(found, led, step, nodes_max)
            level = found.level
            _add(found, pairs.difference(led), step, nodes_max)
            found.level += level
            if not found.level or target in found.depths or Stop.NODES in found.stops:
                return found
        if Stop.TIME not in found.stops:
            self._look_beyond(found)
        return found

    def _steps(self, found: Walk, depth: int) -> Iterator[tuple[int, set[Pair]]]:
        """Yield the edges of each step; ends after `depth` of them, or when time is up."""
        for step in range(1, depth + 1):
            try:
                pairs, is_whole = self._edges.find(
                    found.level, found.direction, time_ms_max=self._left_ms()
                )
            except ClewError as error:
                if error.code is not ErrorCode.TIMEOUT or step == 1:
                    raise
                found.stops.add(Stop.TIME)
                return
            if not is_whole:
                found.stops.add(Stop.EDGES)
            yield step, pairs

    def _look_beyond(self, found: Walk) -> None:
        """Note whether the graph goes on where the walk ended."""
        try:
            if self._edges.has_any(found.level, found.direction, time_ms_max=self._left_ms()):
                found.stops.add(Stop.DEPTH)
        except ClewError as error:
            if error.code is not ErrorCode.TIMEOUT:
                raise
            found.stops.add(Stop.TIME)

    def _left_ms(self) -> int:
        """Return the time that is left, at least a millisecond: 0 would set no wall."""
        return max(1, int((self._deadline - time.monotonic()) * 1000))


def _add(found: Walk, pairs: Collection[Pair], step: int, nodes_max: int) -> None:
    """Add the edges of a step; the ids that are new by them are the next level."""
    found.level = []
    for pair in sorted(pairs):
        _, far = ends_of(pair, found.direction)
        if far not in found.depths:
            if len(found.depths) >= nodes_max:
                found.stops.add(Stop.NODES)
                continue
            found.depths[far] = step
            found.level.append(far)
        found.pairs.append(pair)


def find_way(walker: Walker, start: int, target: int, *, depth: int, nodes_max: int) -> Walk:
    """Return every shortest way between two ids, from the later one, which is its root.

    Where no way is known, both ids and no edge; of more than `nodes_max` ids the nearest.
    """
    stops: set[Stop] = set()
    # From the start first: who asks why an output exists knows the output.
    for later, earlier in ((start, target), (target, start)):
        # Ancestors are few where descendants may be many, so both ways are walked upwards.
        found = walker.search(later, earlier, "up", depth=depth, nodes_max=SEARCH_NODES_MAX)
        if earlier in found.depths:
            path = keep_shortest(found, earlier)
            path.stops, path.length = set(), found.depths[earlier]
            return _cut(path, nodes_max)
        stops |= found.stops
    return _cut(Walk(start, "up", {start: 0, target: 0}, [], [], stops), nodes_max)


def _cut(found: Walk, nodes_max: int) -> Walk:
    """Return a walk with its nearest nodes, and the edges among these."""
    if len(found.depths) > nodes_max:
        found.stops.add(Stop.NODES)
        found.depths = dict(list(found.depths.items())[:nodes_max])
        kept = found.depths.keys()
        found.pairs = [pair for pair in found.pairs if kept >= set(pair)]
    return found


def keep_shortest(found: Walk, target: int) -> Walk:
    """Return what of a search lies on a shortest way to its target."""
    kept = {target}
    pairs: list[Pair] = []
    for pair in reversed(found.pairs):
        near, far = ends_of(pair, found.direction)
        # Pairs stand by steps, so those that lead to what is kept come before those that lead on.
        if far in kept and found.depths[far] == found.depths[near] + 1:
            kept.add(near)
            pairs.append(pair)
    depths = {each: depth for each, depth in found.depths.items() if each in kept}
    return Walk(found.root, found.direction, depths, [], pairs[::-1], found.stops)
