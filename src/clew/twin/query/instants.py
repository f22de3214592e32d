"""One object at several moments, and several objects at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_range
from clew.twin import documents as doc
from clew.twin.fold import Folded
from clew.twin.parameters import INSTANTS_MAX, STATES_MAX
from clew.twin.query.moments import Moment, find_moment, find_recorded
from clew.twin.query.states import get_first, write_state
from clew.twin.state.arrivals import fold_arrivals
from clew.twin.state.folding import Known, fold_moments, fold_objects
from clew.twin.state.kinds import former_names
from clew.twin.state.selection import Subject
from clew.twin.state.store import as_recorded

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.store import Store


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
    first = get_first(store, snapshot, subject)
    aliases = former_names(kind)
    bounds = [each.bound for each in moments]
    recorded = [find_recorded(query.recorded_at, each, now) for each in moments]
    if query.recorded_at is None:
        known = fold_moments(store, subject, bounds, at=snapshot, aliases=aliases)
    else:
        asked = [(bound, at) for bound, at in zip(bounds, recorded, strict=True) if at is not None]
        known = fold_arrivals(store, subject, asked, at=snapshot, aliases=aliases)
    states = [
        write_state(subject, moment, each, kind, first, recorded_at=had_come)
        for moment, each, had_come in zip(moments, known, recorded, strict=True)
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
    recorded = find_recorded(query.recorded_at, moment, now)
    subjects = [Subject(*each) for each in query.objects]
    known = fold_objects(
        as_recorded(store, recorded),
        list(dict.fromkeys(subjects)),
        moment.bound,
        at=snapshot,
        aliases=lambda name: former_names(shelf.find_type(name)),
    )
    nothing = Known(Folded(), None)
    states = [
        write_state(
            each,
            moment,
            known.get(each, nothing),
            shelf.find_type(each.type),
            recorded_at=recorded,
        )
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
