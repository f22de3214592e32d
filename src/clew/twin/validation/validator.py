"""`LogValidator`: the attributes of an event against a registry.

The same check runs before an event is written and where it is taken in. It looks only at the event
itself: what came before is known to neither. An event that is valid may still carry what the state
passes over; that is a warning.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from msgspec import UNSET

from clew.base.times import NS_PER_S
from clew.twin import attributes as names
from clew.twin.events import CHANGES, EventType
from clew.twin.schema.coercion import coerce
from clew.twin.schema.faults import REDACTED, FieldError, describe
from clew.twin.schema.lookup import RegistryIndex, names_of
from clew.twin.schema.moments import moment_ns
from clew.twin.schema.values import FieldType, ProcessSchema, RegistrySchema
from clew.twin.validation.issues import Issue, IssueCode, Severity, ValidationResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clew.twin.schema.values import FieldSchema, ObjectSchema

    TypeSchema = ObjectSchema | ProcessSchema

AHEAD_NS_MAX: Final = 300 * NS_PER_S
"""How far an event may lie in the future: clocks that are kept differ by less than a second, and
those that nobody keeps by some minutes. The past has no bound: late events are welcome."""

_LOG_TYPES: Final = frozenset(EventType) - CHANGES
_FIELDLESS: Final = frozenset({*_LOG_TYPES, "error", "debug", "info", "warning", "general"})
"""Kinds of events whose attributes are no part of a state, and not looked at as such."""


class HasSchema(Protocol):
    """A `Registry`, as far as validation goes."""

    def to_schema(self) -> RegistrySchema:
        """Return the registry as a value."""
        ...


class LogValidator:
    """Checks events. It may be used from any thread, and for as many events as one likes.

    `strict` makes errors of warnings. Without `allow_extra_attributes` a reserved name or a name
    under a type's prefix that nobody knows is an error. `exists` turns on the check of references:
    it is called with the type and the id that a field refers to, and says whether such an object
    is known; it MUST answer at once.
    """

    def __init__(
        self,
        registry: RegistrySchema | RegistryIndex | HasSchema,
        strict: bool = False,
        allow_extra_attributes: bool = True,
        *,
        exists: Callable[[str, str], bool] | None = None,
    ) -> None:
        self._index = _index_of(registry)
        self._warning = Severity.ERROR if strict else Severity.WARNING
        self._extra = self._warning if allow_extra_attributes else Severity.ERROR
        self._exists = exists

    def validate(
        self, attributes: Mapping[str, Any], *, at: int | None = None, now: int | None = None
    ) -> ValidationResult:
        """Return what is wrong with an event.

        `at` is when it happened and `now` the time of whoever checks, both Unix nanoseconds;
        without them its time is not looked at. Values may have come as text.
        """
        issues: list[Issue] = []
        kind = self._check_identity(attributes, issues)
        said = attributes.get(names.EVENT_TYPE) or attributes.get(names.LOG_CATEGORY) or ""
        has_fields = said not in _FIELDLESS
        begin = "" if kind is None else f"{kind.prefix}."
        fields = self._index.fields
        for key, value in attributes.items():
            found = fields.get(key)
            if found is not None:
                if kind is not None and found.type is not kind:
                    issues.append(self._wrong_prefix(key, found.type, kind))
                elif has_fields:
                    issues.extend(self._check_value(key, found.field, value))
            elif key not in names.EXPECTED:
                issues.extend(self._check_unknown(key, begin))
        if names.OBJ_NULLS in attributes and kind is not None:
            issues.extend(self._check_nulls(attributes[names.OBJ_NULLS], kind))
        if said == EventType.CREATED and kind is not None:
            issues.extend(self._check_required(kind, attributes, begin))
        if isinstance(kind, ProcessSchema):
            issues.extend(self._check_phase(kind, attributes))
        issues.extend(self._check_times(attributes, at, now))
        return ValidationResult(tuple(issues))

    def validate_fields(self, type_name: str, values: Mapping[str, Any]) -> ValidationResult:
        """Return what is wrong with the fields of a whole object, given by their bare names."""
        kind = self._index.by_name(type_name)
        if kind is None:
            return ValidationResult((self._unknown_type(type_name),))
        known = names_of(kind)
        issues: list[Issue] = []
        for key, value in values.items():
            if key in known:
                issues.extend(self._check_value(key, known[key], value))
            else:
                issues.append(self._unknown(key, list(kind.fields)))
        issues.extend(self._check_required(kind, values, ""))
        return ValidationResult(tuple(issues))

    def _check_identity(
        self, attributes: Mapping[str, Any], issues: list[Issue]
    ) -> TypeSchema | None:
        process = attributes.get(names.PROCESS_TYPE)
        name = attributes.get(names.OBJ_TYPE) or process
        # A process that names no object is known by its trace.
        has_id = bool(attributes.get(names.OBJ_ID)) or (
            process and not attributes.get(names.OBJ_TYPE)
        )
        if name and not has_id:
            message = "the event names a type and no object of it"
            issues.append(
                Issue(Severity.ERROR, IssueCode.MISSING_OBJ_ID, message, names.OBJ_ID, "an id")
            )
        if not name:
            if has_id:
                message = "the event names an object and not its type"
                issues.append(
                    Issue(self._warning, IssueCode.MISSING_OBJ_TYPE, message, names.OBJ_TYPE)
                )
            return None
        kind = self._index.by_name(str(name))
        if kind is None:
            issues.append(self._unknown_type(str(name)))
        return kind

    def _unknown_type(self, name: str) -> Issue:
        return Issue(
            Severity.ERROR,
            IssueCode.UNKNOWN_OBJECT_TYPE,
            f"the registry knows no type {describe(name)}{_near(name, list(self._index.types))}",
            names.OBJ_TYPE,
            "a type of the registry",
            describe(name),
        )

    def _check_value(self, key: str, field: FieldSchema, value: Any) -> Iterator[Issue]:
        try:
            taken = coerce(field, value)
        except FieldError as error:
            yield Issue(
                Severity.ERROR,
                IssueCode.INVALID_VALUE,
                str(error),
                key,
                error.expected,
                error.actual,
            )
            return
        if self._exists is not None:
            yield from self._check_references(key, field, taken, self._exists)

    def _check_references(
        self, key: str, field: FieldSchema, value: Any, exists: Callable[[str, str], bool]
    ) -> Iterator[Issue]:
        """Look for the objects that a value refers to, those inside lists and dictionaries too."""
        if value is None or value == REDACTED:
            return
        if field.type is FieldType.REFERENCE:
            target = field.ref_type or ""
            if not exists(target, value):
                shown = REDACTED if field.sensitive else describe(value)
                message = f"{field.name} refers to {target or 'an object'} {shown}, unknown so far"
                code = IssueCode.DANGLING_REFERENCE
                yield Issue(self._warning, code, message, key, target, shown)
        elif field.item is not UNSET:
            for each in value:
                yield from self._check_references(key, field.item, each, exists)
        elif field.schema is not UNSET:
            for name, inner in field.schema.items():
                yield from self._check_references(key, inner, value.get(name), exists)

    def _check_unknown(self, key: str, begin: str) -> Iterator[Issue]:
        if key.startswith(names.RESERVED):
            if not key.startswith(names.META):
                yield self._unknown(key, sorted(names.EXPECTED))
            return
        if begin and key.startswith(begin):
            own = self._index.prefixes[begin[:-1]]
            yield self._unknown(key, [f"{begin}{name}" for name in own.fields])
            return
        prefix, dot, _ = key.partition(".")
        other = self._index.prefixes.get(prefix) if dot else None
        if other is None:
            return
        if begin:
            yield self._wrong_prefix(key, other, self._index.prefixes[begin[:-1]])
        else:
            yield self._unknown(key, [f"{prefix}.{name}" for name in other.fields])

    def _unknown(self, key: str, known: list[str]) -> Issue:
        message = f"nobody knows {describe(key)}{_near(key, known)}"
        return Issue(self._extra, IssueCode.UNKNOWN_ATTRIBUTE, message, key)

    def _wrong_prefix(self, key: str, other: TypeSchema, kind: TypeSchema) -> Issue:
        return Issue(
            self._warning,
            IssueCode.WRONG_PREFIX,
            f"{describe(key)} is a field of {other.name}, and the event is about a {kind.name}",
            key,
            f"{kind.prefix}.…",
            f"{other.prefix}.…",
        )

    def _check_nulls(self, listed: Any, kind: TypeSchema) -> Iterator[Issue]:
        known = names_of(kind)
        for name in read_nulls(listed):
            bare = name.removeprefix(f"{kind.prefix}.")
            if bare in known:
                yield from self._check_value(names.OBJ_NULLS, known[bare], None)
            else:
                yield self._unknown(name, list(kind.fields))

    def _check_required(
        self, kind: TypeSchema, given: Mapping[str, Any], begin: str
    ) -> Iterator[Issue]:
        for name, field in kind.fields.items():
            spellings = [name, *(field.renamed_from or ())]
            if field.required and not any(f"{begin}{each}" in given for each in spellings):
                message = f"{kind.name} requires {name}"
                key = f"{begin}{name}"
                yield Issue(self._warning, IssueCode.MISSING_REQUIRED_FIELD, message, key)

    def _check_phase(self, kind: ProcessSchema, attributes: Mapping[str, Any]) -> Iterator[Issue]:
        phase = attributes.get(names.PROCESS_PHASE)
        if phase and kind.phases and phase not in kind.phases:
            shown = describe(phase)
            message = f"{kind.name} has no phase {shown}{_near(str(phase), kind.phases)}"
            expected = ", ".join(kind.phases)[:200]
            code = IssueCode.UNKNOWN_PHASE
            yield Issue(self._warning, code, message, names.PROCESS_PHASE, expected, shown)

    def _check_times(
        self, attributes: Mapping[str, Any], at: int | None, now: int | None
    ) -> Iterator[Issue]:
        code = IssueCode.BAD_TIMESTAMP
        for key in (names.LOG_TIMESTAMP, names.PROCESS_STARTED_AT, names.ANCHOR_CREATED_AT):
            value = attributes.get(key)
            if value is not None and moment_ns(value) is None:
                shown = describe(value)
                message = f"{key} is no moment: {shown}"
                yield Issue(self._warning, code, message, key, "RFC 3339", shown)
        if at is not None and now is not None and at - now > AHEAD_NS_MAX:
            ahead = (at - now) // NS_PER_S
            message = f"the event lies {ahead} s in the future: the clock of its writer is ahead"
            limit = f"at most {AHEAD_NS_MAX // NS_PER_S} s ahead"
            yield Issue(self._warning, code, message, "", limit, f"{ahead} s")


def read_nulls(listed: Any) -> list[str]:
    """Return the names that ``trilog.obj.nulls`` lists, as an array or as one in JSON."""
    if isinstance(listed, (str, bytes)):
        try:
            listed = msgspec.json.decode(listed)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return []
    return [each for each in listed if isinstance(each, str)] if _is_list(listed) else []


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _index_of(registry: RegistrySchema | RegistryIndex | HasSchema) -> RegistryIndex:
    if isinstance(registry, RegistryIndex):
        return registry
    return RegistryIndex(registry if isinstance(registry, RegistrySchema) else registry.to_schema())


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name[:200], known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
