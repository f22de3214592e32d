"""Strategies for fields that make sense, values of every kind, and whole registries."""

from __future__ import annotations

import keyword
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET

from clew.twin.schema.coercion import coerce
from clew.twin.schema.faults import FieldError
from clew.twin.schema.values import (
    FieldSchema,
    FieldType,
    InvariantSchema,
    ObjectSchema,
    ProcessSchema,
    RegistrySchema,
)

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name != "id" and not keyword.iskeyword(name)
)
"""Of fields and phases. Words of Python may be names too, but stand in no expression."""
TYPE_NAMES = st.sampled_from(["Cart", "User", "NOGEntity", "Order", "Panel", "HTTPServer"])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)

ZONES: st.SearchStrategy[Any] = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=5, minutes=30))]
)
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001

VALUES = (
    JSON
    | MOMENTS
    | st.uuids()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.floats()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["5", "5.0", "1e3", "yes", "OFF", "[1, 2]", '{"a": null}', "[", "-0", b"x"])
    | st.sampled_from(["2024-01-15T10:30:00Z", "2024-01-15", "1705314600.5", "1969-12-31 23:59"])
    | MOMENTS.map(lambda moment: moment.isoformat())
    | st.tuples(st.integers(), st.text(max_size=3))
)
"""Whatever a program might assign: of every type, and texts that look like another."""


@st.composite
def field_schemas(draw: st.DrawFn, depth: int = 2, name: str = "") -> FieldSchema:
    """Return a field that makes sense, its default too."""
    kinds = list(FieldType) if depth else [FieldType.INTEGER, FieldType.STRING]
    kind = draw(st.sampled_from(kinds))
    field = FieldSchema(
        name=name or draw(NAMES),
        type=kind,
        required=draw(st.booleans()),
        description=draw(TEXTS),
        indexed=draw(st.booleans()),
        nullable=draw(st.booleans()),
        **draw(options(kind, depth)),
    )
    default = draw(st.none() | VALUES)
    try:
        return msgspec.structs.replace(field, default=coerce(field, default))
    except FieldError:
        return field


@st.composite
def options(draw: st.DrawFn, kind: FieldType, depth: int) -> dict[str, Any]:
    """Return options of a type of field that do not contradict each other."""
    low, high = sorted(draw(st.tuples(st.integers(0, 50), st.integers(0, 50))))
    chosen: dict[str, Any]
    match kind:
        case FieldType.INTEGER:
            chosen = {"min_value": -low, "max_value": high}
        case FieldType.FLOAT:
            chosen = {"min_value": -low - 0.5, "max_value": high, "precision": low % 8}
        case FieldType.STRING:
            chosen = {
                "min_length": low % 4,
                "max_length": high,
                "pattern": draw(st.sampled_from(["", "[a-z]*", ".", "(?:ab|\\d)?"])),
                "choices": draw(st.lists(TEXTS, min_size=1, max_size=3)),
            }
        case FieldType.LIST:
            chosen = {"min_items": low % 2, "max_items": high}
            if depth:
                chosen["item"] = draw(field_schemas(depth - 1))
        case FieldType.DICT:
            names = draw(st.lists(NAMES, max_size=2, unique=True)) if depth else []
            chosen = {"schema": {each: draw(field_schemas(depth - 1, each)) for each in names}}
        case FieldType.TIMESTAMP:
            chosen = {"auto_now": True, "auto_now_add": True}
        case FieldType.REFERENCE:
            chosen = {"ref_type": draw(TYPE_NAMES)}
        case FieldType.BOOLEAN:
            chosen = {}
    kept = draw(st.sets(st.sampled_from(sorted(chosen)))) if chosen else set()
    return {key: value for key, value in chosen.items() if key in kept}


@st.composite
def registries(draw: st.DrawFn) -> RegistrySchema:
    """Return a registry that makes sense; references to types that are not there are cut."""
    names = draw(st.lists(TYPE_NAMES, min_size=1, max_size=3, unique=True))
    objects: dict[str, ObjectSchema] = {}
    processes: dict[str, ProcessSchema] = {}
    for place, name in enumerate(names):
        fields = {
            each: _cut(draw(field_schemas(name=each)), names)
            for each in draw(st.lists(NAMES, max_size=3, unique=True))
        }
        if draw(st.booleans()):
            objects[name] = ObjectSchema(
                name=name,
                prefix=f"p{place}",
                description=draw(TEXTS),
                fields=fields,
                invariants=[
                    InvariantSchema(name=f"keeps_{each}", expression=f"{each} is not None")
                    for each in fields
                ],
            )
        else:
            phases = draw(st.lists(NAMES, max_size=3, unique=True))
            processes[name] = ProcessSchema(
                name=name,
                prefix=f"p{place}",
                phases=phases,
                transitions=dict.fromkeys(phases[:1], phases),
                timeout_seconds=float(draw(st.integers(1, 9999))),
                fields=fields,
            )
    return RegistrySchema(
        name=draw(NAMES), version=draw(NAMES), objects=objects, processes=processes
    )


def _cut(field: FieldSchema, known: list[str]) -> FieldSchema:
    changes: dict[str, Any] = {}
    if field.ref_type is not UNSET and field.ref_type not in known:
        changes["ref_type"] = UNSET
    if field.item is not UNSET:
        changes["item"] = _cut(field.item, known)
    if field.schema is not UNSET:
        changes["schema"] = {key: _cut(each, known) for key, each in field.schema.items()}
    return msgspec.structs.replace(field, **changes)


def as_text(value: object) -> str:
    """Return what a map of texts makes of an attribute: the exporter's and ours."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def is_same(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same, and of the same types: 1 is neither 1.0 nor true."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(is_same(left[key], right[key]) for key in left)
    if isinstance(left, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)
