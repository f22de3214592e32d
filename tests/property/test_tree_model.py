"""Trees of any spans on a small timeline, held against counting every moment one by one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clew.telemetry.query.traces.tree import Tree, TreeSpan, build_tree

NAMES = "abcdefgh"
MOMENTS = st.integers(0, 12)
SPANS = st.lists(
    st.builds(
        TreeSpan,
        st.sampled_from(NAMES),
        st.none() | st.sampled_from(NAMES + "xy"),
        MOMENTS,
        MOMENTS,
    ),
    max_size=12,
)


def kept(spans: list[TreeSpan], tree: Tree) -> dict[str, TreeSpan]:
    return {spans[node.index].span_id: spans[node.index] for node in tree.nodes}


def moments(span: TreeSpan) -> set[int]:
    """Every whole moment of a span; the moment n lasts from n to n + 1."""
    return set(range(span.start, span.end))


def roots(spans: list[TreeSpan], tree: Tree) -> list[TreeSpan]:
    return [spans[node.index] for node in tree.nodes if node.depth == 0]


@given(SPANS)
def test_every_span_id_stands_once_in_order(spans: list[TreeSpan]) -> None:
    tree = build_tree(spans)
    order = [
        (spans[node.index].start, node.depth, spans[node.index].span_id) for node in tree.nodes
    ]
    assert order == sorted(order)
    assert sorted(name for _, _, name in order) == sorted({span.span_id for span in spans})


@given(SPANS)
def test_a_span_is_one_deeper_than_its_parent_and_a_root_has_a_reason(
    spans: list[TreeSpan],
) -> None:
    tree = build_tree(spans)
    here = kept(spans, tree)
    depth = {spans[node.index].span_id: node.depth for node in tree.nodes}
    for span in here.values():
        ancestors: list[str] = []
        at: str | None = span.parent_id
        while at in here and at not in ancestors:
            ancestors.append(at)
            at = here[at].parent_id
        if span.parent_id not in here:
            assert depth[span.span_id] == 0
        elif span.span_id not in ancestors or depth[span.span_id]:
            assert depth[span.span_id] == depth[span.parent_id] + 1
    assert set(tree.missing_parents) == {
        span.parent_id for span in here.values() if span.parent_id and span.parent_id not in here
    }


@given(SPANS)
def test_self_time_is_the_moments_without_a_child(spans: list[TreeSpan]) -> None:
    tree = build_tree(spans)
    here = kept(spans, tree)
    depth = {spans[node.index].span_id: node.depth for node in tree.nodes}
    for node in tree.nodes:
        span = spans[node.index]
        free = moments(span)
        for child in here.values():
            if child.parent_id == span.span_id and depth[child.span_id]:
                free -= moments(child)
        assert node.self_ns == len(free)


@given(SPANS)
def test_the_critical_path_adjoins_from_the_first_start_to_the_last_end(
    spans: list[TreeSpan],
) -> None:
    tree = build_tree(spans)
    tops = roots(spans, tree)
    start = min((root.start for root in tops), default=0)
    end = max((max(root.start, root.end) for root in tops), default=0)
    parts = tree.critical_path
    assert sum(part.end - part.start for part in parts) == end - start
    assert all(part.start < part.end for part in parts)
    assert all(before.end == after.start for before, after in pairwise(parts))
    if parts:
        assert (parts[0].start, parts[-1].end) == (start, end)


@given(SPANS)
def test_a_part_of_the_path_lies_in_its_span_and_in_all_above_it(spans: list[TreeSpan]) -> None:
    tree = build_tree(spans)
    here = kept(spans, tree)
    node_of = {spans[node.index].span_id: node for node in tree.nodes}
    for part in tree.critical_path:
        if part.index is None:
            assert len(roots(spans, tree)) > 1
            continue
        span = spans[part.index]
        while True:
            assert span.start <= part.start
            assert part.end <= span.end
            assert node_of[span.span_id].is_critical
            if node_of[span.span_id].depth == 0:
                break
            assert span.parent_id is not None
            span = here[span.parent_id]


@given(SPANS)
def test_the_order_in_which_spans_come_changes_nothing(spans: list[TreeSpan]) -> None:
    def shown(given: list[TreeSpan]) -> list[tuple[str, int, int, int, bool]]:
        return [
            (given[n.index].span_id, given[n.index].start, n.depth, n.self_ns, n.is_critical)
            for n in build_tree(given).nodes
        ]

    # Equal in all that orders them, spans differ in their parent alone: the first given is kept.
    unique = list({(s.span_id, s.start, max(s.start, s.end)): s for s in spans}.values())
    assert shown(unique) == shown(unique[::-1])
