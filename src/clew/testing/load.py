"""Clients that send spans as fast as they are acknowledged, and remember what was."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from clew.testing.requests import spans_request

if TYPE_CHECKING:
    from types import TracebackType

SPANS_PER_REQUEST: Final = 20

CONNECT_SECONDS_MAX: Final = 30.0


class SpanLoad:
    """Threads that post one trace per request to an OTLP/HTTP door until told to stop.

    Trace numbers start at `first` and are never used twice. A thread stops by itself when the
    server goes away; an answer other than 200 is remembered in `refused`.
    """

    def __init__(self, url: str, *, service: str, first: int, threads: int = 4) -> None:
        self._address = str(urlsplit(url).netloc)
        self._service = service
        self._next = first
        self._lock = threading.Condition()
        self._is_stopping = False
        self.acked: set[int] = set()
        self.refused: list[int] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    @property
    def next(self) -> int:
        """The first trace number that was not used."""
        return self._next

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

    def wait_for_acks(self, count: int, seconds_max: float = 60.0) -> None:
        """Return once so many requests were acknowledged.

        Raises:
            TimeoutError: they were not in time.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: len(self.acked) >= count, seconds_max):
                raise TimeoutError(f"{len(self.acked)} of {count} requests were acknowledged")

    def stop(self) -> None:
        """Send nothing more, and return when every answer has been read; idempotent."""
        self._is_stopping = True
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=CONNECT_SECONDS_MAX)
        try:
            while not self._is_stopping:
                self._send_one(connection)
        except (OSError, http.client.HTTPException):
            # The server went away. What was under way is not acknowledged, whatever became of it.
            return
        finally:
            connection.close()

    def _send_one(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            number = self._next
            self._next += 1
        ids = [
            (trace_id(number), bytes([1]) * 7 + bytes([i + 1])) for i in range(SPANS_PER_REQUEST)
        ]
        body = spans_request(self._service, ids).SerializeToString()
        connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
        response = connection.getresponse()
        response.read()
        with self._lock:
            if response.status == 200:
                self.acked.add(number)
            else:
                self.refused.append(response.status)
            self._lock.notify_all()


def trace_id(number: int) -> bytes:
    """Return the trace id of a trace number."""
    return number.to_bytes(16, "big")
