"""Values of a program as attributes of a log record.

Fields of a type that is known become what `clew.twin.schema` makes of them: coerced, redacted,
lists and dictionaries as JSON text. What nobody described stays what it is where OpenTelemetry has
it: numbers, booleans, texts, lists and dictionaries of those. Nothing here makes an export fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from clew.twin.schema.coercion import coerce, referred_id
from clew.twin.schema.conversion import to_attribute
from clew.twin.schema.faults import REDACTED, FieldError
from clew.twin.schema.limits import INTEGER_MAX, INTEGER_MIN, VALUE_DEPTH_MAX
from clew.twin.schema.lookup import names_of
from clew.twin.schema.moments import read_moment

if TYPE_CHECKING:
    from clew.twin.anchoring.kinds import Kind, TypeSchema
    from clew.twin.schema.values import FieldSchema

TEXT_CHARS_MAX: Final = 200
"""Of a value that is no text and has none that is meant for others: its type, mostly."""


@dataclass(slots=True)
class Encoded:
    """Fields as attributes, the names of those that are null, and whether all of them fit."""

    attributes: dict[str, Any] = field(default_factory=dict)
    nulls: list[str] = field(default_factory=list)
    fits: bool = True


def encode_fields(kind: Kind, fields: Mapping[str, Any]) -> Encoded:
    """Return the fields of an object as attributes under the prefix of its type."""
    encoded = Encoded()
    begin = f"{kind.prefix}." if kind.prefix else ""
    known = {} if kind.schema is None else known_fields(kind.schema)
    is_known = kind.schema is not None
    for given, value in fields.items():
        name = to_text(given).removeprefix(begin) if begin else to_text(given)
        found = known.get(name)
        if found is None:
            encoded.fits = encoded.fits and not is_known
            _put_unknown(encoded, begin, name, value)
        else:
            _put_known(encoded, begin, found, value)
    return encoded


def _put_known(encoded: Encoded, begin: str, schema: FieldSchema, value: Any) -> None:
    try:
        if value is None:
            coerce(schema, None)
            encoded.nulls.append(schema.name)
        else:
            encoded.attributes[f"{begin}{schema.name}"] = to_attribute(schema, value)
    except FieldError:
        encoded.fits = False
        if holds_secrets(schema):
            encoded.attributes[f"{begin}{schema.name}"] = REDACTED
        else:
            _put_unknown(encoded, begin, schema.name, value)


def _put_unknown(encoded: Encoded, begin: str, name: str, value: Any) -> None:
    if value is None:
        encoded.nulls.append(name)
    else:
        encoded.attributes[f"{begin}{name}"] = to_plain(value)


_KNOWN: Final[dict[int, tuple[TypeSchema, dict[str, FieldSchema]]]] = {}
"""By identity of a schema, which is kept so that the identity stays its own."""

SCHEMAS_CACHED: Final = 1000
"""As many types as a registry may have."""


def known_fields(schema: TypeSchema) -> dict[str, FieldSchema]:
    """Return the fields of a type by all their names, made once."""
    found = _KNOWN.get(id(schema))
    if found is None:
        if len(_KNOWN) >= SCHEMAS_CACHED:
            _KNOWN.clear()
        found = _KNOWN[id(schema)] = (schema, names_of(schema))
    return found[1]


def holds_secrets(schema: FieldSchema) -> bool:
    """Whether a field, or one inside it, is sensitive."""
    if schema.sensitive is True:
        return True
    if schema.item is not UNSET and holds_secrets(schema.item):
        return True
    return schema.schema is not UNSET and any(map(holds_secrets, schema.schema.values()))


def to_plain(value: object, depth: int = 0) -> Any:
    """Return any value as an attribute that can be exported.

    What OpenTelemetry has no notation for becomes text: integers of more than 64 bits, lists that
    are nested too deep, objects of which only the type is said.
    """
    match value:
        case None | bool():
            return value
        case Enum():
            return to_plain(value.value, depth + 1)
        case str():
            return to_text(value)
        case int():
            return int(value) if INTEGER_MIN <= value <= INTEGER_MAX else hex(value)
        case float():
            return float(value)
        case bytes() | bytearray():
            return bytes(value)
        case list() | tuple() | set() | frozenset() if depth < VALUE_DEPTH_MAX:
            return [to_plain(each, depth + 1) for each in value]
        case Mapping() if depth < VALUE_DEPTH_MAX:
            return {to_text(key): to_plain(each, depth + 1) for key, each in value.items()}
        case _:
            known = referred_id(value) or read_moment(value)
            return to_text(known if known is not None else str(value)[:TEXT_CHARS_MAX])


def to_text(value: object) -> str:
    """Return a value as a text that UTF-8 can write."""
    text = value if type(value) is str else str(value)
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()
