"""Objects and events taken out whole, page after page, each page as documents."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.ids import parse_trace_id
from clew.base.times import format_time, parse_range
from clew.store.engine.contract import Scan
from clew.twin.parameters import STATES_MAX, ObjectQuery, StatesQuery
from clew.twin.query import parquet
from clew.twin.query.instants import get_states
from clew.twin.query.listing import find_objects
from clew.twin.query.moments import find_moment
from clew.twin.query.timeline import EVENT_COLUMNS, read_events
from clew.twin.state.selection import CHANGING, COUNTED, LIMITS, Selection
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.store.engine.contract import Snapshot
    from clew.twin import documents as doc
    from clew.twin.exports import EventExport, ObjectExport
    from clew.twin.registries.shelf import Shelf
    from clew.twin.schema.values import ObjectSchema, ProcessSchema
    from clew.twin.state.store import Store

PAGE_EVENTS: Final = 5_000
"""Events of one query: some 5 MB of Arrow, and a fraction of a second of a query thread."""

_ORDER: Final = "obj_type, ObjId, at, Seq, EventId"
_BEFORE_FIRST: Final = "before_first_event"

_Place = tuple[str, str, int, int, str]


def export_objects(
    store: Store, shelf: Shelf, query: ObjectExport, now: int
) -> Iterator[list[doc.TwinState]]:
    """Return pages of objects as they were at one moment, those that changed last first.

    Bounds: `STATES_MAX` objects a page. The list is that of the call; a state also counts events
        that came late while it was read.
    Raises: ClewError INVALID_ARGUMENT for a time that is none, NOT_FOUND for an event or a span
        that is not known: at the call.
    """
    moment = find_moment(store, store.snapshot(), query.at, now)
    # One moment for all pages, however long they take.
    at = query.at if moment.order is not None else format_time(moment.at)
    names = set(ObjectQuery.__struct_fields__) & set(type(query).__struct_fields__)
    given = {name: getattr(query, name) for name in names}
    asked = ObjectQuery(**given | {"deleted": True, "limit": STATES_MAX})
    first = find_objects(store, shelf, asked, now)

    def pages(found: doc.ObjectList) -> Iterator[list[doc.TwinState]]:
        while True:
            objects = [(each.type, each.id) for each in found.objects]
            wanted = StatesQuery(objects=objects, at=at)
            states = get_states(store, shelf, wanted, now).states if objects else []
            yield [each for each in states if _is_wanted(each, deleted=query.deleted)]
            if found.next is None:
                return
            following = msgspec.structs.replace(asked, next=found.next)
            found = find_objects(store, shelf, following, now)

    return pages(first)


def _is_wanted(state: doc.TwinState, *, deleted: bool) -> bool:
    """Whether an object was there, or was gone where that is wanted as well."""
    return state.exists or (deleted and state.version > 0)


def export_events(
    store: Store, shelf: Shelf, query: EventExport, now: int
) -> Iterator[list[doc.TimelineEvent]]:
    """Return pages of events that count, object after object, each object's in their order.

    Bounds: `PAGE_EVENTS` a page.
    Sees:   every event acknowledged before the call, and none after it; each once.
    Raises: ClewError INVALID_ARGUMENT for a time that is none: at the call.
    """
    snapshot = store.snapshot()
    selection = _select_events(query, now)
    return _event_pages(store, snapshot, shelf, selection)


def _event_pages(
    store: Store, snapshot: Snapshot, shelf: Shelf, selection: Selection
) -> Iterator[list[doc.TimelineEvent]]:
    last: _Place | None = None
    known: tuple[str, str, str] | None = None
    while True:
        page = selection if last is None else _after(selection, last)
        # The key of the table, so that a page reads no more than itself.
        scan = Scan(EVENTS, EVENT_COLUMNS, page.where, _ORDER, PAGE_EVENTS)
        rows = store.engine.query(
            f"SELECT * FROM @events ORDER BY {_ORDER} LIMIT {PAGE_EVENTS}",
            snapshot=snapshot,
            scans={"events": scan},
            parameters=page.parameters,
            limits=LIMITS,
        )
        events = []
        for event in read_events(rows, shelf):
            # The same event may have come twice: its rows stand next to one another.
            name = (event.obj_type, event.obj_id, event.event_id)
            if name != known:
                events.append(event)
            known = name
        yield events
        if rows.num_rows < PAGE_EVENTS:
            return
        places = ("obj_type", "ObjId", "at", "Seq", "EventId")
        obj_type, obj_id, at, seq, event_id = (rows[name][-1].as_py() for name in places)
        last = (obj_type, obj_id, at, seq, event_id)


def write_states(
    pages: Iterator[list[doc.TwinState]], query: ObjectExport, shelf: Shelf
) -> Iterator[bytes]:
    """Return states as the pieces of a file of the format asked for."""
    if query.format == "ndjson":
        return parquet.write_lines(pages)
    return parquet.write_parquet(pages, parquet.STATE_COLUMNS, "state", *_kind(query.type, shelf))


def write_events(
    pages: Iterator[list[doc.TimelineEvent]], query: EventExport, shelf: Shelf
) -> Iterator[bytes]:
    """Return events as the pieces of a file of the format asked for."""
    if query.format == "ndjson":
        return parquet.write_lines(pages)
    kind = _kind(query.type, shelf)
    return parquet.write_parquet(pages, parquet.EVENT_COLUMNS, "changes", *kind)


def _kind(obj_type: str | None, shelf: Shelf) -> tuple[ObjectSchema | ProcessSchema | None, bool]:
    """Return what describes the type of all rows, and whether they are of one."""
    return (None, False) if obj_type is None else (shelf.find_type(obj_type), True)


def _select_events(query: EventExport, now: int) -> Selection:
    window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    trace_id = None if query.trace_id is None else parse_trace_id(query.trace_id)
    selection = Selection(f"{COUNTED} AND ObjId != ''", {})
    conditions: tuple[tuple[str, str, object], ...] = (
        ("ObjType = {type:String}", "type", query.type),
        ("ObjId = {id:String}", "id", query.id),
        ("positionCaseInsensitiveUTF8(ObjId, {text:String}) > 0", "text", query.text),
        ("ServiceName = {service:String}", "service", query.service),
        ("TraceId = {trace_id:String}", "trace_id", trace_id),
        ("toString(EventType) IN {kinds:Array(String)}", "kinds", query.event_type or None),
        ("Timestamp >= fromUnixTimestamp64Nano({start:Int64})", "start", window.start),
        ("Timestamp < fromUnixTimestamp64Nano({end:Int64})", "end", window.end),
    )
    for condition, name, value in conditions:
        if value is not None:
            selection = selection.narrow(condition, **{name: value})
    return selection.narrow(CHANGING) if query.changes else selection


def _after(selection: Selection, last: _Place) -> Selection:
    """Return what stands after an event; the first half is what the table's key can be asked."""
    return selection.narrow(
        "(ObjType > {a_type:String} OR (ObjType = {a_type:String} AND ObjId >= {a_id:String}))"
        " AND (toString(ObjType), ObjId, toUnixTimestamp64Nano(Timestamp), Seq, EventId) >"
        " ({a_type:String}, {a_id:String}, {a_at:Int64}, {a_seq:UInt64}, {a_event:String})",
        **dict(zip(("a_type", "a_id", "a_at", "a_seq", "a_event"), last, strict=True)),
    )
