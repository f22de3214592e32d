"""What became of fields: the values that one had, and what differs between two moments."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX, TimeRange, format_time, parse_range
from clew.store.page import (
    check_digest,
    check_limit,
    decode_cursor,
    digest_question,
    encode_cursor,
)
from clew.twin import documents as doc
from clew.twin.fold import Folded, put_in_order
from clew.twin.parameters import LIMIT_MAX
from clew.twin.query.moments import find_moment, find_recorded
from clew.twin.query.states import get_first, write_state
from clew.twin.state.folding import DIFFICULT_EVENTS_MAX, EVENTS_EXPIRED, fold_events
from clew.twin.state.kinds import former_names, read_values
from clew.twin.state.rows import AT, CHANGE_COLUMNS, as_object, read_changes
from clew.twin.state.selection import CHANGING, LIMITS, select_events
from clew.twin.state.start import find_baseline
from clew.twin.state.store import as_recorded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.events import Event
    from clew.twin.query.moments import Moment
    from clew.twin.registries.shelf import Shelf
    from clew.twin.schema.values import ObjectSchema, ProcessSchema
    from clew.twin.state.selection import Subject
    from clew.twin.state.start import Start
    from clew.twin.state.store import Store

_VERSION: Final = 1
_ABSENT: Final = object()


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after so many values, among those of frames up to `top` and from `start` to `end`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    top: int
    given: int
    recorded: int | None = None


def find_values(
    store: Store, shelf: Shelf, subject: Subject, field: str, query: ask.HistoryQuery, now: int
) -> doc.FieldHistory:
    """Return one page of the values of a field; null where a snapshot or a creation took it away.

    Order:  as they came to be; the other way round with `newest_first`.
    Raises: ClewError NOT_FOUND for an object without any event, TOO_LARGE for one of more than
        `DIFFICULT_EVENTS_MAX` changes.
    """
    check_limit(query.limit, LIMIT_MAX)
    snapshot = store.snapshot()
    digest = digest_question(f"values of {subject.type} {subject.id} {field}", query)
    window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    recorded = find_recorded(query.recorded_at, None, now)
    cursor = Cursor(_VERSION, digest, window.start, window.end, snapshot.acked, 0, recorded)
    if query.next is not None:
        cursor = decode_cursor(query.next, Cursor, _is_sound)
        check_digest(cursor.digest, digest)
        window = TimeRange(cursor.start, cursor.end)
    store = as_recorded(store, cursor.recorded)
    kind = shelf.find_type(subject.type)
    aliases = former_names(kind)
    baseline = find_baseline(store, snapshot, subject)
    since = 0 if baseline is None else baseline.kept_from
    events = read_field(store, snapshot, subject, [field], aliases, cursor.top, since)
    if not events:
        get_first(store, snapshot, subject)
    before, warnings = Folded(), []
    if baseline is not None:
        before = baseline.begin(aliases)
        if not baseline.had_come_by(cursor.recorded):
            # What they set, and whether it counted, hangs on events that are gone.
            events, warnings = [], [_tell_expired(baseline)]
    values = [
        value
        for at, value in _walk(before, events, field, kind, distinct=query.distinct)
        if window.contains(at)
    ]
    if query.newest_first:
        values.reverse()
    page = values[cursor.given : cursor.given + query.limit]
    given = cursor.given + len(page)
    more = given < len(values)
    return doc.FieldHistory(
        type=subject.type,
        id=subject.id,
        field=field,
        values=page,
        count=len(page),
        total=len(values),
        truncated=more,
        next=encode_cursor(msgspec.structs.replace(cursor, given=given)) if more else None,
        kept_from=None if baseline is None else format_time(baseline.kept_from),
        recorded_at=None if cursor.recorded is None else format_time(cursor.recorded),
        warnings=warnings,
    )


def _tell_expired(baseline: Start) -> doc.Remark:
    kept_from = format_time(baseline.kept_from)
    message = f"what was known cannot be told: its events of before {kept_from} are gone"
    return doc.Remark(code=EVENTS_EXPIRED, message=message, at=kept_from)


def compare(
    store: Store, shelf: Shelf, subject: Subject, query: ask.DifferenceQuery, now: int
) -> doc.Difference:
    """Return what differs between two moments of an object, each change with the event it is of."""
    snapshot = store.snapshot()
    moments = [find_moment(store, snapshot, each, now) for each in (query.from_, query.to)]
    if moments[0].at > moments[1].at:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "from is after to", hint="give the earlier moment first"
        )
    recorded = [find_recorded(query.recorded_at, each, now) for each in moments]
    stores = [as_recorded(store, each) for each in recorded]
    kind = shelf.find_type(subject.type)
    aliases = former_names(kind)
    known = [
        fold_events(each, subject, moment.bound, at=snapshot, aliases=aliases)
        for each, moment in zip(stores, moments, strict=True)
    ]
    first = get_first(stores[1], snapshot, subject)
    firsts = [first, first]
    if recorded[0] != recorded[1]:
        firsts[0] = get_first(stores[0], snapshot, subject)
    before, after = (
        write_state(subject, moment, each, kind, first, recorded_at=had_come)
        for moment, each, first, had_come in zip(moments, known, firsts, recorded, strict=True)
    )
    # Where both are of before what is kept, the later one tells of it.
    is_partly_known = known[0].expired is not None and known[1].expired is None
    expired = before.warnings if is_partly_known else []
    names = [
        name
        for name in after.state
        if name in before.state and after.state[name] != before.state[name]
    ]
    added = {name: value for name, value in after.state.items() if name not in before.state}
    last_set = _find_last_set(stores[1], snapshot, subject, [*names, *added], aliases, moments[1])
    return doc.Difference(
        type=subject.type,
        id=subject.id,
        from_=before.at,
        to=after.at,
        added=added,
        removed={name: value for name, value in before.state.items() if name not in after.state},
        changed={
            name: doc.FieldChange(
                from_=before.state[name], to=after.state[name], event=last_set.get(name)
            )
            for name in names
        },
        unchanged=len(before.state.keys() & after.state.keys()) - len(names),
        existed=before.exists,
        exists=after.exists,
        versions=after.version - before.version,
        warnings=[*expired, *after.warnings],
        added_by={name: last_set[name] for name in added if name in last_set},
        from_recorded_at=before.recorded_at,
        to_recorded_at=after.recorded_at,
    )


def read_field(
    store: Store,
    snapshot: Snapshot,
    subject: Subject,
    fields: list[str],
    aliases: Mapping[str, str],
    top: int,
    since: int = 0,
) -> list[Event]:
    """Return every change of an object in order, each with these of its fields alone.

    `top` is the last frame that is seen, `since` the time from which on they are read.

    Raises:
        ClewError: TOO_LARGE for more than `DIFFICULT_EVENTS_MAX`.
    """
    names = {former for former, field in aliases.items() if field in fields}.union(fields)
    patch = "mapFilter((k, v) -> has({fields:Array(String)}, toString(k)), Patch)"
    columns = [
        as_object(patch, "patch") if column.endswith(" AS patch") else column
        for column in CHANGE_COLUMNS
    ]
    changes = (
        select_events(subject)
        .since(since)
        .narrow(CHANGING)
        .narrow("Frame <= {top:UInt64}", top=top, fields=sorted(names))
    )
    rows = store.engine.query(
        f"SELECT * FROM @changes LIMIT {DIFFICULT_EVENTS_MAX + 1}",
        snapshot=snapshot,
        scans={"changes": changes.scan(*columns)},
        parameters=changes.parameters,
        limits=LIMITS,
    )
    if rows.num_rows > DIFFICULT_EVENTS_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"the object has more than {DIFFICULT_EVENTS_MAX} changes",
            hint="`clew timeline` shows the events of a field a page at a time",
        )
    return put_in_order(read_changes(rows, subject.type, subject.id, aliases))


def _walk(
    folded: Folded,
    events: list[Event],
    field: str,
    kind: ObjectSchema | ProcessSchema | None,
    *,
    distinct: bool,
) -> Iterator[tuple[int, doc.FieldValue]]:
    """Yield what a field was set to after a state, which goes on, with when, in order."""
    previous: Any = folded.state.get(field, _ABSENT)
    for event in events:
        if not folded.apply(event):
            continue
        value = folded.state.get(field, _ABSENT)
        is_new = value is not previous and value != previous
        if is_new or (not distinct and field in event.patch):
            yield (
                event.at,
                doc.FieldValue(
                    value=_typed(kind, field, value),
                    previous=_typed(kind, field, previous),
                    at=format_time(event.at),
                    version=folded.version,
                    event_id=event.event_id,
                    type=event.type,
                    trace_id=event.trace_id or None,
                    span_id=event.span_id or None,
                    service=event.service,
                ),
            )
        previous = value


def _find_last_set(
    store: Store,
    snapshot: Snapshot,
    subject: Subject,
    fields: list[str],
    aliases: Mapping[str, str],
    until: Moment,
) -> dict[str, doc.EventPlace]:
    """Return for each field the last event up to a moment that set it, by any of its names."""
    if not fields:
        return {}
    names = {former for former, field in aliases.items() if field in fields}.union(fields)
    changes = select_events(subject, until.bound).narrow(
        f"{CHANGING} AND hasAny(mapKeys(Patch), {{fields:Array(String)}})", fields=sorted(names)
    )
    rows = store.engine.query(
        "SELECT name, max((at, Seq, EventId, TraceId, SpanId)) AS last FROM"
        " (SELECT toString(arrayJoin(names)) AS name, at, Seq, EventId, TraceId, SpanId"
        " FROM @changes) WHERE has({fields:Array(String)}, name) GROUP BY name",
        snapshot=snapshot,
        scans={
            "changes": changes.scan(
                "mapKeys(Patch) AS names", AT, "Seq", "EventId", "TraceId", "SpanId"
            )
        },
        parameters=changes.parameters,
        limits=LIMITS,
    ).to_pylist()
    found: dict[str, doc.EventPlace] = {}
    for row in sorted(rows, key=lambda row: tuple(row["last"].values())):
        at, _, event_id, trace_id, span_id = row["last"].values()
        found[aliases.get(row["name"], row["name"])] = doc.EventPlace(
            event_id=event_id,
            at=format_time(at),
            trace_id=trace_id or None,
            span_id=span_id or None,
        )
    return found


def _typed(kind: ObjectSchema | ProcessSchema | None, field: str, value: Any) -> Any:
    return None if value is _ABSENT else read_values(kind, {field: value})[0][field]


def _is_sound(cursor: Cursor) -> bool:
    is_time = 0 <= (cursor.recorded or 0) <= TIME_NS_MAX
    return cursor.version == _VERSION and cursor.given >= 0 and is_time
