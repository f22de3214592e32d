"""Outlines of traces: whatever the tree and the number of lines, nothing is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from clew.surfaces.mcp.outline import Line, Outline, first_errors, outline
from clew.telemetry.documents import Scope, Span, Status
from tests.trying import examples

BOUNDS = settings(max_examples=examples(25))

OPERATIONS = ("a", "b", "c")


def make_span(
    number: int, parent: int | None, depth: int, operation: str, status: Status, *, critical: bool
) -> Span:
    start = f"2026-11-21T00:00:{number % 60:02d}.{number:09d}Z"
    return Span(
        trace_id="0" * 32,
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        service="s",
        operation=operation,
        start_time=start,
        end_time=start,
        duration_ms=float(number % 7),
        status=status,
        status_message="",
        kind="internal",
        trace_state="",
        attributes={},
        events=[],
        links=[],
        resource={},
        scope=Scope(name="", version="", attributes={}),
        depth=depth,
        self_time_ms=0.0,
        critical_path=critical,
    )


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """Return the spans of a trace: each has a parent among those before it, or none."""
    size = draw(st.integers(1, 60))
    spans: list[Span] = []
    for number in range(size):
        parent = draw(st.none() | st.integers(0, number - 1)) if number else None
        depth = 0 if parent is None else (spans[parent].depth or 0) + 1
        operation = draw(st.sampled_from(OPERATIONS))
        is_failed = draw(st.integers(0, 9)) == 0
        status: Status = "error" if is_failed else "unset"
        critical = draw(st.booleans())
        spans.append(make_span(number, parent, depth, operation, status, critical=critical))
    return spans


def every_line(tree: Outline) -> list[Line]:
    found = list(tree.roots)
    for line in found:
        found.extend(line.children)
    return found


@BOUNDS
@given(traces())
def test_every_span_is_in_exactly_one_line(spans: list[Span]) -> None:
    tree = outline(spans)
    told = [span.span_id for line in every_line(tree) for span in line.spans]
    assert sorted(told) == sorted(span.span_id for span in spans)
    assert tree.span_count == len(spans)
    assert tree.line_count == len(every_line(tree))


@BOUNDS
@given(traces(), st.integers(0, 60))
def test_what_is_not_shown_is_counted(spans: list[Span], lines: int) -> None:
    tree = outline(spans)
    shown, hidden = tree.show(lines)
    assert len(shown) == min(lines, tree.line_count)
    assert sum(len(each.line.spans) for each in shown) + hidden == len(spans)
    roots = sum(root.size for root in tree.roots if root.place >= lines)
    assert sum(each.hidden for each in shown) + roots == hidden


@BOUNDS
@given(traces(), st.integers(0, 60))
def test_more_lines_take_none_away_and_parents_come_first(spans: list[Span], lines: int) -> None:
    tree = outline(spans)
    fewer = [each.line for each in tree.show(lines)[0]]
    more = [each.line for each in tree.show(lines + 1)[0]]
    assert [line for line in more if line in fewer] == fewer
    for line in more:
        assert line in tree.roots or any(line in parent.children for parent in more)


@BOUNDS
@given(traces())
def test_a_failure_is_reached_before_anything_beside_its_way_is_opened(spans: list[Span]) -> None:
    tree = outline(spans)
    if not any(span.status == "error" for span in spans):
        return
    for lines in range(1, tree.line_count + 1):
        shown = [each.line for each in tree.show(lines)[0]]
        if any(line.error_count for line in shown):
            return
        assert all(line.has_error for line in shown)


@BOUNDS
@given(traces())
def test_the_first_errors_are_those_that_no_other_error_explains(spans: list[Span]) -> None:
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_span_id or "", []).append(span)

    def fails_below(span: Span) -> bool:
        below = children.get(span.span_id, [])
        return any(child.status == "error" or fails_below(child) for child in below)

    expected = [span for span in spans if span.status == "error" and not fails_below(span)]
    assert first_errors(spans) == expected


@BOUNDS
@given(traces(), st.integers(0, 59))
def test_the_outline_of_a_span_is_about_what_is_below_it(spans: list[Span], number: int) -> None:
    root = spans[number % len(spans)]
    below = {root.span_id}
    for span in spans:
        if span.parent_span_id in below:
            below.add(span.span_id)
    tree = outline(spans, root.span_id)
    assert {span.span_id for line in every_line(tree) for span in line.spans} == below


@settings(max_examples=examples(5))
@given(st.integers(2_000, 5_000))
def test_a_long_chain_and_a_long_loop_are_no_trouble(size: int) -> None:
    chain = [
        make_span(number, number - 1 if number else None, number, "a", "unset", critical=True)
        for number in range(size)
    ]
    assert outline(chain).line_count == size
    loop = [make_span(0, None, 0, "a", "unset", critical=True)]
    loop += [make_span(number, 0, 1, "b", "unset", critical=False) for number in range(1, size)]
    tree = outline(loop)
    assert tree.line_count == 2
    assert len(tree.roots[0].children[0].spans) == size - 1
