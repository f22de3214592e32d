"""Traces: one as a tree laid flat, and lists of those that hold a matching span."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.traces.traces import find_traces, get_trace
from clew.telemetry.tables import TABLES
from tests.conformance.query_requests import NOW, SECOND, span, traces_request
from tests.conformance.query_store import HeldStore
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from clew.telemetry import documents as doc

MS = 10**6
NUMBERS = count(1000, 100)
ERROR = {"code": 2}
PLACES = pytest.mark.parametrize("place", ["hot", "flushed", "mixed"])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    """One store for all tests of the module: numbers of its own keep a test's traces apart."""
    engine = ChdbEngine(tmp_path_factory.mktemp("traces"))
    engine.create(TABLES)
    yield HeldStore(engine, received=NOW)
    engine.close()


@pytest.fixture
def number() -> int:
    return next(NUMBERS)


def add(store: HeldStore, spans: list[Span], service: str = "shop") -> None:
    store.add(Signal.TRACES, traces_request(spans, service))


def settle(store: HeldStore, place: str, *, is_half: bool) -> None:
    """Flush where the place says so: after the first half, or after all."""
    if (place == "mixed") == is_half and place != "hot":
        store.flush()


@PLACES
def test_a_trace_is_its_tree_laid_flat(store: HeldStore, number: int, place: str) -> None:
    add(store, [span(1, at=NOW, duration=10 * MS, trace=number, name="root")], "front")
    settle(store, place, is_half=True)
    children = [
        span(2, at=NOW + 1 * MS, duration=4 * MS, trace=number, parent=1),
        span(3, at=NOW + 3 * MS, duration=6 * MS, trace=number, parent=1, status=ERROR),
        span(4, at=NOW + 20 * MS, duration=1 * MS, trace=number, parent=99),
    ]
    add(store, children, "back")
    settle(store, place, is_half=False)
    trace = get_trace(store, f"{number:x}")
    assert trace.trace_id == f"{number:032x}"
    assert (trace.span_count, trace.count, trace.total, trace.truncated) == (4, 4, 4, False)
    assert (trace.error_count, trace.services) == (1, ["back", "front"])
    assert trace.missing_parents == [f"{99:016x}"]
    assert (trace.start_time, trace.duration_ms) == (trace.spans[0].start_time, 21.0)
    shown = [
        (int(each.span_id), each.depth, each.self_time_ms, each.critical_path)
        for each in trace.spans
    ]
    assert shown == [(1, 0, 2.0, True), (2, 1, 4.0, False), (3, 1, 6.0, True), (4, 0, 1.0, True)]


@PLACES
def test_a_span_that_was_sent_again_stands_in_its_trace_once(
    store: HeldStore, number: int, place: str
) -> None:
    first = [span(1, duration=MS, trace=number), span(2, duration=MS, trace=number, parent=1)]
    add(store, first)
    settle(store, place, is_half=True)
    again = [span(1, duration=2 * MS, trace=number, status=ERROR), first[1], first[1]]
    add(store, again)
    settle(store, place, is_half=False)
    trace = get_trace(store, f"{number:032x}")
    assert [(int(each.span_id), each.duration_ms) for each in trace.spans] == [(1, 2.0), (2, 1.0)]
    assert (trace.span_count, trace.error_count) == (2, 1)
    found = find_traces(store, ask.SpanQuery(trace_id=f"{number:x}"), NOW)
    assert [(each.span_count, each.duration_ms) for each in found.traces] == [(2, 2.0)]


def test_a_trace_is_shown_up_to_a_limit_and_says_so(store: HeldStore, number: int) -> None:
    add(store, [span(n, at=NOW + n, trace=number) for n in range(1, 8)])
    trace = get_trace(store, f"{number:x}", limit=3)
    assert (trace.count, trace.total, trace.span_count, trace.truncated) == (3, 7, 7, True)
    assert [int(each.span_id) for each in trace.spans] == [1, 2, 3]


def test_a_trace_that_is_not_here_is_not_found(store: HeldStore) -> None:
    with pytest.raises(ClewError) as caught:
        get_trace(store, "f" * 32)
    assert caught.value.code is ErrorCode.NOT_FOUND
    for text in ("", "xyz", "1" * 33, "' OR 1"):
        with pytest.raises(ClewError) as caught:
            get_trace(store, text)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT


@PLACES
def test_a_trace_is_listed_by_its_newest_match_and_summed_up_whole(
    store: HeldStore, number: int, place: str
) -> None:
    service = f"service-{number}"
    old, new = number + 1, number + 2
    add(
        store,
        [
            span(1, at=NOW - 60 * SECOND, duration=SECOND, trace=old, name="old root"),
            span(2, at=NOW - 59 * SECOND, trace=old, parent=1, attributes={"k": "v"}),
        ],
        service,
    )
    settle(store, place, is_half=True)
    add(store, [span(3, at=NOW - 50 * SECOND, trace=new, parent=7, name="orphan")], service)
    add(store, [span(4, at=NOW - 40 * SECOND, trace=old, parent=1, status=ERROR)], "other")
    settle(store, place, is_half=False)
    found = find_traces(store, ask.SpanQuery(service=service), NOW)
    assert (found.count, found.total, found.truncated) == (2, 2, False)
    first, second = found.traces
    assert (first.trace_id, first.operation) == (f"{new:032x}", "orphan")
    assert (second.trace_id, second.service, second.operation) == (
        f"{old:032x}",
        service,
        "old root",
    )
    assert (second.span_count, second.error_count) == (3, 1)
    assert second.services == ["other", service]
    assert second.duration_ms == 20_000.0
    matching = find_traces(store, ask.SpanQuery(service=service, attribute=["k=v"]), NOW)
    assert [each.trace_id for each in matching.traces] == [f"{old:032x}"]


SPANS = st.lists(
    st.builds(
        lambda number, at, trace: (number, at, trace),
        st.integers(1, 50),
        st.sampled_from([0, 0, 1, 2, 3, SECOND]),
        st.integers(1, 6),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=examples(10), suppress_health_check=list(HealthCheck))
@given(st.lists(SPANS, min_size=1, max_size=3), st.integers(1, 4), st.booleans())
def test_pages_of_traces_hold_each_once_by_its_newest_match(
    store: HeldStore, requests: list[list[tuple[int, int, int]]], limit: int, flush: bool
) -> None:
    base = next(NUMBERS)
    service = f"service-{base}"
    newest: dict[str, tuple[int, int]] = {}
    for drawn in requests:
        frame = store.acked + 1
        spans = [span(n, at=NOW - ago, trace=base + trace) for n, ago, trace in drawn]
        add(store, spans, service)
        for each in spans:
            key = (each.start_time_unix_nano, frame)
            name = each.trace_id.hex()
            newest[name] = max(key, newest.get(name, key))
    expected = sorted(newest, key=lambda name: (-newest[name][0], -newest[name][1], name))
    found: list[doc.TraceSummary] = []
    following = None
    while True:
        query = ask.SpanQuery(service=service, limit=limit, next=following)
        page = find_traces(store, query, NOW)
        found += page.traces
        if page.next is None:
            break
        following = page.next
        # Newer matches of the same traces come in, and none of them may be given again.
        add(store, [span(99, at=NOW + 1, trace=base + trace) for trace in range(1, 7)], service)
        if flush:
            store.flush()
    assert [each.trace_id for each in found] == expected
    assert page.total == len(expected)
    exact = find_traces(store, ask.SpanQuery(service=service, limit=1, count="exact"), NOW)
    assert exact.total is not None
    assert exact.total >= len(expected)
