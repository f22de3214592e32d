"""HTTP/1.1 over a socket, by h11: what the fake needs of it, and ways of breaking it off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import unquote

import h11

from clew.testing.trailbase.values import Json, Refusal

CHUNK_BYTES: Final = 64 * 1024
"""Read from a socket at once."""

NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived whole. Names of headers are lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    peer: str = "127.0.0.1"

    def json(self) -> Json:
        """Return the body.

        Raises:
            Refusal: 400.
        """
        try:
            return json.loads(self.content or b"null")
        except ValueError:
            raise Refusal(400, "Failed to parse the request body as JSON") from None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: a body at once, or a stream of pieces that ends with its iterator."""

    status: int = 200
    content: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    stream: AsyncGenerator[bytes, None] | None = None


def of_json(value: Json, status: int = 200) -> Response:
    """Return an answer in JSON."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return Response(status, text.encode(), "application/json")


def of_text(text: str, status: int = 200) -> Response:
    """Return an answer in plain text; without a type where there is none."""
    return Response(status, text.encode(), "text/plain; charset=utf-8" if text else "")


class Cut(Exception):  # noqa: N818 - no error: this is how a connection is broken off on purpose
    """Break the connection off. `sent` bytes of the answer go out before."""

    def __init__(self, response: Response | None = None, sent: int = 0) -> None:
        super().__init__()
        self.response = response
        self.sent = sent


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Listener:
    """Serves a handler on a port of the loopback, on the event loop that it is opened on."""

    def __init__(
        self, handler: Handler, now: Callable[[], int], body_bytes_max: int, port: int
    ) -> None:
        self._handler = handler
        self._now = now
        self._body_bytes_max = body_bytes_max
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = port

    async def listen(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(
            self._take, "127.0.0.1", self.port, limit=CHUNK_BYTES
        )

    async def hang_up(self) -> None:
        """Break off every connection, at once."""
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Take no more connections, and break off those that there are."""
        server, self._server = self._server, None
        if server is not None:
            # What was accepted gets its transport a turn of the loop later: a server that is closed
            # by then gives it none, and its socket stays open. So nothing more is accepted first.
            for each in server.sockets:
                asyncio.get_running_loop().remove_reader(each.fileno())
            await asyncio.sleep(0)
            server.close()
            # And one turn later it is in `_take`, which lets go of it.
            await asyncio.sleep(0)
        await self.hang_up()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            # It was accepted before the door was closed, and gets here after it.
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._open.add(task)
        # Not in the task: one that is sent away before its first step would let go of nothing.
        task.add_done_callback(lambda done: self._let_go(done, writer))

    def _let_go(self, task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        self._open.discard(task)
        if task.cancelled():
            writer.transport.abort()
        else:
            with contextlib.suppress(ConnectionError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError, Cut):
            # Whoever is on the other side went, or was sent away.
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        peer = str(writer.get_extra_info("peername")[0])
        while True:
            request, is_too_large = await self._receive(wire, reader, writer, peer)
            if request is None:
                return
            response = of_text("", 413) if is_too_large else await self._answer(request, writer)
            await self._send(wire, writer, response, request.method)
            if wire.our_state is h11.MUST_CLOSE or is_too_large:
                return
            wire.start_next_cycle()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> Response:
        try:
            return await self._handler(request)
        except Refusal as refusal:
            return of_text(refusal.text, refusal.status)
        except Cut as cut:
            if cut.response is not None:
                head, body = self._encoded(cut.response, request.method)
                writer.write((head + body)[: cut.sent])
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            raise

    async def _receive(
        self,
        wire: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
    ) -> tuple[Request | None, bool]:
        head: h11.Request | None = None
        content = bytearray()
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                if wire.they_are_waiting_for_100_continue:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                wire.receive_data(await reader.read(CHUNK_BYTES))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                content += event.data
                if len(content) > self._body_bytes_max and head is not None:
                    return _request(head, b"", peer), True
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(content), peer), False
            else:
                return None, False

    async def _send(
        self, wire: h11.Connection, writer: asyncio.StreamWriter, response: Response, method: str
    ) -> None:
        headers = self._headers(response, method)
        head = h11.Response(status_code=response.status, headers=headers)
        # One write, so that a client sees head and body at once.
        begun = bytearray(wire.send(head) or b"")
        if response.stream is None:
            if method != "HEAD":
                begun += wire.send(h11.Data(data=response.content)) or b""
            begun += wire.send(h11.EndOfMessage()) or b""
            writer.write(begun)
            await writer.drain()
            return
        writer.write(begun)
        async with contextlib.aclosing(response.stream) as pieces:
            async for piece in pieces:
                writer.write(wire.send(h11.Data(data=piece)) or b"")
                await writer.drain()
        writer.write(wire.send(h11.EndOfMessage()) or b"")
        await writer.drain()

    def _headers(self, response: Response, method: str) -> list[tuple[str, str]]:
        moment = self._now() / NS_PER_S
        headers = [("date", formatdate(moment, usegmt=True)), *response.headers]
        if response.content_type:
            headers.append(("content-type", response.content_type))
        if response.stream is None:
            headers.append(("content-length", str(len(response.content))))
        return headers

    def _encoded(self, response: Response, method: str) -> tuple[bytes, bytes]:
        lines = [f"HTTP/1.1 {response.status} "]
        lines += [f"{name}: {value}" for name, value in self._headers(response, method)]
        return "\r\n".join([*lines, "", ""]).encode(), response.content


def _request(head: h11.Request, content: bytes, peer: str) -> Request:
    path, _, query = head.target.decode().partition("?")
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode(), unquote(path), query, headers, content, peer)
