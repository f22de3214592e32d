"""Work sessions of several servers, to be read: they are worked in at their own servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from clew.access.caller import LOCAL
from clew.base.errors import ClewError, ErrorCode, NotOfferedError
from clew.base.ids import parse_uuid
from clew.base.times import NS_PER_S, format_time, parse_range
from clew.remote.finding import find_keeper
from clew.remote.merging import Asked, Listing, Part, merge_lists
from clew.store.page import check_limit, digest_question
from clew.team.remote import SessionClient
from clew.team.sessions.documents import Activity, ActivityReport, SessionList
from clew.team.sessions.parameters import CURRENT, LIMIT_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.remote.http import Server
    from clew.remote.shards import Shards
    from clew.team.sessions import parameters as ask
    from clew.team.sessions.documents import Link, Note, Session, SessionHead
    from clew.team.sessions.targets import Visit

ACTIVITY_DAYS: Final = 7
"""What activity is about where no time is given: as a server has it."""


class ShardedSessions:
    """Implements `clew.team.sessions.contract.Sessions` over the shards of a query tier.

    Sessions are read, and none is ever open here, so that nothing which is asked becomes a link.
    """

    def __init__(self, shards: Shards, now: Callable[[], int]) -> None:
        """Ask these shards; `now` gives Unix nanoseconds."""
        self._shards = shards
        self._now = now

    @property
    def looks_dropped(self) -> int:
        """None: nothing is written down here."""
        return 0

    def load(self) -> None:
        """Do nothing: there is nothing to read beforehand."""

    def close(self) -> None:
        """Do nothing: nothing waits here."""

    def resolve(self, session_id: str, by: Caller, choice: str | None) -> str:
        """Return an id; none is current here."""
        del by, choice
        if session_id == CURRENT:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                "no session is open at a query tier",
                hint="name one by its id: clew session list",
            )
        return parse_uuid(session_id)

    def find_open(self, by: Caller, choice: str | None) -> str | None:
        """Return none."""
        del by, choice
        return None

    def visit(self, by: Caller, choice: str | None, visits: Sequence[Visit]) -> None:
        """Do nothing."""

    def get(self, session_id: str) -> Session:
        """Return one session with its notes and links."""
        wanted = parse_uuid(session_id)
        return find_keeper(
            self._shards,
            lambda server: SessionClient(server).get(wanted).document(),
            f"session {wanted}",
            hint="list sessions with: clew session list",
        )[1]

    def find(self, query: ask.SessionQuery, by: Caller = LOCAL) -> SessionList:
        """Return one page of matching sessions of all shards, the newest first."""
        del by
        check_limit(query.limit, LIMIT_MAX)
        listing = Listing(
            ask=lambda server, asked: _ask(server, query, asked),
            key=lambda session: session.started_at,
            name=lambda session: session.id,
            reverse=True,
            most=LIMIT_MAX,
            digest=digest_question("sessions of shards", query),
        )
        merged = merge_lists(
            self._shards, listing, limit=query.limit, following=query.next, now=self._now()
        )
        sessions = [session for _, session in merged.rows]
        return SessionList(
            sessions=sessions,
            count=len(sessions),
            total=merged.total,
            truncated=merged.next is not None,
            next=merged.next,
        )

    def activity(self, query: ask.ActivityQuery, by: Caller = LOCAL) -> ActivityReport:
        """Return what everybody did at all shards in one time range, added up by who it was."""
        del by
        now = self._now()
        window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
        end = now if window.end is None else window.end
        start = window.start
        if start is None:
            start = max(0, end - ACTIVITY_DAYS * 86_400 * NS_PER_S)
        asked = msgspec.structs.replace(
            query, last=None, start=format_time(start), end=format_time(end)
        )
        gathered = self._shards.ask(lambda server: SessionClient(server).activity(asked).document())
        members: dict[str, Activity] = {}
        for _, report in gathered.answers:
            for each in report.members:
                known = members.get(each.owner)
                members[each.owner] = each if known is None else _together(known, each)
        busiest = sorted(members.values(), key=lambda each: (-each.hours, each.owner))
        return ActivityReport(
            start_time=format_time(start),
            end_time=format_time(end),
            members=busiest,
            count=len(busiest),
            total=len(busiest),
            truncated=any(report.truncated for _, report in gathered.answers),
        )

    def start(self, new: ask.NewSession, by: Caller = LOCAL) -> Future[Session]:
        """Refuse: a session is started at its server."""
        del new, by
        self._refuse()

    def stop(self, session_id: str, by: Caller = LOCAL) -> Future[Session]:
        """Refuse."""
        del session_id, by
        self._refuse()

    def change(
        self, session_id: str, change: ask.SessionChange, by: Caller = LOCAL
    ) -> Future[Session]:
        """Refuse."""
        del session_id, change, by
        self._refuse()

    def delete(self, session_id: str, by: Caller = LOCAL) -> Future[Session]:
        """Refuse."""
        del session_id, by
        self._refuse()

    def note(self, session_id: str, note: ask.NewNote, by: Caller = LOCAL) -> Future[Note]:
        """Refuse."""
        del session_id, note, by
        self._refuse()

    def delete_note(self, session_id: str, note_id: str, by: Caller = LOCAL) -> Future[Note]:
        """Refuse."""
        del session_id, note_id, by
        self._refuse()

    def link(self, session_id: str, target: ask.Target, by: Caller = LOCAL) -> Future[Link]:
        """Refuse."""
        del session_id, target, by
        self._refuse()

    def delete_link(
        self, session_id: str, kind: str, link_id: str, by: Caller = LOCAL
    ) -> Future[Link]:
        """Refuse."""
        del session_id, kind, link_id, by
        self._refuse()

    def _refuse(self) -> NoReturn:
        addresses = ", ".join(shard.where for shard in self._shards.shards)
        raise NotOfferedError(
            "a session is kept at one server, and not at a query tier",
            hint=f"ask the server itself: {addresses}",
        )


def _ask(server: Server, query: ask.SessionQuery, asked: Asked) -> Part[SessionHead]:
    window = parse_range(last=query.last, start=query.start, end=query.end, now=asked.at)
    narrowed = msgspec.structs.replace(
        query,
        last=None,
        start=None if window.start is None else format_time(window.start),
        end=None if window.end is None else format_time(window.end),
        limit=asked.limit,
        next=asked.next,
    )
    found = SessionClient(server).find(narrowed).document()
    return Part(found.sessions, found.next, found.total)


def _together(one: Activity, other: Activity) -> Activity:
    return Activity(
        owner=one.owner,
        sessions=one.sessions + other.sessions,
        open=one.open + other.open,
        hours=one.hours + other.hours,
        findings=one.findings + other.findings,
        notes=one.notes + other.notes,
        comments=one.comments + other.comments,
        last_at=max(one.last_at, other.last_at),
    )
