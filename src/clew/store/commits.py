"""Commits of the registry on their way through the log: who waits, and what may be let go."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from clew.base.errors import ClewError
    from clew.store.kind import Changes
    from clew.store.log.receipt import Group


@dataclass(slots=True)
class _Commit:
    """One commit. Without a future it is in the log from before the last start."""

    number: int
    payload: bytes
    deadline: float
    future: Future[int] | None
    is_overdue: bool = False


class Commits:
    """Commits that are not acknowledged yet, and those that the registry may not have.

    Safe to use from any thread; no lock is held while anybody is called.
    """

    def __init__(self, changes: Changes | None, unapplied: Iterable[int]) -> None:
        self._changes = changes
        self._lock = threading.Lock()
        self._waiting: deque[_Commit] = deque()
        self._unapplied = deque(unapplied)

    def expect(
        self, number: int, payload: bytes, deadline: float, future: Future[int] | None
    ) -> None:
        """Wait for a commit; before its frame is appended."""
        with self._lock:
            self._waiting.append(_Commit(number, payload, deadline, future))
            if not self._unapplied or self._unapplied[-1] < number:
                self._unapplied.append(number)

    def withdraw(self, number: int) -> None:
        """Forget a commit whose frame was not appended; it was the last one expected."""
        with self._lock:
            if self._waiting and self._waiting[-1].number == number:
                self._waiting.pop()
                self._unapplied.pop()

    def bring(self, number: int, payload: bytes) -> None:
        """Give the registry a commit of another server."""
        if self._changes is None:
            return
        with self._lock:
            self._unapplied.append(number)
        self._changes.apply(number, payload)

    def answer(self, group: Group) -> None:
        """Answer for the commits of a group that was settled.

        Whoever was told that the outcome is not known, and the registry of before the last start,
        hear of it by `apply`.
        """
        if not self._waiting:
            return
        settled = []
        with self._lock:
            while self._waiting and self._waiting[0].number <= group.last:
                settled.append(self._waiting.popleft())
                if group.failure is not None and settled[-1].number in self._unapplied:
                    self._unapplied.remove(settled[-1].number)
        for commit in settled:
            error = group.error()
            if error is None and (commit.future is None or commit.is_overdue):
                if self._changes is not None:
                    self._changes.apply(commit.number, commit.payload)
            elif commit.future is not None and not commit.is_overdue:
                if error is None:
                    commit.future.set_result(commit.number)
                else:
                    commit.future.set_exception(error)

    def expire(self, now: float, unknown: Callable[[], ClewError]) -> None:
        """Tell those who waited too long that nobody knows what will come of their commit."""
        with self._lock:
            late = [
                commit
                for commit in self._waiting
                if commit.deadline <= now and commit.future is not None and not commit.is_overdue
            ]
            for commit in late:
                commit.is_overdue = True
        for commit in late:
            assert commit.future is not None
            commit.future.set_exception(unknown())

    def limit_release(self, through: int) -> int:
        """Return up to which frame the log is not needed: the registry may lag behind."""
        if self._changes is None:
            return through
        applied = self._changes.applied()
        with self._lock:
            while self._unapplied and self._unapplied[0] <= applied:
                self._unapplied.popleft()
            return min(through, self._unapplied[0] - 1) if self._unapplied else through
