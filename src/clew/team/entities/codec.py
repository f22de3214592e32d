"""Entities as JSON documents, and back: what is kept in the ledger and goes to the server.

A document holds the fields of an entity by their names, but for those that only mean something here
(`local_fields` of its kind: the ids, and how far its sync is). Reading is strict about types and
tolerant of fields that it does not know: a newer clew may have written them. They are no part of
the entity that comes out, and they stay in the document: `update_document` lays an entity over the
document that it came from, so whoever knows fewer fields takes none away.
"""

from __future__ import annotations

import dataclasses
import math
import re
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec

from clew.team.entities.entity import SyncableEntity
from clew.team.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DOCUMENT_BYTES_MAX: Final = 128 << 10
"""Of one document as JSON: fifty of them, a batch, stay below the 10 MB that a server takes."""

DEPTH_MAX: Final = 32
"""Of lists and objects within each other: nothing that a person made is nested deeper."""

Entity = TypeVar("Entity", bound=SyncableEntity)

Document = dict[str, Any]
"""What JSON can say, by the names of fields."""

_PATH: Final = re.compile(r"`\$\.?([^`]*)`$")


def field_names(kind: type[SyncableEntity]) -> tuple[str, ...]:
    """Return the fields of a kind, in their order.

    Raises:
        TypeError: it is neither a dataclass nor a msgspec Struct.
    """
    return _layout(kind).fields


def document_fields(kind: type[SyncableEntity]) -> tuple[str, ...]:
    """Return the fields of a kind that stand in its documents, in their order."""
    return _layout(kind).shared


def replace_fields(entity: Entity, **changes: object) -> Entity:
    """Return a copy of an entity with other values in some fields."""
    if isinstance(entity, msgspec.Struct):
        return cast("Entity", msgspec.structs.replace(entity, **changes))
    return cast("Entity", dataclasses.replace(cast("Any", entity), **changes))


def encode_entity(entity: SyncableEntity) -> Document:
    """Return the document of an entity. Times are RFC 3339 in UTC.

    Raises:
        ValidationError: a value is nothing that JSON can say, or a time has no zone.
    """
    return {name: _plain(getattr(entity, name), name, 0) for name in document_fields(type(entity))}


def update_document(entity: SyncableEntity, before: Mapping[str, Any] | None) -> Document:
    """Return the document of an entity, with what `before` says beyond the fields of its kind."""
    document = encode_entity(entity)
    if before is not None:
        known = field_names(type(entity))
        document.update((key, value) for key, value in before.items() if key not in known)
    return document


def decode_entity(
    kind: type[Entity],
    document: Mapping[str, Any],
    *,
    local_id: str,
    remote_id: str | None,
    last_modified: datetime | None = None,
) -> Entity:
    """Return the entity that a document describes; fields that are not known are passed over.

    Args:
        kind: its class.
        document: as `encode_entity` makes it. Booleans may be 0 and 1, as they are in tables.
        local_id: what names it here.
        remote_id: what names it on the server.
        last_modified: instead of what the document says.

    Raises:
        ValidationError: a field is missing or of another type, or a time has no zone.
    """
    local: Document = {"local_id": local_id, "remote_id": remote_id}
    if last_modified is not None:
        local["last_modified"] = last_modified
    known = {name: document[name] for name in document_fields(kind) if name in document}
    for name in _layout(kind).booleans:
        if type(known.get(name)) is int and known[name] in (0, 1):
            known[name] = bool(known[name])
    try:
        entity = msgspec.convert(known | local, kind)
    except msgspec.ValidationError as error:
        found = _PATH.search(str(error))
        where = f" at {found[1]}" if found and found[1] else ""
        raise ValidationError(
            f"a document of {kind.entity_type()} is not understood{where}",
            hint="a newer clew may have written it: bring this one up to date",
        ) from None
    times = {
        name: _in_utc(value, name)
        for name in field_names(kind)
        if isinstance(value := getattr(entity, name), datetime) and value.tzinfo is not UTC
    }
    return replace_fields(entity, **times) if times else entity


def encode_document(document: Mapping[str, Any]) -> str:
    """Return a document as JSON.

    Raises:
        ValidationError: it is larger than `DOCUMENT_BYTES_MAX`.
    """
    encoded = msgspec.json.encode(document)
    if len(encoded) > DOCUMENT_BYTES_MAX:
        raise ValidationError(
            f"a document has {len(encoded)} bytes, more than {DOCUMENT_BYTES_MAX}",
            hint="share less of it",
        )
    return encoded.decode()


def decode_document(text: str) -> Document:
    """Return the document that JSON says.

    Raises:
        ValidationError: it is no JSON object.
    """
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        raise ValidationError("a document is no JSON object") from None


@dataclasses.dataclass(frozen=True, slots=True)
class _Layout:
    """The fields of a kind, those of its documents, and those that are yes or no."""

    fields: tuple[str, ...]
    shared: tuple[str, ...]
    booleans: tuple[str, ...]


def _find_layout(kind: type[SyncableEntity]) -> _Layout:
    if dataclasses.is_dataclass(kind):
        types = {field.name: field.type for field in dataclasses.fields(kind)}
    elif issubclass(kind, msgspec.Struct):
        types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    else:
        raise TypeError(f"{kind.__name__} is neither a dataclass nor a msgspec Struct")
    return _Layout(
        fields=tuple(types),
        shared=tuple(name for name in types if name not in kind.local_fields),
        # Of a dataclass, types may be text.
        booleans=tuple(name for name, of in types.items() if of is bool or of == "bool"),
    )


# The cast: to the type checker a class with a metaclass cannot be hashed.
_layout = cast("Callable[[type[SyncableEntity]], _Layout]", lru_cache(256)(_find_layout))


def _plain(value: object, name: str, depth: int) -> Any:
    """Return a value as JSON has it."""
    if depth > DEPTH_MAX:
        raise ValidationError(f"{name} is nested deeper than {DEPTH_MAX}")
    match value:
        case None | bool():
            return value
        case Enum():
            return _plain(value.value, name, depth + 1)
        case str():
            return _text(value, name)
        case int():
            return value
        case float() if math.isfinite(value):
            return value
        case datetime():
            return _in_utc(value, name).isoformat().replace("+00:00", "Z")
        case dict():
            return {_key(key, name): _plain(each, name, depth + 1) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each, name, depth + 1) for each in value]
        case _ if dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct):
            return _plain(msgspec.to_builtins(value), name, depth + 1)
        case _:
            raise ValidationError(f"{name} is nothing that JSON can say")


def _text(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValidationError(f"{name} holds half a character (a lone surrogate)") from None
    if "\x00" in value:
        raise ValidationError(f"{name} holds a character of the code zero")
    return str(value)


def _key(key: object, name: str) -> str:
    if not isinstance(key, str):
        raise ValidationError(f"{name} holds a key that is no text")
    return _text(key, name)


def _in_utc(value: datetime, name: str) -> datetime:
    if value.tzinfo is None:
        raise ValidationError(
            f"{name} is a time without a zone", hint="make it with datetime.now(UTC)"
        )
    return value.astimezone(UTC)
