"""What objects and processes have in common: fields, an id, a version, and their way out and in."""

from __future__ import annotations

import difflib
import time
from datetime import UTC, datetime, timedelta
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, cast

import msgspec

from clew.base.times import NS_PER_US
from clew.twin import attributes
from clew.twin.blueprint.catalog import remember
from clew.twin.blueprint.fields import OBSERVER, VALUES, Field, copy_json
from clew.twin.blueprint.invariants import Invariant, Violation
from clew.twin.schema.checks import check_type
from clew.twin.schema.coercion import coerce
from clew.twin.schema.conversion import redact, to_attribute
from clew.twin.schema.faults import REDACTED, Fault, FieldError
from clew.twin.schema.lookup import names_of
from clew.twin.schema.moments import read_moment, to_datetime
from clew.twin.schema.names import otel_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.twin.schema.values import FieldSchema, ObjectSchema, ProcessSchema

ID_KEY: Final = "__id__"
TYPE_KEY: Final = "__type__"
VERSION_KEY: Final = "__version__"
CREATED_KEY: Final = "__created_at__"
UPDATED_KEY: Final = "__updated_at__"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN: Final = "_is_open"
"""Set in the namespace of the classes of this package, which are no types themselves."""


class TriLogMeta(type):
    """Gathers the fields of a class, its own and those it inherits, and makes its schema.

    ``class Event(Object, prefix="domain_event")`` names the prefix of its attributes, which
    otherwise comes from the name of the class.
    """

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        prefix: str = "",
        schema: ObjectSchema | ProcessSchema | None = None,
    ) -> TriLogMeta:
        """Make a class; with a `schema` one that was exported, which no other name reaches.

        Raises:
            ValueError: its fields contradict themselves, or bear names that are taken.
        """
        made = super().__new__(cls, name, bases, namespace)
        if _OPEN in namespace:
            return made
        entity = cast("type[Entity]", made)
        if schema is not None:
            entity._describe(schema)  # noqa: SLF001 - the metaclass is part of the class
            return made
        entity._describe(None, prefix or otel_prefix(name))  # noqa: SLF001
        remember(entity)
        return made

    def __init__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_options: object
    ) -> None:
        super().__init__(name, bases, namespace)


class Entity(metaclass=TriLogMeta):
    """Base of `Object` and `Process`."""

    _is_open = True
    _fields: ClassVar[Mapping[str, Field[Any]]] = {}
    _invariants: ClassVar[Mapping[str, Invariant]] = {}
    _schema: ClassVar[ObjectSchema | ProcessSchema]

    def __init__(self, entity_id: str, given: Mapping[str, Any]) -> None:
        self._begin(entity_id)
        for name in given:
            if name not in self._fields:
                raise TypeError(_no_field(type(self), name))
        now = read_moment(self._created_at)
        values = self.__dict__[VALUES]
        for name, field in self._fields.items():
            if name in given:
                values[name] = coerce(field.schema, given[name])
            elif field.schema.auto_now or field.schema.auto_now_add:
                values[name] = now
            elif field.schema.required and field.schema.default is None:
                raise FieldError(Fault.REQUIRED, name, f"a value: {name} is required", "none")

    @classmethod
    def _describe(cls, schema: ObjectSchema | ProcessSchema | None, prefix: str = "") -> None:
        """Gather the fields of the class and make its schema, unless there is one."""
        cls._fields = _gather(cls, Field)
        cls._invariants = _gather(cls, Invariant)
        if schema is not None:
            cls._schema = schema
            return
        taken = sorted(cls._fields.keys() & _taken_names())
        if taken:
            raise ValueError(f"{cls.__name__}.{taken[0]}: the name is taken; choose another")
        cls._schema = cls._make_schema(prefix)
        problems = check_type(cls._schema)
        if problems:
            raise ValueError("; ".join(str(each) for each in problems))

    def _begin(self, entity_id: str) -> None:
        self._id = entity_id
        self._version = 0
        self._created_at = self._updated_at = utc_now()
        self.__dict__[VALUES] = {}

    @property
    def id(self) -> str:
        """Who the object is; it never changes."""
        return self._id

    @property
    def version(self) -> int:
        """How many changes were applied."""
        return self._version

    @property
    def created_at(self) -> datetime:
        """When it was made, UTC."""
        return self._created_at

    @property
    def updated_at(self) -> datetime:
        """When it was changed last, UTC."""
        return self._updated_at

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entity):
            return NotImplemented
        return (self._schema.name, self._id) == (other._schema.name, other._id)

    def __hash__(self) -> int:
        return hash((self._schema.name, self._id))

    def __repr__(self) -> str:
        shown = "".join(
            f", {name}={REDACTED if field.schema.sensitive else value!r}"
            for name, field in self._fields.items()
            if (value := redact(field.schema, self._value(name))) is not None
        )
        return f"{self._schema.name}({self._id!r}{shown})"

    if not TYPE_CHECKING:
        # A type checker that saw it would let every name be assigned.

        def __setattr__(self, name: str, value: Any) -> None:
            if not name.startswith("_") and not hasattr(type(self), name):
                # Otherwise a misspelt field would be set, and nobody would ever hear of it.
                raise AttributeError(_no_field(type(self), name))
            super().__setattr__(name, value)
            if name in self._fields:
                self._touch(name)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy has: values of its own, and nobody who hears of its changes."""
        state = {name: value for name, value in self.__dict__.items() if name != OBSERVER}
        return {**state, VALUES: copy_json(state[VALUES])}

    def _touch(self, changed: str) -> None:
        """Note that a field was assigned: the moments that follow every change are now."""
        self._updated_at = utc_now()
        for name, field in self._fields.items():
            if field.schema.auto_now and name != changed:
                self.__dict__[VALUES][name] = read_moment(self._updated_at)

    def _value(self, name: str) -> Any:
        return self.__dict__[VALUES].get(name, self._fields[name].schema.default)

    def apply_change(
        self, changes: Mapping[str, Any], *, at: datetime | None = None
    ) -> dict[str, tuple[Any, Any]]:
        """Apply a change as an event carries it; return what changed, as (old, new) JSON values.

        Names are fields', bare or behind the prefix of the type, or what they were called before.
        Reserved names are passed over, but for the list of those that become null; so are names
        that are no field's. A change that names a field counts as a version, also when it sets
        what was there. Nothing is applied when one of the values does not fit.

        Raises:
            FieldError: a value does not fit its field.
        """
        patch = self._read_patch(changes)
        values = self.__dict__[VALUES]
        changed = {
            name: (self._value(name), value)
            for name, value in patch.items()
            if self._value(name) != value
        }
        values.update(patch)
        if patch:
            self._version += 1
            self._updated_at = utc_now() if at is None else at
        return changed

    def _read_patch(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        known = names_of(self._schema)
        begin = f"{self._schema.prefix}."
        patch: dict[str, Any] = {}
        nulls = changes.get(attributes.OBJ_NULLS)
        for name in nulls if isinstance(nulls, (list, tuple)) else ():
            field = known.get(str(name).removeprefix(begin))
            if field is not None:
                patch[field.name] = coerce(field, None)
        for key, value in changes.items():
            field = known.get(key.removeprefix(begin))
            if field is not None and not key.startswith(attributes.RESERVED):
                patch[field.name] = coerce(field, value)
        return patch

    def to_dict(self, *, redacted: bool = False) -> dict[str, Any]:
        """Return every field as a JSON value, and who and when under names like ``__id__``.

        It is for this process; `redacted` leaves out what is sensitive.
        """
        fields = {name: copy_json(self._value(name)) for name in self._fields}
        if redacted:
            fields = {
                name: redact(self._fields[name].schema, value) for name, value in fields.items()
            }
        return {**fields, **self._identity()}

    def _identity(self) -> dict[str, Any]:
        return {
            ID_KEY: self._id,
            TYPE_KEY: self._schema.name,
            VERSION_KEY: self._version,
            CREATED_KEY: read_moment(self._created_at),
            UPDATED_KEY: read_moment(self._updated_at),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return an object as `to_dict` wrote it.

        Fields that are absent have their defaults, also where they are required: a state need not
        be whole. Names of no field are passed over.

        Raises:
            FieldError: a value does not fit its field.
            ValueError: it has no id, or is of another type.
        """
        entity_id, kind = document.get(ID_KEY), document.get(TYPE_KEY, cls._schema.name)
        if not isinstance(entity_id, str):
            raise ValueError(f"{cls._schema.name}: no {ID_KEY} to know it by")  # noqa: TRY004
        if kind != cls._schema.name:
            raise ValueError(f"expected a {cls._schema.name}, got a {kind}")
        made = cls.__new__(cls)
        made._open(entity_id, document)  # noqa: SLF001 - it is one of ours
        return made

    def _open(self, entity_id: str, document: Mapping[str, Any]) -> None:
        self._begin(entity_id)
        self._restore(document)

    def _restore(self, document: Mapping[str, Any]) -> None:
        values = self.__dict__[VALUES]
        for name, field in names_of(self._schema).items():
            if name in document and (document[name] is not None or not field.required):
                values[field.name] = coerce(field, document[name])
        self._version = int(document.get(VERSION_KEY, 0))
        self._created_at = read_or(document.get(CREATED_KEY), self._created_at)
        self._updated_at = read_or(document.get(UPDATED_KEY), self._created_at)

    def to_otel_attributes(self) -> dict[str, str | bool | int | float | list[str]]:
        """Return who it is and its fields as attributes, sensitive ones redacted.

        Fields that were set to null are listed under ``trilog.obj.nulls``.
        """
        said: dict[str, str | bool | int | float | list[str]] = {
            attributes.OBJ_ID: self._id,
            attributes.OBJ_TYPE: self._schema.name,
        }
        nulls = [name for name, value in self.__dict__[VALUES].items() if value is None]
        if nulls:
            said[attributes.OBJ_NULLS] = nulls
        for name, field in self._fields.items():
            value = self._value(name)
            if value is not None:
                said[f"{self._schema.prefix}.{name}"] = to_attribute(field.schema, value)
        return said

    def diff(self, other: Entity) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ, as (ours, theirs) JSON values.

        Raises:
            TypeError: the other is of another type.
        """
        if other._schema.name != self._schema.name:
            raise TypeError(f"expected a {self._schema.name}, got a {other._schema.name}")
        pairs = {name: (self._value(name), other._value(name)) for name in self._fields}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def check_invariants(self) -> list[Violation]:
        """Return the invariants that do not hold."""
        found = (each.check(self) for each in self._invariants.values())
        return [each for each in found if each is not None]

    @classmethod
    def get_fields(cls) -> dict[str, Field[Any]]:
        """Return the fields by name, inherited ones first."""
        return dict(cls._fields)

    @classmethod
    def get_type_name(cls) -> str:
        """Return the name of the type."""
        return cls.__name__ if _OPEN in cls.__dict__ else cls._schema.name

    @classmethod
    def get_otel_prefix(cls) -> str:
        """Return what the names of its fields begin with as attributes, without the dot."""
        return otel_prefix(cls.__name__) if _OPEN in cls.__dict__ else cls._schema.prefix

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Return the type as it stands in the file of a registry."""
        return cast("dict[str, Any]", msgspec.to_builtins(schema_of(cls)))

    @classmethod
    def _make_schema(cls, prefix: str) -> ObjectSchema | ProcessSchema:
        raise NotImplementedError


def invariants_of(kind: type[Entity]) -> list[Invariant]:
    """Return the conditions of a class, those that it inherits first."""
    return list(kind._invariants.values())  # noqa: SLF001 - one module with the class


def schema_of(kind: type[Entity]) -> ObjectSchema | ProcessSchema:
    """Return the type that a class describes.

    Raises:
        TypeError: the class describes none.
    """
    found = getattr(kind, "_schema", None)
    if found is None:
        raise TypeError(f"{kind.__name__} describes no type; define a class of your own from it")
    return cast("ObjectSchema | ProcessSchema", found)


def observe(
    entity: Entity, observer: Callable[[Entity, str, Any, Any], None] | None
) -> Callable[[Entity, str, Any, Any], None] | None:
    """Let a function hear of every assignment to a field; return who heard of them before.

    It is called with the object, the field's name, and the JSON values before and after. None ends
    it. What is done inside a list or dictionary is no assignment. Of a step of a process, and of
    its end, the name is empty.
    """
    before = entity.__dict__.get(OBSERVER)
    if observer is None:
        entity.__dict__.pop(OBSERVER, None)
    else:
        entity.__dict__[OBSERVER] = observer
    return cast("Callable[[Entity, str, Any, Any], None] | None", before)


def _gather(kind: type[Entity], wanted: type[Any]) -> dict[str, Any]:
    """Return what a class has of a kind, by name; what hides an inherited one takes it away."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for name, value in vars(base).items():
            found.pop(name, None) if not isinstance(value, wanted) else found.update({name: value})
    return found


def _taken_names() -> frozenset[str]:
    """Return the names of methods, and of what cannot change; fields must not hide them."""
    return frozenset(
        name
        for base in Entity.__subclasses__()
        for name in dir(base)
        if callable(getattr(base, name, None)) or name in {"id", "phases", "steps", "transitions"}
    ) | {"obj_id", "trace_id"}


def _no_field(kind: type[Entity], name: str) -> str:
    near = difflib.get_close_matches(name, kind._fields, n=1)
    ending = f"; did you mean {near[0]}?" if near else ""
    return f"{kind.__name__} has no field {name!r}{ending}"


def read_or(value: object, otherwise: datetime) -> datetime:
    """Return the moment that a value names, or another one."""
    text = read_moment(value)
    return otherwise if text is None else to_datetime(text)


def utc_now() -> datetime:
    """Return this moment, as precise as a `datetime` is."""
    return _EPOCH + timedelta(microseconds=time.time_ns() // NS_PER_US)


def describe_class(kind: type) -> str:
    """Return the docstring that a class itself has."""
    return cleandoc(kind.__dict__.get("__doc__") or "")


def fields_of(kind: type[Entity]) -> dict[str, FieldSchema]:
    """Return the schemas of the fields of a class, by name."""
    return {name: field.schema for name, field in kind._fields.items()}
