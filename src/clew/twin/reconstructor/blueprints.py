"""Which class a reconstructed object is of: the program's own, one made from a registry, or none.

A registry that was given decides. Else a class that this process defined is taken, else the type is
made from the registries of the source; and what nobody describes is shown as it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.twin.blueprint.dynamic import make_class
from clew.twin.blueprint.entity import Entity, schema_of
from clew.twin.blueprint.registry import default_registry, registry_of
from clew.twin.documents import Remark
from clew.twin.state.kinds import former_names

if TYPE_CHECKING:
    from clew.twin.blueprint.registry import Registry
    from clew.twin.blueprint.upcasters import Upcasters
    from clew.twin.reconstructor.source import Source
    from clew.twin.schema.values import ObjectSchema, ProcessSchema

UNKNOWN_REGISTRY = "unknown_registry"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What is known of a type. `upcasters` are None where the program has none for it."""

    kind: type[Entity] | None = None
    upcasters: Upcasters | None = None
    is_ours: bool = False
    remarks: tuple[Remark, ...] = ()

    @property
    def schema(self) -> ObjectSchema | ProcessSchema | None:
        """The type as a value."""
        return None if self.kind is None else schema_of(self.kind)

    @property
    def needs_events(self) -> bool:
        """Whether a state that a server folded by its own registry may not be ours."""
        return self.upcasters is not None or (self.is_ours and bool(former_names(self.schema)))


class Blueprints:
    """Finds the blueprint of a type. Safe to use from any thread."""

    def __init__(self, source: Source, registry: Registry | None) -> None:
        self._source = source
        self._registry = registry
        self._made: dict[str, tuple[ObjectSchema | ProcessSchema, type[Entity]]] = {}

    def find_own(self, obj_type: str, kind: type[Entity] | None = None) -> Blueprint:
        """Return the program's own blueprint of a type; `kind` is the class that it named."""
        registry = self._registry
        remarks: tuple[Remark, ...] = ()
        if kind is None:
            try:
                kind = (registry or default_registry()).get(obj_type)
            except ClewError as error:
                if error.code is not ErrorCode.CONFLICT:
                    raise
                remarks = (Remark(code=UNKNOWN_REGISTRY, message=error.message),)
        home = registry
        if home is None:
            if kind is None:
                return Blueprint(remarks=remarks)
            home = registry_of(kind)
        own = {key: each for key, each in home.upcasters.items() if key[1] == obj_type}
        return Blueprint(kind, own or None, is_ours=kind is not None)

    def find(self, own: Blueprint, obj_type: str, checksum: str | None) -> Blueprint:
        """Return a type's blueprint, made from the source's registries where there is no own."""
        if own.kind is not None:
            return own
        schema = self._source.find_schema(obj_type, checksum or "")
        if schema is None:
            return own
        known = self._made.get(obj_type)
        if known is None or known[0] != schema:
            known = self._made[obj_type] = (schema, make_class(schema))
        return replace(own, kind=known[1])
