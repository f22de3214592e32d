"""What may be asked of access, and set in one: REST parameters and CLI flags have these names."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from clew.access.documents import RoleGrant

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 10_000
"""As for every list of the REST door."""

RoleName = Literal["reader", "writer", "operator", "admin"]


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made. `app_id` binds it to the subtree of an app.

    It is valid for ever, for a time (`expires_in`: ``30d``), or until a moment (`expires_at`).
    """

    name: str
    role: RoleName
    app_id: str | None = None
    expires_in: str | None = None
    expires_at: str | None = None


class KeyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys: the live ones, or all that there ever were."""

    state: Literal["live", "all"] = "live"
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class NewRoleRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A role ref to be made."""

    name: str
    grants: list[RoleGrant]
    description: str = ""
    namespace_scope: str | None = None
    assignable: bool = False


class RoleRefEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a role ref is from now on, all of it."""

    grants: list[RoleGrant]
    description: str = ""
    namespace_scope: str | None = None
    assignable: bool = False


class RoleRefQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of role refs, or of the changes of one."""

    limit: int = LIMIT_DEFAULT
    next: str | None = None


class NewGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Roles for one app to be given to a subject: ``key:ci``, ``app:…``.

    With `cascade` they hold for all below the app as well. They count for ever, for a time
    (`expires_in`: ``2h``), or until a moment (`expires_at`).
    """

    app_id: str
    sub: str
    roles: list[str]
    cascade: bool = True
    expires_in: str | None = None
    expires_at: str | None = None


class GrantQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which grants: all that is given holds. What has expired is not told."""

    app_id: str | None = None
    sub: str | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class NewRevokedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A public key of apps that is to count no more: itself, or that of an app; and why."""

    pub_key: str | None = None
    app_id: str | None = None
    reason: str = ""


class RevokedKeyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of revoked public keys."""

    limit: int = LIMIT_DEFAULT
    next: str | None = None


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries of the audit log. Times follow the one grammar; `last` excludes the others."""

    last: str | None = None
    start: str | None = None
    end: str | None = None
    caller: str | None = None
    action: str | None = None
    app_id: str | None = None
    allowed: bool | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None
