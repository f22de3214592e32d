"""Trace ids as Jaeger's clients write them."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from clew.base.errors import ClewError
from clew.telemetry.query.ids import parse_trace_id

_BASE64_CHARS: Final = (22, 24)
"""Characters of 16 bytes in base64, without and with padding."""


def read_trace_id(text: str) -> str:
    """Return a trace id as 32 lower-case hex digits.

    Taken are hex digits of either case, where leading zeros may be missing, and 16 bytes in base64
    of either alphabet, as clients of old versions of api_v3 know them. What is both is hex.

    Raises:
        ClewError: INVALID_ARGUMENT for anything else.
    """
    given = text.strip()
    try:
        return parse_trace_id(given)
    except ClewError:
        decoded = _decode_base64(given)
        if decoded is None:
            raise
        return decoded.hex()


def _decode_base64(text: str) -> bytes | None:
    if len(text) not in _BASE64_CHARS:
        return None
    try:
        decoded = base64.b64decode(text.rstrip("=").translate(_STANDARD) + "==", validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if len(decoded) == 16 else None


_STANDARD: Final = str.maketrans("-_", "+/")
