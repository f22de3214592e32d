"""This process as a writer of events: when each happened, its number, its id.

Times of one writer never run backwards, or a change that a program makes later would be taken for
the earlier one when a clock is set back. A forked child is another writer and counts anew.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final, NamedTuple

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S

BACKWARDS_NS_MAX: Final = 10 * NS_PER_S
"""A clock that is set back by more was wrong before, and is followed."""


class Stamp(NamedTuple):
    """When an event happened (Unix nanoseconds), its number, its id.

    `writer` tells a forked child apart from whom it was forked from; it is empty in the first.
    """

    at: int
    seq: int
    event_id: str
    writer: str


class Writer:
    """Gives out stamps, from any thread."""

    def __init__(self) -> None:
        # A signal's handler may have something to say while the same thread is in here.
        self._lock = threading.RLock()
        self._seq = 0
        self._last_at = 0
        self._name = ""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_in_child)

    def stamp(self, at: int | None = None) -> Stamp:
        """Return the next stamp, of this moment, or of one that another stamp has already."""
        now = time.time_ns() if at is None else at
        with self._lock:
            if at is None:
                if self._last_at - BACKWARDS_NS_MAX < now < self._last_at:
                    now = self._last_at
                self._last_at = now
            self._seq += 1
            seq = self._seq
        return Stamp(now, seq, new_uuid(now), self._name)

    def _begin_in_child(self) -> None:
        # The lock may have been held by a thread that the child does not have.
        self._lock = threading.RLock()
        self._seq = 0
        self._last_at = 0
        self._name = new_uuid(time.time_ns())


WRITER: Final = Writer()
"""The writer of this process."""
