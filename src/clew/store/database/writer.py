"""The one thread that writes: queued writes, many to a transaction, answered when it is durable.

Theory of operation. A commit costs one sync of the disk whatever is in it, so while one is under
way the writes that arrive gather in a queue, and the next commit takes them together; a lone write
never waits for company. Within the group each write has a savepoint of its own: one that fails is
undone alone and its caller gets its own error, while the others go on. Futures are settled after
the commit and never before it, so whoever was answered is on disk.

When the commit fails (a full disk, a lock of another process), nothing of the group happened and
every caller is told so. SQLite writes the next group over what the failed one left in its log,
so a sync that failed once is not taken for done later. After a failure the thread tries by itself
every `probe_s` whether it can write again, so that readiness does not wait for a user's next try.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import Result
from clew.store.database.failure import explain
from clew.store.database.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clew.store.database.contract import Transaction

logger = logging.getLogger(__name__)

QUEUE_RETRY_MS: Final = 200
"""Told to who met a full queue: it takes a few commits of some milliseconds each to empty."""


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """Bounds of the writer.

    The queue holds what arrives during one commit even when a slow disk takes a second for it; a
    group of 256 keeps one write's wait to a few milliseconds beyond the sync.
    """

    queue_max: int = 1000
    group_max: int = 256
    probe_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Write(Generic[Result]):
    work: Callable[[Transaction], Result]
    future: Future[Result]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one write of a group came to, told once the group is durable."""

    write: _Write[Any]
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if self.error is not None:
            self.write.future.set_exception(self.error)
        else:
            self.write.future.set_result(self.result)


class GroupWriter:
    """Owns the connection that writes. `submit` from any thread."""

    def __init__(self, connection: sqlite3.Connection, path: Path, options: WriterOptions) -> None:
        self._connection = connection
        self._session = Session(connection)
        self._path = path
        self._options = options
        self._changed = threading.Condition()
        self._queue: deque[_Write[Any]] = deque()
        self._is_closing = False
        # Of the writer thread alone.
        self._group: list[_Write[Any]] = []
        self._failure: ClewError | None = None
        self._thread = threading.Thread(target=self._run, name="clew-registry", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> ClewError | None:
        """Why nothing can be written at present, None when it can."""
        return self._failure

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        """Queue a write; see `Database.submit`."""
        future: Future[Result] = Future()
        with self._changed:
            if self._is_closing:
                raise ClewError(ErrorCode.UNAVAILABLE, "the registry is closed")
            if len(self._queue) >= self._options.queue_max:
                raise ClewError(
                    ErrorCode.OVERLOADED,
                    "writes arrive faster than the disk takes them",
                    hint="write again after the time given",
                    retry_after_ms=QUEUE_RETRY_MS,
                )
            self._queue.append(_Write(work, future))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Commit what is queued and end the thread; idempotent. The connection stays open."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                self._group = group
                if group or self._failure is not None:
                    self._commit(group)
        finally:
            # Left early only by a mistake of ours, which the interpreter reports; nobody may wait
            # for a thread that is gone.
            self._refuse_rest()

    def _next_group(self) -> list[_Write[Any]] | None:
        """Return what to write next, nothing when it is time to probe, None at the end."""
        with self._changed:
            patience = None if self._failure is None else self._options.probe_s
            self._changed.wait_for(lambda: self._queue or self._is_closing, patience)
            if self._is_closing and not self._queue:
                return None
            count = min(len(self._queue), self._options.group_max)
            taken = [self._queue.popleft() for _ in range(count)]
        # A caller that has gone may take its write back until this moment, and not after.
        return [write for write in taken if write.future.set_running_or_notify_cancel()]

    def _commit(self, group: list[_Write[Any]]) -> None:
        """Make a group durable as a whole and answer everyone in it."""
        try:
            outcomes = self._run_all(group)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._fail(group, error)
            return
        if self._failure is not None:
            logger.info("the registry can be written again")
            self._failure = None
        for outcome in outcomes:
            outcome.tell()

    def _run_all(self, group: list[_Write[Any]]) -> list[_Outcome]:
        """Run a group in one transaction and leave it open.

        A write that does not fit into a full registry takes the whole transaction with it; the
        others are begun again without it, since they did nothing wrong.
        """
        undone: list[_Outcome] = []
        while True:
            self._connection.execute("BEGIN IMMEDIATE")
            if not group:
                # A probe: a page that has changed must reach the disk.
                self._connection.execute("UPDATE registry_probes SET count = count + 1")
            outcomes: list[_Outcome] = []
            for write in group:
                outcomes.append(self._run_one(write))
                if not self._connection.in_transaction:
                    break
            else:
                return undone + outcomes
            undone.append(outcomes[-1])
            group = [write for write in group if write is not outcomes[-1].write]

    def _run_one(self, write: _Write[Any]) -> _Outcome:
        """Run one write within the group; undo it alone when it fails."""
        self._connection.execute("SAVEPOINT one")
        try:
            outcome = _Outcome(write, result=write.work(self._session))
        except sqlite3.Error as error:
            outcome = _Outcome(write, error=explain(error, self._path))
        # The boundary between this thread and the strands' code: whatever they raise is theirs, and
        # must reach the caller that waits for it and nobody else.
        except Exception as error:  # noqa: BLE001
            outcome = _Outcome(write, error=error)
        if outcome.error is None:
            self._connection.execute("RELEASE one")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK TO one")
            self._connection.execute("RELEASE one")
        return outcome

    def _fail(self, group: list[_Write[Any]], error: sqlite3.Error) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        failure = explain(error, self._path)
        if self._failure is None:
            logger.error("the registry cannot be written: %s", failure.message)
        self._failure = failure
        for write in group:
            # One error each: a raised exception carries the traceback of who raised it.
            write.future.set_exception(explain(error, self._path))

    def _refuse_rest(self) -> None:
        with self._changed:
            self._is_closing = True
            rest = [write for write in self._queue if write.future.set_running_or_notify_cancel()]
            self._queue.clear()
        for write in (*self._group, *rest):
            if not write.future.done():
                write.future.set_exception(
                    ClewError(ErrorCode.INTERNAL, "the registry's writer has ended")
                )
