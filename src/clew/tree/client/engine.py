"""The one thread of a process in which its clients' sockets live, and what becomes of it in a fork.

A program's own event loop may be blocked for minutes, and a program may have none; so the sockets
have a loop of their own, in a daemon thread. A forked child has no such thread: there its clients
do nothing, and its copies of the sockets are closed, because as long as one is open the server
cannot see that the parent has died.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable, Coroutine


class Forkable(Protocol):
    """Something that must know that it is in a forked child now."""

    def forked(self) -> None:
        """Do nothing any more. MUST NOT take a lock: the parent's threads may have held it."""
        ...


class Engine:
    """A thread with an event loop."""

    def __init__(self) -> None:
        # Importing asyncio takes longer than all the rest of a client that does nothing.
        import asyncio

        self._loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.sockets: set[socket.socket] = set()
        """The open ones, for a forked child to close."""
        threading.Thread(target=self._work, name="clew tree", daemon=True).start()

    def call(self, action: Callable[[], Any]) -> None:
        """Run something in the thread soon. From any thread, and from a signal's handler."""
        self._loop.call_soon_threadsafe(action)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a task in the thread."""
        self.call(lambda: self._start(work))

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = self._loop.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _work(self) -> None:
        self._loop.run_forever()


class _Process:
    """The engine of this process, and everything that has to hear of a fork."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.engine: Engine | None = None
        self.forkables: weakref.WeakSet[Forkable] = weakref.WeakSet()
        self.inherited: list[Engine] = []
        """Of the parent: kept, because collecting them would close what is not open here."""


_process = _Process()


def get_engine() -> Engine:
    """Return the engine of this process; the first call starts its thread."""
    with _process.lock:
        if _process.engine is None:
            _process.engine = Engine()
        return _process.engine


def tell_of_forks(forkable: Forkable) -> None:
    """Let something know when it finds itself in a forked child."""
    _process.forkables.add(forkable)


def _after_fork() -> None:
    _process.lock = threading.Lock()
    engine, _process.engine = _process.engine, None
    if engine is not None:
        for sock in engine.sockets:
            sock.close()
        _process.inherited.append(engine)
    for forkable in list(_process.forkables):
        forkable.forked()
    _process.forkables = weakref.WeakSet()


os.register_at_fork(after_in_child=_after_fork)
