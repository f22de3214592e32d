"""Sessions that are shared: the copy that the team has is kept in step with the one here.

In the transactions of sessions, so that a change and what is to be sent of it are one.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from clew.access.authority import decide
from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, NS_PER_US, parse_time
from clew.store.database.contract import among
from clew.team.entities.session import (
    PLANNED_MINUTES_MAX,
    PLANNED_MINUTES_MIN,
    SharedSession,
)
from clew.team.ledger.entities import find_entity
from clew.team.ledger.queue import LocalWrite, write_entity
from clew.team.merging.operation import SyncOperationType
from clew.team.sessions.reading import read_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.access.caller import Caller
    from clew.store.database.contract import Reading, Transaction
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
