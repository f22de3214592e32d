"""A process's part in the tree, for programs with an event loop.

The socket lives in a thread of its own all the same: a loop that is busy for a minute must not look
like a process that hangs. Handlers and hooks that are coroutine functions run in the program's
loop; others in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from clew.tree.client.ending import GRACE_S
from clew.tree.client.exchange import ANSWER_S_MAX, Issuing, Spawning, timed_out
from clew.tree.client.face import SPAWN_TRIES, Face
from clew.tree.client.membership import SHUTDOWN_S_MAX
from clew.tree.client.questions import (
    CancelOptions,
    SendOptions,
    SpawnOptions,
    cancel_frame,
    command_frame,
    new_child,
    renamed,
    spawn_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    from clew.tree.client.answers import Answer
    from clew.tree.client.membership import Membership
    from clew.tree.client.nursery import AsyncNursery
    from clew.tree.frames.inbound import Issue
    from clew.tree.frames.info import TrailsConfig
    from clew.tree.machine.app import Orphans

Answered = TypeVar("Answered")


class AsyncTrailsClient(Face):
    """One app of the tree. Make it with `init` or `init_with`, within a running loop.

    What never waits (`status`, `result`, `error`) is no coroutine.
    """

    def __init__(self, membership: Membership) -> None:
        """Speak for an app."""
        super().__init__(membership)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        membership.watch(self._tell_loop)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Shut down; an exception that ends the block is the app's error."""
        if isinstance(value, Exception):
            self.error(f"{type(value).__name__}: {value}")
        await self.shutdown()

    async def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the app is in the tree; return whether it is."""
        wait_s = timeout_s if self._membership.has_link else 0.0
        return await self._until(lambda: self.is_connected, wait_s)

    async def wait_cancelled(self, timeout_s: float | None = None) -> bool:
        """Wait until somebody cancels this app; return whether somebody has."""
        return await self._until(lambda: self.is_cancelled, timeout_s)

    async def spawn(
        self,
        name: str,
        *,
        tags: Any = None,
        start_deadline_s: int | None = None,
        resume_window_s: float | None = None,
        orphans: Orphans | None = None,
        timeout_s: float = ANSWER_S_MAX,
    ) -> TrailsConfig:
        """Announce a child and return what it needs to know; as `TrailsClient.spawn`.

        Raises:
            ClewError: UNAVAILABLE without a tree, TIMEOUT without an answer, or the server's own.
        """
        options = SpawnOptions(
            tags=tags,
            start_deadline_s=start_deadline_s,
            resume_window_s=resume_window_s,
            orphans=orphans,
        )
        parent = self._membership.require_config()
        child = new_child(parent, name, options)
        for _ in range(SPAWN_TRIES):
            spawning = Spawning(spawn_frame(parent.app_id, child, options))
            self._membership.ask(spawning.request)
            answer = await self._wait(spawning.spawned, timeout_s, child.app_id, "a spawn")
            if answer.join_token is not None:
                break
            child = renamed(child)
        return msgspec.structs.replace(child, join_token=answer.join_token)

    async def send(
        self,
        target: str,
        action: str,
        payload: Any = None,
        *,
        cascade: bool = False,
        ttl_s: float | None = None,
        name_filter: str | None = None,
        status_filter: str | None = None,
        wait_s: float = 0.0,
    ) -> Answer:
        """Send a command to a descendant, or to all below it; as `TrailsClient.send`.

        Raises:
            ClewError: as there.
        """
        options = SendOptions(
            cascade=cascade, ttl_s=ttl_s, name_filter=name_filter, status_filter=status_filter
        )
        own = self._membership.require_config().app_id
        return await self._issue(command_frame(own, target, action, payload, options), wait_s)

    async def cancel(
        self,
        target: str,
        *,
        cascade: bool = True,
        reason: str = "",
        grace_s: float = GRACE_S,
        kill_after_s: float | None = None,
        include_detached: bool = False,
        wait_s: float = 0.0,
    ) -> Answer:
        """Cancel a descendant, and with `cascade` all that is below it; else as `send`."""
        options = CancelOptions(
            cascade=cascade,
            reason=reason,
            grace_s=grace_s,
            kill_after_s=kill_after_s,
            include_detached=include_detached,
        )
        own = self._membership.require_config().app_id
        return await self._issue(cancel_frame(own, target, options), wait_s)

    async def start_process(
        self, *arguments: Any, name: str | None = None, tags: Any = None, **options: Any
    ) -> asyncio.subprocess.Process:
        """Start a process as a child: announced first, with its `TRAILS_INFO`.

        `options` are those of `asyncio.create_subprocess_exec`. Without a tree it is an ordinary
        process.

        Raises:
            ClewError: the server does not want the child, or does not answer.
            OSError: the process cannot be started; the child is taken back.
        """
        from clew.tree.client.launch import launch_async

        return (await launch_async(self, arguments, name, tags, options)).process

    def child(self, name: str, *, tags: Any = None) -> AsyncNursery:
        """Return a block in which a part of this process is an app of its own.

        ``async with client.child("worker") as child:`` ends when the tasks and processes that
        `child` started have ended; an error, or a cancel from the tree, ends them.
        """
        from clew.tree.client.nursery import AsyncNursery

        return AsyncNursery(self, name, tags)

    async def shutdown(
        self, timeout_s: float = SHUTDOWN_S_MAX, *, reason: str = "completed"
    ) -> bool:
        """Leave, as `TrailsClient.shutdown` does, without holding up the loop."""
        return await asyncio.to_thread(self._membership.leave, timeout_s, reason)

    async def _issue(self, frame: Issue, wait_s: float) -> Answer:
        issuing = Issuing(frame, waits=wait_s > 0)
        key = frame.correlation_id
        started = time.monotonic()
        self._membership.ask(issuing.request)
        answer = await self._wait(issuing.accepted, max(wait_s, ANSWER_S_MAX), key, "a command")
        left = wait_s - (time.monotonic() - started)
        if left <= 0:
            return answer
        try:
            async with asyncio.timeout(left):
                return await asyncio.wrap_future(issuing.over)
        except TimeoutError:
            self._membership.forget(key)
            return issuing.latest or answer

    async def _wait(
        self, future: Future[Answered], timeout_s: float, key: str, what: str
    ) -> Answered:
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise timed_out(what) from error
        finally:
            if not future.done():
                self._membership.forget(key)

    async def _until(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            return condition()
        return True

    def _tell_loop(self) -> None:
        """Let waiters look again; called in the thread of the sockets."""
        # A loop that was closed since has nobody who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._changed.set)
