"""The invariants of a type that anybody can check, held against a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.twin.schema.expressions import parse_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.schema.values import InvariantSchema, ObjectSchema, ProcessSchema


INVARIANT: Final = "invariant"
"""The code of what is told of a condition that does not hold."""


def find_broken(
    kind: ObjectSchema | ProcessSchema, state: Mapping[str, Any]
) -> list[InvariantSchema]:
    """Return the invariants that a state of JSON values breaks, in the order of the type.

    Those that were written in Python are checked by whoever has the class; what is unknown for
    want of values is not broken. The type must be sound (`clew.twin.schema.checks`).
    """
    return [
        each
        for each in kind.invariants
        if each.expression and parse_expression(each.expression).holds(state) is False
    ]


def describe_broken(kind: ObjectSchema | ProcessSchema, state: Mapping[str, Any]) -> list[str]:
    """Return what `find_broken` finds, in words."""
    return [f"{each.name} does not hold: {each.expression}" for each in find_broken(kind, state)]
