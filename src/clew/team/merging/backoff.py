"""When to try again what did not go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

BASE_NS: Final = NS_PER_S
"""The longest wait after a first failure: what a server that restarts takes."""

CAP_NS: Final = 300 * NS_PER_S
"""The longest wait of all, as long as one between two syncs in the background."""

TRIES_MAX: Final = 5
"""Answers that say no before an operation is set aside, as the integration documents it."""

RETRY_AFTER_NS_MAX: Final = 24 * 3_600 * NS_PER_S
"""The longest that a server may put off a client: a mistake there must not end a sync for ever."""


def backoff_ns(failures: int, random: Callable[[], float]) -> int:
    """Return how long to wait after so many failures in a row: anything up to a bound.

    The bound doubles with every failure, from `BASE_NS` to `CAP_NS`. All of it is left to chance
    (`random` gives 0 up to 1), so that clients which failed together do not come back together.
    """
    if failures < 1:
        return 0
    doublings = min(failures - 1, CAP_NS.bit_length())
    return int(min(CAP_NS, BASE_NS << doublings) * random())


def next_attempt_at(
    now: int, failures: int, retry_after_ns: int | None, random: Callable[[], float]
) -> int:
    """Return when to try again: as the server said, if it did, else after `backoff_ns`."""
    if retry_after_ns is None:
        return now + backoff_ns(failures, random)
    return now + min(max(retry_after_ns, 0), RETRY_AFTER_NS_MAX)
