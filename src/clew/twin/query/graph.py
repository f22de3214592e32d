"""All that references reach from one object, as it was at one instant: a consistent cut.

Every state is folded from the same snapshot of the store and up to the same place in the course of
events, so no object is seen before a change that another one shows the effect of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.times import format_time
from clew.twin import documents as doc
from clew.twin.fold import Folded
from clew.twin.query.moments import find_moment, find_recorded
from clew.twin.query.states import get_first, write_state
from clew.twin.schema.references import find_references
from clew.twin.state.folding import Known, fold_objects
from clew.twin.state.kinds import former_names
from clew.twin.state.selection import Subject
from clew.twin.state.store import as_recorded

if TYPE_CHECKING:
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.store import Store

LEFT_OUT: Final = "left_out"


def get_graph(
    store: Store, shelf: Shelf, subject: Subject, query: ask.GraphQuery, now: int
) -> doc.ObjectGraph:
    """Return the objects that references reach from one, nearest first, and the references.

    References are fields of that type, those inside lists and dictionaries too, that name the type
    they refer to. One to an object that did not exist at that moment is dangling.

    Bounds: `depth` references in a row, `limit` objects; what was left out is told.
    Raises: ClewError NOT_FOUND for an object without any event.
    """
    snapshot = store.snapshot()
    moment = find_moment(store, snapshot, query.at, now)
    recorded = find_recorded(query.recorded_at, moment, now)
    store = as_recorded(store, recorded)
    first = get_first(store, snapshot, subject)
    found: dict[Subject, doc.TwinState] = {}
    references: list[doc.Reference] = []
    level, depth, left_out = [subject], 0, 0
    while level:
        known = fold_objects(
            store,
            level,
            moment.bound,
            at=snapshot,
            aliases=lambda name: former_names(shelf.find_type(name)),
        )
        following: dict[Subject, None] = {}
        for each in level:
            folded = known.get(each, Known(Folded(), None))
            is_root = each == subject
            found[each] = write_state(
                each,
                moment,
                folded,
                shelf.find_type(each.type),
                first if is_root else None,
                recorded_at=recorded,
            )
            for field, target in find_references(shelf.find_type(each.type), found[each].state):
                references.append(_reference(each, field, Subject(*target)))
                following[Subject(*target)] = None
        fresh = [each for each in following if each not in found]
        depth += 1
        room = query.limit - len(found) if depth <= query.depth else 0
        left_out += max(0, len(fresh) - room)
        level = fresh[: max(0, room)]
    return doc.ObjectGraph(
        root=(subject.type, subject.id),
        at=format_time(moment.at),
        objects=[state for each, state in found.items() if state.exists or each == subject],
        references=[_marked(each, found) for each in references],
        truncated=left_out > 0,
        warnings=_tell_left_out(left_out, query),
        recorded_at=msgspec.UNSET if recorded is None else format_time(recorded),
    )


def _reference(source: Subject, field: str, target: Subject) -> doc.Reference:
    return doc.Reference(
        from_=(source.type, source.id),
        field=field,
        to=(target.type, target.id),
        is_dangling=False,
    )


def _marked(reference: doc.Reference, found: dict[Subject, doc.TwinState]) -> doc.Reference:
    """Return a reference that says whether its object was there; unknown where it was left out."""
    target = found.get(Subject(*reference.to))
    if target is None or target.exists:
        return reference
    return doc.Reference(
        from_=reference.from_, field=reference.field, to=reference.to, is_dangling=True
    )


def _tell_left_out(left_out: int, query: ask.GraphQuery) -> list[doc.Remark]:
    if not left_out:
        return []
    message = f"{left_out} objects lie deeper than {query.depth}, or beyond {query.limit}"
    return [doc.Remark(code=LEFT_OUT, message=message)]
