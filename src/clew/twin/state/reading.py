"""What the events of one object came to: by the engine where that is the same, else by the fold.

Theory of operation. A fold begins at nothing, or at what was written down of earlier events
(`clew.twin.state.start`). What is left is read and folded by `clew.twin.fold`, the definition,
where it is few events or difficult ones. Of many simple ones the engine finds the last value of
each field by itself (`clew.twin.state.aggregate`).
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.twin.fold import Folded, Remark, put_in_order
from clew.twin.state.aggregate import fold_by_engine, look_at
from clew.twin.state.quick import fold_rows
from clew.twin.state.rows import AT, CHANGE_COLUMNS, read_changes
from clew.twin.state.selection import CHANGING, LIMITS, select_events
from clew.twin.state.start import Known, Source, Start, Starts, name_aliases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.twin.events import Event, Order
    from clew.twin.state.selection import Selection, Subject
    from clew.twin.state.store import Store

READ_EVENTS_MAX: Final = 10_000
"""So many events are read and folded here, which takes as long as the engine's two questions."""

LATE_EVENTS_MAX: Final = 1_000
"""Events that came too late for a baseline and are told of: ten times as many as are shown."""

READ_AFTER_MAX: Final = 5_000
"""So many events after a snapshot: 40 ms, less than the fold of all that are in it."""

DIFFICULT_EVENTS_MAX: Final = 500_000
"""So many events of one object are read at once: half a gigabyte, and two seconds."""

STRETCH_EVENTS: Final = 100_000
"""Difficult events that are folded one stretch after the other: a tenth of a gigabyte each."""

STRETCHED_EVENTS_MAX: Final = 3_000_000
"""So many difficult events of one object are folded for one answer: some twenty seconds. Later
answers begin at the snapshot that it leaves."""

_NAME_CHARS_SHOWN: Final = 100
"""How much of a name an error repeats."""

EVENTS_EXPIRED: Final = "events_expired"
"""An event that came when those of its time were gone, and cannot be put among them."""


class Reading:
    """One question about one object."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        subject: Subject,
        until: Order | int | None,
        aliases: Mapping[str, str],
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._subject = subject
        self._changes = select_events(subject, until).narrow(CHANGING)
        self._aliases = aliases

    def fold(self, starts: Starts, few: int) -> Known:
        """Return what the events came to, from the newest of the starts that is still right."""
        if starts.expired is not None:
            return Known(Folded(), None, expired=starts.expired)
        for start in starts.snapshots:
            # What comes after it, and whatever came later than it was made.
            news = self._read(self._changes.either_after(start.order, start.frame), READ_AFTER_MAX)
            if news is None:
                # After earlier ones there is only more.
                break
            if not any(start.covers(event.order) for event in news):
                return self._go_on(start, news)
        return self._fold_all(starts.baseline, few)

    def go_on_from(self, known: Known, place: Order) -> Known:
        """Return what the events came to, from what those up to a place did."""
        assert known.source is not None, "there is nothing to go on from before the first change"
        names = name_aliases(self._aliases)
        start = Start(
            folded=known.folded,
            source=known.source,
            order=place,
            frame=0,
            is_baseline=False,
            kept_from=0,
            first_at=0,
            names=names,
        )
        changes = self._changes.after(place)
        rows = self._read_rows(changes, READ_EVENTS_MAX)
        if rows is None:
            return self._fold_many(changes, start)
        return fold_read(self._make_events(rows), start, self._aliases)

    def _go_on(self, start: Start, news: Sequence[Event]) -> Known:
        """Return what the events came to after a snapshot that no late one made wrong."""
        known = self._find_known([event.event_id for event in news], start.order)
        later = [event for event in news if event.event_id not in known]
        return fold_read(later, start, self._aliases)

    def _fold_all(self, baseline: Start | None, few: int) -> Known:
        """Return what all events that are kept came to, from a baseline or from nothing."""
        changes = self._changes
        if baseline is not None:
            changes = changes.outside(baseline.parts)
        if few and (rows := self._read_rows(changes, few)) is not None:
            known = None if baseline is not None or self._aliases else fold_rows(rows)
            return known or fold_read(self._make_events(rows), baseline, self._aliases)
        if baseline is None:
            return self._fold_many(changes, None)
        known = self._fold_many(self._changes.since(baseline.kept_from), baseline)
        # Those that came too late for the baseline are few: nobody takes in what is so old.
        passed = self._changes.before(baseline.kept_from).outside(baseline.parts)
        late = self._read(passed, LATE_EVENTS_MAX)
        known.folded.remarks.extend(pass_over(late or []))
        return known

    def _fold_many(self, changes: Selection, baseline: Start | None) -> Known:
        """Return what changes came to, by the engine where they are simple."""
        look = look_at(self._store, self._snapshot, changes)
        if look is None:
            return fold_read([], baseline, self._aliases)
        before = Folded() if baseline is None else baseline.begin(self._aliases)
        if look.is_simple and look.continues(before):
            folded = fold_by_engine(
                self._store, self._snapshot, changes, look, before, self._aliases
            )
            return Known(folded, look.source, replayed=look.rows)
        if look.rows > (STRETCHED_EVENTS_MAX if look.is_agreed else DIFFICULT_EVENTS_MAX):
            raise self._refuse(look.rows)
        known = fold_read([], baseline, self._aliases)
        for stretch in self._cut(changes) if look.is_agreed else [changes]:
            events = self._read(stretch, DIFFICULT_EVENTS_MAX)
            if events is None:
                raise self._refuse(look.rows)
            known = fold_on(known, put_in_order(events))
        return known

    def _cut(self, changes: Selection) -> Iterator[Selection]:
        """Yield changes in stretches, in the order of their times."""
        # What came twice with one id stands at one place, and so in one stretch.
        (row,) = self._store.engine.query(
            "SELECT groupArrayIf(at, number % {stretch:UInt32} = 0) AS times FROM"
            " (SELECT at, rowNumberInAllBlocks() AS number FROM (SELECT at FROM @c ORDER BY at))",
            snapshot=self._snapshot,
            scans={"c": changes.scan(AT)},
            parameters={**changes.parameters, "stretch": STRETCH_EVENTS},
            limits=LIMITS,
        ).to_pylist()
        times = sorted(set(row["times"]))
        for start, end in itertools.pairwise([*times, None]):
            part = changes.since(start)
            yield part if end is None else part.until(end)

    def _refuse(self, events: int) -> ClewError:
        name = shorten(self._subject.id, _NAME_CHARS_SHOWN)
        return ClewError(
            ErrorCode.TOO_LARGE,
            f"{events} events of the object {name!r}, deletions or contradictions among them",
            hint="have its writers send snapshots, or ask for an earlier moment",
        )

    def _find_known(self, ids: Sequence[str], until: Order) -> set[str]:
        """Return which of these ids stand up to a place already: of those the first one counts."""
        if not ids:
            return set()
        earlier = select_events(self._subject, until).narrow(
            f"{CHANGING} AND EventId IN {{ids:Array(String)}}", ids=list(ids)
        )
        rows = self._store.engine.query(
            "@earlier",
            snapshot=self._snapshot,
            scans={"earlier": earlier.scan("EventId")},
            parameters=earlier.parameters,
            limits=LIMITS,
        )
        return set(rows["EventId"].to_pylist())

    def _read(self, changes: Selection, most: int) -> list[Event] | None:
        """Return changes in no order; None where they are more than `most`."""
        rows = self._read_rows(changes, most)
        return None if rows is None else self._make_events(rows)

    def _read_rows(self, changes: Selection, most: int) -> pa.Table | None:
        scan = replace(changes.scan(*CHANGE_COLUMNS), limit=most + 1)
        rows = self._store.engine.query(
            "@changes",
            snapshot=self._snapshot,
            scans={"changes": scan},
            parameters=changes.parameters,
            limits=LIMITS,
        )
        return None if rows.num_rows > most else rows

    def _make_events(self, rows: pa.Table) -> list[Event]:
        subject = self._subject
        return list(read_changes(rows, subject.type, subject.id, self._aliases))


def fold_read(events: Sequence[Event], start: Start | None, aliases: Mapping[str, str]) -> Known:
    """Return what events came to, in whatever order, by the definition.

    Those that a start covers came too late for it, and are told of.
    """
    folded = Folded() if start is None else start.begin(aliases)
    begun = Known(folded, None if start is None else start.source)
    late: list[Event] = []
    fresh: list[Event] = []
    for event in put_in_order(events):
        covered = start is not None and start.covers(event.order)
        (late if covered else fresh).append(event)
    known = fold_on(begun, fresh)
    folded.remarks.extend(pass_over(late))
    return replace(known, replayed=len(events))


def fold_on(known: Known, events: Iterable[Event]) -> Known:
    """Return what comes of a state by events that stand after it, in order; it is altered."""
    folded, last, replayed = known.folded, None, known.replayed
    for event in events:
        replayed += 1
        if folded.apply(event):
            last = event
    return Known(folded, known.source if last is None else _source_of(last), replayed=replayed)


def _source_of(event: Event) -> Source:
    return Source(event.event_id, event.at, event.trace_id, event.span_id, event.checksum)


def pass_over(events: Iterable[Event]) -> list[Remark]:
    """Return what is told of events that came when those of their time were gone."""
    return [Remark(EVENTS_EXPIRED, event.event_id, event.at) for event in events]
