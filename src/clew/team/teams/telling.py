"""What the ledger keeps, as documents. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.team.entities.member import Role
from clew.team.teams import documents as doc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clew.team.ledger.rows import Conflict, EntityRow, QueueStats, Round
    from clew.team.merging.operation import Operation
    from clew.team.trailbase.membership import Invite

RECENT_MAX: Final = 10
"""Sessions that an activity names, as the integration documents it."""

_SECONDS_PER_HOUR: Final = 3600

_RANKS: Final = {role.value: at for at, role in enumerate((Role.OWNER, Role.ADMIN, Role.MEMBER))}


def tell_queue(stats: QueueStats, synced: int) -> doc.QueueCounts:
    """Return what waits."""
    oldest = stats.oldest_pending
    return doc.QueueCounts(
        pending=stats.pending,
        in_flight=stats.in_flight,
        failed=stats.failed,
        synced=synced,
        oldest_pending_at=None if oldest is None else format_time(oldest),
    )


def tell_round(done: Round) -> doc.RoundReport:
    """Return what a round did."""
    return doc.RoundReport(
        began_at=format_time(done.began_at),
        ended_at=format_time(done.ended_at),
        outcome=done.outcome.value,
        sent=done.sent,
        failed=done.failed,
        pulled=done.pulled,
        conflicts=done.conflicts,
        error=done.error,
    )


def tell_operation(operation: Operation, *, in_flight: bool = False) -> doc.QueuedOperation:
    """Return an operation and why it waits."""
    due = operation.next_attempt_at
    return doc.QueuedOperation(
        op_id=operation.op_id,
        entity_type=operation.entity_type,
        entity_id=operation.entity_id,
        operation=operation.operation.value,
        team_id=operation.team_id,
        created_at=format_time(operation.created_at),
        tries=operation.retry_count,
        next_attempt_at=format_time(due) if due else None,
        error=operation.last_error,
        in_flight=in_flight,
    )


def tell_conflict(conflict: Conflict) -> doc.ConflictHead:
    """Return a conflict with all its sides."""
    return doc.ConflictHead(
        id=conflict.conflict_id,
        entity_type=conflict.entity_type,
        entity_id=conflict.local_id,
        team_id=conflict.team_id,
        strategy=conflict.strategy.value,
        winner=conflict.winner.value,
        fields=list(conflict.fields),
        base=_copied(conflict.base),
        local=_copied(conflict.local),
        remote=_copied(conflict.remote),
        outcome=_copied(conflict.outcome),
        local_at=format_time(conflict.local_at),
        remote_at=format_time(conflict.remote_at),
        created_at=format_time(conflict.created_at),
        resolved_at=None if conflict.resolved_at is None else format_time(conflict.resolved_at),
        resolution=None if conflict.resolution is None else conflict.resolution.value,
    )


def tell_members(rows: Iterable[EntityRow]) -> list[doc.MemberHead]:
    """Return members: owners, admins, then who joined first."""
    members = [
        doc.MemberHead(
            id=str(row.document.get("user_id", "")),
            member_id=row.local_id,
            email=str(row.document.get("email", "")),
            display_name=row.document.get("display_name"),
            role=str(row.document.get("role", Role.MEMBER.value)),
            joined_at=str(row.document.get("joined_at", "")),
        )
        for row in rows
    ]
    return sorted(members, key=lambda each: (_RANKS.get(each.role, 9), each.joined_at, each.id))


def tell_invite(invite: Invite, *, with_code: bool = False) -> doc.InviteHead:
    """Return an invite; its code only for who made it."""
    return doc.InviteHead(
        id=invite.invite_id,
        team_id=invite.team_id,
        role=invite.role.value,
        expires_at=format_time(invite.expires_at),
        uses=invite.uses,
        uses_max=invite.uses_max,
        revoked=invite.revoked,
        code=invite.code if with_code else None,
    )


def tell_query(row: EntityRow) -> doc.QueryHead:
    """Return a saved query."""
    said = row.document
    return doc.QueryHead(
        id=row.local_id,
        team_id=row.team_id,
        name=str(said.get("name", "")),
        language=str(said.get("language", "")),
        query=str(said.get("query", "")),
        description=str(said.get("description", "")),
        sync_status=row.status.value,
    )


def names_of(members: Iterable[doc.MemberHead]) -> dict[str, str]:
    """Return what people are called, by the ids of users."""
    return {each.id: each.display_name or each.email.partition("@")[0] for each in members}


def tell_sessions(
    rows: Sequence[EntityRow], names: Mapping[str, str], user_id: str, limit: int
) -> doc.TeamSessionList:
    """Return the newest sessions that were shared; `user_id` is one's own."""
    newest = sorted(rows, key=lambda row: str(row.document.get("start_time")), reverse=True)
    shown = [doc.TeamSessionHead(**_session(row, names, user_id)) for row in newest[:limit]]
    return doc.TeamSessionList(
        sessions=shown, count=len(shown), total=len(rows), truncated=len(shown) < len(rows)
    )


def tell_session(row: EntityRow, names: Mapping[str, str], user_id: str) -> doc.TeamSession:
    """Return one of them whole."""
    notes, links = _objects(row.document.get("notes")), _objects(row.document.get("links"))
    return doc.TeamSession(**_session(row, names, user_id), notes=notes, links=links)


def _session(row: EntityRow, names: Mapping[str, str], user_id: str) -> dict[str, Any]:
    said = row.document
    whose = str(said.get("user_id", ""))
    end = said.get("end_time")
    return {
        "id": row.local_id,
        "session_id": str(said.get("session_id", "")),
        "team_id": row.team_id,
        "title": str(said.get("title", "")),
        "user_id": whose,
        "display_name": names.get(whose),
        "mine": whose == user_id,
        "start_time": str(said.get("start_time", "")),
        "end_time": None if end is None else str(end),
        "planned_minutes": int(said.get("planned_duration_minutes") or 0),
        "seconds": said.get("actual_duration_seconds"),
        "completed": bool(said.get("completed")),
        "findings": _findings(said),
    }


def _objects(value: object) -> list[dict[str, Any]]:
    """Return what of a list from somebody else is an object."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def tell_activity(
    team_id: str, sessions: Sequence[EntityRow], members: Sequence[doc.MemberHead]
) -> doc.TeamActivity:
    """Return what a team did, by the sessions that were shared with it."""
    names = names_of(members)
    by_user: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in sessions:
        by_user[str(row.document.get("user_id", ""))].append(row.document)
    newest = sorted(sessions, key=lambda row: str(row.document.get("start_time")), reverse=True)
    return doc.TeamActivity(
        team_id=team_id,
        total_sessions=len(sessions),
        total_focus_hours=sum(_hours(row.document) for row in sessions),
        active_members=len(by_user),
        members=sorted(
            (
                doc.MemberActivity(
                    user_id=user_id,
                    display_name=names.get(user_id),
                    sessions=len(theirs),
                    hours=sum(map(_hours, theirs)),
                    findings=sum(map(_findings, theirs)),
                )
                for user_id, theirs in by_user.items()
            ),
            key=lambda each: (-each.hours, each.user_id),
        ),
        recent_sessions=[_recent(row, names) for row in newest[:RECENT_MAX]],
    )


def _recent(row: EntityRow, names: Mapping[str, str]) -> doc.RecentSession:
    said = row.document
    user_id = str(said.get("user_id", ""))
    return doc.RecentSession(
        id=row.local_id,
        title=str(said.get("title", "")),
        user_id=user_id,
        display_name=names.get(user_id),
        start_time=str(said.get("start_time", "")),
        duration_minutes=int(said.get("planned_duration_minutes") or 0),
        seconds=said.get("actual_duration_seconds"),
        completed=bool(said.get("completed")),
        findings=_findings(said),
    )


def _hours(session: Mapping[str, Any]) -> float:
    return float(session.get("actual_duration_seconds") or 0) / _SECONDS_PER_HOUR


def _findings(session: Mapping[str, Any]) -> int:
    notes = session.get("notes")
    return len(notes) if isinstance(notes, list) else 0


def _copied(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if document is None else dict(document)
