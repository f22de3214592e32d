"""Events that validation did not let count, and why."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.times import TIME_NS_MAX, TimeRange, parse_range
from clew.store.engine.contract import Scan
from clew.store.page import (
    check_digest,
    check_limit,
    decode_cursor,
    digest_question,
    encode_cursor,
)
from clew.twin import documents as doc
from clew.twin.ingest.judge import Verdict
from clew.twin.parameters import LIMIT_MAX
from clew.twin.query.timeline import EVENT_COLUMNS, read_events
from clew.twin.state.rows import AT
from clew.twin.state.selection import LIMITS, Selection
from clew.twin.tables import EVENTS

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.store import Store

_VERSION: Final = 1
_ID_CHARS_MAX: Final = 512

_CODES: Final = "JSONExtractArrayRaw(Issues)"


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after an event that came at `received`, among those of frames up to `top`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    top: int
    received: int
    event_id: str


def find_rejected(
    store: Store, shelf: Shelf, query: ask.RejectedQuery, now: int
) -> doc.RejectedList:
    """Return one page of events that do not count, and how many there are by the code of the issue.

    Order:  those that came last first; the time range is that of their coming.
    Raises: ClewError INVALID_ARGUMENT for a cursor of another question.
    """
    check_limit(query.limit, LIMIT_MAX)
    snapshot = store.snapshot()
    digest = digest_question("rejected events", query)
    window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    cursor = Cursor(_VERSION, digest, window.start, window.end, snapshot.acked, 0, "")
    page_condition = "1"
    if query.next is not None:
        cursor = decode_cursor(query.next, Cursor, _is_sound)
        check_digest(cursor.digest, digest)
        window = TimeRange(cursor.start, cursor.end)
        page_condition = "(Received, EventId) < (fromUnixTimestamp64Nano({r:Int64}), {i:String})"
    selection = _select(query, window, cursor.top)
    page = selection.narrow(page_condition, r=cursor.received, i=cursor.event_id)
    rows = store.engine.query(
        f"SELECT * FROM @events ORDER BY received DESC, EventId DESC LIMIT {query.limit + 1}",
        snapshot=snapshot,
        scans={"events": page.scan(*EVENT_COLUMNS)},
        parameters=page.parameters,
        limits=LIMITS,
    )
    events = list(read_events(rows, shelf))
    more = len(events) > query.limit
    del events[query.limit :]
    by_code = _count(store, snapshot, selection)
    following = None
    if more:
        following = encode_cursor(
            msgspec.structs.replace(
                cursor,
                received=rows["received"][query.limit - 1].as_py(),
                event_id=rows["EventId"][query.limit - 1].as_py(),
            )
        )
    return doc.RejectedList(
        events=events,
        by_code=by_code,
        count=len(events),
        total=_total(store, snapshot, selection),
        truncated=more,
        next=following,
    )


def _select(query: ask.RejectedQuery, window: TimeRange, top: int) -> Selection:
    verdict = Verdict.WARNED if query.warned else Verdict.REJECTED
    selection = Selection(
        "toString(Verdict) = {verdict:String} AND Frame <= {top:UInt64}",
        {"verdict": verdict.value, "top": top},
    )
    for column, value in (
        ("ObjType", query.type),
        ("ObjId", query.id),
        ("ServiceName", query.service),
    ):
        if value is not None:
            name = column.lower()
            selection = selection.narrow(f"{column} = {{{name}:String}}", **{name: value})
    if query.code is not None:
        selection = selection.narrow(
            f"arrayExists(i -> JSONExtractString(i, 'code') = {{code:String}}, {_CODES})",
            code=query.code,
        )
    if window.start is not None:
        selection = selection.narrow(
            "Received >= fromUnixTimestamp64Nano({start:Int64})", start=window.start
        )
    if window.end is not None:
        selection = selection.narrow(
            "Received < fromUnixTimestamp64Nano({end:Int64})", end=window.end
        )
    return selection


def _count(store: Store, snapshot: Snapshot, selection: Selection) -> dict[str, int]:
    rows = store.engine.query(
        "SELECT JSONExtractString(issue, 'code') AS code, count() AS events FROM @events"
        f" ARRAY JOIN {_CODES} AS issue GROUP BY code ORDER BY events DESC, code",
        snapshot=snapshot,
        scans={"events": Scan(EVENTS, ("Issues",), selection.where)},
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    return {row["code"]: row["events"] for row in rows}


def _total(store: Store, snapshot: Snapshot, selection: Selection) -> int:
    (row,) = store.engine.query(
        "SELECT count() AS events FROM @events",
        snapshot=snapshot,
        scans={"events": selection.scan(AT)},
        parameters=selection.parameters,
        limits=LIMITS,
    ).to_pylist()
    events: int = row["events"]
    return events


def _is_sound(cursor: Cursor) -> bool:
    """Whether the values can be true; anyone can write a cursor, and they go into SQL."""
    times = (cursor.start or 0, cursor.end or 0, cursor.received)
    return (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in times)
        and 0 <= cursor.top < 2**64
        and len(cursor.event_id) <= _ID_CHARS_MAX
        and "\0" not in cursor.event_id
    )
