"""A web socket of the HTTP door whose client does not read: it is hung up on, and keeps nothing."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from typing import Any

import pytest
import uvicorn
import uvloop

from clew.surfaces import connection

SECONDS_MAX = 60.0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_client_that_neither_reads_nor_answers_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "SOCKET_PING_SECONDS", 0.2)

    async def scenario() -> None:
        gone = asyncio.Event()

        async def talk(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            try:
                while True:
                    await send({"type": "websocket.send", "text": "x" * 10_000})
            finally:
                gone.set()

        configuration = connection.configure(talk, has_sockets=True)
        server = uvicorn.Server(configuration)
        configuration.load()
        server.lifespan = configuration.lifespan_class(configuration)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            await server.startup(sockets=[taken])
            with socket.create_connection(taken.getsockname()) as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                key = base64.b64encode(os.urandom(16)).decode()
                deaf.sendall(
                    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
                )
                async with asyncio.timeout(SECONDS_MAX):
                    await gone.wait()
                    while server.server_state.connections:  # noqa: ASYNC110 - uvicorn tells nobody
                        await asyncio.sleep(0.01)
            await server.shutdown(sockets=[taken])

    uvloop.run(scenario())
