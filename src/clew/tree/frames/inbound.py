"""Frames that a client, or the agent beside it, sends to the server.

Numbers count from 1 in each epoch; times are Unix milliseconds by the client's clock. `start_day`
is TRAILS' partition hint (days since 2025-01-01 UTC); the server decides nothing by it. `sig` and
`nonce` are of the tiers `signed` and `full`: the signature covers the whole frame but for `sig`
(`clew.tree.frames.keys`), with the nonce of the server's challenge in it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

# Names of types are read at run time: msgspec decodes by them.
from clew.tree.frames.fields import (
    Action,
    AppName,
    CorrelationId,
    Id,
    Key,
    MessageKind,
    Name,
    Names,
    Number,
    ProcessText,
    Reason,
    Source,
    Token,
    null,
)
from clew.tree.machine.app import Orphans, Tier

CAN_HEAR_NOTICES: Final = "notices"
"""Capability: the client wants `notice` frames about its children."""


class ProcessInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a process says of itself. Nothing is decided by it, and no pid in it is ever signalled.

    `start_time` is in Unix milliseconds. `containment` is what an agent holds the process together
    with: ``cgroup`` or ``process_group``.
    """

    pid: Number | None = None
    ppid: Number | None = None
    uid: Number | None = None
    gid: Number | None = None
    hostname: ProcessText | None = None
    node_name: ProcessText | None = None
    pod_ip: ProcessText | None = None
    namespace: ProcessText | None = None
    start_time: Number | None = None
    executable: ProcessText | None = None
    containment: ProcessText | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a message is, its number and when it was sent."""

    msg_type: MessageKind
    timestamp: Number
    seq: Number
    correlation_id: CorrelationId | None = None


class Inbound(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False
):
    """A frame of the app `app_id`, which arrives in lower case whatever the client wrote."""

    app_id: Id
    start_day: Number | None = None
    nonce: Token | None = None
    sig: Key | None = None

    def __post_init__(self) -> None:
        """Write the id as the server does."""
        lower = self.app_id.lower()
        if lower != self.app_id:
            msgspec.structs.force_setattr(self, "app_id", lower)


class Register(Inbound, frozen=True, kw_only=True, tag="register"):
    """An app joins."""

    app_name: AppName
    child_pub_key: Key
    parent_id: Id | None = None
    process_info: ProcessInfo | None = None
    role_refs: Names = ()
    capabilities: Names = ()
    join_token: Token | None = None

    def __post_init__(self) -> None:
        """Write the ids as the server does."""
        super().__post_init__()
        if self.parent_id is not None:
            msgspec.structs.force_setattr(self, "parent_id", self.parent_id.lower())


class ReRegister(Inbound, frozen=True, kw_only=True, tag="re_register"):
    """An app returns on a new socket. `last_seq` is the highest number that was acknowledged."""

    last_seq: Number
    pub_key: Key
    epoch: Number | None = None
    capabilities: Names = ()


class Message(Inbound, frozen=True, kw_only=True, tag="message"):
    """A status, a result or an error. An agent's messages are numbered apart from the app's."""

    header: Header
    payload: msgspec.Raw
    source: Source = Source.APP


class Disconnect(Inbound, frozen=True, kw_only=True, tag="disconnect"):
    """An app says goodbye: ``error`` and ``failed`` end it as error, anything else as done."""

    reason: Reason = ""


class ControlAck(Inbound, frozen=True, kw_only=True, tag="control_ack"):
    """What an app did about a command: `ack` with a result, or not, with the reason in `error`."""

    correlation_id: CorrelationId
    action: Action
    ack: bool
    result: msgspec.Raw = msgspec.field(default_factory=null)
    error: Reason | None = None


class Issue(Inbound, frozen=True, kw_only=True, tag="issue"):
    """A command or, with the action ``cancel``, a cancel: from an ancestor of the target.

    `reason`, `grace_ms`, `kill_after_ms` and `include_detached` are of a cancel, the filters and
    `ttl_ms` of a command. The issuer chooses the correlation id; repeating a frame with it changes
    nothing.
    """

    correlation_id: CorrelationId
    target_id: Id
    action: Action
    payload: msgspec.Raw = msgspec.field(default_factory=null)
    cascade: bool = False
    ttl_ms: Number | None = None
    grace_ms: Number | None = None
    kill_after_ms: Number | None = None
    reason: Reason = ""
    include_detached: bool = False
    name_filter: Name | None = None
    status_filter: Name | None = None

    def __post_init__(self) -> None:
        """Write the ids as the server does."""
        super().__post_init__()
        msgspec.structs.force_setattr(self, "target_id", self.target_id.lower())


class Spawn(Inbound, frozen=True, kw_only=True, tag="spawn"):
    """An app announces a child before it starts it.

    A refusal carries the child's id as `correlation_id`.
    """

    child_id: Id
    app_name: AppName
    tier: Tier | None = None
    start_deadline_s: Number | None = None
    resume_window_ms: Number | None = None
    orphans: Orphans | None = None
    role_refs: Names | None = None
    originator: Any = None
    tags: Any = None

    def __post_init__(self) -> None:
        """Write the ids as the server does."""
        super().__post_init__()
        msgspec.structs.force_setattr(self, "child_id", self.child_id.lower())


class Attach(Inbound, frozen=True, kw_only=True, tag="attach"):
    """An agent has started the process of an app and watches it."""

    join_token: Token | None = None
    process_info: ProcessInfo | None = None


class Exited(Inbound, frozen=True, kw_only=True, tag="exited"):
    """An agent saw the process end: with a code, or by the number of a signal."""

    exit_code: int | None = None
    signal: Number | None = None


AnyInbound = (
    Register | ReRegister | Message | Disconnect | ControlAck | Issue | Spawn | Attach | Exited
)
