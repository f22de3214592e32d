"""The threads on which questions are answered: few, with a bounded line in front of them.

Theory of operation. The engine blocks its caller, so no question runs on the event loop. Each has a
deadline, its time in line included, and what it asks in turn has no longer (`clew.base.deadline`),
so that it ends by itself. Where it does not, whoever asked is told a moment later, whatever its
thread is doing: the event loop answers, and asks nobody. The thread is left to the question: what
it is at is said on the log, and another one takes its place, a bounded number of times. A thread
that comes back to find its place taken ends. A question whose client has gone away while it waited
is never begun.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import queue
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Final, TypeVar

from clew.base.deadline import DEADLINE, overdue
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

WAITING_MAX: Final = 64
"""Questions in line: at 15 ms each on four threads, the last one waits a quarter of a second."""

SECONDS_MAX: Final = 50.0
"""How long a question may take in all: longer than the half minute that one statement has, and
shorter than the minute that our clients wait, so that they hear why there is no answer."""

GRACE_SHARE: Final = 0.1
GRACE_SECONDS_MAX: Final = 1.0
"""How much longer than its time a question is waited for: what ends it by itself ends it then, and
its thread has to say so."""

LEFT_MAX: Final = 16
"""Threads that may be left to questions which do not end: as many as the engine has clients, so
that more would find none."""

LOOK_AGAIN_SECONDS: Final = 1.0
"""How often a question that could not be left is looked at again."""

FRAMES_SHOWN: Final = 12
"""How much is told of where such a thread is: its innermost calls."""

RETRY_AFTER_MS: Final = 1000

Result = TypeVar("Result")


class _Job:
    """One question.

    `answer`, `timer` and `is_told` are of the event loop, the rest of whoever has the pool's lock.
    """

    def __init__(
        self, call: Callable[[], Any], answer: asyncio.Future[Any], seconds: float
    ) -> None:
        self.call = call
        self.answer = answer
        self.seconds = seconds
        self.until = time.monotonic() + seconds
        self.timer: asyncio.TimerHandle | None = None
        self.thread: threading.Thread | None = None
        self.is_over = False
        """Nobody waits for it: it is not begun any more."""
        self.is_told = False
        """The log has what it is at."""


class QueryThreads:
    """A thread pool with a wall. Belongs to one event loop."""

    def __init__(
        self,
        threads: int,
        *,
        name: str,
        waiting_max: int = WAITING_MAX,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Prepare; a question has `seconds_max` unless it is told otherwise."""
        self.threads = threads
        self.waiting_max = waiting_max
        self.seconds_max = seconds_max
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # Guards what follows, and each job.
        self._lock = threading.Lock()
        self._open = 0
        self._left = 0
        self._made = 0
        self._workers: set[threading.Thread] = set()
        self._is_closed = False

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return min(self._open, self.threads)

    @property
    def waiting(self) -> int:
        """How many questions are in line."""
        return max(0, self._open - self.threads)

    @property
    def left(self) -> int:
        """How many threads were left to questions that do not end."""
        return self._left

    async def run(self, work: Callable[[], Result], *, seconds: float | None = None) -> Result:
        """Run a blocking call and return what it returns.

        Cancelling the caller takes the call out of the line; one that has begun keeps its thread to
        its end or its deadline.

        Raises:
            ClewError: OVERLOADED when the line is full; TIMEOUT when it is not answered in
                `seconds`, by default `seconds_max`.
        """
        if self.waiting >= self.waiting_max:
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"{self.waiting_max} questions wait already",
                hint="ask fewer at a time, or raise --query-threads",
                retry_after_ms=RETRY_AFTER_MS,
            )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        # What the request is about, and what it lacks, is in its context.
        context = contextvars.copy_context()
        job = _Job(
            lambda: context.run(work), answer, self.seconds_max if seconds is None else seconds
        )
        context.run(DEADLINE.set, job.until)
        self._begin(job)
        grace = min(GRACE_SHARE * job.seconds, GRACE_SECONDS_MAX)
        job.timer = loop.call_later(job.seconds + grace, self._end_overdue, job)
        try:
            return await answer
        except asyncio.CancelledError:
            self._give_up(job)
            raise

    async def close(self) -> None:
        """Let what runs come to its end, or its deadline; drop what waits."""
        with self._lock:
            self._is_closed = True
            workers = list(self._workers)
        while (job := self._take_from_line()) is not None:
            self._give_up(job)
            job.answer.cancel()
        for _ in workers:
            self._jobs.put(None)
        # A thread that is left to its question is in no list any more.
        while any(worker.is_alive() for worker in workers if worker in self._workers):
            await asyncio.to_thread(_join_any, workers)

    def _take_from_line(self) -> _Job | None:
        """Return a question that waits; None when there is none, since threads take them too."""
        try:
            return self._jobs.get_nowait()
        except queue.Empty:
            return None

    def _begin(self, job: _Job) -> None:
        with self._lock:
            if self._is_closed:
                raise ClewError(ErrorCode.UNAVAILABLE, "the server is closing")
            self._open += 1
            if len(self._workers) < min(self._open, self.threads):
                self._add_worker()
        self._jobs.put(job)

    def _add_worker(self) -> None:
        """Start a thread; the lock is held."""
        worker = threading.Thread(
            target=self._work, name=f"clew-{self._name}_{self._made}", daemon=True
        )
        self._made += 1
        try:
            worker.start()
        except RuntimeError as error:
            # Whoever asks is answered by a thread that is there, or at the deadline.
            logger.warning("no thread could be started for questions: %s", error)
            return
        self._workers.add(worker)

    def _work(self) -> None:
        """Answer one question after the other, until the end, or until the place is taken."""
        here = threading.current_thread()
        while (job := self._jobs.get()) is not None:
            with self._lock:
                if job.is_over:
                    continue
                job.thread = here
            result: Any = None
            error: BaseException | None = None
            try:
                result = job.call()
            except BaseException as raised:  # noqa: BLE001 - it is whoever asked who handles it
                error = raised
            if isinstance(error, StopIteration):
                # No future takes one, so nobody would ever be told.
                error = RuntimeError("StopIteration was not caught")
            self._finish(job, result, error)
            with self._lock:
                if here not in self._workers:
                    self._left -= 1
                    return
            # What it held is not held until the next question comes.
            del job, result, error
        with self._lock:
            self._workers.discard(here)

    def _finish(self, job: _Job, result: Any, error: BaseException | None) -> None:
        with self._lock:
            job.thread = None
            if not job.is_over:
                job.is_over = True
                self._open -= 1

        def say() -> None:
            if job.timer is not None:
                job.timer.cancel()
            if job.answer.done():
                return
            if error is None:
                job.answer.set_result(result)
            else:
                job.answer.set_exception(error)

        try:
            job.answer.get_loop().call_soon_threadsafe(say)
        except RuntimeError:
            # The loop has ended, and with it whoever asked.
            return

    def _give_up(self, job: _Job) -> None:
        """Take a question that nobody waits for out of the line, if it is in it."""
        with self._lock:
            if job.thread is not None or job.is_over:
                # It keeps its thread, to its end or its deadline.
                return
            job.is_over = True
            self._open -= 1
        if job.timer is not None:
            job.timer.cancel()

    def _end_overdue(self, job: _Job) -> None:
        """Tell whoever asked that the time is over, and leave the question its thread."""
        if not job.answer.done():
            job.answer.set_exception(overdue(job.seconds))
        with self._lock:
            if job.is_over:
                return
            thread = job.thread
            is_replaced = thread is not None and (self._is_closed or self._left < LEFT_MAX)
            if thread is None or is_replaced:
                job.is_over = True
                self._open -= 1
            if thread is not None and is_replaced:
                self._workers.discard(thread)
                self._left += 1
                if not self._is_closed:
                    self._add_worker()
        if thread is not None and not is_replaced:
            # Its place is taken once others are back, and nobody waits for it at the end.
            job.timer = job.answer.get_loop().call_later(LOOK_AGAIN_SECONDS, self._end_overdue, job)
        if thread is not None and not job.is_told:
            job.is_told = True
            logger.error(
                "a question is not answered after %g s, and its thread is left to it: %s",
                job.seconds,
                _place_of(thread),
            )


def _join_any(workers: list[threading.Thread]) -> None:
    """Wait a moment for threads to end."""
    for worker in workers:
        worker.join(0.1)


def _place_of(thread: threading.Thread) -> str:
    """Say in which calls a thread is, the innermost last."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - nothing else tells
    frames = [] if frame is None else traceback.extract_stack(frame)[-FRAMES_SHOWN:]
    return " > ".join(
        f"{each.filename.rpartition('/')[2]}:{each.lineno} {each.name}" for each in frames
    )
