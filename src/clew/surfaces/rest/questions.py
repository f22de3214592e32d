"""What may be asked over REST beyond the parameters that every surface shares."""

from __future__ import annotations

from typing import Literal

import msgspec

from clew.telemetry.query.parameters import LIMIT_DEFAULT, LogQuery, MetricQuery, SpanQuery

SQL_LIMIT_DEFAULT = LIMIT_DEFAULT


class TraceParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one trace is shown: `limit` cuts after so many spans, and the answer says so."""

    attributes: Literal["text", "typed"] = "text"
    limit: int | None = None


class SqlParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statement, and how many rows of its answer."""

    q: str
    limit: int = SQL_LIMIT_DEFAULT


class SuggestParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name that may be misspelt, and what it names."""

    kind: Literal["service", "operation", "attribute"]
    text: str


class LiveSpanParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans a feed shows. `after` is an event id, as `Last-Event-ID` is."""

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
    attributes: Literal["text", "typed"] = "text"
    after: str | None = None


class LiveLogParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which log records a feed shows. `after` is an event id, as `Last-Event-ID` is."""

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
    after: str | None = None


class SpanExport(SpanQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which spans leave, and how they are written."""

    format: Literal["otlp-json", "otlp-proto"] = "otlp-json"


class LogExport(LogQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which log records leave, and how they are written."""

    format: Literal["otlp-json", "otlp-proto"] = "otlp-json"


class MetricExport(MetricQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which data points leave, and how they are written."""

    format: Literal["otlp-json", "otlp-proto"] = "otlp-json"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must be well for the server to be ready."""

    name: str
    ok: bool
    detail: str | None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the server is ready, and what keeps it from being so."""

    ready: bool
    checks: list[Check]
