"""What the tree knows of one app: the record that every decision is made from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec


class Status(StrEnum):
    """Where an app is in its life (the names of TRAILS)."""

    SCHEDULED = "scheduled"
    CONNECTED = "connected"
    RUNNING = "running"
    RECONNECTING = "reconnecting"
    LOST_CONTACT = "lost_contact"
    DONE = "done"
    ERROR = "error"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    START_FAILED = "start_failed"


TERMINAL: Final = frozenset(
    {Status.DONE, Status.ERROR, Status.CRASHED, Status.CANCELLED, Status.START_FAILED}
)
"""`lost_contact` is none of them: such an app may return at any time."""

LIVE: Final = frozenset(Status) - TERMINAL


class Tier(StrEnum):
    """How an app shows who it is (`secLevel` of TRAILS)."""

    OPEN = "open"
    SIGNED = "signed"
    FULL = "full"


class OrphanPolicy(StrEnum):
    """What becomes of an app when its parent ends."""

    ADOPT = "adopt"
    REQUEST_CANCEL = "request_cancel"
    TERMINATE = "terminate"
    WAIT = "wait"


class Orphans(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The orphan policies of one app, by how its parent ended.

    `wait` is possible for `done` alone: the parent's end is held back until this app has ended. An
    app that is `detached` stays out of its ancestors' cancels unless they say otherwise.
    """

    done: OrphanPolicy = OrphanPolicy.ADOPT
    error: OrphanPolicy = OrphanPolicy.REQUEST_CANCEL
    crashed: OrphanPolicy = OrphanPolicy.REQUEST_CANCEL
    detached: bool = False


class App(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One app as it stands. Times are Unix nanoseconds on the server's clock.

    `path` are the ids from the root down to the app itself. `version` counts the changes of the
    record: a change is kept only over the version that it was made from (compare-and-set). `epoch`
    is 0 before the first registration; `seq` is the highest number of a message of this epoch that
    was kept. `reason` and `actor` tell of the last transition: a word such as ``connection_drop``,
    and who caused it. `before` is the status that a return brings back while the app is
    `reconnecting`, `lost_contact` or `crashed`. `deadline` is when the server acts by itself: a
    start that did not come, a window that is over, and for a crashed app when it provides for its
    children after all; None when it waits for nothing. `confirmed`
    tells, of a cancelled app, whether its end was witnessed. `adopted_from` is the first parent of
    an app that got another one: what it says when it joins. `held` is how an app has ended already
    whose end is held back by children that it has to wait for. `cancel_id` is the correlation id of
    the cancel that ended it: an app that was out of reach then gets it on its return.

    There are many, and none refers to itself: the collector leaves them alone.
    """

    app_id: str
    parent_id: str | None
    app_name: str
    path: tuple[str, ...]
    status: Status
    version: int = 1
    epoch: int = 0
    seq: int = 0
    agent_seq: int = 0
    tier: Tier = Tier.OPEN
    pub_key: str | None = None
    token_hash: str | None = None
    token_expires_at: int | None = None
    reason: str = ""
    actor: str = ""
    before: Status | None = None
    held: Status | None = None
    adopted_from: str | None = None
    cancel_id: str | None = None
    deadline: int | None = None
    confirmed: bool = False
    start_deadline_s: int = 300
    resume_window_ms: int | None = None
    orphans: Orphans = Orphans()
    role_refs: tuple[str, ...] = ()
    originator: Any = None
    tags: Any = None
    process: Any = None
    agent: Any = None
    exit_code: int | None = None
    snapshot_seq: int | None = None
    scheduled_at: int = 0
    connected_at: int | None = None
    started_at: int | None = None
    disconnected_at: int | None = None
    ended_at: int | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether its life is over."""
        return self.status in TERMINAL

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or has said its end and is only held back."""
        return self.status in TERMINAL or self.held is not None

    @property
    def depth(self) -> int:
        """How many ancestors it has."""
        return len(self.path) - 1
