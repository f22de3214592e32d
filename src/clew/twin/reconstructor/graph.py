"""Objects together, from events alone: the graph of references, and what a trace touched.

It gives the documents that a server gives. Every state is of one moment, or of one place in the
order of events, so that nothing is seen before what caused it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.twin import documents as doc
from clew.twin.events import CHANGES
from clew.twin.fold import put_in_order
from clew.twin.parameters import OBJECTS_MAX, STATES_MAX
from clew.twin.schema.references import find_references

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.twin.events import Event, Order
    from clew.twin.reconstructor.source import Subject
    from clew.twin.schema.values import ObjectSchema, ProcessSchema

LEFT_OUT: Final = "left_out"

Known = tuple[doc.TwinState, "ObjectSchema | ProcessSchema | None"]
"""A state, and what describes its type."""

FindState = Callable[["Subject"], "Known | None"]
"""Returns the state of an object at the moment that is asked for; None where nothing is known."""


def read_graph(root: Subject, find: FindState, *, at: str, depth: int) -> doc.ObjectGraph:
    """Return the objects that references reach from one, nearest first, and the references.

    Bounds: `depth` references in a row, `OBJECTS_MAX` objects; what was left out is told.
    """
    found: dict[Subject, doc.TwinState | None] = {}
    references: list[tuple[Subject, str, Subject]] = []
    level, left_out = [root], 0
    distance = 0
    while level:
        following: dict[Subject, None] = {}
        for each in level:
            known = find(each)
            found[each] = None if known is None else known[0]
            if known is not None:
                for field, target in find_references(known[1], known[0].state):
                    references.append((each, field, target))
                    following[target] = None
        fresh = [each for each in following if each not in found]
        room = max(0, OBJECTS_MAX - len(found)) if distance < depth else 0
        left_out += max(0, len(fresh) - room)
        level = fresh[:room]
        distance += 1
    message = f"{left_out} objects lie deeper than {depth}, or beyond {OBJECTS_MAX}"
    return doc.ObjectGraph(
        root=root,
        at=at,
        objects=[
            state for each, state in found.items() if state and (state.exists or each == root)
        ],
        references=[
            doc.Reference(
                from_=source,
                field=field,
                to=target,
                is_dangling=target in found and not _is_there(found[target]),
            )
            for source, field, target in references
        ],
        truncated=left_out > 0,
        warnings=[doc.Remark(code=LEFT_OUT, message=message)] if left_out else [],
    )


def _is_there(state: doc.TwinState | None) -> bool:
    return state is not None and state.exists


def choose_step(
    trace_id: str, events: Sequence[Event], step: int | None
) -> tuple[list[Event], int]:
    """Return the events of a trace in order, each once, and the step that is meant, from 1.

    Raises:
        ClewError: NOT_FOUND for a trace without events, INVALID_ARGUMENT for a step it has not.
    """
    steps = put_in_order(events)
    if not steps:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "no event of an object is known of the trace",
            hint=f"the trace that was asked for is {trace_id}",
        )
    chosen = len(steps) if step is None else step
    if not 0 <= chosen <= len(steps):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the trace has {len(steps)} steps",
            hint="give step from 0, which is before the first, to that",
        )
    return steps, chosen


def bound_of(steps: Sequence[Event], step: int) -> Order:
    """Return the place just after a step; of step 0 that before the first."""
    if step:
        return steps[step - 1].order
    return steps[0].order._replace(event_id="")


def read_touched(
    trace_id: str, steps: Sequence[Event], step: int, find: FindState
) -> doc.TouchedObjects:
    """Return the objects that a trace touched, those touched first standing first.

    Bounds: `STATES_MAX` objects.
    """
    counts: dict[Subject, tuple[int, int]] = {}
    for event in steps:
        subject = (event.obj_type, event.obj_id)
        events, changes = counts.get(subject, (0, 0))
        counts[subject] = (events + 1, changes + (event.type in CHANGES))
    objects = [
        doc.Touched(twin=known[0], events=events, changes=changes)
        for subject, (events, changes) in list(counts.items())[:STATES_MAX]
        for known in (find(subject),)
        if known is not None
    ]
    return doc.TouchedObjects(
        trace_id=trace_id,
        step=step,
        steps=len(steps),
        at=format_time(bound_of(steps, step).at),
        event=write_event(steps[step - 1]) if step else None,
        objects=objects,
        count=len(objects),
        truncated=len(counts) > len(objects),
    )


def write_event(event: Event) -> doc.TimelineEvent:
    """Return an event as a server's document shows it; nobody judged it."""
    return doc.TimelineEvent(
        event_id=event.event_id,
        at=format_time(event.at),
        seq=event.seq,
        type=event.type.value,
        obj_type=event.obj_type,
        obj_id=event.obj_id,
        name=event.name or None,
        changes=dict(event.patch),
        data=dict(event.data),
        body=event.body,
        phase=event.phase or None,
        status=event.status or None,
        trace_id=event.trace_id or None,
        span_id=event.span_id or None,
        service=event.service,
        writer=None,
        registry_checksum=event.checksum or None,
        verdict="accepted",
        issues=[],
        received_at=format_time(event.at),
    )
