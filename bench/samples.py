"""Requests for the decoders: mixed attribute types, events, links, scopes, all metric kinds.

The shape: 500 records a request, 10 attributes each (text, int, double, bool, array), ``gen_ai.*``
attributes on 10 % of the records, events on 20 % and links on 5 % of the spans, 3 scopes, about 550
bytes a span.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from google.protobuf.message import Message

RECORDS = 500
SCOPES = 3
START_NS = 1_793_491_200_000_000_000
_STEP_NS = 3_600_000

REQUEST_TYPES: dict[Signal, type[Message]] = {
    Signal.TRACES: trace_service_pb2.ExportTraceServiceRequest,
    Signal.LOGS: logs_service_pb2.ExportLogsServiceRequest,
    Signal.METRICS: metrics_service_pb2.ExportMetricsServiceRequest,
}

_ROUTES = tuple(f"/api/v1/shops/{{shop}}/orders/{{order}}/lines/{n}" for n in range(40))
_MODELS = ("claude-opus-4", "claude-sonnet-4", "gpt-5", "gemini-3-pro")
_AGENTS = tuple(f"okhttp/4.{n}.0 (Linux; Android 15; build {n}4{n}8)" for n in range(1, 9))
_WORDS = (
    *("order", "accepted", "rejected", "payment", "customer", "region", "retry", "gateway", "slow"),
    *("cache", "miss", "shard", "reading", "price", "list", "upstream", "because", "while", "for"),
)


def requests(signal: Signal, count: int, *, seed: int = 1) -> list[bytes]:
    """Return serialised requests of 500 records each, the same for the same arguments."""
    build = {Signal.TRACES: _traces, Signal.LOGS: _logs, Signal.METRICS: _metrics}[signal]
    # Seeded on purpose: a benchmark must see the same bytes in every run.
    source = random.Random(f"{signal.value}-{seed}")
    return [build(source, number) for number in range(count)]


def _traces(source: random.Random, number: int) -> bytes:
    request = trace_service_pb2.ExportTraceServiceRequest()
    spans = _scopes(source, request.resource_spans.add(), "scope_spans", "spans")
    trace_id = source.randbytes(16)
    for position in range(RECORDS):
        if position % 10 == 0:
            trace_id = source.randbytes(16)
        span = spans[position % SCOPES].add()
        span.trace_id, span.span_id = trace_id, source.randbytes(8)
        span.parent_span_id = source.randbytes(8) if position % 10 else b""
        span.name = f"{source.choice(('GET', 'POST', 'PUT'))} {source.choice(_ROUTES)}"
        span.kind = source.randrange(1, 6)
        span.start_time_unix_nano = START_NS + (number * RECORDS + position) * _STEP_NS
        span.end_time_unix_nano = span.start_time_unix_nano + source.randrange(1, 10**9)
        span.status.code = source.choices((0, 1, 2), (80, 15, 5))[0]
        _fill(source, span.attributes)
        if source.random() < 0.2:
            event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano)
            _text(event.attributes, "exception.type", "java.lang.IllegalStateException")
            _text(event.attributes, "exception.message", _sentence(source))
        if source.random() < 0.05:
            link = span.links.add(trace_id=source.randbytes(16), span_id=source.randbytes(8))
            _text(link.attributes, "messaging.operation", "process")
    return bytes(request.SerializeToString())


def _logs(source: random.Random, number: int) -> bytes:
    request = logs_service_pb2.ExportLogsServiceRequest()
    records = _scopes(source, request.resource_logs.add(), "scope_logs", "log_records")
    for position in range(RECORDS):
        record = records[position % SCOPES].add()
        record.time_unix_nano = START_NS + (number * RECORDS + position) * _STEP_NS
        record.observed_time_unix_nano = record.time_unix_nano + 1000
        record.severity_number, record.severity_text = source.choice(
            ((9, "INFO"), (13, "WARN"), (17, "ERROR"))
        )
        record.body.string_value = _sentence(source)
        record.trace_id, record.span_id = source.randbytes(16), source.randbytes(8)
        _fill(source, record.attributes)
    return bytes(request.SerializeToString())


def _metrics(source: random.Random, number: int) -> bytes:
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    metrics = _scopes(source, request.resource_metrics.add(), "scope_metrics", "metrics")
    points_per_metric = 10
    for position in range(RECORDS // points_per_metric):
        metric = metrics[position % SCOPES].add(
            name=f"http.server.metric.{position}", unit="ms", description="a measured thing"
        )
        kind = ("gauge", "sum", "histogram", "exponential_histogram", "summary")[position % 5]
        data = getattr(metric, kind)
        if kind in {"sum", "histogram", "exponential_histogram"}:
            data.aggregation_temporality = 2
        for _ in range(points_per_metric):
            point = data.data_points.add(
                start_time_unix_nano=START_NS, time_unix_nano=START_NS + number * 10**10
            )
            _fill(source, point.attributes)
            _measure(source, kind, point)
    return bytes(request.SerializeToString())


def _measure(source: random.Random, kind: str, point: Any) -> None:
    """Give a data point the numbers of its kind."""
    if kind in {"gauge", "sum"}:
        point.as_double = source.random() * 1000
        return
    point.count, point.sum = source.randrange(1000), source.random() * 10**6
    if kind == "histogram":
        point.bucket_counts.extend(source.randrange(100) for _ in range(11))
        point.explicit_bounds.extend((5, 10, 25, 50, 75, 100, 250, 500, 750, 1000))
    elif kind == "exponential_histogram":
        point.scale, point.zero_count = 3, 1
        point.positive.offset = -4
        point.positive.bucket_counts.extend(source.randrange(100) for _ in range(20))
    else:
        for quantile in (0.5, 0.9, 0.99):
            point.quantile_values.add(quantile=quantile, value=source.random())


def _scopes(source: random.Random, resource: Any, scopes: str, records: str) -> list[Any]:
    """Fill in the resource and its scopes; return the scopes' lists of records."""
    for key, value in (
        ("service.name", f"shop-service-{source.randrange(10):02}"),
        ("service.version", "2026.11.3"),
        ("host.name", "node-07.example.net"),
        ("k8s.pod.name", "shop-6c9f7d8b5d-x2x7k"),
        ("telemetry.sdk.name", "opentelemetry"),
    ):
        _text(resource.resource.attributes, key, value)
    lists = []
    for number in range(SCOPES):
        scope = getattr(resource, scopes).add()
        scope.scope.name, scope.scope.version = f"org.example.instrumentation.{number}", "1.4.0"
        lists.append(getattr(scope, records))
    return lists


def _fill(source: random.Random, attributes: Any) -> None:
    """Add ten attributes of mixed types; on one record in ten, four of them are ``gen_ai.*``."""
    _text(attributes, "http.request.method", source.choice(("GET", "POST")))
    _text(attributes, "http.route", source.choice(_ROUTES))
    _text(attributes, "user.id", f"user-{source.getrandbits(96):024x}")
    attributes.add(key="http.response.status_code").value.int_value = source.choice((200, 404, 500))
    attributes.add(key="retry.ratio").value.double_value = source.random()
    attributes.add(key="cache.hit").value.bool_value = source.random() < 0.5
    if source.random() < 0.1:
        _text(attributes, "gen_ai.system", "anthropic")
        _text(attributes, "gen_ai.request.model", source.choice(_MODELS))
        attributes.add(key="gen_ai.usage.input_tokens").value.int_value = source.randrange(10**5)
        attributes.add(key="gen_ai.usage.output_tokens").value.int_value = source.randrange(10**4)
        return
    _text(attributes, "server.address", "orders.internal.example.net")
    attributes.add(key="server.port").value.int_value = 8443
    _text(attributes, "user_agent.original", source.choice(_AGENTS))
    array = attributes.add(key="feature.flags").value.array_value
    for _ in range(3):
        array.values.add().string_value = source.choice(("beta", "dark-mode", "new-checkout"))


def _text(attributes: Any, key: str, value: str) -> None:
    attributes.add(key=key).value.string_value = value


def _sentence(source: random.Random) -> str:
    return " ".join(source.choices(_WORDS, k=8))
