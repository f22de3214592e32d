"""Time ranges as conditions over a table's time column.

Nanoseconds hardly compress, so comparing them costs a row more than counting it (20 ns against 6).
A table may have its time in whole seconds as well, in the column `SECONDS`, where equal values
stand in rows: a range between whole seconds is compared there, and the nanoseconds only choose
which granules are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_S, TimeRange, parse_range

if TYPE_CHECKING:
    from clew.store.table import Table
    from clew.telemetry.query.parameters import TimeParameters


def read_window(query: TimeParameters, *, now: int, default_ns: int | None = None) -> TimeRange:
    """Return the range a question asks for; the last `default_ns` when it names none.

    Raises:
        ClewError: INVALID_ARGUMENT when a time does not parse.
    """
    window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    if window.is_open and default_ns is not None:
        return TimeRange(start=max(0, now - default_ns))
    return window


SECONDS: Final = "TimestampTime"
"""The time in whole seconds, by the name that the exporter's table of logs has for it."""

_SECONDS_MAX: Final = 2**32 - 1
"""The engine counts seconds in 32 bits, to the year 2106."""


def time_condition(table: Table, window: TimeRange) -> str:
    """Return the condition that a row's time lies in the range. Nothing in it needs binding."""
    exact = _compare(table.time, window, "fromUnixTimestamp64Nano(toInt64({}))")
    if exact is None:
        return "1"
    if not (_has_seconds(table) and _is_whole(window.start) and _is_whole(window.end)):
        return exact
    seconds = TimeRange(*(at and at // NS_PER_S for at in (window.start, window.end)))
    return f"{_compare(SECONDS, seconds, 'toDateTime({})')} AND indexHint({exact})"


def _compare(column: str, window: TimeRange, value: str) -> str | None:
    parts = []
    if window.start is not None:
        parts.append(f"{column} >= {value.format(window.start)}")
    if window.end is not None:
        parts.append(f"{column} < {value.format(window.end)}")
    return " AND ".join(parts) or None


def _has_seconds(table: Table) -> bool:
    derived = (definition.partition(" ")[0] for definition in table.derived)
    return SECONDS in (*derived, *(column.name for column in table.materialized))


def _is_whole(at: int | None) -> bool:
    return at is None or (at % NS_PER_S == 0 and at // NS_PER_S <= _SECONDS_MAX)
