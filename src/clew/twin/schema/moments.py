"""Moments as values of fields: what people and programs write, as RFC 3339 UTC with nanoseconds.

A field's moment may lie in any year from 1 to 9999, unlike the time of an event: birthdays do.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from clew.base.errors import ClewError
from clew.base.times import NS_PER_S, NS_PER_US, format_time, parse_time

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_NUMBER = re.compile(r"(-?)([0-9]{1,19}(?:\.[0-9]{1,9})?)")
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)

TEXT_CHARS_MAX: Final = 64
"""RFC 3339 with nine digits and an offset has 35 characters."""

YEAR_1_NS: Final = int((datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) / timedelta(seconds=1)) * NS_PER_S
YEAR_10000_NS: Final = (
    int((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) / timedelta(seconds=1)) + 86_400
) * NS_PER_S


def read_moment(value: object) -> str | None:
    """Return a moment as RFC 3339 UTC with nine digits; None when the value names none.

    A date and time without an offset is UTC; a date alone is its first moment. A number is a Unix
    time whose unit its magnitude tells (docs/reference/time.md); before 1970 it is negative.
    """
    at = moment_ns(value)
    if at is None or not YEAR_1_NS <= at < YEAR_10000_NS:
        return None
    return format_time(at)


def to_datetime(text: str) -> datetime:
    """Return a moment as `read_moment` wrote it; what is finer than a microsecond is cut off."""
    return datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)


def moment_ns(value: object) -> int | None:
    """Return the Unix nanoseconds that a value names, or None."""
    match value:
        case bool():
            return None
        case str():
            return _of_text(value.strip()) if len(value) <= TEXT_CHARS_MAX else None
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return (aware - _EPOCH) // _US * NS_PER_US
        case date():
            return (
                (datetime(value.year, value.month, value.day, tzinfo=UTC) - _EPOCH)
                // _US
                * (NS_PER_US)
            )
        case int():
            return _of_number(str(value)) if value.bit_length() <= 64 else None
        case float() | Decimal():
            if isinstance(value, Decimal) and not _is_short(value):
                return None
            # The shortest text of a float is what was meant by it: 1705314600.1 is no 1705314600.
            # 0999999046.
            return _of_number(f"{Decimal(repr(value) if isinstance(value, float) else value):f}")
        case _:
            return None


def _is_short(value: Decimal) -> bool:
    """Whether a number can be written out: an exponent of a million has a million digits."""
    return value.is_finite() and int(value.as_tuple().exponent) > -30 and value.adjusted() < 30


def _of_text(text: str) -> int | None:
    match = _MOMENT.fullmatch(text)
    return _of_number(text) if match is None else _of_parts(match)


def _of_parts(match: re.Match[str]) -> int | None:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    hour, minute, second = (int(match[group] or 0) for group in (4, 5, 6))
    # RFC 3339 allows a leap second; Unix time has none, so it is the first of the next minute.
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        return None
    offset = _offset_seconds(match[8])
    if offset is None:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1) + leap - offset
    return seconds * NS_PER_S + int((match[7] or "").ljust(9, "0"))


def _offset_seconds(text: str | None) -> int | None:
    if text is None or text in {"Z", "z"}:
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 3_600 + minutes * 60) * (-1 if text[0] == "-" else 1)


def _of_number(text: str) -> int | None:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    try:
        at = parse_time(match[2], now=0)
    except ClewError:
        return None
    return -at if match[1] else at
