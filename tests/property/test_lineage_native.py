"""The native extension does what Python does: the same ids, the same bytes, the same refusals."""

from __future__ import annotations

from array import array
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.lineage import LinkRing, TraceIdGenerator, TraceLinkPublisher
from clew.lineage.layout import IdLayout
from clew.lineage.native import native_module
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.linkset import TraceLinkSet, encode_link_set

MODULE = native_module()
if MODULE is None:
    pytest.skip("the native extension is not installed", allow_module_level=True)
NATIVE: ModuleType = MODULE

U64 = st.integers(0, 2**64 - 1)
PARENTS = st.lists(st.integers(0, 40) | U64, max_size=40)


@given(
    st.integers(0, 12),
    st.integers(2, 10),
    st.integers(0, 1000),
    st.lists(st.integers(-50, 50), max_size=60),
)
def test_ids_are_the_same_whatever_the_clock_does(
    node_bits: int, sequence_bits: int, epoch_offset_ms: int, steps: list[int]
) -> None:
    layout = IdLayout(node_bits, sequence_bits, epoch_offset_ms)
    at = 1000
    ours = TraceIdGenerator(
        layout.node_id_max,
        node_bits=node_bits,
        sequence_bits=sequence_bits,
        epoch_offset_ms=epoch_offset_ms,
        clock=lambda: at,
    )
    theirs = NATIVE.TraceIdSequence(layout.node_id_max, node_bits, sequence_bits, epoch_offset_ms)
    for step in steps:
        at += step
        expected = theirs.next_at(at)
        # What is used up is waited for by ours, which costs time and is looked at elsewhere.
        if expected:
            assert ours.next() == expected


@given(st.integers(0, 2**32 - 1), U64, U64, st.integers(0, 40) | U64, PARENTS, st.booleans())
def test_sets_are_the_same_bytes_or_refused_for_the_same_reason(
    stream_id: int,
    epoch: int,
    seq: int,
    trace_id: int,
    parents: list[int],
    is_list: bool,
) -> None:
    ours, theirs = bytearray(40 + 8 * 30), bytearray(40 + 8 * 30)
    value = TraceLinkSet(stream_id, epoch, seq, trace_id, tuple(parents))
    expected = encode_link_set(value, ours, max_parents=30)
    given_parents = parents if is_list else tuple(parents)
    found = NATIVE.encode_link_set(
        memoryview(theirs), stream_id, epoch, seq, trace_id, given_parents, 30
    )
    if isinstance(expected, Fault):
        assert NATIVE.LINK_SET_FAULTS[-1 - found] == expected
        assert not any(theirs)
    else:
        assert (found, theirs) == (expected, ours)


@given(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=8))
def test_a_publisher_says_the_same_by_either(trace_id: int, parents: list[int]) -> None:
    told = []
    # What is neither a tuple nor a list is left to Python.
    for held in (parents, array("Q", parents)):
        ring = LinkRing(1, max_parents=4)
        publisher = TraceLinkPublisher(ring, stream_id=1, epoch=2)
        sent = publisher.emit(3, trace_id, held)
        slot = ring.take() if sent else None
        octets = bytes(slot.view[: slot.size]) if slot else b""
        told.append((sent, octets, publisher.statistics()))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 1, 1, 5, (1,), 4),
        (2**32, 1, 1, 5, (1,), 4),
        (1, 2**64, 1, 5, (1,), 4),
        (1, 1, -1, 5, (1,), 4),
        (1, 1, 1, "five", (1,), 4),
        (1, 1, 1, 5, (1, None), 4),
        (1, 1, 1, 5, [1.5], 4),
        (1, 1, 1, 5, (*range(10, 40), 2**64), 40),
    ],
)
def test_what_is_no_number_raises_and_writes_nothing(arguments: tuple[Any, ...]) -> None:
    buffer = bytearray(400)
    with pytest.raises((TypeError, OverflowError)):
        NATIVE.encode_link_set(memoryview(buffer), *arguments)
    assert not any(buffer)


def test_what_has_no_room_is_not_written() -> None:
    assert NATIVE.encode_link_set(memoryview(bytearray(47)), 1, 1, 1, 5, (1,), 4) == 0
    assert NATIVE.encode_link_set(memoryview(bytearray(48)), 1, 1, 1, 5, (1,), 4) == 48
    with pytest.raises((TypeError, BufferError)):
        NATIVE.encode_link_set(memoryview(bytes(48)), 1, 1, 1, 5, (1,), 4)


def test_a_sequence_that_cannot_be_is_refused() -> None:
    for wrong in ((1024, 10, 12, 0), (0, 10, 13, 0), (0, 10, 12, -1)):
        with pytest.raises(ValueError, match="together"):
            NATIVE.TraceIdSequence(*wrong)
    with pytest.raises(ValueError, match="reason"):
        NATIVE.TraceIdSequence(0, 10, 12, 0).end("tired")
