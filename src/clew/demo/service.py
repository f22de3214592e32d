"""What both services of the demo are: an HTTP server of the standard library, spans by hand."""

from __future__ import annotations

import http.client
import json
import logging
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from clew.lineage.stages.names import TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span, Tracer

    from clew.lineage import Traced

    Routes = dict[tuple[str, str], Callable[["Call"], "Answer"]]

# Far longer than any answer of the demo takes: whoever waits that long has been left alone.
CALL_S_MAX: Final = 10.0

# The bounds that the semantic conventions advise for durations in seconds.
DURATION_BOUNDS_S: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)

BODY_BYTES_MAX: Final = 64 * 1024

logger = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 - a business outcome, not a fault
    """A request that cannot be done, with the status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its path, its JSON body, and the span it runs in."""

    path: str
    body: dict[str, Any]
    span: Span


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int
    body: dict[str, Any]


class Service:
    """Answers calls by route, each in a server span, and measures them."""

    def __init__(self, name: str, routes: Routes) -> None:
        self.name = name
        self.tracer: Tracer = trace.get_tracer("clew.demo", "1.0")
        self._routes = routes
        meter = metrics.get_meter("clew.demo", "1.0")
        self._durations = meter.create_histogram(
            "http.server.request.duration",
            "s",
            "Duration of HTTP server requests",
            explicit_bucket_boundaries_advisory=DURATION_BOUNDS_S,
        )
        self._active = meter.create_up_down_counter(
            "http.server.active_requests", "{request}", "Requests being answered"
        )

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request, as part of the caller's trace when it names one."""
        path = target.partition("?")[0]
        route = "/" + path.strip("/").split("/")[0]
        found = self._routes.get((method, route))
        labels = {"http.request.method": method, "http.route": route}
        started = time.perf_counter()
        self._active.add(1, labels)
        try:
            with self.tracer.start_as_current_span(
                f"{method} {route}",
                context=propagate.extract(headers),
                kind=SpanKind.SERVER,
                attributes={**labels, "url.path": path, "url.scheme": "http"},
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                answer = self._answer_in(span, found, target, body)
                span.set_attribute("http.response.status_code", answer.status)
        finally:
            self._active.add(-1, labels)
        labels["http.response.status_code"] = str(answer.status)
        self._durations.record(time.perf_counter() - started, labels)
        return answer

    def _answer_in(
        self, span: Span, found: Callable[[Call], Answer] | None, path: str, body: bytes
    ) -> Answer:
        if found is None:
            return Answer(404, {"error": "no such route"})
        try:
            return found(Call(path, json.loads(body or b"{}"), span))
        except Refusal as refusal:
            # Only what is the server's own fault makes a server span an error.
            if refusal.status >= 500:
                span.record_exception(refusal)
                span.set_status(Status(StatusCode.ERROR, str(refusal)))
                logger.exception("%s failed", path)
            else:
                logger.warning("%s refused: %s", path, refusal)
            return Answer(refusal.status, {"error": str(refusal)})


def call(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
    """Call another service in a client span, with the trace in the headers.

    Raises:
        Refusal: when it answers with an error.
    """
    tracer = trace.get_tracer("clew.demo", "1.0")
    with tracer.start_as_current_span(
        f"{method} {path.partition('?')[0]}",
        kind=SpanKind.CLIENT,
        attributes={
            "http.request.method": method,
            "server.address": "127.0.0.1",
            "server.port": port,
            "url.full": f"http://127.0.0.1:{port}{path}",
        },
    ) as span:
        headers = {"Content-Type": "application/json"}
        propagate.inject(headers)
        answer = send(port, method, path, body, headers)
        span.set_attribute("http.response.status_code", answer.status)
        if answer.status >= 400:
            raise Refusal(answer.status, str(answer.body.get("error", "unknown error")))
        return answer


def send(
    port: int,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send a request and return the answer, without telemetry."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_S_MAX)
    try:
        connection.request(method, path, json.dumps(body or {}), headers or {})
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read() or b"{}"))
    finally:
        connection.close()


def work(seconds: float) -> None:
    """Take time, as a computation or a disk would."""
    time.sleep(seconds)


def describe_traced(made: Traced[dict[str, Any]]) -> dict[str, Any]:
    """Return a body that carries the id of what it tells of, so that the other end has it too."""
    return made.value | {TRACE_ID: str(made.trace_id)} if made.trace_id else made.value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def do_GET(self) -> None:
        self._respond("GET")

    def do_POST(self) -> None:
        self._respond("POST")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
        """Say nothing: the spans tell."""

    def _respond(self, method: str) -> None:
        size = min(int(self.headers.get("Content-Length") or 0), BODY_BYTES_MAX)
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.service.answer(method, self.path, headers, self.rfile.read(size))
        body = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def run(service: Service, say: Callable[[dict[str, Any]], None]) -> None:
    """Serve until stdin is closed; say where."""
    handler = type("Handler", (_Handler,), {"service": service})
    with _HttpServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        say({"port": server.server_address[1]})
        sys.stdin.read()
        server.shutdown()
        thread.join()
