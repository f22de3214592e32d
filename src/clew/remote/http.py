"""HTTP to one clew server: questions, answers, streams, and every failure as a ClewError.

The standard library's client does it. Larger ones take longer to import than a question takes to
be asked and answered (``python -X importtime``, bytecode cached: httpx 65 ms, and 115 ms where
click is installed, against 29 ms), and a command line pays that on every call. One connection is
kept alive per `Server`; an object belongs to one thread.

Here is how one request is sent, and when it is sent again. How its answer is read is in
`clew.remote.answer`, what a refusal says in `clew.remote.problems`, and what it means that there is
no answer in `clew.remote.failures`.
"""

from __future__ import annotations

import http.client
import selectors
import socket
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from clew.base.errors import ClewError
from clew.base.gathering import ROLE_HEADER
from clew.remote.address import DEFAULT_SERVER, parse_server
from clew.remote.answer import (
    Answer,
    Stream,
    find_refusal,
    lower_headers,
    note_head,
    read_whole,
)
from clew.remote.asker import SESSION_HEADER, tell_asker
from clew.remote.failures import (
    NotSentError,
    explain_failure,
    explain_silence,
    explain_unknown,
    explain_unreached,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from clew.remote.pairs import Pairs

# A server on this machine answers or refuses within a millisecond; five seconds lets a remote one
# lose a packet or two, and still ends before a person doubts the command.
CONNECT_TIMEOUT_S: Final = 5.0

# The server ends a question itself (its own query timeout, 30 s by default) and says why; waiting
# twice as long lets that answer arrive, and only a server that hangs meets this limit.
READ_TIMEOUT_S: Final = 60.0


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
        self._own_headers = {"Accept": "*/*", **tell_asker(api_key, session)}
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
                raise self._explain(error) from error
            yield Stream(response, under, self._explain)

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
                reason = None if self._is_late(drop.reason) else drop.reason
                raise explain_unknown(reason, self.url, self._read_timeout_s) from drop.reason
            # The head may have come, and what it said is not answered for by anybody.
            self.role = None
            if self._is_late(drop.reason):
                raise self._explain(drop.reason) from drop.reason
        # A connection that breaks says nothing about the server: a kept one may have been closed
        # while it was idle, and a server may start again. A question does no harm by being asked
        # twice; a write that was sent may have been done, so nothing sends it a second time.
        try:
            return self._ask_once(method, path, pairs, body, headers)
        except _DroppedError as drop:
            self.role = None
            raise self._explain(drop.reason) from drop.reason

    def _close_if_gone(self) -> None:
        """Let go of a kept connection that the server has ended, before anything is sent on it."""
        kept = None if self._connection is None else self._connection.sock
        if kept is not None:
            with selectors.DefaultSelector() as selector:
                selector.register(kept, selectors.EVENT_READ)
                # Nobody has asked anything, so all that can come is the end.
                if selector.select(0):
                    self.close()

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
            raise self._explain(TimeoutError())
        try:
            response = self._send(self._connection, method, path, pairs, body, headers)
            with closing(response):
                answer = Answer(self._read(response), lower_headers(response))
        except ClewError:
            # Some of it may not have been read.
            self.close()
            raise
        except (ConnectionError, TimeoutError, http.client.IncompleteRead) as error:
            self.close()
            raise _DroppedError(error) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._explain(error) from error
        if response.will_close:
            self.close()
        return answer

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        return read_whole(
            response, self.url, seconds=self._read_timeout_s, bytes_max=self._answer_bytes_max
        )

    def _open(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=self._connect_timeout_s)
        try:
            connection.connect()
        except TimeoutError as error:
            raise explain_unreached(self.url, self._connect_timeout_s) from error
        except OSError as error:
            why = self._explain(error)
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
        note_head(response, self.url)
        refusal = find_refusal(response, self.url, path)
        if refusal is not None:
            self.close()
            raise refusal
        return response

    def _explain(self, error: BaseException) -> ClewError:
        """Say what a failure of the transport means to the one who asked."""
        if self._is_late(error):
            return explain_silence(self.url, self._read_timeout_s)
        return explain_failure(error, self.url)

    def _is_late(self, error: BaseException) -> bool:
        """Return whether it failed since nobody was to wait any longer."""
        return isinstance(error, TimeoutError) or self._is_aborted


class _DroppedError(Exception):
    """The connection ended before an answer came."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason
