"""The time of the tree, and the one alarm that wakes it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from clew.base.times import NS_PER_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

SLEEP_SECONDS_MAX: Final = 3600.0
"""An alarm further away is set again then: event loops take no delays of years."""


class Clock(Protocol):
    """What tells the time and rings. Tests hand in one that they advance."""

    def now(self) -> int:
        """Return the time in Unix nanoseconds; never less than what it returned before."""
        ...

    def ring_at(self, at: int | None, ring: Callable[[], None]) -> None:
        """Call `ring` once at that time or later, in the event loop; None calls it never.

        There is one alarm: setting it again puts off what was set before. It is never called from
        within this method.
        """
        ...


class SteadyClock:
    """The machine's clock as it was at the start, going on at the pace of the steady one.

    A jump of the wall clock ends no window and starts none over.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._offset = time.time_ns() - time.monotonic_ns()
        self._handle: asyncio.TimerHandle | None = None

    def now(self) -> int:
        """Return the time in Unix nanoseconds."""
        return time.monotonic_ns() + self._offset

    def ring_at(self, at: int | None, ring: Callable[[], None]) -> None:
        """Call `ring` at that time, in place of what was set before."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if at is None:
            return
        delay = max(0.0, (at - self.now()) / NS_PER_S)
        if delay > SLEEP_SECONDS_MAX:
            self._handle = self._loop.call_later(SLEEP_SECONDS_MAX, self.ring_at, at, ring)
        else:
            self._handle = self._loop.call_later(delay, ring)
