"""Graphs of trace ids in plain Python: what the engine's walks are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Pair = tuple[int, int]
"""An output, and one of the ids that it was made of."""


def walk_plainly(pairs: Iterable[Pair], root: int, depth: int, *, is_up: bool) -> dict[int, int]:
    """Return the ids that are at most so many steps away, with how many it takes at least."""
    following: dict[int, set[int]] = {}
    for output, parent in pairs:
        near, far = (output, parent) if is_up else (parent, output)
        following.setdefault(near, set()).add(far)
    depths = {root: 0}
    for step in range(1, depth + 1):
        level = [each for each, at in depths.items() if at == step - 1]
        for far in {far for near in level for far in following.get(near, ())}:
            depths.setdefault(far, step)
    return depths


def find_ways(pairs: Iterable[Pair], later: int, earlier: int) -> list[list[int]]:
    """Return every shortest way from an output to an id that it was made of; none, no list."""
    known = set(pairs)
    ways = [[later]]
    for _ in range(len(known) + 1):
        there = [way for way in ways if way[-1] == earlier]
        if there:
            return there
        ways = [
            [*way, parent]
            for way in ways
            for output, parent in known
            if output == way[-1] and parent not in way
        ]
    return []


def depths_of(document: Mapping[str, object]) -> dict[int, int]:
    """Return the nodes of an answer with how many steps away they are."""
    nodes = document["nodes"]
    assert isinstance(nodes, list)
    return {int(node["trace_id"]): node["depth"] for node in nodes}


def pairs_of(document: Mapping[str, object]) -> set[Pair]:
    """Return the edges of an answer."""
    edges = document["edges"]
    assert isinstance(edges, list)
    return {(int(edge["trace_id"]), int(edge["parent_trace_id"])) for edge in edges}
