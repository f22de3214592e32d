"""Connections that read: a few, lent one call at a time, each call at one moment."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from clew.store.database.contract import Reading

RETRY_MS: Final = 500
"""Told to who found every connection in use for a long time."""


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """Bounds of reading.

    Eight connections are more than there are threads that ask; each holds about 2 MB of pages. A
    question over a million comments takes a second, so ten seconds end only what went wrong.
    """

    count_max: int = 8
    read_s: float = 10.0
    wait_s: float = 5.0


class ReadingConnection(Protocol):
    """One connection that reads; used by one thread at a time."""

    def moment(self, seconds_max: float) -> AbstractContextManager[Reading]:
        """Open a transaction that reads one moment, for so long at most."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Readers:
    """Opens connections as they are needed, up to a bound, and lends each to one caller."""

    def __init__(self, connect: Callable[[], ReadingConnection], options: ReaderOptions) -> None:
        self._connect = connect
        self._options = options
        self._free: list[ReadingConnection] = []
        self._guard = threading.Lock()
        self._places = threading.Semaphore(options.count_max)
        self._is_closed = False

    @contextmanager
    def lend(self) -> Iterator[Reading]:
        """Lend a transaction that reads one moment.

        Raises:
            ClewError: OVERLOADED when none comes free, UNAVAILABLE after `close`; and what the
                connections raise.
        """
        if not self._places.acquire(timeout=self._options.wait_s):
            raise ClewError(
                ErrorCode.OVERLOADED,
                "every connection to the registry is in use",
                hint="ask again after the time given",
                retry_after_ms=RETRY_MS,
            )
        try:
            connection = self._take()
            try:
                with connection.moment(self._options.read_s) as reading:
                    yield reading
            finally:
                self._give_back(connection)
        finally:
            self._places.release()

    def close(self) -> None:
        """Lend nothing more, wait for what is lent, and close every connection."""
        with self._guard:
            self._is_closed = True
        for _ in range(self._options.count_max):
            # Readings end by themselves within their own limit.
            self._places.acquire(timeout=self._options.read_s + self._options.wait_s)
        with self._guard:
            while self._free:
                self._free.pop().close()
        # Whoever still waits for a place hears that it is closed.
        self._places.release(self._options.count_max)

    def _take(self) -> ReadingConnection:
        with self._guard:
            if self._is_closed:
                raise ClewError(ErrorCode.UNAVAILABLE, "the registry is closed")
            if self._free:
                return self._free.pop()
        return self._connect()

    def _give_back(self, connection: ReadingConnection) -> None:
        with self._guard:
            self._free.append(connection)
