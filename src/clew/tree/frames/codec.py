"""Frames as bytes: checked before anything is built from them, then decoded by type.

The payload of a frame stays JSON text; whoever wants it parses it. All the same the whole frame is
read once here, because what is kept must be read by others later: an object with a key twice, half
of a surrogate pair or a number that no double holds means something else to each of them.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.tree.frames.inbound import AnyInbound
from clew.tree.frames.outbound import AnyOutbound

if TYPE_CHECKING:
    from clew.tree.frames.inbound import Inbound
    from clew.tree.frames.outbound import Outbound

# A status or a result is a few hundred bytes; what is larger than this belongs into a file or a
# blob, with its name in the frame. 64 unacknowledged frames of 10 000 apps must fit on a disk.
FRAME_BYTES_MAX: Final = 256 * 1024

# Deeper than anything that people write, and shallow enough for every JSON reader's recursion.
DEPTH_MAX: Final = 32

# What a client reads of a server: an answer about many targets, each with a result.
OUTBOUND_BYTES_MAX: Final = 8 * 1024 * 1024

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_NOT_A_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))
_OPENING: Final = frozenset(b"[{")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

_inbound: Final[msgspec.json.Decoder[AnyInbound]] = msgspec.json.Decoder(AnyInbound)
_outbound: Final[msgspec.json.Decoder[AnyOutbound]] = msgspec.json.Decoder(AnyOutbound)
_any: Final = msgspec.json.Decoder()
_encoder: Final = msgspec.json.Encoder()


def decode_inbound(data: bytes | str) -> AnyInbound:
    """Return the frame that a client sent.

    Bounds:  `FRAME_BYTES_MAX` bytes, `DEPTH_MAX` levels.
    Raises:  ClewError: TOO_LARGE above the bounds, INVALID_ARGUMENT when it is no frame.
    """
    octets = _octets(data, FRAME_BYTES_MAX)
    parse(octets)
    try:
        return _inbound.decode(octets)
    except msgspec.MsgspecError as error:
        raise _invalid(str(error)) from error


def decode_outbound(data: bytes | str) -> AnyOutbound:
    """Return the frame that a server sent.

    Bounds:  `OUTBOUND_BYTES_MAX` bytes, `DEPTH_MAX` levels.
    Raises:  ClewError: TOO_LARGE above the bounds, INVALID_ARGUMENT when it is no frame.
    """
    octets = _octets(data, OUTBOUND_BYTES_MAX)
    parse(octets)
    try:
        return _outbound.decode(octets)
    except msgspec.MsgspecError as error:
        raise _invalid(str(error)) from error


def encode(frame: Inbound | Outbound) -> bytes:
    """Return a frame as JSON in UTF-8; fields that say nothing are left out."""
    return _encoder.encode(frame)


def parse(data: bytes) -> Any:
    """Return the value of a JSON text that means the same to every reader.

    Raises:
        ClewError: TOO_LARGE when it is nested too deeply, INVALID_ARGUMENT when it is no JSON, is
            not UTF-8, has a key twice in one object, half of a surrogate pair, or a number out of
            the range of a double.
    """
    if depth_exceeds(data, DEPTH_MAX):
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"nested more than {DEPTH_MAX} levels deep",
            hint="send deep structures as text, or as a file with its name in the frame",
        )
    try:
        value = _any.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _parse_slowly(data)
    # Each key has a colon of its own outside of strings. So where there are as many colons as keys
    # were read, none was read twice; where there are more, some may stand in strings.
    return value if data.count(b":") == _count_keys(value) else _parse_slowly(data)


def depth_exceeds(data: bytes, levels: int) -> bool:
    """Say whether brackets nest deeper than that, without parsing; strings do not count."""
    if data.count(b"{") + data.count(b"[") <= levels:
        return False
    depth = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NOT_A_BRACKET):
        depth += 1 if bracket in _OPENING else -1
        if depth > levels:
            return True
    return False


def _parse_slowly(data: bytes) -> Any:
    """Return the value of a JSON text that may have keys twice, or integers of any length."""
    try:
        text = data.decode()
        value = _strict.decode(text)
        if _SURROGATE_ESCAPE.search(text):
            # Only a pair of halves can be encoded again.
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        # Besides JSON's own errors: not UTF-8, and integers of more digits than Python reads.
        raise _invalid(str(error)) from error
    return value


def _count_keys(value: Any) -> int:
    """Return how many keys the objects of a value have; its depth is bounded."""
    inner: Any = ()
    count = 0
    if isinstance(value, dict):
        count = len(value)
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    for each in inner:
        kind = type(each)
        if kind is dict or kind is list:
            count += _count_keys(each)
    return count


def _octets(data: bytes | str, limit: int) -> bytes:
    try:
        octets = data.encode() if isinstance(data, str) else bytes(data)
    except UnicodeEncodeError as error:
        raise _invalid("half of a surrogate pair") from error
    if len(octets) > limit:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"the frame has {len(octets)} bytes, {limit} are the most",
            hint="put what is large into a file and its name into the frame",
        )
    return octets


def _invalid(why: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a frame: {why[:200]}",
        hint="contracts/trails/ has the schema of every frame",
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("an object has a key twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_strict: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant
)
