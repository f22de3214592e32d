"""A bounded queue with one sender behind it: what a watched program hands over and forgets.

Putting a record takes a lock for the length of an append and never waits for the network. When the
queue is full the new record is dropped and counted: the oldest ones say how the trouble began. The
sender is a daemon thread that exists from the start, because Python starts no thread any more once
the process is ending; after a fork the child gets its own, with an empty queue, since what waits
belongs to the parent.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from clew.sdk.run import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.sdk.limits import QueueLimits

Record = TypeVar("Record")


class Outbox(Generic[Record]):
    """Sends records in batches from a thread of its own.

    `send` returns whether a batch was taken; it may block and must not raise. `abandon` makes a
    running `send` give up soon, and is told how many records will not arrive; it is called once,
    when closing has run out of time. `overflow` is called when a record found the queue full: for
    the first of them, from the thread that put it.
    """

    def __init__(
        self,
        signal: str,
        limits: QueueLimits,
        send: Callable[[list[Record]], bool],
        abandon: Callable[[int], None],
        overflow: Callable[[], None],
    ) -> None:
        self._signal = signal
        self._limits = limits
        self._send = send
        self._abandon = abandon
        self._overflow = overflow
        self._has_overflown = False
        self._sent = 0
        self._dropped = 0
        self._is_closing = False
        self._is_hurried = False
        self._start()
        if hasattr(os, "register_at_fork"):
            again = weakref.WeakMethod(self._start)
            os.register_at_fork(after_in_child=lambda: _call(again))

    def put(self, record: Record) -> None:
        """Queue a record, or drop and count it. Never blocks on the network, never raises."""
        with self._changed:
            has_room = len(self._waiting) < self._limits.records_max
            if has_room and not self._is_closing:
                self._waiting.append(record)
                if len(self._waiting) == self._limits.batch_records_max:
                    self._changed.notify_all()
                return
            self._dropped += 1
            if has_room or self._has_overflown:
                return
            self._has_overflown = True
        self._overflow()

    def delivery(self) -> Delivery:
        """Return what became of the records so far."""
        with self._changed:
            waiting = len(self._waiting) + self._underway
            return Delivery(self._signal, self._sent, self._dropped, waiting)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put before is sent or dropped; return whether it is."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(self._is_empty, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Send what waits, within the time; what does not make it counts as dropped."""
        with self._changed:
            if self._is_closing:
                return
            self._is_closing = True
            self._changed.notify_all()
            is_empty = self._changed.wait_for(self._is_empty, timeout_s)
            lost = len(self._waiting) + self._underway
            self._dropped += len(self._waiting)
            self._waiting.clear()
        if not is_empty:
            self._abandon(lost)

    def _start(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Record] = deque()
        self._underway = 0
        threading.Thread(target=self._work, name=f"clew {self._signal}", daemon=True).start()

    def _is_empty(self) -> bool:
        return not self._waiting and not self._underway

    def _work(self) -> None:
        # The condition of this thread's own process: a fork makes another one.
        changed = self._changed
        while True:
            with changed:
                if not self._is_closing and not self._is_hurried:
                    self._wait_for_a_batch()
                batch = self._take()
                if not batch:
                    self._is_hurried = False
                    changed.notify_all()
                    if self._is_closing:
                        return
                    continue
            is_taken = self._send(batch)
            with changed:
                self._underway = 0
                self._sent += len(batch) if is_taken else 0
                self._dropped += 0 if is_taken else len(batch)
                changed.notify_all()

    def _wait_for_a_batch(self) -> None:
        """Wait for a full batch, for the time a record may wait, or to be hurried."""
        deadline = time.monotonic() + self._limits.delay_s

        def is_due() -> bool:
            full = len(self._waiting) >= self._limits.batch_records_max
            return full or self._is_closing or self._is_hurried

        while not is_due() and (left := deadline - time.monotonic()) > 0:
            self._changed.wait(left)

    def _take(self) -> list[Record]:
        size = min(len(self._waiting), self._limits.batch_records_max)
        batch = [self._waiting.popleft() for _ in range(size)]
        self._underway = size
        return batch


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    target = method()
    if target is not None:
        target()
