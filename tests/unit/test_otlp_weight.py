"""What a request weighs, by the contract page, and that both decoders refuse at the same byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from clew.base.errors import ClewError, ErrorCode
from clew.store.decoder import Decoded, Decoder, DecoderFullError, MalformedRecordError
from clew.store.hot import HotRows
from clew.telemetry.otlp.decode import NativeDecoder
from clew.telemetry.otlp.limits import WEIGHT_MAX
from clew.telemetry.otlp.reference import ReferenceDecoder
from clew.telemetry.otlp.signal import Signal
from tests.otlp_native import require_native

AT = 1_790_000_000_000_000_000
ROW = 200
ITEM = 100
ENTRY = 8

Open = Callable[..., Decoder]


@pytest.fixture(params=["reference", "native"])
def open_either(request: pytest.FixtureRequest) -> Open:
    if request.param == "reference":
        return ReferenceDecoder
    require_native()
    return NativeDecoder


def append(decoder: Decoder, body: bytes) -> Decoded:
    return decoder.append(body, frame=1, received=AT, oldest=0)


def assert_weighs(open_either: Open, signal: Signal, request: Any, weight: int) -> None:
    body = request.SerializeToString()
    append(open_either(signal, weight_max=weight), body)
    decoder = open_either(signal, weight_max=weight - 1)
    with pytest.raises(ClewError, match=f"more than {weight - 1} bytes") as caught:
        append(decoder, body)
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert caught.value.retry_after_ms is None
    assert decoder.rows() == 0
    assert decoder.finish() == {}


def logs_request(resource_text: str = "", records: int = 1) -> Any:
    request = ExportLogsServiceRequest()
    by_resource = request.resource_logs.add()
    if resource_text:
        by_resource.resource.attributes.add(key="key").value.string_value = resource_text
    by_scope = by_resource.scope_logs.add()
    for _ in range(records):
        by_scope.log_records.add()
    return request


def test_a_row_weighs_itself_and_what_it_repeats_and_a_scope_that_once(open_either: Open) -> None:
    request = logs_request("é" * 50, records=3)
    repeated = ENTRY + 100
    assert_weighs(open_either, Signal.LOGS, request, repeated + 3 * (ROW + repeated))


def test_all_that_a_row_repeats_is_weighed(open_either: Open) -> None:
    request = ExportTraceServiceRequest()
    by_resource = request.resource_spans.add(schema_url="resource")
    by_resource.resource.attributes.add(key="key").value.string_value = "text"
    by_resource.resource.dropped_attributes_count = 5
    by_scope = by_resource.scope_spans.add(schema_url="scope")
    by_scope.scope.name = "name"
    by_scope.scope.version = "1.0"
    by_scope.scope.attributes.add(key="n").value.int_value = 100
    by_scope.spans.add()
    residue = (
        '"resource_dropped":5,"scope":{"i":["n"]},'
        '"resource_schema_url":"resource","scope_schema_url":"scope"'
    )
    texts = "resource" + "text" + "scope" + "name" + "1.0" + "100"
    repeated = 2 * ENTRY + len(texts) + len(residue)
    # The span has no ids and is refused: only a resource or scope can say so beforehand.
    assert_weighs(open_either, Signal.TRACES, request, repeated + ROW + repeated)


def test_a_point_repeats_its_metric_too(open_either: Open) -> None:
    request = ExportMetricsServiceRequest()
    by_scope = request.resource_metrics.add().scope_metrics.add()
    metric = by_scope.metrics.add(name="a name is a number", description="four", unit="By")
    metric.metadata.add(key="k").value.string_value = "v"
    metric.sum.data_points.add(time_unix_nano=AT).exemplars.add()
    metric.sum.data_points.add(time_unix_nano=AT)
    by_scope.metrics.add(name="without points", description="weighs nothing").gauge.SetInParent()
    # The list as it is serialised: an entry of eight bytes, with two before it, in base64.
    residue = '"metadata":"CggKAWsSAwoBdg=="'
    assert_weighs(
        open_either, Signal.METRICS, request, 2 * (ROW + len("four" + "By" + residue)) + ITEM
    )


def test_events_and_links_weigh_something(open_either: Open) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.events.add()
    span.events.add()
    span.links.add()
    assert_weighs(open_either, Signal.TRACES, request, ROW + 3 * ITEM)


@pytest.mark.parametrize("level", ["resource", "scope"])
def test_rows_that_are_refused_with_what_they_would_repeat_do_not_repeat_it(
    open_either: Open, level: str
) -> None:
    request = logs_request(records=2)
    by_resource = request.resource_logs[0]
    wide = by_resource.resource if level == "resource" else by_resource.scope_logs[0].scope
    for _ in range(1025):
        wide.attributes.add(key="k").value.string_value = "text"
    assert_weighs(open_either, Signal.LOGS, request, 2 * ROW)


def test_a_malformed_request_is_that_before_it_is_too_heavy(open_either: Open) -> None:
    body = logs_request("x" * 1000).SerializeToString()
    with pytest.raises(MalformedRecordError):
        append(open_either(Signal.LOGS, weight_max=100), body + b"\x07")


def test_one_small_request_cannot_ask_for_more_than_the_bound(open_either: Open) -> None:
    request = logs_request("x" * 400_000, records=10_000)
    assert request.ByteSize() < 1 << 19
    with pytest.raises(ClewError, match=str(WEIGHT_MAX)):
        append(open_either(Signal.LOGS), request.SerializeToString())


def test_what_was_taken_beside_others_is_taken_alone_and_what_was_refused_is_not(
    open_either: Open,
) -> None:
    body = logs_request("x" * 1000).SerializeToString()
    weight = 1008 + ROW + 1008
    bounds = {"weight_max": weight, "held_bytes_max": 2 * (weight + len(body))}
    decoder = open_either(Signal.LOGS, **bounds)
    append(decoder, body)
    append(decoder, body)
    with pytest.raises(DecoderFullError):
        append(decoder, body)
    # Heavier than any may be, whatever is held.
    heavier = logs_request("x" * 1001).SerializeToString()
    with pytest.raises(ClewError):
        append(decoder, heavier)
    assert decoder.rows() == 2
    assert decoder.finish()["otel_logs"].num_rows == 2
    append(decoder, body)


def test_frames_of_a_log_are_taken_in_whatever_batches_they_are_decoded(open_either: Open) -> None:
    bodies = [logs_request("x" * size).SerializeToString() for size in (1, 900, 1000, 30, 1000)]
    weight = 1008 + ROW + 1008

    def open_decoder() -> Decoder:
        return open_either(Signal.LOGS, weight_max=weight, held_bytes_max=weight + len(bodies[2]))

    hot = HotRows({16: open_decoder}, flushed=0, acked=0)
    for frame, body in enumerate(bodies, start=1):
        assert hot.decode(16, body, frame=frame, received=AT, oldest=0).accepted == 1
    hot.acknowledge(len(bodies))
    rows = hot.snapshot().hot["otel_logs"]
    assert rows.column("Frame").to_pylist() == [1, 2, 3, 4, 5]
