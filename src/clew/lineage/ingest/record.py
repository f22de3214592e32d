"""A record of the log: messages that came by one door, as they came.

======  =====  =======================================================
offset  bytes  field
======  =====  =======================================================
0       1      version, 1 or 2
1       1      length of the door's name
2              the door's name, ASCII
               then, in version 2 alone, names of ids in the messages:
0       4      length of what follows
4              the names, MessagePack: an array of `Named`
               then, for each message:
0       4      length of the message
4       8      when it was made, Unix nanoseconds; 0 where nobody says
12             the message, SBE
======  =====  =======================================================

All numbers are little-endian. Messages are kept as they came, faults and all: a record that is read
again gives the same rows and the same counts. Records without names are of version 1.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from clew.store.decoder import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PLAIN: Final = 1
NAMING: Final = 2

_HEAD: Final = struct.Struct("<BB")
_SIZE: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<Iq")

ENTRY_BYTES: Final = _ENTRY.size
"""What a message takes besides its own bytes."""


class Message(NamedTuple):
    """The bytes of a message, and when it was made: Unix nanoseconds, 0 where nobody says."""

    octets: bytes | bytearray | memoryview
    at: int = 0


class Named(NamedTuple):
    """A trace id, and the dataset that it is made of; no version where none was named."""

    trace_id: int
    namespace: str
    name: str
    version: str | None


_NAMES: Final = msgspec.msgpack.Decoder(list[Named])


class Head(NamedTuple):
    """The door that a record came by, what some ids are called, and where its messages begin."""

    source: str
    names: Sequence[Named]
    first: int


def encode_record(messages: Iterable[Message], source: str, names: Sequence[Named] = ()) -> bytes:
    """Return messages that came by a door as one record, with names of ids in them."""
    door = source.encode("ascii")
    version = NAMING if names else PLAIN
    parts: list[bytes | bytearray | memoryview] = [_HEAD.pack(version, len(door)), door]
    if names:
        packed = msgspec.msgpack.encode(names)
        parts += (_SIZE.pack(len(packed)), packed)
    for octets, at in messages:
        parts.append(_ENTRY.pack(len(octets), at))
        parts.append(octets)
    return b"".join(parts)


def read_head(record: bytes) -> Head:
    """Return what stands before the messages of a record.

    Raises:
        MalformedRecordError: it is no such record.
    """
    if len(record) < _HEAD.size or record[0] not in (PLAIN, NAMING):
        raise MalformedRecordError("not a record of link sets")
    first = _HEAD.size + record[1]
    try:
        source = record[_HEAD.size : first].decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedRecordError("the door's name is not ASCII") from error
    if record[0] == PLAIN:
        return Head(source, (), first)
    names = first + _SIZE.size
    if names > len(record):
        raise MalformedRecordError("the record ends before its names")
    first = names + _SIZE.unpack_from(record, first)[0]
    if first > len(record):
        raise MalformedRecordError("the record ends within its names")
    try:
        return Head(source, _NAMES.decode(record[names:first]), first)
    except msgspec.DecodeError as error:
        raise MalformedRecordError("its names cannot be read") from error


def read_messages(record: bytes, first: int) -> Iterator[Message]:
    """Yield the messages of a record.

    Raises:
        MalformedRecordError: it ends within one.
    """
    view = memoryview(record)
    while first < len(record):
        start = first + ENTRY_BYTES
        if start > len(record):
            raise MalformedRecordError("the record ends before a message")
        size, at = _ENTRY.unpack_from(record, first)
        first = start + size
        if first > len(record):
            raise MalformedRecordError("the record ends within a message")
        yield Message(view[start:first], at)
