"""A field's value as an attribute of OpenTelemetry, and back.

Attributes are texts, numbers and booleans: a list or dictionary goes as JSON text, a moment as RFC
3339. Null has no attribute; whoever writes an event tells it otherwise. Sensitive values leave as
`REDACTED` and never as themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from clew.twin.schema.coercion import coerce
from clew.twin.schema.faults import REDACTED
from clew.twin.schema.values import FieldType

if TYPE_CHECKING:
    from clew.twin.schema.values import FieldSchema

AS_JSON = frozenset({FieldType.LIST, FieldType.DICT})


def to_attribute(field: FieldSchema, value: object) -> str | bool | int | float:
    """Return a value, which is not null, as the attribute of a field, redacted where sensitive.

    Raises:
        FieldError: the value does not fit the field.
        ValueError: the value is null.
    """
    if value is None:
        raise ValueError(f"{field.name}: null has no attribute")
    taken = redact(field, coerce(field, value))
    if field.type in AS_JSON and taken is not REDACTED:
        return msgspec.json.encode(taken).decode()
    if not isinstance(taken, (str, bool, int, float)):
        raise AssertionError(f"a {field.type} is no attribute")  # noqa: TRY004
    return taken


def from_attribute(field: FieldSchema, value: object) -> Any:
    """Return the JSON value that an attribute of a field stands for, also one that came as text.

    Raises:
        FieldError: the value does not fit the field.
    """
    return coerce(field, value)


def redact(field: FieldSchema, value: Any) -> Any:
    """Return a JSON value of a field without what is sensitive in it; null stays null."""
    if value is None:
        return None
    if field.sensitive is True:
        return REDACTED
    if field.item is not UNSET and isinstance(value, list):
        item = field.item
        return [redact(item, each) for each in value]
    if field.schema is not UNSET and isinstance(value, dict):
        known = field.schema
        return {
            key: redact(known[key], each) if key in known else each for key, each in value.items()
        }
    return value
