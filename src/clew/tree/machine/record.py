"""A kept command for one app: what the registry hands back when the machine needs to see it."""

from __future__ import annotations

import msgspec


class CommandRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `changes.CommandAdded` as it stands after all `changes.CommandChanged` of it.

    `changed_at` is the time of the newest of these changes, or `at`.
    """

    correlation_id: str
    app_id: str
    root_id: str
    kind: str
    action: str
    payload: bytes
    requested_by: str
    auth_domain: str
    at: int
    expires_at: int
    status: str
    changed_at: int
    grace_ms: int | None = None
    phase: str | None = None
    confirmed: bool = False
    cascade: bool = False
    result: bytes | None = None
    error: str | None = None
