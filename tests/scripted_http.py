"""A server of HTTP that says exactly the bytes that a test wants, one answer for a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

SECONDS_MAX = 60.0

REASONS = {200: "OK", 302: "Found", 401: "Unauthorized", 403: "Forbidden"}


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> object:
        return msgspec.json.decode(self.body)


Script = Callable[[Heard], bytes | Iterable[bytes]]


class ScriptedServer:
    """Listens on the loopback until it is left; `heard` is what came, in that order."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.heard: list[Heard] = []
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(SECONDS_MAX)
        self._ended = threading.Event()
        self._came = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(SECONDS_MAX)

    def wait_until_left(self, connections: int = 1) -> None:
        """Return when so many connections have come, and every one that did has been closed."""
        with self._came:
            assert self._came.wait_for(lambda: len(self._threads) > connections, SECONDS_MAX)
        for thread in self._threads[1:]:
            thread.join(SECONDS_MAX)
            assert not thread.is_alive()

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        with self._came:
            thread.start()
            self._threads.append(thread)
            self._came.notify_all()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                # Nobody came for long; somebody may yet.
                continue
            except OSError:
                return
            connection.settimeout(SECONDS_MAX)
            self._open.append(connection)
            self._begin(lambda taken=connection: self._answer(taken))  # type: ignore[misc]

    def _answer(self, raw: socket.socket) -> None:
        with suppress(OSError):
            connection = raw if self._tls is None else self._tls.wrap_socket(raw, server_side=True)
            self._open.append(connection)
            with connection:
                request = _read(connection)
                if request is None:
                    return
                self.heard.append(request)
                answer = self.script(request)
                for part in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(part)


def _read(connection: socket.socket) -> Heard | None:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    method, target, _ = first.split(" ")
    return Heard(method, target, headers, body)


def answer(body: object = b"", status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """Return a whole answer; what is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}"]
    given = {"Content-Length": str(len(content)), "Connection": "close", **(headers or {})}
    lines += [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
