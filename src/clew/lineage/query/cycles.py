"""Cycles: ids that are their own ancestors, which no honest pipeline makes."""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CYCLES_MAX: Final = 100
"""Of one answer, and ids of each: enough to see what is wrong."""


def find_cycles(edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the strongly connected parts of a graph that have more than one node, or a loop.

    Order: by their smallest id, and ids ascending. Tarjan's algorithm, without recursion: a walk
    may be a thousand steps deep.
    """
    edges = list(edges)
    if all(itertools.starmap(operator.gt, edges)):
        # So it is wherever each output's id was made after those of its inputs.
        return []
    following: dict[int, list[int]] = {}
    loops = set()
    for start, end in edges:
        following.setdefault(start, []).append(end)
        if start == end:
            loops.add(start)
    parts = (sorted(part) for part in _parts(following) if len(part) > 1 or part[0] in loops)
    return sorted(parts)[:CYCLES_MAX]


def _parts(following: Mapping[int, list[int]]) -> Iterator[list[int]]:
    indexes: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in following:
        if root in indexes:
            continue
        work = [(root, iter(following.get(root, ())))]
        indexes[root] = lowest[root] = len(indexes)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, left = work[-1]
            for after in left:
                if after not in indexes:
                    indexes[after] = lowest[after] = len(indexes)
                    stack.append(after)
                    on_stack.add(after)
                    work.append((after, iter(following.get(after, ()))))
                    break
                if after in on_stack:
                    lowest[node] = min(lowest[node], indexes[after])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == indexes[node]:
                    part = []
                    while True:
                        part.append(member := stack.pop())
                        on_stack.discard(member)
                        if member == node:
                            break
                    yield part
