"""HTTP to one clew server: questions, answers, streams, and every failure as a ClewError.

The standard library's client does it. Larger ones take longer to import than a question takes to
be asked and answered (``python -X importtime``, bytecode cached: httpx 65 ms, and 115 ms where
click is installed, against 29 ms), and a command line pays that on every call. One connection is
kept alive per `Server`; an object belongs to one thread.
"""

from __future__ import annotations

import http.client
import re
import selectors
import socket
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import (
    ACKS_HEADER,
    PARTIAL_HEADER,
    ROLE_HEADER,
    STANDBY_HEADER,
    note_copies,
    note_missing,
    note_standby,
)
from clew.remote.problems import ended, is_page, problem, stranger, tls_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

DEFAULT_SERVER: Final = "http://127.0.0.1:7701"

# A server on this machine answers or refuses within a millisecond; five seconds lets a remote one
# lose a packet or two, and still ends before a person doubts the command.
CONNECT_TIMEOUT_S: Final = 5.0

# The server ends a question itself (its own query timeout, 30 s by default) and says why; waiting
# twice as long lets that answer arrive, and only a server that hangs meets this limit.
READ_TIMEOUT_S: Final = 60.0

# What comes byte by byte is given up, for each reading alone would wait for ever: an answer has the
# time above, and as much more as its size takes on the slowest line that anybody works over.
SLOWEST_BYTES_PER_S: Final = 8 * 1024

# An error document is a few hundred bytes; what claims to be one and is larger is not ours.
ERROR_BODY_BYTES_MAX: Final = 64 * 1024

# Read size of a stream: one system call for a typical socket buffer.
CHUNK_BYTES: Final = 64 * 1024

START_HINT: Final = "start one with: clew serve"

Pairs = list[tuple[str, str]]
"""Query parameters in order; a name may occur more than once."""

ADDRESS_CHARS_SHOWN: Final = 200
"""How much of a wrong address an error repeats: host names end at 253."""

SESSION_HEADER: Final = "x-clew-session"
"""Says which work session what is asked belongs to: an id, ``off``, or ``agent``."""

SESSION_VARIABLE: Final = "CLEW_SESSION"
"""The environment's name for the same."""

_SESSION = re.compile(r"[0-9a-f-]{36}|off|agent")

_PATH = re.compile(r"[!-~]*")

_TIMING = re.compile(r"total;[^,]*\bdur=([0-9.]+)")


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


class NotSentError(ClewError):
    """Nobody could be told anything at all, so that what was to be sent was not done."""


class Stream:
    """A body that is read as it comes."""

    def __init__(
        self, response: http.client.HTTPResponse, server: Server, under: socket.socket
    ) -> None:
        self._response = response
        self._server = server
        self._under = under
        self._is_aborted = False
        self.headers = _headers(response)

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
                raise self._server.explain(error) from error
            if not chunk:
                return
            yield chunk

    def abort(self) -> None:
        """End it for whoever reads it, as if the server had. From any thread; idempotent."""
        self._is_aborted = True
        with suppress(OSError):
            # It may have ended by itself.
            self._under.shutdown(socket.SHUT_RDWR)


class Server:
    """One clew server, spoken to over one kept connection.

    Raises ClewError from every method: UNAVAILABLE when nothing answers, TIMEOUT when the answer
    does not come, else the code that the server's problem document names.
    """

    def __init__(
        self,
        url: str = DEFAULT_SERVER,
        *,
        api_key: str | None = None,
        session: str | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        answer_bytes_max: int | None = None,
    ) -> None:
        """`api_key` is sent with every question, where there is one; so is `session`.

        That is the work session which the questions belong to: an id, ``off``, ``agent``. An answer
        of more than `answer_bytes_max` is not read.

        Raises:
            ClewError: INVALID_ARGUMENT for what is no address, and no key.
        """
        parts = parse_server(url)
        self.url = parts.geturl()
        self.host: Final = str(parts.hostname)
        self.port: Final = parts.port or (443 if parts.scheme == "https" else 80)
        self._prefix = parts.path.rstrip("/")
        self._is_tls = parts.scheme == "https"
        self._own_headers = {"Accept": "*/*"}
        if api_key:
            self._own_headers["Authorization"] = f"Bearer {checked_key(api_key)}"
        if session:
            self._own_headers[SESSION_HEADER] = checked_session(session)
        self._read_timeout_s = read_timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._answer_bytes_max = answer_bytes_max
        self._connection: http.client.HTTPConnection | None = None
        # Beside the connection, which lets go of it as soon as an answer is to be its last.
        self._under: socket.socket | None = None
        self._is_aborted = False
        self.role: str | None = None
        """What the server said with its last answer that it is in its group; None where it said
        nothing, or is in none."""

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def unrecorded(self) -> Iterator[None]:
        """Ask for the program's own sake: what is asked inside belongs to no work session."""
        before = self._own_headers
        self._own_headers = {**before, SESSION_HEADER: "off"}
        try:
            yield
        finally:
            self._own_headers = before

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give what is asked inside so many seconds at most to answer, where they are fewer."""
        before = self._read_timeout_s
        self._read_timeout_s = min(before, seconds)
        try:
            yield
        finally:
            self._read_timeout_s = before

    def close(self) -> None:
        """Let go of the connection; the next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._under = None

    def abort(self) -> None:
        """End what is being asked, and let nothing more be asked. From any thread; idempotent.

        Whoever asks gets TIMEOUT. A limit for each reading alone would never end an answer that
        comes byte by byte.
        """
        self._is_aborted = True
        under = self._under
        if under is not None:
            with suppress(OSError):
                # It may have ended by itself.
                under.shutdown(socket.SHUT_RDWR)

    def get(self, path: str, pairs: Pairs | None = None) -> Answer:
        """Ask with GET. `path` starts with a slash; use `quoted` for parts that are data."""
        return self._ask("GET", path, pairs, None, {}, is_question=True)

    def post(
        self,
        path: str,
        body: bytes,
        content_type: str,
        pairs: Pairs | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        is_question: bool = False,
    ) -> Answer:
        """Send a body with POST. What is a question for all that may be asked twice."""
        said = {"Content-Type": content_type, **(headers or {})}
        return self._ask("POST", path, pairs, body, said, is_question=is_question)

    def put(self, path: str, body: bytes, content_type: str) -> Answer:
        """Say what an address names, with PUT."""
        return self._ask("PUT", path, None, body, {"Content-Type": content_type})

    def patch(self, path: str, body: bytes, content_type: str) -> Answer:
        """Change what an address names, with PATCH."""
        return self._ask("PATCH", path, None, body, {"Content-Type": content_type})

    def delete(self, path: str, pairs: Pairs | None = None) -> Answer:
        """Remove what an address names."""
        return self._ask("DELETE", path, pairs, None, {})

    @contextmanager
    def stream(
        self, path: str, pairs: Pairs | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[Stream]:
        """Ask with GET and read the body as it comes, over a connection of its own."""
        self.role = None
        with closing(self._open()) as connection:
            self._under = under = connection.sock
            try:
                if self._is_aborted:
                    raise TimeoutError
                response = self._send(connection, "GET", path, pairs, None, headers or {})
            except (OSError, http.client.HTTPException) as error:
                raise self.explain(error) from error
            yield Stream(response, self, under)

    def explain(self, error: BaseException) -> ClewError:
        """Say what a failure of the transport means to the one who asked."""
        if isinstance(error, TimeoutError) or self._is_aborted:
            return ClewError(
                ErrorCode.TIMEOUT,
                f"{self.url} did not answer in {self._read_timeout_s:g} s",
                hint="ask for less (--last, --limit), or look at it with: clew doctor",
            )
        if isinstance(error, socket.gaierror):
            return ClewError(
                ErrorCode.UNAVAILABLE,
                f"no such host: {self.host}",
                hint="set --server or CLEW_SERVER to a clew server's address",
            )
        if self._is_tls and (strange := tls_problem(error, self.url)) is not None:
            return strange
        if isinstance(error, http.client.BadStatusLine | http.client.UnknownProtocol) and not (
            isinstance(error, ConnectionError)
        ):
            # Its bytes say nothing to a reader, and may be anything.
            return ClewError(
                ErrorCode.UNAVAILABLE,
                f"what answers at {self.url} does not speak HTTP",
                hint="give the address of a clew server's HTTP door, 7701 by default, or "
                "https:// where TLS is in front of it",
            )
        if isinstance(error, http.client.RemoteDisconnected):
            return ended(self.url)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, http.client.IncompleteRead):
            reason = "its answer broke off"
        return ClewError(
            ErrorCode.UNAVAILABLE,
            f"no clew server answers at {self.url} ({reason.lower()})",
            hint=START_HINT,
        )

    def _ask(
        self,
        method: str,
        path: str,
        pairs: Pairs | None,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        is_question: bool = False,
    ) -> Answer:
        self.role = None
        if not is_question:
            self._close_if_gone()
        try:
            return self._ask_once(method, path, pairs, body, headers)
        except _DroppedError as drop:
            if not is_question:
                raise self._explain_unknown(drop.reason) from drop.reason
            # The head may have come, and what it said is not answered for by anybody.
            self.role = None
            if isinstance(drop.reason, TimeoutError) or self._is_aborted:
                raise self.explain(drop.reason) from drop.reason
        # A connection that breaks says nothing about the server: a kept one may have been closed
        # while it was idle, and a server may start again. A question does no harm by being asked
        # twice; a write that was sent may have been done, so nothing sends it a second time.
        try:
            return self._ask_once(method, path, pairs, body, headers)
        except _DroppedError as drop:
            self.role = None
            raise self.explain(drop.reason) from drop.reason

    def _close_if_gone(self) -> None:
        """Let go of a kept connection that the server has ended, before anything is sent on it."""
        kept = None if self._connection is None else self._connection.sock
        if kept is not None:
            with selectors.DefaultSelector() as selector:
                selector.register(kept, selectors.EVENT_READ)
                # Nobody has asked anything, so all that can come is the end.
                if selector.select(0):
                    self.close()

    def _explain_unknown(self, error: BaseException) -> ClewError:
        code, what = ErrorCode.TIMEOUT, f"did not answer in {self._read_timeout_s:g} s"
        if not (isinstance(error, TimeoutError) or self._is_aborted):
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            code, what = ErrorCode.UNAVAILABLE, f"broke off before it answered ({reason.lower()})"
        return ClewError(
            code,
            f"{self.url} {what}: whether it did what was sent is not known",
            hint="look whether it was done before you send it again",
        )

    def _ask_once(
        self,
        method: str,
        path: str,
        pairs: Pairs | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        if self._connection is None:
            self._connection = self._open()
            self._under = self._connection.sock
        if self._is_aborted:
            # Before anything is sent: it was given up while there was no connection to be ended.
            self.close()
            raise self.explain(TimeoutError())
        try:
            response = self._send(self._connection, method, path, pairs, body, headers)
            with closing(response):
                answer = Answer(self._read(response), _headers(response))
        except (ConnectionError, TimeoutError, http.client.IncompleteRead) as error:
            self.close()
            raise _DroppedError(error) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self.explain(error) from error
        if response.will_close:
            self.close()
        return answer

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        most = self._answer_bytes_max
        if most is None:
            return self._read_in_time(response)
        size = response.length
        if size is None:
            # A body in chunks: that it is longer shows when more has been read.
            body = response.read(most + 1)
            size = len(body)
        elif size <= most:
            body = response.read()
        if size > most:
            self.close()
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the answer of {self.url} has more than {most} bytes",
                hint="ask for a shorter time range, or for less of it",
            )
        return body

    def _read_in_time(self, response: http.client.HTTPResponse) -> bytes:
        """Read a body that may take long only as far as it is large."""
        began = time.monotonic()
        parts: list[bytes] = []
        size = 0
        while part := response.read1(CHUNK_BYTES):
            parts.append(part)
            size += len(part)
            if time.monotonic() - began > self._read_timeout_s + size / SLOWEST_BYTES_PER_S:
                raise TimeoutError
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return b"".join(parts)

    def _open(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=self._connect_timeout_s)
        try:
            connection.connect()
        except TimeoutError as error:
            raise NotSentError(
                ErrorCode.UNAVAILABLE,
                f"no clew server answers at {self.url} "
                f"(no connection in {self._connect_timeout_s:g} s)",
                hint=START_HINT,
            ) from error
        except OSError as error:
            why = self.explain(error)
            raise NotSentError(why.code, why.message, hint=why.hint) from error
        return connection

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        pairs: Pairs | None,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> http.client.HTTPResponse:
        target = self._prefix + path + (f"?{urlencode(pairs)}" if pairs else "")
        if connection.sock is not None:
            connection.sock.settimeout(self._read_timeout_s)
        connection.request(method, target, body, {**self._own_headers, **headers})
        response = connection.getresponse()
        self.role = response.headers.get(ROLE_HEADER)
        for name in (response.headers.get(STANDBY_HEADER) or "").split(","):
            if name:
                note_standby(name)
        for name in (response.headers.get(PARTIAL_HEADER) or "").split(","):
            if name:
                note_missing(name, f"{self.url} says that it did not answer")
        copies = response.headers.get(ACKS_HEADER) or ""
        if copies.isdecimal():
            note_copies(int(copies))
        is_success = response.status < http.client.MULTIPLE_CHOICES
        headers = _headers(response)
        if not is_success or is_page(path, headers):
            with closing(response):
                body = response.read(ERROR_BODY_BYTES_MAX)
            self.close()
            if is_success:
                raise stranger(response.status, self.url, headers)
            raise problem(response.status, body, self.url, path, headers)
        return response


class _DroppedError(Exception):
    """The connection ended before an answer came."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


def parse_server(url: str) -> SplitResult:
    """Read a server's address; `host:port` means http.

    Raises:
        ClewError: INVALID_ARGUMENT when it is no http or https address.
    """
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        # Reading the port is what checks it, and names are looked up in this encoding.
        is_sound = (parts.port is None or parts.port > 0) and bool(
            (parts.hostname or "").encode("idna")
        )
    except ValueError:
        is_sound = False
    if not (
        is_sound
        and parts.scheme in {"http", "https"}
        and parts.netloc.isprintable()
        and " " not in parts.netloc
        and _PATH.fullmatch(parts.path)
        # Nothing of these would be sent, so an address that has them means something else.
        and not (parts.query or parts.fragment or "@" in parts.netloc)
    ):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not a server's address: {_without_secret(url)[:ADDRESS_CHARS_SHOWN]!r}",
            hint=f"it looks like {DEFAULT_SERVER}",
        )
    return parts


def _without_secret(url: str) -> str:
    """Return an address without the user and password that it may begin with."""
    return re.sub(r"(?<=//)[^/]*@", "…@", url)


def checked_key(text: str) -> str:
    """Return an API key as a header may hold it.

    Raises:
        ClewError: INVALID_ARGUMENT when there is more in it than a word; it is not repeated.
    """
    key = text.strip()
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        "the API key is not one",
        hint="it looks like clew_0123456789abcdef_… and is one word; check CLEW_API_KEY",
    )


def checked_session(text: str) -> str:
    """Return what says which work session a question belongs to, as a header may hold it.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    given = text.strip().lower()
    if _SESSION.fullmatch(given):
        return given
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a work session: {text[:64]!r}",
        hint="CLEW_SESSION is the id of one, or off, or agent",
    )


def quoted(text: str) -> str:
    """Quote data that becomes one part of a path."""
    return quote(text, safe="")


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def pair(name: str, value: object) -> Iterable[tuple[str, str]]:
    """Spell one parameter: nothing for None, one pair per item of a list, `true` and `false`."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return [found for item in value for found in pair(name, item)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    if isinstance(value, float):
        return [(name, f"{value:.15g}")]
    return [(name, str(value))]
