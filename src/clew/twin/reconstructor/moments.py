"""Which moment a program means: whatever it has at hand for one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_US, TIME_HINT, TIME_NS_MAX, format_time, parse_time
from clew.twin.events import Order
from clew.twin.schema.moments import moment_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.twin.events import Event

When: TypeAlias = str | int | float | date | datetime | None
"""A text of the grammar of times, ``event:ID``, ``span:ID``, the bare id of either, a Unix time, a
date, a datetime; None is now. Without a zone it is UTC."""

THEN: Final = "then"
"""As a recorded time: that of the moment itself."""

EVENT: Final = "event:"
SPAN: Final = "span:"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_CHARS: Final = 80
_ID_CHARS_MAX: Final = 256
"""Of the id of an event, as a server takes it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in Unix nanoseconds, or the place of an event; neither is now.

    A place is ``event:ID``, ``span:ID``, or the bare id of either. `recorded_at` is by when what
    counts had come: a time as REST takes it, or ``then``; None is now.
    """

    at: int | None = None
    place: str = ""
    recorded_at: str | None = None

    @property
    def text(self) -> str | None:
        """What REST takes for it; None is now."""
        if self.place:
            return self.place
        return None if self.at is None else format_time(self.at)

    def find_recorded(self, until: Order | int) -> int | None:
        """Return by when what counts had come, of the moment that was found; None is now."""
        if self.recorded_at is None:
            return None
        if self.recorded_at == THEN:
            return until if isinstance(until, int) else until.at
        return parse_time(self.recorded_at, now=time.time_ns())

    def find_place(self, events: Sequence[Event]) -> Order:
        """Return where the place stands: at its last event among these.

        Raises:
            ClewError: NOT_FOUND when no event stands there, INVALID_ARGUMENT for what may have been
                meant as a time.
        """
        for form in forms_of(self.place):
            found = [each.order for each in events if stands_at(each, form)]
            if found:
                return max(found)
        if not self.place.startswith((EVENT, SPAN)):
            raise _refuse(self.place)
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"no event of the object stands at {self.place[:_SHOWN_CHARS]}",
            hint="timeline(…) shows its events with their ids and spans",
        )


def forms_of(place: str) -> tuple[str, ...]:
    """Return what a place may mean, as ``event:ID`` and ``span:ID``; the first that is there."""
    return (place,) if place.startswith((EVENT, SPAN)) else (f"{EVENT}{place}", f"{SPAN}{place}")


def stands_at(event: Event, form: str) -> bool:
    """Return whether an event is the one of ``event:ID``, or one of ``span:ID``."""
    kind, _, value = form.partition(":")
    return bool(value) and (event.event_id if f"{kind}:" == EVENT else event.span_id) == value


def read_moment(when: When, recorded_at: When = None) -> Moment:
    """Return the moment that a value names, and by when what counts at it had come.

    A text that is no time, and may be the id of an event or a span, is taken for one.

    Raises:
        ClewError: INVALID_ARGUMENT when it names none between 1970 and 2262.
    """
    recorded = read_recorded(recorded_at)
    if when is None:
        return Moment(recorded_at=recorded)
    if isinstance(when, str) and when.startswith((EVENT, SPAN)):
        return Moment(place=when, recorded_at=recorded)
    try:
        return Moment(_read_time(when), recorded_at=recorded)
    except ClewError:
        if isinstance(when, str) and 0 < len(when) <= _ID_CHARS_MAX and "\0" not in when:
            return Moment(place=when, recorded_at=recorded)
        raise


def read_recorded(when: When) -> str | None:
    """Return the recorded time that a value names as REST takes it, None for None.

    Raises:
        ClewError: INVALID_ARGUMENT when it is neither a time nor ``then``.
    """
    if when == THEN:
        return THEN
    at = read_time(when)
    return None if at is None else format_time(at)


def read_time(when: When) -> int | None:
    """Return the Unix nanoseconds that a value names, None for None.

    Raises:
        ClewError: INVALID_ARGUMENT when it is the place of an event, or no time.
    """
    if isinstance(when, str) and when.startswith((EVENT, SPAN)):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "a time is wanted here, not the place of an event"
        )
    return None if when is None else _read_time(when)


def _read_time(when: When) -> int:
    at = moment_ns(when)
    if at is None and isinstance(when, str):
        at = parse_time(when, now=time.time_ns())
    if at is None or not 0 <= at <= TIME_NS_MAX:
        raise _refuse(when)
    return at


def _refuse(when: When) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a time: {str(when)[:_SHOWN_CHARS]!r}",
        hint=f"{TIME_HINT}; or name an event or a span: event:ID, span:ID",
    )


def to_datetime(at: int) -> datetime:
    """Return Unix nanoseconds as a moment in UTC; what is finer than a microsecond is cut off."""
    return _EPOCH + timedelta(microseconds=at // NS_PER_US)
