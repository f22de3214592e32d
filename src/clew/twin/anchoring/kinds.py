"""What an anchor knows of its object's type: a name, and the class where this process has it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError
from clew.twin.blueprint.catalog import count_defined, defined_classes
from clew.twin.blueprint.entity import Entity, schema_of
from clew.twin.blueprint.registry import default_registry
from clew.twin.logger.complaints import COMPLAINTS
from clew.twin.schema.coercion import holds_secrets
from clew.twin.schema.lookup import names_of
from clew.twin.schema.names import otel_prefix
from clew.twin.schema.values import ObjectSchema, ProcessSchema

if TYPE_CHECKING:
    TypeSchema = ObjectSchema | ProcessSchema

UNKNOWN: Final = "unknown"
"""The name of the type of an object whose anchor names none."""

NO_PREFIX: Final = "trilog"
"""What stands for the prefix of a type that is not known; no field is written under it."""

NAMES_CACHED: Final = 1000
"""Types that are named by a text: as many as a registry may have."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A type. `schema` and `entity` are set where this process has a class of a blueprint for it.

    `prefix` begins the names of its fields as attributes; it is empty where no type is named.
    `secrets` are names of sensitive fields where several classes may be meant, and none is.
    """

    name: str
    prefix: str
    schema: TypeSchema | None = None
    entity: type[Entity] | None = None
    secrets: frozenset[str] = frozenset()

    @property
    def is_process(self) -> bool:
        """Whether it is known to be a type of processes."""
        return isinstance(self.schema, ProcessSchema)


NO_KIND: Final = Kind("", "")

_FOREIGN: Final[weakref.WeakKeyDictionary[type, Kind]] = weakref.WeakKeyDictionary()
"""Of classes that are no blueprint's."""

_OWN: Final = "_anchored_kind"
"""Where a class of a blueprint keeps its own: the two of them end together."""

_BY_NAME: Final[dict[str, tuple[int, Kind]]] = {}


def find_kind(given: type[Any] | str | None) -> Kind:
    """Return what is known of a type that is given by its class, by its name, or not at all.

    A class that is no blueprint's gives its name. A name finds the class that alone bears it among
    those of this process.
    """
    if not given:
        return NO_KIND
    if isinstance(given, str):
        return _by_name(given)
    own: Kind | None = given.__dict__.get(_OWN)
    if own is not None:
        return own
    if issubclass(given, Entity):
        own = _describe(given)
        setattr(given, _OWN, own)
        return own
    found = _FOREIGN.get(given)
    if found is None:
        found = _FOREIGN[given] = Kind(given.__name__, otel_prefix(given.__name__))
    return found


def _describe(given: type[Entity]) -> Kind:
    try:
        schema = schema_of(given)
    except TypeError:
        return Kind(given.get_type_name(), given.get_otel_prefix())
    return Kind(schema.name, schema.prefix, schema, given)


def _find_secrets(name: str) -> frozenset[str]:
    """Return the sensitive fields of every class of a name, by all their names."""
    return frozenset(
        each
        for kind in defined_classes()
        if kind.__name__ == name
        for each, field in names_of(schema_of(kind)).items()
        if holds_secrets(field)
    )


def _by_name(name: str) -> Kind:
    # A class that is defined later may be the one that is meant.
    count = count_defined()
    known = _BY_NAME.get(name)
    if known is not None and known[0] == count:
        return known[1]
    try:
        entity = default_registry().get(name)
        kind = Kind(name, otel_prefix(name)) if entity is None else find_kind(entity)
    except ClewError as error:
        # Several modules define one of that name, and nobody said which is meant.
        COMPLAINTS.tell(("ambiguous", name), f"{error}; give the class, not its name")
        kind = Kind(name, otel_prefix(name), secrets=_find_secrets(name))
    if len(_BY_NAME) >= NAMES_CACHED:
        _BY_NAME.clear()
    _BY_NAME[name] = (count, kind)
    return kind
