"""The documents of answers that take more than one strand.

Times are RFC 3339 UTC with nanoseconds, ids lower-case hex, durations milliseconds.
"""

from __future__ import annotations

import msgspec

from clew.team.comments.documents import Comment
from clew.telemetry.documents import Attributes, Kind, LogRecord, Status
from clew.telemetry.query.metrics.around_documents import SeriesSummary
from clew.twin.documents import Participant


class OutlineSpan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A span in one line. `offset_ms` counts from the start of the trace."""

    span_id: str
    parent_span_id: str | None
    depth: int
    service: str
    operation: str
    kind: Kind
    status: Status
    offset_ms: float
    duration_ms: float
    self_time_ms: float
    critical_path: bool
    status_message: str = ""
    exception: str | None = None


class OutgoingLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link from a span of the trace to another span."""

    from_span_id: str
    trace_id: str
    span_id: str
    attributes: Attributes


class IncomingLink(msgspec.Struct, frozen=True, kw_only=True):
    """A span of another trace that links to this one; `to_span_ids` are the spans it names."""

    trace_id: str
    span_id: str
    service: str
    operation: str
    start_time: str
    status: Status
    to_span_ids: list[str]


class Section(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How complete one list of the answer is; `more` says how to get what it leaves out."""

    count: int
    total: int | None = None
    at_least: int | None = None
    truncated: bool
    next: str | None = None
    more: str | None = None


class TraceApp(msgspec.Struct, frozen=True, kw_only=True):
    """An app of the tree whose process wrote spans of the trace, and how it stands now.

    One that the tree does not know (its telemetry came from elsewhere) has no name and no status.
    """

    app_id: str
    app_name: str | None
    status: str | None
    parent_id: str | None
    path: list[str]
    span_count: int
    error_count: int


class Sections(msgspec.Struct, frozen=True, kw_only=True):
    """How complete each list of the answer is."""

    spans: Section
    logs: Section
    nearby_logs: Section
    metrics: Section
    links: Section
    linked_from: Section
    comments: Section
    apps: Section
    objects: Section


class CorrelateReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that belongs to one trace.

    `spans` is its outline in tree order; where it is cut, failed spans, roots, the critical path
    and the longest are kept. `logs` are its records and `nearby_logs` others that its services
    wrote while it ran, both newest first. `metrics` are the series of its services from
    `metrics_start_time` to `metrics_end_time`. `apps` are those of the tree whose processes wrote
    its spans, the busiest first. `objects` are those that its events are about, processes too, in
    the order in which it touched them. `links` go out from its spans, `linked_from` are
    spans of other traces that point to it. `sections` says how complete each list is.
    """

    trace_id: str
    span_count: int
    error_count: int
    services: list[str]
    start_time: str
    end_time: str
    duration_ms: float
    spans: list[OutlineSpan]
    logs: list[LogRecord]
    nearby_logs: list[LogRecord]
    metrics: list[SeriesSummary]
    metrics_start_time: str
    metrics_end_time: str
    links: list[OutgoingLink]
    linked_from: list[IncomingLink]
    comments: list[Comment]
    apps: list[TraceApp]
    objects: list[Participant]
    missing_parents: list[str]
    sections: Sections
