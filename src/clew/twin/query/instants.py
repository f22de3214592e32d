"""One object at several moments, and several objects at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_range
from clew.twin import documents as doc
from clew.twin.fold import Folded
from clew.twin.parameters import INSTANTS_MAX, STATES_MAX
from clew.twin.query.moments import Moment, find_moment
from clew.twin.query.states import find_first, refuse_unknown, write_state
from clew.twin.state.folding import Known, fold_moments, fold_objects
from clew.twin.state.kinds import former_names
from clew.twin.state.selection import Subject

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
    first = find_first(store, snapshot, subject)
    if first is None:
        raise refuse_unknown(subject)
    aliases = former_names(kind)
    bounds = [each.bound for each in moments]
    known = fold_moments(store, subject, bounds, at=snapshot, aliases=aliases)
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
