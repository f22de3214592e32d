"""A socket to a server: opened, read from and written to, and how long to wait for the next."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import connect

from clew.base.errors import ClewError
from clew.tree.frames.codec import OUTBOUND_BYTES_MAX, decode_outbound

if TYPE_CHECKING:
    import random
    from collections.abc import Coroutine

    from websockets.asyncio.client import ClientConnection

    from clew.tree.frames import outbound

# Opening, the challenge and the answer to a registration, each: what upstream's clients wait.
ANSWER_S_MAX: Final = 10.0

# The peer's part in closing a socket; what had to be said was acknowledged before.
CLOSE_S_MAX: Final = 2.0

# A half-open line is found within their sum.
PING_INTERVAL_S: Final = 20.0
PING_TIMEOUT_S: Final = 20.0

# Full jitter: every client of a server that was restarted picks its own moment.
BACKOFF_FIRST_S: Final = 0.2
BACKOFF_S_MAX: Final = 30.0
_DOUBLINGS_MAX: Final = 10

_PORTS: Final = {"ws": 80, "wss": 443}

logger = logging.getLogger("clew.tree")

# What the library says of lost connections is said by us, once, where it matters.
_quiet = logging.getLogger("clew.tree.socket")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


def backoff_s(attempt: int, chance: random.Random, most_s: float = BACKOFF_S_MAX) -> float:
    """Return how long to wait before a try: anything up to a bound that doubles each time."""
    bound: float = BACKOFF_FIRST_S * 2 ** min(attempt, _DOUBLINGS_MAX)
    return chance.uniform(0.0, min(most_s, bound))


async def open_socket(url: str, sockets: set[socket.socket]) -> ClientConnection:
    """Connect; the TCP socket is in `sockets` for as long as it is open.

    Raises:
        OSError: nobody answers there.
        websockets.exceptions.WebSocketException: what answers speaks no WebSocket.
        TimeoutError: it took longer than `ANSWER_S_MAX`.
    """
    async with asyncio.timeout(ANSWER_S_MAX):
        sock = await _open_tcp(url)
        sockets.add(sock)
        try:
            return await connect(
                url,
                sock=sock,
                compression=None,
                open_timeout=None,
                close_timeout=CLOSE_S_MAX,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_TIMEOUT_S,
                max_size=OUTBOUND_BYTES_MAX,
                user_agent_header="clew",
                logger=_quiet,
            )
        except BaseException:
            sockets.discard(sock)
            sock.close()
            raise


def forget_closed(sockets: set[socket.socket]) -> None:
    """Take those that are closed out of `sockets`."""
    sockets.difference_update([sock for sock in sockets if sock.fileno() < 0])


async def receive(connection: ClientConnection) -> tuple[outbound.AnyOutbound, bytes]:
    """Return the next frame that we understand, and as it came.

    Binary messages are of another tier.

    Raises:
        websockets.exceptions.ConnectionClosed: there is none any more.
    """
    while True:
        message = await connection.recv()
        if isinstance(message, bytes):
            continue
        try:
            return decode_outbound(message), message.encode()
        except ClewError as error:
            # A newer server may say what we do not know yet.
            logger.debug("a frame is ignored: %s", error)


async def converse(read: Coroutine[Any, Any, None], write: Coroutine[Any, Any, None]) -> None:
    """Read and write side by side until one of them ends or fails; then the other ends too."""
    tasks = [asyncio.ensure_future(read), asyncio.ensure_future(write)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _open_tcp(url: str) -> socket.socket:
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    trouble: OSError = OSError("no address")
    # Looking a name up blocks this thread, which has nothing else to do before it is connected. The
    # loop would give it to an executor, and at the end of a process there are none any more.
    for family, kind, protocol, _, address in socket.getaddrinfo(
        parts.hostname, port, type=socket.SOCK_STREAM
    ):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            trouble = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise trouble
