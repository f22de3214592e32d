"""The events of an object, a page at a time, and how many there were in each stretch of time."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX, TimeRange, format_time, parse_duration_ns, parse_range
from clew.store.page import (
    check_digest,
    check_limit,
    decode_cursor,
    digest_question,
    encode_cursor,
)
from clew.twin import documents as doc
from clew.twin.events import CHANGES, Order
from clew.twin.parameters import LIMIT_MAX
from clew.twin.query.moments import find_recorded
from clew.twin.query.states import get_first
from clew.twin.state.kinds import former_names, read_values
from clew.twin.state.rows import AT, RECEIVED, as_object
from clew.twin.state.selection import CHANGING, LIMITS, select_events
from clew.twin.state.start import find_baseline
from clew.twin.state.store import as_recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.selection import Selection, Subject
    from clew.twin.state.store import Store

_VERSION: Final = 1
_ID_CHARS_MAX: Final = 512

SEGMENTS_MAX: Final = 10_000
"""Stretches of one answer: more than any picture has columns."""

EVENT_COLUMNS: Final = (
    AT,
    "Seq",
    "EventId",
    "toString(EventType) AS type",
    "toString(ObjType) AS obj_type",
    "ObjId",
    "toString(EventName) AS name",
    as_object("Patch", "patch"),
    as_object("Data", "data"),
    "Body",
    "toString(Phase) AS phase",
    "toString(Status) AS status",
    "TraceId",
    "SpanId",
    "toString(ServiceName) AS service",
    "toString(Writer) AS writer",
    "toString(RegistryChecksum) AS checksum",
    "toString(Verdict) AS verdict",
    "Issues",
    RECEIVED,
)
"""All that is known of an event, in the order in which `read_events` takes it."""


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after an event, among those of frames up to `top` and from `start` to `end`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    top: int
    at: int
    seq: int
    event_id: str
    recorded: int | None = None


def find_events(
    store: Store, shelf: Shelf, subject: Subject, query: ask.TimelineQuery, now: int
) -> doc.Timeline:
    """Return one page of the events of an object that count.

    Order:  time, count of the writer, id; the other way round with `newest_first`.
    Bounds: `LIMIT_MAX` events a page; events that come later shift no page.
    Raises: ClewError NOT_FOUND for an object without any event; INVALID_ARGUMENT for a cursor of
        another question.
    """
    check_limit(query.limit, LIMIT_MAX)
    snapshot = store.snapshot()
    digest = digest_question(f"events of {subject.type} {subject.id}", query)
    cursor = _read_cursor(query.next, digest)
    if cursor is None:
        window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
        top = snapshot.acked
        recorded = find_recorded(query.recorded_at, None, now)
    else:
        window, top = TimeRange(cursor.start, cursor.end), cursor.top
        recorded = cursor.recorded
    store = as_recorded(store, recorded)
    kind = shelf.find_type(subject.type)
    selection = _select(subject, query, window, top, former_names(kind))
    total = _count(store, snapshot, selection)
    baseline = find_baseline(store, snapshot, subject)
    if not total:
        get_first(store, snapshot, subject)
    page = selection if cursor is None else _after(selection, cursor, newest=query.newest_first)
    direction = "DESC" if query.newest_first else "ASC"
    order = ", ".join(f"{name} {direction}" for name in ("at", "Seq", "EventId"))
    rows = store.engine.query(
        f"SELECT * FROM @events ORDER BY {order}, received LIMIT 1 BY EventId"
        f" LIMIT {query.limit + 1}",
        snapshot=snapshot,
        scans={"events": page.scan(*EVENT_COLUMNS)},
        parameters=page.parameters,
        limits=LIMITS,
    )
    events = list(read_events(rows, shelf))
    more = len(events) > query.limit
    del events[query.limit :]
    return doc.Timeline(
        events=events,
        count=len(events),
        total=total,
        truncated=more,
        next=_write_cursor(rows, query.limit, digest, window, top, recorded) if more else None,
        kept_from=None if baseline is None else format_time(baseline.kept_from),
        recorded_at=None if recorded is None else format_time(recorded),
        segments=_segments(store, snapshot, selection, query.segment),
    )


def read_events(rows: pa.Table, shelf: Shelf) -> Iterator[doc.TimelineEvent]:
    """Yield rows of `EVENT_COLUMNS` as documents, in their order."""
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    columns = [column.to_pylist() for column in rows.columns]
    for row in zip(*columns, strict=True):
        at, seq, event_id, type_, obj_type, obj_id, name, patch, data, body, *others = row
        phase, status, trace_id, span_id, service, writer, checksum, verdict, issues, came = others
        changes, _ = read_values(shelf.find_type(obj_type, checksum), decode(patch))
        yield doc.TimelineEvent(
            event_id=event_id,
            at=format_time(at),
            seq=seq,
            type=type_,
            obj_type=obj_type,
            obj_id=obj_id,
            name=name or None,
            changes=changes if type_ in CHANGES else {},
            data=decode(data) if type_ in CHANGES else decode(data) | changes,
            body=body,
            phase=phase or None,
            status=status or None,
            trace_id=trace_id or None,
            span_id=span_id or None,
            service=service,
            writer=writer or None,
            registry_checksum=checksum or None,
            verdict=verdict,
            issues=msgspec.json.decode(issues) if issues else [],
            received_at=format_time(came),
        )


def _select(
    subject: Subject,
    query: ask.TimelineQuery,
    window: TimeRange,
    top: int,
    aliases: dict[str, str],
) -> Selection:
    selection = select_events(subject).narrow("Frame <= {top:UInt64}", top=top)
    if window.start is not None:
        selection = selection.narrow(
            "Timestamp >= fromUnixTimestamp64Nano({start:Int64})", start=window.start
        )
    if window.end is not None:
        selection = selection.narrow(
            "Timestamp < fromUnixTimestamp64Nano({end:Int64})", end=window.end
        )
    if query.event_type:
        selection = selection.narrow(
            "toString(EventType) IN {types:Array(String)}", types=list(query.event_type)
        )
    if query.changes:
        selection = selection.narrow(CHANGING)
    if query.field:
        names = {name for name, field in aliases.items() if field in query.field}
        selection = selection.narrow(
            f"{CHANGING} AND arrayExists(k -> has({{fields:Array(String)}}, k), mapKeys(Patch))",
            fields=sorted(names.union(query.field)),
        )
    return selection


def _after(selection: Selection, cursor: Cursor, *, newest: bool) -> Selection:
    sign = "<" if newest else ">"
    after = "fromUnixTimestamp64Nano({after_at:Int64})"
    return selection.narrow(
        f"Timestamp {sign}= {after} AND (Timestamp != {after}"
        f" OR (Seq, EventId) {sign} ({{after_seq:UInt64}}, {{after_id:String}}))",
        after_at=cursor.at,
        after_seq=cursor.seq,
        after_id=cursor.event_id,
    )


def _count(store: Store, snapshot: Snapshot, selection: Selection) -> int:
    (row,) = store.engine.query(
        "SELECT uniqExact(EventId) AS events FROM @events",
        snapshot=snapshot,
        scans={"events": selection.scan("EventId")},
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    events: int = row["events"]
    return events


def _segments(
    store: Store, snapshot: Snapshot, selection: Selection, segment: str | None
) -> list[doc.Segment] | None:
    """Return how many events there were in each stretch, those without any included."""
    if segment is None:
        return None
    length = parse_duration_ns(segment)
    if length < 1:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "a segment has a length", hint="write segment=1m"
        )
    rows = store.engine.query(
        "SELECT intDiv(at, {length:Int64}) AS bucket, uniqExact(EventId) AS events,"
        f" uniqExactIf(EventId, {CHANGING}) AS changes FROM @events GROUP BY bucket"
        f" ORDER BY bucket LIMIT {SEGMENTS_MAX + 1}",
        snapshot=snapshot,
        scans={"events": selection.scan(AT, "EventId", "EventType")},
        parameters={**selection.parameters, "length": length},
        limits=LIMITS,
    ).to_pylist()
    if not rows:
        return []
    first, last = rows[0]["bucket"], rows[-1]["bucket"]
    if len(rows) > SEGMENTS_MAX or last - first >= SEGMENTS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"more than {SEGMENTS_MAX} segments",
            hint="choose longer ones, or a shorter time range",
        )
    counted = {row["bucket"]: row for row in rows}
    return [
        doc.Segment(
            start=format_time(bucket * length),
            end=format_time((bucket + 1) * length),
            events=counted[bucket]["events"] if bucket in counted else 0,
            changes=counted[bucket]["changes"] if bucket in counted else 0,
        )
        for bucket in range(first, last + 1)
    ]


def _read_cursor(text: str | None, digest: bytes) -> Cursor | None:
    if text is None:
        return None
    cursor = decode_cursor(text, Cursor, _is_sound)
    check_digest(cursor.digest, digest)
    return cursor


def _is_sound(cursor: Cursor) -> bool:
    """Whether the values can be true; anyone can write a cursor, and they go into SQL."""
    times = (cursor.start or 0, cursor.end or 0, cursor.at, cursor.recorded or 0)
    return (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in times)
        and 0 <= cursor.top < 2**64
        and 0 <= cursor.seq < 2**64
        and len(cursor.event_id) <= _ID_CHARS_MAX
        and "\0" not in cursor.event_id
    )


def _write_cursor(
    rows: pa.Table, limit: int, digest: bytes, window: TimeRange, top: int, recorded: int | None
) -> str:
    place = Order(*(rows[name][limit - 1].as_py() for name in ("at", "Seq", "EventId")))
    return encode_cursor(Cursor(_VERSION, digest, window.start, window.end, top, *place, recorded))
