"""Trace and span ids as people write them."""

from __future__ import annotations

import re
from typing import Final

from clew.base.errors import ClewError, ErrorCode

TRACE_ID_CHARS: Final = 32
SPAN_ID_CHARS: Final = 16

_HEX = re.compile(r"[0-9a-fA-F]+")


def parse_trace_id(text: str) -> str:
    """Return a trace id as it is stored; a shorter one (64 bits, as some tools show) is widened.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is no hex number of at most 128 bits.
    """
    return _parse(text, TRACE_ID_CHARS, "trace")


def parse_span_id(text: str) -> str:
    """Return a span id as it is stored.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is no hex number of at most 64 bits.
    """
    return _parse(text, SPAN_ID_CHARS, "span")


def _parse(text: str, characters: int, what: str) -> str:
    if len(text) <= characters and _HEX.fullmatch(text):
        return text.lower().rjust(characters, "0")
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a {what} id: {text[:64]!r}",
        hint=f"a {what} id is {characters} hex digits",
    )
