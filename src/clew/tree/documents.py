"""The documents of the tree. Times are RFC 3339 UTC with nanoseconds, ids lower-case hex.

Payloads are JSON, as the apps sent them. In lists of apps one that is larger than
`PAYLOAD_BYTES_MAX` is left out, and `payload_bytes` says so; the app's messages have it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

PAYLOAD_BYTES_MAX: Final = 4096
"""The largest payload within a list of apps, and within an event of the feed."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an app said last: its newest Status, or its Result or Error."""

    msg_type: str
    seq: int
    epoch: int
    at: str
    payload_bytes: int
    payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class AppCrash(msgspec.Struct, frozen=True, kw_only=True):
    """The newest crash of an app; `recovered_at` is set when it turned out to have been none."""

    crash_type: str
    epoch: int
    at: str
    gap_ms: int
    recovered_at: str | None


class App(msgspec.Struct, frozen=True, kw_only=True):
    """One app as it stands.

    `path` are the ids from the root down to the app. `reason` and `actor` tell of the last
    transition. `deadline` is when the server acts by itself. `confirmed` tells of a cancelled app
    whether its end was witnessed. `held` is how an app has ended whose end is held back by
    children. `result` is its Result or Error. `shard` is which server has it, where several were
    asked.
    """

    app_id: str
    parent_id: str | None
    app_name: str
    status: str
    epoch: int
    path: list[str]
    namespace: str | None
    reason: str
    actor: str
    confirmed: bool
    held: str | None
    exit_code: int | None
    sec_level: str
    role_refs: list[str]
    detached: bool
    originator: Any
    tags: Any
    scheduled_at: str
    connected_at: str | None
    started_at: str | None
    disconnected_at: str | None
    ended_at: str | None
    deadline: str | None
    last_snapshot: Said | None
    result: Said | None
    process: dict[str, Any]
    has_agent: bool
    crash: AppCrash | None
    shard: str | msgspec.UnsetType = msgspec.UNSET


class AppList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Apps in the order asked for."""

    apps: list[App]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of an app, or of the agent that watches its process (`source`).

    `late`: it came after the app's end, or belongs to an epoch that was over.
    """

    id: int
    app_id: str
    epoch: int
    source: str
    seq: int
    msg_type: str
    correlation_id: str | None
    payload: msgspec.Raw
    late: bool
    sent_at: str | None
    received_at: str


class MessageList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Messages of one app, the newest first."""

    messages: list[Message]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What an app said of its state."""

    id: int
    app_id: str
    epoch: int
    seq: int
    at: str
    payload: msgspec.Raw


class SnapshotList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Snapshots of one app, the newest first."""

    snapshots: list[Snapshot]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """A crash, and whether the app returned. `gap_ms` is how long it had not been heard of."""

    id: int
    app_id: str
    app_name: str
    path: list[str]
    epoch: int
    crash_type: str
    at: str
    gap_ms: int
    details: msgspec.Raw
    recovered_at: str | None


class CrashList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Crashes, the newest first."""

    crashes: list[Crash]
    count: int
    truncated: bool
    total: int | None = None
    at_least: int | None = None
    next: str | None = None


class ChildScheduled(msgspec.Struct, frozen=True, kw_only=True):
    """A child that is announced.

    `join_token` lets it register once and is told this once; `trails_info` is what to put into the
    environment of its process, with the token in it. Both are null when it was announced before,
    and the second when the server has no door for apps.
    """

    app: App
    created: bool
    join_token: str | None
    trails_info: str | None


class ChildCancelled(msgspec.Struct, frozen=True, kw_only=True):
    """A child that was taken back before it started."""

    app: App


class CommandTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a command came to for one app.

    `status` is accepted, sent, done, failed, expired or cancelled; `app_status` is the app's own.
    `ack` is what the app answered, null while it has not; `result` is JSON, null for none.
    """

    app_id: str
    app_name: str
    status: str
    app_status: str
    ack: bool | None
    result: msgspec.Raw
    error: str | None
    sent_at: str | None
    acked_at: str | None
    phase: str | None = None
    confirmed: bool | None = None


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command or a cancel: what was asked, and what came of it for each target, the root first.

    `over`: nothing of it is open any more.
    """

    correlation_id: str
    kind: str
    action: str
    app_id: str
    over: bool
    cascade: bool
    requested_by: str
    payload: msgspec.Raw
    created_at: str
    expires_at: str
    targets: list[CommandTarget]


class CancelOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one app.

    `status` is the app's own, `phase` how far the cancel had to go: ``scheduled``, ``cooperative``,
    ``term``, ``kill``, ``already_terminal``. `confirmed`: its end was witnessed.
    """

    app_id: str
    app_name: str
    status: str
    phase: str
    confirmed: bool


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel and every app's outcome, the root first; final once it is `over`.

    Of a cascade, what had ended before it comes last, those that ended lately first. Of the
    `ended_before` there may be more than are told: `left_out` is how many.
    """

    correlation_id: str
    over: bool
    outcomes: list[CancelOutcome]
    ended_before: int = 0
    left_out: int = 0


class WatchEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an app; `docs/reference/watch.md` tells the documents' fields."""

    id: int
    at: str
    kind: str
    app_id: str
    path: list[str]
    document: msgspec.Raw


class WatchReady(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="ready"):
    """The feed is open: everything after `id` comes."""

    id: int


class WatchTicket(msgspec.Struct, frozen=True, kw_only=True):
    """What opens the web socket of the feed once, until `expires_at`, for whoever asked for it."""

    ticket: str
    expires_at: str


class WatchLagged(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="lagged"):
    """Events from `from` to `to`, both included, are left out: read the apps anew."""

    id: int
    from_: int = msgspec.field(name="from")
    to: int
