"""Finding types and fields of a registry by what an event carries: names, prefixes, attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from clew.twin import attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.schema.values import FieldSchema, ObjectSchema, ProcessSchema, RegistrySchema

IDENTITY_KEYS: Final = (
    attributes.OBJ_ID,
    attributes.OBJ_TYPE,
    attributes.OBJ_VERSION,
    attributes.PROCESS_TYPE,
    attributes.PROCESS_STATUS,
    attributes.PROCESS_STARTED_AT,
    attributes.PROCESS_TRACE_ID,
    attributes.PROCESS_PHASE,
)
"""Reserved names that the file of a registry lists among the expected ones."""


class FoundField(NamedTuple):
    """A field, and the type that it belongs to."""

    type: ObjectSchema | ProcessSchema
    field: FieldSchema


def types_of(registry: RegistrySchema) -> list[ObjectSchema | ProcessSchema]:
    """Return every type of a registry, objects first, in its order."""
    return [*registry.objects.values(), *registry.processes.values()]


class RegistryIndex:
    """A registry made quick to ask. It is a picture of the registry as it was given.

    `fields` are all fields by their attribute (``shopping_cart.item_count``), the former names of
    renamed ones too.
    """

    def __init__(self, registry: RegistrySchema) -> None:
        self.registry = registry
        self.types: Mapping[str, ObjectSchema | ProcessSchema] = {
            **registry.processes,
            **registry.objects,
        }
        self.prefixes: Mapping[str, ObjectSchema | ProcessSchema] = {
            each.prefix: each for each in self.types.values()
        }
        self.fields: Mapping[str, FoundField] = {
            f"{each.prefix}.{name}": FoundField(each, field)
            for each in self.types.values()
            for name, field in names_of(each).items()
        }

    def by_name(self, name: str) -> ObjectSchema | ProcessSchema | None:
        """Return the type of a name, or None."""
        return self.types.get(name)

    def by_prefix(self, prefix: str) -> ObjectSchema | ProcessSchema | None:
        """Return the type whose fields begin with a prefix (without its dot), or None."""
        return self.prefixes.get(prefix)

    def by_attribute(self, key: str) -> FoundField | None:
        """Return the field that an attribute carries, or None."""
        return self.fields.get(key)

    def expected_keys(self) -> list[str]:
        """Return the attributes that events of the registry carry, in order."""
        own = {f"{each.prefix}.{name}" for each in self.types.values() for name in each.fields}
        return sorted(own.union(IDENTITY_KEYS))


def names_of(kind: ObjectSchema | ProcessSchema) -> dict[str, FieldSchema]:
    """Return the fields of a type by every name that events know them by; present names win."""
    named = {former: field for field in kind.fields.values() for former in field.renamed_from or ()}
    return {**named, **kind.fields}
