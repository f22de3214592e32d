"""What is to be done once the changes of the same step are durable, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from clew.base.errors import ErrorCode
    from clew.tree.frames.outbound import Outbound
    from clew.tree.machine.changes import Change
    from clew.tree.machine.outcomes import Outcome


class Effect(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing to do."""


class Send(Effect, frozen=True, kw_only=True):
    """Send a frame to a socket. A socket that is gone by then is no error."""

    link: int
    frame: Outbound


class Close(Effect, frozen=True, kw_only=True):
    """Close a socket with a code of `clew.tree.frames.codes`, after what was sent before."""

    link: int
    code: int
    reason: str


class Answered(Effect, frozen=True, kw_only=True):
    """Answer whoever waits with this ticket."""

    ticket: int
    outcome: Outcome


class Refused(Effect, frozen=True, kw_only=True):
    """Tell whoever waits with this ticket that it cannot be, and why."""

    ticket: int
    code: ErrorCode
    message: str
    hint: str | None = None


class Step(msgspec.Struct, frozen=True, gc=False):
    """What one event came to."""

    changes: tuple[Change, ...] = ()
    effects: tuple[Effect, ...] = ()
