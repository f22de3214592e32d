"""An OTLP door that keeps the bytes it is sent, answers as a test says, or never."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

if TYPE_CHECKING:
    from types import TracebackType

HELD_SECONDS_MAX = 60.0


class OtlpSink:
    """Takes what comes. With `is_hanging` it answers nothing before it is released."""

    def __init__(self, *, status: int = 200, is_hanging: bool = False) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.arrived = threading.Event()
        self.released = threading.Event()
        if not is_hanging:
            self.released.set()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                sink.bodies.append((self.path, body))
                sink.arrived.set()
                sink.released.wait(HELD_SECONDS_MAX)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as given
                """Say nothing."""

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    # Who was kept waiting for too long has gone.
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def logs(self) -> list[Any]:
        """Return the log records that came, in order."""
        found: list[Any] = []
        for path, body in list(self.bodies):
            if path == "/v1/logs":
                request = ExportLogsServiceRequest.FromString(body)
                found += [
                    record
                    for resource in request.resource_logs
                    for scope in resource.scope_logs
                    for record in scope.log_records
                ]
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
