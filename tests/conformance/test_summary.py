"""What a summary says beside its spans, how its lists are cut, and how far off it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.analytics import red
from clew.telemetry.analytics.parameters import SummaryQuery, TopologyQuery
from clew.telemetry.analytics.service import TelemetryAnalytics
from clew.telemetry.genai.prices import PriceBook
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.signal import Signal
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.telemetry.analytics import documents as doc

FAILED = Status(code=Status.STATUS_CODE_ERROR, message="no")
SHOPS = 12


def points_request(name: str, count: int, service: str) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.extend(entries({"service.name": service}))
    metric = group.scope_metrics.add().metrics.add(name=name)
    for number in range(count):
        metric.gauge.data_points.add(as_double=number, time_unix_nano=NOW - number * SECOND)
    return request


@pytest.fixture(scope="module")
def analytics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TelemetryAnalytics]:
    """Twelve shops, half of them stored: shop 3 has 3 spans of 30 ms, and shop 11 fails."""
    engine = ChdbEngine(tmp_path_factory.mktemp("summary"))
    engine.create(TABLES)
    store = HeldStore(engine, received=NOW)
    for shop in range(SHOPS):
        status = {"status": FAILED} if shop == 11 else {}
        spans = [
            span(i + 1, trace=shop + 1, at=NOW - i, duration=shop * 10 * 10**6 + i, **status)
            for i in range(shop)
        ]
        store.add(Signal.TRACES, traces_request(spans, f"shop-{shop:02}"))
        store.add(Signal.METRICS, points_request(f"stock.{shop:02}", shop + 1, f"shop-{shop:02}"))
        if shop == SHOPS // 2:
            store.flush()
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "no-such-model"}
    used = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    calls = [
        span(1, trace=99, attributes=chat | used),
        span(2, trace=99, attributes=tool, status=FAILED),
    ]
    for number, system in enumerate(("redis", "redis", "postgresql"), start=3):
        told = {"db.system": system} | ({"server.address": "db"} if system != "redis" else {})
        kind = Span.SPAN_KIND_CLIENT
        calls.append(span(number, trace=99, attributes=told, kind=kind))
    store.add(Signal.TRACES, traces_request(calls, "agent"))
    records = [
        log("a", severity_number=9),
        log("b", severity_number=17),
        log("c", severity_number=21),
        log("d", severity_text="WARN"),
        log("e"),
    ]
    store.add(Signal.LOGS, logs_request(records, "shop-01"))
    store.add(Signal.LOGS, logs_request([log("f", severity_number=5)], "shop-02"))
    genai = TelemetryGenAi(store, lambda: NOW + SECOND, PriceBook())
    yield TelemetryAnalytics(store, lambda: NOW + SECOND, genai)
    engine.close()


def test_logs_are_counted_by_severity_the_fatal_ones_among_the_errors(
    analytics: TelemetryAnalytics,
) -> None:
    summary = analytics.summarize(SummaryQuery())
    first, second = summary.logs_by_service
    assert (first.service, first.total, first.fatal, first.error) == ("shop-01", 5, 1, 2)
    assert (first.warn, first.info, first.unset) == (1, 1, 1)
    assert (second.service, second.debug) == ("shop-02", 1)
    assert (summary.logs.total, summary.logs.error, summary.log_service_count) == (6, 2, 2)


def test_metrics_are_counted_by_name(analytics: TelemetryAnalytics) -> None:
    metrics = analytics.summarize(SummaryQuery(limit=2)).metrics
    assert (metrics.point_count, metrics.unique_names) == (sum(range(1, SHOPS + 1)), SHOPS)
    assert [(each.name, each.point_count, each.service_count) for each in metrics.names] == [
        ("stock.11", 12, 1),
        ("stock.10", 11, 1),
    ]
    assert analytics.summarize(SummaryQuery(service="shop-04")).metrics.point_count == 5


def test_models_and_tools_are_told_with_their_tokens(analytics: TelemetryAnalytics) -> None:
    genai = analytics.summarize(SummaryQuery()).genai
    assert (genai.call_count, genai.tool_call_count, genai.tool_error_count) == (1, 1, 1)
    assert (genai.input_tokens, genai.output_tokens) == (100, 20)
    assert genai.cost_usd is None
    assert genai.cost.unpriced_models == ["no-such-model"]
    assert [model.model for model in genai.models] == ["no-such-model"]


def test_each_list_says_how_many_there_are_beyond_its_end(analytics: TelemetryAnalytics) -> None:
    summary = analytics.summarize(SummaryQuery(limit=3))
    assert summary.service_count == SHOPS  # A shop without spans is none, and there is the agent.
    assert [each.service for each in summary.top_services] == ["shop-11", "shop-10", "shop-09"]
    slowest = [each.service for each in summary.slowest_operations]
    assert slowest == ["shop-11", "shop-10", "shop-09"]
    assert summary.error_operation_count == summary.error_group_count == 2
    assert summary.top_errors[0].error_count == 11
    with pytest.raises(ClewError) as caught:
        analytics.summarize(SummaryQuery(limit=1001))
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_a_service_that_is_not_there_is_a_summary_of_nothing(analytics: TelemetryAnalytics) -> None:
    summary = analytics.summarize(SummaryQuery(service="nobody"))
    assert summary.service_filter == "nobody"
    assert (summary.traces.span_count, summary.traces.trace_count, summary.logs.total) == (0, 0, 0)
    lists = (summary.top_services, summary.top_errors, summary.metrics.names)
    assert not any(lists)
    topology = analytics.map_topology(TopologyQuery(service="nobody"))
    assert (topology.edges, topology.nodes) == ([], [])


def test_beyond_the_bound_quantiles_are_as_close_as_the_answer_says(
    analytics: TelemetryAnalytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = analytics.summarize(SummaryQuery())
    monkeypatch.setattr(red, "EXACT_SPANS_MAX", 0)
    close = analytics.summarize(SummaryQuery())
    assert (exact.quantile_error, close.quantile_error) == (0, red.QUANTILE_ERROR)
    assert (exact.traces.trace_count, close.traces.trace_count) == (SHOPS, None)

    def pairs() -> Iterator[tuple[doc.SpanTotals | doc.ServiceSummary, ...]]:
        yield exact.traces, close.traces
        yield from zip(exact.top_services, close.top_services, strict=True)
        yield from zip(exact.slowest_operations, close.slowest_operations, strict=True)

    for ours, theirs in pairs():
        assert (ours.span_count, ours.max_ms) == (theirs.span_count, theirs.max_ms)
        for name in ("p50_ms", "p95_ms", "p99_ms"):
            right, near = getattr(ours, name), getattr(theirs, name)
            assert right * (1 - red.QUANTILE_ERROR) <= near <= right


def test_a_graph_is_cut_to_its_busiest_edges(analytics: TelemetryAnalytics) -> None:
    whole = analytics.map_topology(TopologyQuery())
    cut = analytics.map_topology(TopologyQuery(limit=1))
    assert [(edge.to, edge.calls) for edge in whole.edges] == [("redis", 2), ("postgresql/db", 1)]
    assert (cut.count, cut.total, cut.truncated) == (1, 2, True)
    assert cut.edges == whole.edges[:1]
    # Every service is there, called or not; of what is called, only what the edges shown lead to.
    assert [node.name for node in cut.nodes if node.kind != "service"] == ["redis"]
    assert len(cut.services) == SHOPS
    with pytest.raises(ClewError) as caught:
        analytics.map_topology(TopologyQuery(limit=0))
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
