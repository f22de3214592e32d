"""The tree that the spans of a trace form: depth, self time, and what the end of it waited for.

Theory of operation. Spans come from clients, so nothing about them is certain: parents may be
missing, ids may come twice (a client that sent again), clocks differ, and parents may even form a
circle. Every span id is given a place all the same. A span without a parent that is here is a root,
and a circle is cut at the member that starts first, which becomes a root too.

The critical path is found backwards from the end (as in CRISP, Zhang et al., ATC '22): what a span
waited for last is the child that finished last; before that child began it waited for the child
that had finished last by then; and so on, in each of those children alike. Several roots are taken
for the children of one span that nobody sent. A child counts only as far as it lies inside its
parent. Nothing recurses: a chain of 50 000 spans is as good as a list of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NOBODY: Final = -1
"""Where a position is wanted: the span above all roots."""


@dataclass(frozen=True, slots=True)
class TreeSpan:
    """What the tree needs of a span. Times are Unix nanoseconds; a root has no `parent_id`.

    A span that ends before it starts ends when it starts.
    """

    span_id: str
    parent_id: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A span's place. `index` is its position among the spans that were given.

    `depth` counts from 0 at a root. `self_ns` is the part of the duration in which no child ran.
    """

    index: int
    depth: int
    self_ns: int
    is_critical: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the critical path: from `start` to `end` the trace waited for this span itself.

    `index` is None between the roots on the path.
    """

    index: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tree:
    """A trace: `nodes` by start, parents before children at equal start, then by span id.

    `missing_parents` are the ids named as a parent and not here, in the order of those who name
    them. `critical_path` are adjoining segments, from the start of the first root to the end of the
    last one; a part that takes no time is left out.
    """

    nodes: tuple[TreeNode, ...]
    missing_parents: tuple[str, ...]
    critical_path: tuple[Segment, ...]


def build_tree(spans: Sequence[TreeSpan]) -> Tree:
    """Return the places of spans; of several with the same id one is kept.

    That one is the first to start, the longest of those, and the first given of those.

    Cost:   O(n log n).
    """
    kept = _distinct(spans)
    parents, missing = _parents(spans, kept)
    _cut_circles(parents)
    children: dict[int, list[int]] = {_NOBODY: []}
    for index in kept:
        children.setdefault(parents[index], []).append(index)
    depths = _depths(children)
    path, critical = _critical_path(spans, children)
    nodes = [
        TreeNode(
            index,
            depths[index],
            _self_ns(spans[index], (spans[child] for child in children.get(index, ()))),
            index in critical,
        )
        for index in kept
    ]
    nodes.sort(key=lambda node: (spans[node.index].start, node.depth, spans[node.index].span_id))
    return Tree(tuple(nodes), missing, path)


def _end(span: TreeSpan) -> int:
    return max(span.start, span.end)


def _distinct(spans: Sequence[TreeSpan]) -> list[int]:
    """Return the positions of one span for each id, by start, the longest first, then by id."""

    def order(index: int) -> tuple[int, int, str]:
        span = spans[index]
        return (span.start, -_end(span), span.span_id)

    first: dict[str, int] = {}
    for index in sorted(range(len(spans)), key=order):
        first.setdefault(spans[index].span_id, index)
    return list(first.values())


def _parents(
    spans: Sequence[TreeSpan], kept: Sequence[int]
) -> tuple[dict[int, int], tuple[str, ...]]:
    """Return each span's parent, and the ids of parents that are not here."""
    index_of = {spans[index].span_id: index for index in kept}
    parents: dict[int, int] = {}
    missing: dict[str, None] = {}
    for index in kept:
        parent_id = spans[index].parent_id
        parents[index] = index_of.get(parent_id, _NOBODY) if parent_id else _NOBODY
        if parent_id and parent_id not in index_of:
            missing[parent_id] = None
    return parents, tuple(missing)


def _cut_circles(parents: dict[int, int]) -> None:
    """Make a root of the first span of each circle; `parents` has the first to start first."""
    rank = {index: number for number, index in enumerate(parents)}
    settled = {_NOBODY}
    for index in rank:
        way: dict[int, None] = {}
        at = index
        while at not in settled and at not in way:
            way[at] = None
            at = parents[at]
        if at in way:
            steps = list(way)
            parents[min(steps[steps.index(at) :], key=rank.__getitem__)] = _NOBODY
        settled.update(way)


def _depths(children: dict[int, list[int]]) -> dict[int, int]:
    depths: dict[int, int] = {}
    level, depth = children[_NOBODY], 0
    while level:
        depths.update((index, depth) for index in level)
        level = [child for index in level for child in children.get(index, ())]
        depth += 1
    return depths


def _self_ns(span: TreeSpan, children: Iterable[TreeSpan]) -> int:
    """Return the time in which none of the children ran. They come by start."""
    last = _end(span)
    free, covered_to = 0, span.start
    for child in children:
        start, end = min(child.start, last), min(_end(child), last)
        free += max(0, start - covered_to)
        covered_to = max(covered_to, end)
    return free + last - covered_to


@dataclass(slots=True)
class _Step:
    """A span that the walk stands in: between `start` and `cursor` it is not explained yet.

    `waiting` are its children, each with its part inside the span, the last to finish at the end.
    """

    index: int
    start: int
    cursor: int
    waiting: list[tuple[int, int, int]]


def _critical_path(
    spans: Sequence[TreeSpan], children: dict[int, list[int]]
) -> tuple[tuple[Segment, ...], set[int]]:
    """Return the path from start to end, and the positions of the spans on it."""
    roots = children[_NOBODY]
    if not roots:
        return (), set()

    def step(index: int, start: int, end: int) -> _Step:
        inside = [
            (min(_end(child), end), max(child.start, start), at)
            for at in reversed(children.get(index, ()))
            if _overlaps(child := spans[at], start, end)
        ]
        # What finishes last stands last; of those that finish together the longest, and of equals
        # the first in order.
        inside.sort(key=lambda part: (part[0], -part[1]))
        return _Step(index, start, end, inside)

    def segment(index: int, start: int, end: int) -> None:
        if start < end:
            backwards.append(Segment(None if index == _NOBODY else index, start, end))

    backwards: list[Segment] = []
    critical: set[int] = set()
    walk = [
        step(_NOBODY, min(spans[at].start for at in roots), max(_end(spans[at]) for at in roots))
    ]
    while walk:
        here = walk[-1]
        while here.waiting and here.waiting[-1][0] > here.cursor:
            # It ran beside the one after it, which took longer to be done.
            here.waiting.pop()
        if not here.waiting:
            segment(here.index, here.start, here.cursor)
            walk.pop()
            continue
        end, start, index = here.waiting.pop()
        segment(here.index, end, here.cursor)
        here.cursor = start
        critical.add(index)
        walk.append(step(index, start, end))
    return tuple(reversed(backwards)), critical


def _overlaps(span: TreeSpan, start: int, end: int) -> bool:
    """Whether a part of a span lies inside; a span without duration may stand on either edge."""
    last = _end(span)
    if span.start == last:
        return start <= last <= end
    return span.start < end and start < last
