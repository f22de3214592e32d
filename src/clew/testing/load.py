"""Threads that send until they are told to stop, as every load does, and the plainest of them.

That one sends spans as fast as they are acknowledged, and remembers what was.
"""

from __future__ import annotations

import http.client
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from clew.testing.requests import spans_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

SPANS_PER_REQUEST: Final = 20

CONNECT_SECONDS_MAX: Final = 60.0


class Load(ABC):
    """Threads that each do a `work`, and what they share.

    A work returns soon after `is_stopping` is set. Whoever hears an acknowledgement notes it under
    `changed`, and notifies that.
    """

    def __init__(self, works: Iterable[Callable[[], None]]) -> None:
        self.changed = threading.Condition()
        self.is_stopping = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]

    @property
    @abstractmethod
    def acknowledged(self) -> int:
        """How much was acknowledged so far."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_for_more(self, count: int, seconds_max: float = 180.0) -> None:
        """Return once so much more than now was acknowledged.

        Raises:
            TimeoutError: it was not in time.
        """
        with self.changed:
            goal = self.acknowledged + count
            if not self.changed.wait_for(lambda: self.acknowledged >= goal, seconds_max):
                kind = type(self).__name__
                raise TimeoutError(f"{kind}: {self.acknowledged} of {goal} were acknowledged")

    def stop(self) -> None:
        """Send nothing more, and return when every answer was read or given up; idempotent."""
        self.is_stopping.set()
        for thread in self._threads:
            thread.join()


class SpanLoad(Load):
    """Threads that post one trace per request to an OTLP/HTTP door until told to stop.

    Trace numbers start at `first` and are never used twice. A thread stops by itself when the
    server goes away; an answer other than 200 is remembered in `refused`.
    """

    def __init__(self, url: str, *, service: str, first: int, threads: int = 4) -> None:
        super().__init__([self._run] * threads)
        self._address = str(urlsplit(url).netloc)
        self._service = service
        self._next = first
        self.acked: set[int] = set()
        self.refused: list[int] = []

    @property
    def acknowledged(self) -> int:
        """How many requests were acknowledged so far."""
        return len(self.acked)

    @property
    def next(self) -> int:
        """The first trace number that was not used."""
        return self._next

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=CONNECT_SECONDS_MAX)
        try:
            while not self.is_stopping.is_set():
                self._send_one(connection)
        except (OSError, http.client.HTTPException):
            # The server went away. What was under way is not acknowledged, whatever became of it.
            return
        finally:
            connection.close()

    def _send_one(self, connection: http.client.HTTPConnection) -> None:
        with self.changed:
            number = self._next
            self._next += 1
        ids = [
            (trace_id(number), bytes([1]) * 7 + bytes([i + 1])) for i in range(SPANS_PER_REQUEST)
        ]
        body = spans_request(self._service, ids).SerializeToString()
        connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
        response = connection.getresponse()
        response.read()
        with self.changed:
            if response.status == 200:
                self.acked.add(number)
            else:
                self.refused.append(response.status)
            self.changed.notify_all()


def trace_id(number: int) -> bytes:
    """Return the trace id of a trace number."""
    return number.to_bytes(16, "big")
