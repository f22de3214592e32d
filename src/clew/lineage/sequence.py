"""The ids of one node, for all threads of a process, without a lock.

The idea is Agrona's: one word holds the last millisecond and the count in it, and every caller
moves it on by a compare-and-set. Python has no compare-and-set, but one step that nothing can
interrupt: the next value of an `itertools.count`, which is C throughout. So a millisecond is a
*cell*: a count that begins at the millisecond's first id, and the last id that it may give. The
value that the count gives *is* the id, so no two callers ever get the same.

What has to be done once a millisecond, opening the next cell, is done by whoever finds the cell
over and has the turn. Whoever does not have the turn waits for nobody: it goes on in the old cell,
as Agrona does when the clock steps back. Only where that is used up too does it look again, for a
bounded time.

Order: ids that one thread gets ascend. Of two threads, an id asked for after another was answered
is the greater one: a cell, once replaced, is seen by every call that begins later.

`native/src/trace_ids.rs` does have a compare-and-set, and is Agrona's algorithm as it stands. This
one is its oracle, its stand-in, and what callers with a clock of their own get.

Without the interpreter's global lock a count's step was not safe before Python 3.14; there the
whole call is guarded by a lock.

Rejected: a lock around a counter, which a thread may hold while it is not running, 5 ms by default;
a dictionary of cells by millisecond, whose `setdefault` would be the compare-and-set, since
somebody has to clear it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref
from enum import StrEnum
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S
from clew.lineage.layout import NULL_TRACE_ID, IdLayout
from clew.lineage.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.lineage.clock import Clock

WAIT_NS_MAX: Final = 2 * NS_PER_MS
"""For the next millisecond, when one is used up: it is at most one away unless the clock stands
still or stepped back. Agrona waits without end; who only wants to be traced must not."""

LOGGER_NAME: Final = "clew.lineage"

logger = logging.getLogger(LOGGER_NAME)

_NEVER: Final = -(2**63)
"""Ticks before any reading, and a last id below any: a cell of these is over, and empty."""

_Cell = tuple[int, int, "Callable[[], int]"]
"""When it is over in ticks, its last id, what gives the next one."""


class NoId(StrEnum):
    """Why a call was answered by 0."""

    EXHAUSTED = "exhausted"
    """A millisecond's ids were used up, and the next one did not come in time."""

    FORKED = "forked"
    """The node id is the parent process's; `renew` takes another."""

    REVOKED = "revoked"
    """The node id is not ours any more."""

    HORIZON = "horizon"
    """The layout has no ids for the time that it is."""


class IdSequence(Protocol):
    """The ids of one node, whoever makes them. From any thread."""

    @property
    def node_id(self) -> int:
        """The node."""
        ...

    @property
    def next(self) -> Callable[[], int]:
        """What returns the next id, or 0, which is no id. It MUST NOT raise."""
        ...

    def missed(self) -> dict[NoId, int]:
        """Return how many calls were answered by 0, by reason; every reason is there."""
        ...

    def behind_ms(self) -> int:
        """Return how far the clock was set back, as long as ids are ahead of it; else 0."""
        ...

    def end(self, reason: NoId) -> None:
        """Give out no more ids. A call that is under way MAY still get one."""
        ...

    def go_on(self) -> None:
        """Give out ids again, none of them twice."""
        ...

    def begin_in_child(self) -> None:
        """End a copy that a fork brought along, as `NoId.FORKED`."""
        ...


class Sequence:
    """Gives out the ids of one node. From any thread; `next` never raises.

    Raises:
        ClewError: INVALID_ARGUMENT where the node id does not fit the layout, or the layout begins
            after the clock's time or ended before it.
    """

    __slots__ = (
        "__weakref__",
        "_cell",
        "_clock",
        "_end",
        "_lock",
        "_reached_ms",
        "_read",
        "_tallies",
        "_turn",
        "_was_told",
        "layout",
        "next",
        "node_id",
    )

    next: Callable[[], int]
    """Return the next id, or 0, which is no id: `missed` counts why. An attribute and not a method,
    so that a generator can hand it on as it is."""

    def __init__(
        self, node_id: int, layout: IdLayout, clock: Clock, *, is_guarded: bool | None = None
    ) -> None:
        layout.check_node_id(node_id)
        self.layout: Final = layout
        self.node_id: Final = node_id
        self._clock = clock
        self._read = clock.read
        self._turn = threading.Lock()
        self._lock = threading.RLock()
        self._tallies: Mapping[NoId, Tally] = {reason: Tally() for reason in NoId}
        self._end: NoId | None = None
        self._was_told = False
        self._cell = _empty_cell()
        # The last millisecond that had a cell: none is opened before the epoch, or twice.
        self._reached_ms = layout.epoch_offset_ms - 1
        check_clock(layout, clock)
        guarded = _lacks_global_lock() if is_guarded is None else is_guarded
        self.next = self._next_guarded if guarded else self._next
        end_in_child(self)

    def missed(self) -> dict[NoId, int]:
        """Return how many calls were answered by 0, by reason."""
        return {reason: tally.read() for reason, tally in self._tallies.items()}

    def behind_ms(self) -> int:
        """Return how far the clock was set back, as long as ids are ahead of it; else 0."""
        return self._clock.behind_ms(self._reached_ms)

    def end(self, reason: NoId) -> None:
        """Give out no more ids. A call that is under way may still get one."""
        self._end = reason
        self._cell = _empty_cell()

    def go_on(self) -> None:
        """Give out ids again, from the next millisecond on: the node id is ours once more."""
        self._end = None
        self._was_told = False

    def begin_in_child(self) -> None:
        """Make a copy that a fork brought along give out nothing.

        Its locks may be held by threads that the child does not have.
        """
        self._turn = threading.Lock()
        self._lock = threading.RLock()
        self.end(NoId.FORKED)

    def _next(self) -> int:
        over, last, take = self._cell
        if self._read() < over:
            trace_id = take()
            if trace_id <= last:
                return trace_id
        return self._next_slowly()

    def _next_guarded(self) -> int:
        with self._lock:
            return self._next()

    def _next_slowly(self) -> int:
        """Return an id of a new millisecond, or of one that another thread opens meanwhile."""
        deadline: int | None = None
        left_ns = 0
        while True:
            if self._end is not None:
                return self._nothing(self._end)
            self._turn_over(left_ns)
            _, last, take = self._cell
            trace_id = take()
            if trace_id <= last:
                return trace_id
            # Judged before the next attempt, so that a thread that did not run meanwhile has one.
            if deadline is not None and left_ns == 0:
                return self._nothing(NoId.EXHAUSTED)
            now = time.monotonic_ns()
            deadline = now + WAIT_NS_MAX if deadline is None else deadline
            left_ns = max(0, deadline - now)

    def _turn_over(self, wait_ns: int) -> None:
        """Open the cell of the present millisecond, if it is a new one and it is our turn.

        Waits for the turn for so long at most: the thread that has it may not be running.
        """
        turn = self._turn
        if not turn.acquire(timeout=wait_ns / NS_PER_S):
            return
        try:
            anchor = self._clock.follow()
            ticks_per_ms = self._clock.ticks_per_ms
            now_ms = (self._read() + anchor) // ticks_per_ms
            if now_ms <= self._reached_ms:
                return
            if now_ms > self.layout.timestamp_ms_max:
                self._end = self._end or NoId.HORIZON
                return
            first = self.layout.first_of(now_ms, self.node_id)
            last = first | self.layout.sequence_max
            over = (now_ms + 1) * ticks_per_ms - anchor
            # The very first id of a layout would be 0, which is none.
            steps = count(first or 1)
            self._reached_ms = now_ms
            self._cell = (over, last, steps.__next__)
        finally:
            turn.release()
        # An end that came meanwhile stays one.
        if self._end is not None:
            self._cell = _empty_cell()

    def _nothing(self, reason: NoId) -> int:
        self._tallies[reason].add()
        if not self._was_told:
            self._was_told = True
            tell_of_none(self.node_id, reason)
        return NULL_TRACE_ID


def _empty_cell() -> _Cell:
    return (_NEVER, _NEVER, count().__next__)


def check_clock(layout: IdLayout, clock: Clock) -> None:
    """Raise unless a layout has ids for a clock's time.

    Raises:
        ClewError: INVALID_ARGUMENT when it begins later or ended before.
    """
    now_ms = (clock.read() + clock.follow()) // clock.ticks_per_ms
    if now_ms < layout.epoch_offset_ms:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the epoch offset {layout.epoch_offset_ms} is after the clock's {now_ms}",
            hint="it is the Unix millisecond that ids count from, and lies in the past",
        )
    if now_ms > layout.timestamp_ms_max:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the layout's ids ended at {layout.timestamp_ms_max}, and it is {now_ms}",
            hint="give a later epoch offset",
        )


def tell_of_none(node_id: int, reason: NoId) -> None:
    """Log why there is no id. A sequence does so once."""
    logger.warning("no trace id for node %d: %s", node_id, _EXPLAINED[reason])


def end_in_child(sequence: IdSequence) -> None:
    """Have a sequence told after a fork, in the child."""
    _LIVING.add(sequence)


_EXPLAINED: Final[Mapping[NoId, str]] = {
    NoId.EXHAUSTED: "a millisecond's ids were used up, and the next one did not come",
    NoId.FORKED: "the node id is the parent process's; renew the generator after a fork",
    NoId.REVOKED: "the lease of the node id ended",
    NoId.HORIZON: "the layout has no ids for this time",
}

_LIVING: Final[weakref.WeakSet[IdSequence]] = weakref.WeakSet()
"""What a fork has to end in the child."""


def _lacks_global_lock() -> bool:
    asks = getattr(sys, "_is_gil_enabled", None)
    return asks is not None and not asks()


def _begin_in_child() -> None:
    for sequence in list(_LIVING):
        sequence.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
