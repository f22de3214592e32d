"""Spans laid flat become a tree again, in the order in which a person reads one.

The spans came from outside: parents may be missing, named twice, or each other's children. Every
span is shown exactly once whatever they claim, and nothing here recurses, so a chain of ten
thousand spans is as good as ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.telemetry.documents import Span


@dataclass(frozen=True, slots=True)
class Node:
    """A span and where it stands: `ends` says of each level above it whether it was the last.

    `is_detached` marks a span that names a parent which is not here, or which would be its own
    ancestor.
    """

    span: Span
    ends: tuple[bool, ...]
    has_children: bool
    is_detached: bool

    @property
    def depth(self) -> int:
        """Levels below a root."""
        return len(self.ends)

    def guide(self) -> str:
        """Return the lines of the tree before the span itself."""
        return _guide(self.ends)

    def guide_below(self) -> str:
        """Return the lines of the tree before what belongs to the span, in the lines below it."""
        stem = "│ " if self.has_children else "  "
        return "".join("  " if end else "│ " for end in self.ends) + stem


def walk(spans: Sequence[Span]) -> Iterator[Node]:
    """Yield every span once, parents before their children, children in the order given."""
    first_of: dict[str, int] = {}
    for index, span in enumerate(spans):
        first_of.setdefault(span.span_id, index)
    children: dict[int, list[int]] = {}
    roots: list[int] = []
    for index, span in enumerate(spans):
        parent = first_of.get(span.parent_span_id) if span.parent_span_id else None
        if parent is None or parent == index:
            roots.append(index)
        else:
            children.setdefault(parent, []).append(index)
    seen: set[int] = set()
    yield from _descend(spans, roots, children, seen)
    # What is left hangs in rings that no root reaches; each is entered at its earliest span.
    for index in range(len(spans)):
        if index not in seen:
            yield from _descend(spans, [index], children, seen)


def _descend(
    spans: Sequence[Span], roots: Sequence[int], children: dict[int, list[int]], seen: set[int]
) -> Iterator[Node]:
    waiting: list[tuple[int, tuple[bool, ...]]] = [(index, ()) for index in reversed(roots)]
    while waiting:
        index, ends = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        below = [child for child in children.get(index, []) if child not in seen]
        last = len(below) - 1
        waiting.extend(
            (child, (*ends, place == last)) for place, child in reversed(list(enumerate(below)))
        )
        span = spans[index]
        is_detached = not ends and bool(span.parent_span_id)
        yield Node(span, ends, bool(below), is_detached)


def _guide(ends: tuple[bool, ...]) -> str:
    if not ends:
        return ""
    above = "".join("  " if end else "│ " for end in ends[:-1])
    return above + ("╰─" if ends[-1] else "├─")
