"""A client of the agent plane that costs its process next to nothing.

What the load spends on a message the server cannot spend, for both share two cores; and a client
that is late to read an acknowledgement measures itself. So frames are put together by hand: one
write to the socket each, and what comes is told apart by its first byte.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections import deque
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from websockets.speedups import apply_mask

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A
_MASKED: Final = 0x80
_LENGTH_OF_2: Final = 126
_LENGTH_OF_8: Final = 127

# Any four bytes: a mask keeps middle boxes from being fooled, and there is none here.
_MASK: Final = b"\x17\x2a\x61\x05"

_HEAD_END: Final = b"\r\n\r\n"
_SWITCHING: Final = b"HTTP/1.1 101 "
_BUSY: Final = b"HTTP/1.1 503 "


class TurnedAwayError(Exception):
    """The server has no room at present."""


class Peer(asyncio.Protocol):
    """One socket. `hear` gets the text of each message, in order; what came before it is kept."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.is_closed: asyncio.Future[None] = loop.create_future()
        self.opened: asyncio.Future[None] = loop.create_future()
        self._hear: Callable[[bytes], None] | None = None
        self._early: deque[bytes] = deque()
        self._unread = b""
        self._transport: asyncio.Transport

    @classmethod
    async def connect(cls, url: str) -> Self:
        """Return a peer that has shaken hands.

        Raises:
            TurnedAwayError: ask again later.
            OSError: there is no server, or it refuses.
        """
        place = urlsplit(url)
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_connection(cls, place.hostname or "", place.port or 80)
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\nUser-Agent: clew-bench\r\n\r\n".encode()
        )
        await peer.opened
        return peer

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Hear what comes."""
        self._hear = hear
        while self._early:
            hear(self._early.popleft())

    def send(self, text: bytes) -> None:
        """Send a message."""
        self._transport.write(_frame(_TEXT, text))

    async def close(self) -> None:
        """Say goodbye and wait until the server has gone."""
        if not self._transport.is_closing():
            self._transport.write(_frame(_CLOSE, b"\x03\xe8"))
        await self.is_closed

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Take messages apart."""
        unread = self._unread + data if self._unread else bytes(data)
        if not self.opened.done():
            head, end, unread = unread.partition(_HEAD_END)
            if not end:
                self._unread = head
                return
            if not head.startswith(_SWITCHING):
                busy = TurnedAwayError() if head.startswith(_BUSY) else OSError(head.decode())
                self.opened.set_exception(busy)
                self._transport.abort()
                return
            self.opened.set_result(None)
        at = 0
        while at + 2 <= len(unread):
            size, begin = unread[at + 1], at + 2
            if size == _LENGTH_OF_2:
                size, begin = int.from_bytes(unread[at + 2 : at + 4], "big"), at + 4
            elif size == _LENGTH_OF_8:
                size, begin = int.from_bytes(unread[at + 2 : at + 10], "big"), at + 10
            if begin + size > len(unread):
                break
            self._take(unread[at], unread[begin : begin + size])
            at = begin + size
        self._unread = unread[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everybody who waits go on."""
        if not self.opened.done():
            self.opened.set_exception(exc or OSError("the server hung up"))
        if not self.is_closed.done():
            self.is_closed.set_result(None)

    def _take(self, kind: int, content: bytes) -> None:
        if kind == _TEXT and self._hear is not None:
            self._hear(content)
        elif kind == _TEXT:
            self._early.append(content)
        elif kind == _PING:
            self._transport.write(_frame(_PONG, content))
        elif kind == _CLOSE:
            self._transport.close()


def _frame(kind: int, content: bytes) -> bytes:
    size = len(content)
    if size < _LENGTH_OF_2:
        head = bytes((kind, _MASKED | size))
    else:
        head = bytes((kind, _MASKED | _LENGTH_OF_2)) + size.to_bytes(2, "big")
    return head + _MASK + apply_mask(content, _MASK)
