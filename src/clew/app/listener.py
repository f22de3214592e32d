"""One HTTP door: a socket, an application, and the tasks of its connections."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import uvicorn

from clew.surfaces.connection import configure

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Generator


DATE_SECONDS: Final = 1.0
"""How often the date of answers is written anew."""


class _Server(uvicorn.Server):
    """uvicorn's server, which leaves the signals to us, and its end."""

    def __init__(self, configuration: uvicorn.Config) -> None:
        super().__init__(configuration)
        self.ending = asyncio.Event()

    async def main_loop(self) -> None:
        """Keep the date up to date until `ending`; uvicorn's own looks ten times a second."""
        while not self.ending.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATE_SECONDS):
                    await self.ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Listener:
    """Lets callers in to one application. Belongs to one event loop."""

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        taken: socket.socket,
        drain_seconds: float,
        *,
        has_sockets: bool = False,
    ) -> None:
        """Prepare to listen on a socket that is bound; it is closed with the door."""
        configuration = configure(app, has_sockets=has_sockets)
        configuration.timeout_graceful_shutdown = max(1, round(drain_seconds))
        self._server = _Server(configuration)
        self._socket = taken
        self._loop: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to accept connections."""
        self._server.config.load()
        self._server.lifespan = self._server.config.lifespan_class(self._server.config)
        await self._server.startup(sockets=[self._socket])
        self._loop = asyncio.create_task(self._server.main_loop())

    async def close(self) -> None:
        """Accept nothing more and let what runs come to its end, within the time given."""
        self._server.should_exit = True
        self._server.ending.set()
        if self._loop is not None:
            await self._loop
            await self._server.shutdown(sockets=[self._socket])
