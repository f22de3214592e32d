"""`Registry`: the types of a system together, and their way into files and out of them."""

from __future__ import annotations

import time
import weakref
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.twin.blueprint.catalog import count_defined, defined_classes
from clew.twin.blueprint.dynamic import make_class
from clew.twin.blueprint.entity import Entity, schema_of
from clew.twin.blueprint.objects import Object
from clew.twin.blueprint.processes import Process
from clew.twin.schema.checks import require_sound
from clew.twin.schema.codec import encode_registry, parse_registry, with_checksum
from clew.twin.schema.lookup import RegistryIndex, types_of
from clew.twin.schema.values import ObjectSchema, ProcessSchema, RegistrySchema
from clew.twin.validation.validator import LogValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clew.twin.blueprint.upcasters import Upcaster, Upcasters
    from clew.twin.validation.issues import ValidationResult

E = TypeVar("E", bound=type[Entity])

_HOME: Final[weakref.WeakKeyDictionary[type[Entity], weakref.ref[Registry]]] = (
    weakref.WeakKeyDictionary()
)
"""The registry where a class was registered last."""


class Registry:
    """Types of objects and processes under one name and version.

    It knows what was registered, each class under its name. `register` may stand over a class as a
    decorator.
    """

    def __init__(self, name: str = "default", version: str = "1.0.0") -> None:
        self.name = name
        self.version = version
        self.created_at = format_time(time.time_ns())
        self._classes: dict[str, type[Entity]] = {}
        self._upcasters: dict[tuple[str, str], Upcaster] = {}
        self._pictures: _Pictures | None = None

    def register(self, kind: E) -> E:
        """Take in a class and return it. One that is there already changes nothing.

        Raises:
            ClewError: ALREADY_EXISTS when another class has its name or its prefix;
                INVALID_ARGUMENT when it describes no type.
        """
        schema = self._schema_of(kind)
        known = self._classes.get(schema.name)
        if known is not None and not _replaces(kind, known):
            raise _clash(f"the name {schema.name}", known, kind)
        for other in self._classes.values():
            if other is not known and schema_of(other).prefix == schema.prefix:
                raise _clash(f"the prefix {schema.prefix}", other, kind)
        self._classes[schema.name] = kind
        self._pictures = None
        _HOME[kind] = weakref.ref(self)
        return kind

    def register_all(self, kinds: Iterable[type[Entity]]) -> None:
        """Take in several classes.

        Raises:
            ClewError: as of `register`; those before it are in.
        """
        for kind in kinds:
            self.register(kind)

    @staticmethod
    def _schema_of(kind: type[Entity]) -> ObjectSchema | ProcessSchema:
        if isinstance(kind, type) and issubclass(kind, Entity):
            try:
                return schema_of(kind)
            except TypeError as error:
                raise ClewError(ErrorCode.INVALID_ARGUMENT, str(error)) from error
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not a class of a blueprint: {kind!r}"[:200],
            hint="register classes that inherit from Object or Process",
        )

    def upcaster(
        self, written_by: str | Registry, kind: type[Entity] | str
    ) -> Callable[[Upcaster], Upcaster]:
        """Let a function turn patches that an older registry's programs wrote into today's.

        It stands over the function as a decorator. `written_by` is that registry or its checksum,
        empty for events that name none. The function takes the fields that an event sets and
        returns those that it would set today; a `Reconstructor` with this registry applies it.
        """
        checksum = written_by if isinstance(written_by, str) else written_by.compute_checksum()
        name = kind if isinstance(kind, str) else schema_of(kind).name

        def keep(function: Upcaster) -> Upcaster:
            self._upcasters[checksum, name] = function
            return function

        return keep

    @property
    def upcasters(self) -> Upcasters:
        """The functions by checksum and type."""
        return MappingProxyType(self._upcasters)

    def get(self, name: str) -> type[Entity] | None:
        """Return the class of a name, or None."""
        return self._known().get(name)

    def get_object(self, name: str) -> type[Object] | None:
        """Return the object class of a name, or None."""
        found = self.get(name)
        return found if found is not None and issubclass(found, Object) else None

    def get_process(self, name: str) -> type[Process] | None:
        """Return the process class of a name, or None."""
        found = self.get(name)
        return found if found is not None and issubclass(found, Process) else None

    def get_all_objects(self) -> dict[str, type[Object]]:
        """Return every object class by name."""
        return {name: kind for name, kind in self._known().items() if issubclass(kind, Object)}

    def get_all_processes(self) -> dict[str, type[Process]]:
        """Return every process class by name."""
        return {name: kind for name, kind in self._known().items() if issubclass(kind, Process)}

    def get_expected_keys(self) -> list[str]:
        """Return the attributes that events of these types carry, in order."""
        return self._picture().index.expected_keys()

    def get_schema(self, name: str) -> dict[str, Any] | None:
        """Return a type as it stands in the file, or None."""
        found = self.get(name)
        return None if found is None else found.schema()

    def to_schema(self) -> RegistrySchema:
        """Return the registry as a value, with its checksum.

        Raises:
            ClewError: INVALID_ARGUMENT when it contradicts itself.
        """
        return self._picture().schema

    def compute_checksum(self) -> str:
        """Return the checksum of everything that the registry says, but when it was made.

        Raises:
            ClewError: INVALID_ARGUMENT when it contradicts itself.
        """
        return self._picture().schema.checksum

    def validate(self, name: str, values: Mapping[str, Any]) -> ValidationResult:
        """Return what is wrong with the fields of a whole object, given by their bare names."""
        return self._picture().validator.validate_fields(name, values)

    def validate_attributes(self, attributes: Mapping[str, Any]) -> ValidationResult:
        """Return what is wrong with the attributes of an event."""
        return self._picture().validator.validate(attributes)

    def to_dict(self) -> dict[str, Any]:
        """Return the file of the registry as a dictionary."""
        decoded: dict[str, Any] = msgspec.json.decode(self.encode())
        return decoded

    def encode(self) -> bytes:
        """Return the file of the registry."""
        return encode_registry(self.to_schema())

    def export(self, path: str | Path) -> None:
        """Write the file of the registry, whole or not at all.

        Raises:
            ClewError: INVALID_ARGUMENT when it contradicts itself.
            OSError: it cannot be written.
        """
        content = self.encode()
        target = Path(path)
        beside = target.with_name(f".{target.name}.new")
        beside.write_bytes(content)
        beside.replace(target)

    @classmethod
    def load(cls, path: str | Path) -> Registry:
        """Return the registry of a file, with classes that work without the code they came from.

        Raises:
            ClewError: INVALID_ARGUMENT when it is no registry or contradicts itself; TOO_LARGE.
            OSError: it cannot be read.
        """
        return cls.from_schema(parse_registry(Path(path).read_bytes()))

    @classmethod
    def from_schema(cls, schema: RegistrySchema) -> Registry:
        """Return a registry with classes made from a value that is sound."""
        made = cls(schema.name, schema.version)
        made.created_at = schema.created_at
        made._classes = {kind.name: make_class(kind) for kind in types_of(schema)}
        _HOME.update(dict.fromkeys(made._classes.values(), weakref.ref(made)))
        return made

    def to_configmap_yaml(self) -> str:
        """Return a Kubernetes ConfigMap that holds the file."""
        from clew.twin.schema.kubernetes import to_configmap

        return to_configmap(self.to_schema())

    def to_otel_config(self) -> str:
        """Return the configuration of an OpenTelemetry Collector for events of this registry."""
        from clew.twin.schema.collector import to_collector_config

        return to_collector_config(self.to_schema())

    def _known(self) -> Mapping[str, type[Entity]]:
        return self._classes

    def _picture(self) -> _Pictures:
        if self._pictures is None:
            self._pictures = _Pictures(self._make_schema())
        return self._pictures

    def _make_schema(self) -> RegistrySchema:
        schema = self._gather()
        require_sound(schema)
        return with_checksum(schema)

    def _gather(self) -> RegistrySchema:
        types = {name: schema_of(kind) for name, kind in self._known().items()}
        return RegistrySchema(
            name=self.name,
            version=self.version,
            created_at=self.created_at,
            objects={name: each for name, each in types.items() if isinstance(each, ObjectSchema)},
            processes={
                name: each for name, each in types.items() if isinstance(each, ProcessSchema)
            },
        )


class _Pictures:
    """What is made of a registry as long as nothing is registered."""

    def __init__(self, schema: RegistrySchema) -> None:
        self.schema = schema
        self.index = RegistryIndex(schema)
        self.validator = LogValidator(schema)


class DefaultRegistry(Registry):
    """Every class that was defined, as it is asked: what is used where no registry is given."""

    def __init__(self) -> None:
        super().__init__()
        self._counted = -1

    def get(self, name: str) -> type[Entity] | None:
        """Return the class of a name, or None.

        Raises:
            ClewError: CONFLICT when two modules define one of that name.
        """
        found = [kind for kind in defined_classes() if kind.__name__ == name]
        if len(found) > 1 and name not in self._classes:
            where = ", ".join(kind.__module__ for kind in found)
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{len(found)} modules define a {name}: {where}",
                hint="put the classes of one system into a Registry() of their own",
            )
        return super().get(name)

    def _known(self) -> Mapping[str, type[Entity]]:
        """Return the classes whose name is that of one alone, and those that were registered."""
        known: dict[str, type[Entity]] = {}
        ambiguous: set[str] = set()
        for kind in defined_classes():
            if kind.__name__ in known:
                ambiguous.add(kind.__name__)
            known[kind.__name__] = kind
        for name in ambiguous:
            del known[name]
        return {**known, **self._classes}

    def encode(self) -> bytes:
        """Return the file of the registry.

        Raises:
            ClewError: INVALID_ARGUMENT when its classes contradict each other.
        """
        require_sound(self.to_schema())
        return super().encode()

    def _make_schema(self) -> RegistrySchema:
        # Nobody put these classes together, so what contradicts another is told on export only.
        return with_checksum(self._gather())

    def _picture(self) -> _Pictures:
        count = count_defined()
        if count != self._counted:
            self._pictures = None
            self._counted = count
        return super()._picture()


_DEFAULT: Final = DefaultRegistry()


def default_registry() -> Registry:
    """Return the registry of every class that was defined in this process."""
    return _DEFAULT


def registry_of(kind: type[Entity]) -> Registry:
    """Return the registry where a class was registered last, else that of all classes."""
    reference = _HOME.get(kind)
    found = None if reference is None else reference()
    return _DEFAULT if found is None else found


def _replaces(kind: type[Entity], known: type[Entity]) -> bool:
    """Whether a class is another one defined anew: its module was loaded again."""
    return (kind.__module__, kind.__qualname__) == (known.__module__, known.__qualname__)


def _clash(what: str, known: type[Entity], kind: type[Entity]) -> ClewError:
    places = [f"{each.__module__}.{each.__qualname__}" for each in (known, kind)]
    return ClewError(
        ErrorCode.ALREADY_EXISTS,
        f"{what} is taken by {places[0]}; {places[1]} cannot have it too",
        hint="rename one, give it another prefix with class …(prefix=…), or use two registries",
    )
