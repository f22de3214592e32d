"""Canonical JSON: the one text of a value that every client signs.

The form is that of RFC 8785: keys sorted by their UTF-16 code units, no spaces, UTF-8, the shortest
escapes, numbers as ECMAScript prints doubles. What is stricter here: an integer that a double does
not carry is refused, where the RFC would round it, because then two different frames would have one
signature. Source: RFC 8785, and ECMA-262 for the form of numbers.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.tree.frames.codec import DEPTH_MAX, parse

SIGNING_PREFIX: Final = b"trails-v1\n"
"""Keeps a signature over a frame from being one over anything else."""

# ECMA-262 prints a number with more digits before the point, or more zeros after it, with an
# exponent.
_POINT_MAX: Final = 21
_POINT_MIN: Final = -6

_encode_text = json.JSONEncoder(ensure_ascii=False).encode


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a value that `json` could have read.

    Bounds:  `DEPTH_MAX` levels.
    Raises:  ClewError: TOO_LARGE below that; INVALID_ARGUMENT for half of a surrogate pair, for a
             number that no double carries exactly, and for what JSON has no form for.
    """
    pieces: list[str] = []
    _write(value, pieces, 0)
    try:
        return "".join(pieces).encode()
    except UnicodeEncodeError as error:
        raise _refusal("half of a surrogate pair") from error


def canonical_json(data: bytes) -> bytes:
    """Return the canonical form of a JSON text.

    Raises:
        ClewError: as `clew.tree.frames.codec.parse` and `canonical`.
    """
    return canonical(parse(data))


def signing_bytes(frame: bytes) -> bytes:
    """Return what is signed of a frame: the prefix, and the canonical form of all but its `sig`.

    Raises:
        ClewError: as `canonical_json`; INVALID_ARGUMENT when the frame is no object.
    """
    value = parse(frame)
    if not isinstance(value, dict):
        raise _refusal("a frame that is no object")
    value.pop("sig", None)
    return SIGNING_PREFIX + canonical(value)


def format_number(number: float) -> str:
    """Return a double as ECMAScript prints it; the shortest digits that read back as the same.

    Raises:
        ClewError: INVALID_ARGUMENT for infinities and what is no number.
    """
    if not math.isfinite(number):
        raise _refusal("a number out of range")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # Where the decimal point stands, counted from the first digit that is not zero.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return sign + _place(digits.rstrip("0"), point)


def _place(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= _POINT_MAX:
        return digits.ljust(point, "0")
    if 0 < point <= _POINT_MAX:
        return f"{digits[:point]}.{digits[point:]}"
    if _POINT_MIN < point <= 0:
        return f"0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{digits[0]}{rest}e{point - 1:+d}"


def _write(value: Any, pieces: list[str], depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"nested more than {DEPTH_MAX} levels deep",
            hint="send deep structures as text, or as a file with its name in the frame",
        )
    if value is None or isinstance(value, bool):
        pieces.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        pieces.append(_encode_text(value))
    elif isinstance(value, int):
        pieces.append(_format_integer(value))
    elif isinstance(value, float):
        pieces.append(format_number(value))
    elif isinstance(value, dict):
        _write_object(value, pieces, depth)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            pieces.append("," if index else "[")
            _write(item, pieces, depth + 1)
        pieces.append("]" if value else "[]")
    else:
        raise _refusal(f"a {type(value).__name__}")


def _write_object(value: dict[Any, Any], pieces: list[str], depth: int) -> None:
    if not all(isinstance(key, str) for key in value):
        raise _refusal("a key that is no text")
    # Big-endian UTF-16 sorts as its code units do; halves of pairs are found when all is encoded.
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    for index, key in enumerate(keys):
        pieces.append(f"{',' if index else '{'}{_encode_text(key)}:")
        _write(value[key], pieces, depth + 1)
    pieces.append("}" if keys else "{}")


def _format_integer(number: int) -> str:
    text = str(number) if -(2**53) <= number <= 2**53 else _format_large(number)
    if text is None:
        raise _refusal("an integer that no double carries exactly")
    return text


def _format_large(number: int) -> str | None:
    """Return a large integer as a double prints it, None when that would be another number."""
    try:
        double = float(number)
    except OverflowError:
        return None
    text = format_number(double)
    return text if int(double) == number or text == str(number) else None


def _refusal(what: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"no canonical form for {what}",
        hint="write numbers beyond 2^53, and what JSON has no form for, as text",
    )
