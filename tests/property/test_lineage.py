"""Ids against Agrona's algorithm, messages against a codec that knows the schema alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from clew.lineage import LinkRing, TraceIdGenerator, TraceLinkPoller, TraceLinkPublisher
from clew.lineage.layout import IdLayout
from clew.lineage.sbe.descriptor import FrameDescriptor, decode_descriptor
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.header import Kind, Refused, read_kind
from clew.lineage.sbe.linkset import (
    DecodedSet,
    TraceLinkSet,
    decode_link_set,
    encode_link_set,
    size_of,
)
from tests.conformance.sbe_schema import Schema

FOLDER = Path(__file__).parents[2] / "contracts" / "tracelink"
LINKS = Schema(FOLDER / "tracelink.xml")
ITEMS = Schema(FOLDER / "descriptor.xml")

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
IDS = st.integers(1, 2**64 - 1)


@st.composite
def link_sets(draw: st.DrawFn) -> TraceLinkSet:
    trace_id = draw(IDS)
    parents = draw(st.lists(IDS, min_size=1, max_size=20, unique=True))
    assume(trace_id not in parents)
    return TraceLinkSet(draw(U32), draw(U64), draw(U64), trace_id, tuple(parents))


def encoded(value: TraceLinkSet) -> bytes:
    buffer = bytearray(size_of(len(value.parents)))
    assert encode_link_set(value, buffer) == len(buffer)
    return bytes(buffer)


def by_schema(value: TraceLinkSet) -> dict[str, Any]:
    return {
        "streamId": value.stream_id,
        "epoch": value.epoch,
        "seq": value.seq,
        "traceId": value.trace_id,
        "parents": [{"traceId": parent} for parent in value.parents],
    }


@given(link_sets())
def test_another_implementation_reads_our_sets_and_we_read_its(value: TraceLinkSet) -> None:
    assert LINKS.decode(encoded(value)) == ("TraceLinkSet", by_schema(value), b"")
    assert decode_link_set(LINKS.encode("TraceLinkSet", by_schema(value))) == DecodedSet(value, 0)


@given(U32, U64, U64, U64, st.none() | st.integers(0, 2**64 - 2), st.none() | st.integers(0, 99))
def test_another_implementation_writes_descriptors_that_we_read(
    stream_id: int, epoch: int, seq: int, trace_id: int, time_ns: int | None, version: int | None
) -> None:
    octets = ITEMS.encode(
        "FrameDescriptor",
        {
            "streamId": stream_id,
            "epoch": epoch,
            "seq": seq,
            "timestampNs": time_ns,
            "metaVersion": version,
            "traceId": trace_id,
        },
    )
    value = FrameDescriptor(stream_id, epoch, seq, trace_id, time_ns, version)
    assert decode_descriptor(octets) == value


@given(link_sets(), st.data())
def test_a_set_that_is_cut_anywhere_is_truncated(value: TraceLinkSet, data: st.DataObject) -> None:
    octets = encoded(value)
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]
    if len(cut) < 8:
        assert read_kind(cut) is Kind.OTHER
    else:
        assert decode_link_set(cut) == Refused(Fault.TRUNCATED)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_refused_or_none_of_ours(octets: bytes, is_ours: bool) -> None:
    ring = LinkRing(1)
    slot = ring.claim()
    message = b"\x1c\x00\x01\x00\x88\x03\x01\x00" + octets if is_ours else octets
    slot.view[: len(message)] = message
    slot.size = len(message)
    ring.commit(slot)
    heard: list[TraceLinkSet] = []
    poller = TraceLinkPoller(ring, heard.append)
    assert poller.poll() == 1
    counted = poller.statistics()
    refused = sum(counted.refused.values())
    assert counted.received == 1 == counted.accepted + counted.ignored + refused
    for value in heard:
        assert value.trace_id
        assert value.trace_id not in value.parents
        assert 0 not in value.parents
        assert 0 < len(value.parents) == len(set(value.parents))


PARENTS = st.lists(st.integers(0, 6), max_size=12)


@given(st.integers(0, 6), PARENTS)
def test_what_is_published_is_what_a_reader_accepts(trace_id: int, parents: list[int]) -> None:
    ring = LinkRing(1, max_parents=4)
    publisher = TraceLinkPublisher(ring, stream_id=1, epoch=2)
    kept = list(dict.fromkeys(parent for parent in parents if parent))
    is_sound = bool(trace_id and kept and trace_id not in kept and len(kept) <= 4)
    assert publisher.emit(3, trace_id, parents) is is_sound
    heard: list[TraceLinkSet] = []
    assert TraceLinkPoller(ring, heard.append).poll() == is_sound
    assert [value.parents for value in heard] == [tuple(kept)] * is_sound
    told = publisher.statistics()
    assert told.accepted == is_sound
    assert sum(told.dropped.values()) == (not is_sound)
    assert told.untraced_parents == parents.count(0)
    assert told.duplicate_parents == len(parents) - parents.count(0) - len(kept)


class Agrona:
    """The oracle: one word of milliseconds and count, moved on by whoever asks."""

    def __init__(self, layout: IdLayout, node_id: int) -> None:
        self.layout = layout
        self.node_id = node_id
        self.at = -1
        self.count = 0

    def next(self, now: int) -> int:
        if now > self.at:
            self.at, self.count = now, 0
        elif self.count < self.layout.sequence_max:
            self.count += 1
        else:
            return 0
        return self.layout.compose(self.at, self.node_id, self.count)


@given(
    st.integers(0, 12),
    st.integers(2, 10),
    st.lists(st.tuples(st.integers(-50, 50), st.integers(1, 4)), max_size=40),
)
def test_ids_are_those_of_agrona_whatever_the_clock_does(
    node_bits: int, sequence_bits: int, moves: list[tuple[int, int]]
) -> None:
    layout = IdLayout(node_bits, sequence_bits)
    at = 1000
    generator = TraceIdGenerator(
        layout.node_id_max, node_bits=node_bits, sequence_bits=sequence_bits, clock=lambda: at
    )
    oracle = Agrona(layout, layout.node_id_max)
    previous = 0
    for step, calls in moves:
        at = max(1, at + step)
        for _ in range(calls):
            expected = oracle.next(at)
            # What is used up is waited for, which costs time and is looked at elsewhere.
            assume(expected)
            trace_id = generator.next()
            assert trace_id == expected
            assert trace_id > previous
            previous = trace_id


@given(st.integers(0, 22), st.data())
def test_parts_make_an_id_that_has_those_parts(node_bits: int, data: st.DataObject) -> None:
    layout = IdLayout(node_bits, data.draw(st.integers(0, 22 - node_bits)), 1000)
    moment = data.draw(st.integers(1001, layout.timestamp_ms_max))
    node_id = data.draw(st.integers(0, layout.node_id_max))
    sequence = data.draw(st.integers(0, layout.sequence_max))
    decoded = layout.decode(layout.compose(moment, node_id, sequence))
    assert (decoded.timestamp_ms, decoded.node_id, decoded.sequence) == (moment, node_id, sequence)
