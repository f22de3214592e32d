"""Which moment a question means, a time or a place in the course of events; and known by when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_time
from clew.store.engine.contract import Scan
from clew.twin.events import Order
from clew.twin.state.rows import AT
from clew.twin.state.selection import COUNTED, LIMITS
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.twin.state.store import Store

EVENT: Final = "event:"
SPAN: Final = "span:"

THEN: Final = "then"
"""As a recorded time: that of the moment itself."""

_ID_CHARS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, in Unix nanoseconds, and the place among the events of it where one was named."""

    at: int
    order: Order | None = None

    @property
    def bound(self) -> Order | int:
        """What `select_events` takes."""
        return self.at if self.order is None else self.order

    def is_before(self, order: Order) -> bool:
        """Whether an event comes after the moment."""
        return order.at > self.at if self.order is None else order > self.order


def find_moment(store: Store, snapshot: Snapshot, text: str | None, now: int) -> Moment:
    """Return the moment that a text names: a time, ``event:ID`` or ``span:ID``; now for None.

    What is no time may be the bare id of an event or a span; one of digits alone is a time.

    Raises:
        ClewError: INVALID_ARGUMENT for no such form, NOT_FOUND for an event or span without one.
    """
    if text is None:
        return Moment(now)
    for form, column in ((EVENT, "EventId"), (SPAN, "SpanId")):
        if text.startswith(form):
            return _get_last(store, snapshot, column, text.removeprefix(form))
    try:
        return Moment(parse_time(text, now=now))
    except ClewError as error:
        found = _find_bare(store, snapshot, text)
        if found is not None:
            return found
        hint = f"{error.hint}; or name an event or a span: event:ID, span:ID"
        raise ClewError(error.code, error.message, hint=hint) from error


def find_recorded(text: str | None, moment: Moment | None, now: int) -> int | None:
    """Return the recorded time that a text names, in Unix nanoseconds; None where all counts.

    `moment` is what ``then`` means; None for a question about no moment.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no time, and for ``then`` without a moment.
    """
    if text is None:
        return None
    if text == THEN:
        if moment is not None:
            return moment.at
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a list is of no moment, so `then` is no time of it",
            hint="give a time for recorded_at: what counts had come by then",
        )
    try:
        return parse_time(text, now=now)
    except ClewError as error:
        hint = f"{error.hint}; or write then, for the time of the moment"
        raise ClewError(error.code, error.message, hint=hint) from error


def _find_bare(store: Store, snapshot: Snapshot, text: str) -> Moment | None:
    """Return the place of the event, else of the span, whose id is the text."""
    if not _is_id(text):
        return None
    for column in ("EventId", "SpanId"):
        found = _find_last(store, snapshot, column, text)
        if found is not None:
            return found
    return None


def _get_last(store: Store, snapshot: Snapshot, column: str, value: str) -> Moment:
    if not _is_id(value):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "no id stands after the colon",
            hint="write event:ID or span:ID, or a time",
        )
    found = _find_last(store, snapshot, column, value)
    if found is None:
        what = "event" if column == "EventId" else "span with events of an object"
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"there is no such {what}",
            hint="`clew timeline TYPE ID` shows the events of an object with their spans",
        )
    return found


def _is_id(value: str) -> bool:
    return 0 < len(value) <= _ID_CHARS_MAX and "\0" not in value


def _find_last(store: Store, snapshot: Snapshot, column: str, value: str) -> Moment | None:
    """Return the place of the last event with this value, None where there is none."""
    (row,) = store.engine.query(
        "SELECT count() AS events, max((at, Seq, EventId)) AS last FROM @events",
        snapshot=snapshot,
        scans={
            "events": Scan(
                EVENTS, (AT, "Seq", "EventId"), f"{column} = {{value:String}} AND {COUNTED}"
            )
        },
        parameters={"value": value},
        limits=LIMITS,
    ).to_pylist()
    if not row["events"]:
        return None
    order = Order(*row["last"].values())
    return Moment(order.at, order)
