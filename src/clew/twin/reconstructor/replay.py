"""The fold in the program's own process: events to a state, with what history needs.

Events of older versions of a registry become those of today first: by the program's upcasters, and
by the names that fields had before. What does not fit stays as it came, and is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from clew.base.times import format_time
from clew.twin.documents import EventPlace, Remark, TwinState
from clew.twin.fold import (
    CHANGE_AFTER_DELETE,
    CREATED_AGAIN,
    Folded,
    fold,
    hash_state,
    put_in_order,
)
from clew.twin.schema.values import ProcessSchema
from clew.twin.state.kinds import BAD_VALUE, former_names, read_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.twin.blueprint.upcasters import Upcasters
    from clew.twin.events import Event
    from clew.twin.reconstructor.source import Subject
    from clew.twin.schema.values import ObjectSchema

BEFORE_FIRST_EVENT: Final = "before_first_event"
BEFORE_FIRST_ARRIVAL: Final = "before_first_arrival"

REMARKS_MAX: Final = 100
"""Warnings of one state, as a server gives them; how many were left out is told."""

_WORDS: Final = {
    CHANGE_AFTER_DELETE: "a change after the deletion, passed over",
    CREATED_AGAIN: "created once more while it existed, merged",
}

FAULTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a function of the program raises at a value that it did not expect."""


@dataclass(frozen=True, slots=True)
class Modern:
    """Events as today's blueprint has them, in order, and what was wrong with older ones."""

    events: list[Event]
    remarks: list[Remark]


def modernise(
    events: Iterable[Event],
    schema: ObjectSchema | ProcessSchema | None,
    upcasters: Upcasters | None = None,
) -> Modern:
    """Return events in order, each once, as if today's program had written them."""
    aliases = former_names(schema)
    remarks: list[Remark] = []
    modern: list[Event] = []
    for event in put_in_order(events):
        patch: Mapping[str, Any] = event.patch
        if upcasters is not None and patch:
            patch = _upcast(event, upcasters, remarks)
        if aliases and not aliases.keys().isdisjoint(patch):
            patch = _rename(patch, aliases)
        modern.append(event if patch is event.patch else replace(event, patch=patch))
    return Modern(modern, remarks)


def _upcast(event: Event, upcasters: Upcasters, remarks: list[Remark]) -> Mapping[str, Any]:
    upcast = upcasters.get((event.checksum, event.obj_type))
    if upcast is None:
        return event.patch
    try:
        return dict(upcast(dict(event.patch)))
    except FAULTS as error:
        remarks.append(
            Remark(
                code=BAD_VALUE,
                message=f"the upcaster of {event.obj_type}: {type(error).__name__}: {error}",
                event_id=event.event_id,
                at=format_time(event.at),
            )
        )
        return event.patch


def _rename(patch: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, Any]:
    """Return a patch by the present names; where both stand, the present one counts."""
    former = {aliases[name]: value for name, value in patch.items() if name in aliases}
    return {**former, **{name: value for name, value in patch.items() if name not in aliases}}


def read_patches(
    events: Iterable[Event], schema: ObjectSchema | ProcessSchema | None
) -> list[Event]:
    """Return events whose values are what their fields say; what does not fit stays as it came."""
    if schema is None:
        return list(events)
    return [replace(each, patch=read_values(schema, each.patch)[0]) for each in events]


def fold_state(
    subject: Subject,
    modern: Modern,
    schema: ObjectSchema | ProcessSchema | None,
    *,
    at: int,
    first: int | None = None,
    recorded: int | None = None,
) -> TwinState:
    """Return what events came to. `first` is when the object's first event was, where none is here.

    `recorded` is by when the events had come, where that was asked for; then without `first` none
    had. It is the same document that a server gives.
    """
    folded = fold(modern.events)
    state, remarks = read_values(schema, folded.state)
    remarks[:0] = modern.remarks
    if not folded.version and first is not None and first > at:
        message = f"its first event is of {format_time(first)}"
        remarks.append(Remark(code=BEFORE_FIRST_EVENT, message=message, at=format_time(first)))
    if recorded is not None and first is None and not modern.events:
        message = "nothing of it had come by then"
        remarks.append(Remark(code=BEFORE_FIRST_ARRIVAL, message=message))
    remarks.extend(
        Remark(
            code=each.code,
            message=_WORDS[each.code],
            event_id=each.event_id,
            at=format_time(each.at),
        )
        for each in folded.remarks
    )
    last = _find_last(folded, modern.events)
    is_process = isinstance(schema, ProcessSchema) or folded.phase or folded.status
    words = {"phase": folded.phase, "status": folded.status} if is_process else {}
    return TwinState(
        type=subject[0],
        id=subject[1],
        at=format_time(at),
        exists=folded.exists,
        state=state,
        version=folded.version,
        state_hash=hash_state(state),
        created_at=None if folded.created_at is None else format_time(folded.created_at),
        updated_at=None if folded.updated_at is None else format_time(folded.updated_at),
        last_event=None if last is None else _place_of(last),
        registry_checksum=None if last is None else last.checksum or None,
        warnings=shorten_remarks(remarks),
        recorded_at=UNSET if recorded is None else format_time(recorded),
        **words,
    )


def shorten_remarks(remarks: list[Remark]) -> list[Remark]:
    """Return the first remarks, and how many more there were."""
    if len(remarks) <= REMARKS_MAX:
        return remarks
    left = len(remarks) - REMARKS_MAX
    return [*remarks[:REMARKS_MAX], Remark(code="left_out", message=f"{left} more warnings")]


def _find_last(folded: Folded, events: Sequence[Event]) -> Event | None:
    return next((each for each in reversed(events) if each.order == folded.last), None)


def _place_of(event: Event) -> EventPlace:
    return EventPlace(
        event_id=event.event_id,
        at=format_time(event.at),
        trace_id=event.trace_id or None,
        span_id=event.span_id or None,
    )
