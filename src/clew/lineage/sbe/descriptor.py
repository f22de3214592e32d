"""`FrameDescriptor`: an item that was put out, with its trace id.

Behind the header: stream (u32), epoch, seq (u64), the time of publication in nanoseconds (u64, all
ones for none), version of the metadata (u32, all ones for none), trace id (u64, 0 for none); 40
bytes. Schema 900, template 4. Writers of before there were trace ids end their block with the
metadata's version, which means none.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from clew.lineage.layout import NULL_TRACE_ID
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.header import (
    CONTROL_SCHEMA,
    DESCRIPTOR_TEMPLATE,
    HEADER,
    HEADER_BYTES,
    VERSION,
    Octets,
    Refused,
)

BLOCK_BYTES: Final = 40
DESCRIPTOR_BYTES: Final = HEADER_BYTES + BLOCK_BYTES

NO_TIME: Final = 2**64 - 1
NO_VERSION: Final = 2**32 - 1

_UNTRACED_BYTES: Final = 32
_BLOCK: Final = struct.Struct("<IQQQI")
_TRACE_ID: Final = struct.Struct("<Q")
MESSAGE: Final = struct.Struct("<HHHHIQQQIQ")


@dataclass(frozen=True, slots=True)
class FrameDescriptor:
    """An item of a stream. `trace_id` is 0 where it was not traced."""

    stream_id: int
    epoch: int
    seq: int
    trace_id: int = NULL_TRACE_ID
    timestamp_ns: int | None = None
    """When it was put out, not when it was captured."""

    meta_version: int | None = None


def encode_descriptor(
    value: FrameDescriptor, buffer: bytearray | memoryview, offset: int = 0
) -> int | Fault:
    """Write a descriptor, and return the bytes that it takes, or what is wrong with it.

    Raises:
        ValueError: the buffer has no room for it.
    """
    if len(buffer) - offset < DESCRIPTOR_BYTES:
        raise ValueError(f"a descriptor takes {DESCRIPTOR_BYTES} bytes")
    time_ns = NO_TIME if value.timestamp_ns is None else value.timestamp_ns
    version = NO_VERSION if value.meta_version is None else value.meta_version
    try:
        MESSAGE.pack_into(
            buffer,
            offset,
            *(BLOCK_BYTES, DESCRIPTOR_TEMPLATE, CONTROL_SCHEMA, VERSION),
            *(value.stream_id, value.epoch, value.seq, time_ns, version, value.trace_id),
        )
    except struct.error:
        return Fault.OUT_OF_RANGE
    return DESCRIPTOR_BYTES


def decode_descriptor(buffer: Octets, offset: int = 0) -> FrameDescriptor | Refused:
    """Read a descriptor from where `read_kind` says that one begins, or return what is wrong."""
    block_bytes = HEADER.unpack_from(buffer, offset)[0]
    if block_bytes < _UNTRACED_BYTES:
        return Refused(Fault.SHORT_BLOCK)
    if len(buffer) - offset - HEADER_BYTES < block_bytes:
        return Refused(Fault.TRUNCATED)
    block = offset + HEADER_BYTES
    stream_id, epoch, seq, time_ns, version = _BLOCK.unpack_from(buffer, block)
    trace_id = NULL_TRACE_ID
    if block_bytes >= BLOCK_BYTES:
        (trace_id,) = _TRACE_ID.unpack_from(buffer, block + _UNTRACED_BYTES)
    return FrameDescriptor(
        stream_id,
        epoch,
        seq,
        trace_id,
        timestamp_ns=None if time_ns == NO_TIME else time_ns,
        meta_version=None if version == NO_VERSION else version,
    )
