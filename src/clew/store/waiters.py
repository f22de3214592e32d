"""Who waits on an event loop for what the log says: for one frame, or for any news."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.base.errors import ClewError
    from clew.store.log.receipt import Group

Given = TypeVarTuple("Given")


class Waiters:
    """Those who wait on one event loop. `call` may come from any thread, the rest from the loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._frames: deque[tuple[int, asyncio.Future[int]]] = deque()
        self._news: asyncio.Future[None] | None = None

    def enter(self) -> None:
        """Take the event loop that runs for the one on which all wait."""
        self._loop = asyncio.get_running_loop()

    def call(self, call: Callable[[*Given], object], *given: *Given) -> bool:
        """Have the event loop call something soon; return False when none is there any more."""
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(call, *given)
        except RuntimeError:
            return False
        return True

    def expect(self, number: int) -> asyncio.Future[int]:
        """Return what is settled with frame `number`, which is above those expected before."""
        assert self._loop is not None
        waiter: asyncio.Future[int] = self._loop.create_future()
        self._frames.append((number, waiter))
        return waiter

    def settle(self, group: Group) -> None:
        """Answer those who wait for frames of a group, and all who wait for news."""
        while self._frames and self._frames[0][0] <= group.last:
            number, waiter = self._frames.popleft()
            if waiter.done():
                continue
            if (error := group.error()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(number)
        self.announce()

    def announce(self) -> None:
        """Wake those who wait for news."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._news = None

    async def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> None:
        """Wait until something is so, which only news may change, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not is_so():
                    await self._next_news()

    async def empty(self, timeout_s: float) -> None:
        """Wait until nobody waits for a frame, or the time is up."""
        await self.wait_until(lambda: not self._frames, timeout_s)

    def abandon(self, why: Callable[[], ClewError]) -> None:
        """Answer those who wait for frames yet with an error of their own each."""
        for _, waiter in self._frames:
            if not waiter.done():
                waiter.set_exception(why())

    async def _next_news(self) -> None:
        if self._news is None:
            self._news = asyncio.get_running_loop().create_future()
        # Shared by all who wait, so that one of them giving up must not cancel it.
        await asyncio.shield(self._news)
