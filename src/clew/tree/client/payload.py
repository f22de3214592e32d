"""What a program says, as JSON that a server takes. Nothing here raises into the program."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from clew.tree.frames.codec import DEPTH_MAX, FRAME_BYTES_MAX, depth_exceeds

# What a frame has beside its payload: ids, header, key, signature, nonce.
_FRAME_REST_BYTES: Final = 4096

PAYLOAD_BYTES_MAX: Final = FRAME_BYTES_MAX - _FRAME_REST_BYTES

_SHOWN_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Encoded:
    """JSON text, and what is wrong with what was given, None when nothing is."""

    octets: bytes
    trouble: str | None = None


def encode_payload(value: Any) -> Encoded:
    """Return a value as JSON; what cannot be sent becomes a note that says so.

    Whatever JSON has no form for is written as its `str`; NaN becomes null.
    """
    try:
        octets = msgspec.json.encode(value, enc_hook=str)
    except Exception as error:  # noqa: BLE001 - the `str` of a program's object may do anything
        return _left_out(f"it is not JSON: {type(error).__name__}: {error}")
    if len(octets) > PAYLOAD_BYTES_MAX:
        return _left_out(f"it has {len(octets)} bytes, {PAYLOAD_BYTES_MAX} are the most")
    if depth_exceeds(octets, DEPTH_MAX - 1):
        return _left_out(f"it is nested more than {DEPTH_MAX - 1} levels deep")
    return Encoded(octets)


def decode_payload(octets: bytes | memoryview) -> Any:
    """Return the value of a payload that came with a frame, which was checked as a whole."""
    return json.loads(bytes(octets))


def left_out(why: str) -> bytes:
    """Return the JSON text that stands for something that cannot be sent."""
    return _left_out(why).octets


def _left_out(why: str) -> Encoded:
    shown = why[:_SHOWN_CHARS_MAX].encode("utf-8", "replace").decode()
    return Encoded(msgspec.json.encode({"left_out": shown}), shown)
