"""One object at many moments, each by what had come by a time of its own.

Theory of operation. The moments are put in order, by their times and by the recorded times with
them; what counts at one counts at the next, so an event begins to count at one of them and stays.
The changes are read once, each is put where it begins to count, and those that count are kept in
their order. Every so many of them the state is kept as it was: an event that came late is put where
it belongs, and what is folded again begins before it. A thousand moments of ten thousand events
that came in bursts take a second this way, and a question to the engine each would take a minute.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.twin.events import Order
from clew.twin.fold import Folded, put_in_order, stands_before
from clew.twin.state.folding import fold_events
from clew.twin.state.reading import fold_on, pass_over
from clew.twin.state.rows import CHANGE_COLUMNS, RECEIVED, read_changes
from clew.twin.state.selection import CHANGING, LIMITS, select_events
from clew.twin.state.start import Known, Start, find_baseline
from clew.twin.state.store import RecordedStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.twin.events import Event
    from clew.twin.state.selection import Subject
    from clew.twin.state.store import Store

EVENTS_MAX: Final = 50_000
"""Changes that are read for many moments: 50 MB. Of more, each moment is a question of its own."""

STRETCH: Final = 64
"""Changes between two states that are kept, as in a course."""

Asked = tuple[Order | int, int]
"""Up to which moment or event, and by when what counts had come."""


def fold_arrivals(
    store: Store,
    subject: Subject,
    asked: Sequence[Asked],
    *,
    at: Snapshot,
    aliases: Mapping[str, str],
) -> list[Known]:
    """Return what the events of an object came to at several moments, in the order asked for.

    The recorded times MUST grow with the moments, or be one. The values of the states are shared,
    and not to be altered.
    """
    baseline = find_baseline(store, at, subject)
    rows = _read_changes(store, at, subject, baseline)
    if rows is None:
        return [
            fold_events(RecordedStore(store, recorded), subject, until, at=at, aliases=aliases)
            for until, recorded in asked
        ]
    numbers = sorted(range(len(asked)), key=lambda n: (_end_of(asked[n][0]), asked[n][1]))
    ends = [_end_of(asked[n][0]) for n in numbers]
    times = [asked[n][1] for n in numbers]
    begins: list[list[Event]] = [[] for _ in range(len(asked) + 1)]
    events = read_changes(rows.drop_columns(["received"]), subject.type, subject.id, aliases)
    for event, received in zip(events, rows["received"].to_pylist(), strict=True):
        place = max(bisect_left(ends, event.order), bisect_left(times, received))
        begins[place].append(event)
    growing = _Growing(baseline, aliases)
    found: dict[int, Known] = {}
    for number, fresh in zip(numbers, begins, strict=False):
        for event in fresh:
            growing.add(event)
        found[number] = growing.fold(asked[number])
    return [found[number] for number in range(len(asked))]


def _end_of(moment: Order | int) -> Order:
    """Return a place that no event stands at, after those up to a time; of an event, its own."""
    return Order(moment + 1, 0, "") if isinstance(moment, int) else moment


def _read_changes(
    store: Store, snapshot: Snapshot, subject: Subject, baseline: Start | None
) -> pa.Table | None:
    """Return all changes that are kept, in no order; None where they are too many."""
    changes = select_events(subject).narrow(CHANGING)
    if baseline is not None:
        changes = changes.outside(baseline.parts)
    scan = replace(changes.scan(*CHANGE_COLUMNS, RECEIVED), limit=EVENTS_MAX + 1)
    rows = store.engine.query(
        "@changes",
        snapshot=snapshot,
        scans={"changes": scan},
        parameters=changes.parameters,
        limits=LIMITS,
    )
    return None if rows.num_rows > EVENTS_MAX else rows


class _Growing:
    """The changes that count, in order, each once; more of them from moment to moment."""

    def __init__(self, baseline: Start | None, aliases: Mapping[str, str]) -> None:
        self._baseline = baseline
        self._events: dict[str, Event] = {}
        # What came too late for the baseline is told of, and has no place.
        self._late: dict[str, Event] = {}
        self._places: list[Order] = []
        begun = Known(Folded(), None)
        if baseline is not None:
            begun = Known(baseline.begin(aliases), baseline.source)
        # What the first `n * STRETCH` changes came to stands at `n`.
        self._kept = [begun]

    def add(self, event: Event) -> None:
        """Let an event count; of several with one id the one that `put_in_order` chooses."""
        known = self._events.get(event.event_id)
        if known is not None:
            if not stands_before(event, known):
                return
            self._remove(known)
        self._events[event.event_id] = event
        if self._baseline is not None and self._baseline.covers(event.order):
            self._late[event.event_id] = event
            return
        insort(self._places, event.order)
        self._forget_from(bisect_left(self._places, event.order))

    def fold(self, asked: Asked) -> Known:
        """Return what the events that count came to."""
        baseline, (until, recorded) = self._baseline, asked
        if baseline is not None and (
            _end_of(until) < baseline.order or not baseline.had_come_by(recorded)
        ):
            return Known(Folded(), None, expired=baseline.kept_from)
        while len(self._kept) * STRETCH <= len(self._places):
            self._kept.append(self._fold_from_kept(len(self._kept) * STRETCH))
        known = self._fold_from_kept(len(self._places))
        known.folded.remarks.extend(pass_over(put_in_order(self._late.values())))
        return known

    def _fold_from_kept(self, count: int) -> Known:
        start = min(count // STRETCH, len(self._kept) - 1)
        kept = self._kept[start]
        folded = replace(
            kept.folded, state=dict(kept.folded.state), remarks=list(kept.folded.remarks)
        )
        places = self._places[start * STRETCH : count]
        events = (self._events[place.event_id] for place in places)
        return fold_on(replace(kept, folded=folded), events)

    def _remove(self, event: Event) -> None:
        if self._late.pop(event.event_id, None) is None:
            index = bisect_left(self._places, event.order)
            del self._places[index]
            self._forget_from(index)

    def _forget_from(self, index: int) -> None:
        """Forget the states in which the change at a place was, or is to be."""
        del self._kept[index // STRETCH + 1 :]
