"""Rates that are held up rather than refused: how long until the next one may pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ROUNDING_SECONDS: Final = 1e-6
"""What sums of moments may be off by, and more; an event loop tells its time in milliseconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """So many per second, so many at once. What has passed is one number: when all is paid for.

    The virtual scheduling form of the generic cell rate algorithm (ITU-T I.371).
    """

    per_second: float
    burst: int

    def wait(self, paid_at: float, now: float) -> float:
        """Return how many seconds until one more may pass, 0 when it may now."""
        wait = max(paid_at, now) + (1 - self.burst) / self.per_second - now
        return wait if wait > ROUNDING_SECONDS else 0.0

    def take(self, paid_at: float, now: float) -> float:
        """Return when all is paid for after one more has passed."""
        return max(paid_at, now) + 1 / self.per_second

    def is_calm(self, paid_at: float, now: float) -> bool:
        """Whether half of the burst is free again."""
        return paid_at - now <= self.burst / self.per_second / 2
