"""What a tap sees of the messages that go by: link sets in full, and why others are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from clew.base.times import format_time
from clew.lineage.sbe.header import (
    HEADER,
    HEADER_BYTES,
    LINEAGE_SCHEMA,
    Kind,
    Refused,
    read_kind,
)
from clew.lineage.sbe.linkset import decode_link_set

if TYPE_CHECKING:
    from clew.lineage.sbe.header import Octets


class TappedSet(msgspec.Struct, frozen=True, kw_only=True):
    """A link set as it went by; numbers of 64 bits are decimal texts."""

    at: str
    """When it came."""

    template_id: int
    schema_id: int
    block_length: int
    version: int
    msg_stream_id: int
    epoch: str
    seq: str
    trace_id: str
    parents: tuple[str, ...]
    trailing_bytes: int
    """What came behind it: padding, or fields of a later version."""


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the schema of link sets that is none: another template, or version 0."""

    template_id: int
    schema_id: int
    block_length: int
    version: int
    length: int
    """Of the whole message, in bytes."""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is not in order, and why; one too short for a header is truncated."""

    fault: str
    length: int


class Foreign(NamedTuple):
    """A message of another schema, such as the descriptor of an item."""

    schema_id: int


def read_tapped(octets: Octets, at: int) -> TappedSet | Unknown | Unreadable | Foreign:
    """Return what a message is that came at a Unix nanosecond. Nothing is raised."""
    length = len(octets)
    if length < HEADER_BYTES:
        return Unreadable(fault="truncated", length=length)
    block_length, template_id, schema_id, version = HEADER.unpack_from(octets)
    if schema_id != LINEAGE_SCHEMA:
        return Foreign(schema_id)
    if read_kind(octets) is not Kind.LINK_SET:
        return Unknown(
            template_id=template_id,
            schema_id=schema_id,
            block_length=block_length,
            version=version,
            length=length,
        )
    decoded = decode_link_set(octets)
    if isinstance(decoded, Refused):
        return Unreadable(fault=decoded.fault.value, length=length)
    value = decoded.value
    return TappedSet(
        at=format_time(at),
        template_id=template_id,
        schema_id=schema_id,
        block_length=block_length,
        version=version,
        msg_stream_id=value.stream_id,
        epoch=str(value.epoch),
        seq=str(value.seq),
        trace_id=str(value.trace_id),
        parents=tuple(map(str, value.parents)),
        trailing_bytes=decoded.trailing,
    )
