"""Classes made from a registry, without the user's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from clew.twin.blueprint.entity import TriLogMeta
from clew.twin.blueprint.fields import (
    Boolean,
    Dict,
    Field,
    Float,
    Integer,
    List,
    Reference,
    String,
    Timestamp,
)
from clew.twin.blueprint.invariants import Invariant
from clew.twin.blueprint.objects import Object
from clew.twin.blueprint.processes import Process
from clew.twin.schema.values import FieldType, ProcessSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.blueprint.entity import Entity
    from clew.twin.schema.values import FieldSchema, ObjectSchema

_KINDS: Final[Mapping[FieldType, type[Field[Any]]]] = {
    each.kind: each for each in (Integer, Float, String, Boolean, List, Dict, Timestamp, Reference)
}


def make_class(kind: ObjectSchema | ProcessSchema) -> type[Entity]:
    """Return a class that works as the one did that the type was exported from.

    Invariants that were written in Python are lost; expressions are kept. A field whose name is a
    method's hides it.
    """
    namespace: dict[str, Any] = {
        "__doc__": kind.description or None,
        "__module__": __name__,
        **{name: make_field(field) for name, field in kind.fields.items()},
        **{each.name: Invariant.of_schema(each) for each in kind.invariants},
    }
    if isinstance(kind, ProcessSchema):
        namespace["phases"] = tuple(kind.phases)
        namespace["transitions"] = dict(kind.transitions)
        namespace["timeout_seconds"] = kind.timeout_seconds
    base = Process if isinstance(kind, ProcessSchema) else Object
    made = TriLogMeta(kind.name, (base,), namespace, schema=kind)
    return cast("type[Entity]", made)


def make_field(schema: FieldSchema) -> Field[Any]:
    """Return a field that says what a schema says."""
    made = _KINDS[schema.type]()
    made.schema = schema
    return made
