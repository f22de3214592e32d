"""How a value becomes one of a field: exact, and the same wherever the value comes from.

Theory of operation. `coerce` takes what a program assigned, or what came as an attribute, and gives
the JSON value that stands in a state. It accepts another notation of the same value (``"5"`` for 5,
``"yes"`` for true) and refuses what would lose something (3.7 for an integer). The table of what
becomes what is in docs/guide/dsl.md. Coercing twice is coercing once.

Null is a value: a field that is nullable and not required may be set to it. What is absent is no
business of coercion.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import Enum
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Final, NoReturn, SupportsFloat, SupportsIndex
from uuid import UUID

import msgspec
from msgspec import UNSET

from clew.twin.schema.faults import REDACTED, Fault, FieldError, describe
from clew.twin.schema.limits import INTEGER_MAX, INTEGER_MIN, NUMBER_CHARS_MAX, VALUE_DEPTH_MAX
from clew.twin.schema.moments import read_moment
from clew.twin.schema.patterns import compile_pattern
from clew.twin.schema.values import FieldSchema, FieldType

if TYPE_CHECKING:
    from collections.abc import Callable

TRUE_WORDS: Final = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS: Final = frozenset({"false", "0", "no", "off"})

UINT64_MAX: Final = 2**64 - 1
"""The largest integer that JSON documents of ours carry inside a list or dictionary."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")

_DIGITS_MAX: Final = 20
"""Of an integer of 64 bits, and one more: a larger exponent is not worth computing."""

_EXPECTED: Final = {
    FieldType.INTEGER: "an integer",
    FieldType.FLOAT: "a number",
    FieldType.STRING: "a text",
    FieldType.BOOLEAN: "true or false",
    FieldType.LIST: "a list",
    FieldType.DICT: "a dictionary",
    FieldType.TIMESTAMP: "a moment, such as 2026-11-21T03:00:00Z",
    FieldType.REFERENCE: "an id, or an object that has one",
}


def coerce(field: FieldSchema, value: object) -> Any:
    """Return the JSON value that a value is in a field.

    `REDACTED` is accepted by every sensitive field, as it is: it stands for what was there.

    Raises:
        FieldError: the value does not fit the field.
    """
    return coerce_at(field, value, field.name)


def coerce_at(field: FieldSchema, value: object, path: str) -> Any:
    """As `coerce`, of a value that stands at a path of its own."""
    if value is None:
        if field.required or not field.nullable:
            raise FieldError(Fault.NULL, path, _EXPECTED[field.type], "null")
        return None
    if field.sensitive is True and value == REDACTED:
        return REDACTED
    try:
        return _COERCE[field.type](field, value, path)
    except FieldError as error:
        # What is inside tells of itself; the text of a whole list may hold a secret of its entries.
        if field.sensitive is True or (error.field == path and holds_secrets(field)):
            raise FieldError(error.code, error.field, error.expected, REDACTED) from None
        raise


def coercer_of(field: FieldSchema) -> Callable[[FieldSchema, object, str], Any]:
    """Return what `coerce` comes to for values that are not null, of a field without secrets.

    It is given the field, the value and the field's path.
    """
    return _COERCE[field.type]


def holds_secrets(field: FieldSchema) -> bool:
    """Whether a field, or one inside it, is sensitive."""
    if field.sensitive is True:
        return True
    if field.item is not UNSET and holds_secrets(field.item):
        return True
    return field.schema is not UNSET and any(map(holds_secrets, field.schema.values()))


def refuse(code: Fault, path: str, expected: str, value: object) -> NoReturn:
    """Raise what says that a value does not fit."""
    raise FieldError(code, path, expected, describe(value))


def _integer(field: FieldSchema, value: object, path: str) -> int:
    number = value if type(value) is int else _to_integer(value, path)
    if not INTEGER_MIN <= number <= INTEGER_MAX:
        code = Fault.TOO_LARGE if number > 0 else Fault.TOO_SMALL
        refuse(code, path, "an integer of 64 bits", value)
    _check_range(field, number, path)
    return number


def _to_integer(value: object, path: str) -> int:
    match value:
        case bool():
            return int(value)
        case float():
            if value.is_integer():
                return int(value)
            refuse(Fault.NOT_EXACT, path, "a whole number", value)
        case Enum():
            return _to_integer(value.value, path)
        case str() | Decimal():
            decimal = _to_decimal(value)
            if decimal is None:
                refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.INTEGER], value)
            if decimal and decimal.adjusted() >= _DIGITS_MAX:
                refuse(Fault.TOO_LARGE, path, "an integer of 64 bits", value)
            if decimal != decimal.to_integral_value():
                refuse(Fault.NOT_EXACT, path, "a whole number", value)
            return int(decimal)
        case _ if hasattr(value, "__index__"):
            return operator.index(value)
        case _:
            refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.INTEGER], value)


def _to_decimal(value: str | Decimal) -> Decimal | None:
    if isinstance(value, str):
        text = value.strip()
        if len(text) > NUMBER_CHARS_MAX or not _NUMBER.fullmatch(text):
            return None
        value = text
    try:
        decimal = Decimal(value)
    except InvalidOperation:
        return None
    return decimal if decimal.is_finite() else None


def _float(field: FieldSchema, value: object, path: str) -> float:
    number = value if type(value) is float else _to_float(value, path)
    if not math.isfinite(number):
        refuse(Fault.NOT_FINITE, path, "a finite number", value)
    if field.precision is not UNSET:
        number = round(number, field.precision)
    # A negative zero is a zero: states that differ in nothing else are the same state.
    number += 0.0
    _check_range(field, number, path)
    return number


def _to_float(value: object, path: str) -> float:
    match value:
        case Enum():
            return _to_float(value.value, path)
        case str():
            text = value.strip()
            if len(text) > NUMBER_CHARS_MAX or not _NUMBER.fullmatch(text):
                refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.FLOAT], value)
            return float(text)
        case Decimal():
            return math.nan if value.is_snan() else float(value)
        case SupportsFloat() | SupportsIndex():
            try:
                return float(value)
            except OverflowError:
                return math.inf
        case _:
            refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.FLOAT], value)


def _check_range(field: FieldSchema, number: float, path: str) -> None:
    if field.min_value is not UNSET and number < field.min_value:
        refuse(Fault.TOO_SMALL, path, f"at least {field.min_value}", number)
    if field.max_value is not UNSET and number > field.max_value:
        refuse(Fault.TOO_LARGE, path, f"at most {field.max_value}", number)


def _string(field: FieldSchema, value: object, path: str) -> str:
    text = value if type(value) is str else _to_text(value, path)
    _check_utf8(text, path)
    if field.choices is not UNSET and text not in field.choices:
        refuse(Fault.NOT_A_CHOICE, path, f"one of {', '.join(field.choices)}"[:200], text)
    if field.min_length is not UNSET and len(text) < field.min_length:
        refuse(Fault.TOO_SHORT, path, f"at least {field.min_length} characters", text)
    if field.max_length is not UNSET and len(text) > field.max_length:
        refuse(Fault.TOO_LONG, path, f"at most {field.max_length} characters", text)
    if field.pattern is not UNSET and not compile_pattern(field.pattern).matches(text):
        refuse(Fault.NO_MATCH, path, f"a text that begins as {field.pattern} says", text)
    return text


def _to_text(value: object, path: str) -> str:
    match value:
        case Enum():
            return _to_text(value.value, path)
        case str():
            return str.__str__(value)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if _is_json(value) else _no_text(value, path)
        case float():
            return repr(value) if math.isfinite(value) else _no_text(value, path)
        case Decimal():
            return str(value) if value.is_finite() else _no_text(value, path)
        case UUID():
            return str(value)
        case date():
            return read_moment(value) or _no_text(value, path)
        case PathLike():
            shown = fspath(value)
            return shown if isinstance(shown, str) else _no_text(value, path)
        case _:
            return _no_text(value, path)


def _no_text(value: object, path: str) -> NoReturn:
    refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.STRING], value)


def _check_utf8(text: str, path: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse(Fault.NOT_TEXT, path, "a text that UTF-8 can write", text)


def _boolean(_field: FieldSchema, value: object, path: str) -> bool:
    match value:
        case bool():
            return value
        case Enum():
            return _boolean(_field, value.value, path)
        case str():
            word = value.strip().lower()
            if word in TRUE_WORDS:
                return True
            if word in FALSE_WORDS:
                return False
        case Decimal() if not value.is_finite():
            pass
        case int() | float() | Decimal() if value in (0, 1):
            return bool(value)
        case _ if hasattr(value, "__index__") and operator.index(value) in {0, 1}:
            return bool(value)
    refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.BOOLEAN], value)


def _list(field: FieldSchema, value: object, path: str) -> list[Any]:
    given = _from_json(value, list, field, path) if isinstance(value, (str, bytes)) else value
    if not isinstance(given, (list, tuple)):
        refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.LIST], value)
    count = len(given)
    if field.min_items is not UNSET and count < field.min_items:
        refuse(Fault.TOO_FEW_ITEMS, path, f"at least {field.min_items} items", given)
    if field.max_items is not UNSET and count > field.max_items:
        refuse(Fault.TOO_MANY_ITEMS, path, f"at most {field.max_items} items", given)
    item = field.item
    if item is UNSET:
        return [to_json(each, f"{path}[{index}]", 1) for index, each in enumerate(given)]
    return [coerce_at(item, each, f"{path}[{index}]") for index, each in enumerate(given)]


def _dict(field: FieldSchema, value: object, path: str) -> dict[str, Any]:
    given = _from_json(value, dict, field, path) if isinstance(value, (str, bytes)) else value
    if not isinstance(given, Mapping):
        refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.DICT], value)
    known = {} if field.schema is UNSET else field.schema
    for key, inner in known.items():
        if inner.required and key not in given:
            refuse(Fault.MISSING_KEY, path, f"the key {key}", given)
    taken: dict[str, Any] = {}
    for key, each in given.items():
        place = f"{path}.{_check_key(key, path)}"
        found = known.get(key)
        taken[str.__str__(key)] = (
            to_json(each, place, 1) if found is None else coerce_at(found, each, place)
        )
    return taken


def _check_key(key: object, path: str) -> str:
    if not isinstance(key, str):
        refuse(Fault.WRONG_TYPE, path, "keys that are texts", key)
    _check_utf8(key, path)
    return key


def _from_json(text: str | bytes, shape: type, field: FieldSchema, path: str) -> object:
    try:
        decoded = msgspec.json.decode(text)
    except RecursionError:
        refuse(Fault.TOO_DEEP, path, f"at most {VALUE_DEPTH_MAX} levels", text)
    except (msgspec.DecodeError, UnicodeError):
        decoded = None
    if not isinstance(decoded, shape):
        refuse(Fault.WRONG_TYPE, path, f"{_EXPECTED[field.type]}, or one as JSON", text)
    return decoded


def to_json(value: object, path: str, depth: int = 0) -> Any:
    """Return any value as a JSON value that shares nothing with it.

    Raises:
        FieldError: it has no notation in JSON, or is nested too deep.
    """
    if depth > VALUE_DEPTH_MAX:
        refuse(Fault.TOO_DEEP, path, f"at most {VALUE_DEPTH_MAX} levels", value)
    match value:
        case None | bool():
            return value
        case Enum():
            return to_json(value.value, path, depth + 1)
        case str():
            _check_utf8(value, path)
            return str.__str__(value)
        case int():
            if _is_json(value):
                return int(value)
            refuse(Fault.TOO_LARGE, path, "an integer of 64 bits", value)
        case float():
            if math.isfinite(value):
                return value + 0.0
            refuse(Fault.NOT_FINITE, path, "a finite number", value)
        case list() | tuple():
            return [to_json(each, f"{path}[{i}]", depth + 1) for i, each in enumerate(value)]
        case Mapping():
            return {
                str.__str__(_check_key(key, path)): to_json(each, f"{path}.{key}", depth + 1)
                for key, each in value.items()
            }
        case Decimal() | UUID() | date() | PathLike():
            return _to_text(value, path)
        case _ if referred_id(value) is not None:
            return referred_id(value)
        case _:
            refuse(Fault.WRONG_TYPE, path, "a value that JSON has", value)


def _is_json(number: int) -> bool:
    return INTEGER_MIN <= number <= UINT64_MAX


def _timestamp(_field: FieldSchema, value: object, path: str) -> str:
    text = read_moment(value)
    if text is None:
        refuse(Fault.BAD_TIME, path, _EXPECTED[FieldType.TIMESTAMP], value)
    return text


def _reference(field: FieldSchema, value: object, path: str) -> str:
    found = referred_id(value)
    if found is not None:
        if field.ref_type is not UNSET and field.ref_type not in _type_names(value):
            refuse(Fault.WRONG_REFERENCE, path, f"a {field.ref_type}", value)
        return found
    if isinstance(value, (bool, float, date)):
        refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.REFERENCE], value)
    if not isinstance(value, (str, int, UUID, Enum)):
        refuse(Fault.WRONG_TYPE, path, _EXPECTED[FieldType.REFERENCE], value)
    text = _to_text(value, path)
    _check_utf8(text, path)
    return text


def referred_id(value: object) -> str | None:
    """Return the id of an object of a blueprint; None of any other value."""
    if not hasattr(type(value), "get_type_name"):
        return None
    found = getattr(value, "id", None)
    return found if isinstance(found, str) else None


def _type_names(value: object) -> set[str]:
    """Return the names of an object's type and of those that it inherits from."""
    return {each.get_type_name() for each in type(value).__mro__ if hasattr(each, "get_type_name")}


_COERCE: Final[Mapping[FieldType, Callable[[FieldSchema, object, str], Any]]] = {
    FieldType.INTEGER: _integer,
    FieldType.FLOAT: _float,
    FieldType.STRING: _string,
    FieldType.BOOLEAN: _boolean,
    FieldType.LIST: _list,
    FieldType.DICT: _dict,
    FieldType.TIMESTAMP: _timestamp,
    FieldType.REFERENCE: _reference,
}
