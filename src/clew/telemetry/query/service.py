"""The query service: the one place that every surface asks.

A thin facade: each question is answered by the module of its noun, over one store and one clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.telemetry.query import attributes, export, live, logs, names, services, sql
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.metrics import listing, series
from clew.telemetry.query.own import OwnStore
from clew.telemetry.query.parameters import LIMIT_DEFAULT
from clew.telemetry.query.traces import spans, traces, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clew.telemetry import documents as doc
    from clew.telemetry.otlp.signal import Signal
    from clew.telemetry.query.contract import LiveBatch
    from clew.telemetry.query.services import Names
    from clew.telemetry.query.store import Store
    from clew.telemetry.query.traces.whole import ServiceFigures, TraceChunk


class TelemetryQuery:
    """Implements `clew.telemetry.query.contract.QueryService`, which says what each call does.

    Safe to use from any thread.
    """

    def __init__(self, store: Store, now: Callable[[], int]) -> None:
        """Answer over a store; `now` gives Unix nanoseconds, to which "15m ago" refers."""
        self._store = store
        self._own = OwnStore(store)
        self._now = now

    def find_spans(self, query: ask.SpanQuery) -> doc.SpanList:
        """Return one page of matching spans, newest first."""
        return spans.find_spans(self._of(query), query, self._now())

    def find_traces(self, query: ask.SpanQuery) -> doc.TraceList:
        """Return one page of traces that hold a matching span, newest match first."""
        return traces.find_traces(self._of(query), query, self._now())

    def get_trace(self, trace_id: str, *, typed: bool = False, own: bool = False) -> doc.Trace:
        """Return one trace as a tree laid flat."""
        return traces.get_trace(self._own if own else self._store, trace_id, typed=typed)

    def find_logs(self, query: ask.LogQuery) -> doc.LogList:
        """Return one page of matching log records, newest first."""
        return logs.find_logs(self._store, query, self._now())

    def find_metrics(self, query: ask.MetricQuery) -> doc.MetricList:
        """Return one page of matching metric points, newest first."""
        return listing.find_metrics(self._of(query), query, self._now())

    def get_metric(self, name: str, query: ask.MetricParameters) -> doc.MetricDetail:
        """Return what is known of a metric."""
        return listing.get_metric(self._of(query), name, query, self._now())

    def query_series(self, query: ask.SeriesQuery) -> doc.SeriesList:
        """Return a metric over time buckets."""
        return series.query_series(self._of(query), query, self._now())

    def list_services(self, query: ask.ServiceQuery) -> doc.ServiceList:
        """Return services with rate, errors and duration."""
        return services.list_services(self._store, query, self._now())

    def list_operations(self, query: ask.OperationQuery) -> doc.OperationList:
        """Return operations with rate, errors and duration."""
        return services.list_operations(self._store, query, self._now())

    def list_attributes(self, query: ask.AttributeQuery) -> doc.AttributeList:
        """Return attribute keys with counts."""
        return attributes.list_attributes(self._store, query, self._now())

    def list_attribute_values(self, key: str, query: ask.AttributeQuery) -> doc.AttributeValueList:
        """Return the values of one attribute with counts."""
        return attributes.list_attribute_values(self._store, key, query, self._now())

    def run_sql(self, statement: str, *, limit: int = LIMIT_DEFAULT) -> doc.SqlAnswer:
        """Run a statement of a user over the real tables, read-only."""
        return sql.run_sql(self._store, statement, limit)

    def get_sql_schema(self) -> doc.SqlSchema:
        """Return the tables that SQL may read."""
        return sql.get_sql_schema()

    def suggest_services(self, name: str) -> doc.Suggestions:
        """Return whether there is such a service, else near ones."""
        return names.suggest_services(self._store, name)

    def suggest_operations(self, name: str) -> doc.Suggestions:
        """Return whether there is such an operation, else near ones."""
        return names.suggest_operations(self._store, name)

    def suggest_attributes(self, key: str) -> doc.Suggestions:
        """Return whether there is such an attribute, else near ones."""
        return names.suggest_attributes(self._store, key)

    def export(
        self, signal: Signal, query: ask.SpanQuery | ask.LogQuery | ask.MetricQuery
    ) -> Iterator[bytes]:
        """Yield matching records as serialised OTLP requests, oldest first."""
        store = self._store if isinstance(query, ask.LogQuery) else self._of(query)
        return export.export(store, signal, query, self._now())

    def export_traces(
        self, trace_ids: Sequence[str], query: ask.TimeParameters, *, raw: bool = False
    ) -> Iterator[TraceChunk]:
        """Yield whole traces as OTLP, in the order of the ids."""
        return whole.export_traces(self._store, trace_ids, query, self._now(), raw=raw)

    def export_spans(self, spans: Sequence[tuple[str, str]]) -> list[bytes]:
        """Return spans by trace id and span id as OTLP, one request each, in their order."""
        return whole.export_spans(self._store, spans)

    def describe_services(self, trace_ids: Sequence[str]) -> dict[str, list[ServiceFigures]]:
        """Return the part of each service in each of the traces, by trace id."""
        return whole.describe_services(self._store, trace_ids)

    def name_services(self) -> Names[str]:
        """Return the name of every service that ever sent a span, sorted."""
        return services.name_services(self._store)

    def name_operations(self, service: str) -> Names[tuple[str, str]]:
        """Return name and span kind of every operation of a service, sorted."""
        return services.name_operations(self._store, service)

    def live_spans(self, query: ask.SpanQuery, *, after: str | None) -> LiveBatch:
        """Return what matched after an event id; from now on when it is None."""
        return live.live_spans(self._of(query), query, after, self._now())

    def live_logs(self, query: ask.LogQuery, *, after: str | None) -> LiveBatch:
        """Return what matched after an event id; from now on when it is None."""
        return live.live_logs(self._store, query, after, self._now())

    def _of(
        self, query: ask.SpanQuery | ask.MetricQuery | ask.MetricParameters | ask.SeriesQuery
    ) -> Store:
        """Return where the rows are that are asked for: users' own, unless ours are."""
        return self._own if query.own else self._store
