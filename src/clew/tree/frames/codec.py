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
from clew.tree.frames.fields import Source
from clew.tree.frames.inbound import AnyInbound, Message
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

_MESSAGE_KEYS: Final = 7
"""Keys that every message has: its type, app, header and payload, and three of the header."""

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
    if depth_exceeds(octets, DEPTH_MAX):
        raise _too_deep()
    try:
        frame = _inbound.decode(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # What is no JSON is refused as that, whatever else is wrong with it.
        parse(octets)
        raise _invalid(str(error)) from error
    if type(frame) is not Message or octets.count(b":") != _count_message_keys(frame):
        parse(octets)
    return frame


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
        raise _too_deep()
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
    if type(value) is dict:
        count = len(value)
        inner = value.values()
    elif type(value) is list:
        inner = value
    for each in inner:
        kind = type(each)
        if kind is dict or kind is list:
            count += _count_keys(each)
    return count


def _count_message_keys(frame: Message) -> int:
    """Return how many keys a message has for certain, those of its payload included.

    Nearly every frame is one, and has no others. Only its payload has not been read yet: where the
    frame has as many colons, all of them are of these keys, and none is there twice.
    """
    try:
        payload = _any.decode(frame.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return -1
    count = _MESSAGE_KEYS
    if frame.header.correlation_id is not None:
        count += 1
    if frame.start_day is not None:
        count += 1
    if frame.nonce is not None:
        count += 1
    if frame.sig is not None:
        count += 1
    if frame.source is Source.AGENT:
        count += 1
    kind = type(payload)
    return count + _count_keys(payload) if kind is dict or kind is list else count


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


def _too_deep() -> ClewError:
    return ClewError(
        ErrorCode.TOO_LARGE,
        f"nested more than {DEPTH_MAX} levels deep",
        hint="send deep structures as text, or as a file with its name in the frame",
    )


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
