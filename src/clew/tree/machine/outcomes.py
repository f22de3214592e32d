"""What a caller hears of what it asked."""

from __future__ import annotations

import msgspec

from clew.tree.machine.app import App


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


class Scheduled(Outcome, frozen=True, kw_only=True):
    """A child is announced. `token` is its join token.

    None when it was announced before, and not with that token.
    """

    app: App
    token: str | None
    is_new: bool


class Unscheduled(Outcome, frozen=True, kw_only=True):
    """A child is taken back."""

    app: App


class Retired(Outcome, frozen=True, kw_only=True):
    """Which apps are removed."""

    app_ids: tuple[str, ...]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a command or a cancel came to for one app."""

    app_id: str
    status: str
    """Of the command: accepted, sent, done, failed, expired, cancelled."""
    app_status: str
    phase: str | None = None
    confirmed: bool = False
    result: bytes | None = None
    error: str | None = None


class Issued(Outcome, frozen=True, kw_only=True):
    """A command or a cancel: is it over, and what came of it for each target, the root first."""

    correlation_id: str
    kind: str
    action: str
    is_over: bool
    targets: tuple[Target, ...]
