"""HTTP as a client that may misbehave sees it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

WAIT_SECONDS_MAX = 150.0
"""A deadline, not an expectation: what hangs fails, what is slow on a busy machine does not."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    method: str = "GET",
    path: str = "/",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask over a connection of its own."""
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=WAIT_SECONDS_MAX)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def sql(url: str, statement: str, limit: int = 100) -> list[dict[str, Any]]:
    """Run a statement and return its rows."""
    body = json.dumps({"q": statement, "limit": limit}).encode()
    answer = ask(url, "POST", "/api/v1/sql", body, {"content-type": "application/json"})
    assert answer.status == 200, answer.body
    rows: list[dict[str, Any]] = answer.document["rows"]
    return rows


def connect(url: str) -> socket.socket:
    """Return a plain socket to the host of a URL."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=WAIT_SECONDS_MAX)


def read_all(connection: socket.socket) -> bytes:
    """Return everything until the other side hangs up."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def status_of(answer: bytes) -> int:
    """Return the status of a raw answer."""
    return int(answer.split(b" ", 2)[1])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return once a condition holds; ask for it again and again until the deadline."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"in time: {what}"
        pause.wait(0.02)
