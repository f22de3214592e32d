"""Whether a registry makes sense: everything that contradicts itself, told at once.

A registry that passes can be used without a further look: its patterns and expressions compile,
its defaults fit, its names and prefixes are each one type's, and its sizes are bounded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET

from clew.base.errors import ClewError, ErrorCode
from clew.twin.schema import limits
from clew.twin.schema.coercion import coerce
from clew.twin.schema.expressions import ExpressionError, parse_expression
from clew.twin.schema.faults import FieldError
from clew.twin.schema.patterns import PatternError, compile_pattern
from clew.twin.schema.values import FieldSchema, FieldType, ProcessSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.twin.schema.values import ObjectSchema, RegistrySchema

RESERVED_FIELDS: Final = frozenset({"id"})
"""Names that mean something else of every object."""

RESERVED_PREFIXES: Final = frozenset({"trilog", "event", "error", "exception"})
"""What other attributes of the same records begin with."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_COMMON: Final = frozenset(
    {
        "name",
        "type",
        "default",
        "required",
        "description",
        "indexed",
        "nullable",
        "sensitive",
        "renamed_from",
    }
)
_OWN: Final[Mapping[FieldType, frozenset[str]]] = {
    FieldType.INTEGER: frozenset({"min_value", "max_value"}),
    FieldType.FLOAT: frozenset({"min_value", "max_value", "precision"}),
    FieldType.STRING: frozenset({"min_length", "max_length", "pattern", "choices"}),
    FieldType.BOOLEAN: frozenset(),
    FieldType.LIST: frozenset({"item", "min_items", "max_items"}),
    FieldType.DICT: frozenset({"schema"}),
    FieldType.TIMESTAMP: frozenset({"auto_now", "auto_now_add"}),
    FieldType.REFERENCE: frozenset({"ref_type"}),
}
"""Options that belong to a type of field, beside those of all."""


class ProblemCode(StrEnum):
    """What is wrong with a registry."""

    BAD_NAME = "bad_name"
    RESERVED_NAME = "reserved_name"
    NAME_CLASH = "name_clash"
    PREFIX_CLASH = "prefix_clash"
    BAD_OPTION = "bad_option"
    BAD_RANGE = "bad_range"
    BAD_DEFAULT = "bad_default"
    BAD_PATTERN = "bad_pattern"
    BAD_EXPRESSION = "bad_expression"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_PHASE = "unknown_phase"
    UNKNOWN_FIELD = "unknown_field"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where: ``ShoppingCart.items.item``."""

    code: ProblemCode
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def check_registry(registry: RegistrySchema) -> list[Problem]:
    """Return what is wrong with a registry, at most `limits.PROBLEMS_MAX` things."""
    found: list[Problem] = []
    for problem in _problems(registry):
        found.append(problem)
        if len(found) == limits.PROBLEMS_MAX:
            break
    return found


def check_type(kind: ObjectSchema | ProcessSchema) -> list[Problem]:
    """Return what is wrong with a type by itself."""
    return list(_of_type(kind))


def require_sound(registry: RegistrySchema) -> None:
    """Raise unless a registry makes sense.

    Raises:
        ClewError: INVALID_ARGUMENT, naming everything that is wrong.
    """
    problems = check_registry(registry)
    if problems:
        told = "; ".join(str(each) for each in problems)
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the registry contradicts itself: {told}",
            hint="mend what is named and load it again",
        )


def _problems(registry: RegistrySchema) -> Iterator[Problem]:
    count = len(registry.objects) + len(registry.processes)
    if count > limits.TYPES_MAX:
        yield Problem(ProblemCode.TOO_LARGE, registry.name, f"{count} types are too many")
        return
    if not 0 < len(registry.name) <= limits.NAME_CHARS_MAX:
        yield Problem(ProblemCode.BAD_NAME, "registry", "its name is empty or too long")
    if not 0 < len(registry.version) <= limits.NAME_CHARS_MAX:
        yield Problem(ProblemCode.BAD_NAME, "registry", "its version is empty or too long")
    for name in sorted(registry.objects.keys() & registry.processes.keys()):
        yield Problem(ProblemCode.NAME_CLASH, name, "an object and a process have one name")
    types: list[tuple[str, ObjectSchema | ProcessSchema]] = [
        *registry.objects.items(),
        *registry.processes.items(),
    ]
    fields = [place for name, kind in types for place in _all_fields(kind.fields, name)]
    if sum(field.pattern is not UNSET for _, field in fields) > limits.PATTERNS_MAX:
        message = f"more than {limits.PATTERNS_MAX} patterns"
        yield Problem(ProblemCode.TOO_LARGE, registry.name, message)
        return
    owners: dict[str, str] = {}
    for name, kind in types:
        if name != kind.name:
            yield Problem(ProblemCode.BAD_NAME, name, f"it stands for a type called {kind.name}")
        owner = owners.setdefault(kind.prefix, name)
        if owner != name:
            yield Problem(
                ProblemCode.PREFIX_CLASH, name, f"{owner} has the prefix {kind.prefix} too"
            )
        yield from _of_type(kind)
    known = {name for name, _ in types}
    for path, field in fields:
        if field.ref_type is not UNSET and field.ref_type not in known:
            message = f"it refers to {field.ref_type}, which is none"
            yield Problem(ProblemCode.UNKNOWN_TYPE, path, message)


def _of_type(kind: ObjectSchema | ProcessSchema) -> Iterator[Problem]:
    yield from _of_name(kind.name, kind.name, "type")
    yield from _of_name(kind.prefix, f"{kind.name}.prefix", "prefix")
    if kind.prefix in RESERVED_PREFIXES:
        message = f"the prefix {kind.prefix} is reserved; choose one with class …(prefix=…)"
        yield Problem(ProblemCode.RESERVED_NAME, kind.name, message)
    places = list(_all_fields(kind.fields, kind.name))
    if len(places) > limits.FIELDS_MAX:
        yield Problem(ProblemCode.TOO_LARGE, kind.name, f"more than {limits.FIELDS_MAX} fields")
        return
    former: dict[str, str] = {}
    for name, field in kind.fields.items():
        path = f"{kind.name}.{name}"
        yield from _of_name(name, path, "field")
        if name in RESERVED_FIELDS or name.startswith("_"):
            yield Problem(ProblemCode.RESERVED_NAME, path, "the name is reserved")
        for old in field.renamed_from or ():
            if old in kind.fields or former.setdefault(old, name) != name:
                yield Problem(ProblemCode.NAME_CLASH, path, f"{old} is another field's name")
    for path, field in places:
        yield from _of_field(field, path)
    yield from _of_invariants(kind)
    if isinstance(kind, ProcessSchema):
        yield from _of_phases(kind)


def _of_name(name: str, path: str, what: str) -> Iterator[Problem]:
    if len(name) > limits.NAME_CHARS_MAX or not _NAME.fullmatch(name):
        shown = name[: limits.NAME_CHARS_MAX]
        message = f"{shown!r} is no name of a {what}: letters, digits and _"
        yield Problem(ProblemCode.BAD_NAME, path[: limits.NAME_CHARS_MAX * 2], message)


def _all_fields(
    fields: Mapping[str, FieldSchema], path: str, depth: int = 1
) -> Iterator[tuple[str, FieldSchema]]:
    """Yield every field with its path, those inside others too, and one beyond what is allowed."""
    for name, field in fields.items():
        place = f"{path}.{name}"
        yield place, field
        if depth > limits.SCHEMA_DEPTH_MAX:
            continue
        if field.item is not UNSET:
            yield from _all_fields({"item": field.item}, place, depth=depth + 1)
        if field.schema is not UNSET:
            yield from _all_fields(field.schema, place, depth=depth + 1)


def _of_field(field: FieldSchema, path: str) -> Iterator[Problem]:
    if path.count(".") > limits.SCHEMA_DEPTH_MAX:
        message = f"nested deeper than {limits.SCHEMA_DEPTH_MAX}"
        yield Problem(ProblemCode.TOO_LARGE, path, message)
        return
    foreign = [
        name
        for name in field.__struct_fields__
        if name not in _COMMON
        and name not in _OWN[field.type]
        and getattr(field, name) is not UNSET
    ]
    for name in foreign:
        yield Problem(ProblemCode.BAD_OPTION, path, f"a {field.type} has no {name}")
    if foreign:
        return
    if len(field.renamed_from or ()) > limits.RENAMES_MAX:
        yield Problem(ProblemCode.TOO_LARGE, path, f"more than {limits.RENAMES_MAX} former names")
    bad = [*_of_ranges(field, path), *_of_texts(field, path)]
    yield from bad
    if not bad:
        yield from _of_default(field, path)


def _of_ranges(field: FieldSchema, path: str) -> Iterator[Problem]:
    for name in ("min_value", "max_value"):
        bound = getattr(field, name)
        if bound is not UNSET and not math.isfinite(bound):
            yield Problem(ProblemCode.BAD_RANGE, path, f"{name} is not finite")
        if field.type is FieldType.INTEGER and isinstance(bound, float):
            yield Problem(ProblemCode.BAD_RANGE, path, f"{name} of an integer is no integer")
    for low, high in (
        ("min_value", "max_value"),
        ("min_length", "max_length"),
        ("min_items", "max_items"),
    ):
        least, most = getattr(field, low), getattr(field, high)
        if least is not UNSET and most is not UNSET and least > most:
            yield Problem(ProblemCode.BAD_RANGE, path, f"{low} {least} is above {high} {most}")
    for name in ("min_length", "max_length", "min_items", "max_items"):
        bound = getattr(field, name)
        if bound is not UNSET and bound < 0:
            yield Problem(ProblemCode.BAD_RANGE, path, f"{name} is below zero")
    if field.precision is not UNSET and not 0 <= field.precision <= limits.PRECISION_MAX:
        message = f"precision lies between 0 and {limits.PRECISION_MAX}"
        yield Problem(ProblemCode.BAD_RANGE, path, message)


def _of_texts(field: FieldSchema, path: str) -> Iterator[Problem]:
    if field.pattern is not UNSET:
        try:
            compile_pattern(field.pattern)
        except PatternError as error:
            yield Problem(ProblemCode.BAD_PATTERN, path, f"pattern: {error}")
    if field.choices is not UNSET and not 0 < len(field.choices) <= limits.CHOICES_MAX:
        message = f"choices are none, or more than {limits.CHOICES_MAX}"
        yield Problem(ProblemCode.TOO_LARGE, path, message)
    if field.ref_type is not UNSET:
        yield from _of_name(field.ref_type, path, "type")


def _of_default(field: FieldSchema, path: str) -> Iterator[Problem]:
    if field.default is None:
        return
    plain = msgspec.structs.replace(field, sensitive=UNSET)
    try:
        fitting = coerce(plain, field.default)
    except FieldError as error:
        message = f"default: expected {error.expected}, got {error.actual}"
        yield Problem(ProblemCode.BAD_DEFAULT, path, message)
        return
    if fitting != field.default:
        yield Problem(ProblemCode.BAD_DEFAULT, path, f"default: written {fitting!r} in a registry")


def _of_invariants(kind: ObjectSchema | ProcessSchema) -> Iterator[Problem]:
    if len(kind.invariants) > limits.INVARIANTS_MAX:
        message = f"more than {limits.INVARIANTS_MAX} invariants"
        yield Problem(ProblemCode.TOO_LARGE, kind.name, message)
        return
    seen: set[str] = set()
    for each in kind.invariants:
        path = f"{kind.name}.{each.name}"
        yield from _of_name(each.name, path, "invariant")
        if each.name in seen or each.name in kind.fields:
            yield Problem(ProblemCode.NAME_CLASH, path, "the name is another's")
        seen.add(each.name)
        if each.expression is UNSET:
            continue
        try:
            expression = parse_expression(each.expression)
        except ExpressionError as error:
            yield Problem(ProblemCode.BAD_EXPRESSION, path, str(error))
            continue
        for name in sorted(expression.fields - kind.fields.keys()):
            yield Problem(ProblemCode.UNKNOWN_FIELD, path, f"{name} is no field")


def _of_phases(process: ProcessSchema) -> Iterator[Problem]:
    if len(process.phases) > limits.PHASES_MAX:
        message = f"more than {limits.PHASES_MAX} phases"
        yield Problem(ProblemCode.TOO_LARGE, process.name, message)
        return
    for phase in process.phases:
        if not 0 < len(phase) <= limits.NAME_CHARS_MAX:
            yield Problem(ProblemCode.BAD_NAME, process.name, "a phase's name is empty or too long")
    if len(set(process.phases)) < len(process.phases):
        yield Problem(ProblemCode.NAME_CLASH, process.name, "a phase is named twice")
    if not (math.isfinite(process.timeout_seconds) and process.timeout_seconds > 0):
        yield Problem(ProblemCode.BAD_RANGE, process.name, "timeout_seconds is not above zero")
    known = set(process.phases)
    for before, followers in process.transitions.items():
        for phase in [before, *followers]:
            if phase not in known:
                message = f"the transitions of {before!r} name {phase!r}, which is no phase"
                yield Problem(ProblemCode.UNKNOWN_PHASE, process.name, message)
