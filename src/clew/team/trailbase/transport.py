"""Questions to a team's server over HTTP: bounded in time and size, and every failure a TeamError.

One `Transport` belongs to one event loop. It keeps no cookie, follows no redirect and reads no
proxy or password from the environment: what it is given goes to the one host that it was made for.
Light install; the HTTP library comes with the extra ``team``.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
import zlib
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from clew.base.times import NS_PER_S
from clew.base.version import own_version
from clew.team.errors import NetworkError, ServerError, TeamError, ValidationError
from clew.team.trailbase.address import parse_address
from clew.team.trailbase.answers import (
    AnswerTooLargeError,
    Reply,
    encode_json,
    http_date_s,
    refusal,
)
from clew.team.trailbase.library import load_library

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx2

TOTAL_S_MAX: Final = 30.0
CONNECT_S_MAX: Final = 10.0
"""As the integration documents them: a page of records over a slow line fits, and a host that is
gone is found out before a person gives up."""

SILENCE_S_MAX: Final = 60.0
"""Of a stream of events: the server sends a comment every 15 to 30 s; after two nobody is there."""

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
"""A page of 500 records of 16 KiB; a larger page is asked for in parts. As objects of Python it is
up to twenty times as much."""

REFUSAL_BYTES_MAX: Final = 16 * 1024
"""Of a refusal: the kind of a constraint stands at its beginning, and the rest is not read."""

_EVER_NS: Final = 2**62
"""A difference of clocks that is further than any."""

CONNECTIONS_MAX: Final = 16
"""A stream for each of seven types beside questions; a server has other clients as well."""

Pairs = list[tuple[str, str]]
"""Parameters of a question in order; a name may occur more than once."""


class Transport:
    """The way to one server."""

    def __init__(self, url: str, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls` is for a server whose certificate an authority of one's own signed.

        Raises:
            ValidationError: no address, ``http`` to another machine, or a `tls` that checks nobody.
            ClewError: UNSUPPORTED when the HTTP library is not installed.
        """
        self.url: Final = parse_address(url)
        self.host: Final = urlsplit(self.url).netloc
        self.clock_offset_ns = 0
        self._offset_bounds = (-_EVER_NS, _EVER_NS)
        if tls is not None and not (tls.check_hostname and tls.verify_mode is ssl.CERT_REQUIRED):
            raise ValidationError("certificates of a team's server are always checked")
        self._tls = tls
        self._client: httpx2.AsyncClient | None = None
        load_library()

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        pairs: Pairs | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        bytes_max: int | None = None,
    ) -> Reply:
        """Return the answer to one question. `path` begins with a slash; `body` is sent as JSON.

        Raises:
            AnswerTooLargeError: it is over `bytes_max`, else `ANSWER_BYTES_MAX`.
            TeamError: the class says what went wrong; a NetworkError, whether it may have happened.
        """
        content = None if body is None else encode_json(body)
        client = await self._opened()
        request = self._request(client, method, path, pairs, content, headers)
        try:
            async with asyncio.timeout(TOTAL_S_MAX):
                return await self._ask(client, request, bytes_max or ANSWER_BYTES_MAX)
        except TimeoutError as error:
            raise NetworkError(f"{self.host} did not answer in {TOTAL_S_MAX:g} s") from error

    @asynccontextmanager
    async def stream(
        self, path: str, *, pairs: Pairs | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Ask for a stream of events, and give its bytes as they come, until either side ends it.

        Raises:
            TeamError: as of `ask`; a NetworkError also when the stream falls silent.
        """
        wanted = {"accept": "text/event-stream", "cache-control": "no-store"}
        client = await self._opened()
        request = self._request(client, "GET", path, pairs, None, {**wanted, **(headers or {})})
        request.extensions["timeout"] = _timeouts(SILENCE_S_MAX)
        with self._explained():
            response = await client.send(request, stream=True)
            try:
                if not response.is_success:
                    body = await _read(response, REFUSAL_BYTES_MAX, is_cut=True)
                    raise self._refusal(response, body)
                yield self._chunks(response)
            finally:
                await response.aclose()

    async def close(self) -> None:
        """Let go of the connections; the next question opens another."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _opened(self) -> httpx2.AsyncClient:
        if self._client is None:
            # The library takes a tenth of a second to import, and what the system trusts some time
            # to read: not on a loop that others wait for.
            trusted = await asyncio.to_thread(self._trust)
            if self._client is None:
                self._client = _client(trusted)
        return self._client

    def _trust(self) -> ssl.SSLContext:
        import httpx2

        if self._tls is not None:
            return self._tls
        if self.url.startswith("https:"):
            return httpx2.create_ssl_context()
        # Nothing is asked over TLS here; should anything ever be, nobody is trusted.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def _request(
        self,
        client: httpx2.AsyncClient,
        method: str,
        path: str,
        pairs: Pairs | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx2.Request:
        query = f"?{urlencode(pairs)}" if pairs else ""
        given = dict(headers or {})
        if content is not None:
            given["content-type"] = "application/json"
        with self._explained():
            return client.build_request(
                method, f"{self.url}{path}{query}", content=content, headers=given
            )

    async def _ask(
        self, client: httpx2.AsyncClient, request: httpx2.Request, bytes_max: int
    ) -> Reply:
        asked_at = time.time_ns()
        with self._explained():
            response = await client.send(request, stream=True)
            try:
                self._look_at_clock(response.headers.get("date", ""), asked_at)
                if not response.is_success:
                    body = await _read(response, REFUSAL_BYTES_MAX, is_cut=True)
                    raise self._refusal(response, body)
                body = await _read(response, bytes_max)
            finally:
                await response.aclose()
        return Reply(response.status_code, _headers(response), body)

    async def _chunks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        # A generator of its own: what goes wrong while it is read must be explained there.
        with self._explained():
            async for chunk in response.aiter_raw():
                yield chunk

    def _refusal(self, response: httpx2.Response, body: bytes) -> TeamError:
        return refusal(
            response.status_code,
            _headers(response),
            body,
            host=self.host,
            now=time.time_ns(),
        )

    def _look_at_clock(self, date: str, asked_at: int) -> None:
        told = http_date_s(date)
        if told is None:
            return
        # The header has whole seconds, so each answer says only between which two bounds the
        # server's clock is from ours. Many together say it to a few milliseconds, until one of the
        # clocks is set and the bounds no longer meet.
        least = told * NS_PER_S - time.time_ns()
        most = (told + 1) * NS_PER_S - asked_at
        met = max(least, self._offset_bounds[0]), min(most, self._offset_bounds[1])
        self._offset_bounds = met if met[0] <= met[1] else (least, most)
        self.clock_offset_ns = sum(self._offset_bounds) // 2

    def _explained(self) -> _Explained:
        return _Explained(self.host)


def _client(trusted: ssl.SSLContext) -> httpx2.AsyncClient:
    import httpx2

    return httpx2.AsyncClient(
        verify=trusted,
        trust_env=False,
        follow_redirects=False,
        # Cookies that a login sets are tokens beside those that we were given, and would go on
        # speaking for us after a logout.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx2.Timeout(TOTAL_S_MAX, connect=CONNECT_S_MAX),
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
        headers={
            "user-agent": f"clew/{own_version()}",
            "accept": "application/json",
            "accept-encoding": "gzip",
        },
    )


class _Explained:
    """Turns what the HTTP library raises into errors of ours. Nothing of the request is shown."""

    def __init__(self, host: str) -> None:
        self._host = host

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import httpx2

        if isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | httpx2.StreamError):
            # Without its cause, which holds the request and with it the token.
            raise self._error(error) from None

    def _error(self, error: Exception) -> TeamError:
        import httpx2

        match error:
            case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
                return NetworkError(
                    f"{self._host} is not reached: no connection in {CONNECT_S_MAX:g} s",
                    hint=_REACH_HINT,
                    may_have_happened=False,
                )
            case httpx2.ConnectError():
                return NetworkError(
                    f"{self._host} is not reached ({_reason(error)})",
                    hint=_REACH_HINT,
                    may_have_happened=False,
                )
            case httpx2.TimeoutException():
                return NetworkError(f"{self._host} fell silent")
            case httpx2.InvalidURL() | httpx2.LocalProtocolError():
                return ValidationError(f"this cannot be sent to {self._host}")
            case httpx2.UnsupportedProtocol():
                return ValidationError(f"{self._host} is not spoken to over this protocol")
            case _:
                return NetworkError(f"the connection to {self._host} was lost")


_REACH_HINT: Final = "what is written is kept and sent later; check the address and the network"


def _reason(error: BaseException) -> str:
    """Say why a connection was not made, from the system's own error beneath."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        found = found.__cause__ or found.__context__
    for cause in reversed(seen):
        match cause:
            case ssl.SSLCertVerificationError():
                return "its certificate is not one that this machine trusts"
            case ssl.SSLError():
                return "it does not speak TLS as we do"
            case socket.gaierror():
                return "no such host"
            # What asyncio says of it is its own; the number is the system's.
            case OSError(errno=int(number)) if number > 0:
                return os.strerror(number).lower()
    return "no connection"


def _headers(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _timeouts(read_s: float) -> dict[str, Any]:
    return {"connect": CONNECT_S_MAX, "read": read_s, "write": TOTAL_S_MAX, "pool": CONNECT_S_MAX}


async def _read(response: httpx2.Response, bytes_max: int, *, is_cut: bool = False) -> bytes:
    """Return a body of at most `bytes_max` bytes, unpacked; what `is_cut` ends there, else fails.

    Raises:
        AnswerTooLargeError: it is larger.
        ServerError: it is packed in a way that was not asked for, or packed wrongly.
    """
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip"}:
        raise ServerError("the server packs its answers in a way that was not asked for")
    # Unpacked by us with a wall: a few kilobytes can be gigabytes of zeros.
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    is_empty = True
    async for chunk in response.aiter_raw():
        is_empty = False
        if unpacker is None:
            body += chunk
        else:
            try:
                body += unpacker.decompress(chunk, bytes_max + 1 - len(body))
            except zlib.error as error:
                raise ServerError("the server's answer is packed wrongly") from error
        if len(body) > bytes_max:
            if is_cut:
                break
            raise AnswerTooLargeError(f"the server's answer is over the limit of {bytes_max} bytes")
    if unpacker is not None and not unpacker.eof and not is_cut and not is_empty:
        raise ServerError("the server's answer ended in its middle")
    return bytes(body[:bytes_max])
