"""OTLP/JSON as the specification has it, and what is said of JSON that is not."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from clew.store.decoder import MalformedRecordError
from clew.telemetry.otlp.json_codec import format_message, parse_request
from clew.telemetry.otlp.messages import REQUESTS
from clew.telemetry.otlp.signal import Signal


def parse(signal: Signal, document: Any) -> Any:
    return REQUESTS[signal].FromString(parse_request(signal, orjson.dumps(document)))


def parse_span(**members: Any) -> Any:
    spans = {"resourceSpans": [{"scopeSpans": [{"spans": [members]}]}]}
    return parse(Signal.TRACES, spans).resource_spans[0].scope_spans[0].spans[0]


def parse_value(value: Any) -> Any:
    return parse_span(attributes=[{"key": "k", "value": value}]).attributes[0].value


def test_ids_are_hex_in_any_case_and_bytes_are_base64() -> None:
    span = parse_span(traceId="5B8EFFF798038103D269B633813FC60C", spanId="eee19b7ec3c1b174")
    assert span.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert span.span_id.hex() == "eee19b7ec3c1b174"
    for text in ("+/8=", "-_8=", "-_8"):
        assert parse_value({"bytesValue": text}).bytes_value == b"\xfb\xff"


def test_wide_integers_are_numbers_or_strings() -> None:
    for start in ("1544712660000000000", 1544712660000000000):
        assert parse_span(startTimeUnixNano=start).start_time_unix_nano == 1544712660000000000
    assert parse_value({"intValue": "-9223372036854775808"}).int_value == -(2**63)
    assert parse_value({"intValue": 1e3}).int_value == 1000
    assert parse_span(endTimeUnixNano=2**64 - 1).end_time_unix_nano == 2**64 - 1


def test_enumerations_are_numbers_or_names() -> None:
    assert parse_span(kind=2, status={"code": 2}).kind == 2
    assert parse_span(kind="SPAN_KIND_CLIENT").kind == 3
    assert parse_span(status={"code": "STATUS_CODE_ERROR"}).status.code == 2
    assert parse_span(kind=77).kind == 77


def test_doubles_are_numbers_or_strings() -> None:
    assert parse_value({"doubleValue": 1}).double_value == 1.0
    assert parse_value({"doubleValue": "1.5e3"}).double_value == 1500.0
    assert math.isnan(parse_value({"doubleValue": "NaN"}).double_value)
    assert parse_value({"doubleValue": "-Infinity"}).double_value == -math.inf


def test_snake_case_null_and_unknown_members_are_read_leniently() -> None:
    span = parse_span(
        trace_id="00" * 16, parentSpanId=None, attributes=None, future={"deep": [1, {}]}
    )
    assert span.trace_id == bytes(16)
    assert not span.attributes
    value = parse_value({"stringValueStrindex": 3, "stringValue": "kept"})
    assert value == AnyValue(string_value="kept")


def test_presence_is_kept() -> None:
    assert parse_value({}) == AnyValue()
    entry = parse_span(attributes=[{"key": "k"}]).attributes[0]
    assert not entry.HasField("value")
    assert parse_value({"arrayValue": {}}).WhichOneof("value") == "array_value"
    assert parse_value({"boolValue": False}).WhichOneof("value") == "bool_value"


SPAN = "resourceSpans[0].scopeSpans[0].spans[0]"
VALUE = f"{SPAN}.attributes[0].value"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"traceId": "xyz"}, f"{SPAN}.traceId: not hex"),
        ({"traceId": "abc"}, f"{SPAN}.traceId: not hex"),
        ({"traceId": "ab cd"}, f"{SPAN}.traceId: not hex"),
        ({"traceId": "é"}, f"{SPAN}.traceId: not hex"),
        ({"trace_id": 5}, f"{SPAN}.trace_id: not a string"),
        ({"spanId": "ab", "span_id": "ab"}, f"{SPAN}.span_id: also given as spanId"),
        ({"name": 1}, f"{SPAN}.name: not a string"),
        ({"kind": "SERVER"}, f"{SPAN}.kind: not a name of the enumeration"),
        ({"kind": 2**31}, f"{SPAN}.kind: out of range"),
        ({"kind": True}, f"{SPAN}.kind: not an integer"),
        ({"flags": -1}, f"{SPAN}.flags: out of range"),
        ({"flags": 2**32}, f"{SPAN}.flags: out of range"),
        ({"startTimeUnixNano": "18446744073709551616"}, f"{SPAN}.startTimeUnixNano: out of range"),
        ({"startTimeUnixNano": 2.5}, f"{SPAN}.startTimeUnixNano: not an integer"),
        ({"startTimeUnixNano": 1e18}, f"{SPAN}.startTimeUnixNano: out of range"),
        ({"startTimeUnixNano": "1_0"}, f"{SPAN}.startTimeUnixNano: not an integer"),
        ({"startTimeUnixNano": "9" * 5000}, f"{SPAN}.startTimeUnixNano: not an integer"),
        ({"startTimeUnixNano": "\u0661"}, f"{SPAN}.startTimeUnixNano: not an integer"),
        ({"attributes": {}}, f"{SPAN}.attributes: not an array"),
        ({"attributes": [None]}, f"{SPAN}.attributes[0]: not an object"),
        ({"status": []}, f"{SPAN}.status: not an object"),
        ({"attributes": [{"value": {"intValue": ""}}]}, f"{VALUE}.intValue: not an integer"),
        ({"attributes": [{"value": {"boolValue": 1}}]}, f"{VALUE}.boolValue: not true or false"),
        ({"attributes": [{"value": {"bytesValue": "*"}}]}, f"{VALUE}.bytesValue: not base64"),
        ({"attributes": [{"value": {"bytesValue": "a"}}]}, f"{VALUE}.bytesValue: not base64"),
        ({"attributes": [{"value": {"doubleValue": "1e999"}}]}, f"{VALUE}.doubleValue: out of"),
        ({"attributes": [{"value": {"doubleValue": "nan"}}]}, f"{VALUE}.doubleValue: not a"),
        (
            {"attributes": [{"value": {"stringValue": "", "boolValue": True}}]},
            f"{VALUE}.boolValue: a second case where only one can be",
        ),
        (
            {"attributes": [{"value": {"arrayValue": {"values": [{}, {"intValue": []}]}}}]},
            f"{VALUE}.arrayValue.values[1].intValue: not an integer",
        ),
    ],
)
def test_a_misfit_is_malformed_and_its_path_is_named(members: Any, message: str) -> None:
    with pytest.raises(MalformedRecordError) as caught:
        parse_span(**members)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON: "),
        (b"{", "not JSON: "),
        (b"\xff", "not JSON: "),
        (b'{"resourceSpans": NaN}', "not JSON: "),
        (b'{"resourceSpans":[{"schemaUrl":"\\ud800"}]}', "not JSON: "),
        (b"[" * 5000 + b"]" * 5000, "not JSON: "),
        (b"[]", "request: not an object"),
        (b"null", "request: not an object"),
        (b'{"resourceSpans":[3]}', "resourceSpans[0]: not an object"),
    ],
)
def test_a_body_that_is_no_request_is_malformed(body: bytes, message: str) -> None:
    with pytest.raises(MalformedRecordError) as caught:
        parse_request(Signal.TRACES, body)
    assert str(caught.value).startswith(message)


def test_values_nest_no_deeper_than_protobuf_reads_them() -> None:
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"arrayValue": {"values": [value]}}
    with pytest.raises(MalformedRecordError, match="nested more than 100 messages deep"):
        parse_value(value)


def test_the_written_form_is_the_one_of_the_specification() -> None:
    document = {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]
                },
                "scopeSpans": [
                    {
                        "scope": {"name": "my.library", "version": "1.0.0"},
                        "spans": [
                            {
                                "traceId": "5b8efff798038103d269b633813fc60c",
                                "spanId": "eee19b7ec3c1b174",
                                "name": "I'm a server span",
                                "kind": 2,
                                "startTimeUnixNano": "1544712660000000000",
                                "endTimeUnixNano": "1544712661000000000",
                                "attributes": [
                                    {"key": "i", "value": {"intValue": "-1"}},
                                    {"key": "n", "value": {"doubleValue": "NaN"}},
                                    {"key": "b", "value": {"bytesValue": "+/8="}},
                                    {"key": "e", "value": {}},
                                ],
                                "droppedAttributesCount": 1,
                                "flags": 257,
                            }
                        ],
                    }
                ],
            }
        ]
    }
    written = format_message(parse(Signal.TRACES, document))
    assert orjson.loads(written) == document


def test_responses_can_be_written_too() -> None:
    response = ExportLogsServiceResponse(
        partial_success=ExportLogsPartialSuccess(rejected_log_records=3, error_message="time: 3")
    )
    assert format_message(response) == (
        b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"time: 3"}}'
    )
    assert format_message(ExportLogsServiceResponse()) == b"{}"
