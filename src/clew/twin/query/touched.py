"""The objects that a trace touched, as they were at one of its steps."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_trace_id
from clew.base.times import format_time
from clew.store.page import check_limit
from clew.twin import documents as doc
from clew.twin.events import Order
from clew.twin.fold import Folded
from clew.twin.parameters import STATES_MAX
from clew.twin.query.moments import Moment
from clew.twin.query.states import write_state
from clew.twin.query.timeline import EVENT_COLUMNS, read_events
from clew.twin.state.folding import Known, fold_objects
from clew.twin.state.kinds import former_names
from clew.twin.state.selection import CHANGING, COUNTED, LIMITS, Selection, Subject

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.store import Store

_ORDER: Final = "at, Seq, EventId"


def find_touched(
    store: Store, shelf: Shelf, trace_id: str, query: ask.TouchedQuery
) -> doc.TouchedObjects:
    """Return the objects that events of a trace are about, those touched first standing first.

    A step is one event of the trace, in the order of events. States are those just after the step,
    whoever brought them about.

    Bounds: `STATES_MAX` objects.
    Raises: ClewError NOT_FOUND for a trace without events, INVALID_ARGUMENT for a step it has not.
    """
    check_limit(query.limit, STATES_MAX)
    snapshot = store.snapshot()
    selection = Selection(
        f"TraceId = {{trace_id:String}} AND ObjId != '' AND {COUNTED}",
        {"trace_id": parse_trace_id(trace_id)},
    )
    steps, touched = _count(store, snapshot, selection)
    if not steps:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "no event of an object is known of the trace",
            hint="`clew trace ID` shows its spans, `clew objects` what sends events",
        )
    step = steps if query.step is None else query.step
    if not 0 <= step <= steps:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the trace has {steps} steps",
            hint="give step from 0, which is before the first, to that",
        )
    event, moment = _find_step(store, snapshot, shelf, selection, step)
    shown = list(touched)[: query.limit]
    known = fold_objects(
        store,
        shown,
        moment.bound,
        at=snapshot,
        aliases=lambda name: former_names(shelf.find_type(name)),
    )
    nothing = Known(Folded(), None)
    objects = [
        doc.Touched(
            twin=write_state(each, moment, known.get(each, nothing), shelf.find_type(each.type)),
            events=touched[each][0],
            changes=touched[each][1],
        )
        for each in shown
    ]
    return doc.TouchedObjects(
        trace_id=trace_id,
        step=step,
        steps=steps,
        at=format_time(moment.at),
        event=event,
        objects=objects,
        count=len(objects),
        truncated=len(touched) > len(objects),
    )


def _count(
    store: Store, snapshot: Snapshot, selection: Selection
) -> tuple[int, dict[Subject, tuple[int, int]]]:
    """Return how many steps a trace has, and of each object how many events and changes."""
    rows = store.engine.query(
        "SELECT type, ObjId AS id, uniqExact(EventId) AS events,"
        f" uniqExactIf(EventId, {CHANGING}) AS changes FROM @events"
        f" GROUP BY type, id ORDER BY min(({_ORDER}))",
        snapshot=snapshot,
        scans={
            "events": selection.scan(
                "toString(ObjType) AS type",
                "ObjId",
                "toUnixTimestamp64Nano(Timestamp) AS at",
                "Seq",
                "EventId",
                "EventType",
            )
        },
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    touched = {Subject(row["type"], row["id"]): (row["events"], row["changes"]) for row in rows}
    return sum(events for events, _ in touched.values()), touched


def _find_step(
    store: Store, snapshot: Snapshot, shelf: Shelf, selection: Selection, step: int
) -> tuple[doc.TimelineEvent | None, Moment]:
    """Return the event of a step, and the moment just after it."""
    skipped = max(0, step - 1)
    rows = store.engine.query(
        f"SELECT * FROM (SELECT * FROM @events ORDER BY {_ORDER} LIMIT 1 BY EventId)"
        f" ORDER BY {_ORDER} LIMIT 1 OFFSET {skipped}",
        snapshot=snapshot,
        scans={"events": selection.scan(*EVENT_COLUMNS)},
        parameters=selection.parameters,
        limits=LIMITS,
    )
    place = Order(*(rows[name][0].as_py() for name in ("at", "Seq", "EventId")))
    if not step:
        # Before the first: everything that stands before it, and not itself.
        return None, Moment(place.at, place._replace(event_id=""))
    return next(read_events(rows, shelf)), Moment(place.at, place)
