"""Where things lie in a serialised protobuf message, so that they can be changed in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


class Field(NamedTuple):
    """One field of a message: its number and the bounds of its content in the buffer."""

    number: int
    start: int
    end: int


def fields(buffer: bytes, start: int, end: int) -> Iterator[Field]:
    """Yield the fields of the message that lies between two offsets of a well-formed buffer."""
    at = start
    while at < end:
        tag, at = _varint(buffer, at)
        wire_type = tag & 7
        if wire_type == _VARINT:
            content = at
            _, at = _varint(buffer, at)
        elif wire_type == _LENGTH:
            size, content = _varint(buffer, at)
            at = content + size
        else:
            content = at
            at += _FIXED_BYTES[wire_type]
        yield Field(tag >> 3, content, at)


def descend(buffer: bytes, *path: int) -> Iterator[Field]:
    """Yield every field that a path of field numbers leads to, from the message's top."""
    found = [Field(0, 0, len(buffer))]
    for number in path:
        found = [
            child
            for parent in found
            for child in fields(buffer, parent.start, parent.end)
            if child.number == number
        ]
    return iter(found)


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
