"""The documents of teams. Times are RFC 3339 UTC with nanoseconds, ids UUIDs. Light install."""

from __future__ import annotations

from typing import Any

import msgspec


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What waits (of it `in_flight` is on its way), what was set aside, what was sent so far."""

    pending: int
    in_flight: int
    failed: int
    synced: int
    oldest_pending_at: str | None


class RoundReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one round of the sync did. `outcome`: done, offline, paused or failed."""

    began_at: str
    ended_at: str
    outcome: str
    sent: int
    failed: int
    pulled: int
    conflicts: int
    error: str | None


class AccountHead(msgspec.Struct, frozen=True, kw_only=True):
    """A server and a user of it."""

    id: str
    server: str
    user_id: str
    email: str
    current: bool


class TeamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How things stand with the team's server.

    `link` is online, offline, paused or unknown; `live` that it tells of changes as they happen.
    `tokens` says how they are kept: keyring, file or memory. `conflicts` were not looked at yet;
    `conflicts_dropped` were so old and so many that they were forgotten, without anybody's look.
    """

    connected: bool
    server: str | None
    user: str | None
    team_id: str | None
    team: str | None
    link: str
    live: bool
    tokens: str
    pause: str | None
    queue: QueueCounts
    conflicts: int
    last_round: RoundReport | None
    accounts: list[AccountHead]
    conflicts_dropped: int = 0


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Who the server knows us as; never a token."""

    account: str
    server: str
    api: str
    user_id: str
    email: str
    expires_in_seconds: float | None
    tokens: str


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync came to: `synced` went out in it, `failed` and `pending` are what is left."""

    synced: int
    failed: int
    pending: int
    pulled: int
    conflicts: int
    outcome: str
    error: str | None


class TeamHead(msgspec.Struct, frozen=True, kw_only=True):
    """A team. `role` is one's own in it; `consents` are the kinds that may be shared with it."""

    id: str
    name: str
    role: str | None
    members: int
    chosen: bool
    consents: list[str]
    sync_status: str


class TeamList(msgspec.Struct, frozen=True, kw_only=True):
    """The teams that one belongs to, by name."""

    teams: list[TeamHead]
    count: int


class MemberHead(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a team; `id` is the user's, as the integration documents it."""

    id: str
    member_id: str
    email: str
    display_name: str | None
    role: str
    joined_at: str


class MemberList(msgspec.Struct, frozen=True, kw_only=True):
    """Members: owners, admins, then who joined first. `as_of_last_sync` when the server is away."""

    team_id: str
    members: list[MemberHead]
    count: int
    as_of_last_sync: bool


class InviteHead(msgspec.Struct, frozen=True, kw_only=True):
    """A way into a team. `code` is told once, to whoever made it."""

    id: str
    team_id: str
    role: str
    expires_at: str
    uses: int
    uses_max: int
    revoked: bool
    code: str | None = None


class InviteList(msgspec.Struct, frozen=True, kw_only=True):
    """The invites of a team, the newest first."""

    invites: list[InviteHead]
    count: int


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """The team that one came into."""

    team_id: str
    name: str | None


class RecentSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session of a team. `duration_minutes` is what was planned, `seconds` what it took."""

    id: str
    title: str
    user_id: str
    display_name: str | None
    start_time: str
    duration_minutes: int
    seconds: int | None
    completed: bool
    findings: int


class TeamSessionHead(msgspec.Struct, frozen=True, kw_only=True):
    """A session that somebody shared. `session_id` is its id where it was worked, `mine` whose."""

    id: str
    session_id: str
    team_id: str
    title: str
    user_id: str
    display_name: str | None
    mine: bool
    start_time: str
    end_time: str | None
    planned_minutes: int
    seconds: int | None
    completed: bool
    findings: int


class TeamSession(TeamSessionHead, frozen=True, kw_only=True):
    """A shared session whole: `notes` and `links` are documents of a session's, oldest first."""

    notes: list[dict[str, Any]]
    links: list[dict[str, Any]]


class TeamSessionList(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions that were shared with a team, the newest first."""

    sessions: list[TeamSessionHead]
    count: int
    total: int
    truncated: bool


class MemberActivity(msgspec.Struct, frozen=True, kw_only=True):
    """What one member did."""

    user_id: str
    display_name: str | None
    sessions: int
    hours: float
    findings: int


class TeamActivity(msgspec.Struct, frozen=True, kw_only=True):
    """What a team did, by the sessions that were shared with it."""

    team_id: str
    total_sessions: int
    total_focus_hours: float
    active_members: int
    members: list[MemberActivity]
    recent_sessions: list[RecentSession]


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What is shared: `id` is that of the shared copy, the same on every machine."""

    id: str
    team_id: str
    kind: str
    sync_status: str


class QueryHead(msgspec.Struct, frozen=True, kw_only=True):
    """A saved query of a team."""

    id: str
    team_id: str
    name: str
    language: str
    query: str
    description: str
    sync_status: str


class QueryList(msgspec.Struct, frozen=True, kw_only=True):
    """The saved queries of a team, by name."""

    queries: list[QueryHead]
    count: int


class QueuedOperation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation, and why it is not sent yet: `error` is what came of the last try.

    One that is `in_flight` was sent, and its answer has not come.
    """

    op_id: str
    entity_type: str
    entity_id: str
    operation: str
    team_id: str
    created_at: str
    tries: int
    next_attempt_at: str | None
    error: str | None
    in_flight: bool = False


class OperationList(msgspec.Struct, frozen=True, kw_only=True):
    """Operations, those on their way first, then in the order in which they would be sent.

    Of those set aside, the last first.
    """

    operations: list[QueuedOperation]
    count: int
    total: int
    truncated: bool


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """How many operations that was."""

    count: int


class ConflictHead(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions that met. `winner`: local, remote or merged; `fields` lost somebody's change.

    A side that was deleted is null.
    """

    id: str
    entity_type: str
    entity_id: str
    team_id: str
    strategy: str
    winner: str
    fields: list[str]
    base: dict[str, Any] | None
    local: dict[str, Any] | None
    remote: dict[str, Any] | None
    outcome: dict[str, Any] | None
    local_at: str
    remote_at: str
    created_at: str
    resolved_at: str | None
    resolution: str | None


class ConflictList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Conflicts, the last first; `total` are those that nobody looked at."""

    conflicts: list[ConflictHead]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class RoundList(msgspec.Struct, frozen=True, kw_only=True):
    """Rounds of the sync, the last first."""

    rounds: list[RoundReport]
    count: int
