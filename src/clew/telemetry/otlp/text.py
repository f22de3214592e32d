"""Values as the text that stands in the columns, and the way back.

Every value has a text; what the text alone does not tell is its type. A type letter does, except
for nested values whose JSON is not reversible (see the contract page).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, isinf, isnan
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.common.v1 import common_pb2


class Letter(StrEnum):
    """The type of a value that is not a string, in the order in which the residue names them."""

    INTEGER = "i"
    DOUBLE = "d"
    BOOLEAN = "b"
    BYTES = "y"
    NESTED = "j"
    NO_CASE = "n"
    NO_VALUE = "u"


LETTERS: Final[dict[str | None, Letter]] = {
    "int_value": Letter.INTEGER,
    "double_value": Letter.DOUBLE,
    "bool_value": Letter.BOOLEAN,
    "bytes_value": Letter.BYTES,
    "array_value": Letter.NESTED,
    "kvlist_value": Letter.NESTED,
    None: Letter.NO_CASE,
}
"""The letter of each case of ``AnyValue``; strings have none."""


@dataclass(slots=True)
class Reach:
    """The largest list and the deepest value met so far; `reversible` speaks of nested values."""

    entries: int = 0
    depth: int = 0
    reversible: bool = True

    def note_list(self, entries: int) -> None:
        """Take the length of one more list into account."""
        if entries > self.entries:
            self.entries = entries

    def note_value(self, depth: int) -> None:
        """Take the depth of one more value into account."""
        if depth > self.depth:
            self.depth = depth


# The text of characters that a JSON string cannot hold as they are.
_ESCAPES: Final = {code: f"\\u{code:04x}" for code in range(0x20)} | {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}

# ECMAScript writes an exponent from 1e21 on and below 1e-6, Python from 1e16 on and below 1e-4.
_FIXED_EXPONENT_MAX: Final = 20
_FIXED_EXPONENT_MIN: Final = -6


def quote(text: str) -> str:
    """Return a text as a JSON string that escapes only what it must."""
    return '"' + text.translate(_ESCAPES) + '"'


def base64_text(raw: bytes) -> str:
    """Return bytes in the standard base64 alphabet, padded."""
    return b64encode(raw).decode("ascii")


def double_text(number: float) -> str:
    """Return a double as ECMAScript's ``Number::toString`` does, but with the sign of zero."""
    if not isfinite(number):
        return "NaN" if isnan(number) else ("Infinity" if number > 0 else "-Infinity")
    shortest = repr(number)
    # Both languages choose the same shortest digits and differ in when they use an exponent.
    if "e" not in shortest:
        return shortest.removesuffix(".0")
    mantissa, exponent_text = shortest.split("e")
    exponent = int(exponent_text)
    sign = "-" if mantissa.startswith("-") else ""
    digits = mantissa.removeprefix("-").replace(".", "")
    if 0 < exponent <= _FIXED_EXPONENT_MAX:
        return sign + digits.ljust(exponent + 1, "0")
    if _FIXED_EXPONENT_MIN <= exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    return f"{mantissa}e{exponent:+d}"


def value_text(value: common_pb2.AnyValue, reach: Reach) -> str:
    """Return the column text of a top-level value; `reach` learns how far the value goes."""
    case = value.WhichOneof("value")
    if case is None:
        return ""
    scalar_text = _SCALAR_TEXT.get(case)
    return scalar_text(value) if scalar_text else _nested_text(value, 1, reach)


_SCALAR_TEXT: Final[dict[str, Callable[[common_pb2.AnyValue], str]]] = {
    "string_value": lambda value: value.string_value,
    "bool_value": lambda value: "true" if value.bool_value else "false",
    "int_value": lambda value: str(value.int_value),
    "double_value": lambda value: double_text(value.double_value),
    "bytes_value": lambda value: base64_text(value.bytes_value),
}


def _nested_text(value: common_pb2.AnyValue, depth: int, reach: Reach) -> str:
    """Return the JSON of a value at a depth. Protobuf's own depth limit bounds the recursion."""
    reach.note_value(depth)
    case = value.WhichOneof("value")
    match case:
        case None:
            return "null"
        case "array_value":
            elements = value.array_value.values
            reach.note_list(len(elements))
            return f"[{','.join(_nested_text(e, depth + 1, reach) for e in elements)}]"
        case "kvlist_value":
            return _entries_text(value.kvlist_value.values, depth, reach)
        case "string_value":
            return quote(value.string_value)
        case "bytes_value":
            reach.reversible = False
            return quote(base64_text(value.bytes_value))
        case "double_value":
            return _nested_double_text(value.double_value, reach)
        case _:
            return _SCALAR_TEXT[case](value)


def _entries_text(entries: list[common_pb2.KeyValue], depth: int, reach: Reach) -> str:
    reach.note_list(len(entries))
    if len({entry.key for entry in entries}) < len(entries):
        reach.reversible = False
    members = []
    for entry in entries:
        if entry.HasField("value"):
            text = _nested_text(entry.value, depth + 1, reach)
        else:
            reach.reversible = False
            text = "null"
        members.append(f"{quote(entry.key)}:{text}")
    return f"{{{','.join(members)}}}"


def _nested_double_text(number: float, reach: Reach) -> str:
    text = double_text(number)
    if isnan(number) or isinf(number):
        reach.reversible = False
        return quote(text)
    # Without a point or an exponent it would read back as an integer.
    return text if "." in text or "e" in text else text + ".0"


def fill_value(value: common_pb2.AnyValue, letter: str | None, text: str) -> None:
    """Set a value from its column text and its type letter; ``None`` stands for a string.

    The value becomes present also where it has no case. `Letter.NO_VALUE` has no value to fill.
    """
    match letter:
        case None:
            value.string_value = text
        case Letter.INTEGER:
            value.int_value = int(text)
        case Letter.DOUBLE:
            value.double_value = float(text)
        case Letter.BOOLEAN:
            value.bool_value = text == "true"
        case Letter.BYTES:
            value.bytes_value = b64decode(text)
        case Letter.NESTED:
            _fill_nested(value, orjson.loads(text))
        case _:
            value.SetInParent()


def _fill_nested(value: common_pb2.AnyValue, document: object) -> None:
    match document:
        case None:
            value.SetInParent()
        case bool():
            value.bool_value = document
        case int():
            value.int_value = document
        case float():
            value.double_value = document
        case str():
            value.string_value = document
        case list():
            value.array_value.SetInParent()
            for element in document:
                _fill_nested(value.array_value.values.add(), element)
        case dict():
            value.kvlist_value.SetInParent()
            for key, member in document.items():
                entry = value.kvlist_value.values.add(key=key)
                entry.value.SetInParent()
                _fill_nested(entry.value, member)
