"""What may be asked of the tree: parameters of REST and flags of the CLI have these names.

Times follow the one grammar of `clew.base.times`; durations such as ``30s`` may be bare seconds.
`next` is a cursor from the answer before, with the same filters. An app is named by its id.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from clew.tree.frames.fields import (
    TOKEN_CHARS_MAX,
    TOKEN_CHARS_MIN,
    Action,
    AppName,
    CorrelationId,
    Name,
    Names,
    Reason,
    null,
)
from clew.tree.machine.app import Orphans, Tier
from clew.tree.machine.options import GRACE_MS, KILL_AFTER_MS

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 10_000
"""As for every list of the REST door: a tree of that many apps is drawn from one page."""

TTL_MS_DEFAULT: Final = 300_000
"""How long a command waits for a target that is away: a restart, or a laptop that sleeps."""

TTL_MS_MAX: Final = 7 * 86_400_000
"""A device may be away for days; what is older than a week was meant for another world."""

GRACE_MS_MAX: Final = 3_600_000
"""Nobody waits longer than an hour for a clean-up; while it lasts the subtree is frozen."""

START_DEADLINE_S_MAX: Final = 7 * 86_400
"""A job may wait in a queue for days."""

RESUME_WINDOW_MS_MAX: Final = 86_400_000
"""A day, for devices that sleep."""

ANNOTATION_BYTES_MAX: Final = 16 << 10
"""The tags, or the originator, of a child: they are in memory for as long as it lives."""

StatusName = Literal[
    "scheduled",
    "connected",
    "running",
    "reconnecting",
    "lost_contact",
    "done",
    "error",
    "crashed",
    "cancelled",
    "start_failed",
]
Kind = Literal["transition", "message", "command", "crash", "denied"]


class PageParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a list."""

    limit: int = LIMIT_DEFAULT
    next: str | None = None


class AppQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which apps: all that is given holds.

    `within` is an app with all that is below it, `parent_id` the parent alone. `text` is a part of
    the name, or how the id begins or ends. `active` leaves trees out in which nothing lives and
    nothing has ended since (``15m``). `order` is by age, the newest first, or as a tree: each app
    before what is below it.
    """

    namespace: str | None = None
    status: list[StatusName] = []
    parent_id: str | None = None
    within: str | None = None
    name: str | None = None
    role_ref: str | None = None
    text: str | None = None
    active: str | None = None
    order: Literal["newest", "tree"] = "newest"


class ChildQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which children, or with `recursive` everything below: each app before what is below it."""

    recursive: bool = False
    status: list[StatusName] = []


class MessageQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages of an app, the newest first."""

    type: Literal["Status", "Result", "Error"] | None = None


class CrashQuery(PageParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which crashes, the newest first; `within` as in `AppQuery`."""

    since: str | None = None
    namespace: str | None = None
    app_id: str | None = None
    within: str | None = None


class ChildGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Roles that somebody has for one app and what is below it.

    `expires_at` is a time; a number is Unix seconds or finer units, told by its size.
    """

    sub: str
    roles: list[str]
    expires_at: str | int | None = None


JoinToken = Annotated[
    str,
    msgspec.Meta(
        pattern="^[A-Za-z0-9_-]+$", min_length=TOKEN_CHARS_MIN, max_length=TOKEN_CHARS_MAX
    ),
]
"""As many characters as 32 random bytes take in Base64 for addresses, or more."""


class NewChild(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A child that is about to be started; without `parent_id` it is the root of a new tree.

    `app_id` is a UUID of the caller's choosing, for callers that may have to ask again; else the
    server makes one. `start_deadline` is in seconds. `sec_level` is the tier at which it proves
    who it is, never less than the server's own. `role_refs` are its parent's unless given.
    `join_token` is a secret of the caller's choosing, 32 random bytes: who may have to ask again
    has it even if the answer was lost; else the server makes one, and tells it once.
    """

    app_name: AppName
    app_id: str | None = None
    join_token: JoinToken | None = None
    parent_id: str | None = None
    sec_level: Tier = Tier.OPEN
    start_deadline: Annotated[int, msgspec.Meta(ge=1, le=START_DEADLINE_S_MAX)] | None = None
    resume_window_ms: Annotated[int, msgspec.Meta(ge=0, le=RESUME_WINDOW_MS_MAX)] | None = None
    orphans: Orphans | None = None
    role_refs: Names | None = None
    grants: list[ChildGrant] = []
    originator: Any = None
    tags: Any = None


class NewCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command of an app's own vocabulary, with any JSON value as its payload.

    With `cascade` it goes to all live apps below as well, as far as they match: `name_filter` is a
    pattern of names (``worker-*``), `status_filter` a status. `ttl_ms` is how long it waits for
    who is away. `correlation_id` is the header `Idempotency-Key`: the same command with the same
    id is given once.
    """

    action: Action
    payload: msgspec.Raw = msgspec.field(default_factory=null)
    ttl_ms: Annotated[int, msgspec.Meta(ge=1, le=TTL_MS_MAX)] = TTL_MS_DEFAULT
    cascade: bool = False
    name_filter: Name | None = None
    status_filter: StatusName | None = None
    correlation_id: CorrelationId | None = None


class WaitParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait for the end: ``10s``, bare seconds, ``true`` for as long as it may take."""

    wait: str | None = None


class CancelParameters(WaitParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to cancel: `cascade` reaches everything below, but for `detached` apps.

    `kill_after_ms` is between TERM and KILL, for what has an agent and lives after its grace.
    """

    cascade: bool = False
    grace_ms: Annotated[int, msgspec.Meta(ge=0, le=GRACE_MS_MAX)] = GRACE_MS
    kill_after_ms: Annotated[int, msgspec.Meta(ge=0, le=GRACE_MS_MAX)] = KILL_AFTER_MS
    reason: Reason = ""
    include_detached: bool = False


class WatchParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to hear of: all that is given holds. `after` is the id of the last event heard.

    `within` is an app with all that is below it, `parent_id` its children, `app_id` single apps.
    Without `after` the feed begins with what happens next; 0 is everything that is kept.
    """

    namespace: str | None = None
    app_id: list[str] = []
    parent_id: str | None = None
    within: str | None = None
    kind: list[Kind] = []
    after: str | None = None
