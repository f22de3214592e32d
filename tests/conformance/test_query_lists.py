"""Lists newest first: what a page holds, and that pages stand still while rows come."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.logs import find_logs
from clew.telemetry.query.traces.spans import find_spans
from clew.telemetry.query.traces.traces import find_traces
from clew.telemetry.tables import TABLES
from tests.conformance.query_requests import (
    NOW,
    SECOND,
    entries,
    log,
    logs_request,
    span,
    traces_request,
)
from tests.conformance.query_store import HeldStore
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from clew.telemetry import documents as doc

NAMES = (f"service-{number}" for number in count())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldStore]:
    """One store for all tests of the module: a service name of its own keeps a test apart."""
    engine = ChdbEngine(tmp_path_factory.mktemp("lists"))
    engine.create(TABLES)
    yield HeldStore(engine, received=NOW)
    engine.close()


@pytest.fixture
def service() -> str:
    return next(NAMES)


PLACES = pytest.mark.parametrize("place", ["hot", "flushed", "mixed"])


def fill(store: HeldStore, service: str, requests: list[list[Span]], place: str) -> None:
    """Add requests; their rows are hot, in the engine, or in both places."""
    for number, spans in enumerate(requests):
        store.add(Signal.TRACES, traces_request(spans, service))
        if place == "mixed" and number == len(requests) // 2:
            store.flush()
    if place == "flushed":
        store.flush()


def ids(spans: list[doc.Span]) -> list[int]:
    return [int(each.span_id, 16) for each in spans]


# --- one page -----------------------------------------------------------------------------------


@PLACES
def test_a_span_is_shown_with_all_that_was_sent(store: HeldStore, service: str, place: str) -> None:
    sent = span(
        2,
        at=NOW - 5 * SECOND,
        parent=1,
        duration=1_500_000,
        name="GET /cart",
        kind=3,
        trace_state="a=b",
        attributes={"n": 5, "big": 2**60, "f": 0.5, "ok": True, "raw": b"\x01", "l": [1, {"x": 2}]},
        status={"code": 2, "message": "broken"},
        events=[{"name": "exception", "time_unix_nano": NOW - 4 * SECOND}],
        links=[{"trace_id": b"\x02" * 16, "span_id": b"\x03" * 8, "trace_state": "c=d"}],
    )
    fill(store, service, [[sent], [span(9, at=NOW - 9 * SECOND)]], place)
    shown = find_spans(store, ask.SpanQuery(service=service), NOW).spans[0]
    assert shown.trace_id == f"{1:032x}"
    assert (shown.span_id, shown.parent_span_id) == (f"{2:016x}", f"{1:016x}")
    assert (shown.service, shown.operation, shown.kind) == (service, "GET /cart", "client")
    assert shown.start_time == "2026-11-18T11:06:35.000000000Z"
    assert shown.end_time == "2026-11-18T11:06:35.001500000Z"
    assert shown.duration_ms == 1.5
    assert (shown.status, shown.status_message) == ("error", "broken")
    assert shown.trace_state == "a=b"
    assert shown.attributes == {
        "n": "5",
        "big": str(2**60),
        "f": "0.5",
        "ok": "true",
        "raw": "AQ==",
        "l": '[1,{"x":2}]',
    }
    assert [(e.name, e.timestamp) for e in shown.events] == [
        ("exception", "2026-11-18T11:06:36.000000000Z")
    ]
    assert [(e.trace_id, e.span_id, e.trace_state) for e in shown.links] == [
        ("02" * 16, "03" * 8, "c=d")
    ]
    assert shown.resource == {"service.name": service}
    assert (shown.scope.name, shown.scope.version) == ("tests", "1")
    assert shown.scope.attributes == {"s": "1"}
    typed = find_spans(store, ask.SpanQuery(service=service, attributes="typed"), NOW).spans[0]
    assert typed.attributes == {
        "n": 5,
        "big": str(2**60),
        "f": 0.5,
        "ok": True,
        "raw": "AQ==",
        "l": [1, {"x": 2}],
    }
    assert typed.scope.attributes == {"s": 1}


@PLACES
def test_values_that_no_text_can_tell_keep_their_types(
    store: HeldStore, service: str, place: str
) -> None:
    strange = {"nan": [float("nan")], "raw": {"b": b"\x01"}, "none": None, "inf": float("inf")}
    twice = entries({"k": "first"}) + entries({"k": 2, "other": 3})
    spans = [span(1, attributes=strange), span(2, at=NOW - 1)]
    spans[1].attributes.extend(twice)
    fill(store, service, [spans[:1], spans[1:]], place)
    query = ask.SpanQuery(service=service, attributes="typed")
    one, two = (each.attributes for each in find_spans(store, query, NOW).spans)
    assert one == {"nan": ["NaN"], "raw": {"b": "AQ=="}, "none": None, "inf": "Infinity"}
    assert two == {"k": "first", "other": 3}
    for value, found in (("first", [2]), ("2", [2]), ("3", [])):
        query = ask.SpanQuery(service=service, attribute=[f"k={value}"])
        assert ids(find_spans(store, query, NOW).spans) == found


@PLACES
def test_each_parameter_narrows_the_list(store: HeldStore, service: str, place: str) -> None:
    spans = [
        [span(1, at=NOW - 60 * SECOND, duration=50_000_000, name="GET /a", kind=2)],
        [
            span(2, at=NOW - 50 * SECOND, parent=1, duration=5_000_000, status={"code": 2}),
            span(3, at=NOW - 40 * SECOND, trace=2, attributes={"k": "v"}),
        ],
    ]
    fill(store, service, spans, place)
    expected: dict[str, tuple[dict[str, Any], list[int]]] = {
        "all": ({}, [3, 2, 1]),
        "operation": ({"operation": "GET"}, [1]),
        "min": ({"min_duration_ms": 5.0}, [2, 1]),
        "max": ({"max_duration_ms": 5.0}, [3, 2]),
        "status": ({"status": "error"}, [2]),
        "kind": ({"kind": "server"}, [1]),
        "internal": ({"kind": "internal"}, [3, 2]),
        "trace": ({"trace_id": "2"}, [3]),
        "root": ({"root": True}, [3, 1]),
        "child": ({"root": False}, [2]),
        "attribute": ({"attribute": ["k=v"]}, [3]),
        "q": ({"q": "duration > 10ms OR k"}, [3, 1]),
        "text": ({"text": "get /A"}, [1]),
        "last": ({"last": "45s"}, [3]),
        "range": ({"start": "1m", "end": "40s"}, [2, 1]),
    }
    for name, (parameters, found) in expected.items():
        query = ask.SpanQuery(service=service, **parameters)
        assert ids(find_spans(store, query, NOW).spans) == found, name


@PLACES
def test_a_list_says_how_complete_it_is(store: HeldStore, service: str, place: str) -> None:
    fill(store, service, [[span(n, at=NOW - n) for n in (1, 2)], [span(3, at=NOW - 3)]], place)
    whole = find_spans(store, ask.SpanQuery(service=service, limit=3), NOW)
    assert (whole.count, whole.total, whole.at_least) == (3, 3, None)
    assert (whole.truncated, whole.next) == (False, None)
    part = find_spans(store, ask.SpanQuery(service=service, limit=2), NOW)
    assert (part.count, part.total, part.at_least) == (2, None, 3)
    assert part.truncated
    rest = find_spans(store, ask.SpanQuery(service=service, limit=2, next=part.next), NOW)
    assert (rest.count, rest.total, rest.truncated) == (1, 3, False)
    exact = find_spans(store, ask.SpanQuery(service=service, limit=1, count="exact"), NOW)
    assert (exact.count, exact.total, exact.at_least) == (1, 3, None)
    none = find_spans(store, ask.SpanQuery(service=service, limit=1, status="error"), NOW)
    assert (none.count, none.total, none.truncated) == (0, 0, False)


# --- pages --------------------------------------------------------------------------------------


def walk(
    find: Callable[[ask.SpanQuery], doc.SpanList],
    query: dict[str, Any],
    between: Callable[[], None] = lambda: None,
) -> list[doc.Span]:
    """Follow `next` to the end."""
    found: list[doc.Span] = []
    following: str | None = None
    while True:
        page = find(ask.SpanQuery(**query, next=following))
        assert page.count == len(page.spans) <= query["limit"]
        found += page.spans
        if page.next is None:
            assert page.total == len(found)
            return found
        assert page.at_least == len(found) + 1
        following = page.next
        between()


# Times are few, so that pages end inside groups of equal time, frame and even content.
SPANS = st.builds(
    lambda at, number: span(number, at=NOW - at),
    st.sampled_from([0, 0, 1, SECOND]),
    st.integers(1, 3),
)
REQUESTS = st.lists(st.lists(SPANS, min_size=1, max_size=6), min_size=1, max_size=3)


@settings(max_examples=examples(10), suppress_health_check=list(HealthCheck))
@given(REQUESTS, REQUESTS, st.integers(1, 5), st.lists(st.booleans(), max_size=4))
def test_pages_give_what_was_there_at_the_first_once_each_while_rows_come(
    store: HeldStore,
    requests: list[list[Span]],
    later: list[list[Span]],
    limit: int,
    flushes: list[bool],
) -> None:
    service = next(NAMES)
    fill(store, service, requests, "hot")
    if flushes and flushes[0]:
        store.flush()
    coming = iter(zip(later, [*flushes, *([True] * len(later))], strict=False))

    def between() -> None:
        for spans, flush in coming:
            store.add(Signal.TRACES, traces_request(spans, service))
            if flush:
                store.flush()
            return

    found = walk(
        lambda query: find_spans(store, query, NOW), {"service": service, "limit": limit}, between
    )
    sent = [(each.start_time_unix_nano, each.span_id.hex()) for part in requests for each in part]
    shown = [(each.start_time, each.span_id) for each in found]
    assert sorted(span_id for _, span_id in shown) == sorted(span_id for _, span_id in sent)
    assert [at for at, _ in shown] == sorted((at for at, _ in shown), reverse=True)


def test_late_and_out_of_order_rows_stand_at_their_time(store: HeldStore, service: str) -> None:
    old, new = NOW - 40 * 86_400 * SECOND, NOW + 3_600 * SECOND
    store.add(Signal.TRACES, traces_request([span(1, at=NOW), span(2, at=new)], service))
    store.flush()
    store.add(Signal.TRACES, traces_request([span(3, at=old), span(4, at=NOW - 1)], service))
    query = ask.SpanQuery(service=service)
    assert ids(find_spans(store, query, NOW).spans) == [2, 1, 4, 3]
    store.flush()
    assert ids(find_spans(store, query, NOW).spans) == [2, 1, 4, 3]


def test_a_cursor_keeps_the_range_of_the_first_page(store: HeldStore, service: str) -> None:
    fill(store, service, [[span(n, at=NOW - n * SECOND) for n in range(1, 5)]], "hot")
    first = find_spans(store, ask.SpanQuery(service=service, last="4s", limit=2), NOW)
    later = NOW + 2 * SECOND
    for last in ("4s", None):
        query = ask.SpanQuery(service=service, last=last, limit=2, next=first.next)
        assert ids(find_spans(store, query, later).spans) == [3, 4]


def test_a_cursor_of_another_question_is_refused(store: HeldStore, service: str) -> None:
    fill(store, service, [[span(n) for n in range(1, 4)]], "hot")
    following = find_spans(store, ask.SpanQuery(service=service, limit=1), NOW).next
    others = [
        ask.SpanQuery(service="other", next=following),
        ask.SpanQuery(service=service, status="ok", next=following),
        ask.SpanQuery(service=service, last="1h", next=following),
        ask.SpanQuery(service=service, next="!"),
        ask.SpanQuery(service=service, next=""),
        ask.SpanQuery(service=service, next=str(following)[:-4]),
        ask.SpanQuery(service=service, next="é"),
        ask.SpanQuery(service=service, next="A" * 10_000),
    ]
    for query in others:
        with pytest.raises(ClewError) as caught:
            find_spans(store, query, NOW)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    with pytest.raises(ClewError):
        find_traces(store, ask.SpanQuery(service=service, next=following), NOW)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_page_size_out_of_bounds_is_refused(store: HeldStore, limit: int) -> None:
    for ask_for in (
        lambda: find_spans(store, ask.SpanQuery(limit=limit), NOW),
        lambda: find_traces(store, ask.SpanQuery(limit=limit), NOW),
        lambda: find_logs(store, ask.LogQuery(limit=limit), NOW),
    ):
        with pytest.raises(ClewError) as caught:
            ask_for()
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "parameters",
    [
        {"attribute": ["k=~("]},
        {"q": "k =~ '(?=x)'"},
        {"q": "("},
        {"last": "never"},
        {"trace_id": "xyz"},
        {"min_duration_ms": float("nan")},
        {"max_duration_ms": -1.0},
        {"text": "x" * 5000},
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(
    store: HeldStore, parameters: dict[str, Any]
) -> None:
    with pytest.raises(ClewError) as caught:
        find_spans(store, ask.SpanQuery(**parameters), NOW)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.hint


# --- logs ---------------------------------------------------------------------------------------


@PLACES
def test_logs_are_found_by_severity_text_and_place(
    store: HeldStore, service: str, place: str
) -> None:
    records = [
        log("started", at=NOW - 5, severity_number=9, severity_text="INFO"),
        log("50% Done_", at=NOW - 4, severity_number=13, attributes={"k": "Value"}),
        log({"a": 1}, at=NOW - 3, severity_text="ERROR", trace_id=b"\x01" * 16),
        log(b"\xff", at=NOW - 2, severity_number=24, span_id=b"\x02" * 8, event_name="crash"),
        log("plain", at=NOW - 1),
    ]
    store.add(Signal.LOGS, logs_request(records[:3], service))
    if place == "mixed":
        store.flush()
    store.add(Signal.LOGS, logs_request(records[3:], service))
    if place == "flushed":
        store.flush()

    def found(**parameters: Any) -> list[Any]:
        query = ask.LogQuery(service=service, **parameters)
        return [each.body for each in find_logs(store, query, NOW).logs]

    assert found() == ["plain", "/w==", '{"a":1}', "50% Done_", "started"]
    assert found(attributes="typed") == ["plain", "/w==", {"a": 1}, "50% Done_", "started"]
    assert found(severity="error") == ['{"a":1}']
    assert found(min_severity="warn") == ["/w==", '{"a":1}', "50% Done_"]
    assert found(q="severity = unset") == ["plain"]
    assert found(body_contains="0% dONE_") == ["50% Done_"]
    assert found(body_contains="5_%") == []
    assert found(q='body ~= "done"') == []
    assert found(q='body ~= "Done"') == ["50% Done_"]
    assert found(text="VALUE") == ["50% Done_"]
    assert found(trace_id="01" * 16) == ['{"a":1}']
    assert found(span_id="02" * 8) == ["/w=="]
    assert found(attribute=["k"]) == ["50% Done_"]
    assert found(q="event_name = crash") == ["/w=="]
    classes = [each.severity for each in find_logs(store, ask.LogQuery(service=service), NOW).logs]
    assert classes == ["unset", "fatal", "error", "warn", "info"]


@PLACES
def test_log_records_of_one_moment_are_paged_once_each(
    store: HeldStore, service: str, place: str
) -> None:
    bodies = [f"line {number % 40}" for number in range(60)]
    store.add(Signal.LOGS, logs_request([log(body) for body in bodies[:30]], service))
    if place != "hot":
        store.flush()
    store.add(Signal.LOGS, logs_request([log(body) for body in bodies[30:]], service))
    found: list[Any] = []
    following = None
    while True:
        page = find_logs(store, ask.LogQuery(service=service, limit=7, next=following), NOW)
        found += [each.body for each in page.logs]
        if page.next is None:
            break
        following = page.next
        if place == "flushed":
            store.flush()
    assert sorted(found) == sorted(bodies)
