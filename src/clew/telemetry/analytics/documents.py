"""The documents of analytics: one shape for REST, CLI and every other surface.

Field names are the JSON names; times, ids, durations and completeness are as
`clew.telemetry.documents` has them. Every answer states the window it is exact over.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from clew.telemetry.documents import MetricType
from clew.telemetry.genai.documents import Cost

NodeKind = Literal["service", "database", "queue", "external"]
EdgeKind = Literal["call", "messaging", "link", "unanswered"]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """From `start_time` up to, not including, `end_time`."""

    start_time: str
    end_time: str
    seconds: float


class Density(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is and when: `count` buckets of `bucket_ms` milliseconds, from `start` on.

    `spans`, `errors` (failed spans) and `logs` have a number for each bucket. The last bucket may
    reach beyond the end of the window; nothing after that end is counted in it.
    """

    start: str
    bucket_ms: int
    count: int
    spans: list[int]
    errors: list[int]
    logs: list[int]


class SpanTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Every span of a window together; quantiles are over all spans.

    Beyond two million spans the traces are not counted, and `trace_count` is null: it would take as
    long as everything else. `SELECT uniq(TraceId) FROM otel_traces WHERE …` counts them.
    """

    span_count: int
    trace_count: int | None
    error_count: int
    error_rate: float
    rate_per_second: float
    avg_ms: float
    max_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class ServiceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Rate, errors and duration of one service; the rate is over the whole window."""

    service: str
    span_count: int
    error_count: int
    error_rate: float
    rate_per_second: float
    avg_ms: float
    max_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class OperationSummary(ServiceSummary, frozen=True, kw_only=True):
    """Rate, errors and duration of one operation of a service."""

    operation: str


class ErrorGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Failed spans of one operation that say the same, and the newest of them to look at.

    `message` is the start of the status message, `exception_type` that of the first exception event
    (else the attribute ``error.type`` of the newest span); both may be empty.
    """

    service: str
    operation: str
    message: str
    exception_type: str
    error_count: int
    last_seen: str
    trace_id: str
    span_id: str


class SeverityCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Log records by severity. `error` counts the fatal ones too, `fatal` is how many those are."""

    total: int
    fatal: int
    error: int
    warn: int
    info: int
    debug: int
    trace: int
    unset: int


class ServiceLogs(SeverityCounts, frozen=True, kw_only=True):
    """Log records of one service by severity."""

    service: str


class MetricName(msgspec.Struct, frozen=True, kw_only=True):
    """A metric and how many points and services it has in the window."""

    name: str
    metric_type: MetricType
    point_count: int
    service_count: int


class MetricTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Metric points of the window; `names` are the ones with the most points."""

    point_count: int
    unique_names: int
    names: list[MetricName]


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """What one model was asked and used; `cost_usd` is null where no price is known."""

    provider: str
    model: str
    call_count: int
    error_count: int
    p50_ms: float
    p95_ms: float
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class GenAiTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of models and tools, together and by model, the one with the most tokens first.

    `cost_usd` is that of `cost`, which says from which prices it is computed and what has none.
    """

    call_count: int
    error_count: int
    tool_call_count: int
    tool_error_count: int
    conversation_count: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    cost: Cost
    model_count: int
    models: list[ModelUse]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a window: every record of it counts.

    Quantiles are durations that occurred when `quantile_error` is 0, else at most that share below
    one: beyond two million spans, 0.0078.
    Each list holds its first `limit` items: services by spans, errors by count, slowest operations
    by p95, logs by errors, metrics by points; the count beside it says how many there are in all.
    """

    window: Window
    window_seconds: float
    service_filter: str | None
    limit: int
    quantile_error: float
    traces: SpanTotals
    service_count: int
    top_services: list[ServiceSummary]
    operation_count: int
    slowest_operations: list[OperationSummary]
    error_operation_count: int
    top_error_operations: list[OperationSummary]
    error_group_count: int
    top_errors: list[ErrorGroup]
    logs: SeverityCounts
    log_service_count: int
    logs_by_service: list[ServiceLogs]
    metrics: MetricTotals
    genai: GenAiTotals


class TopologyNode(msgspec.Struct, frozen=True, kw_only=True):
    """A service, or what services call without hearing from it: its name is what they call it.

    `calls` and `errors` are those of the edges that lead here. `system` is the database or queue
    product. Only services have spans.
    """

    name: str
    kind: NodeKind
    system: str
    span_count: int
    calls: int
    errors: int
    error_rate: float


class TopologyEdge(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls whom. Durations are of the span at the far end, of the call itself for a peer.

    `kind` is `call` for a span whose parent is of the other service, `messaging` where the two are
    producer and consumer (or one of them and a queue), `link` for a span that links to another,
    `unanswered` for a call that names a service of which no span answered it.
    """

    from_: str = msgspec.field(name="from")
    to: str
    kind: EdgeKind
    calls: int
    errors: int
    error_rate: float
    rate_per_second: float
    avg_duration_ms: float
    p95_duration_ms: float


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """The graph of services in a window, exact over all its spans; the busiest edges first.

    Parents and linked spans are looked for in the window and a margin around it; how many were not
    there is said. `nodes` are those of the edges shown and, unless a service is asked for, every
    service of the window.
    """

    window: Window
    service_filter: str | None
    services: list[str]
    nodes: list[TopologyNode]
    edges: list[TopologyEdge]
    count: int
    total: int
    truncated: bool
    spans_examined: int
    spans_with_parent_outside_window: int
    links_to_spans_outside_window: int
    margin_seconds: float
