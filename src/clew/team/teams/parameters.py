"""What may be asked of teams, and sent: REST parameters and CLI flags have these names. Light."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1000

Shareable = Literal["sessions", "comments", "queries"]

TYPES_OF: Final = {
    "sessions": "shared_sessions",
    "comments": "comments",
    "queries": "saved_queries",
}
"""What a person calls the kinds that are shared, and what they are in the queue."""


class NewConnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Become known to a team's server. `totp` where the server asks for a one-time code."""

    server_url: str
    email: str
    password: str
    totp: str | None = None

    def __repr__(self) -> str:
        return f"NewConnection(server_url={self.server_url!r}, email={self.email!r})"


class Disconnection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Go away from a team's server: tokens, queue and copies are wiped here.

    What waits to be sent is lost by it, so it must be `force` where anything does. `account` is
    the id of an account, the current one when it is left out.
    """

    account: str | None = None
    force: bool = False


class AccountChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which account, and which team of it, is meant where none is named."""

    account: str | None = None
    team_id: str | None = None


class TeamQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of which team; the chosen one, or the only one, when it is left out."""

    team_id: str | None = None


class TeamSessionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of the sessions that were shared with a team: the newest `limit` of them."""

    team_id: str | None = None
    limit: int = LIMIT_DEFAULT


class NewTeam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team to be founded; whoever does is its owner."""

    name: str


class NewJoin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Come into a team by the code of an invite."""

    code: str
    display_name: str | None = None


class NewInvite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way into a team, for so long (``7d``) and so many."""

    team_id: str | None = None
    role: Literal["admin", "member"] = "member"
    expires_in: str = "7d"
    uses: int = 1


class RoleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another role for a member; the server decides whether that may be."""

    role: Literal["owner", "admin", "member"]
    team_id: str | None = None


class ConsentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be shared with a team, and what not any more. Each session is shared by itself."""

    team_id: str | None = None
    give: list[Shareable] = msgspec.field(default_factory=list)
    withdraw: list[Shareable] = msgspec.field(default_factory=list)


class NewShare(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Share a session, or a comment, with a team."""

    team_id: str | None = None


class NewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question worth keeping, for the whole team. One of the same name becomes this one."""

    name: str
    query: str
    language: str = "sql"
    description: str = ""
    team_id: str | None = None


class SyncAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing more is to be said."""


class QueueQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Operations that wait, or those that were set aside."""

    state: Literal["pending", "failed"] = "pending"
    limit: int = LIMIT_DEFAULT


class OperationChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operation, or all that were set aside."""

    op_id: str | None = None


class ConflictQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conflicts that nobody looked at yet, or all that are kept."""

    resolved: bool = False
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class ConflictResolution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a conflict.

    What the strategy made of it stays (`outcome`), or one side is taken, or a `document` that
    somebody merged by hand.
    """

    take: Literal["outcome", "local", "remote", "merged"]
    document: dict[str, Any] | None = None


class RoundQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many rounds of the sync."""

    limit: int = LIMIT_DEFAULT
