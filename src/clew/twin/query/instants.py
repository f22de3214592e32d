"""One object at several moments, and several objects at one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_range
from clew.twin import documents as doc
from clew.twin.fold import Folded, put_in_order
from clew.twin.parameters import INSTANTS_MAX, STATES_MAX
from clew.twin.query.folding import Known, Source, begin, fold_events, fold_objects
from clew.twin.query.kinds import former_names
from clew.twin.query.moments import Moment, find_moment
from clew.twin.query.rows import CHANGE_COLUMNS, read_changes
from clew.twin.query.selection import CHANGING, LIMITS, Subject, select_events
from clew.twin.query.start import find_baseline
from clew.twin.query.states import find_first, refuse_unknown, write_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.events import Event
    from clew.twin.query.start import Start
    from clew.twin.query.store import Store
    from clew.twin.registries.shelf import Shelf

WALKED_EVENTS_MAX: Final = 100_000
"""So many events are read once and walked through; of more, each moment is folded by itself."""


def get_instants(
    store: Store, shelf: Shelf, subject: Subject, query: ask.InstantsQuery, now: int
) -> doc.TwinStates:
    """Return what an object was at several moments, in the order asked for.

    Bounds: `INSTANTS_MAX` moments.
    Raises: ClewError NOT_FOUND for an object without any event.
    """
    snapshot = store.snapshot()
    moments = _read_moments(store, snapshot, query, now)
    kind = shelf.find_type(subject.type)
    first = find_first(store, snapshot, subject)
    if first is None:
        raise refuse_unknown(subject)
    aliases = former_names(kind)
    baseline = find_baseline(store, snapshot, subject)
    events = _read_events(store, snapshot, subject, aliases, baseline)
    if events is None:
        known = [
            fold_events(store, subject, each.bound, at=snapshot, aliases=aliases)
            for each in moments
        ]
    else:
        known = _walk(events, moments, baseline, aliases)
    states = [
        write_state(subject, moment, each, kind, first)
        for moment, each in zip(moments, known, strict=True)
    ]
    return doc.TwinStates(states=states, count=len(states))


def get_states(store: Store, shelf: Shelf, query: ask.StatesQuery, now: int) -> doc.TwinStates:
    """Return what several objects were at one moment, in the order asked for.

    An object that nothing is known of does not exist, and has no warnings.
    """
    if len(query.objects) > STATES_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{len(query.objects)} objects; at most {STATES_MAX} are answered at once",
            hint="ask for some of them at a time",
        )
    snapshot = store.snapshot()
    moment = find_moment(store, snapshot, query.at, now)
    subjects = [Subject(*each) for each in query.objects]
    known = fold_objects(
        store,
        list(dict.fromkeys(subjects)),
        moment.bound,
        at=snapshot,
        aliases=lambda name: former_names(shelf.find_type(name)),
    )
    nothing = Known(Folded(), None)
    states = [
        write_state(each, moment, known.get(each, nothing), shelf.find_type(each.type))
        for each in subjects
    ]
    return doc.TwinStates(states=states, count=len(states))


def _read_moments(
    store: Store, snapshot: Snapshot, query: ask.InstantsQuery, now: int
) -> list[Moment]:
    """Return the moments that a question names, or `steps` of them over its range."""
    steps = query.steps or 0
    if len(query.at) > INSTANTS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"at most {INSTANTS_MAX} moments are answered at once",
            hint="ask for some of them at a time",
        )
    if bool(query.at) == bool(steps):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "which moments?",
            hint="repeat at, or give start, end and steps",
        )
    if query.at:
        return [find_moment(store, snapshot, each, now) for each in query.at]
    window = parse_range(last=None, start=query.start, end=query.end, now=now)
    if window.start is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "steps need a start", hint="give start=15m, for one"
        )
    end = now if window.end is None else window.end
    length = (end - window.start) // max(1, steps - 1)
    return [Moment(window.start + length * step) for step in range(steps)]


def _read_events(
    store: Store,
    snapshot: Snapshot,
    subject: Subject,
    aliases: Mapping[str, str],
    baseline: Start | None,
) -> list[Event] | None:
    """Return every change of an object after its baseline, None where they are too many to hold."""
    changes = select_events(subject).narrow(CHANGING)
    if baseline is not None:
        changes = changes.since(baseline.kept_from)
    rows = store.engine.query(
        f"SELECT * FROM @changes LIMIT {WALKED_EVENTS_MAX + 1}",  # noqa: S608 - a number of ours
        snapshot=snapshot,
        scans={"changes": changes.scan(*CHANGE_COLUMNS)},
        parameters=changes.parameters,
        limits=LIMITS,
    )
    if rows.num_rows > WALKED_EVENTS_MAX:
        return None
    return put_in_order(read_changes(rows, subject.type, subject.id, aliases))


def _walk(
    events: Sequence[Event],
    moments: Sequence[Moment],
    baseline: Start | None,
    aliases: Mapping[str, str],
) -> list[Known]:
    """Return what the events came to at each moment, going through them once."""
    known: list[Known] = [Known(Folded(), None)] * len(moments)
    # A time stands after every event of its nanosecond, the place of an event just after it.
    order = sorted(
        range(len(moments)),
        key=lambda n: (moments[n].at, moments[n].order is None, moments[n].order or ()),
    )
    folded, source = Folded(), None
    if baseline is not None:
        folded, source = begin(baseline, aliases), baseline.source
    at = 0
    for n in order:
        if baseline is not None and moments[n].is_before(baseline.order):
            known[n] = Known(Folded(), None, expired=baseline.kept_from)
            continue
        while at < len(events) and not moments[n].is_before(events[at].order):
            event = events[at]
            if folded.apply(event):
                source = Source(
                    event.event_id, event.at, event.trace_id, event.span_id, event.checksum
                )
            at += 1
        known[n] = Known(copy.deepcopy(folded), source)
    return known
