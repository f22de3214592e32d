"""Trees of spans, small enough to be drawn: ``a 0-10`` is span a from 0 to 10."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.telemetry.query.traces.tree import Tree, TreeSpan, build_tree

if TYPE_CHECKING:
    from collections.abc import Callable


def spans(*texts: str) -> list[TreeSpan]:
    """Read ``id start-end`` for a root and ``id<parent start-end`` for a child."""
    read = []
    for text in texts:
        name, times = text.split()
        span_id, _, parent = name.partition("<")
        start, _, end = times.partition("-")
        read.append(TreeSpan(span_id, parent or None, int(start), int(end)))
    return read


def ids(given: list[TreeSpan], tree: Tree) -> str:
    return " ".join(given[node.index].span_id for node in tree.nodes)


def depths(given: list[TreeSpan], tree: Tree) -> dict[str, int]:
    return {given[node.index].span_id: node.depth for node in tree.nodes}


def self_times(given: list[TreeSpan], tree: Tree) -> dict[str, int]:
    return {given[node.index].span_id: node.self_ns for node in tree.nodes}


def path(given: list[TreeSpan], tree: Tree) -> list[str]:
    return [
        f"{'-' if part.index is None else given[part.index].span_id} {part.start}-{part.end}"
        for part in tree.critical_path
    ]


def critical(given: list[TreeSpan], tree: Tree) -> str:
    return " ".join(sorted(given[node.index].span_id for node in tree.nodes if node.is_critical))


def test_nothing_is_an_empty_tree() -> None:
    assert build_tree([]) == Tree((), (), ())


def test_depth_counts_from_the_root() -> None:
    given = spans("c<b 2-3", "a 0-9", "b<a 1-8", "d<a 5-6")
    tree = build_tree(given)
    assert depths(given, tree) == {"a": 0, "b": 1, "c": 2, "d": 1}
    assert ids(given, tree) == "a b c d"


def test_at_equal_start_parents_stand_before_children_and_equals_by_id() -> None:
    given = spans("a<b 0-1", "b<c 0-2", "d<c 0-1", "c 0-9")
    assert ids(given, build_tree(given)) == "c b d a"


def test_self_time_leaves_out_the_time_in_which_any_child_ran() -> None:
    given = spans("a 0-100", "b<a 10-40", "c<a 30-60", "d<a 80-90", "e<c 30-60")
    assert self_times(given, build_tree(given)) == {"a": 40, "b": 30, "c": 0, "d": 10, "e": 30}


def test_self_time_counts_children_only_inside_their_parent() -> None:
    given = spans("a 10-20", "early<a 0-12", "late<a 18-40", "after<a 50-60", "before<a 1-2")
    assert self_times(given, build_tree(given))["a"] == 6


def test_an_orphan_is_a_root_and_its_parent_is_named() -> None:
    given = spans("b<x 5-6", "a 0-9", "c<x 1-2", "d<y 7-8")
    tree = build_tree(given)
    assert depths(given, tree) == {"a": 0, "b": 0, "c": 0, "d": 0}
    assert tree.missing_parents == ("x", "y")


def test_an_empty_parent_id_means_none() -> None:
    assert build_tree([TreeSpan("a", "", 0, 1)]).missing_parents == ()


def test_a_span_sent_twice_is_kept_once() -> None:
    given = spans("a 0-10", "b<a 1-2", "b<a 1-2", "a 0-10")
    tree = build_tree(given)
    assert [node.index for node in tree.nodes] == [0, 1]
    assert self_times(given, tree) == {"a": 9, "b": 1}


def test_of_spans_with_one_id_the_first_and_longest_is_kept_in_whatever_order_they_come() -> None:
    for given in (spans("a 1-9", "a 0-2", "a 0-3"), spans("a 0-3", "a 0-2", "a 1-9")):
        (node,) = build_tree(given).nodes
        assert (given[node.index].start, given[node.index].end) == (0, 3)


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    given = spans("a<a 0-5", "b<a 1-2")
    tree = build_tree(given)
    assert depths(given, tree) == {"a": 0, "b": 1}
    assert tree.missing_parents == ()


def test_a_circle_is_cut_at_the_span_that_starts_first_and_keeps_what_hangs_on_it() -> None:
    given = spans("x<b 0-1", "a<c 2-3", "b<a 1-9", "c<b 3-4", "y<x 0-1")
    tree = build_tree(given)
    assert depths(given, tree) == {"b": 0, "x": 1, "c": 1, "a": 2, "y": 2}


def test_a_span_that_ends_before_it_starts_takes_no_time() -> None:
    given = spans("a 5-3", "b<a 5-6")
    tree = build_tree(given)
    assert self_times(given, tree) == {"a": 0, "b": 1}
    assert critical(given, tree) == "a"


def test_the_path_follows_the_child_that_finished_last() -> None:
    given = spans("a 0-100", "b<a 10-40", "c<a 30-60", "d<a 60-90", "e<d 70-80")
    tree = build_tree(given)
    assert path(given, tree) == [
        "a 0-30",
        "c 30-60",
        "d 60-70",
        "e 70-80",
        "d 80-90",
        "a 90-100",
    ]
    assert critical(given, tree) == "a c d e"


def test_a_child_that_ends_after_its_parent_counts_up_to_the_parents_end() -> None:
    given = spans("a 0-10", "b<a 5-30", "c<b 8-20", "d<b 12-29")
    tree = build_tree(given)
    assert path(given, tree) == ["a 0-5", "b 5-8", "c 8-10"]
    assert critical(given, tree) == "a b c"


def test_a_child_that_starts_after_its_parent_ended_is_not_waited_for() -> None:
    given = spans("a 0-10", "b<a 10-30", "c<a 20-30")
    assert critical(given, build_tree(given)) == "a"


def test_a_child_whose_clock_runs_early_counts_from_its_parents_start() -> None:
    given = spans("a 10-20", "b<a 5-15")
    assert path(given, build_tree(given)) == ["b 10-15", "a 15-20"]


def test_of_children_that_finish_together_the_longest_is_on_the_path() -> None:
    given = spans("a 0-10", "b<a 4-9", "c<a 2-9")
    assert path(given, build_tree(given)) == ["a 0-2", "c 2-9", "a 9-10"]


def test_an_instant_that_finished_last_is_on_the_path() -> None:
    given = spans("a 0-10", "b<a 4-4", "c<a 1-3")
    tree = build_tree(given)
    assert critical(given, tree) == "a b c"
    assert path(given, tree) == ["a 0-1", "c 1-3", "a 3-10"] or path(given, tree) == [
        "a 0-1",
        "c 1-3",
        "a 3-4",
        "a 4-10",
    ]


def test_several_roots_are_walked_from_the_last_to_finish_and_gaps_belong_to_nobody() -> None:
    given = spans("a 0-10", "b 5-8", "c<x 12-20", "d<c 13-14")
    tree = build_tree(given)
    assert path(given, tree) == ["a 0-10", "- 10-12", "c 12-13", "d 13-14", "c 14-20"]
    assert critical(given, tree) == "a c d"


@pytest.mark.parametrize("shape", ["chain", "star", "circle"])
def test_fifty_thousand_spans_are_placed_whatever_their_shape(shape: str) -> None:
    count = 50_000
    parents: dict[str, Callable[[int], str | None]] = {
        "chain": lambda number: f"{number - 1}" if number else None,
        "star": lambda number: "0" if number else None,
        "circle": lambda number: f"{(number - 1) % count}",
    }
    given = [TreeSpan(f"{n}", parents[shape](n), n, 2 * count - n) for n in range(count)]
    tree = build_tree(given)
    assert [node.index for node in tree.nodes] == list(range(count))
    assert tree.nodes[-1].depth == (1 if shape == "star" else count - 1)
