"""``jaeger.api_v3`` over HTTP, ``/jaeger/api/v3``: requests as messages, answers as their JSON.

A GET gives the fields of the request as parameters, in camel case or in the older snake case; a
POST gives the request itself as JSON. Every function answers one address on a query thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.compat.jaeger.limits import SPANS_MAX
from clew.surfaces.compat.jaeger.query_string import QueryString, malformed
from clew.surfaces.compat.jaeger.tags import read_json_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.surfaces.compat.jaeger.api_v3 import ApiV3
    from clew.surfaces.rest.desk import Desk
    from clew.telemetry.query.traces.whole import TraceChunk

    Ask = QueryString | bytes
    """The query string of a GET, the body of a POST."""

INTEGER_MAX: Final = 2**31 - 1
"""The largest number of traces or spans that fits into a request."""


def get_services(desk: Desk, _asked: Ask, _path: Mapping[str, str]) -> bytes:
    """Return the names of all services."""
    pb = _messages()
    found = _api(desk).get_services(pb.GetServicesRequest())
    return orjson.dumps({"services": list(found.services)})


def get_operations(desk: Desk, asked: Ask, _path: Mapping[str, str]) -> bytes:
    """Return the operations of a service."""
    assert isinstance(asked, QueryString), "a GET"
    service = asked.text("service")
    if not service:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "parameter 'service' is required")
    request = _messages().GetOperationsRequest(
        service=service, span_kind=asked.text("spanKind", "span_kind")
    )
    found = _api(desk).get_operations(request)
    return orjson.dumps(
        {
            "operations": [
                # As Jaeger's gateway has it, and only that: a kind is always said.
                {"name": each.name, "spanKind": each.span_kind or "internal"}
                for each in found.operations
            ]
        }
    )


def get_trace(desk: Desk, asked: Ask, path: Mapping[str, str]) -> bytes:
    """Return one trace."""
    assert isinstance(asked, QueryString), "a GET"
    request = _messages().GetTraceRequest(
        trace_id=path["trace_id"], raw_traces=asked.boolean("rawTraces", "raw_traces")
    )
    _set_time(request.start_time, asked.time("startTime", "start_time"))
    _set_time(request.end_time, asked.time("endTime", "end_time"))
    return _encode_traces(_api(desk).get_trace(request))


def find_traces(desk: Desk, asked: Ask, _path: Mapping[str, str]) -> bytes:
    """Return whole traces that hold a matching span."""
    request = _read_request(_messages().FindTracesRequest, asked, _fill_trace_query)
    return _encode_traces(_api(desk).find_traces(request))


def find_trace_summaries(desk: Desk, asked: Ask, _path: Mapping[str, str]) -> bytes:
    """Return traces that hold a matching span, in one line each."""
    request = _read_request(_messages().FindTraceSummariesRequest, asked, _fill_trace_query)
    found = _api(desk).find_trace_summaries(request)
    document: dict[str, Any] = {"summaries": [_summary(each) for each in found.summaries]}
    if found.next_page_token:
        document["nextPageToken"] = found.next_page_token
    return orjson.dumps(document)


def find_spans(desk: Desk, asked: Ask, _path: Mapping[str, str]) -> bytes:
    """Return matching spans."""
    from clew.telemetry.otlp.json_codec import format_message

    request = _read_request(_messages().FindSpansRequest, asked, _fill_span_query)
    found = _messages().FindSpansResponse()
    for part in _api(desk).find_spans(request):
        found.MergeFrom(part)
    result: dict[str, Any] = {"spans": orjson.Fragment(format_message(found.spans))}
    if found.next_page_token:
        result["nextPageToken"] = found.next_page_token
    return orjson.dumps({"result": result})


def get_dependencies(desk: Desk, asked: Ask, _path: Mapping[str, str]) -> bytes:
    """Return how often services called one another."""
    assert isinstance(asked, QueryString), "a GET"
    request = _messages().GetDependenciesRequest()
    _set_time(request.start_time, asked.time("startTime", "start_time"))
    _set_time(request.end_time, asked.time("endTime", "end_time"))
    found = _api(desk).get_dependencies(request)
    return orjson.dumps(
        {
            "dependencies": [
                {"parent": each.parent, "child": each.child, "callCount": str(each.call_count)}
                for each in found.dependencies
            ]
        }
    )


def get_capabilities(_desk: Desk, _asked: Ask, _path: Mapping[str, str]) -> bytes:
    """Return what a search may ask for."""
    from google.protobuf import json_format

    from clew.surfaces.compat.jaeger import api_v3
    from clew.surfaces.grpc._gen.capabilities_pb2 import GetCapabilitiesRequest

    found = api_v3.get_capabilities(GetCapabilitiesRequest())
    return orjson.dumps(json_format.MessageToDict(found))


def _messages() -> Any:
    # With them come protobuf's descriptors, which a start need not wait for.
    from clew.surfaces.grpc._gen import query_service_pb2

    return query_service_pb2


def _api(desk: Desk) -> ApiV3:
    from clew.surfaces.compat.jaeger.api_v3 import ApiV3

    return ApiV3(desk.service, desk.analytics)


def _encode_traces(chunks: Iterable[TraceChunk]) -> bytes:
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    from clew.telemetry.otlp.json_codec import format_message

    spans = 0
    traces = TracesData()
    for chunk in chunks:
        spans += chunk.spans
        if spans > SPANS_MAX:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the answer has more than {SPANS_MAX} spans",
                hint="ask for fewer traces, or over gRPC, which streams them",
            )
        traces.MergeFromString(chunk.body)
    if not spans:
        raise ClewError(ErrorCode.NOT_FOUND, "No traces found")
    return b'{"result":' + format_message(traces) + b"}"


def _read_request(kind: Any, asked: Ask, fill: Any) -> Any:
    from google.protobuf import json_format

    request = kind()
    if isinstance(asked, QueryString):
        fill(request.query, asked)
        return request
    try:
        return json_format.Parse(asked, request)
    except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"malformed request: {str(error)[:200]}"
        ) from None


def _fill_trace_query(query: Any, asked: QueryString) -> None:
    query.service_name = asked.text("query.serviceName", "query.service_name")
    query.operation_name = asked.text(
        "query.operationName", "query.operation_name", "query.span_name"
    )
    attributes = asked.text("query.attributes")
    if attributes:
        query.attributes.update(read_json_tags(attributes))
    _fill_span_query(query, asked)
    for field, names in (
        (query.duration_min, ("query.durationMin", "query.duration_min")),
        (query.duration_max, ("query.durationMax", "query.duration_max")),
    ):
        duration = asked.duration(*names)
        if duration is not None:
            field.FromNanoseconds(duration)
    query.search_depth = _count(
        asked, "query.searchDepth", "query.search_depth", "query.num_traces"
    )
    query.raw_traces = asked.boolean("query.rawTraces", "query.raw_traces")


def _fill_span_query(query: Any, asked: QueryString) -> None:
    """Fill in what searches for traces and for spans have in common, and the order of spans."""
    _set_time(query.start_time_min, asked.time("query.startTimeMin", "query.start_time_min"))
    _set_time(query.start_time_max, asked.time("query.startTimeMax", "query.start_time_max"))
    _fill_json(query, asked, "query.filter", "filter")
    if hasattr(query, "order_by"):
        _fill_json(query, asked, "query.orderBy", "orderBy")
    token = asked.text("query.pagination.pageToken", "query.pagination.page_token")
    names = ("query.pagination.pageSize", "query.pagination.page_size")
    if token or asked.text(*names):
        query.pagination.page_size = _count(asked, *names)
        query.pagination.page_token = token


def _fill_json(query: Any, asked: QueryString, name: str, field: str) -> None:
    """Fill in a field that is given as JSON."""
    from google.protobuf import json_format

    text = asked.text(name)
    if not text:
        return
    try:
        # Read first, so that the text is one JSON value and no part of another.
        document = {field: orjson.loads(text)}
        json_format.ParseDict(document, query)
    except (orjson.JSONDecodeError, json_format.ParseError, RecursionError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"malformed parameter {name}: {str(error)[:200]}"
        ) from None


def _count(asked: QueryString, *names: str) -> int:
    number = asked.integer(*names)
    if number is not None and not 0 <= number <= INTEGER_MAX:
        name, text = asked.named(*names)
        raise malformed(name, text, f"between 0 and {INTEGER_MAX}")
    return number or 0


def _set_time(field: Any, at: int | None) -> None:
    if at is not None:
        field.FromNanoseconds(at)


def _summary(summary: Any) -> dict[str, Any]:
    return {
        "traceId": summary.trace_id,
        "rootServiceName": summary.root_service_name,
        "rootOperationName": summary.root_operation_name,
        "minStartTimeUnixNano": str(summary.min_start_time_unix_nano),
        "maxEndTimeUnixNano": str(summary.max_end_time_unix_nano),
        "spanCount": summary.span_count,
        "errorSpanCount": summary.error_span_count,
        "orphanSpanCount": summary.orphan_span_count,
        "services": [
            {
                "name": each.name,
                "spanCount": each.span_count,
                "errorSpanCount": each.error_span_count,
            }
            for each in summary.services
        ],
    }
