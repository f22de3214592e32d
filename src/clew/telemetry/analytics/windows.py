"""The two windows of a question: what is looked at, and what it is compared with.

The current window is the last hour unless the question says otherwise. The baseline is the stretch
before it, six times as long unless the question says otherwise, and never overlaps it: a baseline
that holds the current window is pulled towards it, and hides the small shifts. Both are stated in
the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, TimeRange, format_time, parse_duration_ns, parse_range
from clew.telemetry.analytics import documents as doc

if TYPE_CHECKING:
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.query.parameters import TimeParameters

WINDOW_DEFAULT_NS: Final = 3600 * NS_PER_S
"""Asked without a range: an hour, long enough for a rate and short enough to be about now."""

BASELINE_FACTOR: Final = 6
"""How much longer the baseline is: its own noise then adds little to that of the current window."""

_HINT: Final = "the window is half-open: start belongs to it, end does not"


@dataclass(frozen=True, slots=True)
class Window:
    """The moments from `start` up to, not including, `end`, in Unix nanoseconds; never empty.

    Without an end of its own a window ends now, and `is_open` says so: a record whose clock runs
    ahead of ours still belongs to it, while its length is counted up to now.
    """

    start: int
    end: int
    is_open: bool = False

    @property
    def range(self) -> TimeRange:
        """The range whose records belong to the window."""
        return TimeRange(self.start, None if self.is_open else self.end)

    @property
    def seconds(self) -> float:
        """How long the window is; more than zero."""
        return (self.end - self.start) / NS_PER_S

    def describe(self) -> doc.Window:
        """Return the window as answers state it."""
        return doc.Window(
            start_time=format_time(self.start),
            end_time=format_time(self.end),
            seconds=self.seconds,
        )


def read_current(query: TimeParameters, *, now: int) -> Window:
    """Return the window that a question is about.

    An end alone means the hour before it. A start that is only told by a length is put on the
    whole second before. What lies before 1970 is cut off.

    Raises:
        ClewError: INVALID_ARGUMENT when a time does not parse, or the window is reversed or empty.
    """
    asked = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    end = now if asked.end is None else asked.end
    start = max(0, end - WINDOW_DEFAULT_NS) if asked.start is None else asked.start
    if query.start is None and start < end:
        # A moment that nobody named may be any: whole seconds are what the store compares fastest.
        start -= start % NS_PER_S
    return _window(start, end, is_open=asked.end is None, name="the window")


def read_baseline(query: ask.BaselineParameters, current: Window, *, now: int) -> Window:
    """Return the window to compare with: it ends where the current one starts, or earlier.

    Raises:
        ClewError: INVALID_ARGUMENT when a time does not parse, the baseline is reversed, empty or
            overlaps the current window, or `baseline` comes with another way to say it.
    """
    if query.baseline_start is None and query.baseline_end is None:
        length = BASELINE_FACTOR * (current.end - current.start)
        if query.baseline is not None:
            length = parse_duration_ns(query.baseline, bare=NS_PER_S)
        start = max(0, current.start - length)
        if length:
            start -= start % NS_PER_S
        return _window(start, current.start, name="the baseline")
    if query.baseline is not None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "baseline excludes baseline_start and baseline_end",
            hint="give baseline alone, or baseline_start and baseline_end",
        )
    asked = parse_range(last=None, start=query.baseline_start, end=query.baseline_end, now=now)
    length = BASELINE_FACTOR * (current.end - current.start)
    end = current.start if asked.end is None else asked.end
    start = max(0, end - length) if asked.start is None else asked.start
    baseline = _window(start, end, name="the baseline")
    if baseline.end > current.start and (current.is_open or baseline.start < current.end):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "the baseline overlaps the window",
            hint=f"end it at {format_time(current.start)} or before",
        )
    return baseline


def _window(start: int, end: int, *, name: str, is_open: bool = False) -> Window:
    if start >= end:
        state = "empty" if start == end else "reversed"
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{name} is {state}: from {format_time(start)} to {format_time(end)}",
            hint=_HINT,
        )
    return Window(start, end, is_open)
