"""A record of the log: messages that came by one door, as they came.

======  =====  =======================================================
offset  bytes  field
======  =====  =======================================================
0       1      version, 1
1       1      length of the door's name
2              the door's name, ASCII
               then, for each message:
0       4      length of the message
4       8      when it was made, Unix nanoseconds; 0 where nobody says
12             the message, SBE
======  =====  =======================================================

All numbers are little-endian. Messages are kept as they came, faults and all: a record that is read
again gives the same rows and the same counts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from clew.store.decoder import MalformedRecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

VERSION: Final = 1

_HEAD: Final = struct.Struct("<BB")
_ENTRY: Final = struct.Struct("<Iq")

ENTRY_BYTES: Final = _ENTRY.size
"""What a message takes besides its own bytes."""


class Message(NamedTuple):
    """The bytes of a message, and when it was made: Unix nanoseconds, 0 where nobody says."""

    octets: bytes | bytearray | memoryview
    at: int = 0


def encode_record(messages: Iterable[Message], source: str) -> bytes:
    """Return messages that came by a door as one record."""
    name = source.encode("ascii")
    parts: list[bytes | bytearray | memoryview] = [_HEAD.pack(VERSION, len(name)), name]
    for octets, at in messages:
        parts.append(_ENTRY.pack(len(octets), at))
        parts.append(octets)
    return b"".join(parts)


def read_source(record: bytes) -> tuple[str, int]:
    """Return the door that a record came by, and where its messages begin.

    Raises:
        MalformedRecordError: it is no such record.
    """
    if len(record) < _HEAD.size or record[0] != VERSION:
        raise MalformedRecordError("not a record of link sets")
    first = _HEAD.size + record[1]
    try:
        return record[_HEAD.size : first].decode("ascii"), first
    except UnicodeDecodeError as error:
        raise MalformedRecordError("the door's name is not ASCII") from error


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
