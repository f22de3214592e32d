"""A trace of any size as an outline: what repeats is told once, what matters is told first.

Theory of operation. Siblings of one service and operation are told apart only where they differ in
what a reader looks for. From three on they become one group with its count and the spread of its
durations, and their children are merged below it, as in a flame graph; so a loop of a thousand
queries takes two lines. Members of a group that hold an error or lie on the critical path stand
beside it by themselves, a few of each: the first errors, the longest of the path.

Which lines come first is decided by what is below them: an error, then the critical path, then the
longest duration. Lines are opened from the roots in that order, so for any number of lines a parent
is shown before its children, more lines never take one away, and the way to an error is opened
before anything else. Spans that are not shown are counted at the line they would stand below.

Nothing recurses: a chain of 50 000 spans is as good as a list of them. Cost: O(n log n).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.telemetry.documents import Span

REPEATS_MIN: Final = 3
"""From so many on siblings of one kind are a group: two are told apart in two lines."""

ERRORS_KEPT: Final = 2
"""Members with an error below them that stand beside their group; the rest are counted."""

CRITICAL_KEPT: Final = 2
"""Members on the critical path that stand beside their group: the longest ones."""


@dataclass(slots=True, eq=False)
class Line:
    """One line: a span, or a group of spans with equal service and operation and one parent line.

    `spans` are ordered by start; `size` counts them and all spans below. `place` is when the line
    is opened, 0 first.
    """

    spans: list[Span]
    depth: int
    children: list[Line] = field(default_factory=list)
    size: int = 0
    has_error: bool = False
    has_critical: bool = False
    longest_ms: float = 0.0
    place: int = -1

    @property
    def first(self) -> Span:
        """The span that gives the line its name."""
        return self.spans[0]

    @property
    def slowest(self) -> Span:
        """The longest span, the earliest of equals: the one to look at in a group."""
        return max(self.spans, key=lambda span: span.duration_ms)

    @property
    def error_count(self) -> int:
        """How many of the spans themselves failed."""
        return sum(span.status == "error" for span in self.spans)

    @property
    def critical_count(self) -> int:
        """How many of the spans themselves lie on the critical path."""
        return sum(bool(span.critical_path) for span in self.spans)

    def durations(self) -> tuple[float, float, float]:
        """Return the shortest, the median (a duration that occurred) and the longest."""
        ordered = sorted(span.duration_ms for span in self.spans)
        return ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]


@dataclass(frozen=True, slots=True)
class Shown:
    """A line as it is shown, and how many spans below it are not."""

    line: Line
    hidden: int


@dataclass(frozen=True, slots=True)
class Outline:
    """All lines of a trace. `span_count` is how many spans they stand for."""

    roots: list[Line]
    line_count: int
    span_count: int

    def show(self, lines: int) -> tuple[list[Shown], int]:
        """Return the first so many lines in the order of the tree, and how many spans are not told.

        A span is told when it is in one of the lines.
        """
        shown: list[Shown] = []
        hidden = sum(root.size for root in self.roots if root.place >= lines)
        stack = [root for root in reversed(self.roots) if root.place < lines]
        while stack:
            line = stack.pop()
            below = sum(child.size for child in line.children if child.place >= lines)
            hidden += below
            shown.append(Shown(line, below))
            stack.extend(child for child in reversed(line.children) if child.place < lines)
        return shown, hidden


def outline(spans: Sequence[Span], root: str | None = None) -> Outline:
    """Return the outline of a trace's spans, or of one span and what is below it.

    `spans` are those of a trace document: every depth is set, and 0 marks a root.
    """
    children = _children_of(spans)
    marks = _marks_of(spans, children)
    if root is None:
        tops = [span for span in spans if not span.depth]
    else:
        tops = [span for span in spans if span.span_id == root]
    roots = _lines_of(tops, children, marks, depth=0, is_split=True)
    every = _grow(roots, children, marks)
    _sum_up(every, marks)
    _place(roots)
    return Outline(roots, len(every), sum(line.size for line in roots))


def first_errors(spans: Sequence[Span]) -> list[Span]:
    """Return the failed spans below which nothing failed, earliest first.

    Errors travel up from where they arose; these are the ones that no other error explains.
    """
    children = _children_of(spans)
    marks = _marks_of(spans, children)
    return [
        span
        for span in spans
        if span.status == "error"
        and not any(marks[child.span_id].has_error for child in children[span.span_id])
    ]


@dataclass(slots=True)
class _Mark:
    """What holds of a span or of anything below it."""

    has_error: bool
    has_critical: bool


def _children_of(spans: Sequence[Span]) -> dict[str, list[Span]]:
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        # A root may name a parent all the same: one that is not here, or its own descendant.
        if span.depth and span.parent_span_id:
            children[span.parent_span_id].append(span)
    return children


def _marks_of(spans: Sequence[Span], children: dict[str, list[Span]]) -> dict[str, _Mark]:
    marks: dict[str, _Mark] = {}
    for span in sorted(spans, key=lambda each: each.depth or 0, reverse=True):
        below = [marks[child.span_id] for child in children.get(span.span_id, ())]
        marks[span.span_id] = _Mark(
            span.status == "error" or any(mark.has_error for mark in below),
            bool(span.critical_path) or any(mark.has_critical for mark in below),
        )
    return marks


def _grow(
    roots: list[Line], children: dict[str, list[Span]], marks: dict[str, _Mark]
) -> list[Line]:
    """Hang the lines below their parents; return all of them, parents before children."""
    every = list(roots)
    # The list grows while it is read: that is the queue.
    for line in every:
        below = [child for span in line.spans for child in children.get(span.span_id, ())]
        below.sort(key=lambda span: (span.start_time, span.span_id))
        line.children = _lines_of(
            below, children, marks, depth=line.depth + 1, is_split=len(line.spans) == 1
        )
        every.extend(line.children)
    return every


def _lines_of(
    spans: Sequence[Span],
    children: dict[str, list[Span]],
    marks: dict[str, _Mark],
    *,
    depth: int,
    is_split: bool,
) -> list[Line]:
    """Return siblings as lines, by first start. Below a group all of a kind are one line."""
    kinds: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        kinds.setdefault((span.service, span.operation), []).append(span)
    lines: list[Line] = []
    for members in kinds.values():
        if not is_split:
            lines.append(Line(members, depth))
            continue
        if len(members) < REPEATS_MIN:
            lines.extend(Line([span], depth) for span in members)
            continue
        apart = {span.span_id for span in _kept_apart(members, marks)}
        lines.extend(Line([span], depth) for span in members if span.span_id in apart)
        rest = [span for span in members if span.span_id not in apart]
        if rest:
            lines.append(Line(rest, depth))
    lines.sort(key=lambda line: (line.first.start_time, line.first.span_id))
    return lines


def _kept_apart(members: Sequence[Span], marks: dict[str, _Mark]) -> Iterator[Span]:
    """Yield the members of a kind that deserve a line of their own."""
    failed = [span for span in members if marks[span.span_id].has_error]
    yield from failed[:ERRORS_KEPT]
    critical = [span for span in members if marks[span.span_id].has_critical]
    yield from heapq.nlargest(CRITICAL_KEPT, critical, key=lambda span: span.duration_ms)


def _sum_up(every: Sequence[Line], marks: dict[str, _Mark]) -> None:
    for line in reversed(every):
        line.size = len(line.spans) + sum(child.size for child in line.children)
        line.has_error = any(marks[span.span_id].has_error for span in line.spans)
        line.has_critical = any(marks[span.span_id].has_critical for span in line.spans)
        own = max(span.duration_ms for span in line.spans)
        line.longest_ms = max([own, *(child.longest_ms for child in line.children)])


def _place(roots: Sequence[Line]) -> None:
    """Number the lines in the order in which they are opened."""
    heap: list[tuple[Any, int, Line]] = []
    pushed = 0

    def push(lines: Sequence[Line]) -> None:
        nonlocal pushed
        for line in lines:
            rank = (not line.has_error, not line.has_critical, -line.longest_ms)
            # The number keeps equal ranks in the order of their start.
            heapq.heappush(heap, (rank, pushed, line))
            pushed += 1

    push(roots)
    place = 0
    while heap:
        _, _, line = heapq.heappop(heap)
        line.place = place
        place += 1
        push(line.children)
