"""The documents of access. Times are RFC 3339 UTC with nanoseconds."""

from __future__ import annotations

from typing import Literal

import msgspec

KeyState = Literal["live", "expired", "revoked"]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, but for its secret. `app_id` is the app to whose subtree it is bound.

    `last_used_at` may be a minute behind.
    """

    id: str
    name: str
    role: str
    app_id: str | None
    state: KeyState
    created_at: str
    created_by: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None
    revoked_by: str | None


class KeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One key."""

    key: Key


class KeyCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new key; `api_key` is what its holder sends, and is told this once."""

    key: Key
    api_key: str


class KeyList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Keys, the newest first."""

    keys: list[Key]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class RoleGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The roles of one subject: ``key:ci``, a bare name, ``group:…`` or ``sa:…``."""

    sub: str
    roles: list[str]


class RoleRef(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of grants that apps list. It counts for apps of its namespace, if it has one.

    An app may list an `assignable` one by itself; others only when its parent lists them.
    """

    name: str
    description: str
    grants: list[RoleGrant]
    namespace_scope: str | None
    assignable: bool
    created_by: str
    created_at: str
    updated_at: str


class RoleRefAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One role ref, as it is kept after a write (before it, when it was removed)."""

    role_ref: RoleRef


class RoleRefList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Role refs by name."""

    role_refs: list[RoleRef]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class RoleRefChange(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a role ref, by whom: `created`, `updated` or `deleted`."""

    name: str
    action: str
    old_grants: list[RoleGrant] | None
    new_grants: list[RoleGrant] | None
    changed_by: str
    changed_at: str


class RoleRefHistory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The changes of a role ref, the newest first; they outlive it."""

    changes: list[RoleRefChange]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class AppGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Roles that one subject has for one app, and with `cascade` for all below it.

    It counts until `expires_at`; without, until it is removed.
    """

    id: str
    app_id: str
    sub: str
    roles: list[str]
    cascade: bool
    granted_by: str
    created_at: str
    expires_at: str | None


class AppGrantAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One grant, as it is kept after a write (before it, when it was removed)."""

    grant: AppGrant


class AppGrantList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Grants that count, the newest first."""

    grants: list[AppGrant]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class RevokedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key of apps that counts no more: nobody joins the tree or signs with it."""

    pub_key: str
    reason: str
    revoked_by: str
    revoked_at: str


class RevokedKeyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One public key, as it was revoked."""

    revoked_key: RevokedKey


class RevokedKeyList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Revoked public keys, the newest first."""

    revoked_keys: list[RevokedKey]
    count: int
    total: int
    truncated: bool
    next: str | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for what, and whether it was allowed.

    `auth_domain` is how the caller was known: `local`, `external` (a key), `tree` (an app),
    `server`, or `none` when it was not. `target` is what was asked for where it is no app.
    """

    id: str
    at: str
    action: str
    target: str | None
    app_id: str | None
    auth_domain: str
    caller_kind: str
    caller: str
    allowed: bool
    cascade: bool
    correlation_id: str | None
    detail: str
    source_ip: str | None
    user_agent: str | None


class AuditList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Entries, the newest first.

    `denials` were counted since the server started; of them, `unwritten` came too fast to be
    written one by one.
    """

    entries: list[AuditEntry]
    count: int
    truncated: bool
    denials: int
    unwritten: int
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class Whoami(msgspec.Struct, frozen=True, kw_only=True):
    """Who the server takes a caller for, and what it may do: `verbs` everywhere in its scope.

    `app_id` is the app to whose subtree a key is bound. Of an app, where it stands decides.
    """

    kind: str
    name: str
    verbs: list[str]
    app_id: str | None
