"""State at a moment: of one object, of one at many moments, of many at one.

Theory of operation. An object that was asked about before is answered from memory
(`clew.twin.state.courses`), any other by reading its events (`clew.twin.state.reading`). Objects of
few events are read together.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.twin.events import Order
from clew.twin.fold import Folded
from clew.twin.state.aggregate import look_at
from clew.twin.state.reading import (
    DIFFICULT_EVENTS_MAX,
    EVENTS_EXPIRED,
    READ_EVENTS_MAX,
    Reading,
    fold_read,
)
from clew.twin.state.rows import FRAMED_COLUMNS, read_framed
from clew.twin.state.selection import CHANGING, LIMITS, Subject, select_events, select_objects
from clew.twin.state.start import (
    NOTHING,
    Known,
    Source,
    Starts,
    begin_at,
    find_baseline,
    find_baselines,
    find_starts,
)
from clew.twin.state.store import RememberingStore, recorded_time

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.twin.events import Event
    from clew.twin.state.store import Store

__all__ = [
    "DIFFICULT_EVENTS_MAX",
    "EVENTS_EXPIRED",
    "Known",
    "Source",
    "fold_after",
    "fold_events",
    "fold_moments",
    "fold_objects",
    "refold",
]

GROUPED_EVENTS_MAX: Final = 1_000
"""An object of more events is not read together with others."""

READ_TOGETHER_MAX: Final = 50_000
"""Events of several objects that are read at once: 50 MB."""


def fold_events(
    store: Store,
    subject: Subject,
    until: Order | int | None = None,
    *,
    at: Snapshot | None = None,
    aliases: Mapping[str, str] | None = None,
    few: int = READ_EVENTS_MAX,
) -> Known:
    """Return what the events of an object came to, up to a moment (inclusive) or an event.

    `aliases` are names that fields had before, each with its present one. More than `few` events
    are left to the engine where they are simple. The values of the state may be shared, and are not
    to be altered.

    Sees:   every event acknowledged before the call, or those of `at`; of a `RecordedStore` those
        of them that had come by its time.
    Raises: ClewError TIMEOUT or TOO_LARGE at a limit.
    """
    snapshot = at or store.snapshot()
    names = aliases or {}
    if not isinstance(store, RememberingStore):
        return refold(store, subject, until, at=snapshot, aliases=names, few=few)
    known = store.memory.courses.fold(store, snapshot, subject, until, names)
    if known is None:
        known = refold(store, subject, until, at=snapshot, aliases=names, few=few)
        store.memory.note(subject, known, snapshot, names)
    return known


def refold(
    store: Store,
    subject: Subject,
    until: Order | int | None,
    *,
    at: Snapshot,
    aliases: Mapping[str, str],
    few: int = READ_EVENTS_MAX,
) -> Known:
    """Return the same as `fold_events`, and have nothing written down of it."""
    starts = find_starts(store, at, subject, until, aliases)
    return Reading(store, at, subject, until, aliases).fold(starts, few)


def fold_moments(
    store: Store,
    subject: Subject,
    moments: Sequence[Order | int],
    *,
    at: Snapshot,
    aliases: Mapping[str, str],
) -> list[Known]:
    """Return what the events of an object came to at several moments, in the order asked for.

    The values of the states are shared, and not to be altered.
    """
    if isinstance(store, RememberingStore):
        courses = store.memory.courses
        known = []
        for moment in moments:
            found = courses.fold(store, at, subject, moment, aliases, at_once=True)
            if found is None:
                break
            known.append(found)
        else:
            return known
    return _fold_onwards(store, subject, moments, at, aliases)


def _fold_onwards(
    store: Store,
    subject: Subject,
    moments: Sequence[Order | int],
    at: Snapshot,
    aliases: Mapping[str, str],
) -> list[Known]:
    """Return the same of an object with very many events: each moment from the one before it."""
    look = look_at(store, at, select_events(subject).narrow(CHANGING))
    # Where ids contradict one another, or events are gone, what comes later may hang on more than
    # the state.
    is_plain = look is not None and look.is_agreed
    is_plain = is_plain and find_baseline(store, at, subject) is None
    found: dict[int, Known] = {}
    known: Known | None = None
    place = Order(0, 0, "")
    for number in sorted(range(len(moments)), key=lambda n: _end_of(moments[n])):
        moment = moments[number]
        if is_plain and known is not None and known.source is not None:
            known = Reading(store, at, subject, moment, aliases).go_on_from(known, place)
        else:
            known = fold_events(store, subject, moment, at=at, aliases=aliases)
        place = _end_of(moment)
        found[number] = known
    return [found[number] for number in range(len(moments))]


def _end_of(moment: Order | int) -> Order:
    """Return a place that no event stands at, after those up to a time; of an event, its own."""
    return Order(moment + 1, 0, "") if isinstance(moment, int) else moment


def fold_objects(
    store: Store,
    subjects: Collection[Subject],
    until: Order | int | None = None,
    *,
    at: Snapshot,
    aliases: Callable[[str], Mapping[str, str]],
) -> dict[Subject, Known]:
    """Return what the events of several objects came to; those without any are left out.

    `aliases` gives the former names of the fields of a type. Objects of few events are read
    together, so many as `READ_TOGETHER_MAX` events at a time.
    """
    if not subjects:
        return {}
    lost = find_baselines(store, at, subjects)
    recorded = recorded_time(store)
    starts = {subject: begin_at(each, until, recorded) for subject, each in lost.items()}
    return fold_after(store, subjects, until, at=at, aliases=aliases, starts=starts)


def fold_after(
    store: Store,
    subjects: Collection[Subject],
    until: Order | int | None,
    *,
    at: Snapshot,
    aliases: Callable[[str], Mapping[str, str]],
    starts: Mapping[Subject, Starts],
) -> dict[Subject, Known]:
    """Return the same as `fold_objects` by given starts, without snapshots, of few events."""
    group = _Group(store, at, until, aliases, starts)
    counts = _count_changes(store, at, subjects, until)
    found = {subject: group.fold(subject, []) for subject in starts if subject not in counts}
    together: list[Subject] = []
    size = 0
    for subject, count in counts.items():
        if count > GROUPED_EVENTS_MAX:
            found[subject] = group.fold_alone(subject)
            continue
        if size + count > READ_TOGETHER_MAX:
            found |= group.read(together)
            together, size = [], 0
        together.append(subject)
        size += count
    if together:
        found |= group.read(together)
    return {
        subject: known
        for subject, known in found.items()
        if known.folded.version or known.expired is not None
    }


def _count_changes(
    store: Store, snapshot: Snapshot, subjects: Collection[Subject], until: Order | int | None
) -> dict[Subject, int]:
    changes = select_objects(subjects, until).narrow(CHANGING)
    rows = store.engine.query(
        "SELECT obj_type, ObjId, count() AS events FROM @changes GROUP BY obj_type, ObjId",
        snapshot=snapshot,
        scans={"changes": changes.scan("toString(ObjType) AS obj_type", "ObjId")},
        parameters=changes.parameters,
        limits=LIMITS,
    ).to_pylist()
    return {Subject(row["obj_type"], row["ObjId"]): row["events"] for row in rows}


@dataclass(frozen=True, slots=True)
class _Group:
    """One question about several objects; `starts` are of those some of whose events are gone."""

    store: Store
    snapshot: Snapshot
    until: Order | int | None
    aliases: Callable[[str], Mapping[str, str]]
    starts: Mapping[Subject, Starts]

    def fold_alone(self, subject: Subject) -> Known:
        """Return what the many events of one object came to."""
        names = self.aliases(subject.type)
        if subject not in self.starts:
            return fold_events(
                self.store, subject, self.until, at=self.snapshot, aliases=names, few=0
            )
        reading = Reading(self.store, self.snapshot, subject, self.until, names)
        return reading.fold(self.starts[subject], 0)

    def read(self, subjects: Collection[Subject]) -> dict[Subject, Known]:
        """Return what the events of some objects came to, reading all of them at once."""
        changes = select_objects(subjects, self.until).narrow(CHANGING)
        rows = self.store.engine.query(
            "SELECT * FROM @changes ORDER BY obj_type, ObjId",
            snapshot=self.snapshot,
            scans={"changes": changes.scan(*FRAMED_COLUMNS)},
            parameters=changes.parameters,
            limits=LIMITS,
        )
        found: dict[Subject, Known] = {}
        for name, framed in itertools.groupby(read_framed(rows, self.aliases), _name_object):
            subject = Subject(*name)
            found[subject] = self.fold(subject, list(framed))
        return found

    def fold(self, subject: Subject, framed: Sequence[tuple[int, Event]]) -> Known:
        """Return what events came to, each given with its frame."""
        starts = self.starts.get(subject, NOTHING)
        if starts.expired is not None:
            return Known(Folded(), None, expired=starts.expired)
        baseline = starts.baseline
        events = [
            event
            for frame, event in framed
            if baseline is None or not baseline.holds(frame, event.order)
        ]
        return fold_read(events, baseline, self.aliases(subject.type))


def _name_object(framed: tuple[int, Event]) -> tuple[str, str]:
    return framed[1].obj_type, framed[1].obj_id
