"""Conditions on what is watched: ``errors > 0``, ``p95_ms >= 2x``.

A value is absolute, or a multiple of the first sample's. A condition on something that has no value
(a quantile of no spans) does not hold.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Sample: TypeAlias = Mapping[str, float | None]
"""The fields of one moment; None where there is no value."""

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}

_CONDITION: Final = re.compile(
    r"\s*(?P<field>\w+)\s*(?P<operator>>=|<=|==|!=|>|<|=)\s*(?P<value>[+-]?[0-9.]+(?:e[+-]?\d+)?)"
    r"(?P<times>x)?\s*",
    re.IGNORECASE,
)

CHARS_MAX: Final = 200
"""A condition is three words; a longer text is not looked at."""

HINT: Final = "write a condition as 'errors > 0', 'error_rate >= 0.05' or 'p95_ms > 2x'"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one field; with `is_multiple` the value counts firsts."""

    text: str
    field: str
    operator: str
    value: float
    is_multiple: bool

    def holds(self, sample: Sample, first: Sample | None) -> bool:
        """Whether the condition holds; `first` is None while this is the first sample."""
        bound = self.value
        if self.is_multiple:
            unit = first[self.field] if first is not None else None
            if unit is None:
                return False
            bound *= unit
        value = sample[self.field]
        return value is not None and _OPERATORS[self.operator](value, bound)


def parse_condition(text: str, fields: Sequence[str]) -> Condition:
    """Return the condition that a text says.

    Raises:
        ClewError: INVALID_ARGUMENT when it does not parse or names no field, with the nearest one.
    """
    match = _CONDITION.fullmatch(text) if len(text) <= CHARS_MAX else None
    value = _number(match["value"]) if match else None
    if match is None or value is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"not a condition: {text[:CHARS_MAX]!r}", hint=HINT
        )
    field = match["field"]
    if field not in fields:
        near = difflib.get_close_matches(field, fields, n=1)
        known = f"known here: {', '.join(fields)}"
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"there is no field {field!r} to watch",
            hint=f"did you mean {near[0]}?" if near else known,
        )
    return Condition(text.strip(), field, match["operator"], value, match["times"] is not None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
