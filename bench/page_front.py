"""A front on loopback for the page under measurement: the server, a feed and a tree of any length.

A million spans would come from a server no faster than it takes them in, and ten thousand apps
would have to live; what is measured is the page, so the feed of spans and the list of apps are
written here, of the fields that a row shows.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FEED: Final = "/api/v1/traces/live"

APPS: Final = "/api/v1/apps?"

HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}

BATCH: Final = 1_000
"""Spans of one event, as many as the server's own feed puts together under load."""

PIECE: Final = 65_536

_ENDS_S: Final = 600.0
"""A feed that came to its end stays open, as one does in which nothing happens."""


@contextmanager
def open_front(address: str, spans: int, apps: int) -> Iterator[str]:
    """Stand before the server at ``host:port``; yield the address.

    The feed has so many spans, and the tree so many apps.
    """
    ended = threading.Event()
    listed = [_app(number) for number in range(apps)]
    tree = msgspec.json.encode(
        {"apps": listed, "count": apps, "total": apps, "truncated": False, "next": None}
    )

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            if self.path.startswith(FEED):
                self._feed()
                return
            if self.path.startswith(APPS):
                self._tell(tree)
                return
            length = int(self.headers.get("content-length", 0))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            onward = HTTPConnection(address, timeout=60)
            try:
                onward.request(self.command, self.path, self.rfile.read(length), kept)
                answer = onward.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                self.end_headers()
                while piece := answer.read1(PIECE):
                    self.wfile.write(piece)
            except OSError:
                self.close_connection = True
            finally:
                onward.close()

        def _tell(self, document: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def _feed(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            try:
                for first in range(0, spans, BATCH):
                    batch = [_span(number) for number in range(first, min(first + BATCH, spans))]
                    self.wfile.write(b"data: " + msgspec.json.encode(batch) + b"\n\n")
                ended.wait(_ENDS_S)
            except OSError:
                self.close_connection = True

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self.forward
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    front = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front.daemon_threads = True
    thread = threading.Thread(target=front.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{front.server_port}"
    finally:
        ended.set()
        front.shutdown()
        front.server_close()
        thread.join()


def _span(number: int) -> dict[str, object]:
    second, rest = divmod(number, 20_000)
    return {
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "service": f"service-{number % 7}",
        "operation": f"operation {number % 53}",
        "start_time": f"2026-11-21T10:{second // 60:02}:{second % 60:02}.{rest * 50:06}000Z",
        "duration_ms": number % 400 / 4,
        "status": "error" if number % 97 == 0 else "ok",
    }


BELOW: Final = 50
"""Apps below each app that has any: a root, as many below it as are needed, and theirs."""


def _app(number: int) -> dict[str, object]:
    above = None if number == 0 else 0 if number % BELOW == 1 else (number - 1) // BELOW * BELOW + 1
    path = [0] if above is None else [0, number] if above == 0 else [0, above, number]
    second, rest = divmod(number, 100)
    at = f"2026-11-21T10:{second // 60:02}:{second % 60:02}.{rest:02}0000000Z"
    return {
        "app_id": _app_id(number),
        "parent_id": None if above is None else _app_id(above),
        "app_name": f"worker {number}",
        "status": "crashed" if number % 9 == 8 else "running",
        "path": [_app_id(each) for each in path],
        "held": None,
        "detached": False,
        "role_refs": [],
        "scheduled_at": at,
        "connected_at": at,
        "ended_at": None,
        "last_snapshot": {
            "seq": 1,
            "at": at,
            "payload": {
                "phase": "working",
                "progress": number % 100 / 100,
                "tokens": number * 7,
                "cost_usd": number / 1000,
            },
        },
        "process": {"pid": number, "hostname": f"host-{number % 7}"},
        "crash": None,
    }


def _app_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012x}"
