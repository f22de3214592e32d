"""Walls before the intake: how fast requests may come, how much of them is held at once."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOLD_RETRY_AFTER_MS = 1000
"""When to come back once memory was full: bodies are held for tens of milliseconds each."""


class BodyBudget:
    """Bytes of request bodies in memory, over all doors. Not thread-safe: one event loop."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.bytes_held = 0

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """Open an account of one request; everything it took is given back at the end."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self.bytes_held -= hold.size


class Hold:
    """What one request has taken of a budget."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.size = 0

    def grow(self, size: int) -> None:
        """Take `size` more bytes.

        Raises:
            ClewError: OVERLOADED when the budget has no room. A request that is alone gets in
                whatever its size, since the caps on one body bound it already.
        """
        budget = self._budget
        if budget.bytes_held + size > budget.bytes_max and budget.bytes_held > self.size:
            raise ClewError(
                ErrorCode.OVERLOADED,
                "too many request bodies are held at once",
                hint="send fewer requests at a time, or raise --otlp-inflight-bytes-max",
                retry_after_ms=HOLD_RETRY_AFTER_MS,
            )
        budget.bytes_held += size
        self.size += size


class Rate:
    """A token bucket that holds one second's worth. Not thread-safe: one event loop."""

    def __init__(
        self, per_second: int, noun: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per_second = per_second
        self.noun = noun
        self._clock = clock
        self._tokens = float(per_second)
        self._filled_at = clock()

    @property
    def used(self) -> float:
        """How much of the last second's worth was taken; more than all of it while in debt."""
        filled = self._tokens + (self._clock() - self._filled_at) * self.per_second
        return max(0.0, self.per_second - filled)

    def take(self, amount: int) -> None:
        """Take tokens; a rate of zero never refuses.

        More than one second's worth at once is let through when the bucket is full and leaves it
        in debt, so that a large body is slowed down instead of refused for ever.

        Raises:
            ClewError: OVERLOADED, with the time after which there will be room.
        """
        if not self.per_second:
            return
        now = self._clock()
        filled = self._tokens + (now - self._filled_at) * self.per_second
        self._tokens = min(float(self.per_second), filled)
        self._filled_at = now
        needed = min(float(amount), float(self.per_second))
        if self._tokens < needed:
            waiting_ms = int((needed - self._tokens) / self.per_second * 1000) + 1
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"more than {self.per_second} {self.noun} in a second",
                hint=f"slow down; the rate is set by --otlp-{self.noun}-per-second",
                retry_after_ms=waiting_ms,
            )
        self._tokens -= amount

    def owe(self, amount: int) -> None:
        """Count what came before its size was known; the next one pays for it."""
        if self.per_second:
            self._tokens -= amount
