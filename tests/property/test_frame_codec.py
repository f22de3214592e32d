"""Frames survive the wire, hostile bytes end as an error of ours, canonical JSON is one text."""

from __future__ import annotations

import contextlib
import json
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError
from clew.tree.frames import inbound, outbound
from clew.tree.frames.canonical import canonical, canonical_json, format_number
from clew.tree.frames.codec import (
    DEPTH_MAX,
    FRAME_BYTES_MAX,
    decode_inbound,
    decode_outbound,
    depth_exceeds,
    encode,
    parse,
)
from clew.tree.frames.fields import MessageKind, Source
from clew.tree.frames.keys import Signer, verify_frame
from clew.tree.machine.app import OrphanPolicy, Orphans, Tier

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
RAW = JSON.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))
IDS = st.uuids().map(str)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
COUNTS = st.integers(0, 2**53 - 1)

BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "app_id": IDS,
    "parent_id": st.none() | IDS,
    "target_id": IDS,
    "child_id": IDS,
    "header": st.builds(
        inbound.Header,
        msg_type=st.sampled_from(MessageKind),
        timestamp=COUNTS,
        seq=COUNTS,
        correlation_id=st.none() | WORDS,
    ),
    "process_info": st.none() | st.builds(inbound.ProcessInfo, pid=COUNTS, hostname=TEXT),
    "orphans": st.none() | st.builds(Orphans, done=st.sampled_from(OrphanPolicy)),
    "tier": st.none() | st.sampled_from(Tier),
    "source": st.sampled_from(Source),
    "targets": st.lists(
        st.builds(outbound.TargetReport, app_id=IDS, status=WORDS, app_status=WORDS, result=RAW),
        max_size=2,
    ).map(tuple),
    "signal": st.sampled_from(outbound.ProcessSignal),
    "exit_code": st.none() | st.integers(-(2**31), 2**31),
    "originator": JSON,
    "tags": JSON,
    "role_refs": st.lists(WORDS, max_size=3).map(tuple),
    "capabilities": st.lists(WORDS, max_size=3).map(tuple),
}


def frames(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in msgspec.structs.fields(kind):
        by_type = {bool: st.booleans(), msgspec.Raw: RAW}
        words = str(field.type)
        fallback = COUNTS if "int" in words else WORDS
        fields[field.name] = by_type.get(field.type, BY_NAME.get(field.name, fallback))
    if kind is inbound.Exited:
        fields["signal"] = st.none() | COUNTS
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


INBOUND = st.one_of([frames(kind) for kind in typing.get_args(inbound.AnyInbound)])
OUTBOUND = st.one_of([frames(kind) for kind in typing.get_args(outbound.AnyOutbound)])


def alike(frame: msgspec.Struct) -> Any:
    """Return a frame with its payload as a value: texts of the same JSON may differ in spaces."""
    return json.loads(msgspec.json.encode(frame))


@given(INBOUND)
def test_what_a_client_says_arrives_as_it_was_said(frame: Any) -> None:
    decoded = decode_inbound(encode(frame))
    assert type(decoded) is type(frame)
    assert alike(decoded) == alike(frame)
    assert encode(decoded) == encode(frame)


@given(OUTBOUND)
def test_what_the_server_says_arrives_as_it_was_said(frame: Any) -> None:
    decoded = decode_outbound(encode(frame))
    assert type(decoded) is type(frame)
    assert encode(decoded) == encode(frame)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_hostile_bytes_end_as_an_error_of_ours(data: bytes | str) -> None:
    with pytest.raises(ClewError):
        decode_inbound(data)


@given(INBOUND, st.data())
def test_a_damaged_frame_is_read_or_refused_and_nothing_else(frame: Any, data: Any) -> None:
    octets = bytearray(encode(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ClewError):
        decode_inbound(bytes(octets))


@given(JSON)
def test_any_json_that_is_no_frame_is_refused(value: Any) -> None:
    with pytest.raises(ClewError):
        decode_outbound(json.dumps(value))


def written(value: Any, data: Any) -> str:
    """Return a JSON text of a value, whose objects are lists of pairs and may have keys twice."""
    if isinstance(value, tuple):
        gap = data.draw(st.sampled_from(["", " ", "\n"]))
        pairs = (f"{json.dumps(key)}{gap}:{gap}{written(inner, data)}" for key, inner in value[0])
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(each, data) for each in value) + "]"
    return json.dumps(value, ensure_ascii=data.draw(st.booleans()))


KEYS = st.sampled_from(["a", "b", ":", '"', '":', "\\", "\u00e9"])
PAIRED = st.recursive(
    st.none() | NUMBERS | KEYS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(st.lists(st.tuples(KEYS, inner), max_size=3))
    ),
    max_leaves=8,
)


def has_twice(value: Any) -> bool:
    if isinstance(value, tuple):
        keys = [key for key, _ in value[0]]
        return len(set(keys)) < len(keys) or any(has_twice(inner) for _, inner in value[0])
    return isinstance(value, list) and any(has_twice(each) for each in value)


@given(PAIRED, st.data())
def test_a_key_twice_is_seen_wherever_it_is(value: Any, data: Any) -> None:
    text = written(value, data)
    if has_twice(value):
        with pytest.raises(ClewError, match="a key twice"):
            parse(text.encode())
    else:
        assert parse(text.encode()) == json.loads(text)


def refuse(name: str) -> None:
    raise ValueError(name)


@given(st.text('{}[]":,\\ud8edf0123456789.-+eE truefalsn\n\x00\u00e9', max_size=30))
def test_a_text_is_json_here_if_it_is_json_elsewhere(text: str) -> None:
    try:
        expected = json.loads(text, parse_constant=refuse)
    except ValueError:
        with pytest.raises(ClewError):
            parse(text.encode())
        return
    with contextlib.suppress(ClewError):
        # What is refused all the same is tested above: keys twice, halves of pairs, huge numbers.
        assert parse(text.encode()) == expected


def nesting(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(nesting, value), default=0)
    return 0


@given(JSON, st.integers(0, 5), st.booleans())
def test_depth_is_counted_as_a_parser_would(value: Any, levels: int, is_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode()
    assert depth_exceeds(text, levels) == (nesting(value) > levels)


def test_what_is_nested_too_deeply_is_refused_before_it_is_parsed() -> None:
    for opening in ("[", '{"a":'):
        with pytest.raises(ClewError, match=f"more than {DEPTH_MAX} levels"):
            decode_inbound(opening * (FRAME_BYTES_MAX // len(opening)))


def test_a_frame_that_is_too_large_is_refused() -> None:
    with pytest.raises(ClewError, match="the most"):
        decode_inbound(" " * (FRAME_BYTES_MAX + 1))


def shuffled(value: Any, data: Any) -> Any:
    if isinstance(value, dict):
        keys = data.draw(st.permutations(list(value)))
        return {key: shuffled(value[key], data) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, data) for item in value]
    return value


@given(JSON, st.data())
def test_the_canonical_form_does_not_know_the_order_of_keys(value: Any, data: Any) -> None:
    text = canonical(value)
    other = json.dumps(shuffled(value, data), indent=1, ensure_ascii=data.draw(st.booleans()))
    assert canonical_json(other.encode()) == text
    assert canonical_json(text) == text
    assert json.loads(text, parse_int=float) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself_in_the_fewest_digits(number: float) -> None:
    text = format_number(number)
    assert float(text) == number
    digits = repr(abs(number)).partition("e")[0].replace(".", "").strip("0")
    assert text.lstrip("-").partition("e")[0].replace(".", "").strip("0") == digits
    assert ("e" in text) == (number != 0 and not 1e-6 <= abs(number) < 1e21)


@given(st.integers())
def test_an_integer_is_carried_exactly_or_refused(number: int) -> None:
    try:
        text = canonical(number).decode()
    except ClewError:
        assert int(float(number)) != number
    else:
        assert float(text) == float(number)


@given(INBOUND)
def test_a_signed_frame_verifies_after_the_wire_and_with_its_nonce_alone(frame: Any) -> None:
    signer = Signer(b"\x07" * 32)
    signed = signer.sign_frame(frame, nonce="n1")
    octets = encode(signed)
    assert verify_frame(signer.pub_key, octets, "n1")
    assert not verify_frame(signer.pub_key, octets, "n2")
    assert not verify_frame(Signer(b"\x08" * 32).pub_key, octets, "n1")
