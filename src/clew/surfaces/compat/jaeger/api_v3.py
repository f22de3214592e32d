"""``jaeger.api_v3.QueryService``: requests and answers as messages, for gRPC and for HTTP alike.

The answers are OTLP, so a trace leaves here as it came in. Calls block; a door on an event loop
runs them on the query threads. With this module come protobuf's descriptors, so a door imports it
for the first request and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX, format_time
from clew.surfaces.compat.jaeger.dependencies import read_dependencies
from clew.surfaces.compat.jaeger.filters import LEVELS, OPERATORS, filter_expression
from clew.surfaces.compat.jaeger.ids import read_trace_id
from clew.surfaces.compat.jaeger.limits import TRACES_DEFAULT, TRACES_MAX
from clew.surfaces.compat.jaeger.search import Search, span_query
from clew.surfaces.grpc._gen import capabilities_pb2
from clew.surfaces.grpc._gen import query_service_pb2 as pb
from clew.telemetry.query import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.telemetry import documents as doc
    from clew.telemetry.analytics.contract import Analytics
    from clew.telemetry.query.contract import QueryService
    from clew.telemetry.query.traces.whole import ServiceFigures, TraceChunk

RESPONSE_BYTES_MAX: Final = 2 << 20
"""Serialised size of one part of an answer: half of what gRPC clients take."""

GO_ZERO_SECONDS: Final = -62_135_596_800
"""Go's zero time, 0001-01-01T00:00:00Z: Jaeger's own client sends it for a time that is not set."""

SPANS_DEFAULT: Final = 100
"""What a search for spans gives when it does not say how many."""


class ApiV3:
    """Answers the query service of Jaeger's API v3. Safe to use from any thread.

    Every method raises ClewError: INVALID_ARGUMENT for a request that makes no sense, UNSUPPORTED
    for what clew does not answer, NOT_FOUND for a trace that is not here.
    """

    def __init__(self, query: QueryService, analytics: Analytics) -> None:
        self._query = query
        self._analytics = analytics

    def get_services(self, _request: pb.GetServicesRequest) -> pb.GetServicesResponse:
        """Return every service name that is kept."""
        return pb.GetServicesResponse(services=self._query.name_services().names)

    def get_operations(self, request: pb.GetOperationsRequest) -> pb.GetOperationsResponse:
        """Return the operations of a service, of one span kind when it is named."""
        operations = [
            pb.Operation(name=name, span_kind=kind)
            for name, kind in self._query.name_operations(request.service).names
            if request.span_kind.lower() in ("", kind)
        ]
        return pb.GetOperationsResponse(operations=operations)

    def get_trace(self, request: pb.GetTraceRequest) -> Iterator[TraceChunk]:
        """Yield one trace, whole when any span of it starts in the time range."""
        trace_id = read_trace_id(request.trace_id)
        chunks = self._query.export_traces(
            [trace_id],
            ask.TimeParameters(start=_time(request, "start_time"), end=_time(request, "end_time")),
            raw=request.raw_traces,
        )
        first = next(chunks, None)
        if first is None:
            # By these words Jaeger's own clients know it.
            raise ClewError(ErrorCode.NOT_FOUND, "trace not found")
        yield first
        yield from chunks

    def find_traces(self, request: pb.FindTracesRequest) -> Iterator[TraceChunk]:
        """Yield, whole, the newest traces that hold a matching span, one after the other."""
        if request.query.HasField("pagination"):
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "FindTraces has no pages",
                hint="use search_depth, or page through FindTraceSummaries",
            )
        found = self._query.find_traces(_trace_query(request.query))
        trace_ids = [trace.trace_id for trace in found.traces]
        return self._query.export_traces(
            trace_ids, ask.TimeParameters(), raw=request.query.raw_traces
        )

    def find_trace_summaries(
        self, request: pb.FindTraceSummariesRequest
    ) -> pb.FindTraceSummariesResponse:
        """Return the newest matching traces in one line each, page by page when asked for pages."""
        found = self._query.find_traces(_trace_query(request.query))
        figures = self._query.describe_services([trace.trace_id for trace in found.traces])
        is_paged = request.query.HasField("pagination")
        return pb.FindTraceSummariesResponse(
            # What went by age between the two questions is left out.
            summaries=[
                _summary(trace, figures[trace.trace_id])
                for trace in found.traces
                if trace.trace_id in figures
            ],
            next_page_token=(found.next or "") if is_paged else "",
        )

    def find_spans(self, request: pb.FindSpansRequest) -> Iterator[pb.FindSpansResponse]:
        """Yield one page of matching spans, newest first; the last part has the token."""
        wanted = request.query
        if wanted.order_by:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                "an explicit order of spans is not supported",
                hint="leave order_by out: spans come newest first",
            )
        start, end = _range(wanted)
        search = Search(
            start=start,
            end=end,
            limit=_page_size(wanted.pagination) if wanted.HasField("pagination") else SPANS_DEFAULT,
            filter=filter_expression(wanted.filter) if wanted.HasField("filter") else "",
            next=wanted.pagination.page_token or None,
        )
        found = self._query.find_spans(span_query(search))
        # One resource for each span: together they would no longer stand in their order.
        parts = self._query.export_spans([(each.trace_id, each.span_id) for each in found.spans])
        yield from _span_responses(parts, found.next or "")

    def get_dependencies(self, request: pb.GetDependenciesRequest) -> pb.DependenciesResponse:
        """Return how often services called one another."""
        start, end = _moment(request, "start_time"), _moment(request, "end_time")
        if start is None or end is None:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT, "startTime and endTime are required parameters"
            )
        if start >= end:
            raise ClewError(ErrorCode.INVALID_ARGUMENT, "endTime must be after startTime")
        return pb.DependenciesResponse(
            dependencies=[
                pb.Dependency(parent=each.parent, child=each.child, call_count=each.call_count)
                for each in read_dependencies(self._analytics, start, end)
            ]
        )


def get_capabilities(_request: capabilities_pb2.GetCapabilitiesRequest) -> Any:
    """Return what a search may ask for: levels and operators of filters, pages, spans."""
    return capabilities_pb2.GetCapabilitiesResponse(
        search=capabilities_pb2.SearchCapabilities(
            without_service_name=True,
            same_span_conjunction=True,
            filter=capabilities_pb2.FilterCapabilities(levels=LEVELS, operators=OPERATORS),
            paginated=True,
            span_search=True,
        )
    )


def _span_responses(parts: list[bytes], token: str) -> Iterator[pb.FindSpansResponse]:
    response, size = pb.FindSpansResponse(), 0
    for part in parts:
        if size and size + len(part) > RESPONSE_BYTES_MAX:
            yield response
            response, size = pb.FindSpansResponse(), 0
        response.spans.MergeFromString(part)
        size += len(part)
    response.next_page_token = token
    yield response


def _trace_query(wanted: pb.TraceQueryParameters) -> ask.SpanQuery:
    """Translate ``TraceQueryParameters``."""
    if wanted.HasField("filter") and _has_legacy_fields(wanted):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "filter excludes service_name, operation_name, attributes and durations",
            hint="say everything in the filter",
        )
    start, end = _range(wanted)
    return span_query(
        Search(
            start=start,
            end=end,
            service=wanted.service_name,
            operation=wanted.operation_name,
            tags=dict(wanted.attributes),
            min_duration=_nanoseconds(wanted, "duration_min"),
            max_duration=_nanoseconds(wanted, "duration_max"),
            limit=_limit(wanted),
            filter=filter_expression(wanted.filter) if wanted.HasField("filter") else "",
            next=wanted.pagination.page_token or None,
        )
    )


def _has_legacy_fields(wanted: pb.TraceQueryParameters) -> bool:
    return bool(
        wanted.service_name
        or wanted.operation_name
        or wanted.attributes
        or _nanoseconds(wanted, "duration_min")
        or _nanoseconds(wanted, "duration_max")
    )


def _limit(wanted: pb.TraceQueryParameters) -> int:
    if not wanted.HasField("pagination"):
        return int(wanted.search_depth) or TRACES_DEFAULT
    if wanted.search_depth:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "pagination excludes search_depth",
            hint="the page size bounds a page",
        )
    return _page_size(wanted.pagination)


def _page_size(pagination: pb.Pagination) -> int:
    if not 1 <= pagination.page_size <= TRACES_MAX:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"page_size must be between 1 and {TRACES_MAX}")
    return int(pagination.page_size)


def _range(wanted: Any) -> tuple[int, int]:
    start, end = _moment(wanted, "start_time_min"), _moment(wanted, "start_time_max")
    if start is None or end is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "start_time_min and start_time_max are required"
        )
    return start, end


def _moment(message: Any, field: str) -> int | None:
    """Return a time in Unix nanoseconds, None when there is none, which Go says as the year 1.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no time: over the wire any two numbers can come.
    """
    stamp = getattr(message, field)
    if not message.HasField(field) or stamp.seconds == GO_ZERO_SECONDS:
        return None
    try:
        at: int = stamp.ToNanoseconds()
    except ValueError:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{field} is not a time: {stamp.seconds} seconds and {stamp.nanos} nanoseconds",
        ) from None
    return min(max(0, at), TIME_NS_MAX)


def _time(message: Any, field: str) -> str | None:
    at = _moment(message, field)
    return None if at is None else format_time(at)


def _nanoseconds(message: Any, field: str) -> int | None:
    """Return a duration, None when there is none: Jaeger's own client sends 0 for that."""
    duration: int = getattr(message, field).ToNanoseconds()
    return max(0, duration) or None


def _summary(trace: doc.TraceSummary, services: list[ServiceFigures]) -> pb.TraceSummary:
    return pb.TraceSummary(
        trace_id=trace.trace_id,
        root_service_name=trace.service,
        root_operation_name=trace.operation,
        min_start_time_unix_nano=min(each.start for each in services),
        max_end_time_unix_nano=max(each.end for each in services),
        span_count=trace.span_count,
        error_span_count=trace.error_count,
        orphan_span_count=sum(each.orphans for each in services),
        services=[
            pb.ServiceSummary(
                name=each.service, span_count=each.spans, error_span_count=each.errors
            )
            for each in services
        ],
    )
