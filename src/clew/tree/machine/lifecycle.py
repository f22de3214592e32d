"""The table of all moves in the life of an app: what is not in it cannot happen."""

from __future__ import annotations

from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Final

from clew.tree.machine.app import LIVE, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Reason(StrEnum):
    """Why an app moved from one status to another."""

    SCHEDULED = "scheduled"
    REGISTERED = "registered"
    ATTACHED = "attached"
    """An agent has started its process."""
    STATUS = "status"
    RESULT = "result"
    ERROR = "error"
    DISCONNECT = "disconnect"
    EXIT = "exit"
    CONNECTION_DROP = "connection_drop"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    SLOW_CONSUMER = "slow_consumer"
    SERVER_RESTART = "server_restart"
    RETURNED = "returned"
    NEVER_STARTED = "never_started"
    UNSCHEDULED = "unscheduled"
    CANCEL = "cancel"


_UP: Final = (Status.CONNECTED, Status.RUNNING)
_AWAY: Final = (Status.RECONNECTING, Status.LOST_CONTACT)
_STARTED: Final = _UP + _AWAY

DROPS: Final = (Reason.CONNECTION_DROP, Reason.HEARTBEAT_TIMEOUT, Reason.SLOW_CONSUMER)
"""How a connection may be lost."""

RECOVERABLE: Final = frozenset({Reason.CONNECTION_DROP, Reason.HEARTBEAT_TIMEOUT})
"""Crashes that turn out to have been none when the app returns in time."""


def _moves(
    sources: Iterable[Status], targets: Iterable[Status], reasons: Iterable[Reason]
) -> Iterator[tuple[Status, Status, Reason]]:
    yield from product(tuple(sources), tuple(targets), tuple(reasons))


LEGAL: Final = frozenset(
    {
        *_moves([Status.SCHEDULED], [Status.CONNECTED], [Reason.REGISTERED, Reason.ATTACHED]),
        *_moves([Status.SCHEDULED], [Status.START_FAILED], [Reason.NEVER_STARTED]),
        *_moves([Status.SCHEDULED], [Status.CANCELLED], [Reason.UNSCHEDULED]),
        *_moves(LIVE, [Status.CANCELLED], [Reason.CANCEL]),
        # An app that registers anew with the key that it had begins a new epoch.
        *_moves([Status.RUNNING, *_AWAY], [Status.CONNECTED], [Reason.REGISTERED]),
        *_moves([Status.CONNECTED], [Status.RUNNING], [Reason.STATUS]),
        # An agent may speak for an app that is out of reach itself.
        *_moves(_STARTED, [Status.DONE], [Reason.RESULT, Reason.DISCONNECT, Reason.EXIT]),
        *_moves(_STARTED, [Status.ERROR], [Reason.ERROR, Reason.DISCONNECT, Reason.EXIT]),
        *_moves(_STARTED, [Status.CRASHED], [Reason.EXIT]),
        *_moves(_UP, [Status.RECONNECTING], [*DROPS, Reason.SERVER_RESTART]),
        *_moves([Status.RECONNECTING], [Status.CRASHED], RECOVERABLE),
        *_moves([Status.RECONNECTING], [Status.LOST_CONTACT], [Reason.SERVER_RESTART]),
        *_moves(_AWAY, _UP, [Reason.RETURNED]),
        *_moves([Status.CRASHED], _UP, [Reason.RETURNED]),
    }
)
"""Every (from, to, reason) there is."""


def check_move(source: Status, target: Status, reason: Reason) -> None:
    """Raise AssertionError for a move that is not in the table: the rules themselves are wrong."""
    if (source, target, reason) not in LEGAL:
        raise AssertionError(f"no app goes from {source} to {target} by {reason}")
