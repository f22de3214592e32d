"""What a list is filtered by, as TrailBase spells it in the address. Light install.

``filter[column][$op]=value``; nested, ``filter[$and][0][$or][1][column][$op]=value``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from clew.team.errors import ValidationError

if TYPE_CHECKING:
    from clew.team.trailbase.transport import Pairs

FILTER_DEPTH_MAX: Final = 5
"""Of and-or within each other: the server refuses more."""

ORDER_COLUMNS_MAX: Final = 5
"""As the server has it, for `expand` as well."""

LIMIT_MAX: Final = 1024
"""Records of one answer: the server refuses more."""

_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")


class Op(StrEnum):
    """How a column is compared."""

    EQ = "$eq"
    NE = "$ne"
    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"
    IS = "$is"
    LIKE = "$like"
    RE = "$re"


@dataclass(frozen=True, slots=True)
class Where:
    """A column compared to a value. Ids of records are compared as base64, never as UUIDs."""

    column: str
    op: Op
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Every:
    """All of these."""

    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of these."""

    filters: tuple[Filter, ...]


Filter = Where | Every | Either


def filter_pairs(filters: tuple[Filter, ...]) -> Pairs:
    """Return the parameters that filter by all of `filters`.

    Raises:
        ValidationError: a name is no column, or they are nested more deeply than the server takes.
    """
    pairs = [pair for each in filters for pair in _pairs(each, "filter", 0)]
    if len({name for name, _ in pairs}) == len(pairs):
        return pairs
    # Two of the same name would be one to the server.
    return _pairs(Every(filters), "filter", 0)


def checked_column(name: str) -> str:
    """Return the name of a column that can be asked for.

    Raises:
        ValidationError: it is none; those that begin with ``_`` are never read.
    """
    if _COLUMN.fullmatch(name):
        return name
    raise ValidationError(f"not a column that can be asked for: {name[:64]!r}")


def order_pair(columns: tuple[str, ...]) -> Pairs:
    """Return the parameter that orders by columns; ``-name`` from the greatest.

    Raises:
        ValidationError: a name is no column, or there are too many.
    """
    if not columns:
        return []
    if len(columns) > ORDER_COLUMNS_MAX:
        raise ValidationError(f"a list is ordered by {ORDER_COLUMNS_MAX} columns at the most")
    signed = [
        ("-" if name.startswith("-") else "+") + checked_column(name.lstrip("+-"))
        for name in columns
    ]
    return [("order", ",".join(signed))]


def _pairs(part: Filter, path: str, depth: int) -> Pairs:
    match part:
        case Where(column, op, value):
            return [_compared(f"{path}[{checked_column(column)}]", op, value)]
        case Every(parts):
            word = "$and"
        case Either(parts):
            word = "$or"
    if len(parts) == 1:
        return _pairs(parts[0], path, depth)  # The server takes no group of one.
    if not parts:
        raise ValidationError("a group of filters is empty")
    if depth >= FILTER_DEPTH_MAX:
        raise ValidationError(f"filters are nested more than {FILTER_DEPTH_MAX} deep")
    return [
        pair
        for place, inner in enumerate(parts)
        for pair in _pairs(inner, f"{path}[{word}][{place}]", depth + 1)
    ]


def _compared(path: str, op: Op, value: str | int | float | bool | None) -> tuple[str, str]:
    if value is None:
        # NULL equals nothing, so the server has a comparison of its own for it.
        return f"{path}[$is]", "!NULL" if op is Op.NE else "NULL"
    if isinstance(value, bool):
        value = int(value)
    return f"{path}[{op.value}]", str(value)
