"""A library that others wrote reads our messages by our schema, and writes what we read.

The package `sbe` is there for these tests alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sbe

from clew.lineage.sbe.descriptor import FrameDescriptor, encode_descriptor
from clew.lineage.sbe.linkset import (
    DecodedSet,
    TraceLinkSet,
    decode_link_set,
    encode_link_set,
    size_of,
)

FOLDER = Path(__file__).parents[2] / "contracts" / "tracelink"

SETS = [
    TraceLinkSet(7, 9, 11, 42, (10, 20)),
    TraceLinkSet(0, 0, 0, 1, (2,)),
    TraceLinkSet(2**32 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1, (2**63, 2**64 - 2)),
    TraceLinkSet(1, 2, 3, 4, tuple(range(100, 267))),
]


def schema(name: str) -> Any:
    with (FOLDER / name).open() as file:
        return sbe.Schema.parse(file)


def fields(value: TraceLinkSet) -> dict[str, Any]:
    return {
        "streamId": value.stream_id,
        "epoch": value.epoch,
        "seq": value.seq,
        "traceId": value.trace_id,
        "parents": [{"traceId": parent} for parent in value.parents],
    }


@pytest.mark.parametrize("value", SETS, ids=lambda value: str(len(value.parents)))
def test_link_sets_are_the_same_in_both(value: TraceLinkSet) -> None:
    theirs = schema("tracelink.xml")
    buffer = bytearray(size_of(len(value.parents)))
    encode_link_set(value, buffer)
    assert theirs.decode(bytes(buffer)).value == fields(value)
    octets = bytes(theirs.encode(theirs.messages[1], fields(value)))
    assert octets == buffer
    assert decode_link_set(octets) == DecodedSet(value, trailing=0)


def test_descriptors_are_read_by_it() -> None:
    buffer = bytearray(48)
    encode_descriptor(FrameDescriptor(7, 9, 11, 42, timestamp_ns=5), buffer)
    assert schema("descriptor.xml").decode(bytes(buffer)).value == {
        "streamId": 7,
        "epoch": 9,
        "seq": 11,
        "timestampNs": 5,
        "metaVersion": None,
        "traceId": 42,
    }
