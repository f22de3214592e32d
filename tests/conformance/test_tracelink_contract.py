"""The vectors and schemas of lineage hold for this client, and for one that has only the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clew.base.errors import ClewError
from clew.lineage import LinkRing, TraceLinkPublisher
from clew.lineage.layout import IdLayout, TraceIdParts
from clew.lineage.sbe.descriptor import FrameDescriptor, decode_descriptor, encode_descriptor
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.header import Kind, Refused, read_kind
from clew.lineage.sbe.linkset import (
    DecodedSet,
    TraceLinkSet,
    decode_link_set,
    encode_link_set,
    find_fault,
    size_of,
)
from tests.conformance.sbe_schema import Schema

FOLDER = Path(__file__).parents[2] / "contracts" / "tracelink"
VECTORS: dict[str, Any] = json.loads((FOLDER / "vectors.json").read_text())
LINKS = Schema(FOLDER / "tracelink.xml")
ITEMS = Schema(FOLDER / "descriptor.xml")

GOLDEN = (
    "1c00 0100 8803 0100 07000000 0900000000000000 0b00000000000000 2a00000000000000"
    "0800 0200 0a00000000000000 1400000000000000"
)

Vector = dict[str, Any]


def why(vector: Vector) -> str:
    return str(vector["why"])


def link_set(vector: Vector) -> TraceLinkSet:
    return TraceLinkSet(
        stream_id=vector["stream_id"],
        epoch=int(vector["epoch"]),
        seq=int(vector["seq"]),
        trace_id=int(vector["trace_id"]),
        parents=tuple(map(int, vector["parents"])),
    )


def descriptor(vector: Vector) -> FrameDescriptor:
    time_ns = vector["timestamp_ns"]
    return FrameDescriptor(
        stream_id=vector["stream_id"],
        epoch=int(vector["epoch"]),
        seq=int(vector["seq"]),
        trace_id=int(vector["trace_id"]),
        timestamp_ns=None if time_ns is None else int(time_ns),
        meta_version=vector["meta_version"],
    )


def by_schema(value: TraceLinkSet) -> dict[str, Any]:
    return {
        "streamId": value.stream_id,
        "epoch": value.epoch,
        "seq": value.seq,
        "traceId": value.trace_id,
        "parents": [{"traceId": parent} for parent in value.parents],
    }


def item_by_schema(value: FrameDescriptor) -> dict[str, Any]:
    return {
        "streamId": value.stream_id,
        "epoch": value.epoch,
        "seq": value.seq,
        "timestampNs": value.timestamp_ns,
        "metaVersion": value.meta_version,
        "traceId": value.trace_id or None,
    }


def octets_of(vector: Vector) -> bytes:
    return bytes.fromhex(vector["bytes"])


@pytest.mark.parametrize("vector", VECTORS["ids"], ids=lambda vector: vector["id"])
def test_an_id_and_its_parts_belong_together(vector: Vector) -> None:
    layout = IdLayout(vector["node_bits"], vector["sequence_bits"], vector["epoch_offset_ms"])
    parts = TraceIdParts(vector["timestamp_ms"], vector["node_id"], vector["sequence"])
    assert layout.decode(int(vector["id"])) == parts
    assert str(layout.compose(parts.timestamp_ms, parts.node_id, parts.sequence)) == vector["id"]


@pytest.mark.parametrize("vector", VECTORS["not_generated"], ids=why)
def test_what_no_generator_made_has_no_parts(vector: Vector) -> None:
    with pytest.raises(ClewError):
        IdLayout().decode(int(vector["id"]))


def test_the_golden_bytes_are_those_of_the_specification() -> None:
    buffer = bytearray(56)
    assert encode_link_set(TraceLinkSet(7, 9, 11, 42, (10, 20)), buffer) == 56
    assert buffer == bytes.fromhex(GOLDEN)


def test_block_lengths_are_what_the_fields_take() -> None:
    for schema in (LINKS, ITEMS):
        for declared, taken in schema.declared_lengths().values():
            assert declared == taken


@pytest.mark.parametrize("vector", VECTORS["link_sets"], ids=why)
def test_a_set_is_written_and_read_as_its_vector(vector: Vector) -> None:
    value, octets = link_set(vector), octets_of(vector)
    buffer = bytearray(size_of(len(value.parents)))
    assert encode_link_set(value, buffer) == len(octets)
    assert buffer == octets
    assert read_kind(octets) is Kind.LINK_SET
    assert decode_link_set(octets) == DecodedSet(value, trailing=0)


@pytest.mark.parametrize("vector", VECTORS["link_sets"], ids=why)
def test_an_implementation_by_the_schema_alone_reads_and_writes_the_same(vector: Vector) -> None:
    value, octets = link_set(vector), octets_of(vector)
    assert LINKS.encode("TraceLinkSet", by_schema(value)) == octets
    assert LINKS.decode(octets) == ("TraceLinkSet", by_schema(value), b"")


@pytest.mark.parametrize("vector", VECTORS["link_sets"], ids=why)
def test_a_publisher_writes_the_bytes_of_the_vector(vector: Vector) -> None:
    value = link_set(vector)
    ring = LinkRing(1)
    publisher = TraceLinkPublisher(ring, stream_id=value.stream_id, epoch=value.epoch)
    assert publisher.emit(value.seq, value.trace_id, value.parents)
    slot = ring.take()
    assert slot.view[: slot.size] == octets_of(vector)


@pytest.mark.parametrize("vector", VECTORS["lenient"], ids=why)
def test_what_later_versions_append_is_passed_over(vector: Vector) -> None:
    decoded = decode_link_set(octets_of(vector))
    assert decoded == DecodedSet(link_set(vector), trailing=vector["trailing"])


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=why)
def test_a_set_that_is_not_in_order_is_refused_for_its_reason(vector: Vector) -> None:
    octets = octets_of(vector)
    assert read_kind(octets) is Kind.LINK_SET
    assert decode_link_set(octets) == Refused(Fault(vector["fault"]))


def test_a_reader_may_allow_fewer_parents() -> None:
    vector = VECTORS["max_parents"]
    refused = decode_link_set(octets_of(vector), max_parents=vector["allowed"])
    assert refused == Refused(Fault(vector["fault"]))


@pytest.mark.parametrize("vector", VECTORS["ignored"], ids=why)
def test_what_is_none_of_ours_is_no_fault(vector: Vector) -> None:
    assert read_kind(octets_of(vector)) is Kind.OTHER


@pytest.mark.parametrize("vector", VECTORS["descriptors"], ids=why)
def test_a_descriptor_is_written_and_read_as_its_vector(vector: Vector) -> None:
    value, octets = descriptor(vector), octets_of(vector)
    buffer = bytearray(len(octets))
    assert encode_descriptor(value, buffer) == len(octets)
    assert buffer == octets
    assert read_kind(octets) is Kind.DESCRIPTOR
    assert decode_descriptor(octets) == value
    assert ITEMS.encode("FrameDescriptor", item_by_schema(value)) == octets
    assert ITEMS.decode(octets) == ("FrameDescriptor", item_by_schema(value), b"")


@pytest.mark.parametrize("vector", VECTORS["descriptors"], ids=why)
def test_a_publisher_writes_the_bytes_of_the_descriptor(vector: Vector) -> None:
    value = descriptor(vector)
    ring = LinkRing(1)
    publisher = TraceLinkPublisher(ring, stream_id=value.stream_id, epoch=value.epoch)
    assert publisher.describe(
        value.seq,
        value.trace_id,
        timestamp_ns=value.timestamp_ns,
        meta_version=value.meta_version,
    )
    slot = ring.take()
    assert slot.view[: slot.size] == octets_of(vector)


@pytest.mark.parametrize("vector", VECTORS["descriptors_lenient"], ids=why)
def test_descriptors_of_other_versions_are_read(vector: Vector) -> None:
    assert decode_descriptor(octets_of(vector)) == descriptor(vector)


@pytest.mark.parametrize("vector", VECTORS["descriptors_refused"], ids=why)
def test_a_descriptor_that_is_not_in_order_is_refused(vector: Vector) -> None:
    assert decode_descriptor(octets_of(vector)) == Refused(Fault(vector["fault"]))


def test_a_writer_refuses_what_a_reader_would() -> None:
    buffer = bytearray(64)
    refused = [
        (TraceLinkSet(1, 1, 1, 0, (1,)), Fault.NO_TRACE_ID),
        (TraceLinkSet(1, 1, 1, 5, ()), Fault.NO_PARENTS),
        (TraceLinkSet(1, 1, 1, 5, (1, 0)), Fault.ZERO_PARENT),
        (TraceLinkSet(1, 1, 1, 5, (1, 2, 1)), Fault.DUPLICATE_PARENT),
        (TraceLinkSet(1, 1, 1, 5, (5,)), Fault.SELF_PARENT),
        (TraceLinkSet(1, 1, 1, 5, (-1,)), Fault.OUT_OF_RANGE),
        (TraceLinkSet(1, 1, 1, 5, (2**64,)), Fault.OUT_OF_RANGE),
        (TraceLinkSet(2**32, 1, 1, 5, (1,)), Fault.OUT_OF_RANGE),
        (TraceLinkSet(1, 1, 1, 5, tuple(range(10, 178))), Fault.TOO_MANY_PARENTS),
    ]
    for value, fault in refused:
        assert encode_link_set(value, buffer) == fault
    assert find_fault(5, range(1, 4), max_parents=2) is Fault.TOO_MANY_PARENTS
    assert encode_descriptor(FrameDescriptor(1, 1, -1), buffer) is Fault.OUT_OF_RANGE


def test_a_buffer_without_room_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="56 bytes"):
        encode_link_set(TraceLinkSet(7, 9, 11, 42, (10, 20)), bytearray(55))
    with pytest.raises(ValueError, match="48 bytes"):
        encode_descriptor(FrameDescriptor(7, 9, 11), bytearray(47))
