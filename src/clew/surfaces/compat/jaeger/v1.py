"""Jaeger's first HTTP API, ``/jaeger/api``: what its UI and Grafana's data source ask.

Every function here answers one address, on a query thread, with the body of the answer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S, NS_PER_US, TIME_NS_MAX, format_time
from clew.store.decoder import MalformedRecordError
from clew.surfaces.compat.jaeger import documents as doc
from clew.surfaces.compat.jaeger.dependencies import read_dependencies
from clew.surfaces.compat.jaeger.ids import read_trace_id
from clew.surfaces.compat.jaeger.limits import SPANS_MAX, TRACES_DEFAULT, TRACES_MAX
from clew.surfaces.compat.jaeger.query_string import read_duration
from clew.surfaces.compat.jaeger.search import Search, span_query
from clew.surfaces.compat.jaeger.tags import read_tags
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.traces.whole import TraceChunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.surfaces.compat.jaeger.query_string import QueryString
    from clew.surfaces.rest.desk import Desk
    from clew.telemetry.query.services import Names

SEARCH_LOOKBACK_NS: Final = 2 * 86_400 * NS_PER_S
"""Where a search begins that does not say: Jaeger's own two days."""

DEPENDENCY_LOOKBACK_MS: Final = 86_400_000
"""Over how long dependencies are counted when nothing is said: Jaeger's own day."""


def get_services(desk: Desk, _query: QueryString, _path: Mapping[str, str]) -> bytes:
    """Return the names of all services."""
    found = desk.service.name_services()
    return _encode(found.names, errors=_cut(found))


def get_service_operations(desk: Desk, _query: QueryString, path: Mapping[str, str]) -> bytes:
    """Return the names of a service's operations."""
    found = desk.service.name_operations(path["service"])
    names = list(dict.fromkeys(name for name, _ in found.names))
    return _encode(names, errors=_cut(found))


def get_operations(desk: Desk, query: QueryString, _path: Mapping[str, str]) -> bytes:
    """Return a service's operations with their span kinds, of one kind when it is named."""
    wanted = query.text("spanKind").lower()
    found = desk.service.name_operations(_service(query))
    operations = [doc.Operation(name, kind) for name, kind in found.names if wanted in ("", kind)]
    return _encode(operations, errors=_cut(found))


def find_traces(desk: Desk, query: QueryString, _path: Mapping[str, str]) -> bytes:
    """Return whole traces: those that hold a matching span, or those with the ids given."""
    trace_ids = query.texts("traceID")
    if trace_ids:
        return _by_ids(desk, query, trace_ids)
    search = _read_search(query)
    found = desk.service.find_traces(span_query(search))
    wanted = [trace.trace_id for trace in found.traces]
    chunks = desk.service.export_traces(wanted, ask.TimeParameters(), raw=query.boolean("raw"))
    traces, errors = _build(chunks, wanted)
    return _encode(traces, limit=search.limit, errors=errors)


def get_trace(desk: Desk, query: QueryString, path: Mapping[str, str]) -> bytes:
    """Return one trace."""
    trace_id = read_trace_id(path["trace_id"])
    raw = query.boolean("raw")
    chunks = desk.service.export_traces([trace_id], _read_hint(query), raw=raw)
    traces, errors = _build(chunks, [trace_id])
    if not traces:
        raise ClewError(ErrorCode.NOT_FOUND, "trace not found")
    return _encode(traces, errors=errors)


def get_dependencies(desk: Desk, query: QueryString, _path: Mapping[str, str]) -> bytes:
    """Return how often services called one another; one service's part when it is named."""
    end = query.unix_time("endTs", NS_PER_MS)
    if end is None:
        end = time.time_ns()
    lookback = query.integer("lookback")
    if lookback is None:
        lookback = DEPENDENCY_LOOKBACK_MS
    if lookback <= 0:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "invalid parameter: lookback must be greater than 0"
        )
    start = max(0, end - lookback * NS_PER_MS)
    if start >= end:
        return _encode([])
    service = query.text("service")
    return _encode(
        [
            each
            for each in read_dependencies(desk.analytics, start, end)
            if service in ("", each.parent, each.child)
        ]
    )


def transform(_desk: Desk, body: bytes, _path: Mapping[str, str]) -> bytes:
    """Return the traces of an OTLP/JSON file, which the UI was given to show."""
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    from clew.surfaces.compat.jaeger.spans import split_traces
    from clew.telemetry.otlp.json_codec import parse_request

    try:
        data = TracesData.FromString(parse_request(Signal.TRACES, body))
    except MalformedRecordError as error:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"the body is not OTLP: {error}") from None
    traces = split_traces(data)
    chunks = [
        TraceChunk(trace_id, _count_spans(trace), trace.SerializeToString())
        for trace_id, trace in traces.items()
    ]
    built, errors = _build(chunks, list(traces))
    return _encode(built, errors=errors)


def refuse(_desk: Desk, _asked: QueryString | bytes, _path: Mapping[str, str]) -> bytes:
    """Refuse what clew does not answer; the UI then shows that it is not there."""
    raise ClewError(ErrorCode.UNSUPPORTED, "clew does not answer this part of Jaeger's API")


def _count_spans(trace: Any) -> int:
    return sum(
        len(scope_spans.spans)
        for resource_spans in trace.resource_spans
        for scope_spans in resource_spans.scope_spans
    )


def _by_ids(desk: Desk, query: QueryString, texts: Iterable[str]) -> bytes:
    wanted = list(dict.fromkeys(map(read_trace_id, texts)))
    if len(wanted) > TRACES_MAX:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"more than {TRACES_MAX} trace ids")
    chunks = desk.service.export_traces(wanted, _read_hint(query), raw=query.boolean("raw"))
    traces, errors = _build(chunks, wanted)
    here = {trace.trace_id for trace in traces}
    if not errors:
        errors = [
            doc.Error(msg="trace not found", trace_id=trace_id)
            for trace_id in wanted
            if trace_id not in here
        ]
    return _encode(traces, errors=errors)


def _build(
    chunks: Iterable[TraceChunk], wanted: list[str]
) -> tuple[list[doc.Trace], list[doc.Error]]:
    """Return the traces of an export, and what is to be said of those that did not fit."""
    # With it come protobuf's descriptors, which a start need not wait for.
    from clew.surfaces.compat.jaeger.spans import TraceBuilder

    builders: dict[str, TraceBuilder] = {}
    spans = 0
    errors: list[doc.Error] = []
    for chunk in chunks:
        if spans + chunk.spans > SPANS_MAX and spans:
            place = wanted.index(chunk.trace_id)
            if chunk.trace_id in builders:
                place += 1
                builders[chunk.trace_id].trace.warnings = [
                    f"this trace is larger than {SPANS_MAX} spans, and its earliest are shown"
                ]
            if place < len(wanted):
                errors.append(
                    doc.Error(
                        msg=f"{len(wanted) - place} more traces were left out, since an answer"
                        f" holds {SPANS_MAX} spans: ask for fewer at a time"
                    )
                )
            break
        spans += chunk.spans
        builder = builders.setdefault(chunk.trace_id, TraceBuilder(chunk.trace_id))
        builder.add(chunk.body)
    return [builder.finish() for builder in builders.values()], errors


def _read_search(query: QueryString) -> Search:
    end = query.unix_time("end", NS_PER_US)
    if end is None:
        end = time.time_ns()
    start = query.unix_time("start", NS_PER_US)
    if start is None:
        start = max(0, end - _read_lookback(query))
    if start > end:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "invalid parameter: start time must be before end time"
        )
    limit = query.integer("limit")
    return Search(
        # Who knows a time to the microsecond means all of that microsecond.
        start=start,
        end=end + NS_PER_US,
        service=_service(query),
        operation=query.text("operation"),
        tags=read_tags(query.texts("tag"), query.texts("tags")),
        # To Jaeger no duration and one of 0 are the same.
        min_duration=query.duration("minDuration") or None,
        max_duration=query.duration("maxDuration") or None,
        limit=TRACES_DEFAULT if limit is None else limit,
    )


def _read_lookback(query: QueryString) -> int:
    """Return how far before its end a search begins. The UI says ``custom`` where it gives both."""
    text = query.text("lookback")
    return SEARCH_LOOKBACK_NS if text in ("", "custom") else read_duration("lookback", text)


def _read_hint(query: QueryString) -> ask.TimeParameters:
    """Return the range in which a trace asked for by its id has a span."""
    start, end = query.unix_time("start", NS_PER_US), query.unix_time("end", NS_PER_US)
    if start is not None and end is not None and start > end:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "invalid parameter: start time must be before end time"
        )
    return ask.TimeParameters(
        start=None if start is None else format_time(start),
        end=None if end is None else format_time(min(end + NS_PER_US, TIME_NS_MAX)),
    )


def _service(query: QueryString) -> str:
    service = query.text("service")
    if not service:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "parameter 'service' is required")
    return service


def _cut(found: Names[Any]) -> list[doc.Error]:
    if not found.truncated:
        return []
    return [doc.Error(msg=f"there are more than the first {len(found.names)}, shown here")]


def _encode(data: list[Any], *, limit: int = 0, errors: list[doc.Error] | None = None) -> bytes:
    return msgspec.json.encode(
        doc.Envelope(data=data, total=len(data), limit=limit, errors=errors or None)
    )
