"""States as documents: what an object was at a moment, and what its reader should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.times import NS_PER_S, format_time
from clew.twin import documents as doc
from clew.twin.fold import CHANGE_AFTER_DELETE, CREATED_AGAIN, hash_state
from clew.twin.query.moments import Moment, find_moment, find_recorded
from clew.twin.schema.invariants import INVARIANT, describe_broken
from clew.twin.schema.values import ProcessSchema
from clew.twin.state.folding import EVENTS_EXPIRED, fold_events
from clew.twin.state.kinds import former_names, read_values
from clew.twin.state.selection import LIMITS, select_events
from clew.twin.state.start import EVENTS_APART, find_baseline
from clew.twin.state.store import RecordedStore, as_recorded, recorded_time

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.schema.values import ObjectSchema
    from clew.twin.state.folding import Known
    from clew.twin.state.selection import Subject
    from clew.twin.state.store import Store

BEFORE_FIRST_EVENT: Final = "before_first_event"
BEFORE_FIRST_ARRIVAL: Final = "before_first_arrival"
CLOCK_SKEW: Final = "clock_skew"

REMARKS_MAX: Final = 100
"""Remarks of one state; how many were left out is told."""

_NAME_CHARS_SHOWN: Final = 100
"""How much of a name that nobody knows an error repeats."""

_WORDS: Final = {
    CHANGE_AFTER_DELETE: "a change after the deletion, passed over",
    CREATED_AGAIN: "created once more while it existed, merged",
    EVENTS_APART: "its events of before that are gone on several shards, and each says what its own"
    " came to: which of two values of a field was the last is not known",
    EVENTS_EXPIRED: "came when the events of its time were gone, passed over",
}


def get_state(
    store: Store, shelf: Shelf, subject: Subject, query: ask.StateQuery, now: int
) -> doc.TwinState:
    """Return what an object was at a moment (inclusive), or is by all that is known of it.

    The latter by events that are ahead of this server's clock too, which is told.

    Raises:
        ClewError: NOT_FOUND when no event of it is known, before or after.
    """
    snapshot = store.snapshot()
    moment = find_moment(store, snapshot, query.at, now)
    store = as_recorded(store, find_recorded(query.recorded_at, moment, now))
    kind = shelf.find_type(subject.type)
    until = None if query.at is None else moment.bound
    known = fold_events(store, subject, until, at=snapshot, aliases=former_names(kind))
    if known.source is not None and known.source.at > moment.at:
        moment = Moment(known.source.at)
    first = None if known.folded.version else get_first(store, snapshot, subject)
    recorded = recorded_time(store)
    return write_state(
        subject, moment, known, None if query.raw else kind, first, now=now, recorded_at=recorded
    )


def write_state(
    subject: Subject,
    moment: Moment,
    known: Known,
    kind: ObjectSchema | ProcessSchema | None,
    first: First | None = None,
    *,
    now: int | None = None,
    recorded_at: int | None = None,
) -> doc.TwinState:
    """Return a state as a document; `first` is its first event, where none may count yet.

    `now` is the server's clock, where it is told that events are ahead of it; `recorded_at` is by
    when what counts had come, None where all does.
    """
    folded, source = known.folded, known.source
    state, remarks = read_values(kind, folded.state)
    remarks.extend(_tell_absence(moment, known, first, recorded_at))
    if now is not None and source is not None and source.at > now:
        ahead = (source.at - now) / NS_PER_S
        message = f"its last change is {ahead:.3f} s ahead of this server's clock"
        at = format_time(source.at)
        remarks.append(
            doc.Remark(code=CLOCK_SKEW, message=message, event_id=source.event_id, at=at)
        )
    if kind is not None and folded.exists:
        remarks.extend(
            doc.Remark(code=INVARIANT, message=each) for each in describe_broken(kind, state)
        )
    remarks.extend(
        doc.Remark(
            code=each.code,
            message=_WORDS[each.code],
            event_id=each.event_id or None,
            at=format_time(each.at),
        )
        for each in folded.remarks
    )
    if len(remarks) > REMARKS_MAX:
        left = len(remarks) - REMARKS_MAX
        remarks[REMARKS_MAX:] = [doc.Remark(code="left_out", message=f"{left} more warnings")]
    is_process = isinstance(kind, ProcessSchema) or folded.phase or folded.status
    words = {"phase": folded.phase, "status": folded.status} if is_process else {}
    return doc.TwinState(
        type=subject.type,
        id=subject.id,
        at=format_time(moment.at),
        exists=folded.exists,
        state=state,
        version=folded.version,
        state_hash=hash_state(state),
        created_at=_time(folded.created_at),
        updated_at=_time(folded.updated_at),
        last_event=None
        if source is None
        else doc.EventPlace(
            event_id=source.event_id,
            at=format_time(source.at),
            trace_id=source.trace_id or None,
            span_id=source.span_id or None,
        ),
        registry_checksum=(source.checksum or None) if source else None,
        warnings=remarks,
        recorded_at=msgspec.UNSET if recorded_at is None else format_time(recorded_at),
        **words,
    )


def _tell_absence(
    moment: Moment, known: Known, first: First | None, recorded_at: int | None
) -> list[doc.Remark]:
    """Return why there is no state: it was not there yet, nobody knew of it, or nobody knows now.

    What is certain comes first: before the first event of all there was nothing to know.
    """
    if first is not None and first.is_unheard_of(recorded_at):
        came_at = format_time(first.received or 0)
        message = f"nothing of it had come by then; its first event came at {came_at}"
        return [doc.Remark(code=BEFORE_FIRST_ARRIVAL, message=message, at=came_at)]
    if first is not None and first.at > moment.at:
        at = format_time(first.at)
        message = f"its first event is of {at}"
        return [doc.Remark(code=BEFORE_FIRST_EVENT, message=message, at=at)]
    if known.expired is None:
        return []
    kept_from = format_time(known.expired)
    what = "what it was is not known" if recorded_at is None else "what was known cannot be told"
    message = f"{what}: its events of before {kept_from} are gone"
    return [doc.Remark(code=EVENTS_EXPIRED, message=message, at=kept_from)]


@dataclass(frozen=True, slots=True)
class First:
    """The first event of an object, of any type: when it was, in Unix nanoseconds.

    `received` is when the first one came, which may be another; None where events are gone, and
    where nobody asked.
    """

    at: int
    received: int | None = None

    def is_unheard_of(self, recorded_at: int | None) -> bool:
        """Whether nothing of the object had come by a recorded time."""
        return recorded_at is not None and self.received is not None and self.received > recorded_at


def get_first(store: Store, snapshot: Snapshot, subject: Subject) -> First:
    """Return the first event of an object; of one that lost events, the first of all.

    Of a `RecordedStore` the first that had come, else the first that came later.

    Raises:
        ClewError: NOT_FOUND when no event of it is known at all.
    """
    first = find_first(store, snapshot, subject)
    if first is None and isinstance(store, RecordedStore):
        first = find_first(store.store, snapshot, subject)
    if first is None:
        raise refuse_unknown(subject)
    return first


def find_first(store: Store, snapshot: Snapshot, subject: Subject) -> First | None:
    """Return the first event of an object; None when there is none."""
    baseline = find_baseline(store, snapshot, subject)
    if baseline is not None:
        return First(baseline.first_at)
    selection = select_events(subject)
    (row,) = store.engine.query(
        "SELECT count() AS events, toUnixTimestamp64Nano(min(Timestamp)) AS first,"
        " toUnixTimestamp64Nano(min(Received)) AS received FROM @events",
        snapshot=snapshot,
        scans={"events": selection.scan("Timestamp", "Received")},
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    return First(row["first"], row["received"]) if row["events"] else None


def refuse_unknown(subject: Subject) -> ClewError:
    """Return the error for an object that nothing is known of."""
    return ClewError(
        ErrorCode.NOT_FOUND,
        f"nothing is known of an object {shorten(subject.id, _NAME_CHARS_SHOWN)!r}"
        f" of the type {shorten(subject.type, _NAME_CHARS_SHOWN)!r}",
        hint="`clew objects` lists those that sent events, `clew rejected` what does not count",
    )


def _time(at: int | None) -> str | None:
    return None if at is None else format_time(at)
