"""Rows of small requests, written out by hand from the contract page; and how rows are refused."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, EntityRef, KeyValue, KeyValueList

from clew.base.errors import ClewError, ErrorCode
from clew.store.decoder import Decoded, Decoder, MalformedRecordError
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.otlp.encode import encode_spans
from clew.telemetry.otlp.reference import ReferenceDecoder
from clew.telemetry.otlp.signal import Signal

AT = 1_790_000_000_000_000_000
DAY = 24 * 3600 * 1_000_000_000
TRACE_ID = bytes(range(16))
SPAN_ID = bytes(range(8))


@pytest.fixture(params=[ReferenceDecoder, open_decoder], ids=["reference", "opened"])
def open_either(request: pytest.FixtureRequest) -> Any:
    return request.param


def first_row(decoder: Decoder, request: Any) -> dict[str, Any]:
    decoded = append(decoder, request)
    assert (decoded.accepted, decoded.rejected) == (1, {})
    (batch,) = decoder.finish().values()
    columns = {}
    for field in batch.schema:
        column = batch.column(field.name)
        if pa.types.is_timestamp(field.type):
            column = column.cast(pa.int64())
        elif field.type == pa.list_(pa.timestamp("ns")):
            column = column.cast(pa.list_(pa.int64()))
        columns[field.name] = column[0].as_py()
    return columns


def append(decoder: Decoder, request: Any) -> Decoded:
    body = request.SerializeToString()
    return decoder.append(body, frame=42, received=AT, oldest=AT - DAY)


def integer(key: str, number: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=number))


def trace_request() -> tuple[Any, Any]:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    span = spans.add(trace_id=TRACE_ID, span_id=SPAN_ID, start_time_unix_nano=AT)
    return request, span


def test_a_span_becomes_the_row_that_the_page_says(open_either: Any) -> None:
    request, span = trace_request()
    by_resource = request.resource_spans[0]
    by_resource.schema_url = "https://resource"
    by_resource.resource.attributes.extend([integer("service.name", 7), integer("n", 1)])
    by_resource.resource.dropped_attributes_count = 2
    entity = by_resource.resource.entity_refs.add(type="host")
    by_scope = by_resource.scope_spans[0]
    by_scope.schema_url = "https://scope"
    by_scope.scope.name = "scope"
    by_scope.scope.dropped_attributes_count = 3
    span.parent_span_id = bytes(8)
    span.kind = 3
    span.end_time_unix_nano = AT - 1
    span.flags = 257
    span.status.code = 4
    span.events.add(time_unix_nano=5, name="plain")
    span.events.add(dropped_attributes_count=6).attributes.append(integer("i", 1))
    span.links.add(trace_id=bytes(16), span_id=b"\xab", flags=1)
    row = first_row(open_either(Signal.TRACES), request)
    assert row.pop("Residue") == (
        '{"resource":{"i":["service.name","n"]},"resource_dropped":2,'
        f'"entity_refs":["{b64encode(entity.SerializeToString()).decode()}"],'
        '"resource_schema_url":"https://resource","scope_schema_url":"https://scope",'
        '"scope_dropped":3,"flags":257,"parent":"zero","status":4,'
        f'"end":"{AT - 1}","events":{{"1":{{"attributes":{{"i":["i"]}},"dropped":6}}}},'
        '"links":{"0":{"flags":1}}}'
    )
    assert row == {
        "Timestamp": AT,
        "TraceId": TRACE_ID.hex(),
        "SpanId": SPAN_ID.hex(),
        "ParentSpanId": "",
        "TraceState": "",
        "SpanName": "",
        "SpanKind": "Client",
        "ServiceName": "7",
        "ResourceAttributes": [("service.name", "7"), ("n", "1")],
        "ScopeName": "scope",
        "ScopeVersion": "",
        "ScopeAttributes": [],
        "SpanAttributes": [],
        "Duration": 0,
        "StatusCode": "Unset",
        "StatusMessage": "",
        "Events.Timestamp": [5, 0],
        "Events.Name": ["plain", ""],
        "Events.Attributes": [[], [("i", "1")]],
        "Links.TraceId": ["00" * 16],
        "Links.SpanId": ["ab"],
        "Links.TraceState": [""],
        "Links.Attributes": [[]],
        "Frame": 42,
    }


def test_a_plain_span_has_no_residue(open_either: Any) -> None:
    request, span = trace_request()
    span.end_time_unix_nano = AT + 5
    row = first_row(open_either(Signal.TRACES), request)
    assert (row["Residue"], row["Duration"], row["ServiceName"]) == ("", 5, "unknown")


def test_a_log_without_a_time_takes_the_observed_one_or_the_received_one(open_either: Any) -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    row = first_row(open_either(Signal.LOGS), request)
    assert (row["Timestamp"], row["ObservedTimestamp"]) == (AT, 0)
    assert row["Residue"] == '{"time":true,"body":"u"}'
    record.observed_time_unix_nano = AT + 3
    record.trace_id = bytes(16)
    record.severity_number = 300
    record.flags = 0x1FF
    record.body.kvlist_value.values.extend([KeyValue(key="a"), KeyValue(key="b")])
    raw = b64encode(record.body.SerializeToString()).decode()
    row = first_row(open_either(Signal.LOGS), request)
    assert (row["Timestamp"], row["ObservedTimestamp"]) == (AT + 3, AT + 3)
    assert (row["SeverityNumber"], row["TraceFlags"], row["TraceId"]) == (0, 255, "")
    assert row["Body"] == '{"a":null,"b":null}'
    assert row["Residue"] == (
        f'{{"flags":511,"severity":300,"time":true,"trace_id":"zero","body":{{"raw":"{raw}"}}}}'
    )


def test_a_point_says_what_its_columns_lose(open_either: Any) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
    metadata = metric.metadata.add(key="twice")
    point = metric.gauge.data_points.add(time_unix_nano=AT, as_int=2**53 + 1)
    point.attributes.extend([integer("k", 1), integer("k", 2)])
    point.exemplars.add(as_double=1.0)
    point.exemplars.add(as_int=-3)
    point.exemplars.add()
    row = first_row(open_either(Signal.METRICS), request)
    metadata_raw = b64encode(KeyValueList(values=[metadata]).SerializeToString()).decode()
    raw = b64encode(KeyValueList(values=point.attributes).SerializeToString()).decode()
    assert row["Attributes"] == [("k", "1"), ("k", "2")]
    assert row["Value"] == float(2**53)
    assert row["Exemplars.Value"] == [1.0, -3.0, 0.0]
    assert row["Residue"] == (
        f'{{"metadata":"{metadata_raw}","attributes":"{raw}","value":"9007199254740993",'
        '"exemplars":{"1":{"value":"i"},"2":{"value":"u"}}}'
    )


def test_an_exponential_point_names_its_absent_members_in_order(open_either: Any) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add()
    point = metric.exponential_histogram.data_points.add(time_unix_nano=AT, min=0.0)
    point.positive.SetInParent()
    row = first_row(open_either(Signal.METRICS), request)
    assert row["Residue"] == '{"absent":["sum","max","negative"]}'


def test_times_are_refused_just_outside_the_bounds(open_either: Any) -> None:
    request, first = trace_request()
    spans = request.resource_spans[0].scope_spans[0].spans
    first.start_time_unix_nano = AT - DAY
    edges = (AT + DAY, AT - DAY - 1, AT + DAY + 1)
    for start in edges:
        spans.add().MergeFrom(first)
        spans[-1].start_time_unix_nano = start
    spans.add().MergeFrom(first)
    spans[-1].end_time_unix_nano = 2**63
    assert append(open_either(Signal.TRACES), request) == Decoded(2, {"time": 3})


def test_a_resource_over_a_limit_refuses_all_its_records(open_either: Any) -> None:
    request, span = trace_request()
    by_resource = request.resource_spans[0]
    by_resource.scope_spans[0].spans.add().MergeFrom(span)
    by_resource.resource.attributes.extend(integer(str(n), n) for n in range(1025))
    # The count comes before the id, whatever else is wrong.
    span.trace_id = b""
    other, _ = trace_request()
    request.MergeFrom(other)
    assert append(open_either(Signal.TRACES), request) == Decoded(1, {"attribute_count": 2})


def test_a_malformed_request_leaves_what_was_held_as_it_was(open_either: Any) -> None:
    decoder = open_either(Signal.TRACES)
    request, _ = trace_request()
    append(decoder, request)
    with pytest.raises(MalformedRecordError):
        decoder.append(b"\x0a\x05", frame=1, received=AT, oldest=0)
    assert decoder.rows() == 1
    assert decoder.finish()["otel_traces"].num_rows == 1
    assert decoder.finish() == {}


def test_frames_stay_with_their_rows_in_arrival_order(open_either: Any) -> None:
    decoder = open_either(Signal.TRACES)
    request, _ = trace_request()
    for frame in (3, 5, 2**40):
        decoder.append(request.SerializeToString(), frame=frame, received=AT, oldest=0)
    assert decoder.finish()["otel_traces"].column("Frame").to_pylist() == [3, 5, 2**40]


def test_rows_of_other_writers_have_no_residue_and_become_strings() -> None:
    request, span = trace_request()
    span.attributes.append(integer("n", 1))
    decoder = ReferenceDecoder(Signal.TRACES)
    append(decoder, request)
    rows = pa.Table.from_batches([decoder.finish()["otel_traces"]]).drop_columns(["Frame"])
    position = rows.column_names.index("Residue")
    rows = rows.set_column(position, "Residue", pa.array([""]))
    span.attributes[0].value.string_value = "1"
    assert encode_spans(rows).resource_spans[0].scope_spans[0].spans[0].attributes == (
        span.attributes
    )


def test_rows_that_lack_a_column_are_an_error_that_names_it() -> None:
    request, _ = trace_request()
    decoder = ReferenceDecoder(Signal.TRACES)
    append(decoder, request)
    rows = pa.Table.from_batches(decoder.finish().values())
    rows = rows.drop_columns(["SpanKind", "ServiceName"])
    with pytest.raises(ClewError, match="without SpanKind, ServiceName") as caught:
        encode_spans(rows)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


def test_equal_resources_are_written_once_whatever_the_order_of_their_attributes() -> None:
    request = ExportTraceServiceRequest()
    attributes = [integer("a", 1), integer("b", 2)]
    for order in (attributes, attributes[::-1], attributes[:1]):
        by_resource = request.resource_spans.add()
        by_resource.resource.attributes.extend(order)
        by_resource.resource.entity_refs.append(EntityRef(type="host"))
        by_resource.scope_spans.add().spans.add(
            trace_id=TRACE_ID, span_id=SPAN_ID, start_time_unix_nano=AT
        )
    decoder = ReferenceDecoder(Signal.TRACES)
    append(decoder, request)
    encoded = encode_spans(pa.Table.from_batches([decoder.finish()["otel_traces"]]))
    spans = [by_resource.scope_spans[0].spans for by_resource in encoded.resource_spans]
    assert [len(group) for group in spans] == [2, 1]
