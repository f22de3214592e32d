"""What came in over OTLP comes out over OTLP equal, through rows and through JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from clew.store.decoder import Decoder
from clew.telemetry.otlp.encode import (
    encode_logs,
    encode_metrics,
    encode_spans,
    encode_traces_data,
)
from clew.telemetry.otlp.json_codec import format_message, parse_request
from clew.telemetry.otlp.messages import REQUESTS
from clew.telemetry.otlp.reference import ReferenceDecoder
from clew.telemetry.otlp.signal import Signal
from tests.property.otlp_canonical import (
    PROFILE_FIELDS,
    canonical,
    expected_outcome,
    records_of,
)
from tests.property.otlp_strategies import OLDEST, RECEIVED, maximal_requests, requests
from tests.trying import examples

whole_requests = settings(
    max_examples=examples(50),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def decode(decoder: Decoder, body: bytes) -> tuple[dict[str, pa.RecordBatch], dict[str, int]]:
    decoded = decoder.append(body, frame=7, received=RECEIVED, oldest=OLDEST)
    assert decoder.rows() == decoded.accepted
    batches = decoder.finish()
    assert decoder.rows() == 0
    assert sum(batch.num_rows for batch in batches.values()) == decoded.accepted
    return batches, dict(decoded.rejected)


def as_the_engine_returns(batch: pa.RecordBatch) -> pa.Table:
    """Return rows as a query does: plain strings, zoned times, unique map keys in any order."""
    columns = {name: _as_returned(batch.column(name)) for name in batch.schema.names}
    return pa.table(columns)


def _as_returned(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_map(kind):
        return pa.array(
            [_reordered(pairs) for pairs in array.to_pylist()], pa.map_(pa.utf8(), pa.utf8())
        )
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(array.offsets, _as_returned(array.values))
    if pa.types.is_dictionary(kind):
        return array.cast(pa.utf8())
    if pa.types.is_timestamp(kind):
        return array.cast(pa.timestamp("ns", "UTC"))
    return array


def _reordered(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    unique = len(dict(pairs)) == len(pairs)
    return sorted(pairs, reverse=True) if unique else pairs


def encode(signal: Signal, tables: dict[str, pa.Table]) -> Any:
    if signal is Signal.METRICS:
        return encode_metrics(tables)
    if not tables:
        return REQUESTS[signal]()
    (rows,) = tables.values()
    return encode_spans(rows) if signal is Signal.TRACES else encode_logs(rows)


@whole_requests
@given(requests)
def test_records_that_are_kept_come_back_equal_and_the_others_are_counted(
    drawn: tuple[Signal, Any],
) -> None:
    signal, request = drawn
    batches, rejected = decode(ReferenceDecoder(signal), request.SerializeToString())
    kept, refused = expected_outcome(signal, request)
    assert rejected == refused
    returned = {name: as_the_engine_returns(batch) for name, batch in batches.items()}
    encoded = encode(signal, returned)
    assert records_of(signal, encoded) == kept
    # What is encoded is grouped already, so a second way through changes nothing at all.
    again, _ = decode(ReferenceDecoder(signal), encoded.SerializeToString())
    direct = {name: pa.Table.from_batches([batch]) for name, batch in again.items()}
    assert canonical(encode(signal, direct)) == canonical(encoded)


@whole_requests
@given(requests)
def test_a_request_says_the_same_as_json_and_as_protobuf(drawn: tuple[Signal, Any]) -> None:
    signal, request = drawn
    body = format_message(request)
    parsed = REQUESTS[signal].FromString(parse_request(signal, body))
    assert canonical(parsed) == canonical(request)
    assert format_message(parsed) == body


def test_json_nests_as_deep_as_protobuf() -> None:
    value: Any = {"intValue": "1"}
    for _ in range(47):
        value = {"arrayValue": {"values": [value]}}
    log = {"attributes": [{"key": "deep", "value": value}]}
    request = parse_request(Signal.LOGS, _logs_json(log))
    assert format_message(REQUESTS[Signal.LOGS].FromString(request)) == _logs_json(log)


def _logs_json(record: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})


def _fields_of(descriptor: Any, seen: set[str]) -> Iterator[str]:
    """Yield every field below a message type, named by the type that has it."""
    if descriptor.full_name in seen:
        return
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        if field.name in PROFILE_FIELDS:
            continue
        yield field.full_name
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _fields_of(field.message_type, seen)


def _populated_fields(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        yield field.full_name
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for child in value if field.is_repeated else [value]:
                yield from _populated_fields(child)


@pytest.mark.parametrize("signal", list(Signal))
def test_every_field_of_otlp_survives_the_way_through_rows(signal: Signal) -> None:
    request = maximal_requests(RECEIVED)[signal]
    every_field = set(_fields_of(request.DESCRIPTOR, set()))
    assert every_field - set(_populated_fields(request)) == set()
    batches, rejected = decode(ReferenceDecoder(signal), request.SerializeToString())
    assert rejected == {}
    returned = {name: as_the_engine_returns(batch) for name, batch in batches.items()}
    assert records_of(signal, encode(signal, returned)) == records_of(signal, request)


@pytest.mark.parametrize("signal", list(Signal))
def test_every_field_of_otlp_survives_the_way_through_json(signal: Signal) -> None:
    request = maximal_requests(RECEIVED)[signal]
    parsed = REQUESTS[signal].FromString(parse_request(signal, format_message(request)))
    assert parsed == request


def test_traces_data_is_the_same_message_as_the_request() -> None:
    request = maximal_requests(RECEIVED)[Signal.TRACES]
    batches, _ = decode(ReferenceDecoder(Signal.TRACES), request.SerializeToString())
    rows = as_the_engine_returns(batches["otel_traces"])
    data = encode_traces_data(rows)
    assert isinstance(data, TracesData)
    assert data.SerializeToString() == encode_spans(rows).SerializeToString()
