"""`TraceLinkSet`: the output, and the trace ids of all that it was made of.

======  ====  =====================  =====================
offset  size  field                  value
======  ====  =====================  =====================
0       8     header                 28, 1, 904, 1
8       4     stream                 of the output
12      8     epoch                  of the output
20      8     seq                    of the output
28      8     trace id               of the output, never 0
36      4     the group's header     8, N; N from 1
40      8N    parents' trace ids     each once, never 0
======  ====  =====================  =====================

This is the definition that other implementations are compared with.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from clew.lineage.layout import NULL_TRACE_ID
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.header import (
    HEADER,
    HEADER_BYTES,
    LINEAGE_SCHEMA,
    LINK_SET_TEMPLATE,
    VERSION,
    Octets,
    Refused,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

BLOCK_BYTES: Final = 28
GROUP_OFFSET: Final = HEADER_BYTES + BLOCK_BYTES
PARENT_BYTES: Final = 8

FIXED_BYTES: Final = 40
"""A set takes these and eight for each parent."""

PARENTS_MAX: Final = 65_534
"""Of the wire: the count has 16 bits, and all ones mean none."""

PARENTS_MAX_DEFAULT: Final = 167
"""What a set may name unless told otherwise: so many fit in one Aeron message of 1408 bytes, which
cannot be split, and so in one datagram on any network."""

_BLOCK: Final = struct.Struct("<IQQQ")
GROUP: Final = struct.Struct("<HH")


@dataclass(frozen=True, slots=True)
class TraceLinkSet:
    """An item of a stream, its trace id, and those that it was made of, in the order observed."""

    stream_id: int
    epoch: int
    seq: int
    trace_id: int
    parents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecodedSet:
    """A set, and how many bytes came behind it: alignment, or the fields of a later version."""

    value: TraceLinkSet
    trailing: int


def size_of(parents: int) -> int:
    """Return the bytes that a set of so many parents takes."""
    return FIXED_BYTES + PARENT_BYTES * parents


def find_fault(
    trace_id: int, parents: Collection[int], max_parents: int = PARENTS_MAX_DEFAULT
) -> Fault | None:
    """Return what is wrong with an output and its parents, as their writer and reader see it."""
    count = len(parents)
    if trace_id == NULL_TRACE_ID:
        return Fault.NO_TRACE_ID
    if count == 0:
        return Fault.NO_PARENTS
    if count > max_parents:
        return Fault.TOO_MANY_PARENTS
    distinct = set(parents)
    if NULL_TRACE_ID in distinct:
        return Fault.ZERO_PARENT
    if len(distinct) < count:
        return Fault.DUPLICATE_PARENT
    return Fault.SELF_PARENT if trace_id in distinct else None


@lru_cache(maxsize=16)
def _large(parents: int) -> struct.Struct:
    return _message(parents)


def _message(parents: int) -> struct.Struct:
    """Return the whole message of so many parents, header and all, as one structure."""
    return struct.Struct(f"<HHHHIQQQHH{parents}Q")


_SMALL: Final = tuple(_message(parents) for parents in range(33))
"""Those that are asked for again and again."""


def write_sound_set(
    buffer: bytearray | memoryview,
    stream_id: int,
    epoch: int,
    seq: int,
    trace_id: int,
    parents: Sequence[int],
    max_parents: int,
    /,
) -> int:
    """Write a set that is in order, and return the bytes that it takes; 0 for one that is not.

    Raises:
        struct.error: a number does not fit its field, or the set does not fit the buffer.
    """
    count = len(parents)
    distinct = set(parents)
    if not (
        len(distinct) == count
        and trace_id
        and trace_id not in distinct
        and NULL_TRACE_ID not in distinct
        and 0 < count <= max_parents
    ):
        return 0
    layout = _SMALL[count] if count < len(_SMALL) else _large(count)
    layout.pack_into(
        *(buffer, 0, BLOCK_BYTES, LINK_SET_TEMPLATE, LINEAGE_SCHEMA, VERSION, stream_id),
        *(epoch, seq, trace_id, PARENT_BYTES, count),
        *parents,
    )
    return FIXED_BYTES + PARENT_BYTES * count


def encode_link_set(
    value: TraceLinkSet,
    buffer: bytearray | memoryview,
    offset: int = 0,
    *,
    max_parents: int = PARENTS_MAX_DEFAULT,
) -> int | Fault:
    """Write a set, and return the bytes that it takes, or what is wrong with it.

    Bounds: what stands in the buffer where a fault is returned is no message; it must have room for
    the set.

    Raises:
        ValueError: the buffer has not.
    """
    fault = find_fault(value.trace_id, value.parents, min(max_parents, PARENTS_MAX))
    if fault is not None:
        return fault
    size = size_of(len(value.parents))
    if len(buffer) - offset < size:
        raise ValueError(f"a set of {len(value.parents)} parents takes {size} bytes")
    try:
        return write_sound_set(
            *(memoryview(buffer)[offset:], value.stream_id, value.epoch, value.seq),
            *(value.trace_id, value.parents, max_parents),
        )
    except struct.error:
        return Fault.OUT_OF_RANGE


def decode_link_set(
    buffer: Octets, offset: int = 0, *, max_parents: int = PARENTS_MAX
) -> DecodedSet | Refused:
    """Read a set from where `read_kind` says that one begins, or return what is wrong with it.

    Lengths are those that the message tells, so fields that a later version appends, to the message
    or to each parent, are passed over. Bytes behind the message are no fault.
    """
    end = len(buffer)
    block_bytes = HEADER.unpack_from(buffer, offset)[0]
    if block_bytes < BLOCK_BYTES:
        return Refused(Fault.SHORT_BLOCK)
    group = offset + HEADER_BYTES + block_bytes
    if end < group + GROUP.size:
        return Refused(Fault.TRUNCATED)
    stream_id, epoch, seq, trace_id = _BLOCK.unpack_from(buffer, offset + HEADER_BYTES)
    stride, count = GROUP.unpack_from(buffer, group)
    if count and stride < PARENT_BYTES:
        return Refused(Fault.SHORT_BLOCK)
    first = group + GROUP.size
    trailing = end - first - stride * count
    if trailing < 0:
        return Refused(Fault.TRUNCATED)
    if count > max_parents:
        return Refused(Fault.TOO_MANY_PARENTS)
    parents = _read_parents(buffer, first, stride, count)
    fault = find_fault(trace_id, parents, max_parents)
    if fault is not None:
        return Refused(fault)
    return DecodedSet(TraceLinkSet(stream_id, epoch, seq, trace_id, parents), trailing)


def _read_parents(buffer: Octets, first: int, stride: int, count: int) -> tuple[int, ...]:
    if stride == PARENT_BYTES:
        return struct.unpack_from(f"<{count}Q", buffer, first)
    one = struct.Struct("<Q")
    return tuple(one.unpack_from(buffer, first + stride * place)[0] for place in range(count))
