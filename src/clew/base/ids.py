"""Ids: those of traces and spans as people write them, and those that clew gives out itself."""

from __future__ import annotations

import re
import secrets
from typing import Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS

TRACE_ID_CHARS: Final = 32
SPAN_ID_CHARS: Final = 16

_HEX = re.compile(r"[0-9a-fA-F]+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_VARIANTS: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""A random hex digit as the one that begins with the variant of RFC 9562, two bits of it kept."""


def parse_trace_id(text: str) -> str:
    """Return a trace id as it is stored; a shorter one (64 bits, as some tools show) is widened.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is no hex number of at most 128 bits.
    """
    return _parse_hex(text, TRACE_ID_CHARS, "trace")


def parse_span_id(text: str) -> str:
    """Return a span id as it is stored.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is no hex number of at most 64 bits.
    """
    return _parse_hex(text, SPAN_ID_CHARS, "span")


def new_uuid(at: int) -> str:
    """Return a fresh UUID of version 7 for a moment in Unix nanoseconds; later ones sort later."""
    # 48 bits of milliseconds, the version, 12 random bits, the variant, 62 random bits. It is text
    # from the start, because every event that a program emits gets one.
    time = f"{(at // NS_PER_MS) & (2**48 - 1):012x}"
    some = secrets.token_hex(10)
    return f"{time[:8]}-{time[8:]}-7{some[:3]}-{_VARIANTS[some[3]]}{some[4:7]}-{some[7:19]}"


def parse_uuid(text: str) -> str:
    """Return a UUID in lower case.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is none.
    """
    lowered = text.lower()
    if _UUID.fullmatch(lowered):
        return lowered
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not an id: {text[:64]!r}",
        hint="an id looks like 01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d",
    )


def _parse_hex(text: str, characters: int, what: str) -> str:
    if len(text) <= characters and _HEX.fullmatch(text):
        return text.lower().rjust(characters, "0")
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a {what} id: {text[:64]!r}",
        hint=f"a {what} id is {characters} hex digits",
    )
