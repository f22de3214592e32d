"""What an app hears of commands that it sent and of children that it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clew.tree.client.payload import decode_payload

if TYPE_CHECKING:
    from clew.tree.frames.outbound import Issued, Notice, TargetReport


@dataclass(frozen=True, slots=True)
class Target:
    """What a command or a cancel came to for one app.

    `status` is of the command: accepted, sent, done, failed, expired, cancelled. `confirmed` tells
    of a cancel whether the end of the app was witnessed.
    """

    app_id: str
    status: str
    app_status: str
    phase: str | None
    confirmed: bool
    result: Any
    error: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A command or a cancel, as it stands: `is_over` when nothing more will come of it.

    `copies` is how many servers have it; None where a server alone keeps the tree.
    """

    correlation_id: str
    action: str
    is_over: bool
    targets: tuple[Target, ...]
    copies: int | None = None


@dataclass(frozen=True, slots=True)
class ChildNotice:
    """What became of a child: a transition to `status`, or a message of it."""

    app_id: str
    kind: str
    status: str
    reason: str | None
    msg_type: str | None
    payload: Any


def read_answer(frame: Issued) -> Answer:
    """Return an answer as a program reads it."""
    targets = tuple(_read_target(target) for target in frame.targets)
    return Answer(frame.correlation_id, frame.action, frame.is_over, targets, frame.copies)


def read_notice(frame: Notice) -> ChildNotice:
    """Return a notice as a program reads it."""
    return ChildNotice(
        frame.child_id,
        frame.kind,
        frame.status,
        frame.reason,
        frame.msg_type,
        decode_payload(frame.payload),
    )


def _read_target(target: TargetReport) -> Target:
    return Target(
        target.app_id,
        target.status,
        target.app_status,
        target.phase,
        target.confirmed,
        decode_payload(target.result),
        target.error,
    )
