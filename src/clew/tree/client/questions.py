"""The frames of what an app asks the server for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid, parse_uuid
from clew.tree.client.ending import GRACE_S
from clew.tree.client.payload import encode_payload
from clew.tree.frames.fields import CANCEL_ACTION
from clew.tree.frames.inbound import Issue, Spawn

if TYPE_CHECKING:
    from clew.tree.frames.info import TrailsConfig
    from clew.tree.machine.app import Orphans


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnOptions:
    """How a child is announced; None is what the server does by default.

    `start_deadline_s` is when it counts as failed to start, `resume_window_s` how long it may be
    without a connection before it counts as crashed, `orphans` what becomes of it when its parent
    ends.
    """

    tags: Any = None
    start_deadline_s: int | None = None
    resume_window_s: float | None = None
    orphans: Orphans | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """Whom a command goes to besides its target, and how long it waits for those that are away."""

    cascade: bool = False
    ttl_s: float | None = None
    name_filter: str | None = None
    status_filter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOptions:
    """How an app is cancelled: with all that is below it by default.

    `kill_after_s` is the time between TERM and KILL; None is what the server gives.
    """

    cascade: bool = True
    reason: str = ""
    grace_s: float = GRACE_S
    kill_after_s: float | None = None
    include_detached: bool = False


def spawn_frame(app_id: str, child: TrailsConfig, options: SpawnOptions) -> Spawn:
    """Return the frame that announces a child."""
    window = options.resume_window_s
    return Spawn(
        app_id=app_id,
        child_id=child.app_id,
        app_name=child.app_name,
        tier=child.tier,
        start_deadline_s=child.start_deadline,
        resume_window_ms=None if window is None else round(window * 1000),
        orphans=options.orphans,
        role_refs=child.role_refs or None,
        originator=child.originator,
        tags=child.tags,
    )


def new_child(parent: TrailsConfig, name: str, options: SpawnOptions) -> TrailsConfig:
    """Return the configuration of a child that is about to be announced."""
    child = parent.create_child(name, tags=options.tags)
    if options.start_deadline_s is None:
        return child
    return msgspec.structs.replace(child, start_deadline=options.start_deadline_s)


def renamed(child: TrailsConfig) -> TrailsConfig:
    """Return the same child under another id."""
    app_id = new_uuid(time.time_ns())
    return msgspec.structs.replace(
        child, app_id=app_id, path=(*child.path[:-1], app_id) if child.path else ()
    )


def command_frame(
    app_id: str, target: str, action: str, payload: Any, options: SendOptions
) -> Issue:
    """Return the frame of a command.

    Raises:
        ClewError: INVALID_ARGUMENT for a target that is no id, or a payload that cannot be sent.
    """
    encoded = encode_payload(payload)
    if encoded.trouble:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the payload cannot be sent: {encoded.trouble}",
            hint="put what is large into a file and its name into the payload",
        )
    return Issue(
        app_id=app_id,
        correlation_id=new_uuid(time.time_ns()),
        target_id=parse_uuid(target),
        action=action,
        payload=msgspec.Raw(encoded.octets),
        cascade=options.cascade,
        ttl_ms=None if options.ttl_s is None else round(options.ttl_s * 1000),
        name_filter=options.name_filter,
        status_filter=options.status_filter,
    )


def cancel_frame(app_id: str, target: str, options: CancelOptions) -> Issue:
    """Return the frame of a cancel.

    Raises:
        ClewError: INVALID_ARGUMENT for a target that is no id.
    """
    after_s = options.kill_after_s
    return Issue(
        app_id=app_id,
        correlation_id=new_uuid(time.time_ns()),
        target_id=parse_uuid(target),
        action=CANCEL_ACTION,
        cascade=options.cascade,
        grace_ms=round(options.grace_s * 1000),
        kill_after_ms=None if after_s is None else round(after_s * 1000),
        reason=options.reason,
        include_detached=options.include_detached,
    )
