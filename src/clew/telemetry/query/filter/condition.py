"""What a filter says, as a tree of values: the one form that every way of asking comes to.

`attribute=` entries, the expression of `q=` and the plain parameters are parsed into these nodes,
and `predicate` compiles the nodes to SQL. A condition is true or false of a record, never unknown:
what cannot be compared (no such attribute, a text that is no number) does not hold, and `Not` is
the exact opposite. So there is no node for ``!=``: it is `Not` of ``=``, and holds of records that
lack the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Place(StrEnum):
    """Where an attribute is looked for."""

    ANY = ""
    """On the record (span, log record, data point) or on its resource: either may hold it."""
    SPAN = "span"
    """On the span itself and not on its resource."""
    RESOURCE = "resource"
    SCOPE = "scope"
    EVENT = "event"
    """On any event of the span."""
    LINK = "link"
    """On any link of the span."""


class Operator(StrEnum):
    """How a value is compared. The negated forms of the grammar become `Not`."""

    EQUALS = "="
    CONTAINS = "~="
    CONTAINS_ANY_CASE = "any case"
    """Contains, whatever the case of A to Z; `body_contains` alone asks for it."""
    MATCHES = "=~"
    GREATER = ">"
    AT_LEAST = ">="
    LESS = "<"
    AT_MOST = "<="

    @property
    def is_order(self) -> bool:
        """Whether the operator compares sizes."""
        return self in _ORDERS


_ORDERS = frozenset({Operator.GREATER, Operator.AT_LEAST, Operator.LESS, Operator.AT_MOST})


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute key and where to look for it."""

    key: str
    place: Place = Place.ANY


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the record itself, by its name in the vocabulary of its signal."""

    name: str


Target: TypeAlias = Attribute | Field

Value: TypeAlias = str | int | float | bool
"""Text; whole nanoseconds, or a severity number, for fields that are counted in them; a number for
attributes under an order; a truth for a field that is a yes or a no."""


@dataclass(frozen=True, slots=True)
class Compare:
    """The target has a value for which the operator holds."""

    target: Target
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """The target has one of the values, by ``=``."""

    target: Target
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The attribute is there, even if empty; the field is not empty."""

    target: Target


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; true of everything when there is none."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """A part holds; true of nothing when there is none."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Compare | OneOf | Exists | Not | And | Or
