"""What is read of work sessions: one, a page of them, and who did how much."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, TIME_NS_MAX, TimeRange, format_time, parse_range
from clew.store.database.contract import among
from clew.store.database.where import Where, count_rows
from clew.store.page import (
    check_digest,
    check_limit,
    decode_cursor,
    digest_question,
    encode_cursor,
)
from clew.team.sessions.documents import (
    Activity,
    ActivityReport,
    Link,
    Note,
    Session,
    SessionHead,
    SessionList,
)
from clew.team.sessions.parameters import LIMIT_MAX, LINKS_MAX, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.store.database.contract import Reading
    from clew.team.sessions.parameters import ActivityQuery, SessionQuery

    FindShared = Callable[[Reading, Sequence[str]], frozenset[str]]

ACTIVITY_NS: Final = 7 * 86_400 * NS_PER_S
"""What activity is about where no time is given."""

MEMBERS_MAX: Final = 1000
"""Owners in a report of activity: a team's, and its agents'."""

_SECONDS_PER_MINUTE: Final = 60
_LIST: Final = "sessions"
_CURSOR_VERSION: Final = 1

# A finding that is a comment has its words where the comment is, and goes with it.
_FINDINGS: Final = (
    "session_notes AS n LEFT JOIN comments AS c ON n.kind = 'comment' AND c.id = n.id"
)
_IS_THERE: Final = "(n.kind = 'note' OR c.id IS NOT NULL)"

_NOTE_COLUMNS: Final = (
    "n.id AS id, n.kind AS kind, coalesce(n.body, c.body) AS body, n.about_kind AS about_kind,"
    " n.about_id AS about_id, n.created_at AS created_at"
)

_HEAD_COLUMNS: Final = (
    "id, owner, kind, title, started_at, ended_at, end_reason, planned_minutes, visits_left_out,"
    f" (SELECT count(*) FROM {_FINDINGS} WHERE n.session_id = sessions.id AND {_IS_THERE})"
    " AS note_count,"
    " (SELECT count(*) FROM session_links AS l WHERE l.session_id = sessions.id) AS link_count"
)


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after the session `after` that began at `at`, among those from `start` to `end`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    at: int
    after: str


def read_session(reading: Reading, session_id: str, now: int, find_shared: FindShared) -> Session:
    """Return a session whole.

    Raises:
        ClewError: NOT_FOUND.
    """
    rows = reading.rows(f"SELECT {_HEAD_COLUMNS} FROM sessions WHERE id = :id", {"id": session_id})
    if not rows:
        raise no_session(session_id)
    is_shared = bool(find_shared(reading, [session_id]))
    head = _head_of(rows[0], now, is_shared=is_shared)
    return Session(
        **msgspec.structs.asdict(head),
        notes=read_notes(reading, session_id),
        links=read_links(reading, session_id),
    )


def read_notes(reading: Reading, session_id: str, note_id: str | None = None) -> list[Note]:
    """Return the findings of a session in the order in which they were made, or one of them."""
    where = Where([_IS_THERE])
    where.equal("n.session_id", session_id, "session_id")
    where.equal("n.id", note_id, "note_id")
    rows = reading.rows(
        f"SELECT {_NOTE_COLUMNS} FROM {_FINDINGS}{where.sql} ORDER BY n.created_at, n.id",
        where.parameters,
    )
    return [_note_of(row) for row in rows]


def read_links(reading: Reading, session_id: str, target: Target | None = None) -> list[Link]:
    """Return the links of a session by when they were first looked at, or one of them."""
    where = Where()
    where.equal("session_id", session_id)
    if target is not None:
        where.equal("kind", target.kind)
        where.equal("id", target.id)
    rows = reading.rows(
        "SELECT kind, id, title, how, path, first_at, last_at, looks FROM session_links"
        f"{where.sql} ORDER BY first_at, kind, id LIMIT :limit",
        where.bound(limit=LINKS_MAX),
    )
    return [_link_of(row) for row in rows]


def find_sessions(
    reading: Reading, query: SessionQuery, now: int, find_shared: FindShared
) -> SessionList:
    """Return one page of matching sessions, the newest first.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit, a time or a cursor that makes no sense.
    """
    check_limit(query.limit, LIMIT_MAX)
    question = digest_question(_LIST, query)
    if query.next is None:
        window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
        cursor = None
    else:
        cursor = decode_cursor(query.next, _Cursor, _is_sound)
        check_digest(cursor.digest, question)
        window = TimeRange(cursor.start, cursor.end)
    where = Where()
    where.equal("owner", query.owner)
    if query.open is not None:
        where.add(f"ended_at IS {'' if query.open else 'NOT '}NULL")
    where.within("started_at", window)
    total = count_rows(reading, "sessions", where)
    if cursor is not None:
        where = where.narrowed(
            "(started_at < :at OR (started_at = :at AND id < :after))",
            at=cursor.at,
            after=cursor.after,
        )
    rows = reading.rows(
        f"SELECT {_HEAD_COLUMNS} FROM sessions{where.sql}"
        " ORDER BY started_at DESC, id DESC LIMIT :limit",
        where.bound(limit=query.limit + 1),
    )
    shown = rows[: query.limit]
    following = None
    if len(rows) > len(shown):
        last = shown[-1]
        following = encode_cursor(
            _Cursor(
                *(_CURSOR_VERSION, question, window.start, window.end),
                *(last["started_at"], last["id"]),
            )
        )
    shared = find_shared(reading, [row["id"] for row in shown]) if shown else frozenset()
    return SessionList(
        sessions=[_head_of(row, now, is_shared=row["id"] in shared) for row in shown],
        count=len(shown),
        total=total,
        truncated=following is not None,
        next=following,
    )


def read_activity(reading: Reading, query: ActivityQuery, now: int) -> ActivityReport:
    """Return what everybody did in a time range.

    Raises:
        ClewError: INVALID_ARGUMENT for a time that makes no sense.
    """
    window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
    end = now if window.end is None else min(window.end, now)
    start = max(0, end - ACTIVITY_NS) if window.start is None else min(window.start, end)
    bound = {"start": start, "end": end}
    whose = Where()
    whose.equal("owner", query.owner)
    own = "".join(f" AND {part}" for part in whose.parts)
    ran = f"started_at < :end AND (ended_at IS NULL OR ended_at > :start){own}"
    (counted,) = reading.rows(
        f"SELECT count(DISTINCT owner) AS n FROM sessions WHERE {ran}", whose.bound(**bound)
    )
    # Ends of what runs, and of what reaches beyond the range, are those of the range.
    until = "CASE WHEN ended_at IS NULL OR ended_at > :end THEN :end ELSE ended_at END"
    since = "CASE WHEN started_at < :start THEN :start ELSE started_at END"
    rows = reading.rows(
        "SELECT owner, count(*) AS sessions,"
        " sum(CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END) AS open,"
        f" sum({until} - {since}) AS spent, max(active_at) AS last_at"
        f" FROM sessions WHERE {ran} GROUP BY owner ORDER BY spent DESC, owner LIMIT :limit",
        whose.bound(**bound, limit=MEMBERS_MAX),
    )
    found = _count_findings(reading, [row["owner"] for row in rows], start, end)
    members = [
        Activity(
            owner=row["owner"],
            sessions=row["sessions"],
            open=row["open"],
            hours=round(row["spent"] / NS_PER_S / 3600, 4),
            findings=sum(found.get((row["owner"], kind), 0) for kind in ("note", "comment")),
            notes=found.get((row["owner"], "note"), 0),
            comments=found.get((row["owner"], "comment"), 0),
            last_at=format_time(row["last_at"]),
        )
        for row in rows
    ]
    return ActivityReport(
        start_time=format_time(start),
        end_time=format_time(end),
        members=members,
        count=len(members),
        total=counted["n"],
        truncated=counted["n"] > len(members),
    )


def no_session(session_id: str) -> ClewError:
    """Return the error of an id that is no session's."""
    return ClewError(
        ErrorCode.NOT_FOUND,
        f"there is no session {session_id}",
        hint="list sessions with: clew session list",
    )


def _count_findings(
    reading: Reading, owners: Sequence[str], start: int, end: int
) -> dict[tuple[str, str], int]:
    rows = reading.rows(
        "SELECT s.owner AS owner, n.kind AS kind, count(*) AS found"
        f" FROM {_FINDINGS} JOIN sessions AS s ON s.id = n.session_id"
        f" WHERE n.created_at >= :start AND n.created_at < :end AND {_IS_THERE}"
        f" AND s.owner {among('owners', reading.dialect)} GROUP BY s.owner, n.kind",
        {"start": start, "end": end, "owners": json.dumps(list(owners))},
    )
    return {(row["owner"], row["kind"]): row["found"] for row in rows}


def _head_of(row: dict[str, Any], now: int, *, is_shared: bool) -> SessionHead:
    ended_at, planned = row["ended_at"], row["planned_minutes"]
    seconds = max(0, (now if ended_at is None else ended_at) - row["started_at"]) / NS_PER_S
    beyond = 0.0 if planned is None else max(0.0, seconds - planned * _SECONDS_PER_MINUTE)
    return SessionHead(
        id=row["id"],
        title=row["title"],
        owner=row["owner"],
        kind=row["kind"],
        started_at=format_time(row["started_at"]),
        ended_at=None if ended_at is None else format_time(ended_at),
        end_reason=row["end_reason"],
        planned_minutes=planned,
        seconds=round(seconds, 3),
        overrun_seconds=round(beyond, 3),
        note_count=row["note_count"],
        link_count=row["link_count"],
        visits_left_out=row["visits_left_out"],
        shared=is_shared,
    )


def _note_of(row: dict[str, Any]) -> Note:
    about = None
    if row["about_kind"] is not None:
        about = Target(kind=row["about_kind"], id=row["about_id"])
    return Note(
        id=row["id"],
        kind=row["kind"],
        body=row["body"],
        about=about,
        created_at=format_time(row["created_at"]),
    )


def _link_of(row: dict[str, Any]) -> Link:
    return Link(
        kind=row["kind"],
        id=row["id"],
        title=row["title"],
        how=row["how"],
        path=row["path"],
        first_at=format_time(row["first_at"]),
        last_at=format_time(row["last_at"]),
        count=row["looks"],
    )


def _is_sound(cursor: _Cursor) -> bool:
    numbers = (cursor.start or 0, cursor.end or 0, cursor.at)
    is_in_range = all(0 <= each <= TIME_NS_MAX for each in numbers)
    return cursor.version == _CURSOR_VERSION and is_in_range and len(cursor.after) <= 64
