"""The one thread that writes: queued writes, many to a transaction, answered when it is durable.

Theory of operation. A commit costs one sync of the disk whatever is in it, so while one is under
way the writes that arrive gather in a queue, and the next commit takes them together; a lone write
never waits for company. Within the group each write has a savepoint of its own: one that fails is
undone alone and its caller gets its own error, while the others go on. Futures are settled after
the commit and never before it, so whoever was answered is on disk.

When the commit fails (a full disk, a lock of another process, a server that is gone), nothing of
the group happened and every caller is told so. After a failure the thread tries by itself every
`probe_s` whether it can write again, so that readiness does not wait for a user's next try.

What is said to which database is the business of a `WritingConnection`; this module is the same for
all of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import DatabaseStatus, Result

if TYPE_CHECKING:
    from collections.abc import Callable

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


class WritingConnection(Protocol):
    """One connection as the writer uses it, from its own thread alone.

    Every method raises one of `refusals` when the database refuses.
    """

    @property
    def refusals(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What is raised when the database refuses."""
        ...

    @property
    def session(self) -> Transaction:
        """What a write gets to see."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether a transaction is under way. A database may end one by itself."""
        ...

    @property
    def reconnections(self) -> int:
        """How often a lost connection was replaced."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether another write may join the transaction that is under way."""
        ...

    def begin(self) -> None:
        """Begin a transaction."""
        ...

    def mark(self) -> None:
        """Begin what `undo` takes back and `keep` keeps: one write."""
        ...

    def keep(self) -> None:
        """Keep what was done since `mark`."""
        ...

    def undo(self) -> None:
        """Take back what was done since `mark`, and nothing else."""
        ...

    def probe(self) -> None:
        """Change something of the registry's own, so that a commit has to reach the disk."""
        ...

    def commit(self) -> None:
        """Make the transaction durable, or raise and leave nothing of it."""
        ...

    def abandon(self) -> None:
        """Take back the transaction when there is one; never raises."""
        ...

    def is_lost(self, error: Exception) -> bool:
        """Whether a refusal means that the connection is gone and nothing was written.

        Then the whole group is tried once more, over a new one.
        """
        ...

    def is_passing(self, error: Exception) -> bool:
        """Whether a refusal says nothing of whether the next group can be written."""
        ...

    def explain(self, error: Exception) -> ClewError:
        """Return what a refusal means to a caller; a new error for each of them."""
        ...


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


@dataclass(slots=True)
class _Counters:
    """Written by the writer thread alone, but for `shed`."""

    writes: int = 0
    failed_writes: int = 0
    commits: int = 0
    failed_commits: int = 0
    commit_seconds: float = 0.0
    last_group: int = 0
    shed: int = 0


class GroupWriter:
    """Owns the connection that writes. `submit` from any thread."""

    def __init__(self, connection: WritingConnection, options: WriterOptions) -> None:
        self._connection = connection
        self._options = options
        self._changed = threading.Condition()
        self._queue: deque[_Write[Any]] = deque()
        self._is_closing = False
        self._counters = _Counters()
        # Of the writer thread alone.
        self._group: list[_Write[Any]] = []
        self._failure: ClewError | None = None
        self._thread = threading.Thread(target=self._run, name="clew-registry", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise ClewError while nothing can be written."""
        failure = self._failure
        if failure is not None:
            # Each caller its own: a raised exception carries the traceback of who raised it.
            raise ClewError(failure.code, failure.message, hint=failure.hint)

    def status(self) -> DatabaseStatus:
        """Return what was written so far."""
        counters, failure = self._counters, self._failure
        return DatabaseStatus(
            dialect=self._connection.session.dialect,
            writes=counters.writes,
            failed_writes=counters.failed_writes,
            commits=counters.commits,
            failed_commits=counters.failed_commits,
            commit_seconds=counters.commit_seconds,
            last_group=counters.last_group,
            queued=len(self._queue),
            shed=counters.shed,
            reconnections=self._connection.reconnections,
            failure=None if failure is None else failure.message,
        )

    def submit(
        self, work: Callable[[Transaction], Result], *, is_lost: bool = True
    ) -> Future[Result]:
        """Queue a write; see `Database.submit`.

        `is_lost` tells whether a write that finds no room is one that somebody has to send again.
        """
        future: Future[Result] = Future()
        with self._changed:
            if self._is_closing:
                self.check()
                raise ClewError(ErrorCode.UNAVAILABLE, "the registry is closed")
            if len(self._queue) >= self._options.queue_max:
                self._counters.shed += is_lost
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
                    rest = self._commit(group)
                    while rest:
                        rest = self._commit(rest)
        except BaseException:
            # A mistake of ours, which the interpreter reports; the registry must not seem ready.
            self._failure = ClewError(
                ErrorCode.INTERNAL,
                "the registry's writer has ended",
                hint="start the server again, and report what it wrote to its log",
            )
            self._connection.abandon()
            raise
        finally:
            # Nobody may wait for a thread that is gone.
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

    def _commit(self, group: list[_Write[Any]]) -> list[_Write[Any]]:
        """Make a group durable as a whole and answer everyone in it; return who found no room."""
        began = time.monotonic()
        try:
            outcomes, rest = self._write(group)
        except self._connection.refusals as error:
            self._connection.abandon()
            try:
                if not self._connection.is_lost(error):
                    raise
                outcomes, rest = self._write(group)
            except self._connection.refusals as last:
                self._fail(group, last)
                return []
        if self._failure is not None:
            logger.info("the registry can be written again")
            self._failure = None
        counters = self._counters
        counters.commits += 1
        counters.commit_seconds += time.monotonic() - began
        counters.last_group = len(outcomes)
        counters.writes += len(outcomes)
        counters.failed_writes += sum(outcome.error is not None for outcome in outcomes)
        for outcome in outcomes:
            outcome.tell()
        return rest

    def _write(self, group: list[_Write[Any]]) -> tuple[list[_Outcome], list[_Write[Any]]]:
        outcomes, rest = self._run_all(group)
        self._connection.commit()
        return outcomes, rest

    def _run_all(self, group: list[_Write[Any]]) -> tuple[list[_Outcome], list[_Write[Any]]]:
        """Run a group in one transaction and leave it open; return who found no room in it, too.

        A write that does not fit into a full registry takes the whole transaction with it; the
        others are begun again without it, since they did nothing wrong.
        """
        undone: list[_Outcome] = []
        while True:
            self._connection.begin()
            if not group:
                self._connection.probe()
            outcomes: list[_Outcome] = []
            for taken, write in enumerate(group, 1):
                outcomes.append(self._run_one(write))
                if not self._connection.is_open:
                    break
                if not self._connection.has_room:
                    return undone + outcomes, group[taken:]
            else:
                return undone + outcomes, []
            undone.append(outcomes[-1])
            group = [write for write in group if write is not outcomes[-1].write]

    def _run_one(self, write: _Write[Any]) -> _Outcome:
        """Run one write within the group; undo it alone when it fails."""
        connection = self._connection
        connection.mark()
        try:
            result = write.work(connection.session)
            connection.keep()
            return _Outcome(write, result=result)
        except connection.refusals as error:
            if connection.is_lost(error):
                raise
            outcome = _Outcome(write, error=connection.explain(error))
        # The boundary between this thread and the strands' code: whatever they raise is theirs, and
        # must reach the caller that waits for it and nobody else.
        except Exception as error:  # noqa: BLE001
            outcome = _Outcome(write, error=error)
        if connection.is_open:
            connection.undo()
        return outcome

    def _fail(self, group: list[_Write[Any]], error: Exception) -> None:
        self._connection.abandon()
        failure = self._connection.explain(error)
        if not self._connection.is_passing(error):
            if self._failure is None:
                logger.error("the registry cannot be written: %s", failure.message)
            self._failure = failure
        self._counters.failed_commits += 1
        self._counters.writes += len(group)
        self._counters.failed_writes += len(group)
        for write in group:
            # One error each: a raised exception carries the traceback of who raised it.
            write.future.set_exception(self._connection.explain(error))

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
