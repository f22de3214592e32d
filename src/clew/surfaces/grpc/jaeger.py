"""The door ``jaeger.api_v3.QueryService``: what speaks to Jaeger can read clew.

The answers are OTLP, so a trace leaves here as it came in. What a request may ask for and clew does
not have (filter expressions and pages of newer Jaeger clients) is refused as UNIMPLEMENTED rather
than answered as if it had not been asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.surfaces.errors import grpc_status
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp

    from clew.surfaces.rest.threads import QueryThreads
    from clew.telemetry import documents as doc
    from clew.telemetry.query.contract import QueryService

SERVICE: Final = "jaeger.api_v3.QueryService"

TRACES_DEFAULT: Final = 100
"""What a search gives when it does not say: Jaeger's own default depth."""

TRACES_MAX: Final = 1000
"""Whole traces of one search; at 50 spans each, some 25 MB on the wire."""

ALL_TIME: Final = "1970-01-01T00:00:00Z"
"""Names are asked for over all that is kept, not over a window."""

_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
_TRACE_ID_DIGITS: Final = 32


class JaegerQuery:
    """Answers the Jaeger query API from the query service. Belongs to one event loop."""

    def __init__(self, query: QueryService, threads: QueryThreads) -> None:
        self._query = query
        self._threads = threads
        self._messages: Any = None

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a server needs to answer the service."""
        unary = grpc.unary_unary_rpc_method_handler
        stream = grpc.unary_stream_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "GetServices": unary(self.get_services),
                "GetOperations": unary(self.get_operations),
                "GetTrace": stream(self.get_trace),
                "FindTraces": stream(self.find_traces),
                "FindTraceSummaries": stream(self.find_trace_summaries),
            },
        )

    async def get_services(self, body: bytes, context: Any) -> bytes:
        """Return every service name that is kept."""
        pb = await self._load_messages()
        await _parse(pb.GetServicesRequest, body, context)
        query = ask.ServiceQuery(start=ALL_TIME, limit=ask.LIMIT_MAX)
        found = await self._ask(lambda: self._query.list_services(query), context)
        names = sorted(service.name for service in found.services)
        return bytes(pb.GetServicesResponse(services=names).SerializeToString())

    async def get_operations(self, body: bytes, context: Any) -> bytes:
        """Return the operations of a service, of one span kind when it is named."""
        pb = await self._load_messages()
        request = await _parse(pb.GetOperationsRequest, body, context)
        query = ask.OperationQuery(start=ALL_TIME, service=request.service, limit=ask.LIMIT_MAX)
        found = await self._ask(lambda: self._query.list_operations(query), context)
        operations = [
            pb.Operation(name=operation.operation, span_kind=operation.kind)
            for operation in found.operations
            if request.span_kind in ("", operation.kind)
        ]
        return bytes(pb.GetOperationsResponse(operations=operations).SerializeToString())

    async def get_trace(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield one trace as OTLP; NOT_FOUND when no span of it is here."""
        pb = await self._load_messages()
        request = await _parse(pb.GetTraceRequest, body, context)
        query = ask.SpanQuery(
            # Old clients send 64-bit ids without the zeros in front.
            trace_id=request.trace_id.lower().rjust(_TRACE_ID_DIGITS, "0"),
            start=_time(request, "start_time"),
            end=_time(request, "end_time"),
        )
        chunks = await self._export(query, context)
        if not chunks:
            error = ClewError(ErrorCode.NOT_FOUND, f"no trace {request.trace_id}")
            await _abort(error, context)
        for chunk in chunks:
            yield chunk

    async def find_traces(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield, whole, the newest traces that hold a matching span, one message a chunk."""
        pb = await self._load_messages()
        for summary in await self._search(pb.FindTracesRequest, body, context):
            query = ask.SpanQuery(trace_id=summary.trace_id)
            for chunk in await self._export(query, context):
                yield chunk

    async def find_trace_summaries(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield the newest matching traces in one line each."""
        pb = await self._load_messages()
        found = await self._search(pb.FindTraceSummariesRequest, body, context)
        summaries = [
            pb.TraceSummary(
                trace_id=summary.trace_id,
                root_service_name=summary.service,
                root_operation_name=summary.operation,
                span_count=summary.span_count,
                error_span_count=summary.error_count,
                services=[pb.ServiceSummary(name=name) for name in summary.services],
            )
            for summary in found
        ]
        yield bytes(pb.FindTraceSummariesResponse(summaries=summaries).SerializeToString())

    async def _load_messages(self) -> Any:
        """Return the message classes, which are loaded for the first call of all.

        With them come protobuf's descriptors: a tenth of a second that neither a start nor anybody
        else's request need wait for.
        """
        if self._messages is None:
            self._messages = await asyncio.to_thread(_import_messages)
        return self._messages

    async def _search(self, kind: type[Any], body: bytes, context: Any) -> list[doc.TraceSummary]:
        request = await _parse(kind, body, context)
        try:
            query = span_query(request.query)
        except ClewError as error:
            await _abort(error, context)
        found: doc.TraceList = await self._ask(lambda: self._query.find_traces(query), context)
        return found.traces

    async def _export(self, query: ask.SpanQuery, context: Any) -> list[bytes]:
        chunks: list[bytes] = await self._ask(
            lambda: list(self._query.export(Signal.TRACES, query)), context
        )
        return chunks

    async def _ask(self, call: Callable[[], Any], context: Any) -> Any:
        try:
            return await self._threads.run(call)
        except ClewError as error:
            await _abort(error, context)


def span_query(wanted: Any) -> ask.SpanQuery:
    """Translate ``TraceQueryParameters``.

    Raises:
        ClewError: UNSUPPORTED for what clew does not answer, INVALID_ARGUMENT for a bad number.
    """
    for field in ("filter", "pagination"):
        if wanted.HasField(field):
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                f"{field} is not supported in a search",
                hint="search by service, operation, attributes, duration and time",
            )
    if wanted.search_depth < 0:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "search_depth must not be negative")
    conditions = [f"{_quote(key)} = {_quote(value)}" for key, value in wanted.attributes.items()]
    if wanted.operation_name:
        conditions.append(f"operation = {_quote(wanted.operation_name)}")
    return ask.SpanQuery(
        service=wanted.service_name or None,
        q=" AND ".join(conditions) or None,
        start=_time(wanted, "start_time_min"),
        end=_time(wanted, "start_time_max"),
        min_duration_ms=_milliseconds(wanted, "duration_min"),
        max_duration_ms=_milliseconds(wanted, "duration_max"),
        limit=min(wanted.search_depth or TRACES_DEFAULT, TRACES_MAX),
        view="traces",
    )


def _quote(text: str) -> str:
    """Return the text as a quoted word of the filter grammar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _time(message: Any, field: str) -> str | None:
    stamp: Timestamp = getattr(message, field)
    return format_time(stamp.ToNanoseconds()) if message.HasField(field) else None


def _milliseconds(message: Any, field: str) -> float | None:
    duration: Duration = getattr(message, field)
    return duration.ToNanoseconds() / 1e6 if message.HasField(field) else None


def _import_messages() -> Any:
    from clew.surfaces.grpc._gen import query_service_pb2

    return query_service_pb2


async def _parse(kind: Any, body: bytes, context: Any) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        message = f"the request is not a {kind.DESCRIPTOR.name}"
        await _abort(ClewError(ErrorCode.INVALID_ARGUMENT, message), context)


async def _abort(error: ClewError, context: Any) -> None:
    """End the call with the error's status; does not return."""
    message = error.message if error.hint is None else f"{error.message}: {error.hint}"
    await context.abort(_STATUS_CODES[grpc_status(error.code)], message)
