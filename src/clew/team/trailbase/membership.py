"""Who is in a team, what they did, and how one comes in: what is asked beside the sync. Light.

Whoever is invited knows a code and may read nothing yet. So they write a row that names the code,
and the server's triggers do the rest: a try that is refused changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_MS
from clew.team.entities.codec import decode_entity
from clew.team.entities.member import Member, Role
from clew.team.entities.team import Team, new_invite_code, parse_invite_code
from clew.team.errors import (
    ConflictError,
    DeniedError,
    NetworkError,
    NotFoundError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.trailbase.documented import ACTIVITY, DocumentedServer
from clew.team.trailbase.filters import LIMIT_MAX, Op, Where
from clew.team.trailbase.layout import filter_id, moment_ns
from clew.team.trailbase.tokens import uuid_of

if TYPE_CHECKING:
    from typing import TypeVar

    from clew.team.entities.entity import SyncableEntity
    from clew.team.trailbase.contract import TeamServer
    from clew.team.trailbase.server import RecordsServer

    Entity = TypeVar("Entity", bound=SyncableEntity)

INVITE_S_DEFAULT: Final = 7 * 24 * 60 * 60
"""A week: a person on holiday finds it still, and one that was forgotten does not stay for ever."""

INVITE_S_MAX: Final = 90 * 24 * 60 * 60
INVITE_USES_MAX: Final = 1000
"""As the server's rules have them."""

RECENT_MAX: Final = 10
"""Sessions that an activity names, as the integration documents it."""

_RANKS: Final = {Role.OWNER: 0, Role.ADMIN: 1, Role.MEMBER: 2}


@dataclass(frozen=True, slots=True)
class Invite:
    """A way into a team. Whoever has `code` may use it, so it is not shown by accident.

    `expires_at` is Unix nanoseconds by the server's clock.
    """

    invite_id: str
    team_id: str
    code: str = field(repr=False)
    role: Role
    expires_at: int
    uses: int
    uses_max: int
    revoked: bool = False
    version: int = 1


@dataclass(frozen=True, slots=True)
class Joined:
    """The team that somebody came into, and their membership of it."""

    team_id: str
    member_id: str


@dataclass(frozen=True, slots=True)
class RecentSession:
    """One session of a team's activity. `duration_minutes` is what was planned."""

    user_id: str
    display_name: str | None
    start_time: str
    duration_minutes: int
    completed: bool


@dataclass(frozen=True, slots=True)
class Activity:
    """What a team did. `truncated` where there are more sessions than hours were summed of."""

    total_sessions: int
    total_focus_hours: float
    active_members: int
    recent_sessions: tuple[RecentSession, ...]
    truncated: bool = False


async def read_teams(server: TeamServer) -> list[Team]:
    """Return the teams that we belong to, by name."""
    return sorted(await _entities(server, Team, ""), key=lambda team: (team.name, team.local_id))


async def read_members(server: TeamServer, team_id: str) -> list[Member]:
    """Return who is in a team: owners, then admins, then who joined first."""
    members = await _entities(server, Member, team_id)
    return sorted(members, key=lambda each: (_RANKS[each.role], each.joined_at, each.local_id))


async def _entities(server: TeamServer, kind: type[Entity], team_id: str) -> list[Entity]:
    entities: list[Entity] = []
    since, has_more = 0, True
    while has_more:
        page = await server.changes(kind.entity_type(), team_id, since)
        for remote in page.records:
            since = remote.seq
            if not remote.deleted:
                # What an API leaves out that it has no word for must not make it unreadable.
                known = {"last_modified": _moment(remote.updated_at), **remote.document}
                entities.append(
                    decode_entity(
                        kind,
                        {name: value for name, value in known.items() if value is not None},
                        local_id=remote.remote_id,
                        remote_id=remote.remote_id,
                    )
                )
        has_more = page.has_more and bool(page.records)
    return entities


async def create_invite(
    server: RecordsServer,
    team_id: str,
    *,
    role: Role = Role.MEMBER,
    expires_in_s: int = INVITE_S_DEFAULT,
    uses_max: int = 1,
) -> Invite:
    """Make a way into a team, which only its owners and admins may.

    Raises:
        ValidationError: it would live for more than 90 days, or be used more than 1000 times.
        DeniedError: we are neither, or invite somebody to a role that we may not give.
    """
    if not 0 < expires_in_s <= INVITE_S_MAX or not 0 < uses_max <= INVITE_USES_MAX:
        raise ValidationError("an invite lives for 90 days and is used 1000 times at the most")
    now = time.time_ns()
    # A moment less than the most: the rule measures by its own clock when it comes to it.
    ends_at = now + server.clock_offset_ns + int((expires_in_s - 2) * 1e9)
    invite = Invite(
        new_uuid(now),
        uuid_of(team_id),
        new_invite_code(),
        role,
        max(ends_at, now + server.clock_offset_ns + int(1e9)),
        0,
        uses_max,
    )
    await server.api("team_invites").create(
        {
            "id": invite.invite_id,
            "team_id": invite.team_id,
            "owner": server.door.session.user_id,
            "code": invite.code,
            "role": role.value,
            "expires_at": invite.expires_at // NS_PER_MS,
            "uses_max": uses_max,
            "op_id": new_uuid(now),
        }
    )
    return invite


async def read_invites(server: RecordsServer, team_id: str) -> list[Invite]:
    """Return the invites of a team, newest first, the revoked ones included."""
    found = await server.api("team_invites").list(
        Where("team_id", Op.EQ, filter_id(team_id)), order=["-server_seq"], limit=LIMIT_MAX
    )
    return [_invite(each) for each in found.records]


async def revoke_invite(server: RecordsServer, invite_id: str) -> None:
    """Take an invite back: nobody comes in by it any more.

    Raises:
        NotFoundError: there is none, or none of a team that we lead.
        ConflictError: somebody used or changed it in this moment; try again.
    """
    api = server.api("team_invites")
    try:
        invite = _invite(await api.get(invite_id))
    except (DeniedError, NotFoundError) as error:
        # By the rule of reading: it is not there, or not for us. The two look the same.
        raise NotFoundError(
            "there is no such invite of a team that you lead",
            hint="list them with: clew team invites",
            status=error.status,
        ) from error
    if invite.revoked:
        return
    try:
        change = {"deleted": 1, "erase": 1, "version": invite.version + 1}
        await api.update(invite_id, {**change, "op_id": new_uuid(time.time_ns())})
    except (DeniedError, ServerError) as error:
        if isinstance(error, ServerError) and error.status != 500:
            raise
        raise ConflictError("the invite has changed meanwhile", hint="look again") from error


async def join_team(
    server: RecordsServer, code: str, *, display_name: str | None = None, join_id: str = ""
) -> Joined:
    """Come into a team by a code.

    With the `join_id` of an earlier try, whose answer was lost, nothing happens twice.

    Raises:
        DeniedError: the code is wrong, expired, used up or revoked.
        ConflictError: we are a member already.
    """
    api = server.api("team_joins")
    record_id = join_id or new_uuid(time.time_ns())
    record = {
        "id": record_id,
        "owner": server.door.session.user_id,
        "_code": parse_invite_code(code),
        "display_name": display_name,
    }
    try:
        await api.create(record)
    except (TeamError, NetworkError) as error:
        if isinstance(error, NetworkError) and not error.may_have_happened:
            raise
        try:
            return _joined(await api.get(record_id))
        except (NotFoundError, DeniedError):
            raise _not_joined(error) from None
    return _joined(await api.get(record_id))


def _not_joined(error: TeamError) -> TeamError:
    match error:
        case DeniedError():
            return DeniedError(
                "the invite does not open the team: wrong, expired, used up or taken back",
                hint="ask an owner of the team for another: clew team invite",
                status=error.status,
            )
        case ValidationError() | ConflictError():
            return ConflictError("you are in this team already", status=error.status)
        case _:
            return error


async def read_activity(server: TeamServer, team_id: str) -> Activity:
    """Return what a team did, by the sessions that were shared with it."""
    if isinstance(server, DocumentedServer):
        document = (await server.ask("GET", ACTIVITY, pairs=[("limit", "20")])).document()
        return _documented_activity(document)
    api = _records(server).api("team_activity")
    found = await api.list(
        Where("team_id", Op.EQ, filter_id(team_id)),
        order=["-start_time"],
        limit=LIMIT_MAX,
        count=True,
    )
    total = len(found.records) if found.total is None else found.total
    return _activity(found.records, total)


def _records(server: TeamServer) -> RecordsServer:
    from clew.team.trailbase.server import RecordsServer

    if isinstance(server, RecordsServer):
        return server
    raise SyncError("this team's server has no such thing")


def _activity(records: list[dict[str, Any]], total: int) -> Activity:
    try:
        seconds = sum(int(each.get("actual_duration_seconds") or 0) for each in records)
        return Activity(
            total_sessions=total,
            total_focus_hours=seconds / 3600,
            active_members=len({str(each.get("owner") or each.get("user_id")) for each in records}),
            recent_sessions=tuple(_recent(each) for each in records[:RECENT_MAX]),
            truncated=total > len(records),
        )
    except (TypeError, ValueError, ValidationError) as error:
        raise SyncError("the server's activity is not as clew has it") from error


def _recent(record: dict[str, Any]) -> RecentSession:
    name, email = record.get("display_name"), record.get("email")
    user_id = record.get("owner")
    return RecentSession(
        user_id=uuid_of(str(user_id)) if user_id else str(record.get("user_id") or ""),
        display_name=str(name or str(email or "").partition("@")[0]) or None,
        start_time=str(record.get("start_time") or ""),
        duration_minutes=int(
            record.get("planned_duration_minutes") or record.get("duration_minutes") or 0
        ),
        completed=bool(record.get("completed")),
    )


def _documented_activity(document: Any) -> Activity:
    if isinstance(document, list) and all(isinstance(each, dict) for each in document):
        return _activity(document, len(document))
    if not isinstance(document, dict) or not isinstance(document.get("recent_sessions", []), list):
        raise SyncError("the server's activity is not as documented")
    try:
        return Activity(
            total_sessions=int(document.get("total_sessions") or 0),
            total_focus_hours=float(document.get("total_focus_hours") or 0.0),
            active_members=int(document.get("active_members") or 0),
            recent_sessions=tuple(
                _recent(dict(each)) for each in document.get("recent_sessions", [])[:RECENT_MAX]
            ),
        )
    except (TypeError, ValueError) as error:
        raise SyncError("the server's activity is not as documented") from error


def _invite(record: dict[str, Any]) -> Invite:
    try:
        return Invite(
            uuid_of(str(record["id"])),
            uuid_of(str(record["team_id"])),
            str(record["code"]),
            Role(record["role"]),
            moment_ns(record["expires_at"]),
            int(record["uses"]),
            int(record["uses_max"]),
            revoked=bool(record["deleted"]),
            version=int(record["version"]),
        )
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise SyncError("an invite is not as clew's tables have it") from error


def _joined(record: dict[str, Any]) -> Joined:
    try:
        return Joined(uuid_of(str(record["team_id"])), uuid_of(str(record["member_id"])))
    except (KeyError, ValidationError) as error:
        raise SyncError("the server did not say which team this is") from error


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
