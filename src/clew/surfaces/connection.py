"""The HTTP connection of our doors: uvicorn's, with walls around a request's head.

uvicorn leaves three things to a proxy in front of it, and there is none in front of us: how long a
client may take to send the head of a request, how large the head may be, and how many clients may
be connected. The body is the business of each door.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from clew.base.version import own_version

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from uvicorn._types import ASGISendEvent
    from uvicorn.server import ServerState

HEAD_SECONDS_MAX: Final = 10.0
"""How long a head may take, from the first byte or from the connection on: real ones fit one
packet."""

HEAD_BYTES_MAX: Final = 64 << 10
"""The largest head: eight times what common servers take, so that long filters fit the address."""

CONNECTIONS_MAX: Final = 1024
"""Per door. Each costs about 10 KiB and a descriptor; a fleet larger than this has a collector."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection stays open: longer than the minute that exporters of metrics wait."""

BACKLOG: Final = 512
"""Connections that wait for us to accept them."""

SOCKET_MESSAGE_BYTES_MAX: Final = 4096
"""What a client may send over a web socket of the HTTP door: it is there to listen."""

SOCKET_PING_SECONDS: Final = 20.0
"""How often a silent client is asked whether it is there, and how long it may take to answer: below
the 60 s after which proxies hang up."""

SERVER: Final = f"clew/{own_version()}"
"""What every answer says in its `server` header; `clew doctor` compares it with its own version."""

_LAST_WORDS: Final = (
    b"server: %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % SERVER.encode()
)


class GuardedConnection(HttpToolsProtocol):
    """One client's connection. A head that is too slow gets 408, one that is too large 431."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._head_is_open = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock, or turn the client away when the house is full."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            self._end(503)
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a head that stays unfinished is timed."""
        if self._head_is_open:
            # The parser keeps an unfinished header line to itself, so its bytes are counted here.
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._end(431)
                return
        super().data_received(data)
        if self._head_is_open and self._head_timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        """Open the head of a request."""
        super().on_message_begin()
        self._head_is_open = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what a head makes us keep."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES_MAX:
            # Any error in a callback ends the parsing; `send_400_response` then says why.
            raise ValueError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Close the head; the rest of the request is timed by the door."""
        self._head_is_open = False
        self._stop_timer()
        if len(self.url) > HEAD_BYTES_MAX:
            raise ValueError
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be parsed."""
        self._end(431 if self._head_bytes > HEAD_BYTES_MAX else 400)

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS_MAX, self._end, 408)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self, status: int) -> None:
        """Say the status, without a body, and hang up."""
        self._stop_timer()
        if self.transport.is_closing():
            return
        self.transport.write(STATUS_LINE[status] + _LAST_WORDS)
        self.transport.close()


class GuardedSocket(WebSocketsSansIOProtocol):
    """One client's web socket: what it does not read keeps us from reading what it sends.

    uvicorn answers every ping at once; without this, a client that sends them and reads nothing
    would have us keep the answers.
    """

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a refusal ends the handshake, or each would be an error in our log."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True

    def keepalive_timeout(self) -> None:
        """Hang up on a client that does not answer; what it was sent would wait for it for ever."""
        super().keepalive_timeout()
        self.transport.abort()

    def pause_writing(self) -> None:
        """Read nothing while the client does not."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()


def configure(app: Callable[..., Awaitable[None]], *, has_sockets: bool = False) -> Config:
    """Return how uvicorn runs one of our doors: no access log, no proxy headers.

    Web sockets only where the door `has_sockets`.
    """
    return Config(
        app,
        http=GuardedConnection,
        ws=GuardedSocket if has_sockets else "none",
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_ping_interval=SOCKET_PING_SECONDS,
        ws_ping_timeout=SOCKET_PING_SECONDS,
        # 64 KiB for each socket, for messages of a few hundred bytes.
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # Encoded once, together with the date, for all answers of a second.
        headers=[("server", SERVER)],
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=BACKLOG,
    )
