"""The native decoder equals the reference: rows, refusals, and what it calls malformed."""

from __future__ import annotations

import re
from base64 import b64decode
from bisect import bisect_left
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError
from clew.store.decoder import Decoder, DecoderFullError, MalformedRecordError
from clew.telemetry.otlp.decode import NativeDecoder
from clew.telemetry.otlp.limits import WEIGHT_MAX
from clew.telemetry.otlp.reference import ReferenceDecoder
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import TABLES
from tests.otlp_native import require_native
from tests.property.otlp_canonical import plain_batch
from tests.property.otlp_strategies import OLDEST, RECEIVED, maximal_requests, requests
from tests.trying import examples

SCHEMAS = {table.name: table.arrow_schema for table in TABLES}

bodies = settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module", autouse=True)
def native_decoder_is_installed() -> None:
    require_native()


def outcome(decoder: Decoder, *parts: bytes) -> Any:
    """Return all that can be seen of decoding some requests one after the other."""
    decoded: list[Any] = []
    for frame, part in enumerate(parts, start=2**40):
        try:
            result = decoder.append(part, frame=frame, received=RECEIVED, oldest=OLDEST)
        except MalformedRecordError:
            decoded.append("malformed")
        except ClewError:
            decoded.append("too heavy")
        else:
            decoded.append((result.accepted, dict(result.rejected)))
    held = decoder.rows()
    batches = decoder.finish()
    for name, batch in batches.items():
        batch.validate(full=True)
        assert batch.schema.equals(SCHEMAS[name])
        assert_unique_dictionaries(batch)
    return decoded, held, {name: plain_batch(batch) for name, batch in batches.items()}


def assert_unique_dictionaries(batch: pa.RecordBatch) -> None:
    for column in batch.columns:
        array = column
        while pa.types.is_list(array.type):
            array = array.values
        if pa.types.is_map(array.type):
            array = array.keys
        if pa.types.is_dictionary(array.type):
            texts = array.dictionary.to_pylist()
            assert len(set(texts)) == len(texts)


def assert_equal_outcome(signal: Signal, *parts: bytes, weight_max: int = WEIGHT_MAX) -> None:
    native = outcome(NativeDecoder(signal, weight_max=weight_max), *parts)
    reference = outcome(ReferenceDecoder(signal, weight_max=weight_max), *parts)
    assert native[:2] == reference[:2]
    assert native[2].keys() == reference[2].keys()
    for table, columns in reference[2].items():
        for name, values in columns.items():
            assert native[2][table][name] == values, (table, name)


@bodies
@given(requests, requests)
def test_both_decoders_give_equal_rows_and_refusals(
    drawn: tuple[Signal, Any], other: tuple[Signal, Any]
) -> None:
    signal, request = drawn
    body = request.SerializeToString()
    # The second may be of another signal, which is what a mixed-up exporter sends.
    assert_equal_outcome(signal, body, other[1].SerializeToString(), body)


@settings(bodies, max_examples=examples(20))
@given(st.lists(requests, min_size=2, max_size=3))
def test_both_decoders_read_concatenated_requests_as_one(drawn: list[tuple[Signal, Any]]) -> None:
    signal = drawn[0][0]
    joined = b"".join(request.SerializeToString() for _, request in drawn)
    assert_equal_outcome(signal, joined)


def is_taken(decoder: Decoder, body: bytes) -> bool:
    """Decode a request; tell whether it was light enough."""
    try:
        decoder.append(body, frame=1, received=RECEIVED, oldest=OLDEST)
    except ClewError:
        return False
    return True


WEIGHT_TRIED_MAX = 1 << 20


@settings(bodies, max_examples=examples(20))
@given(requests)
def test_both_decoders_find_a_request_too_heavy_at_the_same_byte(drawn: tuple[Signal, Any]) -> None:
    signal, body = drawn[0], drawn[1].SerializeToString()
    weight = bisect_left(
        range(WEIGHT_TRIED_MAX),
        True,
        key=lambda bound: is_taken(ReferenceDecoder(signal, weight_max=bound), body),
    )
    assert weight < WEIGHT_TRIED_MAX
    assert is_taken(NativeDecoder(signal, weight_max=weight), body)
    if weight:
        assert not is_taken(NativeDecoder(signal, weight_max=weight - 1), body)


@settings(bodies, max_examples=examples(20))
@given(st.lists(requests, min_size=1, max_size=6), st.integers(0, 5000), st.integers(0, 20_000))
def test_both_decoders_are_full_at_the_same_request_and_take_it_when_emptied(
    drawn: list[tuple[Signal, Any]], weight_max: int, held_bytes_max: int
) -> None:
    signal = drawn[0][0]
    parts = [request.SerializeToString() for _, request in drawn]

    def batches(kind: type[NativeDecoder] | type[ReferenceDecoder]) -> list[Any]:
        decoder = kind(signal, weight_max=weight_max, held_bytes_max=held_bytes_max)
        seen: list[Any] = []
        for part in parts:
            try:
                seen.append(is_taken(decoder, part))
            except MalformedRecordError:
                seen.append("malformed")
            except DecoderFullError:
                seen.append(("full", decoder.rows()))
                decoder.finish()
                was_alone = kind(signal, weight_max=weight_max, held_bytes_max=held_bytes_max)
                try:
                    seen.append(is_taken(decoder, part))
                    assert is_taken(was_alone, part)
                except DecoderFullError:
                    seen.append("never fits")
        return seen

    assert batches(NativeDecoder) == batches(ReferenceDecoder)


@st.composite
def damaged_bodies(draw: st.DrawFn) -> tuple[Signal, bytes]:
    signal, request = draw(requests)
    body = bytearray(request.SerializeToString())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 4))
        replacement = draw(st.one_of(st.binary(max_size=4), st.just(bytes(body[: start % 64]))))
        body[start : start + length] = replacement
    return signal, bytes(body)


@settings(bodies, max_examples=examples(60))
@given(damaged_bodies(), st.sampled_from([WEIGHT_MAX, 1000]))
def test_both_decoders_agree_on_damaged_bytes(drawn: tuple[Signal, bytes], weight_max: int) -> None:
    assert_equal_outcome(*drawn, weight_max=weight_max)


@pytest.mark.parametrize("signal", list(Signal))
def test_both_decoders_agree_on_every_truncation(signal: Signal) -> None:
    body = maximal_requests(RECEIVED)[signal].SerializeToString()
    assert_equal_outcome(signal, *(body[:length] for length in range(0, len(body), 13)), body)


@pytest.mark.parametrize("signal", list(Signal))
def test_both_decoders_read_every_field_of_otlp_equally(signal: Signal) -> None:
    assert_equal_outcome(signal, maximal_requests(RECEIVED)[signal].SerializeToString())


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _nested_resource_value(levels: int) -> bytes:
    value = b""
    for _ in range(levels - 1):
        value = _field(5, _field(1, value))
    return _field(1, _field(1, _field(1, _field(2, value))))


def _groups(levels: int) -> bytes:
    return _varint(99 << 3 | 3) * levels + _varint(99 << 3 | 4) * levels


_SPAN_IDS = _field(1, bytes(range(1, 17))) + _field(2, bytes(range(1, 9)))
_START = _varint(7 << 3 | 1) + RECEIVED.to_bytes(8, "little")
_VALUE_THEN_STRINDEX = _field(1, b"k") + _field(2, _field(1, b"kept") + b"\x40\x05")
_STRINDEX_FIRST = _field(1, b"k") + b"\x18\x05" + _field(2, b"\x40\x05" + _field(1, b"kept"))
_ARRAY = _field(5, _field(1, b"\x18\x01"))


def _span_with(*fields: bytes) -> bytes:
    span = _SPAN_IDS + _START + b"".join(fields)
    return _field(1, _field(2, _field(2, span)))


WIRE_FORMS = {
    "empty": b"",
    "field number zero": b"\x00\x00",
    "wire type six": b"\x0e\x00",
    "wire type seven": b"\x0f\x00",
    "group end without start": b"\x0c",
    "group end of another field": b"\x13\x1c",
    "group without end": b"\x13",
    "varint of eleven bytes": b"\x18" + b"\xff" * 10 + b"\x01",
    "varint of ten bytes, too wide": b"\x18" + b"\xff" * 9 + b"\x7f",
    "tag of six bytes": b"\x98\x80\x80\x80\x80\x00\x00",
    "tag above 32 bits": b"\x98\x80\x80\x80\x10\x00",
    "largest tag": b"\xf8\xff\xff\xff\x0f\x00",
    "padded tag": b"\x98\x80\x80\x80\x00\x00",
    "padded length": b"\x0a\x80\x80\x00",
    "length of nine bytes": b"\x0a" + b"\x80" * 8 + b"\x00",
    "length above 31 bits": b"\x0a\xff\xff\xff\xff\x0f",
    "length beyond the end": b"\x0a\x05",
    "varint where a message belongs": b"\x08\x05",
    "fixed where a message belongs": b"\x0d\x01\x02\x03\x04",
    "values as deep as can be": _nested_resource_value(49),
    "values one too deep": _nested_resource_value(50),
    "groups as deep as can be": _groups(100),
    "groups one too deep": _groups(101),
    "groups inside, as deep as can be": _field(1, _groups(99)),
    "groups inside, one too deep": _field(1, _groups(100)),
    "string overwritten by a profile's index": _span_with(_field(9, _VALUE_THEN_STRINDEX)),
    "a profile's index overwritten by a string": _span_with(_field(9, _STRINDEX_FIRST)),
    "array case twice is merged": _span_with(_field(9, _field(1, b"k") + _field(2, _ARRAY * 2))),
    "array, string, array": _span_with(
        _field(9, _field(1, b"k") + _field(2, _ARRAY + _field(1, b"z") + _ARRAY))
    ),
    "kind as ten-byte negative": _span_with(b"\x30" + b"\xff" * 9 + b"\x01"),
    "kind above 32 bits": _span_with(b"\x30\x82\x80\x80\x80\x10"),
    "dropped count above 32 bits": _span_with(b"\x50\x82\x80\x80\x80\x10"),
    "bool above 32 bits": _span_with(
        _field(9, _field(2, b"\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"))
    ),
    "status in two parts": _span_with(_field(15, _field(2, b"m")), _field(15, b"\x18\x02")),
    "name that is not UTF-8": _span_with(_field(5, b"\xff")),
    "name that is a surrogate": _span_with(_field(5, b"\xed\xa0\x80")),
    "name that is overlong": _span_with(_field(5, b"\xc0\x80")),
    "bad name before a good one": _span_with(_field(5, b"\xff"), _field(5, b"ok")),
    "unknown text that is not UTF-8": _span_with(_field(200, b"\xff")),
    "entity with an unknown member": _field(
        1,
        _field(1, _field(3, _field(2, b"t") + _field(99, b"x") + _field(1, b"u")))
        + _field(2, _field(2, _SPAN_IDS + _START)),
    ),
    "value in two parts": _span_with(
        _field(9, _field(2, _field(1, b"first")) + _field(1, b"k") + _field(2, b""))
    ),
    "unset value with an unknown member": _span_with(
        _field(9, _field(1, b"k") + _field(2, _field(99, b"x")))
    ),
    "duplicate keys with unknown members": _span_with(
        _field(9, _field(99, b"x") + _field(1, b"k")),
        _field(9, _field(1, b"k") + _field(2, _field(99, b"x") + _field(1, b""))),
    ),
    "resource after its spans": _field(
        1,
        _field(2, _field(2, _SPAN_IDS + _START))
        + _field(1, _field(1, _field(1, b"service.name") + _field(2, _field(1, b"late")))),
    ),
}


def _value_with_unknown_fields(depth: int, *, in_lists: bool) -> bytes:
    """Return an ``AnyValue`` so deep that has unknown fields in each message of each level."""
    value = _field(1, b"text")
    for level in range(depth - 1):
        unknown = _field(99, b"unknown %d" % level)
        value += unknown
        if in_lists:
            entry = _field(1, b"k") + unknown + _field(2, value)
            value = _field(6, unknown + _field(1, entry))
        else:
            value = _field(5, _field(1, value) + unknown)
    return value + _field(98, b"unknown")


@pytest.mark.parametrize("in_lists", [False, True], ids=["arrays", "lists"])
@pytest.mark.parametrize("depth", [1, 2, 3, 20, 21, 23])
def test_unknown_fields_are_dropped_however_deep_they_lie(depth: int, *, in_lists: bool) -> None:
    deep = _value_with_unknown_fields(depth, in_lists=in_lists)
    # A key twice makes the residue keep the whole list, and with it the whole value.
    twice = (_field(1, b"k") + _field(2, deep), _field(1, b"k") + _field(99, b"unknown"))
    span = b"".join(_field(9, entry) for entry in twice)
    event = _field(11, b"".join(_field(3, entry) for entry in twice))
    body = _field(5, _field(6, b"".join(_field(1, entry) for entry in twice)))
    metadata = b"".join(_field(12, entry) for entry in twice)
    for signal, request in (
        (Signal.TRACES, _span_with(span, event)),
        (Signal.LOGS, _field(1, _field(2, _field(2, body)))),
        (Signal.METRICS, _metric(metadata, _GAUGE)),
    ):
        assert_equal_outcome(signal, request)
        decoder = ReferenceDecoder(signal)
        decoder.append(request, frame=1, received=RECEIVED, oldest=OLDEST)
        (batch,) = decoder.finish().values()
        (residue,) = batch.column("Residue").to_pylist()
        kept = [b64decode(text) for text in re.findall(r'[:"]"?([A-Za-z0-9+/=]{20,})"', residue)]
        assert kept
        assert not any(b"unknown" in raw for raw in kept)


@pytest.mark.parametrize("form", WIRE_FORMS)
def test_both_decoders_agree_on_a_hand_made_wire_form(form: str) -> None:
    assert_equal_outcome(Signal.TRACES, WIRE_FORMS[form])


def _metric(*fields: bytes) -> bytes:
    return _field(1, _field(2, _field(2, b"".join(fields))))


_POINT_TIME = _varint(3 << 3 | 1) + RECEIVED.to_bytes(8, "little")
_GAUGE = _field(5, _field(1, _POINT_TIME + _varint(6 << 3 | 1) + b"\x01" + bytes(7)))
_SUM = _field(7, _field(1, _POINT_TIME) + b"\x10\x02\x18\x01")
_PACKED = _field(6, (1).to_bytes(8, "little") + (2).to_bytes(8, "little"))
_UNPACKED = (_varint(6 << 3 | 1) + (3).to_bytes(8, "little")) * 2

METRIC_WIRE_FORMS = {
    "sum after gauge": _metric(_GAUGE, _SUM),
    "gauge after sum": _metric(_SUM, _GAUGE),
    "gauge twice is merged": _metric(_GAUGE, _GAUGE),
    "gauge, sum, gauge": _metric(_GAUGE, _SUM, _GAUGE),
    "temporality apart from the points": _metric(_SUM, _field(7, b"\x10\x01\x18\x00")),
    "name after its data": _metric(_GAUGE, _field(1, b"late")),
    "double after integer": _metric(
        _field(5, _field(1, _POINT_TIME + b"\x31" + b"\x01" * 8 + b"\x21" + b"\x02" * 8))
    ),
    "buckets packed and not": _metric(
        _field(9, _field(1, _POINT_TIME + _PACKED + _UNPACKED + _PACKED))
    ),
    "packed buckets of a wrong size": _metric(
        _field(9, _field(1, _POINT_TIME + _field(6, b"\x01" * 9)))
    ),
    "exponential buckets packed and not": _metric(
        _field(10, _field(1, _POINT_TIME + _field(8, b"\x10\x05" + _field(2, b"\x01\x80\x01"))))
    ),
    "packed varint that does not end": _metric(
        _field(10, _field(1, _POINT_TIME + _field(8, _field(2, b"\x01\x80"))))
    ),
    "positive in two parts": _metric(
        _field(
            10,
            _field(1, _POINT_TIME + _field(8, b"\x08\x05") + _field(8, b"\x10\x07")),
        )
    ),
}


@pytest.mark.parametrize("form", METRIC_WIRE_FORMS)
def test_both_decoders_agree_on_a_hand_made_metric(form: str) -> None:
    assert_equal_outcome(Signal.METRICS, METRIC_WIRE_FORMS[form])
