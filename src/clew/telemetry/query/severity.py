"""The severity of a log record: six classes of four numbers each, and what to do without a number.

Many senders set only the text (``ERROR``), and the specification lets a receiver read it then. So
a record's *effective* number is its number or, when that is 0, what its text says.
"""

from __future__ import annotations

from typing import Final

UNSET: Final = "unset"

SEVERITY_CLASSES: Final = {
    UNSET: (0, 0),
    "trace": (1, 4),
    "debug": (5, 8),
    "info": (9, 12),
    "warn": (13, 16),
    "error": (17, 20),
    "fatal": (21, 24),
}
"""The first and last number of each class."""

SEVERITY_NUMBERS_OF_TEXTS: Final = {
    "trace": 1,
    "debug": 5,
    "info": 9,
    "information": 9,
    "notice": 9,
    "warn": 13,
    "warning": 13,
    "error": 17,
    "err": 17,
    "critical": 21,
    "fatal": 21,
    "emergency": 21,
    "panic": 21,
}
"""What a text means where there is no number: the names of the common logging libraries."""

_TEXTS_SQL: Final = ", ".join(f"'{text}'" for text in SEVERITY_NUMBERS_OF_TEXTS)
_NUMBERS_SQL: Final = ", ".join(f"{number}" for number in SEVERITY_NUMBERS_OF_TEXTS.values())

_NUMBER_MAX: Final = max(last for _, last in SEVERITY_CLASSES.values())

SEVERITY_SQL: Final = (
    "multiIf(SeverityNumber = 0, "
    f"transform(lower(toString(SeverityText)), [{_TEXTS_SQL}], [{_NUMBERS_SQL}], 0), "
    f"SeverityNumber > {_NUMBER_MAX}, 0, SeverityNumber)"
)
"""The effective number, over the columns of the log table; 0 for a number that is in no class."""

_CLASS_OF_NUMBER: Final = {
    number: name
    for name, (first, last) in SEVERITY_CLASSES.items()
    for number in range(first, last + 1)
}


def severity_class(number: int, text: str) -> str:
    """Return the class of a log record; `unset` for a number that is in none."""
    effective = number or SEVERITY_NUMBERS_OF_TEXTS.get(text.lower(), 0)
    return _CLASS_OF_NUMBER.get(effective, UNSET)
