"""Connections to one server: as many as threads ask at once, kept for the next question."""

from __future__ import annotations

import queue
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from clew.remote.http import Server


class Connections(Protocol):
    """Where a question gets its connection from. Safe to use from any thread."""

    def borrow(self) -> AbstractContextManager[Server]:
        """Give a server to this thread for as long as the block runs."""
        ...

    def close(self) -> None:
        """Let go of what was opened here; repeatable."""
        ...


class OwnConnections:
    """Opens connections as they are wanted; they end by `close`, or with this object."""

    def __init__(self, open_: Callable[[], Server]) -> None:
        self._open = open_
        self._idle: queue.SimpleQueue[Server] = queue.SimpleQueue()
        self._end = weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def borrow(self) -> Iterator[Server]:
        """Give a server to this thread for as long as the block runs."""
        try:
            server = self._idle.get_nowait()
        except queue.Empty:
            server = self._open()
        try:
            yield server
        finally:
            if self._end.alive:
                self._idle.put(server)
            else:
                server.close()

    def close(self) -> None:
        """Close every connection; who asks after that opens one for the question alone."""
        self._end()


class GivenConnection:
    """A server that is somebody else's: threads take turns, and it stays open."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._turn = threading.Lock()

    @contextmanager
    def borrow(self) -> Iterator[Server]:
        """Give the server to this thread for as long as the block runs."""
        with self._turn:
            yield self._server

    def close(self) -> None:
        """Leave it to its owner."""


def _close_all(idle: queue.SimpleQueue[Server]) -> None:
    while not idle.empty():
        idle.get_nowait().close()
