"""Work sessions over the registry database: the one place that every surface asks."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from clew.access.authority import decide
from clew.access.caller import LOCAL, Verb
from clew.access.writing import when_kept
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid, parse_uuid
from clew.base.times import format_time
from clew.team.sessions.checks import (
    checked_body,
    checked_plan,
    checked_title,
    taken,
    target_of,
)
from clew.team.sessions.contract import NothingShared
from clew.team.sessions.keeping import Seen, end, end_forgotten, touch, write_seen
from clew.team.sessions.parameters import (
    CURRENT,
    LINKS_MAX,
    ME,
    NOTES_MAX,
    Target,
)
from clew.team.sessions.reading import (
    find_sessions,
    no_session,
    read_activity,
    read_links,
    read_notes,
    read_session,
)
from clew.team.sessions.targets import visit_of, visit_to
from clew.team.sessions.visits import OpenSession, Visits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.store.database.contract import Database, Reading, Transaction, Value
    from clew.team.comments.documents import Comment
    from clew.team.sessions import parameters as ask
    from clew.team.sessions.contract import SessionSharing
    from clew.team.sessions.documents import (
        ActivityReport,
        Link,
        Note,
        Session,
        SessionList,
    )
    from clew.team.sessions.targets import Visit

BESIDE_MAX: Final = 100
"""Sessions that one may have open beside others: those of a fleet of agents with one key."""

_INSERT_SESSION: Final = """
INSERT INTO sessions (id, owner, kind, title, started_at, planned_minutes, active_at)
VALUES (:id, :owner, :kind, :title, :now, :planned_minutes, :now)"""

_INSERT_NOTE: Final = """
INSERT INTO session_notes (id, session_id, kind, body, about_kind, about_id, created_at)
VALUES (:id, :session_id, :kind, :body, :about_kind, :about_id, :now)"""

Kept = TypeVar("Kept")


class TeamSessions:
    """Implements `clew.team.sessions.contract.Sessions`, which says what each call does.

    Also `clew.team.comments.contract.Findings`: comments that are made in a session are findings.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        sharing: SessionSharing | None = None,
        *,
        follows: bool = False,
    ) -> None:
        """Keep sessions in a database; `now` gives Unix nanoseconds.

        One that `follows` only answers: on a standby, where another server writes.
        """
        self._database = database
        self._now = now
        self._sharing = sharing or NothingShared()
        self.visits = Visits(database, now, follows=follows)

    def load(self) -> None:
        """Learn which sessions were open when the program before this one ended. Blocks."""
        if self.visits.follows:
            self._database.watch(["sessions"], self.visits.read_anew)
        self._database.read(self.visits.load)

    def close(self) -> None:
        """Write what was looked at last, and take nothing more; idempotent. Blocks."""
        self.visits.close()

    @property
    def looks_dropped(self) -> int:
        """How many looks found no room in memory."""
        return self.visits.dropped

    def resolve(self, session_id: str, by: Caller, choice: str | None) -> str:
        """Return an id; for ``current`` that of the session which is open."""
        if session_id != CURRENT:
            return parse_uuid(session_id)
        found = self.visits.find(by, choice, strictly=True)
        if found is None:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                "no session is open",
                hint="start one with: clew session start --title 'what you look for'",
            )
        return found

    def find_open(self, by: Caller, choice: str | None) -> str | None:
        """Return the session that what somebody asks belongs to, None where to none."""
        return self.visits.find(by, choice)

    def visit(self, by: Caller, choice: str | None, visits: Sequence[Visit]) -> None:
        """Write down what somebody looked at, soon."""
        self.visits.see(by, choice, visits)

    def start(self, new: ask.NewSession, by: Caller = LOCAL) -> Future[Session]:
        """Start a session."""
        own_id = new_uuid(self._now()) if new.id is None else parse_uuid(new.id)
        row: dict[str, Value] = {
            "id": own_id,
            "owner": by.subject,
            "kind": new.kind,
            "title": checked_title(new.title),
            "planned_minutes": checked_plan(new.planned_minutes),
        }

        def work(writing: Transaction) -> Session:
            now = self._now()
            self._end_forgotten(writing, now)
            if new.id is not None and _is_kept(writing, row):
                return self._read(writing, own_id, now)
            self._make_room(writing, new, by.subject, now)
            writing.run(_INSERT_SESSION, row | {"now": now})
            return self._read(writing, own_id, now)

        # What was looked at until now belongs to the session that this may end.
        self.visits.submit()
        return when_kept(self._database.submit(work), self._learn)

    def stop(self, session_id: str, by: Caller = LOCAL) -> Future[Session]:
        """End a session."""
        wanted = parse_uuid(session_id)

        def work(writing: Transaction) -> Session:
            now = self._now()
            self._end_forgotten(writing, now)
            if self._get_own(writing, wanted, by)["ended_at"] is None:
                end(writing, wanted, now, "stopped")
                self._sharing.changed(writing, wanted)
            return self._read(writing, wanted, now)

        self.visits.submit()
        return when_kept(self._database.submit(work), self._learn)

    def change(
        self, session_id: str, change: ask.SessionChange, by: Caller = LOCAL
    ) -> Future[Session]:
        """Give a session another title or plan."""
        wanted = parse_uuid(session_id)
        given: dict[str, Value] = {}
        if change.title is not msgspec.UNSET:
            given["title"] = checked_title(change.title)
        if change.planned_minutes is not msgspec.UNSET:
            given["planned_minutes"] = checked_plan(change.planned_minutes)
        if not given:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "nothing is to be changed",
                hint="give a title, or planned_minutes",
            )
        changes = ", ".join(f"{name} = :{name}" for name in given)

        def work(writing: Transaction) -> Session:
            self._get_own(writing, wanted, by)
            writing.run(f"UPDATE sessions SET {changes} WHERE id = :id", given | {"id": wanted})
            self._sharing.changed(writing, wanted)
            return self._read(writing, wanted, self._now())

        return self._database.submit(work)

    def delete(self, session_id: str, by: Caller = LOCAL) -> Future[Session]:
        """Remove a session with its notes and links, and return what it was."""
        wanted = parse_uuid(session_id)

        def work(writing: Transaction) -> Session:
            self._get_own(writing, wanted, by)
            gone = self._read(writing, wanted, self._now())
            if gone.shared:
                raise ClewError(
                    ErrorCode.CONFLICT,
                    "the session is shared",
                    hint=f"take it back first: clew session unshare {wanted}",
                )
            writing.run("DELETE FROM sessions WHERE id = :id", {"id": wanted})
            return gone

        def settle(gone: Session) -> Session:
            self.visits.forget(gone.id)
            return gone

        self.visits.submit()
        return when_kept(self._database.submit(work), settle)

    def note(self, session_id: str, note: ask.NewNote, by: Caller = LOCAL) -> Future[Note]:
        """Keep what was found out."""
        wanted = parse_uuid(session_id)
        visit = None if note.about is None else visit_to(note.about)
        row: dict[str, Value] = {
            "id": new_uuid(self._now()) if note.id is None else parse_uuid(note.id),
            "session_id": wanted,
            "kind": "note",
            "body": checked_body(note.body),
            "about_kind": None if visit is None else visit.kind,
            "about_id": None if visit is None else visit.id,
        }

        def work(writing: Transaction) -> Note:
            self._get_own(writing, wanted, by)
            if note.id is not None and (kept := _find_kept_note(writing, row)) is not None:
                return kept
            self._keep_finding(writing, row, visit)
            (added,) = read_notes(writing, wanted, str(row["id"]))
            return added

        return when_kept(self._database.submit(work), lambda kept: self._touch(wanted, kept))

    def keep(self, writing: Transaction, session_id: str, comment: Comment) -> None:
        """Make a finding of a comment, in the transaction that keeps it.

        A session that is full, or there no more, takes none: the comment is kept all the same.
        """
        bound: dict[str, Value] = {"id": session_id, "note": comment.id}
        (found,) = writing.rows(
            "SELECT (SELECT count(*) FROM sessions WHERE id = :id) AS sessions,"
            " (SELECT count(*) FROM session_notes WHERE session_id = :id) AS notes,"
            " (SELECT count(*) FROM session_notes WHERE id = :note) AS kept",
            bound,
        )
        if not found["sessions"] or found["kept"] or found["notes"] >= NOTES_MAX:
            return
        visit = visit_of("trace", comment.trace_id)
        if comment.span_id is not None:
            visit = visit_of("span", f"{comment.trace_id}/{comment.span_id}")
        row: dict[str, Value] = {
            "id": comment.id,
            "session_id": session_id,
            "kind": "comment",
            "body": None,
            "about_kind": visit.kind,
            "about_id": visit.id,
        }
        self._keep_finding(writing, row, visit)
        # It is true whatever becomes of the transaction: somebody is at work.
        self.visits.touch(session_id)

    def delete_note(self, session_id: str, note_id: str, by: Caller = LOCAL) -> Future[Note]:
        """Remove a note and return what it was."""
        wanted, note = parse_uuid(session_id), parse_uuid(note_id)

        def work(writing: Transaction) -> Note:
            self._get_own(writing, wanted, by)
            found = read_notes(writing, wanted, note)
            if not found:
                raise ClewError(
                    ErrorCode.NOT_FOUND,
                    f"the session has no note {note}",
                    hint=f"see its notes with: clew session show {wanted}",
                )
            if found[0].kind == "comment":
                raise ClewError(
                    ErrorCode.CONFLICT,
                    "the finding is a comment",
                    hint=f"remove it with: clew comment delete {note}",
                )
            writing.run("DELETE FROM session_notes WHERE id = :id", {"id": note})
            self._sharing.changed(writing, wanted)
            return found[0]

        return self._database.submit(work)

    def link(self, session_id: str, target: ask.Target, by: Caller = LOCAL) -> Future[Link]:
        """Link something by hand, as if it had been looked at."""
        wanted, visit = parse_uuid(session_id), visit_to(target)

        def work(writing: Transaction) -> Link:
            self._get_own(writing, wanted, by)
            now = self._now()
            write_seen(writing, wanted, [Seen(visit, now, now, 1, now)])
            kept = read_links(writing, wanted, Target(kind=visit.kind, id=visit.id))
            if not kept:
                raise ClewError(
                    ErrorCode.TOO_LARGE,
                    f"the session has {LINKS_MAX} links already",
                    hint="remove some, or start another session",
                )
            self._sharing.changed(writing, wanted)
            return kept[0]

        return when_kept(self._database.submit(work), lambda kept: self._touch(wanted, kept))

    def delete_link(
        self, session_id: str, kind: str, link_id: str, by: Caller = LOCAL
    ) -> Future[Link]:
        """Remove a link and return what it was."""
        wanted = parse_uuid(session_id)
        target = target_of(kind, link_id)

        def work(writing: Transaction) -> Link:
            self._get_own(writing, wanted, by)
            found = read_links(writing, wanted, target)
            if not found:
                raise ClewError(
                    ErrorCode.NOT_FOUND,
                    f"the session has no link to {kind} {link_id[:100]!r}",
                    hint=f"see its links with: clew session show {wanted}",
                )
            writing.run(
                "DELETE FROM session_links"
                " WHERE session_id = :session_id AND kind = :kind AND id = :id",
                {"session_id": wanted, "kind": target.kind, "id": target.id},
            )
            self._sharing.changed(writing, wanted)
            return found[0]

        self.visits.submit()
        return self._database.submit(work)

    def get(self, session_id: str) -> Session:
        """Return one session with everything that was looked at so far."""
        wanted = parse_uuid(session_id)
        self._settle()
        return self._database.read(lambda reading: self._read(reading, wanted, self._now()))

    def find(self, query: ask.SessionQuery, by: Caller = LOCAL) -> SessionList:
        """Return one page of matching sessions."""
        self._settle()
        meant = msgspec.structs.replace(query, owner=_owner(query.owner, by))
        return self._database.read(
            lambda reading: find_sessions(reading, meant, self._now(), self._sharing.shared)
        )

    def activity(self, query: ask.ActivityQuery, by: Caller = LOCAL) -> ActivityReport:
        """Return what everybody did in a time range."""
        self._settle()
        meant = msgspec.structs.replace(query, owner=_owner(query.owner, by))
        return self._database.read(lambda reading: read_activity(reading, meant, self._now()))

    def _read(self, reading: Reading, session_id: str, now: int) -> Session:
        return read_session(reading, session_id, now, self._sharing.shared)

    def _learn(self, session: Session) -> Session:
        """Have looks go to a session that was started, and to one that has ended no more."""
        if session.ended_at is None:
            self.visits.learn(
                OpenSession(session.id, session.owner, session.kind, active_at=self._now())
            )
        else:
            self.visits.forget(session.id)
        return session

    def _touch(self, session_id: str, kept: Kept) -> Kept:
        self.visits.touch(session_id)
        return kept

    def _settle(self) -> None:
        """Write what was looked at, and end what was forgotten, before somebody reads."""
        if self.visits.follows:
            return
        self.visits.flush()
        if not self.visits.is_any_due():
            return
        ending = self._database.submit(lambda writing: self._end_forgotten(writing, self._now()))
        for session_id in ending.result():
            self.visits.forget(session_id)

    def _end_forgotten(self, writing: Transaction, now: int) -> list[str]:
        ended = list(end_forgotten(writing, now))
        for session_id in ended:
            self._sharing.changed(writing, session_id)
        return ended

    def _make_room(self, writing: Transaction, new: ask.NewSession, owner: str, now: int) -> None:
        """Raise unless one more session may be open, or end the one that is in its place."""
        open_ones = writing.rows(
            "SELECT id, title, started_at FROM sessions"
            " WHERE owner = :owner AND kind = :kind AND ended_at IS NULL ORDER BY started_at",
            {"owner": owner, "kind": new.kind},
        )
        if new.kind == "beside":
            if len(open_ones) < BESIDE_MAX:
                return
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{BESIDE_MAX} sessions are open beside others",
                hint=f"stop one: clew session stop {open_ones[0]['id']}",
            )
        for each in open_ones:
            if not new.switch:
                raise ClewError(
                    ErrorCode.CONFLICT,
                    f"a session is open since {format_time(each['started_at'])[:19]}Z:"
                    f" {each['title']}",
                    hint="stop it with: clew session stop; or end it by starting this one with"
                    " --switch",
                )
            end(writing, each["id"], now, "switched")
            self._sharing.changed(writing, each["id"])

    def _keep_finding(
        self, writing: Transaction, row: dict[str, Value], visit: Visit | None
    ) -> None:
        wanted, now = str(row["session_id"]), self._now()
        (kept,) = writing.rows(
            "SELECT count(*) AS n FROM session_notes WHERE session_id = :id", {"id": wanted}
        )
        if kept["n"] >= NOTES_MAX:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the session has {NOTES_MAX} notes already",
                hint="start another session",
            )
        writing.run(_INSERT_NOTE, row | {"now": now})
        if visit is not None:
            write_seen(writing, wanted, [Seen(visit, now, now, 1, now)])
        touch(writing, wanted, now)
        self._sharing.changed(writing, wanted)

    def _get_own(self, reading: Reading, session_id: str, by: Caller) -> dict[str, Any]:
        """Return the row of a session that the caller may change.

        Raises:
            ClewError: NOT_FOUND, FORBIDDEN.
        """
        rows = reading.rows(
            "SELECT id, owner, ended_at FROM sessions WHERE id = :id", {"id": session_id}
        )
        if not rows:
            raise no_session(session_id)
        if rows[0]["owner"] != by.subject and not decide(by, Verb.ADMIN, ()).is_allowed:
            raise ClewError(
                ErrorCode.FORBIDDEN,
                "only whoever started a session may change it",
                hint="use the key that it was started with, or an admin's",
            )
        return rows[0]


def _owner(owner: str | None, by: Caller) -> str | None:
    return by.subject if owner == ME else owner


def _is_kept(writing: Transaction, row: dict[str, Value]) -> bool:
    """Tell whether this very session was started before.

    Raises:
        ClewError: ALREADY_EXISTS when another one has its id.
    """
    kept = writing.rows("SELECT owner, kind, title FROM sessions WHERE id = :id", {"id": row["id"]})
    if kept and any(kept[0][name] != row[name] for name in ("owner", "kind", "title")):
        raise taken("session", str(row["id"]))
    return bool(kept)


def _find_kept_note(writing: Transaction, row: dict[str, Value]) -> Note | None:
    """Return this very note where it was made before.

    Raises:
        ClewError: ALREADY_EXISTS when another one has its id.
    """
    kept = writing.rows(
        "SELECT session_id, body FROM session_notes WHERE id = :id", {"id": row["id"]}
    )
    if not kept:
        return None
    if any(kept[0][name] != row[name] for name in ("session_id", "body")):
        raise taken("note", str(row["id"]))
    (note,) = read_notes(writing, str(row["session_id"]), str(row["id"]))
    return note
