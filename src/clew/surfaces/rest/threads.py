"""The threads on which questions are answered: few, with a bounded line in front of them.

The engine blocks its caller, so no question runs on the event loop. A question whose client has
gone away while it waited is never begun; one that runs is ended by its own time limit.
"""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

WAITING_MAX: Final = 64
"""Questions in line: at 15 ms each on four threads, the last one waits a quarter of a second."""

RETRY_AFTER_MS: Final = 1000

Result = TypeVar("Result")


class QueryThreads:
    """A thread pool with a wall. Belongs to one event loop."""

    def __init__(self, threads: int, *, name: str, waiting_max: int = WAITING_MAX) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"clew-{name}")
        self.threads = threads
        self.waiting_max = waiting_max
        self._open = 0

    @property
    def busy(self) -> int:
        """How many threads are at work."""
        return min(self._open, self.threads)

    @property
    def waiting(self) -> int:
        """How many questions are in line."""
        return max(0, self._open - self.threads)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run a blocking call and return what it returns.

        Cancelling the caller takes the call out of the line; one that has begun runs to its end
        and keeps its thread until then.

        Raises:
            ClewError: OVERLOADED when the line is full.
        """
        if self.waiting >= self.waiting_max:
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"{self.waiting_max} questions wait already",
                hint="ask fewer at a time, or raise --query-threads",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self._open += 1
        # What the request is about, and what it lacks, is in its context.
        future = self._executor.submit(contextvars.copy_context().run, work)
        loop = asyncio.get_running_loop()
        # The count follows the thread's work, not the caller's patience.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._close_one))
        return await asyncio.wrap_future(future)

    def _close_one(self) -> None:
        self._open -= 1

    async def close(self) -> None:
        """Let what runs come to its end, drop what waits."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)
