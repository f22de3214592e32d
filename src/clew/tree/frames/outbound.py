"""Frames that the server sends to a client, or to the agent beside it.

Times are Unix milliseconds by the server's clock. A client of upstream's open tier reads
`registered`, `ack {seq}`, `error {code, message}` and `control`, and ignores the rest.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

# Names of types are read at run time: msgspec decodes by them.
from clew.tree.frames.fields import (
    Action,
    CorrelationId,
    Id,
    Key,
    Name,
    Number,
    Reason,
    Source,
    Token,
    null,
)

# An answer about more targets than a person reads; 1000 of them are 200 KiB. The whole list is at
# GET /api/v1/control/{correlation_id}.
ISSUED_TARGETS_MAX: Final = 1000


class ProcessSignal(StrEnum):
    """What an agent sends to the process group that it started."""

    TERM = "term"
    KILL = "kill"


class Outbound(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False
):
    """A frame of the server."""


class Challenge(Outbound, frozen=True, kw_only=True, tag="challenge"):
    """First on each socket in the tiers `signed` and `full`: the nonce that proofs must contain."""

    nonce: Token


class Kept(Outbound, frozen=True, kw_only=True):
    """A frame that says of something that it is durable.

    `copies` is how many servers have it, this one among them; left out where there is one. A client
    of upstream's reads no field that it does not know.
    """

    copies: Number | None = None


class Registered(Kept, frozen=True, kw_only=True, tag="registered"):
    """The app is in the tree, anew or again.

    `durable_seq` is the highest number of this epoch that is kept: the client sends again what is
    above it. `credit` is how many messages may be unacknowledged at a time. `recovered` tells that
    a crash was taken back.
    """

    app_id: Id
    server_pub_key: Key
    epoch: Number = 0
    session: Name = ""
    durable_seq: Number = 0
    credit: Number | None = None
    recovered: bool = False


class Ack(Kept, frozen=True, kw_only=True, tag="ack"):
    """The message `seq`, and all before it from the same source, are durable."""

    seq: Number
    app_id: Id | None = None
    source: Source = Source.APP


class Error(Outbound, frozen=True, kw_only=True, tag="error"):
    """A refusal; `code` is one of `clew.tree.frames.codes.FrameError`, and a client reads others.

    It carries what it is about: the app, and the command (or the child) or the message.
    """

    code: Name
    message: Reason
    app_id: Id | None = None
    correlation_id: CorrelationId | None = None
    seq: Number | None = None
    hint: Reason | None = None
    retry_after_ms: Number | None = None


class Control(Outbound, frozen=True, kw_only=True, tag="control"):
    """A command for an app; ``cancel`` among them, whose payload is a `CancelPayload`.

    `deadline_ms` is a moment on the server's clock, `deadline_in_ms` the same as time that is left,
    for clients whose clock differs.
    """

    action: Action
    correlation_id: CorrelationId
    payload: msgspec.Raw
    app_id: Id | None = None
    issued_at: Number | None = None
    deadline_ms: Number | None = None
    deadline_in_ms: Number | None = None
    sig: Key | None = None


class CancelPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of a cancel. `initiated_by` is an app's id or the name of a caller.

    `kill_after_ms` is the time between TERM and KILL, where it is not the usual one.
    """

    reason: Reason = ""
    cascade: bool = False
    initiated_by: Name = ""
    grace_ms: Number | None = None
    kill_after_ms: Number | None = None


class TargetReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a command or a cancel came to for one app (`clew.tree.machine.outcomes.Target`)."""

    app_id: Id
    status: Name
    app_status: Name
    phase: Name | None = None
    confirmed: bool = False
    result: msgspec.Raw = msgspec.field(default_factory=null)
    error: Reason | None = None


class Issued(Kept, frozen=True, kw_only=True, tag="issued"):
    """What became of a command or a cancel: said at once, and again when it is over.

    `targets` starts with the app that was named and holds `ISSUED_TARGETS_MAX` at the most;
    `targets_total` counts them all.
    """

    app_id: Id
    correlation_id: CorrelationId
    kind: Name
    action: Action
    is_over: bool
    targets: tuple[TargetReport, ...] = ()
    targets_total: Number | None = None


class Spawned(Kept, frozen=True, kw_only=True, tag="spawned"):
    """A child is announced. The token is None when it was announced before."""

    app_id: Id
    child_id: Id
    join_token: Token | None = None
    is_new: bool = True


class Attached(Kept, frozen=True, kw_only=True, tag="attached"):
    """The agent speaks for this app from now on."""

    app_id: Id


class Signal(Outbound, frozen=True, kw_only=True, tag="signal"):
    """The agent is to signal the process group of an app."""

    app_id: Id
    correlation_id: CorrelationId
    signal: ProcessSignal


class Notice(Outbound, frozen=True, kw_only=True, tag="notice"):
    """What became of a child of `app_id`: `kind` is ``transition`` or ``message``.

    `payload` is that of the child's message.
    """

    app_id: Id
    child_id: Id
    kind: Name
    status: Name
    reason: Reason | None = None
    at: Number | None = None
    msg_type: Name | None = None
    seq: Number | None = None
    payload: msgspec.Raw = msgspec.field(default_factory=null)


AnyOutbound = (
    Challenge | Registered | Ack | Error | Control | Issued | Spawned | Attached | Signal | Notice
)
