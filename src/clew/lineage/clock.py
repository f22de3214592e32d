"""Clocks that trace ids are made by: one that only goes forward, and one that a caller brings.

A clock is read in ticks, as cheaply as can be, for every id. What those ticks mean in Unix time is
asked once in a millisecond.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

from clew.base.times import NS_PER_MS


class Clock(Protocol):
    """What a sequence of ids reads."""

    @property
    def read(self) -> Callable[[], int]:
        """What returns the ticks now. It MAY step back."""
        ...

    @property
    def ticks_per_ms(self) -> int:
        """Ticks of a millisecond."""
        ...

    def follow(self) -> int:
        """Return the ticks between the Unix epoch and tick 0, as they are from now on."""
        ...

    def behind_ms(self, reached_ms: int) -> int:
        """Return how far the time that is told is behind a millisecond that ids have; 0 if not."""
        ...


class AnchoredClock:
    """The wall clock, read once, carried on by one that never steps.

    Restarted programs need the wall clock, or they would give out ids anew; running ones must not
    follow it back. So it is followed forward only: after a suspension, or when it was set. While it
    is behind, what is shown is ahead of it, by as much as it was set back.
    """

    __slots__ = ("_anchor", "_wall", "read")

    ticks_per_ms: Final = NS_PER_MS

    def __init__(
        self,
        steady: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self.read: Final = steady
        self._wall = wall
        self._anchor = wall() - steady()

    def follow(self) -> int:
        """Return the anchor, moved forward if the wall clock is ahead."""
        ahead = self._wall() - self.read()
        # Two threads may both move it; the lesser of two anchors a moment apart does no harm.
        if ahead > self._anchor:
            self._anchor = ahead
        return self._anchor

    def behind_ms(self, reached_ms: int) -> int:
        """Return how far the wall clock was set back and not yet caught up; else 0."""
        return max(0, self.follow() + self.read() - self._wall()) // NS_PER_MS


class EpochClock:
    """Unix milliseconds as a caller's function tells them, steps back included."""

    __slots__ = ("read",)

    ticks_per_ms: Final = 1

    def __init__(self, milliseconds: Callable[[], int]) -> None:
        self.read: Final = milliseconds

    def follow(self) -> int:
        """Return 0: the ticks are Unix time."""
        return 0

    def behind_ms(self, reached_ms: int) -> int:
        """Return how far the caller's clock is behind the last millisecond that has ids."""
        return max(0, reached_ms - self.read())
