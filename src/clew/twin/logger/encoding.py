"""Values of a program as attributes of a log record.

Fields of a type that is known become what `clew.twin.schema` makes of them: coerced, redacted,
lists and dictionaries as JSON text. What nobody described stays what it is where OpenTelemetry has
it: numbers, booleans, texts, lists and dictionaries of those. Nothing here makes an export fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clew.twin import attributes as names
from clew.twin.schema.coercion import coerce, coercer_of, holds_secrets, referred_id
from clew.twin.schema.conversion import AS_JSON, to_attribute
from clew.twin.schema.faults import REDACTED, FieldError
from clew.twin.schema.limits import INTEGER_MAX, INTEGER_MIN, VALUE_DEPTH_MAX
from clew.twin.schema.lookup import names_of
from clew.twin.schema.moments import read_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.twin.anchoring.kinds import Kind, TypeSchema
    from clew.twin.schema.values import FieldSchema

TEXT_CHARS_MAX: Final = 200
"""Of a value that is no text and has none that is meant for others: its type, mostly."""


class Encoded:
    """Fields as attributes, the names of those that are null, and whether all of them fit."""

    __slots__ = ("attributes", "fits", "nulls")

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}
        self.nulls: list[str] = []
        self.fits = True


class Way(NamedTuple):
    """How a field goes out: under which attribute, and by what.

    `convert` is set where the value of the field is the attribute: no list, and nothing to redact.
    """

    key: str
    field: FieldSchema
    convert: Callable[[FieldSchema, object, str], Any] | None
    holds_secrets: bool


def encode_fields(kind: Kind, fields: Mapping[str, Any]) -> Encoded:
    """Return the fields of an object as attributes under the prefix of its type."""
    encoded = Encoded()
    schema = kind.schema
    if schema is None:
        begin = f"{kind.prefix}." if kind.prefix else ""
        for given, value in fields.items():
            name = to_text(given).removeprefix(begin)
            is_secret = name in kind.secrets and value is not None
            _put_unknown(encoded, begin, name, REDACTED if is_secret else value)
        return encoded
    ways = find_ways(schema)
    for given, value in fields.items():
        way = ways.get(given)
        if way is None:
            encoded.fits = False
            begin = f"{kind.prefix}."
            _put_unknown(encoded, begin, to_text(given).removeprefix(begin), value)
        else:
            _put_known(encoded, way, value)
    return encoded


def _put_known(encoded: Encoded, way: Way, value: Any) -> None:
    key, field, convert, _ = way
    try:
        if value is None:
            coerce(field, None)
            encoded.nulls.append(field.name)
        elif convert is not None:
            encoded.attributes[key] = convert(field, value, field.name)
        else:
            encoded.attributes[key] = to_attribute(field, value)
    except FieldError:
        encoded.fits = False
        encoded.attributes[key] = REDACTED if way.holds_secrets else to_plain(value)
        if value is None:
            # What is null is said to be, also where it may not be: others judge it.
            del encoded.attributes[key]
            encoded.nulls.append(field.name)


def _put_unknown(encoded: Encoded, begin: str, name: str, value: Any) -> None:
    if value is None:
        encoded.nulls.append(name)
    else:
        key = f"{begin}{name}"
        if key.startswith(names.RESERVED):
            # Who an object is nobody says by a field.
            key = f"{names.EVENT_DATA}{key}"
        encoded.attributes[key] = to_plain(value)


_WAYS: Final[dict[int, tuple[TypeSchema, dict[str, Way]]]] = {}
"""By identity of a schema, which is kept so that the identity stays its own."""

SCHEMAS_CACHED: Final = 1000
"""As many types as a registry may have."""


def find_ways(schema: TypeSchema) -> dict[str, Way]:
    """Return how the fields of a type go out, by all their names, bare and prefixed; made once."""
    found = _WAYS.get(id(schema))
    if found is None:
        if len(_WAYS) >= SCHEMAS_CACHED:
            _WAYS.clear()
        found = _WAYS[id(schema)] = (schema, dict(_make_ways(schema)))
    return found[1]


def _make_ways(schema: TypeSchema) -> Iterator[tuple[str, Way]]:
    begin = f"{schema.prefix}."
    for name, field in names_of(schema).items():
        has_secrets = holds_secrets(field)
        convert = None if has_secrets or field.type in AS_JSON else coercer_of(field)
        way = Way(f"{begin}{field.name}", field, convert, has_secrets)
        yield from ((name, way), (f"{begin}{name}", way))


def type_holds_secrets(schema: TypeSchema) -> bool:
    """Whether any field of a type is sensitive."""
    return any(map(holds_secrets, schema.fields.values()))


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
