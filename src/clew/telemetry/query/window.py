"""Time ranges as conditions over a table's time column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.times import TimeRange, parse_range

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


def time_condition(table: Table, window: TimeRange) -> str:
    """Return the condition that a row's time lies in the range. Nothing in it needs binding."""
    parts = []
    if window.start is not None:
        parts.append(f"{table.time} >= fromUnixTimestamp64Nano(toInt64({window.start}))")
    if window.end is not None:
        parts.append(f"{table.time} < fromUnixTimestamp64Nano(toInt64({window.end}))")
    return " AND ".join(parts) or "1"
