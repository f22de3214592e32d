"""The one query service, as every surface sees it.

Calls block (the engine does); a surface on an event loop runs them on the query threads that `app`
provides. An answer sees every record acknowledged before the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.telemetry import documents as doc
    from clew.telemetry.otlp.signal import Signal
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.services import Names
    from clew.telemetry.query.traces.whole import ServiceFigures, TraceChunk


class LiveBatch(Protocol):
    """What a live feed gives at once: records in frame order, and what it had to leave out."""

    @property
    def event_id(self) -> str:
        """Resume here: every record up to this one has been given or counted as dropped."""
        ...

    @property
    def records(self) -> list[doc.Span] | list[doc.LogRecord]:
        """At most the batch limit, oldest first."""
        ...

    @property
    def dropped(self) -> int:
        """How many matching records were left out before these, because the client lagged."""
        ...

    @property
    def is_behind(self) -> bool:
        """Whether more matches already than fit: ask again at once, without waiting for news.

        When it is false, nothing more matches before the next record is acknowledged.
        """
        ...


class QueryService(Protocol):
    """Answers questions about telemetry.

    Every method raises ClewError: INVALID_ARGUMENT for a parameter that does not parse (the hint
    says what would), TIMEOUT and TOO_LARGE at a limit, UNAVAILABLE when the store does not answer.
    """

    def find_spans(self, query: ask.SpanQuery) -> doc.SpanList:
        """Return one page of matching spans, newest first."""
        ...

    def find_traces(self, query: ask.SpanQuery) -> doc.TraceList:
        """Return one page of traces that hold a matching span, newest match first."""
        ...

    def get_trace(self, trace_id: str, *, typed: bool = False, own: bool = False) -> doc.Trace:
        """Return one trace as a tree laid flat; NOT_FOUND when no span of it is here."""
        ...

    def find_logs(self, query: ask.LogQuery) -> doc.LogList:
        """Return one page of matching log records, newest first."""
        ...

    def find_metrics(self, query: ask.MetricQuery) -> doc.MetricList:
        """Return one page of matching metric points, newest first."""
        ...

    def get_metric(self, name: str, query: ask.MetricParameters) -> doc.MetricDetail:
        """Return what is known of a metric; NOT_FOUND with near names when there is none."""
        ...

    def query_series(self, query: ask.SeriesQuery) -> doc.SeriesList:
        """Return a metric over time buckets."""
        ...

    def list_services(self, query: ask.ServiceQuery) -> doc.ServiceList:
        """Return services with rate, errors and duration."""
        ...

    def list_operations(self, query: ask.OperationQuery) -> doc.OperationList:
        """Return operations with rate, errors and duration."""
        ...

    def list_attributes(self, query: ask.AttributeQuery) -> doc.AttributeList:
        """Return attribute keys with counts."""
        ...

    def list_attribute_values(self, key: str, query: ask.AttributeQuery) -> doc.AttributeValueList:
        """Return the values of one attribute with counts."""
        ...

    def run_sql(self, statement: str, *, limit: int = ...) -> doc.SqlAnswer:
        """Run a statement of a user over the real tables, read-only."""
        ...

    def get_sql_schema(self) -> doc.SqlSchema:
        """Return the tables that SQL may read."""
        ...

    def suggest_services(self, name: str) -> doc.Suggestions:
        """Return whether a service has that very name, else up to three near ones."""
        ...

    def suggest_operations(self, name: str) -> doc.Suggestions:
        """Return whether an operation has that very name, else up to three near ones."""
        ...

    def suggest_attributes(self, key: str) -> doc.Suggestions:
        """Return whether anything has that attribute, else up to three near keys."""
        ...

    def export(
        self, signal: Signal, query: ask.SpanQuery | ask.LogQuery | ask.MetricQuery
    ) -> Iterator[bytes]:
        """Yield matching records as serialised OTLP requests, oldest first, bounded in size."""
        ...

    def export_traces(
        self, trace_ids: Sequence[str], query: ask.TimeParameters, *, raw: bool = False
    ) -> Iterator[TraceChunk]:
        """Yield whole traces as OTLP, in the order of the ids; those not here are left out.

        A trace must have a span that starts in the time range; it comes whole all the same. Equal
        spans stand once, unless `raw`.
        """
        ...

    def export_spans(self, spans: Sequence[tuple[str, str]]) -> list[bytes]:
        """Return spans by trace id and span id as OTLP, one request each, in their order."""
        ...

    def describe_services(self, trace_ids: Sequence[str]) -> dict[str, list[ServiceFigures]]:
        """Return the part of each service in each of the traces, by trace id."""
        ...

    def name_services(self) -> Names[str]:
        """Return the name of every service that ever sent a span, sorted."""
        ...

    def name_operations(self, service: str) -> Names[tuple[str, str]]:
        """Return name and span kind (empty for none) of every operation of a service, sorted."""
        ...

    def live_spans(self, query: ask.SpanQuery, *, after: str | None) -> LiveBatch:
        """Return what matched after an event id; from now on when it is None."""
        ...

    def live_logs(self, query: ask.LogQuery, *, after: str | None) -> LiveBatch:
        """Return what matched after an event id; from now on when it is None."""
        ...
