"""The OTLP/HTTP door: ``POST /v1/{traces,logs,metrics}`` as a bare ASGI application.

It only translates: headers and walls, bytes in, the intake, bytes out. There is no framework
between the HTTP parser and this module, since a request of ten spans costs less than a router.

Memory is bounded at every step. A body's announced size is taken from the budget before a byte of
it is read, an unannounced one as it grows, and the unpacked body before it is decoded; a body that
comes too slowly ends with 408.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from clew.access.caller import Verb
from clew.base.errors import NOWHERE, ClewError, ErrorCode
from clew.base.gathering import ACKS_HEADER
from clew.store.decoder import MalformedRecordError
from clew.surfaces.callers import ANY_ORIGIN, is_origin_admitted
from clew.surfaces.errors import (
    error_status,
    grpc_status,
    hangs_up,
    retry_after_ms,
    retry_after_seconds,
)
from clew.surfaces.identity import CHALLENGE
from clew.surfaces.lingering import discard_body
from clew.surfaces.otlp.answers import Encoding, encode_response, encode_status
from clew.surfaces.otlp.compression import Compression, decompress
from clew.surfaces.otlp.intake import malformed
from clew.telemetry.otlp.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping

    from clew.surfaces.identity import Identity
    from clew.surfaces.otlp.intake import Intake
    from clew.surfaces.otlp.walls import Hold, Rate

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

PATHS: Final = {f"/v1/{signal}": signal for signal in Signal}

BODY_SECONDS_MAX: Final = 30.0
"""How long a body may take to arrive: three times the timeout that exporters have by default."""

INLINE_BYTES_MAX: Final = 128 << 10
"""A compressed body up to this size is unpacked on the event loop: about 0.2 ms, less than a thread
would cost the others. Re-measure: bench of the intake with gzip."""

INLINE_JSON_BYTES_MAX: Final = 4 << 10
"""JSON is translated in Python, about 20 µs per KiB; more than this leaves the event loop."""

JSON_BYTES_MAX: Final = 16 << 20
"""The largest JSON body, unpacked. Hostile JSON becomes objects of 25 times its size, so that one
request at a time may take 400 MiB for a moment; honest ones of this size hold 15,000 spans."""

PREFLIGHT_SECONDS: Final = b"7200"
"""How long a browser may remember a preflight: the most that Chromium does."""

_ENCODINGS: Final = {
    b"application/x-protobuf": Encoding.PROTOBUF,
    b"application/protobuf": Encoding.PROTOBUF,
    b"application/json": Encoding.JSON,
}

_HEADER_NAMES: Final = re.compile(rb"[A-Za-z0-9-]{1,64}(?: ?, ?[A-Za-z0-9-]{1,64}){0,31}")

_COMPRESSIONS: Final = {each.value.encode(): each for each in Compression} | {
    b"": Compression.IDENTITY
}


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The caps on one body, in bytes: as it was sent, and unpacked."""

    sent_bytes_max: int
    unpacked_bytes_max: int


@dataclass(slots=True)
class _Request:
    """What the headers of one request say. `encoding` is None when it is none of ours.

    `is_read` tells whether its body has been read to the end.
    """

    signal: Signal
    encoding: Encoding | None = None
    content_type: bytes = b""
    content_encoding: bytes = b""
    content_length: int | None = None
    origin: str | None = None
    is_read: bool = False


class _TooSlowError(ClewError):
    """The body did not arrive in time; the one status that no error code stands for."""


class OtlpHttpDoor:
    """The ASGI application. One instance belongs to one event loop."""

    def __init__(
        self,
        intake: Intake,
        limits: BodyLimits,
        *,
        identity: Identity,
        request_rate: Rate,
        byte_rate: Rate,
        origins: Collection[str] = (),
        body_seconds_max: float = BODY_SECONDS_MAX,
    ) -> None:
        self._intake = intake
        self._identity = identity
        self._limits = limits
        self._request_rate = request_rate
        self._byte_rate = byte_rate
        self._origins = frozenset(origin.lower() for origin in origins)
        self._body_seconds_max = body_seconds_max
        self._json_turn = asyncio.Lock()
        self.answers: Counter[int] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        signal = PATHS.get(scope["path"])
        if signal is None:
            await self._answer_elsewhere(scope, send)
            return
        request = _read_headers(signal, scope["headers"])
        if scope["method"] != "POST":
            await self._answer_other_method(scope, request, send)
            return
        with self._intake.budget.hold() as hold:
            try:
                caller, receive = await self._identity.identify(scope, receive)
                self._identity.authorize(caller, Verb.INGEST, scope)
                body = await self._take(request, hold, receive)
            except ClewError as error:
                self._intake.count_refusal(signal, error)
                await self._refuse(request, error, send, receive)
                return
            if body is None:
                return
            try:
                decoded = await self._intake.accept(signal, body)
            except ClewError as error:
                await self._refuse(request, error, send, receive)
                return
        encoding = request.encoding or Encoding.PROTOBUF
        answer = encode_response(signal, decoded.rejected, encoding)
        headers = self._cors_headers(request)
        if decoded.copies is not None:
            headers.append((ACKS_HEADER.encode(), b"%d" % decoded.copies))
        await self._send(send, 200, encoding.value.encode(), answer, headers)

    async def _take(self, request: _Request, hold: Hold, receive: Receive) -> bytes | None:
        """Return the body as protobuf, None when the sender went away.

        Raises:
            ClewError: whatever is wrong with the headers, the size, the speed or the bytes.
        """
        self._check_origin(request)
        _check_form(request)
        self._check_size(request.content_length or 0)
        self._request_rate.take(1)
        self._byte_rate.take(request.content_length or 0)
        hold.grow(request.content_length or 0)
        try:
            async with asyncio.timeout(self._body_seconds_max):
                body = await self._read_body(request, hold, receive)
        except TimeoutError:
            raise _TooSlowError(
                ErrorCode.TIMEOUT, f"the body did not arrive in {self._body_seconds_max:g} s"
            ) from None
        if body is None:
            return None
        request.is_read = True
        return await self._unpack(request, hold, body)

    def _check_origin(self, request: _Request) -> None:
        if request.origin is None or is_origin_admitted(request.origin, self._origins):
            return
        raise ClewError(
            ErrorCode.FORBIDDEN,
            f"the origin {request.origin} may not send telemetry",
            hint="admit it with --cors-origins",
        )

    def _check_size(self, size: int) -> None:
        if size > self._limits.sent_bytes_max:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the body is larger than {self._limits.sent_bytes_max} bytes",
                hint="send smaller batches, or raise --otlp-body-bytes-max",
            )

    async def _read_body(self, request: _Request, hold: Hold, receive: Receive) -> bytes | None:
        """Return the body as it was sent, None when the sender went away."""
        pieces = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            piece: bytes = message.get("body", b"")
            size += len(piece)
            self._check_size(size)
            if request.content_length is None:
                hold.grow(len(piece))
                self._byte_rate.owe(len(piece))
            pieces.append(piece)
            if not message.get("more_body", False):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _unpack(self, request: _Request, hold: Hold, body: bytes) -> bytes:
        """Return the body decompressed and as protobuf."""
        compression = _COMPRESSIONS[request.content_encoding]
        if compression is not Compression.IDENTITY:
            arguments = (body, compression, self._limits.unpacked_bytes_max)
            if len(body) <= INLINE_BYTES_MAX:
                body = decompress(*arguments)
            else:
                body = await asyncio.to_thread(decompress, *arguments)
            hold.grow(len(body))
        if request.encoding is Encoding.JSON and body:
            body = await self._translate(request.signal, body)
        return body

    async def _translate(self, signal: Signal, body: bytes) -> bytes:
        """Return a JSON request as protobuf."""
        if len(body) > JSON_BYTES_MAX:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"the JSON body is larger than {JSON_BYTES_MAX} bytes",
                hint="send smaller batches, or protobuf",
            )
        # With it come protobuf's descriptors, which a start without JSON need not wait for.
        from clew.telemetry.otlp.json_codec import parse_request

        try:
            if len(body) <= INLINE_JSON_BYTES_MAX:
                return parse_request(signal, body)
            # One at a time: Python works on one at a time anyway, and memory stays bounded.
            async with self._json_turn:
                return await asyncio.to_thread(parse_request, signal, body)
        except MalformedRecordError as error:
            raise malformed(signal, error) from error

    async def _refuse(
        self, request: _Request, error: ClewError, send: Send, receive: Receive
    ) -> None:
        """Answer an error in the encoding of the request.

        Hang up if its body was not read, or if another server may take it.
        """
        encoding = request.encoding or Encoding.JSON
        is_slow = isinstance(error, _TooSlowError)
        status = HTTPStatus.REQUEST_TIMEOUT if is_slow else error_status(error)
        headers = self._cors_headers(request)
        seconds = retry_after_seconds(error)
        if seconds is not None:
            headers.append((b"retry-after", b"%d" % seconds))
        if error.code is ErrorCode.UNAUTHENTICATED:
            headers.append((b"www-authenticate", CHALLENGE.encode()))
        if not request.is_read or hangs_up(error):
            headers.append((b"connection", b"close"))
        message = error.message if error.hint is None else f"{error.message}: {error.hint}"
        body = encode_status(
            grpc_status(error.code), message, encoding, retry_after_ms=retry_after_ms(error)
        )
        rest = None if request.is_read or is_slow else receive
        await self._send(send, status, encoding.value.encode(), body, headers, rest)

    async def _answer_elsewhere(self, scope: Scope, send: Send) -> None:
        message = f"{NOWHERE}{scope['path']}: POST OTLP to {', '.join(PATHS)}"
        body = encode_status(grpc_status(ErrorCode.NOT_FOUND), message, Encoding.JSON)
        await self._send(send, 404, Encoding.JSON.value.encode(), body, [])

    async def _answer_other_method(self, scope: Scope, request: _Request, send: Send) -> None:
        headers = self._cors_headers(request)
        if scope["method"] == "OPTIONS":
            if any(name == b"access-control-allow-origin" for name, _ in headers):
                headers += _preflight_headers(scope["headers"])
            headers.append((b"allow", b"POST, OPTIONS"))
            await self._send(send, 204, b"", b"", headers)
            return
        headers.append((b"allow", b"POST, OPTIONS"))
        body = encode_status(
            grpc_status(ErrorCode.UNSUPPORTED),
            f"{scope['method']} is not what this path is for: POST an OTLP request",
            Encoding.JSON,
        )
        await self._send(send, 405, Encoding.JSON.value.encode(), body, headers)

    def _cors_headers(self, request: _Request) -> list[tuple[bytes, bytes]]:
        if request.origin is None or not is_origin_admitted(request.origin, self._origins):
            return []
        origin = ANY_ORIGIN if ANY_ORIGIN in self._origins else request.origin
        return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin")]

    async def _send(
        self,
        send: Send,
        status: int,
        content_type: bytes,
        body: bytes,
        headers: list[tuple[bytes, bytes]],
        rest: Receive | None = None,
    ) -> None:
        """Send an answer; `rest` gives what is still to come of a body that nobody wants."""
        self.answers[status] += 1
        if content_type:
            headers.append((b"content-type", content_type))
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if rest is not None:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await discard_body(rest)
            body = b""
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _check_form(request: _Request) -> None:
    if request.encoding is None:
        shown = request.content_type.decode("latin-1") or "nothing"
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"content-type is {shown}",
            hint="send application/x-protobuf or application/json",
        )
    if request.content_encoding not in _COMPRESSIONS:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"content-encoding is {request.content_encoding.decode('latin-1')}",
            hint="send gzip, zstd or identity",
        )


def _read_headers(signal: Signal, headers: Collection[tuple[bytes, bytes]]) -> _Request:
    request = _Request(signal)
    for name, value in headers:
        match name:
            case b"content-type":
                request.content_type = value
                request.encoding = _ENCODINGS.get(value)
                if request.encoding is None:
                    media_type = value.partition(b";")[0].strip().lower()
                    request.encoding = _ENCODINGS.get(media_type)
            case b"content-encoding":
                request.content_encoding = value.strip().lower()
            case b"content-length":
                # The HTTP parser has refused what is not a number.
                request.content_length = int(value)
            case b"origin":
                request.origin = value.decode("latin-1")
    return request


def _preflight_headers(headers: Collection[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    asked: Mapping[bytes, bytes] = dict(headers)
    wanted = asked.get(b"access-control-request-headers", b"")
    if not _HEADER_NAMES.fullmatch(wanted):
        wanted = b"content-type, content-encoding"
    answer = [
        (b"access-control-allow-methods", b"POST"),
        # Whatever header a page wants to send is harmless here: that of a key is the page's own.
        (b"access-control-allow-headers", wanted),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    ]
    if asked.get(b"access-control-request-private-network") == b"true":
        answer.append((b"access-control-allow-private-network", b"true"))
    return answer
