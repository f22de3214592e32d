"""Lists of objects, those that changed last first, each as it is now."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.times import TIME_NS_MAX, TimeRange, format_time, parse_range
from clew.store.engine.contract import Scan
from clew.store.page import (
    check_digest,
    check_limit,
    decode_cursor,
    digest_question,
    encode_cursor,
)
from clew.twin import documents as doc
from clew.twin.fold import Folded
from clew.twin.parameters import LIMIT_MAX
from clew.twin.state.folding import Known, fold_objects
from clew.twin.state.kinds import former_names, read_values
from clew.twin.state.rows import AT
from clew.twin.state.selection import COUNTED, LIMITS, Selection, Subject, are_among
from clew.twin.state.store import has_any
from clew.twin.tables import SNAPSHOTS

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelf
    from clew.twin.state.store import Store

_VERSION: Final = 1
_NAME_CHARS_MAX: Final = 4096

_ORDER: Final = "(at, Seq, EventId)"

# Deleted is what has a deletion after its last creation or snapshot.
_GONE: Final = (
    f"argMaxIf(type, {_ORDER}, type IN ('created', 'snapshot', 'deleted')) = 'deleted' AS gone"
)

_EVENTS: Final = (
    "ObjType",
    "ObjId",
    AT,
    "at AS first_at",
    "Seq",
    "EventId",
    "EventType AS type",
    "ServiceName AS service",
    "1 AS is_kept",
)

# What stands for events that are gone is one, which says all that they did.
_BASELINES: Final = (
    "ObjType",
    "ObjId",
    AT,
    "toUnixTimestamp64Nano(FirstAt) AS first_at",
    "Seq",
    "EventId",
    "toLowCardinality(if(Exists, 'snapshot', 'deleted')) AS type",
    "ServiceName AS service",
    "0 AS is_kept",
)


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after an object whose last event was at `at`, among those of frames up to `top`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    top: int
    at: int
    type: str
    id: str


def find_objects(store: Store, shelf: Shelf, query: ask.ObjectQuery, now: int) -> doc.ObjectList:
    """Return one page of objects, those whose last event is newest first.

    The time range is that of events: an object belongs to it with those that lie in it. States are
    those of now.
    Bounds: `LIMIT_MAX` objects a page; events that come later shift no page.
    Raises: ClewError INVALID_ARGUMENT for a cursor of another question.
    """
    check_limit(query.limit, LIMIT_MAX)
    snapshot = store.snapshot()
    digest = digest_question("objects", query)
    window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    cursor = Cursor(_VERSION, digest, window.start, window.end, snapshot.acked, 0, "", "")
    having = "1"
    if query.next is not None:
        cursor = decode_cursor(query.next, Cursor, _is_sound)
        check_digest(cursor.digest, digest)
        window = TimeRange(cursor.start, cursor.end)
        having = (
            "last_at < {c_at:Int64} OR (last_at = {c_at:Int64}"
            " AND (name, id) > ({c_type:String}, {c_id:String}))"
        )
    if not query.deleted:
        having = f"({having}) AND NOT gone"
    selection = _select(query, window)
    source = _Source(store, snapshot, cursor.top)
    # Of all objects only what their order takes; what else is told, of those of the page.
    rows = source.ask(
        f"SELECT toString(ObjType) AS name, ObjId AS id, max(at) AS last_at, {_GONE},"
        " count() OVER () AS total FROM @events GROUP BY ObjType, ObjId"
        f" HAVING {having} ORDER BY last_at DESC, name, id LIMIT {query.limit + 1}",
        selection.narrow("1", c_at=cursor.at, c_type=cursor.type, c_id=cursor.id),
    )
    more = len(rows) > query.limit
    following = None
    if more:
        last = rows[query.limit - 1]
        following = encode_cursor(
            msgspec.structs.replace(cursor, at=last["last_at"], type=last["name"], id=last["id"])
        )
    total = rows[0]["total"] if rows and query.next is None else None
    del rows[query.limit :]
    return doc.ObjectList(
        objects=_write(source, shelf, selection, rows),
        count=len(rows),
        total=0 if not rows and query.next is None else total,
        truncated=more,
        next=following,
    )


def _select(query: ask.ObjectQuery, window: TimeRange) -> Selection:
    selection = Selection("ObjId != ''", {})
    for column, value in (
        ("ObjType", query.type),
        ("ObjId", query.id),
        ("ServiceName", query.service),
    ):
        if value is not None:
            name = column.lower()
            selection = selection.narrow(f"{column} = {{{name}:String}}", **{name: value})
    if query.text is not None:
        selection = selection.narrow(
            "positionCaseInsensitiveUTF8(ObjId, {text:String}) > 0", text=query.text
        )
    if window.start is not None:
        selection = selection.narrow(
            "Timestamp >= fromUnixTimestamp64Nano({start:Int64})", start=window.start
        )
    if window.end is not None:
        selection = selection.narrow(
            "Timestamp < fromUnixTimestamp64Nano({end:Int64})", end=window.end
        )
    return selection


@dataclass(frozen=True, slots=True)
class _Source:
    """Events of frames up to `top`, and what stands for those that are gone."""

    store: Store
    snapshot: Snapshot
    top: int

    def ask(self, sql: str, selection: Selection) -> list[dict[str, Any]]:
        """Return what a question about ``@events`` gives, of those that a selection means."""
        seen = selection.narrow(f"{COUNTED} AND Frame <= {{top:UInt64}}", top=self.top)
        scans = {"events": seen.scan(*_EVENTS)}
        if has_any(self.store):
            scans["baselines"] = Scan(SNAPSHOTS, _BASELINES, f"IsBaseline AND {selection.where}")
            both = "(SELECT * FROM @events UNION ALL SELECT * FROM @baselines)"
            sql = sql.replace("@events", both)
        rows: list[dict[str, Any]] = self.store.engine.query(
            sql, snapshot=self.snapshot, scans=scans, parameters=seen.parameters, limits=LIMITS
        ).to_pylist()
        return rows


def _write(
    source: _Source, shelf: Shelf, selection: Selection, rows: list[dict[str, Any]]
) -> list[doc.ObjectSummary]:
    subjects = [Subject(row["name"], row["id"]) for row in rows]
    known = fold_objects(
        source.store,
        subjects,
        at=source.snapshot,
        aliases=lambda name: former_names(shelf.find_type(name)),
    )
    condition, bound = are_among(subjects)
    told = {
        (row["name"], row["id"]): row
        for row in source.ask(
            "SELECT toString(ObjType) AS name, ObjId AS id, min(first_at) AS first,"
            " uniqExactIf(EventId, is_kept) AS events, argMax(service, at) AS service"
            " FROM @events GROUP BY ObjType, ObjId",
            selection.narrow(condition, **bound),
        )
    }
    nothing = Known(Folded(), None)
    summaries = []
    for row in rows:
        name = (row["name"], row["id"])
        folded = known.get(Subject(*name), nothing).folded
        state, _ = read_values(shelf.find_type(row["name"]), folded.state)
        summaries.append(
            doc.ObjectSummary(
                type=row["name"],
                id=row["id"],
                exists=folded.exists,
                version=folded.version,
                events=told[name]["events"],
                first_at=format_time(told[name]["first"]),
                last_at=format_time(row["last_at"]),
                service=told[name]["service"],
                state=state,
            )
        )
    return summaries


def _is_sound(cursor: Cursor) -> bool:
    """Whether the values can be true; anyone can write a cursor, and they go into SQL."""
    times = (cursor.start or 0, cursor.end or 0, cursor.at)
    names = (cursor.type, cursor.id)
    return (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in times)
        and 0 <= cursor.top < 2**64
        and all(len(each) <= _NAME_CHARS_MAX and "\0" not in each for each in names)
    )
