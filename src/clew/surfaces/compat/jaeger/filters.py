"""Jaeger's structured filters as expressions of our grammar (`docs/reference/filters.md`).

Two rules of theirs differ from ours. ``ne`` and ``not_in`` hold of no span that lacks the value, so
presence is asked as well. And an attribute of level ``span`` is looked for on the span alone. What
cannot be said exactly is refused, never answered about something else: a dropped condition would
give more traces than were asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.compat.jaeger.search import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH_MAX: Final = 16
"""Calls within calls: each costs up to two levels of our own grammar, which takes 32."""

LEVELS: Final = ("span", "resource", "scope", "event", "link")

_COMPARISONS: Final[Mapping[str, str]] = {
    "eq": "=",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "regex": "=~",
}
_MIRRORED: Final[Mapping[str, str]] = {
    "eq": "eq",
    "ne": "ne",
    "gt": "lt",
    "gte": "lte",
    "lt": "gt",
    "lte": "gte",
}
_MEMBERSHIPS: Final = frozenset({"in", "not_in"})

OPERATORS: Final = ("and", "or", "not", "ne", "exists", *_COMPARISONS, *sorted(_MEMBERSHIPS))
"""What is understood; of the rest of Jaeger's (`some`, `phrase`, `fulltext`) nothing is."""

# Fields by level and name, and whether a span may lack them.
_FIELDS: Final[Mapping[tuple[str, str], tuple[str, bool]]] = {
    ("span", "traceID"): ("trace_id", False),
    ("span", "spanID"): ("span_id", False),
    ("span", "parentSpanID"): ("parent_span_id", True),
    ("span", "traceState"): ("trace_state", True),
    ("span", "name"): ("operation", False),
    ("span", "kind"): ("kind", False),
    ("span", "status"): ("status", False),
    ("span", "statusMessage"): ("status_message", True),
    ("span", "duration"): ("duration", False),
    ("resource", "service"): ("service", False),
    ("scope", "name"): ("scope", True),
    ("scope", "version"): ("scope_version", True),
    ("event", "name"): ("event", True),
    ("link", "traceID"): ("link_trace_id", True),
}


def filter_expression(call: Any) -> str:
    """Return the expression of a ``Call``.

    Raises:
        ClewError: UNSUPPORTED for what has no expression of ours, INVALID_ARGUMENT for what makes
            no sense.
    """
    return _call(call, 0)


def _call(call: Any, depth: int) -> str:
    if depth > DEPTH_MAX:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"the filter has more than {DEPTH_MAX} levels")
    match call.op:
        case "and" | "or":
            if len(call.args) < 2:
                raise _malformed(call.op, "two predicates or more")
            parts = [f"({_predicate(call.op, each, depth)})" for each in call.args]
            return f" {call.op.upper()} ".join(parts)
        case "not":
            if len(call.args) != 1:
                raise _malformed(call.op, "one predicate")
            return f"NOT ({_predicate(call.op, call.args[0], depth)})"
        case "exists":
            if len(call.args) != 1:
                raise _malformed(call.op, "one reference")
            target, may_lack = _reference(call.op, call.args[0])
            if not may_lack:
                raise _unsupported(f"exists of {target}, which every span has")
            return target
        case _ if call.op in _MEMBERSHIPS:
            return _membership(call)
        case _ if call.op in _COMPARISONS or call.op == "ne":
            return _comparison(call)
        case _:
            raise _unsupported(f"the operator {call.op[:32]!r}")


def _predicate(op: str, argument: Any, depth: int) -> str:
    if argument.WhichOneof("term") != "call":
        raise _malformed(op, "predicates")
    return _call(argument.call, depth + 1)


def _comparison(call: Any) -> str:
    if len(call.args) != 2:
        raise _malformed(call.op, "two operands")
    op, (left, right) = call.op, call.args
    if left.WhichOneof("term") == "scalar" and op in _MIRRORED:
        op, left, right = _MIRRORED[op], right, left
    if right.WhichOneof("term") != "scalar":
        raise _unsupported(f"{call.op} without a constant")
    target, may_lack = _reference(op, left)
    _check_untyped(right.scalar.type)
    value = quote(right.scalar.value)
    if op != "ne":
        return f"{target} {_COMPARISONS[op]} {value}"
    return _none_of(target, f"{target} = {value}", may_lack=may_lack)


def _membership(call: Any) -> str:
    if len(call.args) != 2 or call.args[1].WhichOneof("term") != "list":
        raise _malformed(call.op, "a reference and a list")
    wanted = call.args[1].list
    if not wanted.values:
        raise _malformed(call.op, "a list that is not empty")
    _check_untyped(wanted.type)
    target, may_lack = _reference(call.op, call.args[0])
    holds = f"{target} IN ({', '.join(map(quote, wanted.values))})"
    return holds if call.op == "in" else _none_of(target, holds, may_lack=may_lack)


def _none_of(target: str, holds: str, *, may_lack: bool) -> str:
    absent = f"{target} AND " if may_lack else ""
    return f"{absent}NOT ({holds})"


def _reference(op: str, argument: Any) -> tuple[str, bool]:
    """Return what an operand refers to in our grammar, and whether a span may lack it."""
    match argument.WhichOneof("term"):
        case "attr":
            level, key = argument.attr.level, argument.attr.key
            if level and level not in LEVELS:
                raise _unsupported(f"the level {level[:32]!r}")
            if not key:
                raise _malformed(op, "an attribute with a key")
            return f"{level}.{quote(key)}" if level else quote(key), True
        case "field":
            place = (argument.field.level, argument.field.name)
            if place not in _FIELDS:
                raise _unsupported(f"the field {'.'.join(place)[:64]!r}")
            return _FIELDS[place]
        case _:
            raise _malformed(op, "a reference")


def _check_untyped(kind: str) -> None:
    # Attributes are compared as texts: 200 and "200" would both match a constant of either type.
    if kind:
        raise _unsupported(f"a constant of the type {kind[:32]!r}")


def _malformed(op: str, expected: str) -> ClewError:
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"{op[:32]} takes {expected}")


def _unsupported(what: str) -> ClewError:
    return ClewError(
        ErrorCode.UNSUPPORTED,
        f"a filter cannot have {what}",
        hint=f"operators are {', '.join(OPERATORS)}; constants have no type",
    )
