"""All registries of a server as they are at one moment, quick to ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from clew.twin.schema.lookup import RegistryIndex
from clew.twin.validation.validator import LogValidator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.twin.schema.values import ObjectSchema, ProcessSchema, RegistrySchema


@dataclass(frozen=True, slots=True)
class Volume:
    """One registry, and what checks events against it."""

    index: RegistryIndex
    validator: LogValidator

    @classmethod
    def of(cls, registry: RegistrySchema) -> Volume:
        """Return a registry made quick to ask."""
        index = RegistryIndex(registry)
        return cls(index, LogValidator(index))


@dataclass(frozen=True, slots=True)
class Shelf:
    """Registries by checksum, and for each type the one that describes it now. Immutable."""

    volumes: Mapping[str, Volume] = field(default_factory=dict)
    current: Mapping[str, Volume] = field(default_factory=dict)

    @classmethod
    def of(cls, registries: Iterable[RegistrySchema]) -> Shelf:
        """Put registries up, the ones that were given last standing last."""
        volumes: dict[str, Volume] = {}
        newest: dict[str, Volume] = {}
        for registry in registries:
            volume = volumes[registry.checksum] = Volume.of(registry)
            newest.pop(registry.name, None)
            newest[registry.name] = volume
        # A type that only older versions know is still better described by them than not at all.
        current = {name: each for each in volumes.values() for name in each.index.types}
        current |= {name: each for each in newest.values() for name in each.index.types}
        return cls(volumes, current)

    def find_volume(self, obj_type: str, checksum: str) -> Volume | None:
        """Return the registry that an event means: its own, else the one that knows the type."""
        return self.volumes.get(checksum) or self.current.get(obj_type)

    def find_type(self, obj_type: str, checksum: str = "") -> ObjectSchema | ProcessSchema | None:
        """Return what describes a type: the event's own registry, else the current one."""
        own = self.volumes.get(checksum)
        found = own.index.by_name(obj_type) if own else None
        if found is None and obj_type in self.current:
            found = self.current[obj_type].index.by_name(obj_type)
        return found


class Shelved(Protocol):
    """Whoever has registries on a shelf."""

    @property
    def shelf(self) -> Shelf:
        """The registries as they are now; may block, and raise ClewError."""
        ...
