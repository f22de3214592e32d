"""What an export gives: the records that came in, oldest first, each once, in bounded requests."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import Scan
from clew.telemetry.otlp.messages import REQUESTS
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.content import content_hash
from clew.telemetry.query.export import CHUNK_BYTES_MAX, CHUNK_ROWS_MAX, export
from clew.telemetry.query.parameters import LogQuery, MetricQuery, SpanQuery
from clew.telemetry.tables import TABLES
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from tests.conformance.ingested import AT, IngestedStore
from tests.property.otlp_canonical import records_of
from tests.property.otlp_maximal import maximal_requests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

QUERIES = {Signal.TRACES: SpanQuery, Signal.LOGS: LogQuery, Signal.METRICS: MetricQuery}


@pytest.fixture
def store(tmp_path: Any) -> Iterator[IngestedStore]:
    store = IngestedStore(tmp_path)
    yield store
    store.close()


def exported(store: IngestedStore, signal: Signal, **filters: Any) -> list[Any]:
    chunks = export(store, signal, QUERIES[signal](**filters), AT)
    return [REQUESTS[signal].FromString(chunk) for chunk in chunks]


def records(signal: Signal, requests: Iterable[Any]) -> Counter[tuple[Any, ...]]:
    return sum((records_of(signal, request) for request in requests), Counter())


def log_bodies(requests: Iterable[Any]) -> list[str]:
    return [
        record.body.string_value
        for request in requests
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def points(request: Any) -> Iterator[Any]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield from getattr(metric, metric.WhichOneof("data")).data_points


def test_every_field_of_otlp_comes_back_hot_stored_and_half_and_half(store: IngestedStore) -> None:
    first, second = maximal_requests(AT), maximal_requests(AT)
    for signal in Signal:
        store.add(signal, first[signal])
        assert records(signal, exported(store, signal)) == records_of(signal, first[signal])
    store.flush()
    for signal in Signal:
        assert records(signal, exported(store, signal)) == records_of(signal, first[signal])
        store.add(signal, second[signal])
        both = records(signal, [first[signal], second[signal]])
        assert records(signal, exported(store, signal)) == both


def test_a_row_has_the_same_content_hot_and_stored(store: IngestedStore) -> None:
    for signal, request in maximal_requests(AT).items():
        store.add(signal, request)

    def hashes() -> dict[str, list[int]]:
        return {
            table.name: store.engine.query(
                "SELECT key FROM @rows ORDER BY key",
                snapshot=store.snapshot(),
                scans={"rows": Scan(table, (f"{content_hash(table)} AS key",))},
            )
            .column("key")
            .to_pylist()
            for table in TABLES
        }

    hot = hashes()
    store.flush()
    assert hashes() == hot
    assert all(hot.values())


def test_records_of_one_moment_are_each_given_once_over_many_chunks(store: IngestedStore) -> None:
    # 5000 at one moment, equal ones among them, between two that stand alone; half are stored.
    tied = [f"line {number // 2}" for number in range(5_000)]
    store.add(Signal.LOGS, logs_request("shop", ["last"], time_ns=AT + 1))
    store.add(Signal.LOGS, logs_request("shop", tied[:2_501], time_ns=AT))
    store.flush()
    store.add(Signal.LOGS, logs_request("shop", tied[2_501:], time_ns=AT))
    store.add(Signal.LOGS, logs_request("shop", ["first"], time_ns=AT - 1))
    requests = exported(store, Signal.LOGS)
    bodies = log_bodies(requests)
    assert (bodies[0], bodies[-1]) == ("first", "last")
    assert Counter(bodies[1:-1]) == Counter(tied)
    assert len(requests) > 2
    assert max(len(log_bodies([request])) for request in requests) <= CHUNK_ROWS_MAX


def test_metrics_of_all_kinds_come_in_the_order_of_their_times(store: IngestedStore) -> None:
    sent = []
    for number in range(30):
        # Late requests are older, and every fourth is of the moment of another.
        request = maximal_requests(AT - (number - number % 4) * 1_000_000)[Signal.METRICS]
        store.add(Signal.METRICS, request)
        sent.append(request)
        if number == 15:
            store.flush()
    many = metrics_request("shop", "queue", range(4_000), time_ns=AT - 500)
    store.add(Signal.METRICS, many)
    requests = exported(store, Signal.METRICS)
    assert records(Signal.METRICS, requests) == records(Signal.METRICS, [*sent, many])
    times = [[point.time_unix_nano for point in points(request)] for request in requests]
    assert all(max(before) <= min(after) for before, after in pairwise(times))
    assert max(map(len, times)) <= CHUNK_ROWS_MAX


def test_an_export_holds_what_was_there_when_it_began(store: IngestedStore) -> None:
    before = [f"before {number}" for number in range(3_000)]
    store.add(Signal.LOGS, logs_request("shop", before[:1_500], time_ns=AT))
    store.flush()
    store.add(Signal.LOGS, logs_request("shop", before[1_500:], time_ns=AT + 1))
    chunks = export(store, Signal.LOGS, LogQuery(), AT)
    store.add(Signal.LOGS, logs_request("shop", ["after"] * 10, time_ns=AT))
    requests = [REQUESTS[Signal.LOGS].FromString(next(chunks))]
    store.flush()
    store.add(Signal.LOGS, logs_request("shop", ["after"] * 10, time_ns=AT + 1))
    requests += [REQUESTS[Signal.LOGS].FromString(chunk) for chunk in chunks]
    assert sorted(log_bodies(requests)) == sorted(before)


def test_large_records_make_small_chunks(store: IngestedStore) -> None:
    # Among small ones, so that the size of a page is not known from the rows before it.
    bodies = ["small"] * 600 + [f"{number}" + "x" * 900_000 for number in range(11)]
    store.add(Signal.LOGS, logs_request("shop", bodies, time_ns=AT))
    huge = "y" * (CHUNK_BYTES_MAX + 1)
    store.add(Signal.LOGS, logs_request("shop", [huge], time_ns=AT + 1))
    chunks = list(export(store, Signal.LOGS, LogQuery(), AT))
    requests = [REQUESTS[Signal.LOGS].FromString(chunk) for chunk in chunks]
    assert sorted(log_bodies(requests)) == sorted([*bodies, huge])
    assert all(len(chunk) <= CHUNK_BYTES_MAX for chunk in chunks[:-1])
    assert log_bodies(requests[-1:]) == [huge]


def test_the_filters_of_the_lists_choose_what_is_exported(store: IngestedStore) -> None:
    spans = [
        spans_request("shop", [ids_of(1)], start_ns=AT, attributes={"http.route": "/pay"}),
        spans_request("shop", [ids_of(2)], start_ns=AT + 5_000_000_000),
        spans_request("bank", [ids_of(3)], start_ns=AT),
    ]
    for request in spans:
        store.add(Signal.TRACES, request)
    one, two, three = (records_of(Signal.TRACES, request) for request in spans)

    def chosen(**filters: Any) -> Counter[tuple[Any, ...]]:
        return records(Signal.TRACES, exported(store, Signal.TRACES, **filters))

    for flush in (False, True):
        if flush:
            store.flush()
        assert chosen(service="shop") == one + two
        assert chosen(trace_id=ids_of(3)[0].hex()) == three
        assert chosen(attribute=["http.route=/pay"]) == one
        assert chosen(q="service = shop AND NOT http.route") == two
        assert chosen(start="2026-10-01T00:00:01Z") == two
        assert chosen(end="2026-10-01T00:00:01Z", service="shop") == one
        assert chosen(service="nobody") == Counter()


def test_metrics_are_chosen_by_name_and_type(store: IngestedStore) -> None:
    store.add(Signal.METRICS, maximal_requests(AT)[Signal.METRICS])
    store.add(Signal.METRICS, metrics_request("shop", "queue", [1], time_ns=AT))

    def types(**filters: Any) -> set[str]:
        return {
            metric.WhichOneof("data")
            for request in exported(store, Signal.METRICS, **filters)
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    assert types(name="queue", service="shop") == {"gauge"}
    assert types(metric_type="histogram") == {"histogram", "exponential_histogram"}
    assert types(metric_type="sum") == {"sum"}
    assert len(types()) == 5


def test_a_limit_that_was_asked_for_keeps_the_oldest(store: IngestedStore) -> None:
    for number in reversed(range(250)):
        if number % 50 == 0:
            bodies = [f"{number + offset}" for offset in range(50)]
            store.add(Signal.LOGS, logs_request("shop", bodies, time_ns=AT + number))
    assert len(log_bodies(exported(store, Signal.LOGS))) == 250
    assert sorted(map(int, log_bodies(exported(store, Signal.LOGS, limit=50)))) == list(range(50))
    assert len(log_bodies(exported(store, Signal.LOGS, limit=101))) == 101
    assert len(log_bodies(exported(store, Signal.LOGS, limit=251))) == 250


def test_nothing_that_matches_is_no_request_at_all(store: IngestedStore) -> None:
    assert [exported(store, signal) for signal in Signal] == [[], [], []]


@pytest.mark.parametrize(
    "query",
    [SpanQuery(q="service ="), SpanQuery(next="x"), SpanQuery(last="x"), SpanQuery(limit=0)],
)
def test_a_wrong_question_is_refused_at_the_call(store: IngestedStore, query: SpanQuery) -> None:
    with pytest.raises(ClewError) as refused:
        export(store, Signal.TRACES, query, AT)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
