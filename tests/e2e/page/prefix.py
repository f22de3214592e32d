"""A reverse proxy on loopback: what is asked for below a prefix it asks for without it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}

PIECE: Final = 16_384


@contextmanager
def open_prefix(address: str, prefix: str) -> Iterator[str]:
    """Stand before a server at ``host:port``; yield the address of its page below the prefix."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def forward(self) -> None:
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            length = int(self.headers.get("content-length", 0))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            onward = HTTPConnection(address, timeout=60)
            try:
                onward.request(
                    self.command, self.path[len(prefix) :], self.rfile.read(length), kept
                )
                answer = onward.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP:
                        self.send_header(name, value)
                self.end_headers()
                while piece := answer.read1(PIECE):
                    self.wfile.write(piece)
            except OSError:
                # Either end has gone, and with it whom to tell.
                self.close_connection = True
            finally:
                onward.close()

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self.forward
            raise AttributeError(name)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}{prefix}/"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
