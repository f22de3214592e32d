"""The documents that answers are made of: one shape for REST, CLI and every other surface.

Field names are the JSON names. Times are RFC 3339 UTC text with nanoseconds, ids lower-case hex,
durations milliseconds as floats. A list carries its noun and how complete it is: `count` items are
here; `total` is how many there are in all when that is known, else `at_least` is a lower bound;
`truncated` says whether more follow, and `next` is the cursor that gives them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from clew.telemetry.group import GroupStatus

Status = Literal["ok", "error", "unset"]
Kind = Literal["internal", "server", "client", "producer", "consumer"]
MetricType = Literal["gauge", "sum", "histogram", "summary", "unknown"]

JsonValue = Any
"""Any JSON value; the one place where a document is not typed further."""

Attributes = dict[str, JsonValue]
"""Attribute values are strings by default; typed JSON values with ``attributes=typed``."""


class SpanEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A moment inside a span."""

    name: str
    timestamp: str
    attributes: Attributes


class SpanLink(msgspec.Struct, frozen=True, kw_only=True):
    """A pointer from a span to another."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: Attributes


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The instrumentation scope that recorded something."""

    name: str
    version: str
    attributes: Attributes


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation. `depth`, `self_time_ms` and `critical_path` are there in a trace only."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    service: str
    operation: str
    start_time: str
    end_time: str
    duration_ms: float
    status: Status
    status_message: str
    kind: Kind
    trace_state: str
    attributes: Attributes
    events: list[SpanEvent]
    links: list[SpanLink]
    resource: Attributes
    scope: Scope
    depth: int | None = None
    self_time_ms: float | None = None
    critical_path: bool | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """How a list came about: what was read, by which filters, how long it took, and where it ends.

    `filters` are the names of the parameters that narrowed it, `elapsed_ms` is the whole question.
    """

    table: str
    filters: list[str]
    rows_returned: int
    limit: int
    limit_reached: bool
    elapsed_ms: float
    notes: list[str]


class SpanList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Spans, newest first; with `explain` where that was asked for."""

    spans: list[Span]
    count: int
    total: int | None = None
    at_least: int | None = None
    truncated: bool
    next: str | None = None
    explain: Explanation | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trace: its spans flat, ordered by start, parents before children at equal start.

    `depth` counts from 0 at a root. `self_time_ms` is the part of a span's duration in which none
    of its children ran. `critical_path` marks the spans that the end of the trace waited for.
    `missing_parents` are span ids that are named as a parent and not here.
    """

    trace_id: str
    span_count: int
    error_count: int
    services: list[str]
    start_time: str
    end_time: str
    duration_ms: float
    spans: list[Span]
    missing_parents: list[str]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class TraceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A trace in one line: its root (or, without one, its earliest span) and its size."""

    trace_id: str
    service: str
    operation: str
    start_time: str
    duration_ms: float
    span_count: int
    error_count: int
    services: list[str]


class TraceList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Traces that hold a matching span, newest match first; with `explain` as in `SpanList`."""

    traces: list[TraceSummary]
    count: int
    total: int | None = None
    at_least: int | None = None
    truncated: bool
    next: str | None = None
    explain: Explanation | None = None


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One log record. `severity` is the class (trace, debug, info, warn, error, fatal, unset)."""

    timestamp: str
    observed_timestamp: str | None
    trace_id: str | None
    span_id: str | None
    severity: str
    severity_number: int
    severity_text: str
    body: JsonValue
    event_name: str
    service: str
    attributes: Attributes
    resource: Attributes
    scope: Scope


class LogList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Log records, newest first."""

    logs: list[LogRecord]
    count: int
    total: int | None = None
    at_least: int | None = None
    truncated: bool
    next: str | None = None


class Histogram(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Buckets of one point: `counts` is one longer than `bounds`; a bound that is NaN is null.

    An exponential histogram is shown with the bounds its scale means, and keeps `scale`.
    """

    bounds: list[float | None]
    counts: list[int]
    count: int
    sum: float | None
    min: float | None
    max: float | None
    scale: int | None = None


class Exemplar(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement that a point was made of, with the span it was taken in."""

    timestamp: str
    value: float | None
    trace_id: str | None
    span_id: str | None
    attributes: Attributes


class MetricPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One data point. `value` of a histogram or summary is its sum."""

    timestamp: str
    start_time: str | None
    service: str
    name: str
    metric_type: MetricType
    value: float | None
    unit: str
    attributes: Attributes
    temporality: Literal["delta", "cumulative"] | None = None
    monotonic: bool | None = None
    histogram: Histogram | None = None
    quantiles: dict[str, float] | None = None
    exemplars: list[Exemplar] | None = None


class MetricList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Metric points, newest first."""

    metrics: list[MetricPoint]
    count: int
    total: int | None = None
    at_least: int | None = None
    truncated: bool
    next: str | None = None


class MetricDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one metric in a time range."""

    name: str
    metric_type: MetricType
    unit: str
    description: str
    point_count: int
    series_count: int
    services: list[str]
    label_keys: list[str]
    value_min: float | None
    value_max: float | None
    latest_timestamp: str | None
    points_with_histogram_buckets: int
    histogram_quantile_available: bool
    recent_points: list[MetricPoint]


class SeriesPoint(msgspec.Struct, frozen=True, array_like=True):
    """A bucket's start and its value; null where the bucket holds nothing."""

    timestamp: str
    value: float | None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart."""

    metric: str
    labels: dict[str, str]
    points: list[SeriesPoint]
    value: float | None
    timestamp: str | None


class SeriesList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Series over time buckets of `step_seconds`, largest last value first."""

    series: list[Series]
    count: int
    total: int
    truncated: bool
    step_seconds: float
    aggregate: str
    start_time: str
    end_time: str
    next: str | None = None


class ServiceStats(msgspec.Struct, frozen=True, kw_only=True):
    """Rate, errors and duration of one service in a time range; quantiles over all its spans."""

    name: str
    span_count: int
    trace_count: int
    error_count: int
    error_rate: float
    rate_per_second: float
    avg_duration_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    log_count: int
    last_seen: str


class ServiceList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Services with their figures, busiest first."""

    services: list[ServiceStats]
    count: int
    total: int
    truncated: bool
    start_time: str
    end_time: str
    next: str | None = None


class OperationStats(msgspec.Struct, frozen=True, kw_only=True):
    """Rate, errors and duration of one operation of a service."""

    service: str
    operation: str
    kind: Kind
    span_count: int
    error_count: int
    error_rate: float
    avg_duration_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class OperationList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Operations with their figures, busiest first."""

    operations: list[OperationStats]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class AttributeKey(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute key, where it occurs (span, resource, scope, event, log, metric), how often."""

    key: str
    place: str
    count: int
    values: int


class AttributeList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Attribute keys, most frequent first."""

    attributes: list[AttributeKey]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class AttributeValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value of an attribute and how often it occurs."""

    value: str
    count: int


class AttributeValueList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Values of one attribute, most frequent first."""

    key: str
    values: list[AttributeValue]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class SqlColumn(msgspec.Struct, frozen=True, kw_only=True):
    """Name and ClickHouse type of a column of an SQL answer."""

    name: str
    type: str


class SqlAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows of an SQL statement; integers past 2^53 are strings."""

    rows: list[dict[str, JsonValue]]
    columns: list[SqlColumn]
    count: int
    total: int | None = None
    at_least: int | None = None
    truncated: bool
    elapsed_ms: float


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column as `clew sql --schema` shows it."""

    name: str
    type: str
    comment: str


class TableSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A table that SQL may read."""

    name: str
    columns: list[TableColumn]


class SqlSchema(msgspec.Struct, frozen=True, kw_only=True):
    """Every table that SQL may read, with examples to start from."""

    tables: list[TableSchema]
    examples: list[str]
    count: int
    total: int
    truncated: bool


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a name is known, to the letter; where it is not, known names near it, nearest first.

    For a name that is known nothing is suggested.
    """

    suggestions: list[str]
    known: bool


class SignalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one signal's intake did since the server started.

    `dropped` says of link sets, which nobody sends again, why those that are `shed` were.
    """

    signal: str
    requests: int
    records: int
    rejected: dict[str, int]
    malformed: int
    shed: int
    last_accepted_at: str | None
    dropped: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


class IngestStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the way in is doing: what came, what was refused, what waits, what is wrong.

    `group` is there for a server of several, and says which of them takes what is written. Of a
    query tier the numbers are those of its shards together, each of which `shards` has by its
    name; frames of several servers make no sum, and are 0.
    """

    signals: list[SignalStatus]
    acked_frame: int
    flushed_frame: int
    hot_rows: int
    batches_waiting: int
    log_bytes: int
    log_bytes_max: int
    damaged_frames: int
    refused_frames: int
    writable: bool
    last_error: str | None
    decoder: str
    group: GroupStatus | None = None
    shards: dict[str, IngestStatus] | None = None
