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
from clew.surfaces.grpc.jaeger import SERVICE

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
        timeout=30,
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
    for chunk in call(pb.FindTracesRequest(query=query).SerializeToString(), timeout=30):
        found.MergeFromString(chunk)
    return {
        span.name
        for resource in found.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


def test_services_and_operations_are_named(channel: grpc.Channel) -> None:
    services = pb.GetServicesResponse.FromString(
        channel.unary_unary(f"/{SERVICE}/GetServices")(b"", timeout=30)
    )
    assert SHOP in services.services
    asked = pb.GetOperationsRequest(service=SHOP).SerializeToString()
    operations = pb.GetOperationsResponse.FromString(
        channel.unary_unary(f"/{SERVICE}/GetOperations")(asked, timeout=30)
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
    assert _find(channel, service_name=SHOP, attributes={'odd "key"=': "it's 1"}) == {"buy"}
    assert _find(channel, service_name="nobody") == set()


def test_summaries_say_what_a_result_page_shows(channel: grpc.Channel) -> None:
    query = pb.TraceQueryParameters(service_name=SHOP, **_range())
    call = channel.unary_stream(f"/{SERVICE}/FindTraceSummaries")
    asked = pb.FindTraceSummariesRequest(query=query).SerializeToString()
    summaries = [
        summary
        for chunk in call(asked, timeout=30)
        for summary in pb.FindTraceSummariesResponse.FromString(chunk).summaries
    ]
    assert {(s.root_operation_name, s.span_count, s.error_span_count) for s in summaries} == {
        ("buy", 1, 0),
        ("buy now", 1, 1),
    }


@pytest.mark.parametrize(
    ("method", "request_bytes", "code"),
    [
        ("GetTrace", pb.GetTraceRequest(trace_id="ff").SerializeToString(), "NOT_FOUND"),
        ("GetTrace", pb.GetTraceRequest(trace_id="no id").SerializeToString(), "INVALID_ARGUMENT"),
        ("GetTrace", b"\xff\xff", "INVALID_ARGUMENT"),
        (
            "FindTraces",
            pb.FindTracesRequest(
                query=pb.TraceQueryParameters(pagination=pb.Pagination(page_size=3))
            ).SerializeToString(),
            "UNIMPLEMENTED",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_by_its_status(
    channel: grpc.Channel, method: str, request_bytes: bytes, code: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        list(channel.unary_stream(f"/{SERVICE}/{method}")(request_bytes, timeout=30))
    assert raised.value.code().name == code
