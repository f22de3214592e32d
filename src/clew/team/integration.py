"""The documented integration as functions of Python, asked of a clew server. Light install.

They speak to the server of `CLEW_SERVER`, with the key of `CLEW_API_KEY`, as the command line does,
and return what the integration documents. All of them raise ClewError: UNAVAILABLE when no server
answers, NOT_FOUND when nobody is connected, FORBIDDEN without consent or with a wrong password.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict

from clew.remote.address import DEFAULT_SERVER
from clew.remote.http import Server
from clew.team.remote import TeamClient
from clew.team.teams import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.team.trailbase.login import Credentials


class ConnectedTeam(TypedDict):
    """Who the server knows us as. Tokens stay with the clew server, and are never told."""

    user_id: str
    email: str
    server_url: str
    expires_in: float | None


class TeamMember(TypedDict):
    """A member of a team; `id` is the user's."""

    id: str
    email: str
    display_name: str | None
    role: str
    joined_at: str


class SessionActivity(TypedDict):
    """A session that was shared. `duration_minutes` is what was planned."""

    user_id: str
    display_name: str | None
    start_time: str
    duration_minutes: int
    completed: bool


class Activity(TypedDict):
    """What a team did, by the sessions that were shared with it; the last ten are named."""

    total_sessions: int
    total_focus_hours: float
    active_members: int
    recent_sessions: list[SessionActivity]


class SyncStats(TypedDict):
    """What a sync sent, and what is left: set aside, and waiting."""

    synced: int
    failed: int
    pending: int


def connect_team(server_url: str, credentials: Credentials | Mapping[str, Any]) -> ConnectedTeam:
    """Become known to a team's server, and keep in step with it from now on.

    Args:
        server_url: HTTPS, but on the loopback.
        credentials: `email`, `password`, and `totp` where the account has a second factor.

    Raises:
        ClewError: FORBIDDEN when they are wrong; INVALID_ARGUMENT when a code is asked for.
    """
    if isinstance(credentials, Mapping):
        given = dict(credentials)
    else:
        given = {
            "email": credentials.email,
            "password": credentials.password,
            "totp": credentials.totp,
        }
    with _client() as client:
        known = client.connect(ask.NewConnection(server_url=server_url, **given)).document()
    return ConnectedTeam(
        user_id=known.user_id,
        email=known.email,
        server_url=known.server,
        expires_in=known.expires_in_seconds,
    )


def disconnect_team(*, force: bool = False) -> None:
    """Wipe tokens, queue and copies of the current account.

    Raises:
        ClewError: CONFLICT when something waits to be sent, unless it is given up by `force`.
    """
    with _client() as client:
        client.disconnect(ask.Disconnection(force=force))


def get_team_members_sync(team_id: str | None = None) -> list[TeamMember]:
    """Return who is in a team: owners, admins, then who joined first."""
    with _client() as client:
        found = client.members(ask.TeamQuery(team_id=team_id)).document().members
    return [
        TeamMember(
            id=each.id,
            email=each.email,
            display_name=each.display_name,
            role=each.role,
            joined_at=each.joined_at,
        )
        for each in found
    ]


def share_session(session_id: str, team_id: str | None = None) -> str:
    """Share a session with a team; return the id of the shared copy.

    Raises:
        ClewError: FORBIDDEN where nobody agreed to share sessions with the team.
    """
    with _client() as client:
        return client.share_session(session_id, ask.NewShare(team_id=team_id)).document().id


def get_team_activity(team_id: str | None = None) -> Activity:
    """Return what a team did."""
    with _client() as client:
        did = client.activity(ask.TeamQuery(team_id=team_id)).document()
    return Activity(
        total_sessions=did.total_sessions,
        total_focus_hours=did.total_focus_hours,
        active_members=did.active_members,
        recent_sessions=[
            SessionActivity(
                user_id=each.user_id,
                display_name=each.display_name,
                start_time=each.start_time,
                duration_minutes=each.duration_minutes,
                completed=each.completed,
            )
            for each in did.recent_sessions
        ],
    )


def sync_with_team() -> SyncStats:
    """Send and pull now. Without a network nothing is lost: it stays `pending`."""
    with _client() as client:
        done = client.sync().document()
    return SyncStats(synced=done.synced, failed=done.failed, pending=done.pending)


def get_sync_status() -> SyncStats:
    """Return what was sent lately, what was set aside and what waits; zeros for nobody."""
    with _client() as client:
        queue = client.status().document().queue
    return SyncStats(synced=queue.synced, failed=queue.failed, pending=queue.pending)


def retry_failed_syncs() -> int:
    """Let everything that was set aside begin anew; return how many that is."""
    with _client() as client:
        return client.retry(ask.OperationChoice()).document().count


def clear_failed_syncs() -> int:
    """Give up everything that was set aside; return how many that is."""
    with _client() as client:
        return client.clear(ask.OperationChoice()).document().count


@contextmanager
def _client() -> Iterator[TeamClient]:
    url = os.environ.get("CLEW_SERVER") or DEFAULT_SERVER
    with Server(url, api_key=os.environ.get("CLEW_API_KEY")) as server:
        yield TeamClient(server)
