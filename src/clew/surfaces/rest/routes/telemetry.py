"""The routes of the telemetry strand, and those of the server itself: one table."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.answers.health_documents import Health
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.health.questions import STATEMENT_KEY
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_statement
from clew.surfaces.rest.feeds import EVENT_STREAM
from clew.surfaces.rest.live_shards import ShardedFeed
from clew.surfaces.rest.prometheus import TEXT_TYPE
from clew.surfaces.rest.questions import (
    LiveLogParameters,
    LiveSpanParameters,
    LogExport,
    MetricExport,
    Readiness,
    ReadinessQuery,
    SpanExport,
    SpanListParameters,
    SqlParameters,
    SuggestParameters,
    TraceParameters,
)
from clew.surfaces.rest.route import (
    BASE,
    GONE,
    Asked,
    OpenRoute,
    QueryRoute,
    Route,
    run_unless_gone,
)
from clew.surfaces.rest.routes.health import (
    answer_health,
    answer_healthz,
    answer_ingest_status,
    answer_metrics,
    answer_readyz,
)
from clew.surfaces.rest.routes.live import LiveFeed
from clew.surfaces.rest.streams import MEDIA_TYPES, export_otlp
from clew.surfaces.rest.visits import choice_of, see_statement
from clew.telemetry import documents as doc
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from clew.surfaces.rest.desk import Desk

_NO_FILTERS: Final = frozenset({"limit", "next", "count", "view", "attributes"})
"""Parameters of a list that say how it is shown, not what is in it."""


def _ask_spans(desk: Desk, asked: Asked) -> doc.SpanList | doc.TraceList:
    begun = time.perf_counter()
    query: ask.SpanQuery = _without(asked.parameters, ask.SpanQuery, "explain")
    found: doc.SpanList | doc.TraceList
    if query.view == "traces":
        found = desk.service.find_traces(query)
    else:
        found = desk.service.find_spans(query)
    if not getattr(asked.parameters, "explain", False):
        return found
    elapsed_ms = (time.perf_counter() - begun) * 1000
    return msgspec.structs.replace(found, explain=_explain(query, found, elapsed_ms))


def _explain(
    query: ask.SpanQuery, found: doc.SpanList | doc.TraceList, elapsed_ms: float
) -> doc.Explanation:
    given = {
        field.encode_name
        for field in msgspec.structs.fields(query)
        if getattr(query, field.name) not in (field.default, [])
    }
    return doc.Explanation(
        table=TRACES.name,
        filters=sorted(given - _NO_FILTERS),
        rows_returned=found.count,
        limit=query.limit,
        limit_reached=found.truncated,
        elapsed_ms=elapsed_ms,
        notes=[
            "rows that are in the store and rows that were acknowledged since, at one moment",
            "the engine's own plan of a statement: clew sql 'EXPLAIN SELECT …'",
        ],
    )


def _ask_trace(desk: Desk, asked: Asked) -> doc.Trace:
    wanted: TraceParameters = asked.parameters
    if wanted.limit is not None and wanted.limit < 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "limit is below 1", hint="ask for one span or more"
        )
    typed = wanted.attributes == "typed"
    trace = desk.service.get_trace(asked.path["trace_id"], typed=typed, own=wanted.own)
    if wanted.limit is None or trace.count <= wanted.limit:
        return trace
    shown = trace.spans[: wanted.limit]
    return msgspec.structs.replace(trace, spans=shown, count=len(shown), truncated=True)


def _suggest(desk: Desk, asked: Asked) -> doc.Suggestions:
    wanted: SuggestParameters = asked.parameters
    match wanted.kind:
        case "service":
            return desk.service.suggest_services(wanted.text)
        case "operation":
            return desk.service.suggest_operations(wanted.text)
        case "attribute":
            return desk.service.suggest_attributes(wanted.text)


def _ask_operations(desk: Desk, asked: Asked) -> doc.OperationList:
    query: ask.OperationQuery = asked.parameters
    service = asked.path.get("service")
    if service is None:
        return desk.service.list_operations(query)
    if query.service not in {None, service}:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "two services are named",
            hint="name it in the address or as a parameter",
        )
    return desk.service.list_operations(msgspec.structs.replace(query, service=service))


async def _post_sql(desk: Desk, asked: Asked) -> Response:
    statement = await read_statement(asked.request)
    asked.request.scope[STATEMENT_KEY] = statement.q
    work = functools.partial(desk.service.run_sql, statement.q, limit=statement.limit)
    body = await run_unless_gone(asked.request, desk.threads.run(lambda: encode(work())))
    if body is None:
        return answer_document(b"", GONE)
    see_statement(desk, asked.caller, choice_of(asked.request.headers), statement.q)
    return answer_document(body)


async def _feed_spans(desk: Desk, asked: Asked) -> Response:
    if desk.shards is not None:
        return ShardedFeed(desk, asked, desk.shards, _resume_at(asked))
    query = _without(asked.parameters, ask.SpanQuery, "after")
    poll = lambda after: desk.service.live_spans(query, after=after)  # noqa: E731
    return LiveFeed(desk, asked, poll, _resume_at(asked))


async def _feed_logs(desk: Desk, asked: Asked) -> Response:
    if desk.shards is not None:
        return ShardedFeed(desk, asked, desk.shards, _resume_at(asked))
    query = _without(asked.parameters, ask.LogQuery, "after")
    poll = lambda after: desk.service.live_logs(query, after=after)  # noqa: E731
    return LiveFeed(desk, asked, poll, _resume_at(asked))


def _resume_at(asked: Asked) -> str | None:
    """Return the event id to go on after; the header is the newer word of the two."""
    header = asked.request.headers.get("last-event-id")
    after: str | None = asked.parameters.after
    return header or after


def _without(parameters: Any, kind: Callable[..., Any], name: str) -> Any:
    values = msgspec.structs.asdict(parameters)
    # The tools of MCP ask without what only the door has.
    values.pop(name, None)
    return kind(**values)


def _exporter(signal: Signal, kind: Callable[..., Any]) -> Any:
    async def export(desk: Desk, asked: Asked) -> Response:
        query = _without(asked.parameters, kind, "format")
        pieces = iter(desk.service.export(signal, query))
        return export_otlp(desk, asked, signal, asked.parameters.format, pieces)

    return export


_STREAM_ERRORS: Final = (400, 429, 503)

ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path=f"{BASE}/traces/live",
        summary="Spans as they come",
        tag="traces",
        parameters=LiveSpanParameters,
        media_types=(EVENT_STREAM,),
        errors=_STREAM_ERRORS,
        respond=_feed_spans,
    ),
    QueryRoute(
        path=f"{BASE}/traces",
        summary="Find spans, or with view=traces the traces that hold them",
        tag="traces",
        parameters=SpanListParameters,
        documents=(doc.SpanList, doc.TraceList),
        ask=_ask_spans,
    ),
    QueryRoute(
        path=f"{BASE}/traces/{{trace_id}}",
        summary="One trace: its spans with depth, self time and critical path",
        tag="traces",
        parameters=TraceParameters,
        documents=(doc.Trace,),
        errors=(400, 404, 429, 503, 504),
        ask=_ask_trace,
    ),
    OpenRoute(
        path=f"{BASE}/logs/live",
        summary="Log records as they come",
        tag="logs",
        parameters=LiveLogParameters,
        media_types=(EVENT_STREAM,),
        errors=_STREAM_ERRORS,
        respond=_feed_logs,
    ),
    QueryRoute(
        path=f"{BASE}/logs",
        summary="Find log records",
        tag="logs",
        parameters=ask.LogQuery,
        documents=(doc.LogList,),
        ask=lambda desk, asked: desk.service.find_logs(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/metrics",
        summary="Find metric points",
        tag="metrics",
        parameters=ask.MetricQuery,
        documents=(doc.MetricList,),
        ask=lambda desk, asked: desk.service.find_metrics(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/metrics/query",
        summary="A metric over time buckets",
        tag="metrics",
        parameters=ask.SeriesQuery,
        documents=(doc.SeriesList,),
        ask=lambda desk, asked: desk.service.query_series(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/metrics/{{name:path}}",
        summary="What is known of one metric",
        tag="metrics",
        parameters=ask.MetricParameters,
        documents=(doc.MetricDetail,),
        errors=(400, 404, 429, 503, 504),
        ask=lambda desk, asked: desk.service.get_metric(asked.path["name"], asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/services",
        summary="Services with rate, errors and duration",
        tag="services",
        parameters=ask.ServiceQuery,
        documents=(doc.ServiceList,),
        ask=lambda desk, asked: desk.service.list_services(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/services/{{service:path}}/operations",
        summary="Operations of one service with rate, errors and duration",
        tag="services",
        parameters=ask.OperationQuery,
        documents=(doc.OperationList,),
        ask=_ask_operations,
    ),
    QueryRoute(
        path=f"{BASE}/operations",
        summary="Operations with rate, errors and duration",
        tag="services",
        parameters=ask.OperationQuery,
        documents=(doc.OperationList,),
        ask=_ask_operations,
    ),
    QueryRoute(
        path=f"{BASE}/attributes",
        summary="Attribute keys with counts",
        tag="attributes",
        parameters=ask.AttributeQuery,
        documents=(doc.AttributeList,),
        ask=lambda desk, asked: desk.service.list_attributes(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/attributes/{{key:path}}/values",
        summary="Values of one attribute with counts",
        tag="attributes",
        parameters=ask.AttributeQuery,
        documents=(doc.AttributeValueList,),
        ask=lambda desk, asked: desk.service.list_attribute_values(
            asked.path["key"], asked.parameters
        ),
    ),
    QueryRoute(
        path=f"{BASE}/sql",
        summary="Run one read-only SELECT",
        tag="sql",
        parameters=SqlParameters,
        documents=(doc.SqlAnswer,),
        errors=(400, 403, 413, 429, 503, 504),
        ask=lambda desk, asked: desk.service.run_sql(
            asked.parameters.q, limit=asked.parameters.limit
        ),
    ),
    OpenRoute(
        path=f"{BASE}/sql",
        method="POST",
        on_standby=True,
        summary="Run one read-only SELECT, the statement as JSON or as plain text",
        tag="sql",
        body=SqlParameters,
        documents=(doc.SqlAnswer,),
        errors=(400, 403, 413, 415, 429, 503, 504),
        respond=_post_sql,
    ),
    QueryRoute(
        path=f"{BASE}/sql/schema",
        summary="The tables that SQL may read",
        tag="sql",
        documents=(doc.SqlSchema,),
        ask=lambda desk, _asked: desk.service.get_sql_schema(),
    ),
    OpenRoute(
        path=f"{BASE}/ingest/status",
        summary="How the way in is doing",
        tag="server",
        documents=(doc.IngestStatus,),
        errors=(400,),
        respond=answer_ingest_status,
    ),
    OpenRoute(
        path=f"{BASE}/health",
        summary="Limits, sizes, slow questions, losses",
        tag="server",
        documents=(Health,),
        errors=(400, 429, 503),
        respond=answer_health,
    ),
    QueryRoute(
        path=f"{BASE}/suggest",
        summary="Whether a name is known, and known names near one that is not",
        tag="server",
        parameters=SuggestParameters,
        documents=(doc.Suggestions,),
        ask=_suggest,
    ),
    *(
        OpenRoute(
            path=f"{BASE}/export/{signal.value}",
            summary=f"Matching {noun} as OTLP, oldest first",
            tag="export",
            parameters=parameters,
            media_types=tuple(MEDIA_TYPES.values()),
            errors=(400, 429, 503, 504),
            respond=_exporter(signal, kind),
        )
        for signal, noun, parameters, kind in (
            (Signal.TRACES, "spans", SpanExport, ask.SpanQuery),
            (Signal.LOGS, "log records", LogExport, ask.LogQuery),
            (Signal.METRICS, "data points", MetricExport, ask.MetricQuery),
        )
    ),
    OpenRoute(
        path="/healthz",
        summary="Whether the process is alive",
        tag="server",
        media_types=("text/plain",),
        errors=(400,),
        is_public=True,
        respond=answer_healthz,
    ),
    OpenRoute(
        path="/readyz",
        summary="Whether records can be written and questions answered; 503 when not",
        tag="server",
        parameters=ReadinessQuery,
        documents=(Readiness,),
        errors=(400,),
        is_public=True,
        respond=answer_readyz,
    ),
    OpenRoute(
        path="/metrics",
        summary="The server's own counters as Prometheus text",
        tag="server",
        media_types=(TEXT_TYPE,),
        errors=(400,),
        respond=answer_metrics,
    ),
)
"""In the order in which they are tried: what is fixed stands before what is a parameter."""
