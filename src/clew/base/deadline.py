"""By when a question has to be answered, for all that is done to answer it.

Theory of operation. Whoever takes a question in gives it a deadline, which a context variable
holds. What waits for somebody else below (a shard, the engine) waits no longer than that, so that a
question that nobody waits for any more ends, too. Where no question is being answered there is no
deadline.
"""

from __future__ import annotations

import math
import time
from contextvars import ContextVar
from typing import Final

from clew.base.errors import ClewError, ErrorCode

DEADLINE: Final[ContextVar[float]] = ContextVar("clew.deadline", default=math.inf)
"""The end of the time of the question that is being answered, by the monotonic clock."""


def seconds_left(seconds_max: float) -> float:
    """Return how many seconds the question has yet, and `seconds_max` where it has more.

    Raises:
        ClewError: TIMEOUT when it has none.
    """
    left = DEADLINE.get() - time.monotonic()
    if left <= 0:
        raise overdue()
    return min(left, seconds_max)


class OverdueError(ClewError):
    """What was asked was not answered in its time; what it does may still come about."""


def overdue(seconds: float | None = None) -> OverdueError:
    """Return the error for a question whose time is over; `seconds` is how many it had."""
    took = "its time" if seconds is None else f"{seconds:g} s"
    return OverdueError(
        ErrorCode.TIMEOUT,
        f"the question was not answered in {took}",
        hint="ask for a shorter time range, or for less; --question-timeout sets how long it takes",
    )
