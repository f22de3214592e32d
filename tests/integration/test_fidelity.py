"""What comes in over OTLP goes out over OTLP equal: through the doors of a real server.

The request holds every field of the three signals (`tests.property.otlp_maximal`; a property test
proves that it does), sent over each way in and read back over each way out, from the log's rows and
from the engine's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from clew.surfaces.grpc._gen import query_service_pb2 as jaeger
from clew.surfaces.grpc.export import SERVICES
from clew.surfaces.grpc.jaeger import SERVICE as JAEGER
from clew.telemetry.otlp.json_codec import format_message, parse_request
from clew.telemetry.otlp.signal import Signal
from clew.testing.server import ServerProcess
from tests.property.otlp_canonical import records_of
from tests.property.otlp_maximal import maximal_requests

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS: dict[Signal, Any] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}
SECONDS_MAX = 60.0
WAYS_IN = ("http-protobuf", "http-json", "grpc")


@pytest.fixture(scope="module", params=WAYS_IN)
def sent(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServerProcess, Any]]:
    """A server that was sent the whole of OTLP over one door, and what it was sent."""
    with ServerProcess(tmp_path_factory.mktemp("fidelity") / "data") as server:
        wanted = maximal_requests(time.time_ns() - 60 * 10**9)
        for signal, message in wanted.items():
            _send(server, request.param, signal, message)
        yield server, wanted


def _send(server: ServerProcess, way: str, signal: Signal, message: Any) -> None:
    body = message.SerializeToString()
    if way == "grpc":
        with grpc.insecure_channel(server.otlp_grpc) as channel:
            answer = channel.unary_unary(f"/{SERVICES[signal]}/Export")(body, timeout=SECONDS_MAX)
        assert answer == b"", "nothing may be refused"
        return
    kind = "application/json" if way == "http-json" else "application/x-protobuf"
    content = format_message(message) if way == "http-json" else body
    answer = httpx.post(
        f"{server.otlp_url}/v1/{signal}",
        content=content,
        headers={"content-type": kind},
        timeout=SECONDS_MAX,
    )
    assert (answer.status_code, answer.content) in ((200, b""), (200, b"{}")), answer.text


def _exported(server: ServerProcess, signal: Signal, form: str) -> Any:
    answer = httpx.get(
        f"{server.url}/api/v1/export/{signal}", params={"format": form}, timeout=SECONDS_MAX
    )
    assert answer.status_code == 200, answer.text
    if form == "otlp-proto":
        return REQUESTS[signal].FromString(answer.content)
    whole = REQUESTS[signal]()
    for line in answer.content.splitlines():
        whole.MergeFromString(parse_request(signal, line))
    return whole


@pytest.mark.parametrize("form", ["otlp-proto", "otlp-json"])
def test_every_field_of_the_three_signals_comes_out_equal(
    sent: tuple[ServerProcess, Any], form: str
) -> None:
    server, wanted = sent
    for signal, message in wanted.items():
        assert records_of(signal, _exported(server, signal, form)) == records_of(signal, message)
    # SQL of users flushes first: from here on the same rows come from the engine.
    counted = httpx.get(
        f"{server.url}/api/v1/sql",
        params={"q": "SELECT count() FROM otel_traces"},
        timeout=SECONDS_MAX,
    )
    assert counted.status_code == 200, counted.text
    for signal, message in wanted.items():
        assert records_of(signal, _exported(server, signal, form)) == records_of(signal, message)


def test_every_field_of_a_span_comes_out_of_the_jaeger_api_equal(
    sent: tuple[ServerProcess, Any],
) -> None:
    server, wanted = sent
    request = wanted[Signal.TRACES]
    trace_ids = {
        span.trace_id
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    whole = TracesData()
    with grpc.insecure_channel(server.otlp_grpc) as channel:
        get_trace = channel.unary_stream(f"/{JAEGER}/GetTrace")
        for trace_id in trace_ids:
            asked = jaeger.GetTraceRequest(trace_id=trace_id.hex()).SerializeToString()
            for chunk in get_trace(asked, timeout=SECONDS_MAX):
                whole.MergeFromString(chunk)
    answered = ExportTraceServiceRequest.FromString(whole.SerializeToString())
    assert records_of(Signal.TRACES, answered) == records_of(Signal.TRACES, request)
