"""Fields of protobuf messages as bytes, for what is written often and always looks the same.

Most of such a message is as it was the last time and can be kept as bytes; building it out of
objects makes all of it anew. Both give the same bytes. Fields have numbers up to 127.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2

_UINT64: Final = 1 << 64

_pack_fixed64: Final = Struct("<Q").pack
_pack_double: Final = Struct("<d").pack


def _write_number(number: int) -> bytes:
    rest = number % _UINT64
    octets = bytearray()
    while rest > 0x7F:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    octets.append(rest)
    return bytes(octets)


_SMALL_MAX: Final = 1024
_SMALL: Final = tuple(_write_number(number) for number in range(_SMALL_MAX))
"""Tags, lengths and most counts, which need not be written anew each time."""

_OF_TWO_MAX: Final = 1 << 14
_OF_THREE_MAX: Final = 1 << 21


def write_number(number: int) -> bytes:
    """Return a whole number of 64 bits as it stands on the wire; a negative one takes ten bytes."""
    if 0 <= number < _SMALL_MAX:
        return _SMALL[number]
    if _SMALL_MAX <= number < _OF_THREE_MAX:
        # So are nearly all that are not that small: counts of messages and of bytes.
        if number < _OF_TWO_MAX:
            return bytes((number & 0x7F | 0x80, number >> 7))
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    return _write_number(number)


def number_field(field: int, number: int) -> bytes:
    """Return a field of a whole number, an enum or a flag."""
    return _SMALL[field << 3 | _VARINT] + write_number(number)


def fixed64_field(field: int, number: int) -> bytes:
    """Return a field of eight bytes, such as a time in Unix nanoseconds."""
    return _SMALL[field << 3 | _FIXED64] + _pack_fixed64(number)


def double_field(field: int, number: float) -> bytes:
    """Return a field of a floating-point number of eight bytes."""
    return _SMALL[field << 3 | _FIXED64] + _pack_double(number)


def bytes_field(field: int, octets: bytes) -> bytes:
    """Return a field of bytes, or of a message that is bytes already."""
    size = len(octets)
    length = _SMALL[size] if size < _SMALL_MAX else _write_number(size)
    return _SMALL[field << 3 | _BYTES] + length + octets


def text_field(field: int, text: str) -> bytes:
    """Return a field of text."""
    return bytes_field(field, text.encode())
