"""The one grammar of times and durations, and the half-open time range.

A time is Unix nanoseconds in an `int` from the first character on: a float would lose the last two
digits of every timestamp of this century, so no value passes through one.

A text that names a moment is one of:

- ``now``;
- a duration, which means that long ago: ``15m``, ``1h30m``, ``500ms``;
- RFC 3339 with an offset: ``2026-11-21T03:00:00.5Z``, ``2026-11-21T05:00:00+02:00``;
- a Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude.

A text that does not parse is an error, never "all time". The page for users is
`docs/reference/time.md`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from clew.base.errors import ClewError, ErrorCode

NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

# The store keeps times as signed 64-bit nanoseconds: 1970-01-01 to 2262-04-11.
TIME_NS_MAX: Final = 2**63 - 1

# No legal time is longer: RFC 3339 with nine digits and an offset has 35 characters. A longer text
# is refused before any pattern looks at it.
TEXT_CHARS_MAX: Final = 64

SECONDS_CACHED: Final = 1024
"""Of times that are written: a page of answers spans minutes, what is emitted now a second."""

_UNITS_NS: Final = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
    "w": 7 * 86_400 * NS_PER_S,
}

# A whole part below the bound is in this unit. 10^11 s is the year 5138 and 10^11 ms is March 1973,
# so between 1973 and 5138 no two units can be mistaken for each other.
_EPOCH_UNITS: Final = (
    (10**11, NS_PER_S),
    (10**14, NS_PER_MS),
    (10**17, NS_PER_US),
)

_DURATION_PART = re.compile(r"([0-9]+)(?:\.([0-9]+))?(ns|us|µs|ms|s|m|h|d|w)")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]{1,9}))?")
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
# What is left of an offset when the plus sign of a URL was read as a space.
_LOST_PLUS = re.compile(r".*:[0-9]{2}(?:\.[0-9]+)? [0-9]{2}:[0-9]{2}")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TIME_HINT: Final = (
    "write a time as 15m, 2h, 7d or 1w (ago), now, RFC 3339 such as 2026-11-21T03:00:00Z, "
    "or a Unix time such as 1795230000"
)
DURATION_HINT: Final = "write a duration as 500ms, 30s, 15m, 2h, 7d, 1w or 1h30m"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The moments from `start` up to, not including, `end`; None leaves a side open."""

    start: int | None = None
    end: int | None = None

    def contains(self, at: int) -> bool:
        """Say whether a moment lies in the range."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)

    @property
    def is_open(self) -> bool:
        """Whether the range leaves both sides open: all time."""
        return self.start is None and self.end is None


def parse_time(text: str, *, now: int) -> int:
    """Return the moment that a text names, in Unix nanoseconds.

    `now` is the moment that ``now`` and "ago" refer to.

    Raises:
        ClewError: INVALID_ARGUMENT when the text names no moment between 1970 and 2262.
    """
    given = text.strip()
    if given == "now":
        return now
    if len(given) <= TEXT_CHARS_MAX:
        for read in (_read_ago, _read_epoch, _read_rfc3339):
            at = read(given, now)
            if at is not None:
                return _bounded(at, text)
    hint = TIME_HINT
    if _LOST_PLUS.fullmatch(given[:TEXT_CHARS_MAX]):
        hint = "in a URL the + of an offset is written %2B"
    raise ClewError(ErrorCode.INVALID_ARGUMENT, f"not a time: {_quoted(text)}", hint=hint)


def parse_duration_ns(text: str, *, bare: int | None = None) -> int:
    """Return a duration in nanoseconds: ``500ms``, ``1.5s``, ``1h30m``.

    A number without a unit is `bare` nanoseconds times that number, and an error when `bare` is
    None. What is finer than a nanosecond is cut off.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is no duration, or one that no clock holds.
    """
    given = text.strip()
    if len(given) <= TEXT_CHARS_MAX:
        duration = _read_duration(given)
        number = _NUMBER.fullmatch(given)
        if duration is None and number and bare is not None:
            duration = _scaled(number[1], number[2], bare)
        if duration is not None and duration <= TIME_NS_MAX:
            return duration
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT, f"not a duration: {_quoted(text)}", hint=DURATION_HINT
    )


def parse_range(*, last: str | None, start: str | None, end: str | None, now: int) -> TimeRange:
    """Return the range that the parameters `last`, `start` and `end` name.

    `last` takes a duration or bare seconds and leaves the end open: a record whose clock runs
    ahead of ours is not older than the range, so it belongs to it.

    Raises:
        ClewError: INVALID_ARGUMENT when a text does not parse, `last` comes with another of them,
            or the range is empty.
    """
    if last is not None:
        if start is not None or end is not None:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "last excludes start and end",
                hint="give last alone, or start and end",
            )
        return TimeRange(start=max(0, now - parse_duration_ns(last, bare=NS_PER_S)))
    start_ns = None if start is None else parse_time(start, now=now)
    end_ns = None if end is None else parse_time(end, now=now)
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "start is not before end",
            hint="the range is half-open: start belongs to it, end does not",
        )
    return TimeRange(start_ns, end_ns)


def format_time(at: int) -> str:
    """Return Unix nanoseconds as RFC 3339 UTC with nine digits: ``2026-11-21T03:00:00.000000000Z``.

    Bounds: years 1 to 9999; what lies outside is a programming error.
    """
    seconds, nanoseconds = divmod(at, NS_PER_S)
    return f"{_format_second(seconds)}.{nanoseconds:09d}Z"


@lru_cache(SECONDS_CACHED)
def _format_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def _read_ago(text: str, now: int) -> int | None:
    duration = _read_duration(text)
    return None if duration is None else now - duration


def _read_duration(text: str) -> int | None:
    if not _DURATION.fullmatch(text):
        return None
    parts = _DURATION_PART.findall(text)
    return sum(_scaled(whole, fraction, _UNITS_NS[unit]) for whole, fraction, unit in parts)


def _read_epoch(text: str, _now: int) -> int | None:
    number = _NUMBER.fullmatch(text)
    if number is None:
        return None
    whole = int(number[1])
    unit = next((unit for bound, unit in _EPOCH_UNITS if whole < bound), 1)
    return _scaled(number[1], number[2], unit)


def _read_rfc3339(text: str, _now: int) -> int | None:
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    # RFC 3339 allows a leap second; Unix time has none, so it is the first of the next minute.
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        return None
    offset_s = _offset_seconds(match[8])
    if offset_s is None:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1) + leap - offset_s
    return seconds * NS_PER_S + int((match[7] or "").ljust(9, "0"))


def _offset_seconds(text: str) -> int | None:
    if text in {"Z", "z"}:
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 3_600 + minutes * 60) * (-1 if text[0] == "-" else 1)


def _scaled(whole: str, fraction: str | None, unit_ns: int) -> int:
    digits = fraction or ""
    return int(whole) * unit_ns + (int(digits) * unit_ns // 10 ** len(digits) if digits else 0)


def _bounded(at: int, text: str) -> int:
    if 0 <= at <= TIME_NS_MAX:
        return at
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"time out of range: {_quoted(text)}",
        hint="times lie between 1970-01-01 and 2262-04-11",
    )


def _quoted(text: str) -> str:
    shown = text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}…"
    return repr(shown)
