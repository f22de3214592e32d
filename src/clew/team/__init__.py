"""The team strand: what people and agents found out, kept where all of them see it.

The names of the public interface come from here (`from clew.team import SyncQueue`) and are
imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.team.entities.comment import SharedComment as Comment
    from clew.team.entities.comment import Subject
    from clew.team.entities.entity import SyncableEntity, utc_now
    from clew.team.entities.member import Member, Role
    from clew.team.entities.query import QueryLanguage, SavedQuery
    from clew.team.entities.session import SharedSession, SyncStatus
    from clew.team.entities.team import Team, new_invite_code, parse_invite_code
    from clew.team.errors import (
        AuthError,
        ConflictError,
        DeniedError,
        NetworkError,
        NotFoundError,
        RateLimitError,
        ServerError,
        SyncError,
        TeamError,
        ValidationError,
    )
    from clew.team.integration import (
        clear_failed_syncs,
        connect_team,
        disconnect_team,
        get_sync_status,
        get_team_activity,
        get_team_members_sync,
        retry_failed_syncs,
        share_session,
        sync_with_team,
    )
    from clew.team.ledger.syncqueue import AsyncSyncQueue, SyncQueue
    from clew.team.merging.operation import SyncOperationType
    from clew.team.merging.strategy import ConflictStrategy, resolve_conflict
    from clew.team.trailbase.blocking import TrailBaseClient
    from clew.team.trailbase.client import AsyncTrailBaseClient
    from clew.team.trailbase.login import Credentials

__all__ = [
    "AsyncSyncQueue",
    "AsyncTrailBaseClient",
    "AuthError",
    "Comment",
    "ConflictError",
    "ConflictStrategy",
    "Credentials",
    "DeniedError",
    "Member",
    "NetworkError",
    "NotFoundError",
    "QueryLanguage",
    "RateLimitError",
    "Role",
    "SavedQuery",
    "ServerError",
    "SharedSession",
    "Subject",
    "SyncError",
    "SyncOperationType",
    "SyncQueue",
    "SyncStatus",
    "SyncableEntity",
    "Team",
    "TeamError",
    "TrailBaseClient",
    "ValidationError",
    "clear_failed_syncs",
    "connect_team",
    "disconnect_team",
    "get_sync_status",
    "get_team_activity",
    "get_team_members_sync",
    "new_invite_code",
    "parse_invite_code",
    "resolve_conflict",
    "retry_failed_syncs",
    "share_session",
    "sync_with_team",
    "utc_now",
]

_HOMES: Final = {
    "AsyncSyncQueue": "clew.team.ledger.syncqueue",
    "AsyncTrailBaseClient": "clew.team.trailbase.client",
    "AuthError": "clew.team.errors",
    "Comment": "clew.team.entities.comment",
    "ConflictError": "clew.team.errors",
    "ConflictStrategy": "clew.team.merging.strategy",
    "Credentials": "clew.team.trailbase.login",
    "DeniedError": "clew.team.errors",
    "Member": "clew.team.entities.member",
    "NetworkError": "clew.team.errors",
    "NotFoundError": "clew.team.errors",
    "QueryLanguage": "clew.team.entities.query",
    "RateLimitError": "clew.team.errors",
    "Role": "clew.team.entities.member",
    "SavedQuery": "clew.team.entities.query",
    "ServerError": "clew.team.errors",
    "SharedSession": "clew.team.entities.session",
    "Subject": "clew.team.entities.comment",
    "SyncError": "clew.team.errors",
    "SyncOperationType": "clew.team.merging.operation",
    "SyncQueue": "clew.team.ledger.syncqueue",
    "SyncStatus": "clew.team.entities.session",
    "SyncableEntity": "clew.team.entities.entity",
    "Team": "clew.team.entities.team",
    "TeamError": "clew.team.errors",
    "TrailBaseClient": "clew.team.trailbase.blocking",
    "ValidationError": "clew.team.errors",
    "clear_failed_syncs": "clew.team.integration",
    "connect_team": "clew.team.integration",
    "disconnect_team": "clew.team.integration",
    "get_sync_status": "clew.team.integration",
    "get_team_activity": "clew.team.integration",
    "get_team_members_sync": "clew.team.integration",
    "new_invite_code": "clew.team.entities.team",
    "parse_invite_code": "clew.team.entities.team",
    "resolve_conflict": "clew.team.merging.strategy",
    "retry_failed_syncs": "clew.team.integration",
    "share_session": "clew.team.integration",
    "sync_with_team": "clew.team.integration",
    "utc_now": "clew.team.entities.entity",
}

_NAMES: Final = {"Comment": "SharedComment"}
"""What is called otherwise at home."""


def __getattr__(name: str) -> object:
    """Return what is imported when it is first used.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'clew.team' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), _NAMES.get(name, name))
