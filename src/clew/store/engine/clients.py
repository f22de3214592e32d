"""Clients of the engine, lent out one call at a time.

A client serves one call at a time, and opening one costs about twenty milliseconds (it asks the
engine for its settings), so they are kept. The last one returned is the first one lent: its caches
are warm, and a quiet server keeps few.

A client whose call failed is closed and never lent again: the embedded engine keeps what a query
wrote before it failed, and puts it in front of the connection's next answer (docs/internals/
engine.md). The next reader would take another's rows for its own.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from clew.base.deadline import seconds_left
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

CLIENTS_MAX: Final = 16
"""More readers at once than the cores can serve only slow each other down; each engine connection
also keeps threads. The rest wait their turn."""

WAIT_SECONDS: Final = 10.0
"""Past this a caller is better served by an error it can retry than by more waiting."""


class ClientPool:
    """Up to `clients_max` clients, opened when first needed. For use by any thread."""

    def __init__(
        self,
        open_client: Callable[[], Client],
        *,
        clients_max: int = CLIENTS_MAX,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._open_client = open_client
        self._clients_max = clients_max
        self._wait_seconds = wait_seconds
        self._changed = threading.Condition()
        self._idle: list[Client] = []
        self._lent = 0
        self._is_closed = False

    @contextmanager
    def borrow(self) -> Iterator[Client]:
        """Lend a client for the length of the block; an exception in it ends the client.

        Raises:
            ClewError: OVERLOADED when none came free in time, UNAVAILABLE after `close`, TIMEOUT
                when the question that it is for has no time left.
        """
        client = self._take()
        try:
            yield client
        except BaseException:
            self._give_back(client, is_sound=False)
            raise
        self._give_back(client, is_sound=True)

    def close(self) -> None:
        """Close every idle client, and each lent one when it comes back; idempotent."""
        with self._changed:
            self._is_closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for client in idle:
            client.close()

    def _take(self) -> Client:
        deadline = time.monotonic() + seconds_left(self._wait_seconds)
        with self._changed:
            while not self._is_closed and not self._idle and self._lent >= self._clients_max:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise ClewError(
                        ErrorCode.OVERLOADED,
                        f"{self._clients_max} queries are running already",
                        retry_after_ms=1_000,
                    )
            if self._is_closed:
                raise closed()
            self._lent += 1
            if self._idle:
                return self._idle.pop()
        try:
            return self._open_client()
        except BaseException:
            with self._changed:
                self._lent -= 1
                self._changed.notify()
            raise

    def _give_back(self, client: Client, *, is_sound: bool) -> None:
        is_kept = False
        with self._changed:
            self._lent -= 1
            if is_sound and not self._is_closed:
                self._idle.append(client)
                is_kept = True
            self._changed.notify()
        if not is_kept:
            client.close()


def closed() -> ClewError:
    """Return the error for a call that comes after `close`."""
    return ClewError(ErrorCode.UNAVAILABLE, "the store is closed")
