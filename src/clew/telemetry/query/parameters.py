"""The questions, as plain values: REST parameters and CLI flags carry these names.

Times follow the one grammar of `clew.base.times`. `last` excludes `start` and `end`. `attribute`
entries are ANDed; `q` is a filter expression (`docs/reference/filters.md`). `next` is a cursor from
the answer before; it fixes the moment the first page was taken, so that later rows never shift a
page, and it must come with the same filters. `own` asks for what clew tells of itself instead.
"""

from __future__ import annotations

from typing import Literal

import msgspec

LIMIT_DEFAULT = 100
LIMIT_MAX = 10_000
"""Rows of one page: what a person can scan, and what memory holds many times over."""


class TimeParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time range, half-open; everything when nothing is given."""

    last: str | None = None
    start: str | None = None
    end: str | None = None


class PageParameters(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of a list."""

    limit: int = LIMIT_DEFAULT
    next: str | None = None
    count: Literal["exact"] | None = None


class SpanQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans. `operation` matches a part of the name; `text` any text of the span."""

    service: str | None = None
    operation: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    status: Literal["ok", "error", "unset"] | None = None
    kind: Literal["internal", "server", "client", "producer", "consumer"] | None = None
    trace_id: str | None = None
    root: bool | None = None
    attribute: list[str] = []
    q: str | None = None
    text: str | None = None
    view: Literal["spans", "traces"] = "spans"
    attributes: Literal["text", "typed"] = "text"
    own: bool = False


class LogQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which log records. `severity` is one class, `min_severity` that class and above."""

    service: str | None = None
    severity: Literal["trace", "debug", "info", "warn", "error", "fatal"] | None = None
    min_severity: Literal["trace", "debug", "info", "warn", "error", "fatal"] | None = None
    body_contains: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    attribute: list[str] = []
    q: str | None = None
    text: str | None = None
    attributes: Literal["text", "typed"] = "text"


class MetricQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which metric points."""

    service: str | None = None
    name: str | None = None
    metric_type: Literal["gauge", "sum", "histogram", "summary"] | None = None
    attribute: list[str] = []
    attributes: Literal["text", "typed"] = "text"
    own: bool = False


class MetricParameters(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of one metric, in a time range."""

    own: bool = False


class SeriesQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric over time buckets.

    `step` is a duration; by default the range is cut into about 60 buckets. `rate` is per second
    and honours temporality and counter resets; quantiles come from histogram buckets.
    """

    name: str
    service: str | None = None
    attribute: list[str] = []
    step: str | None = None
    aggregate: Literal["avg", "sum", "min", "max", "count", "last", "rate", "p50", "p95", "p99"] = (
        "avg"
    )
    by: list[str] = []
    limit: int = LIMIT_DEFAULT
    own: bool = False


class ServiceQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which services; by default those seen in the last hour of data."""

    limit: int = LIMIT_DEFAULT
    next: str | None = None


class OperationQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which operations."""

    service: str | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class AttributeQuery(TimeParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which attribute keys, or which values of one."""

    signal: Literal["traces", "logs", "metrics"] = "traces"
    place: Literal["span", "resource", "scope", "event", "log", "metric"] | None = None
    service: str | None = None
    prefix: str | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None
