"""The Jaeger query API over gRPC, asked as a Jaeger client asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from clew.surfaces.grpc._gen import query_service_pb2 as pb
from clew.surfaces.grpc._gen.capabilities_pb2 import GetCapabilitiesResponse
from clew.surfaces.grpc._gen.expression_pb2 import Call
from clew.surfaces.grpc.jaeger import CAPABILITIES_SERVICE, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.testing.server import ServerProcess

NOW = time.time_ns()
SHOP = "jaeger-shop"


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _two_traces() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for number, (service, operation, milliseconds) in enumerate(
        [(SHOP, "buy", 20), (SHOP, "buy now", 500)], start=1
    ):
        resource = request.resource_spans.add()
        resource.resource.attributes.append(_text("service.name", service))
        span = resource.scope_spans.add().spans.add(
            trace_id=bytes([7] * 15 + [number]),
            span_id=bytes([7] * 7 + [number]),
            name=operation,
            kind=2,
            start_time_unix_nano=NOW - 10**9,
            end_time_unix_nano=NOW - 10**9 + milliseconds * 10**6,
            attributes=[_text('odd "key"=', f"it's {number}")],
        )
        span.status.code = number
    return request


@pytest.fixture(scope="module")
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    answer = httpx.post(
        f"{server.otlp_url}/v1/traces",
        content=_two_traces().SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
        timeout=120,
    )
    assert answer.status_code == 200
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        yield channel


def _range() -> dict[str, Timestamp]:
    start, end = Timestamp(), Timestamp()
    start.FromNanoseconds(NOW - 60 * 10**9)
    end.FromNanoseconds(NOW + 60 * 10**9)
    return {"start_time_min": start, "start_time_max": end}


def _find(channel: grpc.Channel, **wanted: Any) -> set[str]:
    query = pb.TraceQueryParameters(**_range(), **wanted)
    call = channel.unary_stream(f"/{SERVICE}/FindTraces")
    found = TracesData()
    for chunk in call(pb.FindTracesRequest(query=query).SerializeToString(), timeout=120):
        found.MergeFromString(chunk)
    return {
        span.name
        for resource in found.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def test_services_and_operations_are_named(channel: grpc.Channel) -> None:
    services = pb.GetServicesResponse.FromString(
        channel.unary_unary(f"/{SERVICE}/GetServices")(b"", timeout=120)
    )
    assert SHOP in services.services
    asked = pb.GetOperationsRequest(service=SHOP).SerializeToString()
    operations = pb.GetOperationsResponse.FromString(
        channel.unary_unary(f"/{SERVICE}/GetOperations")(asked, timeout=120)
    )
    assert {(o.name, o.span_kind) for o in operations.operations} == {
        ("buy", "server"),
        ("buy now", "server"),
    }


def test_a_search_matches_operations_whole_and_attributes_to_the_letter(
    channel: grpc.Channel,
) -> None:
    assert _find(channel, service_name=SHOP) == {"buy", "buy now"}
    assert _find(channel, service_name=SHOP, operation_name="buy") == {"buy"}
    slow = Duration()
    slow.FromMilliseconds(100)
    assert _find(channel, service_name=SHOP, duration_min=slow) == {"buy now"}
    # Jaeger's own client says it so when no bound is meant.
    assert _find(channel, service_name=SHOP, duration_max=Duration()) == {"buy", "buy now"}
    assert _find(channel, service_name=SHOP, attributes={'odd "key"=': "it's 1"}) == {"buy"}
    assert _find(channel, service_name="nobody") == set()


def test_summaries_say_what_a_result_page_shows(channel: grpc.Channel) -> None:
    query = pb.TraceQueryParameters(service_name=SHOP, **_range())
    call = channel.unary_stream(f"/{SERVICE}/FindTraceSummaries")
    asked = pb.FindTraceSummariesRequest(query=query).SerializeToString()
    summaries = [
        summary
        for chunk in call(asked, timeout=120)
        for summary in pb.FindTraceSummariesResponse.FromString(chunk).summaries
    ]
    assert {(s.root_operation_name, s.span_count, s.error_span_count) for s in summaries} == {
        ("buy", 1, 0),
        ("buy now", 1, 1),
    }


def _of_shop() -> Call:
    service = {"field": {"level": "resource", "name": "service"}}
    return Call(op="eq", args=[service, {"scalar": {"value": SHOP}}])


def _pages(channel: grpc.Channel, method: str, request: Any, response: Any) -> Iterator[Any]:
    """Yield every page of an answer, each as one message."""
    call = channel.unary_stream(f"/{SERVICE}/{method}")
    while True:
        page = response()
        for part in call(request.SerializeToString(), timeout=120):
            page.MergeFromString(part)
        yield page
        if not page.next_page_token:
            return
        request.query.pagination.page_token = page.next_page_token


def test_summaries_come_in_pages_that_hold_every_trace_once(channel: grpc.Channel) -> None:
    query = pb.TraceQueryParameters(
        filter=_of_shop(), pagination=pb.Pagination(page_size=1), **_range()
    )
    request = pb.FindTraceSummariesRequest(query=query)
    pages = list(_pages(channel, "FindTraceSummaries", request, pb.FindTraceSummariesResponse))
    assert [len(page.summaries) for page in pages] == [1, 1]
    (first,), (second,) = (page.summaries for page in pages)
    assert first.trace_id != second.trace_id
    assert first.max_end_time_unix_nano - first.min_start_time_unix_nano in (
        20_000_000,
        500_000_000,
    )
    assert (first.services[0].name, first.services[0].span_count) == (SHOP, 1)


def test_spans_come_in_pages_as_otlp(channel: grpc.Channel) -> None:
    query = pb.SpanQueryParameters(
        filter=_of_shop(), pagination=pb.Pagination(page_size=1), **_range()
    )
    request = pb.FindSpansRequest(query=query)
    pages = list(_pages(channel, "FindSpans", request, pb.FindSpansResponse))
    names = [page.spans.resource_spans[0].scope_spans[0].spans[0].name for page in pages]
    assert sorted(names) == ["buy", "buy now"]


def test_a_time_that_go_never_set_is_none(channel: grpc.Channel) -> None:
    never = Timestamp(seconds=-62_135_596_800)
    asked = pb.GetTraceRequest(trace_id="07" * 15 + "01", start_time=never, end_time=never)
    call = channel.unary_stream(f"/{SERVICE}/GetTrace")
    assert len(list(call(asked.SerializeToString(), timeout=120))) == 1
    query = pb.TraceQueryParameters(service_name=SHOP, start_time_min=never, start_time_max=never)
    with pytest.raises(grpc.RpcError) as raised:
        list(
            channel.unary_stream(f"/{SERVICE}/FindTraces")(
                pb.FindTracesRequest(query=query).SerializeToString(), timeout=120
            )
        )
    assert raised.value.code().name == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "moment",
    [
        Timestamp(seconds=2**62),
        Timestamp(seconds=-(2**63)),
        Timestamp(nanos=-1),
        Timestamp(seconds=5, nanos=10**9),
    ],
)
def test_what_is_no_time_is_refused(channel: grpc.Channel, moment: Timestamp) -> None:
    query = pb.TraceQueryParameters(start_time_min=moment, start_time_max=Timestamp(seconds=9))
    for method, asked in (
        ("FindTraces", pb.FindTracesRequest(query=query)),
        ("GetTrace", pb.GetTraceRequest(trace_id="fe" * 16, start_time=moment)),
        ("GetDependencies", pb.GetDependenciesRequest(start_time=moment, end_time=moment)),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            list(
                channel.unary_stream(f"/{SERVICE}/{method}")(asked.SerializeToString(), timeout=120)
            )
        assert raised.value.code().name == "INVALID_ARGUMENT"
        assert "is not a time" in raised.value.details()


def test_a_trace_is_found_by_any_form_of_its_id(channel: grpc.Channel) -> None:
    call = channel.unary_stream(f"/{SERVICE}/GetTrace")
    for wanted in ("07" * 15 + "01", ("07" * 15 + "01").upper(), "BwcHBwcHBwcHBwcHBwcHAQ=="):
        asked = pb.GetTraceRequest(trace_id=wanted).SerializeToString()
        (chunk,) = call(asked, timeout=120)
        assert TracesData.FromString(chunk).resource_spans[0].scope_spans[0].spans[0].name == "buy"


def test_dependencies_are_between_services_alone(channel: grpc.Channel) -> None:
    times = _range()
    asked = pb.GetDependenciesRequest(
        start_time=times["start_time_min"], end_time=times["start_time_max"]
    )
    answer = channel.unary_unary(f"/{SERVICE}/GetDependencies")(
        asked.SerializeToString(), timeout=120
    )
    # The spans of this shop have no parents, so nobody called it.
    dependencies = pb.DependenciesResponse.FromString(answer).dependencies
    assert all(SHOP not in (each.parent, each.child) for each in dependencies)
    with pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(f"/{SERVICE}/GetDependencies")(b"", timeout=120)
    assert raised.value.code().name == "INVALID_ARGUMENT"


def test_the_capabilities_are_what_the_other_tests_show(channel: grpc.Channel) -> None:
    answer = channel.unary_unary(f"/{CAPABILITIES_SERVICE}/GetCapabilities")(b"", timeout=120)
    search = GetCapabilitiesResponse.FromString(answer).search
    assert search.without_service_name
    assert search.paginated
    assert search.span_search
    assert not search.span_sorting
    assert {"and", "eq", "exists", "regex"} <= set(search.filter.operators)


@pytest.mark.parametrize(
    ("method", "request_bytes", "code"),
    [
        ("GetTrace", pb.GetTraceRequest(trace_id="fe" * 16).SerializeToString(), "NOT_FOUND"),
        ("GetTrace", pb.GetTraceRequest(trace_id="no id").SerializeToString(), "INVALID_ARGUMENT"),
        ("GetTrace", b"\xff\xff", "INVALID_ARGUMENT"),
        ("FindTraces", pb.FindTracesRequest().SerializeToString(), "INVALID_ARGUMENT"),
        (
            "FindTraces",
            pb.FindTracesRequest(
                query=pb.TraceQueryParameters(pagination=pb.Pagination(page_size=3), **_range())
            ).SerializeToString(),
            "INVALID_ARGUMENT",
        ),
        (
            "FindTraces",
            pb.FindTracesRequest(
                query=pb.TraceQueryParameters(search_depth=-1, **_range())
            ).SerializeToString(),
            "INVALID_ARGUMENT",
        ),
        (
            "FindTraceSummaries",
            pb.FindTraceSummariesRequest(
                query=pb.TraceQueryParameters(filter=Call(op="some"), **_range())
            ).SerializeToString(),
            "UNIMPLEMENTED",
        ),
        (
            "FindTraceSummaries",
            pb.FindTraceSummariesRequest(
                query=pb.TraceQueryParameters(
                    service_name=SHOP, filter=Call(op="exists"), **_range()
                )
            ).SerializeToString(),
            "INVALID_ARGUMENT",
        ),
        (
            "FindSpans",
            pb.FindSpansRequest(
                query=pb.SpanQueryParameters(order_by=[pb.SpanSortOrder()], **_range())
            ).SerializeToString(),
            "UNIMPLEMENTED",
        ),
    ],
    # Names of their own: the requests hold the time of day, and every worker needs the same names.
    ids=[
        "no such trace",
        "no id",
        "no message",
        "no query",
        "a page of the older search",
        "a depth below zero",
        "some",
        "exists of nothing",
        "an order of spans",
    ],
)
def test_what_cannot_be_answered_is_refused_by_its_status(
    channel: grpc.Channel, method: str, request_bytes: bytes, code: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        list(channel.unary_stream(f"/{SERVICE}/{method}")(request_bytes, timeout=120))
    assert raised.value.code().name == code
