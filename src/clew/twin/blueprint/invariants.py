"""Invariants: conditions that an object keeps, written in Python or as an expression.

    @invariant
    def total_matches(self) -> bool:
        "The total is the sum of the items."
        return self.total_value == sum(item["price"] for item in self.items)

    not_negative = invariant("total_value >= 0")

The first is checked where the class is. The second is exported with the registry
(`clew.twin.schema.expressions` says what it may be), so that a server checks it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import getdoc
from typing import TYPE_CHECKING, Any, overload

from msgspec import UNSET

from clew.twin.schema.expressions import parse_expression
from clew.twin.schema.values import InvariantSchema

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, and what it said of it."""

    invariant: str
    message: str


class Invariant:
    """A condition of a class; it stands where the method or the assignment stood."""

    def __init__(
        self, condition: Callable[[Any], object] | str, *, name: str = "", description: str = ""
    ) -> None:
        self._method = None if isinstance(condition, str) else condition
        self._expression = parse_expression(condition) if isinstance(condition, str) else None
        said = description or ("" if self._method is None else getdoc(self._method) or "")
        self.schema = InvariantSchema(
            name=name or getattr(condition, "__name__", ""),
            description=said,
            expression=condition if isinstance(condition, str) else UNSET,
        )

    @classmethod
    def of_schema(cls, schema: InvariantSchema) -> Invariant:
        """Return an exported invariant; one that was a method says nothing of any object."""
        made = cls(schema.expression or _say_nothing)
        made.schema = schema
        return made

    def __set_name__(self, owner: type, name: str) -> None:
        given = self.schema
        self.schema = InvariantSchema(
            name=given.name or name, description=given.description, expression=given.expression
        )

    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None or self._method is None:
            return self
        return self._method.__get__(instance, owner)

    def check(self, instance: Any) -> Violation | None:
        """Return what is wrong, or None. What cannot be said for want of values is not wrong.

        A method is wrong when it returns False or raises an `AssertionError` or a `ValueError`.
        """
        if self._expression is not None:
            holds = self._expression.holds(instance.to_dict())
            return self._violated("") if holds is False else None
        method = self._method
        if method is None:
            raise AssertionError("an invariant is a method or an expression")
        try:
            said = method(instance)
        except (AssertionError, ValueError) as error:
            return self._violated(str(error))
        return self._violated("") if said is False else None

    def _violated(self, message: str) -> Violation:
        given = self.schema
        expression = given.expression or ""
        return Violation(given.name, message or given.description or expression or "does not hold")


def _say_nothing(_instance: Any) -> None:
    """Stand for a method whose code is elsewhere."""


@overload
def invariant(condition: Callable[[Any], object] | str, /, *, description: str = ...) -> Any: ...


@overload
def invariant(*, description: str = ...) -> Any: ...


def invariant(
    condition: Callable[[Any], object] | str | None = None, /, *, description: str = ""
) -> Any:
    """Make a method a condition of its class, or state one as an expression.

    Raises:
        ExpressionError: an expression that is none.
    """
    if condition is None:
        return lambda method: Invariant(method, description=description)
    return Invariant(condition, description=description)
