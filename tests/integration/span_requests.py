"""OTLP trace requests whose spans can be told apart: each has an id of its own."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clew.store.pipeline import RecordKind
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import TRACES

SPANS = RecordKind(16, "traces", (TRACES,), lambda: open_decoder(Signal.TRACES))

START_NS = 1_790_000_000_000_000_000


def span_id(number: int) -> str:
    """Return how the table shows the id of a span."""
    return f"{number:016x}"


def trace_request(first: int, count: int, *, step_ns: int = 1000) -> bytes:
    """Return a request with `count` spans, numbered from `first` (at least 1)."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add(key="service.name")
    name.value.string_value = f"service-{first % 3}"
    spans = resource.scope_spans.add().spans
    for number in range(first, first + count):
        span = spans.add(
            trace_id=(number // 10 + 1).to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
            name=f"operation {number % 7}",
            start_time_unix_nano=START_NS + number * step_ns,
            end_time_unix_nano=START_NS + number * step_ns + 500,
        )
        for key in ("shard", "tenant", f"key {number % 11}"):
            span.attributes.add(key=key).value.string_value = f"{key} of {number % 100}"
    body: bytes = request.SerializeToString()
    return body
