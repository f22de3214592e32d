"""What is shared: the copy that the team has is kept in step with the one here.

In the transactions of sessions and comments, so that a change and what is to be sent of it are one.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.access.authority import decide
from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_span_id, parse_trace_id
from clew.base.times import NS_PER_S, NS_PER_US, parse_time
from clew.store.database.contract import among
from clew.team.comments.mirror import TeamComment, drop_mirrored, keep_mirrored
from clew.team.entities.comment import SharedComment, Subject
from clew.team.entities.session import (
    PLANNED_MINUTES_MAX,
    PLANNED_MINUTES_MIN,
    SharedSession,
)
from clew.team.entities.team import Team
from clew.team.ledger.accounts import find_accounts
from clew.team.ledger.entities import find_entities, find_entity
from clew.team.ledger.queue import LocalWrite, write_entity
from clew.team.ledger.rows import datetime_of, unix_ns_of
from clew.team.merging.operation import SyncOperationType
from clew.team.sessions.reading import read_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.access.caller import Caller
    from clew.store.database.contract import Reading, Transaction
    from clew.team.comments.documents import Comment
    from clew.team.ledger.rows import EntityRow
    from clew.team.sessions.documents import Session

_SECONDS_PER_MINUTE = 60


class SharedSessions:
    """Implements `clew.team.sessions.contract.SessionSharing` over the ledger's tables.

    `now` gives Unix nanoseconds; `wake` hears of an account for which something waits. Safe to use
    from any thread.
    """

    def __init__(self, now: Callable[[], int], wake: Callable[[str], None]) -> None:
        self._now = now
        self._wake = wake

    def shared(self, reading: Reading, session_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these sessions that are shared with any team."""
        rows = reading.rows(
            "SELECT DISTINCT local_session_id AS id FROM shared_sessions"  # noqa: S608 - our own
            f" WHERE local_session_id {among('ids', reading.dialect)}",
            {"ids": json.dumps(list(session_ids))},
        )
        return frozenset(row["id"] for row in rows)

    def changed(self, writing: Transaction, session_id: str) -> None:
        """Bring every shared copy of a session to what it is now, and queue that."""
        shares = writing.rows(
            "SELECT id, account_id FROM shared_sessions WHERE local_session_id = :session_id",
            {"session_id": session_id},
        )
        if not shares:
            return
        now = self._now()
        session = read_session(writing, session_id, now, self.shared)
        for share in shares:
            row = find_entity(
                writing, share["account_id"], SharedSession.entity_type(), share["id"]
            )
            if row is None:
                continue
            entity = copy_session(
                session, share["id"], row.team_id, str(row.document.get("user_id", ""))
            )
            entity.remote_id = row.remote_id
            entity.shared_at = row.as_entity(SharedSession).shared_at
            update = LocalWrite(share["account_id"], entity, SyncOperationType.UPDATE, at=now)
            write_entity(writing, update, now)
            self._wake(share["account_id"])


class SharedComments:
    """Implements `clew.team.comments.contract.CommentSharing` over the ledger's tables.

    Also mirrors what others said: `bring` after a pull, `drop` before an account is forgotten.
    Safe to use from any thread.
    """

    def __init__(self, now: Callable[[], int], wake: Callable[[str], None]) -> None:
        self._now = now
        self._wake = wake

    def changed(self, writing: Transaction, comment: Comment) -> None:
        """Bring shared copies to what a comment says now."""
        for row in _copies_of(writing, comment.id):
            entity = row.as_entity(SharedComment)
            entity.body = comment.body
            self._write(writing, row.account_id, entity, SyncOperationType.UPDATE)

    def gone(self, writing: Transaction, comment: Comment) -> None:
        """Take shared copies back; what the server has of them is erased."""
        for row in _copies_of(writing, comment.id):
            entity = row.as_entity(SharedComment)
            self._write(writing, row.account_id, entity, SyncOperationType.DELETE, erase=True)

    def bring(
        self, writing: Transaction, account_id: str, local_ids: Sequence[str] | None = None
    ) -> None:
        """Mirror comments of an account's teams: those of these ids, or all."""
        rows: list[EntityRow]
        if local_ids is None:
            rows = find_entities(writing, account_id, COMMENTS, with_deleted=True)
        else:
            found = (find_entity(writing, account_id, COMMENTS, each) for each in local_ids)
            rows = [row for row in found if row is not None]
        names: dict[str, str] = {}
        for row in rows:
            if row.team_id not in names:
                team = find_entity(writing, account_id, Team.entity_type(), row.team_id)
                names[row.team_id] = "" if team is None else str(team.document.get("name", ""))
            told = None if row.deleted else _told(row, names[row.team_id])
            if told is None:
                drop_mirrored(writing, [row.local_id])
            else:
                keep_mirrored(writing, told)

    def drop(self, writing: Transaction, account_id: str) -> None:
        """Remove what is mirrored of an account's teams."""
        rows = find_entities(writing, account_id, COMMENTS, with_deleted=True)
        drop_mirrored(writing, [row.local_id for row in rows])
        for account in find_accounts(writing):
            # The same comment may have come by two accounts of one team.
            if account.account_id != account_id:
                self.bring(writing, account.account_id)

    def _write(
        self,
        writing: Transaction,
        account_id: str,
        entity: SharedComment,
        operation: SyncOperationType,
        *,
        erase: bool = False,
    ) -> None:
        now = self._now()
        entity.set_last_modified(datetime_of(now))
        write_entity(writing, LocalWrite(account_id, entity, operation, now, erase), now)
        self._wake(account_id)


COMMENTS: Final = SharedComment.entity_type()


def _copies_of(writing: Transaction, comment_id: str) -> list[EntityRow]:
    found = (
        find_entity(writing, account.account_id, COMMENTS, comment_id)
        for account in find_accounts(writing)
    )
    return [row for row in found if row is not None and not row.deleted]


def _told(row: EntityRow, team: str) -> TeamComment | None:
    """Return what a team says of a trace or a span; None of anything else, or of no such id."""
    try:
        said = row.as_entity(SharedComment)
        if said.subject not in (Subject.TRACE, Subject.SPAN):
            return None
        trace_id = parse_trace_id(said.trace_id)
        span_id = None if said.span_id is None else parse_span_id(said.span_id)
    except ClewError:
        # A newer clew made one that this cannot read, or somebody else something else.
        return None
    return TeamComment(
        id=row.local_id,
        team=team,
        trace_id=trace_id,
        span_id=span_id,
        author=said.author,
        body=said.body,
        created_at=unix_ns_of(said.created_at),
        updated_at=row.last_modified,
    )


def check_owner(owner: str | None, by: Caller, what: str) -> None:
    """Return if a caller may share something, or take it back.

    Raises:
        ClewError: FORBIDDEN to all but its owner and admins; what has no owner is an admin's.
    """
    if owner == by.subject or decide(by, Verb.ADMIN, ()).is_allowed:
        return
    raise ClewError(
        ErrorCode.FORBIDDEN,
        f"only whoever made {what} may share it, or take it back",
        hint="use the key that it was made with, or an admin's",
    )


def copy_session(session: Session, local_id: str, team_id: str, user_id: str) -> SharedSession:
    """Return a session as its team is to see it."""
    minutes = session.planned_minutes or math.ceil(session.seconds / _SECONDS_PER_MINUTE)
    is_over = session.ended_at is not None
    return SharedSession(
        local_id=local_id,
        team_id=team_id,
        user_id=user_id,
        session_id=session.id,
        title=session.title,
        start_time=_datetime(session.started_at),
        end_time=None if session.ended_at is None else _datetime(session.ended_at),
        planned_duration_minutes=max(PLANNED_MINUTES_MIN, min(minutes, PLANNED_MINUTES_MAX)),
        actual_duration_seconds=round(session.seconds) if is_over else None,
        completed=is_over and session.end_reason != "forgotten",
        notes=[_plain(note) for note in session.notes],
        links=[_plain(link) for link in session.links],
    )


def _plain(document: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def _datetime(text: str) -> datetime:
    at = parse_time(text, now=0)
    whole, rest = divmod(at, NS_PER_S)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest // NS_PER_US)
