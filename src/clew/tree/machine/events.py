"""What happens to the tree: everything that `TreeMachine.handle` takes.

`link` numbers a socket, and never two in the life of a server. `ticket` numbers a caller that waits
for an answer (`effects.Answered`). What a door could check by itself, such as the form of a frame
or a signature, was checked before: `is_proved` says that a signature over the server's challenge by
the key in the frame was right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

# Named at run time: a default is made of it.
from clew.access.caller import NOWHERE, Origin
from clew.tree.machine.options import KILL_AFTER_MS

if TYPE_CHECKING:
    from clew.access.caller import Caller
    from clew.tree.machine.app import Orphans, Tier


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened. No value refers to itself, so the collector need not look at any."""


# From callers of REST, and from apps by their sockets (`issue` and `spawn` frames).


class Schedule(Event, frozen=True, kw_only=True):
    """A parent announces a child before it starts it. Repeating the very same one is no error.

    The answer is an `outcomes.Scheduled` with the join token, given once, or to who shows it.
    `token` is a fresh random token, made by the caller of the machine: the machine is pure.
    """

    ticket: int
    caller: Caller
    app_id: str
    parent_id: str | None
    app_name: str
    tier: Tier
    token: str
    start_deadline_s: int | None = None
    resume_window_ms: int | None = None
    orphans: Orphans | None = None
    role_refs: tuple[str, ...] | None = None
    originator: Any = None
    tags: Any = None


class Unschedule(Event, frozen=True, kw_only=True):
    """A parent takes back a child that has not started: `cancelled` at once."""

    ticket: int
    caller: Caller
    app_id: str


class Command(Event, frozen=True, kw_only=True):
    """A command for one app, or with `cascade` for all of its subtree that match the filter.

    `payload` is JSON text. It is kept before it is sent, waits for a target that is away until
    `ttl_ms` are over, and is answered with `outcomes.Issued` at once; `Await` waits for more.
    """

    ticket: int
    caller: Caller
    correlation_id: str
    app_id: str
    action: str
    payload: bytes
    ttl_ms: int
    cascade: bool = False
    name_filter: str | None = None
    status_filter: str | None = None


class Cancel(Event, frozen=True, kw_only=True):
    """Stop one app, or with `cascade` everything below it as well.

    `grace_ms` is until TERM, `kill_after_ms` from there until KILL.
    """

    ticket: int
    caller: Caller
    correlation_id: str
    app_id: str
    reason: str
    cascade: bool
    grace_ms: int
    kill_after_ms: int = KILL_AFTER_MS
    include_detached: bool = False


class Await(Event, frozen=True, kw_only=True):
    """Somebody wants to hear when a command or a cancel is over; answered with its outcomes."""

    ticket: int
    caller: Caller
    correlation_id: str


class Forget(Event, frozen=True, kw_only=True):
    """Whoever waited with this ticket has gone."""

    ticket: int


# From the sockets of apps.


class Register(Event, frozen=True, kw_only=True):
    """An app joins (`register`). `token` is the join token that it showed."""

    link: int
    app_id: str
    parent_id: str | None
    app_name: str
    pub_key: str
    is_proved: bool
    token: str | None = None
    process: Any = None
    role_refs: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()
    origin: Origin = NOWHERE


class Resume(Event, frozen=True, kw_only=True):
    """An app returns after its connection was lost (`re_register`)."""

    link: int
    app_id: str
    last_seq: int
    pub_key: str
    is_proved: bool
    epoch: int | None = None
    capabilities: frozenset[str] = frozenset()
    origin: Origin = NOWHERE


class Attach(Event, frozen=True, kw_only=True):
    """An agent says that it has started an app's process and will watch it (`attach`)."""

    link: int
    app_id: str
    token: str | None
    process: Any
    origin: Origin = NOWHERE


class Received(Event, frozen=True, kw_only=True):
    """A message of an app: `msg_type` is Status, Result or Error; `payload` is JSON text.

    `is_agent` tells that the agent speaks for the process; its messages are numbered apart.
    """

    link: int
    app_id: str
    msg_type: str
    seq: int
    payload: bytes
    sent_at: int | None = None
    correlation_id: str | None = None
    is_agent: bool = False


class Acked(Event, frozen=True, kw_only=True):
    """An app did what a command said, or tells why not (`control_ack`)."""

    link: int
    app_id: str
    correlation_id: str
    action: str
    ack: bool
    result: bytes | None = None
    error: str | None = None


class Left(Event, frozen=True, kw_only=True):
    """An app says goodbye (`disconnect`)."""

    link: int
    app_id: str
    reason: str


class Exited(Event, frozen=True, kw_only=True):
    """An agent saw the process of an app end (`exited`): with a code, or by a signal."""

    link: int
    app_id: str
    exit_code: int | None
    signal: int | None


class Dropped(Event, frozen=True, kw_only=True):
    """A socket is gone, and every app on it out of reach.

    `cause` is ``connection_drop``, ``heartbeat_timeout`` or ``slow_consumer``.
    """

    link: int
    cause: str


# From the server itself.


class Started(Event, frozen=True):
    """The server has just been started, over what an earlier one left: before the first socket."""


class Retire(Event, frozen=True, kw_only=True):
    """Apps that ended long ago may be removed, each with the version that was found of it.

    Answered by `outcomes.Retired` with those that are; the others are still needed, or have changed
    since.
    """

    ticket: int
    apps: tuple[tuple[str, int], ...]


class Tick(Event, frozen=True):
    """Time has passed: everything that is due now happens."""
