"""Counts that several threads add to, exactly and without a lock."""

from __future__ import annotations

import threading
from itertools import count
from typing import Final


class Tally:
    """A count that grows by one at a time.

    ``n += 1`` reads, adds and writes, and a thread that is interrupted in between loses what others
    added. `itertools.count` gives its next value in one step, and what was given is what was
    counted, less what reading it took.
    """

    __slots__ = ("_lock", "_reads", "_steps", "add")

    def __init__(self) -> None:
        self._steps = count()
        self.add: Final = self._steps.__next__
        """Count one. What it returns means nothing."""
        self._lock = threading.Lock()
        self._reads = 0

    def read(self) -> int:
        """Return how often `add` was called."""
        with self._lock:
            value = next(self._steps) - self._reads
            self._reads += 1
            return value
