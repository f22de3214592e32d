"""What is to happen when: a heap whose entries may turn out to be void."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

# A heap smaller than this is not worth clearing of void entries.
_CLEAR_MIN: Final = 1_024


class Timer(NamedTuple):
    """At `when`, the app (or with `is_order` the command) `key` has something to do.

    `number` keeps those of one moment in the order in which they were set.
    """

    when: int
    number: int
    is_order: bool
    key: str


class Timers:
    """Timers in the order of time.

    Nothing is taken out when a deadline moves: an entry counts only if whoever it is about still
    has that very deadline, which `is_valid` tells. Void ones leave when their time comes, or
    together when they are the greater part.
    """

    def __init__(self, is_valid: Callable[[Timer], bool]) -> None:
        self._is_valid = is_valid
        self._heap: list[Timer] = []
        self._number = 0
        self._clear_at = _CLEAR_MIN

    def put(self, when: int, key: str, *, is_order: bool = False) -> None:
        """Set a timer."""
        self._number += 1
        heappush(self._heap, Timer(when, self._number, is_order, key))
        if len(self._heap) > self._clear_at:
            valid = [timer for timer in self._heap if self._is_valid(timer)]
            heapify(valid)
            self._heap = valid
            self._clear_at = max(_CLEAR_MIN, 2 * len(valid))

    def pop_due(self, now: int) -> Timer | None:
        """Take the next timer whose time has come, None when there is none."""
        while self._heap and self._heap[0].when <= now:
            timer = heappop(self._heap)
            if self._is_valid(timer):
                return timer
        return None

    def next(self) -> int | None:
        """Return when the next timer is due: exactly, if `clear_top` was called since."""
        return self._heap[0].when if self._heap else None

    def clear_top(self) -> None:
        """Let go of void entries before the first valid one."""
        while self._heap and not self._is_valid(self._heap[0]):
            heappop(self._heap)
