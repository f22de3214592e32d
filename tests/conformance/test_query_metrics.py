"""Metrics over time buckets, services and attributes, held to figures computed by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import attributes, services
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.metrics import listing, series
from clew.telemetry.tables import TABLES
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

S = 10**9
NOW = 1_795_000_000 * S
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
STARTED = NOW - 40 * 60 * S


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    engine = ChdbEngine(tmp_path_factory.mktemp("engine"))
    engine.create(TABLES)
    yield engine
    engine.close()


@pytest.fixture(params=["hot", "flushed", "mixed"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, engine: ChdbEngine
) -> Iterator[HeldStore]:
    """A store filled by `_fill`, whose rows are hot, in the engine, or in both places."""
    place: str = request.param
    store = HeldStore(engine, received=NOW)
    # One engine serves all cases: a name of its own keeps their rows apart.
    store.name = tmp_path.name  # type: ignore[attr-defined]
    halves = _requests(tmp_path.name)
    for signal, message in halves[0]:
        store.add(signal, message)
    if place != "hot":
        store.flush()
    for signal, message in halves[1]:
        store.add(signal, message)
    if place == "flushed":
        store.flush()
    yield store
    store.flush()


def _name(store: HeldStore) -> str:
    name: str = store.name  # type: ignore[attr-defined]
    return name


def _metrics(service: str, *wanted: Metric) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.append(_text("service.name", service))
    resource.scope_metrics.add().metrics.extend(wanted)
    return request


def _counter(name: str, host: str, points: list[tuple[int, float, int]]) -> Metric:
    metric = Metric(name=name, unit="1")
    metric.sum.aggregation_temporality = CUMULATIVE
    metric.sum.is_monotonic = True
    for minute, value, started in points:
        metric.sum.data_points.add(
            attributes=[_text("host", host)],
            start_time_unix_nano=started,
            time_unix_nano=NOW - (30 - minute) * 60 * S,
            as_double=value,
        )
    return metric


def _gauge(name: str, points: list[tuple[int, float]]) -> Metric:
    metric = Metric(name=name, unit="By", description="how full")
    for minute, value in points:
        metric.gauge.data_points.add(time_unix_nano=NOW - (30 - minute) * 60 * S, as_double=value)
    return metric


def _histogram(name: str, points: list[tuple[int, list[int]]]) -> Metric:
    metric = Metric(name=name, unit="ms")
    metric.histogram.aggregation_temporality = CUMULATIVE
    for minute, counts in points:
        metric.histogram.data_points.add(
            start_time_unix_nano=STARTED,
            time_unix_nano=NOW - (30 - minute) * 60 * S,
            count=sum(counts),
            sum=10.0 * sum(counts),
            bucket_counts=counts,
            explicit_bounds=[10, 20, 40],
        )
    return metric


def _exponential(name: str, minute: int, scale: int, positive: dict[int, int]) -> Metric:
    metric = Metric(name=name)
    metric.exponential_histogram.aggregation_temporality = DELTA
    first = min(positive)
    counts = [positive.get(i, 0) for i in range(first, max(positive) + 1)]
    point = metric.exponential_histogram.data_points.add(
        start_time_unix_nano=STARTED,
        time_unix_nano=NOW - (30 - minute) * 60 * S,
        count=sum(counts) + 1,
        sum=1.0,
        scale=scale,
        zero_count=1,
    )
    point.positive.offset = first
    point.positive.bucket_counts.extend(counts)
    return metric


def _spans(service: str, durations_ms: list[int], failed: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(_text("service.name", service))
    scope = resource.scope_spans.add()
    for i, duration in enumerate(durations_ms):
        span = scope.spans.add(
            trace_id=service.encode().ljust(15, b"_")[:15] + bytes([i // 2 + 1]),
            span_id=bytes([*range(7), i + 1]),
            name="work",
            start_time_unix_nano=NOW - 60 * S,
            end_time_unix_nano=NOW - 60 * S + duration * 10**6,
            attributes=[_text("size", "big" if i % 3 == 0 else "small"), _text("who", f"{i}")],
        )
        span.status.code = 2 if i < failed else 0
    return request


def _logs(service: str, count: int) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.append(_text("service.name", service))
    scope = resource.scope_logs.add()
    for _ in range(count):
        scope.log_records.add(time_unix_nano=NOW - S, body=AnyValue(string_value="said"))
    return request


Half = list[tuple[Signal, object]]


def _requests(name: str) -> tuple[list, list]:  # type: ignore[type-arg]
    restarted = NOW - 15 * 60 * S
    first = [
        (
            Signal.METRICS,
            _metrics(
                name,
                _counter(f"{name}.calls", "a", [(0, 100, STARTED), (5, 160, STARTED)]),
                _counter(f"{name}.calls", "b", [(0, 7, STARTED), (5, 7, STARTED)]),
                _gauge(f"{name}.level", [(0, 4.0), (1, 6.0)]),
                _histogram(f"{name}.time", [(0, [1, 1, 0, 0]), (5, [11, 1, 0, 0])]),
                _exponential(f"{name}.size", 5, 1, {0: 2, 1: 2}),
            ),
        ),
        (Signal.TRACES, _spans(name, [10, 20, 30, 40], failed=1)),
    ]
    second = [
        (
            Signal.METRICS,
            _metrics(
                name,
                # The process began anew at minute 15: what it counted since then is all new.
                _counter(f"{name}.calls", "a", [(10, 190, STARTED), (20, 12, restarted)]),
                _gauge(f"{name}.level", [(10, 20.0)]),
                _histogram(f"{name}.time", [(10, [11, 1, 10, 0])]),
                _exponential(f"{name}.size", 6, 0, {0: 4}),
            ),
        ),
        (Signal.TRACES, _spans(f"{name}-other", [5], failed=0)),
        (Signal.LOGS, _logs(name, 3)),
        (Signal.LOGS, _logs(f"{name}-quiet", 2)),
    ]
    return first, second


def _ask(store: HeldStore, metric: str, **wanted: object) -> dict[tuple[str, ...], list[float]]:
    """Return the values of each series' buckets that hold any, by label values."""
    query = ask.SeriesQuery(
        name=f"{_name(store)}.{metric}",
        start=f"{(NOW - 31 * 60 * S) / S:.0f}",
        end=f"{NOW / S:.0f}",
        **wanted,  # type: ignore[arg-type]
    )
    found = series.query_series(store, query, NOW)
    return {
        tuple(each.labels.values()): [p.value for p in each.points if p.value is not None]
        for each in found.series
    }


def test_a_rate_counts_what_was_added_and_all_of_it_after_a_restart(store: HeldStore) -> None:
    rates = _ask(store, "calls", aggregate="rate", step="5m", by=["host"])
    per_second = {key: [round(v * 300, 6) for v in line if v] for key, line in rates.items()}
    # The first point adds nothing: it may have counted for hours. Then 60, 30, and 12 anew.
    assert per_second == {("a",): [60.0, 30.0, 12.0], ("b",): []}


def test_number_points_fold_by_bucket(store: HeldStore) -> None:
    assert _ask(store, "level", aggregate="avg", step="5m") == {(): [5.0, 20.0]}
    assert _ask(store, "level", aggregate="max", step="31m")[()][-1] == 20.0
    assert _ask(store, "level", aggregate="last", step="5m") == {(): [6.0, 20.0]}
    assert _ask(store, "level", aggregate="count", step="5m") == {(): [2.0, 1.0]}


def test_series_are_ordered_from_the_largest_and_what_is_no_number_is_last(
    store: HeldStore,
) -> None:
    gauge = Metric(name=f"{_name(store)}.load")
    for host, value in (("a", 1.0), ("b", math.nan), ("c", 3.0), ("d", math.nan), ("e", 2.0)):
        gauge.gauge.data_points.add(
            attributes=[_text("host", host)], time_unix_nano=NOW - 60 * S, as_double=value
        )
    store.add(Signal.METRICS, _metrics(_name(store), gauge))
    found = _ask(store, "load", aggregate="last", step="5m", by=["host"])
    assert [host for (host,) in found] == ["c", "e", "a", "b", "d"]


def test_a_gauge_has_no_rate_and_says_what_it_has(store: HeldStore) -> None:
    with pytest.raises(ClewError) as raised:
        _ask(store, "level", aggregate="rate")
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT
    assert "avg" in (raised.value.hint or "")


def test_quantiles_come_from_what_fell_into_the_bucket(store: HeldStore) -> None:
    # Minute 5 added ten up to 10, minute 10 added ten between 20 and 40; the first point is before.
    assert _ask(store, "time", aggregate="count", step="5m") == {(): [10.0, 10.0]}
    assert _ask(store, "time", aggregate="p50", step="5m") == {(): [5.0, 30.0]}
    assert _ask(store, "time", aggregate="avg", step="5m") == {(): [10.0, 10.0]}


def test_exponential_histograms_of_two_scales_merge_at_the_coarser(store: HeldStore) -> None:
    # Scale 1: two in (1, √2] and two in (√2, 2]; scale 0: four in (1, 2]; two zeros beside them.
    merged = _ask(store, "size", aggregate="p95", step="31m")[()]
    assert merged == [pytest.approx(1 + (0.95 * 10 - 2) / 8)]
    assert _ask(store, "size", aggregate="count", step="31m") == {(): [10.0]}


def test_a_misspelt_metric_is_answered_with_near_names(store: HeldStore) -> None:
    with pytest.raises(ClewError) as raised:
        _ask(store, "cals")
    assert raised.value.code is ErrorCode.NOT_FOUND
    assert f"{_name(store)}.calls" in (raised.value.hint or "")


def test_services_have_their_exact_figures(store: HeldStore) -> None:
    name = _name(store)
    found = services.list_services(store, ask.ServiceQuery(last="1h", limit=1000), NOW)
    by_name = {each.name: each for each in found.services}
    busy = by_name[name]
    assert (busy.span_count, busy.trace_count, busy.error_count, busy.log_count) == (4, 2, 1, 3)
    assert busy.error_rate == 0.25
    assert busy.avg_duration_ms == 25.0
    assert by_name[f"{name}-other"].p99_ms == 5.0
    assert (by_name[f"{name}-quiet"].span_count, by_name[f"{name}-quiet"].log_count) == (0, 2)
    assert found.total == len(found.services)


def test_pages_of_services_give_each_once(store: HeldStore) -> None:
    whole = services.list_services(store, ask.ServiceQuery(last="1h", limit=1000), NOW)
    names, cursor = [], None
    for _ in range(whole.total):
        query = ask.ServiceQuery(last="1h", limit=1, next=cursor)
        page = services.list_services(store, query, NOW)
        names += [each.name for each in page.services]
        cursor = page.next
    assert cursor is None
    assert names == [each.name for each in whole.services]


def test_operations_are_counted_by_service(store: HeldStore) -> None:
    query = ask.OperationQuery(service=_name(store))
    found = services.list_operations(store, query, NOW)
    assert [(o.operation, o.kind, o.span_count, o.error_count) for o in found.operations] == [
        ("work", "internal", 4, 1)
    ]


def test_attribute_keys_and_values_are_counted(store: HeldStore) -> None:
    name = _name(store)
    keys = attributes.list_attributes(store, ask.AttributeQuery(service=name), NOW)
    counted = {(key.place, key.key): (key.count, key.values) for key in keys.attributes}
    assert counted == {
        ("span", "size"): (4, 2),
        ("span", "who"): (4, 4),
        ("resource", "service.name"): (4, 1),
    }
    values = attributes.list_attribute_values(store, "size", ask.AttributeQuery(service=name), NOW)
    assert [(each.value, each.count) for each in values.values] == [("big", 2), ("small", 2)]


def test_an_unknown_attribute_is_answered_with_near_names(store: HeldStore) -> None:
    with pytest.raises(ClewError) as raised:
        attributes.list_attribute_values(store, "sise", ask.AttributeQuery(), NOW)
    assert "size" in (raised.value.hint or "")


def test_points_are_listed_newest_first_page_by_page(store: HeldStore) -> None:
    name = _name(store)
    query = ask.MetricQuery(service=name, limit=1000)
    whole = listing.find_metrics(store, query, NOW)
    assert whole.total == whole.count == 14
    times = [point.timestamp for point in whole.metrics]
    assert times == sorted(times, reverse=True)
    paged, cursor = [], None
    for _ in range(20):
        page = listing.find_metrics(store, ask.MetricQuery(service=name, limit=4, next=cursor), NOW)
        paged += page.metrics
        cursor = page.next
        # What comes in between belongs to no page of this list.
        store.add(Signal.METRICS, _metrics(name, _gauge(f"{name}.level", [(29, 1.0)])))
        if cursor is None:
            break
    assert sorted(map(repr, paged)) == sorted(map(repr, whole.metrics))


def test_a_metric_is_described(store: HeldStore) -> None:
    name = _name(store)
    detail = listing.get_metric(store, f"{name}.calls", ask.MetricParameters(last="1h"), NOW)
    assert (detail.metric_type, detail.unit) == ("sum", "1")
    assert (detail.point_count, detail.series_count) == (6, 2)
    assert detail.services == [name]
    assert detail.label_keys == ["host"]
    assert (detail.value_min, detail.value_max) == (7.0, 190.0)
    assert not detail.histogram_quantile_available
    timed = listing.get_metric(store, f"{name}.time", ask.MetricParameters(last="1h"), NOW)
    assert timed.histogram_quantile_available
    assert timed.points_with_histogram_buckets == 3
    newest = timed.recent_points[0].histogram
    assert newest is not None
    assert (newest.bounds, newest.counts) == ([10, 20, 40], [11, 1, 10, 0])
    assert math.isclose(newest.sum or 0, 220)
