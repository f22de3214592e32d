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
"""A text of the grammar of times, ``event:ID``, ``span:ID``, a Unix time, a date, a datetime; None
is now. Without a zone it is UTC."""

EVENT: Final = "event:"
SPAN: Final = "span:"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN_CHARS: Final = 80


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in Unix nanoseconds, or the place of an event; neither is now."""

    at: int | None = None
    place: str = ""

    @property
    def text(self) -> str | None:
        """What REST takes for it; None is now."""
        if self.place:
            return self.place
        return None if self.at is None else format_time(self.at)

    def find_place(self, events: Sequence[Event]) -> Order:
        """Return where the place stands: at its last event among these.

        Raises:
            ClewError: NOT_FOUND when no event stands there.
        """
        found = [each.order for each in events if stands_at(each, self.place)]
        if not found:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"no event of the object stands at {self.place[:_SHOWN_CHARS]}",
                hint="timeline(…) shows its events with their ids and spans",
            )
        return max(found)


def stands_at(event: Event, place: str) -> bool:
    """Return whether an event is the one of ``event:ID``, or one of ``span:ID``."""
    kind, _, value = place.partition(":")
    return bool(value) and (event.event_id if f"{kind}:" == EVENT else event.span_id) == value


def read_moment(when: When) -> Moment:
    """Return the moment that a value names.

    Raises:
        ClewError: INVALID_ARGUMENT when it names none between 1970 and 2262.
    """
    if when is None:
        return Moment()
    if isinstance(when, str) and when.startswith((EVENT, SPAN)):
        return Moment(place=when)
    at = moment_ns(when)
    if at is None and isinstance(when, str):
        at = parse_time(when, now=time.time_ns())
    if at is None or not 0 <= at <= TIME_NS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not a time: {str(when)[:_SHOWN_CHARS]!r}",
            hint=TIME_HINT,
        )
    return Moment(at)


def read_time(when: When) -> int | None:
    """Return the Unix nanoseconds that a value names, None for None.

    Raises:
        ClewError: INVALID_ARGUMENT when it is the place of an event, or no time.
    """
    moment = read_moment(when)
    if moment.place:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "a time is wanted here, not the place of an event"
        )
    return moment.at


def to_datetime(at: int) -> datetime:
    """Return Unix nanoseconds as a moment in UTC; what is finer than a microsecond is cut off."""
    return _EPOCH + timedelta(microseconds=at // NS_PER_US)
