"""The door ``jaeger.api_v3.QueryService`` over gRPC: what speaks to Jaeger can read clew.

The answers are OTLP, so a trace leaves here as it came in, and are streamed as they are read. What
a request may ask for and clew does not have is refused as UNIMPLEMENTED rather than answered as if
it had not been asked.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Final

import grpc

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.errors import grpc_status, one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from clew.surfaces.compat.jaeger.api_v3 import ApiV3
    from clew.surfaces.rest.threads import QueryThreads
    from clew.telemetry.analytics.contract import Analytics
    from clew.telemetry.query.contract import QueryService
    from clew.telemetry.query.traces.whole import TraceChunk

SERVICE: Final = "jaeger.api_v3.QueryService"
CAPABILITIES_SERVICE: Final = "jaeger.api_v3.Capabilities"

_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class JaegerQuery:
    """Answers the Jaeger query API from the query service. Belongs to one event loop."""

    def __init__(self, query: QueryService, analytics: Analytics, threads: QueryThreads) -> None:
        self._query = query
        self._analytics = analytics
        self._threads = threads
        self._loaded: tuple[ApiV3, Any] | None = None

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return what a server needs to answer the services."""
        unary = grpc.unary_unary_rpc_method_handler
        stream = grpc.unary_stream_rpc_method_handler
        methods = {
            "GetServices": unary(self.get_services),
            "GetOperations": unary(self.get_operations),
            "GetDependencies": unary(self.get_dependencies),
            "GetTrace": stream(self.get_trace),
            "FindTraces": stream(self.find_traces),
            "FindTraceSummaries": stream(self.find_trace_summaries),
            "FindSpans": stream(self.find_spans),
        }
        capabilities = {"GetCapabilities": unary(self.get_capabilities)}
        return [
            grpc.method_handlers_generic_handler(SERVICE, methods),
            grpc.method_handlers_generic_handler(CAPABILITIES_SERVICE, capabilities),
        ]

    async def get_services(self, body: bytes, context: Any) -> bytes:
        """Return every service name that is kept."""
        api, pb = await self._load()
        return await self._answer(api.get_services, pb.GetServicesRequest, body, context)

    async def get_operations(self, body: bytes, context: Any) -> bytes:
        """Return the operations of a service, of one span kind when it is named."""
        api, pb = await self._load()
        return await self._answer(api.get_operations, pb.GetOperationsRequest, body, context)

    async def get_dependencies(self, body: bytes, context: Any) -> bytes:
        """Return how often services called one another."""
        api, pb = await self._load()
        return await self._answer(api.get_dependencies, pb.GetDependenciesRequest, body, context)

    async def get_trace(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield one trace as OTLP; NOT_FOUND when no span of it is here."""
        api, pb = await self._load()
        answer = functools.partial(_bodies, api.get_trace)
        async for chunk in self._stream(answer, pb.GetTraceRequest, body, context):
            yield chunk

    async def find_traces(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield, whole, the newest traces that hold a matching span, one message a chunk."""
        api, pb = await self._load()
        answer = functools.partial(_bodies, api.find_traces)
        async for chunk in self._stream(answer, pb.FindTracesRequest, body, context):
            yield chunk

    async def find_trace_summaries(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield the newest matching traces in one line each."""
        api, pb = await self._load()
        kind = pb.FindTraceSummariesRequest
        yield await self._answer(api.find_trace_summaries, kind, body, context)

    async def find_spans(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        """Yield matching spans, newest first."""
        api, pb = await self._load()
        answer = functools.partial(_serialized, api.find_spans)
        async for part in self._stream(answer, pb.FindSpansRequest, body, context):
            yield part

    async def get_capabilities(self, body: bytes, context: Any) -> bytes:
        """Return what a search may ask for."""
        await self._load()
        from clew.surfaces.compat.jaeger.api_v3 import get_capabilities
        from clew.surfaces.grpc._gen.capabilities_pb2 import GetCapabilitiesRequest

        return await self._answer(get_capabilities, GetCapabilitiesRequest, body, context)

    async def _load(self) -> tuple[ApiV3, Any]:
        """Return the answers and the message classes, which the first call of all loads.

        With them come protobuf's descriptors: a tenth of a second that neither a start nor anybody
        else's request need wait for.
        """
        if self._loaded is None:
            api, messages = await asyncio.to_thread(_import_answers)
            self._loaded = (api(self._query, self._analytics), messages)
        return self._loaded

    async def _answer(
        self, answer: Callable[[Any], Any], kind: Any, body: bytes, context: Any
    ) -> bytes:
        request = await _parse(kind, body, context)
        answered: bytes = await self._run(lambda: answer(request).SerializeToString(), context)
        return answered

    async def _stream(
        self, answer: Callable[[Any], Iterator[bytes]], kind: Any, body: bytes, context: Any
    ) -> AsyncIterator[bytes]:
        request = await _parse(kind, body, context)
        pieces = answer(request)
        while True:
            piece = await self._run(lambda: next(pieces, None), context)
            if piece is None:
                return
            yield piece

    async def _run(self, call: Callable[[], Any], context: Any) -> Any:
        try:
            return await self._threads.run(call)
        except ClewError as error:
            await _abort(error, context)


def _bodies(answer: Callable[[Any], Iterator[TraceChunk]], request: Any) -> Iterator[bytes]:
    for chunk in answer(request):
        yield chunk.body


def _serialized(answer: Callable[[Any], Iterator[Any]], request: Any) -> Iterator[bytes]:
    for message in answer(request):
        yield message.SerializeToString()


def _import_answers() -> tuple[type[ApiV3], Any]:
    from clew.surfaces.compat.jaeger.api_v3 import ApiV3
    from clew.surfaces.grpc._gen import query_service_pb2

    return ApiV3, query_service_pb2


async def _parse(kind: Any, body: bytes, context: Any) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        message = f"the request is not a {kind.DESCRIPTOR.name}"
        await _abort(ClewError(ErrorCode.INVALID_ARGUMENT, message), context)


async def _abort(error: ClewError, context: Any) -> None:
    """End the call with the error's status; does not return."""
    await context.abort(_STATUS_CODES[grpc_status(error.code)], one_line(error))
