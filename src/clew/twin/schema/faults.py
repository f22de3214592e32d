"""Why a value does not fit a field."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

ACTUAL_CHARS_MAX: Final = 120
"""Of a value that an error repeats: enough to recognise it."""

REDACTED: Final = "[redacted]"
"""What stands for the value of a sensitive field wherever it leaves the process."""


class Fault(StrEnum):
    """What is wrong with a value."""

    REQUIRED = "required"
    NULL = "null"
    WRONG_TYPE = "wrong_type"
    NOT_EXACT = "not_exact"
    NOT_FINITE = "not_finite"
    NOT_TEXT = "not_text"
    BAD_TIME = "bad_time"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    NO_MATCH = "no_match"
    NOT_A_CHOICE = "not_a_choice"
    TOO_FEW_ITEMS = "too_few_items"
    TOO_MANY_ITEMS = "too_many_items"
    MISSING_KEY = "missing_key"
    TOO_DEEP = "too_deep"
    WRONG_REFERENCE = "wrong_reference"


class FieldError(ValueError):
    """A value that does not fit its field.

    `field` is its path: ``items[3].price``. `actual` is a bounded text of the value; of a
    sensitive field it is `REDACTED`.
    """

    def __init__(self, code: Fault, field: str, expected: str, actual: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {actual}")
        self.code = code
        self.field = field
        self.expected = expected
        self.actual = actual


def describe(value: object) -> str:
    """Return a bounded text of any value, for a person."""
    shown = f"{value[:ACTUAL_CHARS_MAX]!r}" if isinstance(value, str) else _repr(value)
    cut = shown if len(shown) <= ACTUAL_CHARS_MAX else f"{shown[: ACTUAL_CHARS_MAX - 1]}…"
    # A lone surrogate must not break whoever writes the error down.
    return cut.encode("utf-8", "backslashreplace").decode()


def _repr(value: object) -> str:
    if isinstance(value, (list, tuple, dict, set, frozenset, bytes, bytearray)):
        # The text of a large container would be made whole before it is cut.
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, int) and not -(10**40) < value < 10**40:
        return "an integer of more than 40 digits"
    if value is None or isinstance(value, (int, float)):
        return repr(value)
    return f"a {type(value).__name__}"
