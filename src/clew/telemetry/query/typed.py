"""Attribute values with their types, from the texts of the columns and the residue.

The columns hold texts; the residue says what each text was (`docs/internals/rows.md`, ``T``). Here
they become JSON values: what JSON has no form for stays a string (bytes as base64, NaN and the
infinities by name, integers past 2^53 in decimal).
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from clew.telemetry.otlp.limits import INTEGER_EXACT_MAX
from clew.telemetry.otlp.text import Letter, double_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.proto.common.v1 import common_pb2

    from clew.telemetry.documents import Attributes, JsonValue

Loss: TypeAlias = "Mapping[str, list[str]] | str | None"
"""Keys by type letter, or the base64 of the whole list, or nothing lost."""


def text_attributes(pairs: Iterable[tuple[str, str]]) -> Attributes:
    """Return an attribute list as texts; of a repeated key the first value counts."""
    attributes: dict[str, str] = {}
    for key, text in pairs:
        attributes.setdefault(key, text)
    return attributes


def typed_attributes(pairs: Iterable[tuple[str, str]], loss: Loss) -> Attributes:
    """Return an attribute list with typed values; of a repeated key the first value counts."""
    if isinstance(loss, str):
        # With it come protobuf's descriptors, which a start need not wait for; few lists need it.
        from opentelemetry.proto.common.v1.common_pb2 import KeyValueList

        return _members(KeyValueList.FromString(b64decode(loss)).values)
    attributes: Attributes = text_attributes(pairs)
    for letter, keys in (loss or {}).items():
        for key in keys:
            if key in attributes:
                attributes[key] = typed_value(letter, attributes[key])
    return attributes


def typed_value(letter: str, text: str) -> JsonValue:
    """Return the value that a text of the type with this letter stands for."""
    match letter:
        case Letter.INTEGER:
            return _integer(int(text))
        case Letter.DOUBLE:
            return _double(float(text))
        case Letter.BOOLEAN:
            return text == "true"
        case Letter.NESTED:
            return _nested(orjson.loads(text))
        case Letter.NO_CASE | Letter.NO_VALUE:
            return None
        case _:
            return text


def typed_body(text: str, loss: str | Mapping[str, str] | None) -> JsonValue:
    """Return the body of a log record, from its text and what the residue says of it."""
    if loss is None:
        return text
    if isinstance(loss, str):
        return typed_value(loss, text)
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

    return _any_value(AnyValue.FromString(b64decode(loss["raw"])))


def _members(entries: Iterable[common_pb2.KeyValue]) -> dict[str, JsonValue]:
    members: dict[str, JsonValue] = {}
    for entry in entries:
        members.setdefault(entry.key, _any_value(entry.value))
    return members


def _any_value(value: common_pb2.AnyValue) -> JsonValue:
    """Return a value as JSON. The decoders bound the depth, and protobuf does before them."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return _integer(value.int_value)
        case "double_value":
            return _double(value.double_value)
        case "bytes_value":
            return b64encode(value.bytes_value).decode("ascii")
        case "array_value":
            return [_any_value(element) for element in value.array_value.values]
        case "kvlist_value":
            return _members(value.kvlist_value.values)
        case _:
            return None


def _integer(number: int) -> int | str:
    return number if abs(number) <= INTEGER_EXACT_MAX else str(number)


def _double(number: float) -> float | str:
    return number if math.isfinite(number) else double_text(number)


def _nested(value: Any) -> JsonValue:
    if isinstance(value, dict):
        return {key: _nested(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_nested(element) for element in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(value)
    return value
