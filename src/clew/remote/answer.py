"""What comes back from a server: what its head says, and the body, whole or as it comes."""

from __future__ import annotations

import http.client
import re
import socket
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import (
    ACKS_HEADER,
    PARTIAL_HEADER,
    STANDBY_HEADER,
    note_copies,
    note_missing,
    note_standby,
)
from clew.remote.problems import is_page, problem, stranger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# What comes byte by byte is given up, for each reading alone would wait for ever: an answer has the
# time for one, and as much more as its size takes on the slowest line that anybody works over.
SLOWEST_BYTES_PER_S: Final = 8 * 1024

# An error document is a few hundred bytes; what claims to be one and is larger is not ours.
ERROR_BODY_BYTES_MAX: Final = 64 * 1024

# Read size of a stream: one system call for a typical socket buffer.
CHUNK_BYTES: Final = 64 * 1024

_TIMING: Final = re.compile(r"total;[^,]*\bdur=([0-9.]+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: the body as it came, and how long the server took."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def server_ms(self) -> float | None:
        """Milliseconds the server spent, by its own `server-timing` header."""
        found = _TIMING.search(self.headers.get("server-timing", ""))
        return float(found.group(1)) if found else None


class Stream:
    """A body that is read as it comes."""

    def __init__(
        self,
        response: http.client.HTTPResponse,
        under: socket.socket,
        explain: Callable[[BaseException], ClewError],
    ) -> None:
        """`under` is the socket that it comes over; `explain` says what a failure means."""
        self._response = response
        self._under = under
        self._explain = explain
        self._is_aborted = False
        self.headers = lower_headers(response)

    @property
    def length(self) -> int | None:
        """Bytes in all, where the server said so."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdigit() else None

    def chunks(self) -> Iterator[bytes]:
        """Yield what has arrived, never empty, until the body ends.

        Raises:
            ClewError: UNAVAILABLE when the connection breaks, TIMEOUT when it falls silent.
        """
        while True:
            try:
                chunk = self._response.read1(CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                if self._is_aborted:
                    return
                raise self._explain(error) from error
            if not chunk:
                return
            yield chunk

    def abort(self) -> None:
        """End it for whoever reads it, as if the server had. From any thread; idempotent."""
        self._is_aborted = True
        with suppress(OSError):
            # It may have ended by itself.
            self._under.shutdown(socket.SHUT_RDWR)


def note_head(response: http.client.HTTPResponse, url: str) -> None:
    """Take note, for whoever gathers, of what an answer says that it lacks, and who has it."""
    for name in (response.headers.get(STANDBY_HEADER) or "").split(","):
        if name:
            note_standby(name)
    for name in (response.headers.get(PARTIAL_HEADER) or "").split(","):
        if name:
            note_missing(name, f"{url} says that it did not answer")
    copies = response.headers.get(ACKS_HEADER) or ""
    if copies.isdecimal():
        note_copies(int(copies))


def find_refusal(response: http.client.HTTPResponse, url: str, path: str) -> ClewError | None:
    """Return what an answer says in place of what was asked for; None where it is no such answer.

    The body of a refusal is read, and the response is closed.
    """
    is_success = response.status < http.client.MULTIPLE_CHOICES
    headers = lower_headers(response)
    if is_success and not is_page(path, headers):
        return None
    with closing(response):
        body = response.read(ERROR_BODY_BYTES_MAX)
    if is_success:
        return stranger(response.status, url, headers)
    return problem(response.status, body, url, path, headers)


def read_whole(
    response: http.client.HTTPResponse, url: str, *, seconds: float, bytes_max: int | None
) -> bytes:
    """Return the body of an answer, of `bytes_max` at most where that is given.

    Without a bound it may take `seconds`, and as much longer as it is large.

    Raises:
        ClewError: TOO_LARGE; what is left of the body is not read.
        TimeoutError: it comes too slowly.
        OSError, http.client.HTTPException: the connection broke, before its end too.
    """
    if bytes_max is None:
        return _read_in_time(response, seconds)
    size = response.length
    if size is None:
        # A body in chunks: that it is longer shows when more has been read.
        body = response.read(bytes_max + 1)
        size = len(body)
    elif size <= bytes_max:
        body = response.read()
    if size > bytes_max:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"the answer of {url} has more than {bytes_max} bytes",
            hint="ask for a shorter time range, or for less of it",
        )
    return body


def _read_in_time(response: http.client.HTTPResponse, seconds: float) -> bytes:
    """Read a body that may take long only as far as it is large."""
    began = time.monotonic()
    parts: list[bytes] = []
    size = 0
    while part := response.read1(CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if time.monotonic() - began > seconds + size / SLOWEST_BYTES_PER_S:
            raise TimeoutError
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


def lower_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """Return the headers of an answer, their names in lower case."""
    return {name.lower(): value for name, value in response.getheaders()}
