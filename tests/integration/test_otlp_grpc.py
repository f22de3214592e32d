"""The OTLP/gRPC door on a real socket, asked by the official client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import WAIT_SECONDS_MAX, ask, sql

StartServer = Callable[..., ServerProcess]

LARGE = [("grpc.max_send_message_length", -1)]
TRACE_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(scope="module")
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.otlp_grpc, options=LARGE) as opened:
        yield opened


def stub(kind: Callable[[grpc.Channel], Any], channel: grpc.Channel) -> Any:
    return kind(channel)


def traces(channel: grpc.Channel) -> Any:
    return stub(TraceServiceStub, channel)


def count_spans(server: ServerProcess, service: str) -> int:
    statement = f"SELECT count() AS n FROM otel_traces WHERE ServiceName = '{service}'"
    return int(sql(server.url, statement)[0]["n"])


def details_of(error: grpc.RpcError) -> Status:
    trailers = dict(error.trailing_metadata())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    return status


def test_every_signal_is_taken(channel: grpc.Channel) -> None:
    answers = [
        traces(channel).Export(spans_request("grpc-kinds", [ids_of(1)])),
        stub(LogsServiceStub, channel).Export(logs_request("grpc-kinds", ["hello"])),
        stub(MetricsServiceStub, channel).Export(metrics_request("grpc-kinds", "m", [1.5])),
    ]
    assert not any(answer.HasField("partial_success") for answer in answers)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.NoCompression])
def test_a_compressed_message_is_the_same_as_a_plain_one(
    server: ServerProcess, channel: grpc.Channel, compression: grpc.Compression
) -> None:
    service = f"grpc-{compression.name}"
    request = spans_request(service, map(ids_of, range(1, 501)))
    traces(channel).Export(request, compression=compression)
    assert count_spans(server, service) == 500


def test_a_request_without_records_is_a_success(channel: grpc.Channel) -> None:
    answer = traces(channel).Export(ExportTraceServiceRequest())
    assert not answer.HasField("partial_success")


def test_what_is_refused_alone_is_told_by_count_and_reason(channel: grpc.Channel) -> None:
    request = spans_request("grpc-partial", [ids_of(1), (b"short", b"shorter")])
    partial = traces(channel).Export(request).partial_success
    assert partial.rejected_spans == 1
    assert "trace id is not 16 bytes" in partial.error_message


def test_a_malformed_message_is_an_invalid_argument_without_retry(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(TRACE_EXPORT)(b"\x0a\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not details_of(caught.value).details


def test_a_message_over_the_cap_is_refused_and_the_door_stays_open(
    start_server: StartServer,
) -> None:
    server = start_server({"otlp_unpacked_bytes_max": "1MiB"})
    with grpc.insecure_channel(server.otlp_grpc, options=LARGE) as channel:
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(TRACE_EXPORT)(bytes(2 << 20), compression=compression)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            # No RetryInfo: sending the same bytes again is useless.
            assert "grpc-status-details-bin" not in dict(caught.value.trailing_metadata())
        traces(channel).Export(spans_request("grpc-after", [ids_of(1)]))


def test_a_rate_is_kept_with_retry_info(start_server: StartServer) -> None:
    server = start_server({"otlp_requests_per_second": "2"})
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        errors = []
        # More than come in a second, however busy the machine is.
        for _ in range(60):
            try:
                traces(channel).Export(ExportTraceServiceRequest())
            except grpc.RpcError as error:
                errors.append(error)
    assert errors
    assert errors[0].code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = RetryInfo()
    assert details_of(errors[0]).details[0].Unpack(retry)
    assert 0 < retry.retry_delay.ToTimedelta().total_seconds() <= 1
    signals = ask(server.url, path="/api/v1/ingest/status").document["signals"]
    assert next(s["shed"] for s in signals if s["signal"] == "traces") == len(errors)


def test_calls_beside_each_other_are_all_kept(server: ServerProcess, channel: grpc.Channel) -> None:
    service = traces(channel)
    calls = [
        service.Export.future(spans_request("grpc-many", [ids_of(number)]))
        for number in range(1, 201)
    ]
    for call in calls:
        call.result(timeout=WAIT_SECONDS_MAX)
    assert count_spans(server, "grpc-many") == 200


def test_another_service_is_unimplemented(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/no.such.Service/Export")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
