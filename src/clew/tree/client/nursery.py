"""A part of a process as an app of its own, whose block ends when all that it started has ended.

The idea is that of nurseries: leaving the block waits for tasks and processes; an error in the
block or in a task ends the others; a cancel from the tree ends them all, and is acknowledged when
they have ended. So nothing that runs below an app outlives it unseen.
"""

from __future__ import annotations

import asyncio
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Final

from clew.tree.client.aio import AsyncTrailsClient
from clew.tree.client.client import TrailsClient
from clew.tree.client.ending import GRACE_S
from clew.tree.client.launch import Launched, LaunchedAsync, launch, launch_async
from clew.tree.client.membership import Membership

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from types import TracebackType

    from clew.tree.client.ending import CancelContext

# How often a block that waits for a process looks whether it was cancelled.
_LOOK_S: Final = 0.05


class AsyncChild(AsyncTrailsClient):
    """A part of a process, with tasks and processes of its own."""

    def __init__(self, membership: Membership, group: asyncio.TaskGroup) -> None:
        """Speak for an app whose tasks run in a group."""
        super().__init__(membership)
        self._group = group
        self.launched: list[LaunchedAsync] = []

    def start(
        self, work: Coroutine[Any, Any, Any], *, name: str | None = None
    ) -> asyncio.Task[Any]:
        """Start a task that the end of the block waits for."""
        return self._group.create_task(work, name=name)

    async def start_process(
        self, *arguments: Any, name: str | None = None, tags: Any = None, **options: Any
    ) -> asyncio.subprocess.Process:
        """Start a process as a child of this one; the end of the block waits for it.

        Raises:
            ClewError: the server does not want the child, or does not answer.
            OSError: the process cannot be started; the child is taken back.
        """
        launched = await launch_async(self, arguments, name, tags, options)
        self.launched.append(launched)
        return launched.process


class AsyncNursery:
    """The block of an `AsyncChild`: ``async with client.child("worker") as child``."""

    def __init__(self, parent: AsyncTrailsClient, name: str, tags: Any) -> None:
        self._parent = parent
        self._name = name
        self._tags = tags
        self._group = asyncio.TaskGroup()
        self._is_left = asyncio.Event()
        self._is_leaving = False
        self._is_cancelled = False

    async def __aenter__(self) -> AsyncChild:
        """Announce the child, let it join, and open its group of tasks.

        Raises:
            ClewError: the server does not want the child, or does not answer.
        """
        config = None
        if self._parent.config is not None:
            config = await self._parent.spawn(self._name, tags=self._tags)
        await self._group.__aenter__()
        self._host = asyncio.current_task()
        self._child = AsyncChild(Membership(config, is_process=False), self._group)
        self._child.on_cancel(GRACE_S, self._cancel, exits=False)
        return self._child

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Wait for what was started, or end it. A cancel from the tree ends here and is no error.

        Raises:
            BaseExceptionGroup: tasks failed.
        """
        failure = value
        try:
            if value is None:
                self._group.create_task(_wait_all(self._child.launched))
            await self._group.__aexit__(kind, value, traceback)
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            failure = error
        is_own = self._is_cancelled and isinstance(failure, asyncio.CancelledError)
        if is_own and self._host is not None:
            self._host.uncancel()
        self._is_leaving = True
        await _to_the_end(self._leave(failure, is_own=is_own))
        if failure is None or is_own:
            return True
        is_the_blocks = isinstance(failure, BaseExceptionGroup) and failure.exceptions == (value,)
        if failure is value or is_the_blocks:
            return False
        raise failure

    async def _cancel(self, _context: CancelContext) -> None:
        """Take a cancel from the tree: end the block, and acknowledge when it has ended."""
        self._is_cancelled = True
        if self._host is not None and not self._is_leaving:
            self._host.cancel()
        await self._is_left.wait()

    async def _leave(self, failure: BaseException | None, *, is_own: bool) -> None:
        child = self._child
        if failure is not None:
            await asyncio.gather(*(launched.end() for launched in child.launched))
        self._is_left.set()
        if isinstance(failure, Exception):
            child.error(f"{type(failure).__name__}: {failure}")
        is_cancelled = is_own or isinstance(failure, asyncio.CancelledError)
        await child.shutdown(reason="cancelled" if is_cancelled else "completed")


class Child(TrailsClient):
    """A part of a process, with processes of its own."""

    def __init__(self, membership: Membership) -> None:
        """Speak for an app."""
        super().__init__(membership)
        self.launched: list[Launched] = []

    def start_process(
        self, arguments: Sequence[Any], *, name: str | None = None, tags: Any = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a process as a child of this one; the end of the block waits for it.

        Raises:
            ClewError: the server does not want the child, or does not answer.
            OSError: the process cannot be started; the child is taken back.
        """
        launched = launch(self, arguments, name, tags, options)
        self.launched.append(launched)
        return launched.process


class ChildBlock:
    """The block of a `Child`: ``with client.child("worker") as child``.

    A cancel from the tree ends its processes; the block itself learns of it by `is_cancelled`.
    With ``async with`` it is an `AsyncNursery`.
    """

    def __init__(self, parent: TrailsClient, name: str, tags: Any) -> None:
        self._parent = parent
        self._name = name
        self._tags = tags
        self._is_left = threading.Event()

    def __enter__(self) -> Child:
        """Announce the child and let it join.

        Raises:
            ClewError: the server does not want the child, or does not answer.
        """
        config = None
        if self._parent.config is not None:
            config = self._parent.spawn(self._name, tags=self._tags)
        self._child = Child(Membership(config, is_process=False))
        self._child.on_cancel(GRACE_S, self._cancel, exits=False)
        return self._child

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the processes, or end them after an error or a cancel."""
        child = self._child
        try:
            if value is None:
                _wait_until_cancelled(child)
        finally:
            for launched in child.launched:
                launched.end()
            self._is_left.set()
            if isinstance(value, Exception):
                child.error(f"{type(value).__name__}: {value}")
            child.shutdown(reason="cancelled" if child.is_cancelled else "completed")

    async def __aenter__(self) -> AsyncChild:
        """Begin an `AsyncNursery` in the running loop."""
        self._async_nursery = AsyncNursery(self._parent.in_loop(), self._name, self._tags)
        return await self._async_nursery.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """End it."""
        return await self._async_nursery.__aexit__(kind, value, traceback)

    def _cancel(self, _context: CancelContext) -> None:
        self._is_left.wait()


def _wait_until_cancelled(child: Child) -> None:
    """Wait for the processes of a child to end, for as long as it is not cancelled."""
    for launched in child.launched:
        while not child.is_cancelled:
            try:
                launched.process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                continue
            break


async def _wait_all(launched: list[LaunchedAsync]) -> None:
    for each in launched:
        await each.process.wait()


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await something that must not stop half-way; a cancel meanwhile takes effect after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
