"""Protobuf messages of OTLP as OTLP/JSON."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import orjson

from clew.telemetry.otlp.json_codec.plan import Kind, plan_message
from clew.telemetry.otlp.text import base64_text, double_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.telemetry.otlp.json_codec.plan import MessagePlan


def format_message(message: Any) -> bytes:
    """Return an OTLP message (request, response, ``TracesData``…) as JSON bytes.

    Lower camel case names in field order, ids in lower-case hex, other bytes in base64, 64-bit
    integers as strings, enumerations as numbers; scalars that have their default are left out.
    `parse_request` reads an equal message from it (a NaN loses its payload).
    """
    return orjson.dumps(_document(message, plan_message(message.DESCRIPTOR)))


def _document(message: Any, plan: MessagePlan) -> dict[str, Any]:
    document: dict[str, Any] = {}
    # What is listed is exactly what is set, so no default needs a check here.
    for descriptor, value in message.ListFields():
        field = plan.by_number.get(descriptor.number)
        if field is None:
            continue
        child = field.message
        if child is not None:
            document[field.json_name] = (
                [_document(element, child) for element in value]
                if field.is_repeated
                else _document(value, child)
            )
            continue
        write = _SCALAR_WRITERS.get(field.kind)
        if field.is_repeated:
            document[field.json_name] = [write(v) for v in value] if write else list(value)
        else:
            document[field.json_name] = write(value) if write else value
    return document


def _write_double(number: float) -> float | str:
    return number if isfinite(number) else double_text(number)


_SCALAR_WRITERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.WIDE_INTEGER: str,
    Kind.DOUBLE: _write_double,
    Kind.HEX: bytes.hex,
    Kind.BASE64: base64_text,
}
"""The kinds whose JSON differs from the Python value; the others stand as they are."""
