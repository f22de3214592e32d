"""One client of a scenario: a socket that speaks raw frames, and writes down what was said."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from clew.testing.conformance.matching import SHOWN_CHARS
from clew.tree.frames.codec import OUTBOUND_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.asyncio.client import ClientConnection

CONNECT_SECONDS: Final = 60.0
"""On one machine it takes a millisecond, over a network with a lost packet three seconds; a server
whose disk holds it up takes longer."""

CLOSE_SECONDS: Final = 2.0
"""How long a goodbye may take that nobody listens to."""

ABNORMAL: Final = 1006
"""What stands for a connection that ended without a close code."""

Frame = dict[str, Any]


class Transcript:
    """What happened in a scenario, a line each."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, sign: str, who: str, what: str) -> None:
        """Write down a line, cut to what can be read."""
        text = what if len(what) <= SHOWN_CHARS * 2 else what[: SHOWN_CHARS * 2 - 1] + "…"
        self.lines.append(f"{sign} {who}: {text}")


class RefusedError(Exception):
    """The door did not let a client in; `status` is None when it is no HTTP answer."""

    def __init__(self, status: int | None, why: str) -> None:
        super().__init__(why)
        self.status = status


class Closed(Exception):  # noqa: N818 - it is an answer, and often the one that is wanted
    """The socket is closed, with this code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code


class Client:
    """A client by its name. `nonce` is that of the server's challenge, where there was one."""

    def __init__(self, name: str, socket: ClientConnection, transcript: Transcript) -> None:
        self.name = name
        self.nonce: str | None = None
        self.last_sent: Frame = {}
        """The frame that was sent last."""
        self._socket = socket
        self._transcript = transcript

    @classmethod
    async def open(
        cls, name: str, url: str, transcript: Transcript, headers: Mapping[str, str]
    ) -> Client:
        """Connect.

        Raises:
            RefusedError: the server did not let it in.
        """
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await connect(
                    url,
                    additional_headers=dict(headers),
                    compression=None,
                    max_size=OUTBOUND_BYTES_MAX,
                    open_timeout=None,
                    close_timeout=CLOSE_SECONDS,
                    ping_interval=None,
                    proxy=None,
                )
        except InvalidStatus as error:
            status = error.response.status_code
            transcript.add("x", name, f"not let in: HTTP {status}")
            raise RefusedError(status, f"HTTP {status}") from error
        except (OSError, TimeoutError, WebSocketException) as error:
            raise RefusedError(None, f"cannot connect to {url}: {error}") from error
        transcript.add("+", name, f"connected to {url}")
        return cls(name, socket, transcript)

    async def send(self, text: str | bytes) -> None:
        """Send a message; one to a socket that is closed is lost, as it would be in life."""
        shown = text if isinstance(text, str) else f"{len(text)} bytes of binary"
        self._transcript.add(">", self.name, shown)
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            self._transcript.add("x", self.name, "the socket was closed already")

    async def hear(self, seconds: float) -> Frame:
        """Return the next frame.

        Raises:
            TimeoutError: none came in time.
            Closed: the socket was closed before.
        """
        try:
            async with asyncio.timeout(seconds):
                text = await self._socket.recv()
        except ConnectionClosed:
            code = self._socket.close_code or ABNORMAL
            closed = Closed(code, self._socket.close_reason or "")
            self._transcript.add("x", self.name, str(closed))
            raise closed from None
        shown = text if isinstance(text, str) else f"{len(text)} bytes of binary"
        self._transcript.add("<", self.name, shown)
        frame = json.loads(text)
        return frame if isinstance(frame, dict) else {"type": None}

    async def close(self) -> None:
        """Close the WebSocket as a library does on leaving."""
        self._transcript.add("-", self.name, "closes")
        await self._socket.close()

    def drop(self) -> None:
        """Cut the connection without a word."""
        self._transcript.add("-", self.name, "cuts the connection")
        self._socket.transport.abort()
