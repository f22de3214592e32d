"""States as documents: what an object was at a moment, and what its reader should know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.times import NS_PER_S, format_time
from clew.twin import documents as doc
from clew.twin.fold import CHANGE_AFTER_DELETE, CREATED_AGAIN, hash_state
from clew.twin.query.moments import Moment, find_moment
from clew.twin.schema.invariants import INVARIANT, describe_broken
from clew.twin.schema.values import ProcessSchema
from clew.twin.state.folding import EVENTS_EXPIRED, fold_events
from clew.twin.state.kinds import former_names, read_values
from clew.twin.state.selection import LIMITS, select_events
from clew.twin.state.start import find_baseline

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.schema.values import ObjectSchema
    from clew.twin.state.folding import Known
    from clew.twin.state.selection import Subject
    from clew.twin.state.store import Store

BEFORE_FIRST_EVENT: Final = "before_first_event"
CLOCK_SKEW: Final = "clock_skew"

REMARKS_MAX: Final = 100
"""Remarks of one state; how many were left out is told."""

_NAME_CHARS_SHOWN: Final = 100
"""How much of a name that nobody knows an error repeats."""

_WORDS: Final = {
    CHANGE_AFTER_DELETE: "a change after the deletion, passed over",
    CREATED_AGAIN: "created once more while it existed, merged",
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
    kind = shelf.find_type(subject.type)
    until = None if query.at is None else moment.bound
    known = fold_events(store, subject, until, at=snapshot, aliases=former_names(kind))
    if known.source is not None and known.source.at > moment.at:
        moment = Moment(known.source.at)
    first = None
    if not known.folded.version:
        first = find_first(store, snapshot, subject)
        if first is None:
            raise refuse_unknown(subject)
    return write_state(subject, moment, known, None if query.raw else kind, first, now=now)


def write_state(
    subject: Subject,
    moment: Moment,
    known: Known,
    kind: ObjectSchema | ProcessSchema | None,
    first: int | None = None,
    *,
    now: int | None = None,
) -> doc.TwinState:
    """Return a state as a document; `first` is when the first event was, where none counts yet.

    `now` is the server's clock, where it is told that events are ahead of it.
    """
    folded, source = known.folded, known.source
    state, remarks = read_values(kind, folded.state)
    if first is not None and first > moment.at:
        message = f"its first event is of {format_time(first)}"
        remarks.append(doc.Remark(code=BEFORE_FIRST_EVENT, message=message, at=format_time(first)))
    elif known.expired is not None:
        kept_from = format_time(known.expired)
        message = f"what it was is not known: its events of before {kept_from} are gone"
        remarks.append(doc.Remark(code=EVENTS_EXPIRED, message=message, at=kept_from))
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
            event_id=each.event_id,
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
        **words,
    )


def find_first(store: Store, snapshot: Snapshot, subject: Subject) -> int | None:
    """Return when the first event of an object was, of any type; None when there is none.

    Of an object that lost events, the first of all.
    """
    baseline = find_baseline(store, snapshot, subject)
    if baseline is not None:
        return baseline.first_at
    selection = select_events(subject)
    (row,) = store.engine.query(
        "SELECT count() AS events, toUnixTimestamp64Nano(min(Timestamp)) AS first FROM @events",
        snapshot=snapshot,
        scans={"events": selection.scan("Timestamp")},
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    return row["first"] if row["events"] else None


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
