"""A process's part in the tree, for programs without an event loop.

Only what says so blocks, and nothing raises because of the server but what waits for its answer: a
program that is watched must run as if it were not. Without `TRAILS_INFO` in the environment a
client does nothing.
"""

from __future__ import annotations

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
    import subprocess
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from clew.tree.client.aio import AsyncTrailsClient
    from clew.tree.client.answers import Answer
    from clew.tree.client.launch import ChildPool
    from clew.tree.client.nursery import ChildBlock
    from clew.tree.frames.inbound import Issue
    from clew.tree.frames.info import TrailsConfig
    from clew.tree.machine.app import Orphans

Answered = TypeVar("Answered")


class TrailsClient(Face):
    """One app of the tree. Make it with `init` or `init_with`; leaving its block shuts it down."""

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Shut down; an exception that ends the block is the app's error."""
        if isinstance(value, Exception):
            self.error(f"{type(value).__name__}: {value}")
        self.shutdown()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the app is in the tree; return whether it is. Blocks."""
        self._membership.is_connected.wait(timeout_s if self._membership.has_link else 0.0)
        return self.is_connected

    def wait_cancelled(self, timeout_s: float | None = None) -> bool:
        """Wait until somebody cancels this app; return whether somebody has. Blocks."""
        return self._membership.is_cancelled.wait(timeout_s)

    def spawn(
        self,
        name: str,
        *,
        tags: Any = None,
        start_deadline_s: int | None = None,
        resume_window_s: float | None = None,
        orphans: Orphans | None = None,
        timeout_s: float = ANSWER_S_MAX,
    ) -> TrailsConfig:
        """Announce a child and return what it needs to know, its join token included. Blocks.

        Start the process with ``TRAILS_INFO=config.encode()`` in its environment within
        `start_deadline_s`; else the child counts as failed to start.

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
            answer = self._wait(spawning.spawned, timeout_s, child.app_id, "a spawn")
            if answer.join_token is not None:
                break
            child = renamed(child)
        return msgspec.structs.replace(child, join_token=answer.join_token)

    def send(
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
        """Send a command to a descendant, or with `cascade` to all below it that match. Blocks.

        Returns what is known once it is durable; with `wait_s`, once it is over, or as it stands
        after so many seconds.

        Raises:
            ClewError: NOT_FOUND or FORBIDDEN when it is no descendant, INVALID_ARGUMENT for a
                payload that cannot be sent, UNAVAILABLE without a tree, TIMEOUT without an answer.
        """
        options = SendOptions(
            cascade=cascade, ttl_s=ttl_s, name_filter=name_filter, status_filter=status_filter
        )
        own = self._membership.require_config().app_id
        return self._issue(command_frame(own, target, action, payload, options), wait_s)

    def cancel(
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
        """Cancel a descendant, and with `cascade` all that is below it. Blocks; else as `send`."""
        options = CancelOptions(
            cascade=cascade,
            reason=reason,
            grace_s=grace_s,
            kill_after_s=kill_after_s,
            include_detached=include_detached,
        )
        own = self._membership.require_config().app_id
        return self._issue(cancel_frame(own, target, options), wait_s)

    def start_process(
        self, arguments: Sequence[Any], *, name: str | None = None, tags: Any = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a process as a child: announced first, with its `TRAILS_INFO`. Blocks till then.

        `options` are those of `subprocess.Popen`. Without a tree it is an ordinary process.

        Raises:
            ClewError: the server does not want the child, or does not answer.
            OSError: the process cannot be started; the child is taken back.
        """
        from clew.tree.client.launch import launch

        return launch(self, arguments, name, tags, options).process

    def process_pool(
        self,
        workers: int,
        *,
        name: str = "worker",
        initializer: Callable[..., None] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> ChildPool:
        """Return an executor whose worker processes are children. Blocks till all are announced.

        Raises:
            ClewError: the server does not want them, or does not answer.
        """
        from clew.tree.client.launch import ChildPool

        return ChildPool(self, workers, name, initializer, initargs)

    def child(self, name: str, *, tags: Any = None) -> ChildBlock:
        """Return a block in which a part of this process is an app of its own.

        ``with client.child("worker") as child:`` ends when the processes that `child` started have
        ended, and with ``async with`` its tasks as well; an error, or a cancel from the tree, ends
        them.
        """
        from clew.tree.client.nursery import ChildBlock

        return ChildBlock(self, name, tags)

    def in_loop(self) -> AsyncTrailsClient:
        """Return the face for the running event loop; it speaks for the same app."""
        from clew.tree.client.aio import AsyncTrailsClient

        return AsyncTrailsClient(self._membership)

    def shutdown(self, timeout_s: float = SHUTDOWN_S_MAX, *, reason: str = "completed") -> bool:
        """Leave: wait until all is said, and say goodbye where neither result nor error was said.

        Blocks for `timeout_s` at the most, and for two seconds where no result waits. Returns
        whether the server has everything. The second call does nothing; never raises.
        """
        return self._membership.leave(timeout_s, reason)

    def _issue(self, frame: Issue, wait_s: float) -> Answer:
        issuing = Issuing(frame, waits=wait_s > 0)
        key = frame.correlation_id
        started = time.monotonic()
        self._membership.ask(issuing.request)
        answer = self._wait(issuing.accepted, max(wait_s, ANSWER_S_MAX), key, "a command")
        left = wait_s - (time.monotonic() - started)
        if left <= 0:
            return answer
        try:
            return issuing.over.result(left)
        except TimeoutError:
            self._membership.forget(key)
            return issuing.latest or answer

    def _wait(self, future: Future[Answered], timeout_s: float, key: str, what: str) -> Answered:
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            self._membership.forget(key)
            raise timed_out(what) from error
