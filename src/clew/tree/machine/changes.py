"""What must be kept before anybody hears of it: `clew.tree.registry` writes it, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from clew.tree.machine.app import App


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing to keep. No value refers to itself, so the collector need not look at any."""


class AppAdded(Change, frozen=True, kw_only=True):
    """A new app."""

    app: App


class AppChanged(Change, frozen=True, kw_only=True):
    """An app changed. Kept only where the kept record still has the version `over`.

    Several of one batch may be kept as one: the first one's `over`, the last one's `app`. `fields`
    are the names of those that may have changed besides `version`, none where that is not told:
    most changes are of a number, and need not write a whole record.
    """

    over: int
    app: App
    fields: tuple[str, ...] = ()


class AppRemoved(Change, frozen=True, kw_only=True):
    """An app that ended is forgotten, with everything that is kept of it.

    Kept only over the version `over`, as a change is.
    """

    app_id: str
    over: int


class MessageAdded(Change, frozen=True, kw_only=True):
    """A message to keep; one with the same app, epoch, source and seq is kept already or never.

    `is_late`: it belongs to an epoch that is over, or came after the app had ended; it changes
    nothing.
    """

    app_id: str
    epoch: int
    is_agent: bool
    seq: int
    msg_type: str
    payload: bytes
    at: int
    sent_at: int | None = None
    correlation_id: str | None = None
    is_late: bool = False


class CrashAdded(Change, frozen=True, kw_only=True):
    """A crash: ``connection_drop``, ``heartbeat_timeout``, ``never_started``, ``exit``."""

    app_id: str
    epoch: int
    at: int
    crash_type: str
    gap_ms: int
    details: bytes = b"{}"


class CrashRecovered(Change, frozen=True, kw_only=True):
    """The newest crash of this epoch turned out to be none: the app returned."""

    app_id: str
    epoch: int
    at: int


class CommandAdded(Change, frozen=True, kw_only=True):
    """A command for one app: one row for each target of a cascade, all with its correlation id.

    `root_id` is the app that the caller named. `kind` is ``command`` or ``cancel``. `phase` is of
    a cancel: ``scheduled``, ``cooperative``, ``term``, ``kill``, ``already_terminal``.
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
    grace_ms: int | None = None
    phase: str | None = None
    confirmed: bool = False
    is_late: bool = False
    cascade: bool = False


class CommandChanged(Change, frozen=True, kw_only=True):
    """A command went on: accepted, sent, done, failed, expired, cancelled."""

    correlation_id: str
    app_id: str
    status: str
    at: int
    result: bytes | None = None
    error: str | None = None
    phase: str | None = None
    confirmed: bool | None = None


class AuditAdded(Change, frozen=True, kw_only=True):
    """Who asked for what, and whether it was allowed: every command, and every denial."""

    at: int
    action: str
    app_id: str | None
    caller_kind: str
    caller: str
    is_allowed: bool
    detail: str
    cascade: bool = False
    correlation_id: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


class Happened(Change, frozen=True, kw_only=True):
    """An entry of the outbox: what watchers and the journal hear of, in the order of commits.

    `kind` is ``transition``, ``message``, ``command``, ``crash`` or ``denied``; `document` is JSON
    text of one of the documents of `clew.tree.machine.happenings`. `message` is given of one that
    may be kept already (its `epoch`, `is_agent` and `seq`): then it was told already, too.
    """

    at: int
    app_id: str
    path: tuple[str, ...]
    kind: str
    document: bytes
    message: tuple[int, bool, int] | None = None
