"""Whether what a program is about to say of an object is what its type says.

The check is the one of ingest (`clew.twin.validation`), of one type alone. It is made only where
encoding found something, or where an event must be whole: what fits costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from clew.twin import attributes as names
from clew.twin.blueprint.entity import ID_KEY, TYPE_KEY
from clew.twin.blueprint.invariants import Violation
from clew.twin.events import EventType
from clew.twin.logger.encoding import SCHEMAS_CACHED, find_ways, type_holds_secrets
from clew.twin.schema.coercion import coerce
from clew.twin.schema.expressions import parse_expression
from clew.twin.schema.faults import FieldError
from clew.twin.schema.values import ProcessSchema, RegistrySchema
from clew.twin.validation.issues import Severity
from clew.twin.validation.validator import LogValidator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.twin.anchoring.context import AnchorContext
    from clew.twin.anchoring.kinds import Kind, TypeSchema
    from clew.twin.blueprint.entity import Entity
    from clew.twin.logger.record import Saying
    from clew.twin.schema.expressions import Expression
    from clew.twin.validation.issues import Issue

_WHOLE: Final = (EventType.CREATED, EventType.SNAPSHOT)


class EventError(ValueError):
    """An event that is not what its type says, with ``validation="raise"``. It was not emitted."""

    def __init__(self, problems: list[Issue | Violation]) -> None:
        super().__init__("; ".join(describe_problem(each) for each in problems))
        self.problems = problems


def describe_problem(problem: Issue | Violation) -> str:
    """Return what is wrong, for a person."""
    if isinstance(problem, Violation):
        return f"the invariant {problem.invariant} does not hold: {problem.message}"
    return problem.message


def name_problem(problem: Issue | Violation) -> tuple[str, str]:
    """Return what problems of one kind have in common, whatever the value."""
    if isinstance(problem, Violation):
        return ("invariant", problem.invariant)
    return (problem.code.value, problem.attribute)


def needs_a_look(saying: Saying, kind: Kind, *, fits: bool) -> bool:
    """Whether there may be anything wrong with an event; `fits` is what encoding found."""
    schema = kind.schema
    if schema is None:
        return False
    is_odd = not fits or bool(saying.phase) or saying.type is EventType.CREATED
    return is_odd or bool(schema.invariants)


def find_problems(saying: Saying, anchor: AnchorContext, *, fits: bool) -> list[Issue | Violation]:
    """Return what is wrong with an event of a type that is known; `fits` is what encoding found."""
    kind = anchor.kind
    schema = kind.schema
    if schema is None or not saying.is_change:
        return []
    problems: list[Issue | Violation] = []
    is_phase = bool(saying.phase) and isinstance(schema, ProcessSchema)
    if not fits or is_phase or saying.type is EventType.CREATED:
        problems.extend(_find_issues(saying, anchor, schema))
    if schema.invariants:
        problems.extend(_find_violations(saying, anchor, kind))
    return problems


_VALIDATORS: Final[dict[int, tuple[TypeSchema, LogValidator]]] = {}
"""By identity of a schema, which is kept so that the identity stays its own."""


def _find_issues(saying: Saying, anchor: AnchorContext, schema: TypeSchema) -> Iterator[Issue]:
    found = _VALIDATORS.get(id(schema))
    if found is None:
        if len(_VALIDATORS) >= SCHEMAS_CACHED:
            _VALIDATORS.clear()
        found = _VALIDATORS[id(schema)] = (schema, _validator_of(schema))
    result = found[1].validate(_as_attributes(saying, anchor, schema))
    return (each for each in result.issues if each.severity is not Severity.INFO)


def _validator_of(schema: TypeSchema) -> LogValidator:
    if isinstance(schema, ProcessSchema):
        return LogValidator(RegistrySchema(processes={schema.name: schema}))
    return LogValidator(RegistrySchema(objects={schema.name: schema}))


def _as_attributes(saying: Saying, anchor: AnchorContext, schema: TypeSchema) -> dict[str, Any]:
    """Return an event as attributes whose values are still the program's own."""
    begin = f"{schema.prefix}."
    fields = {name.removeprefix(begin): value for name, value in saying.fields.items()}
    said = {f"{begin}{name}": value for name, value in fields.items() if value is not None}
    nulls = [name for name, value in fields.items() if value is None]
    identity: dict[str, Any] = {
        names.OBJ_ID: anchor.obj_id,
        names.OBJ_TYPE: schema.name,
        names.EVENT_TYPE: saying.type.value,
    }
    if nulls:
        identity[names.OBJ_NULLS] = nulls
    if saying.phase:
        identity[names.PROCESS_PHASE] = saying.phase
    return said | identity


def describe_failure(error: Exception, anchor: AnchorContext) -> str:
    """Return what an invariant raised, without its words where they may repeat a secret."""
    schema = anchor.kind.schema
    if schema is not None and type_holds_secrets(schema):
        return type(error).__name__
    return repr(error)


def _find_violations(saying: Saying, anchor: AnchorContext, kind: Kind) -> list[Violation]:
    """Return the invariants that do not hold of the object as the event makes it.

    All of it is known where the anchor has the object itself, and where the event says all of it.
    Otherwise those are checked whose fields are all in the event.
    """
    if kind.entity is None or kind.schema is None:
        return []
    patch = _coerced(kind.schema, saying.fields)
    is_whole = saying.type in _WHOLE
    if anchor.entity is None and not is_whole:
        return _violated_expressions(kind.schema, patch)
    held = {} if anchor.entity is None else anchor.entity.to_dict()
    known = {**held, **patch, ID_KEY: anchor.obj_id, TYPE_KEY: kind.schema.name}
    try:
        made: Entity = kind.entity.from_dict(known)
    except FieldError:
        # What does not fit is an issue already.
        return []
    found = made.check_invariants()
    if found and type_holds_secrets(kind.schema):
        # The words of an exception may repeat the value that was wrong.
        return [_of_schema(kind.schema, each) for each in found]
    return found


def _of_schema(schema: TypeSchema, violation: Violation) -> Violation:
    """Return a violation that says only what the invariant says of itself."""
    said = next(each for each in schema.invariants if each.name == violation.invariant)
    return Violation(said.name, said.description or said.expression or "does not hold")


def _coerced(schema: TypeSchema, fields: Mapping[str, Any]) -> dict[str, Any]:
    ways = find_ways(schema)
    patch: dict[str, Any] = {}
    for given, value in fields.items():
        way = ways.get(given)
        if way is None:
            continue
        try:
            patch[way.field.name] = coerce(way.field, value)
        except FieldError:
            continue
    return patch


_EXPRESSIONS: Final[dict[str, Expression]] = {}

EXPRESSIONS_CACHED: Final = 10_000
"""Of a thousand types ten each; a program has a handful."""


def _violated_expressions(schema: TypeSchema, patch: Mapping[str, Any]) -> list[Violation]:
    return [
        Violation(each.name, each.description or each.expression)
        for each in schema.invariants
        if each.expression is not UNSET and _expression(each.expression).holds(patch) is False
    ]


def _expression(text: str) -> Expression:
    found = _EXPRESSIONS.get(text)
    if found is None:
        if len(_EXPRESSIONS) >= EXPRESSIONS_CACHED:
            _EXPRESSIONS.clear()
        found = _EXPRESSIONS[text] = parse_expression(text)
    return found
