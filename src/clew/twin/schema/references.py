"""Which objects a state refers to, and which types a type may refer to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from clew.twin.schema.values import FieldType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.twin.schema.values import FieldSchema, ObjectSchema, ProcessSchema


def find_references(
    kind: ObjectSchema | ProcessSchema | None, state: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the fields of a state that refer to an object, with that object's type and id.

    Those inside lists and dictionaries count too; one that does not say its type does not.
    """
    if kind is None:
        return
    for name, field in kind.fields.items():
        for target in _targets(field, state.get(name)):
            yield name, target


def referred_types(kind: ObjectSchema | ProcessSchema) -> set[str]:
    """Return the names of the types that fields of a type may refer to."""
    found: set[str] = set()
    waiting = deque(kind.fields.values())
    while waiting:
        field = waiting.popleft()
        if field.type is FieldType.REFERENCE and field.ref_type:
            found.add(field.ref_type)
        if field.item is not UNSET:
            waiting.append(field.item)
        if field.schema is not UNSET:
            waiting.extend(field.schema.values())
    return found


def _targets(field: FieldSchema, value: Any) -> Iterator[tuple[str, str]]:
    waiting = deque([(field, value)])
    while waiting:
        schema, inner = waiting.popleft()
        if schema.type is FieldType.REFERENCE and schema.ref_type and isinstance(inner, str):
            yield schema.ref_type, inner
        elif schema.item is not UNSET and isinstance(inner, list):
            waiting.extend((schema.item, each) for each in inner)
        elif schema.schema is not UNSET and isinstance(inner, dict):
            waiting.extend((each, inner.get(key)) for key, each in schema.schema.items())
