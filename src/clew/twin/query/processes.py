"""Lists of processes, those that started last first, each as it stands now.

Theory of operation. A process is an object of a type that a registry knows as one of processes, or
any object of which an event says a phase or a status. One pass over the events of processes finds
of each what `clew.twin.query.phases` finds of one: its present life, its phase, its status, and the
last that came of it or of its traces, which tells what is stuck. So a filter by status reads no
state, and a page is made of the answer alone.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.times import NS_PER_MS, NS_PER_S, TIME_NS_MAX, TimeRange, format_time, parse_range
from clew.store.engine.contract import Scan
from clew.store.page import (
    check_digest,
    check_limit,
    decode_cursor,
    digest_question,
    encode_cursor,
)
from clew.twin import documents as doc
from clew.twin.parameters import LIMIT_MAX
from clew.twin.query.phases import COMPLETED, ENDS, FAILED, STARTED, STUCK, TIMED_OUT, timeout_of
from clew.twin.schema.values import ProcessSchema
from clew.twin.state.rows import AT
from clew.twin.state.selection import CHANGING, COUNTED, LIMITS
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.store import Store

TRACES_MAX: Final = 100
"""Traces of one process that are looked at: one that runs under more is a loop and not a flow."""

IS_MARKED: Final = "Phase != '' OR Status != '' OR ObjType IN {process_types:Array(String)}"
"""Of an event: its object is a process."""

_VERSION: Final = 1
_NAME_CHARS_MAX: Final = 4096

_ORDER: Final = "(at, Seq, EventId)"
_BEGINS: Final = "EventType IN ('created', 'snapshot')"
_ENDS: Final = ", ".join(map(repr, ENDS))

# Of what was deleted only what comes after its next beginning counts; before the first event of
# all stands what has no deletion.
_LIVES: Final = f"""
SELECT type, id, maxIf({_ORDER}, EventType = 'deleted') AS gone,
    groupArrayIf({_ORDER}, {_BEGINS}) AS begins,
    arraySort(arrayFilter(each -> each > gone, begins))[1] AS life,
    NOT arrayExists(each -> each > gone, begins) AS is_over
FROM @own WHERE (type, id) IN (SELECT type, id FROM @deleted)
GROUP BY type, id"""

_OWN: Final = f"""
SELECT type, id,
    min(at) AS first_at,
    minIf(at, is_change) AS changed_at,
    if(changed_at = 0, first_at, changed_at) AS started_at,
    max(at) AS own_at,
    argMaxIf(phase, {_ORDER}, phase != '' AND is_change) AS in_phase,
    argMaxIf(said, {_ORDER}, said != '' AND is_change) AS last_said,
    maxIf(at, said != '' AND is_change) AS said_at,
    uniqExact(EventId) AS events,
    arraySort(groupUniqArray(service)) AS services,
    argMinIf(trace, {_ORDER}, trace != '') AS first_trace,
    groupUniqArrayIf({TRACES_MAX})(trace, trace != '') AS traces
FROM (
    SELECT *, {CHANGING} AND {_ORDER} >= life AS is_change
    FROM @own AS own LEFT JOIN ({_LIVES}) AS lives USING (type, id)
    WHERE NOT is_over AND {{chosen}}
)
GROUP BY type, id"""

_IS_TRACE: Final = "match(id, '^[0-9a-f]{32}$')"

_PROCESSES: Final = f"""
SELECT type, id, any(started_at) AS started, any(in_phase) AS phase, any(said_at) AS ended,
    any(events) AS event_count, any(services) AS names,
    any(if(first_trace = '' AND {_IS_TRACE}, id, first_trace)) AS trace_id,
    greatest(any(own_at), max(seen)) AS last_at,
    transform(type, {{process_types:Array(String)}}, {{timeouts:Array(Int64)}}, toInt64(0)) AS most,
    multiIf(
        any(last_said) IN ({_ENDS}), any(last_said),
        most = 0, '{STARTED}',
        {{now:Int64}} - last_at >= most, '{STUCK}',
        {{now:Int64}} - started > most, '{TIMED_OUT}',
        '{STARTED}') AS status
FROM (
    SELECT *, arrayJoin(arrayConcat(traces, [if({_IS_TRACE}, id, '')])) AS trace_of
    FROM ({_OWN}) AS own
) AS spread LEFT JOIN (
    SELECT TraceId AS trace_of, max(at) AS seen FROM @others GROUP BY trace_of
) AS activity USING (trace_of)
GROUP BY type, id"""


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after a process that started at `at`, as they stood at `now` by frames up to `top`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    top: int
    now: int
    at: int
    type: str
    id: str


def find_processes(
    store: Store, shelf: Shelf, query: ask.ProcessQuery, now: int
) -> doc.ProcessList:
    """Return one page of processes, those that started last first; deleted ones are left out.

    The time range is that of events: a process belongs to it by any of its own that lie in it.
    Bounds: `LIMIT_MAX` processes a page; events that come later shift no page, and what its first
        page took for now counts on all of them.
    Raises: ClewError INVALID_ARGUMENT for a cursor of another question.
    """
    check_limit(query.limit, LIMIT_MAX)
    snapshot = store.snapshot()
    digest = digest_question("processes", query)
    window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    cursor = Cursor(_VERSION, digest, window.start, window.end, snapshot.acked, now, 0, "", "")
    conditions = ["1"]
    if query.next is not None:
        cursor = decode_cursor(query.next, Cursor, _is_sound)
        check_digest(cursor.digest, digest)
        window = TimeRange(cursor.start, cursor.end)
        conditions.append(
            "(started < {c_at:Int64} OR (started = {c_at:Int64}"
            " AND (type, id) > ({c_type:String}, {c_id:String})))"
        )
    if query.status:
        conditions.append("status IN {statuses:Array(String)}")
    if query.phase is not None:
        conditions.append("phase = {phase:String}")
    if query.service is not None:
        conditions.append("has(names, {service:String})")
    timeouts = find_timeouts(shelf)
    chosen = "(type, id) IN (SELECT type, id FROM @marked)"
    is_bounded = window.start is not None or window.end is not None
    if is_bounded:
        chosen += " AND (type, id) IN (SELECT type, id FROM @recent)"
    scans = _scan(query, window)
    if not is_bounded:
        del scans["recent"]
    rows = store.engine.query(
        f"SELECT *, count() OVER () AS total FROM ({_PROCESSES.replace('{chosen}', chosen)})"
        f" WHERE {' AND '.join(conditions)} ORDER BY started DESC, type, id"
        f" LIMIT {query.limit + 1}",
        snapshot=snapshot,
        scans=scans,
        parameters={
            "process_types": list(timeouts),
            "timeouts": list(timeouts.values()),
            "now": cursor.now,
            "top": cursor.top,
            "type": query.type or "",
            "phase": query.phase or "",
            "statuses": list(query.status),
            "service": query.service or "",
            "start": window.start or 0,
            "end": window.end or 0,
            "c_at": cursor.at,
            "c_type": cursor.type,
            "c_id": cursor.id,
        },
        limits=LIMITS,
    ).to_pylist()
    more = len(rows) > query.limit
    following = None
    if more:
        last = rows[query.limit - 1]
        following = encode_cursor(
            msgspec.structs.replace(cursor, at=last["started"], type=last["type"], id=last["id"])
        )
    total = rows[0]["total"] if rows else 0
    del rows[query.limit :]
    return doc.ProcessList(
        processes=[_write(row, cursor.now) for row in rows],
        count=len(rows),
        total=total if query.next is None else None,
        truncated=more,
        next=following,
    )


def find_timeouts(shelf: Shelf) -> dict[str, int]:
    """Return every type of processes that a registry describes, with how long one may take."""
    found: dict[str, int] = {}
    for name, volume in shelf.current.items():
        kind = volume.index.by_name(name)
        if isinstance(kind, ProcessSchema):
            found[name] = timeout_of(kind) or 0
    return found


def _scan(query: ask.ProcessQuery, window: TimeRange) -> dict[str, Scan]:
    known = f"{COUNTED} AND ObjId != '' AND Frame <= {{top:UInt64}}"
    if query.type is not None:
        known += " AND ObjType = {type:String}"
    # What a writer whose clock is ahead dates after now is not there yet, as for a state of now.
    until_now = "Timestamp <= fromUnixTimestamp64Nano({now:Int64})"
    own = f"{known} AND {until_now}"
    recent = own
    if window.start is not None:
        recent += " AND Timestamp >= fromUnixTimestamp64Nano({start:Int64})"
    if window.end is not None:
        recent += " AND Timestamp < fromUnixTimestamp64Nano({end:Int64})"
    others = f"{COUNTED} AND ObjId != '' AND TraceId != '' AND Frame <= {{top:UInt64}}"
    names = ("toString(ObjType) AS type", "ObjId AS id")
    return {
        "own": Scan(
            EVENTS,
            (
                *names,
                AT,
                "Seq",
                "EventId",
                "EventType",
                "toString(Phase) AS phase",
                "toString(Status) AS said",
                "TraceId AS trace",
                "toString(ServiceName) AS service",
            ),
            own,
        ),
        "marked": Scan(EVENTS, names, f"{known} AND ({IS_MARKED})"),
        "deleted": Scan(EVENTS, names, f"{own} AND EventType = 'deleted'"),
        "recent": Scan(EVENTS, names, recent),
        "others": Scan(EVENTS, ("TraceId", AT), f"{others} AND {until_now}"),
    }


def _write(row: dict[str, Any], now: int) -> doc.ProcessSummary:
    has_ended = row["status"] in {COMPLETED, FAILED}
    end = row["ended"] if has_ended else now
    return doc.ProcessSummary(
        type=row["type"],
        id=row["id"],
        trace_id=row["trace_id"] or None,
        status=row["status"],
        phase=row["phase"] or None,
        started_at=format_time(row["started"]),
        ended_at=format_time(end) if has_ended else None,
        last_at=format_time(row["last_at"]),
        duration_ms=max(0, end - row["started"]) / NS_PER_MS,
        timeout_seconds=row["most"] / NS_PER_S if row["most"] else None,
        services=row["names"],
        events=row["event_count"],
    )


def _is_sound(cursor: Cursor) -> bool:
    """Whether the values can be true; anyone can write a cursor, and they go into SQL."""
    times = (cursor.start or 0, cursor.end or 0, cursor.now, cursor.at)
    names = (cursor.type, cursor.id)
    return (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in times)
        and 0 <= cursor.top < 2**64
        and all(len(each) <= _NAME_CHARS_MAX and "\0" not in each for each in names)
    )
