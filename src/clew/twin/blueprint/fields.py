"""Fields as descriptors: assignment coerces, and refuses what does not fit.

An object keeps JSON values, as its events carry them; reading gives the Python value that they
stand for. A list or dictionary that is read is the object's own: what is done to it is done to the
object.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Self, TypeVar, cast, overload

import msgspec
from msgspec import UNSET

from clew.twin.schema.coercion import coerce
from clew.twin.schema.moments import to_datetime
from clew.twin.schema.values import FieldSchema, FieldType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clew.twin.blueprint.entity import Entity

V = TypeVar("V")

VALUES: Final = "_values"
"""Where an object keeps the values of its fields, each by its name."""

OBSERVER: Final = "_observer"
"""Where an object keeps whom it tells of assignments."""


class _Missing:
    """Stands for a default that was not given, since None is one."""

    def __repr__(self) -> str:
        return "<no default>"


MISSING: Final = _Missing()


class Field(Generic[V]):
    """A field of an object or process. Use one of its kinds: `Integer`, `String`, ….

    `default` is what stands where nothing was said; each object has a copy of its own. `required`
    must be given when the object is made, and is never null; `nullable` may be null. `indexed` asks
    the store for quick search. `sensitive` values never leave the process: exporters write
    ``[redacted]``. `renamed_from` are names under which older events carry the field.
    """

    kind: ClassVar[FieldType]

    def __init__(
        self,
        *,
        default: Any = MISSING,
        required: bool = False,
        description: str = "",
        indexed: bool = False,
        nullable: bool = True,
        sensitive: bool = False,
        renamed_from: str | Iterable[str] = (),
        **options: Any,
    ) -> None:
        if not hasattr(self, "kind"):
            raise TypeError("a field is an Integer, Float, String, Boolean, List, Dict, …")
        if isinstance(default, type) and default in (list, dict):
            default = default()
        former = [renamed_from] if isinstance(renamed_from, str) else list(renamed_from)
        given = {key: value for key, value in options.items() if value is not None}
        if default is MISSING:
            default = None if required else self._usual_default(given)
        self.schema = FieldSchema(
            name="",
            type=self.kind,
            default=default,
            required=required,
            description=description,
            indexed=indexed,
            nullable=nullable,
            sensitive=True if sensitive else UNSET,
            renamed_from=former or UNSET,
            **given,
        )

    @property
    def name(self) -> str:
        """The name that the field has in its class; empty before it has one."""
        return self.schema.name

    def __set_name__(self, owner: type, name: str) -> None:
        self.schema = name_field(self.schema, name)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> V: ...

    def __get__(self, instance: object | None, owner: type) -> Self | V:
        if instance is None:
            return self
        values = cast("Entity", instance).__dict__[VALUES]
        name = self.schema.name
        if name not in values:
            default = self.schema.default
            if not isinstance(default, (list, dict)):
                return self._read(default)
            # Whoever changes it must change this object's own.
            values[name] = copy_json(default)
        return self._read(values[name])

    def __set__(self, instance: object, value: Any) -> None:
        entity = cast("Entity", instance)
        values = entity.__dict__[VALUES]
        name = self.schema.name
        taken = coerce(self.schema, value)
        before = values.get(name, self.schema.default)
        values[name] = taken
        observer = entity.__dict__.get(OBSERVER)
        if observer is not None:
            observer(entity, name, before, taken)

    def _read(self, value: Any) -> V:
        return cast("V", value)

    def _usual_default(self, _options: Mapping[str, Any]) -> Any:
        """Return what stands where nothing was said and no default was given."""
        return None


class Integer(Field[int]):
    """A whole number of 64 bits, between `min_value` and `max_value`, both inclusive."""

    kind = FieldType.INTEGER

    def __init__(
        self, *, min_value: int | None = None, max_value: int | None = None, **common: Any
    ) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **common)


class Float(Field[float]):
    """A finite number, rounded to `precision` decimal digits where that is given."""

    kind = FieldType.FLOAT

    def __init__(
        self,
        *,
        min_value: float | None = None,
        max_value: float | None = None,
        precision: int | None = None,
        **common: Any,
    ) -> None:
        bounds: dict[str, Any] = {
            "min_value": min_value,
            "max_value": max_value,
            "precision": precision,
        }
        super().__init__(**bounds, **common)


class String(Field[str]):
    """A text. `pattern` says how it begins (`clew.twin.schema.patterns`); `choices` are all."""

    kind = FieldType.STRING

    def __init__(
        self,
        *,
        min_length: int | None = None,
        max_length: int | None = None,
        pattern: str | None = None,
        choices: Iterable[str] | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            min_length=min_length,
            max_length=max_length,
            pattern=pattern,
            choices=None if choices is None else list(choices),
            **common,
        )


class Boolean(Field[bool]):
    """True or false."""

    kind = FieldType.BOOLEAN


class List(Field[list[Any]]):
    """A list whose entries fit `item_type`, or are any JSON values without it. Empty by default."""

    kind = FieldType.LIST

    def __init__(
        self,
        item_type: Field[Any] | type[Field[Any]] | None = None,
        *,
        min_items: int | None = None,
        max_items: int | None = None,
        **common: Any,
    ) -> None:
        item = None if item_type is None else _nested(item_type, "item_type")
        super().__init__(item=item, min_items=min_items, max_items=max_items, **common)

    def _usual_default(self, options: Mapping[str, Any]) -> Any:
        return None if options.get("min_items") else []


class Dict(Field[dict[str, Any]]):
    """A dictionary whose keys are texts. Keys of `schema` fit their fields; others are any JSON."""

    kind = FieldType.DICT

    def __init__(
        self,
        schema: Mapping[str, Field[Any] | type[Field[Any]]] | None = None,
        **common: Any,
    ) -> None:
        known = (
            None
            if schema is None
            else {key: name_field(_nested(each, key), key) for key, each in schema.items()}
        )
        super().__init__(schema=known, **common)

    def _usual_default(self, options: Mapping[str, Any]) -> Any:
        known = options.get("schema", {})
        return None if any(each.required for each in known.values()) else {}


class Timestamp(Field[datetime]):
    """A moment; read as a `datetime` in UTC, which cuts off what is finer than a microsecond.

    `auto_now` sets it at every change, `auto_now_add` when the object is made, unless it is given.
    """

    kind = FieldType.TIMESTAMP

    def __init__(
        self, *, auto_now: bool = False, auto_now_add: bool = False, **common: Any
    ) -> None:
        super().__init__(auto_now=auto_now or None, auto_now_add=auto_now_add or None, **common)

    def _read(self, value: Any) -> datetime:
        return cast("datetime", to_datetime(value) if is_moment(value) else value)


class Reference(Field[str]):
    """The id of another object, of type `ref_type` where it is given, by class or by name."""

    kind = FieldType.REFERENCE

    def __init__(
        self,
        ref_type: str | type | None = None,
        *,
        target_type: str | type | None = None,
        **common: Any,
    ) -> None:
        target = target_type if ref_type is None else ref_type
        if isinstance(target, type):
            target = target.__name__
        super().__init__(ref_type=target, **common)


def is_moment(value: object) -> bool:
    """Whether a value is a moment as states have it, and not null nor redacted."""
    return isinstance(value, str) and value[4:5] == "-"


def name_field(schema: FieldSchema, name: str) -> FieldSchema:
    """Return a field under a name, its default coerced where it fits.

    A default that does not fit stays as it is; the check of the type tells of it.
    """
    named = msgspec.structs.replace(schema, name=name)
    if named.default is None:
        return named
    plain = msgspec.structs.replace(named, sensitive=UNSET)
    try:
        return msgspec.structs.replace(named, default=coerce(plain, named.default))
    except ValueError:
        return named


def copy_json(value: Any) -> Any:
    """Return a JSON value that shares nothing with this one."""
    if isinstance(value, list):
        return [copy_json(each) for each in value]
    if isinstance(value, dict):
        return {key: copy_json(each) for key, each in value.items()}
    return value


def _nested(given: Field[Any] | type[Field[Any]], name: str) -> FieldSchema:
    field = given() if isinstance(given, type) else given
    if not isinstance(field, Field):
        raise TypeError(f"{name}: expected a field such as String(), got {given!r}")
    return name_field(field.schema, name)
