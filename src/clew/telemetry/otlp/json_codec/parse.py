"""OTLP/JSON to protobuf."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from binascii import unhexlify
from typing import TYPE_CHECKING, Any, Final

import orjson

from clew.store.decoder import MalformedRecordError
from clew.telemetry.otlp.json_codec.plan import Kind, plan_message
from clew.telemetry.otlp.limits import INTEGER_EXACT_MAX, MESSAGE_DEPTH_MAX
from clew.telemetry.otlp.messages import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.telemetry.otlp.json_codec.plan import FieldPlan, MessagePlan
    from clew.telemetry.otlp.signal import Signal

# Twenty digits hold every 64-bit integer; more would let a number cost quadratic time.
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_FINITE: Final = {
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}


class _MisfitError(Exception):
    """A JSON value does not fit its field; `path` grows from the field up to the request."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def under(self, step: str) -> _MisfitError:
        """Put one more step before the path: a member's name or ``[position]``."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        self.path = f"{step}{joint}{self.path}"
        return self


def parse_request(signal: Signal, body: bytes) -> bytes:
    """Return the serialised protobuf request that an OTLP/JSON export request says.

    Accepted beyond what `format_message` writes: ids in any case, 64-bit integers as numbers,
    enumerations by name, members in snake case, ``null`` for an absent member. Unknown members are
    ignored.

    Bounds:
        Messages nest as deep as in protobuf (`MESSAGE_DEPTH_MAX`); the caller bounds the size.

    Raises:
        MalformedRecordError: not JSON, or a value does not fit; the message names its path.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRecordError(f"not JSON: {error}") from error
    request = REQUESTS[signal]()
    try:
        _fill_message(request, document, plan_message(request.DESCRIPTOR), 0)
    except _MisfitError as misfit:
        where = misfit.path or "request"
        raise MalformedRecordError(f"{where}: {misfit.reason}") from misfit
    serialized: bytes = request.SerializeToString()
    return serialized


def _fill_message(message: Any, document: object, plan: MessagePlan, depth: int) -> None:
    if not isinstance(document, dict):
        raise _MisfitError("not an object")
    if depth > MESSAGE_DEPTH_MAX:
        raise _MisfitError(f"nested more than {MESSAGE_DEPTH_MAX} messages deep")
    for name, value in document.items():
        field = plan.by_name.get(name)
        if field is None or value is None:
            continue
        try:
            _refuse_second(message, document, name, field)
            _fill_field(message, field, value, depth)
        except _MisfitError as misfit:
            raise misfit.under(name) from None


def _refuse_second(message: Any, document: Any, name: str, field: FieldPlan) -> None:
    """Raise if a field, or the oneof that it is a case of, is given twice."""
    if name != field.json_name and document.get(field.json_name) is not None:
        raise _MisfitError(f"also given as {field.json_name}")
    if field.oneof is not None and message.WhichOneof(field.oneof) is not None:
        raise _MisfitError("a second case where only one can be")


def _fill_field(message: Any, field: FieldPlan, value: object, depth: int) -> None:
    if field.is_repeated:
        _fill_repeated(message, field, value, depth)
    elif field.message is not None:
        child = getattr(message, field.name)
        child.SetInParent()
        _fill_message(child, value, field.message, depth + 1)
    else:
        setattr(message, field.name, _SCALAR_READERS[field.kind](value, field))


def _fill_repeated(message: Any, field: FieldPlan, values: object, depth: int) -> None:
    if not isinstance(values, list):
        raise _MisfitError("not an array")
    elements = getattr(message, field.name)
    read_scalar = _SCALAR_READERS.get(field.kind)
    for position, value in enumerate(values):
        try:
            if field.message is not None:
                _fill_message(elements.add(), value, field.message, depth + 1)
            elif read_scalar is not None:
                elements.append(read_scalar(value, field))
        except _MisfitError as misfit:
            raise misfit.under(f"[{position}]") from None


def _read_string(value: object, field: FieldPlan) -> str:
    del field
    if isinstance(value, str):
        return value
    raise _MisfitError("not a string")


def _read_boolean(value: object, field: FieldPlan) -> bool:
    del field
    if isinstance(value, bool):
        return value
    raise _MisfitError("not true or false")


def _read_integer(value: object, field: FieldPlan) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        # 1e3 is an integer too. Above 2^53 the text may have said another one than the double.
        if abs(value) > INTEGER_EXACT_MAX:
            raise _MisfitError("out of range")
        number = int(value)
    else:
        raise _MisfitError("not an integer")
    if number not in field.integers:
        raise _MisfitError("out of range")
    return number


def _read_enum(value: object, field: FieldPlan) -> int:
    if not isinstance(value, str):
        return _read_integer(value, field)
    number = field.enum_numbers.get(value)
    if number is None:
        raise _MisfitError("not a name of the enumeration")
    return number


def _read_double(value: object, field: FieldPlan) -> float:
    del field
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        raise _MisfitError("not a number")
    if value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if not _NUMBER.fullmatch(value):
        raise _MisfitError("not a number")
    number = float(value)
    if number in (float("inf"), float("-inf")):
        raise _MisfitError("out of range")
    return number


def _read_hex(value: object, field: FieldPlan) -> bytes:
    try:
        return unhexlify(_read_string(value, field))
    except ValueError:
        raise _MisfitError("not hex") from None


def _read_base64(value: object, field: FieldPlan) -> bytes:
    text = _read_string(value, field).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (Base64Error, ValueError):
        raise _MisfitError("not base64") from None


_SCALAR_READERS: Final[dict[Kind, Callable[[object, FieldPlan], Any]]] = {
    Kind.STRING: _read_string,
    Kind.BOOLEAN: _read_boolean,
    Kind.INTEGER: _read_integer,
    Kind.WIDE_INTEGER: _read_integer,
    Kind.DOUBLE: _read_double,
    Kind.HEX: _read_hex,
    Kind.BASE64: _read_base64,
    Kind.ENUM: _read_enum,
}
