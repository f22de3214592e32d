"""Splits OTLP over HTTP among several servers, as a Collector's `loadbalancing` exporter does.

For tests, and for set-ups so small that a Collector is one process too many. What goes where:

- a span to the owner of its trace id (the exporter: `routing_key: traceID`, its default);
- a log record to the owner of its trace id; one that has none to the owner of its service's name.
  (The exporter draws a shard for such a record; ours is the same each time. Its newer versions
  hash a trace id of a log record as text, so that the record may lie apart from its spans.)
- a data point to the owner of its service's name (the exporter: `routing_key: service`, its default
  for metrics, which drops a resource without `service.name`; ours takes it as the service without
  a name).

A request is answered once every shard has taken its part, with what they refused added up. If one
did not, the answer is 503, and whoever sends it again sends all of it again.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from clew.base.errors import ClewError
from clew.base.sharding import Ring
from clew.remote.connections import OwnConnections
from clew.remote.http import Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from google.protobuf.message import Message

PROTOBUF: Final = "application/x-protobuf"

BODY_BYTES_MAX: Final = 64 << 20
"""The largest request that is split: four times the largest that exporters make."""

SHARDS_AT_ONCE: Final = 16

_SERVICE: Final = "service.name"

Parts = dict[str, "Message"]
"""The part of a request for each shard, by name."""

T = TypeVar("T", bound="Message")


def split_spans(request: ExportTraceServiceRequest, ring: Ring) -> Parts:
    """Return a request for each shard that owns a trace in it; no span is lost or doubled."""
    return _split(
        ExportTraceServiceRequest,
        request.resource_spans,
        "scope_spans",
        "spans",
        lambda _resource, span: ring.owner_of(span.trace_id),
    )


def split_logs(request: ExportLogsServiceRequest, ring: Ring) -> Parts:
    """Return a request for each shard that owns a log record in it."""
    return _split(
        ExportLogsServiceRequest,
        request.resource_logs,
        "scope_logs",
        "log_records",
        lambda resource, record: ring.owner_of(
            record.trace_id if any(record.trace_id) else _service_of(resource)
        ),
    )


def split_metrics(request: ExportMetricsServiceRequest, ring: Ring) -> Parts:
    """Return a request for each shard that owns a service in it."""
    return _split(
        ExportMetricsServiceRequest,
        request.resource_metrics,
        "scope_metrics",
        "metrics",
        lambda resource, _metric: ring.owner_of(_service_of(resource)),
    )


_SIGNALS: Final[Mapping[str, tuple[Any, Any, Any, str]]] = {
    "/v1/traces": (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
        split_spans,
        "rejected_spans",
    ),
    "/v1/logs": (
        ExportLogsServiceRequest,
        ExportLogsServiceResponse,
        split_logs,
        "rejected_log_records",
    ),
    "/v1/metrics": (
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
        split_metrics,
        "rejected_data_points",
    ),
}


def _split(
    kind: type[T], resources: Any, scopes_name: str, records_name: str, owner_of: Any
) -> Parts:
    """Cut a request by record; resources and scopes go along, each once for a shard."""
    parts: Parts = {}
    for given in resources:
        taken: dict[str, Any] = {}
        for given_scope in getattr(given, scopes_name):
            scopes: dict[str, Any] = {}
            for record in getattr(given_scope, records_name):
                owner = owner_of(given.resource, record)
                if owner not in taken:
                    part = parts.setdefault(owner, kind())
                    # The requests of all three signals name this field by their scopes.
                    into = getattr(part, scopes_name.replace("scope_", "resource_")).add()
                    into.resource.CopyFrom(given.resource)
                    into.schema_url = given.schema_url
                    taken[owner] = into
                if owner not in scopes:
                    scope = getattr(taken[owner], scopes_name).add()
                    scope.scope.CopyFrom(given_scope.scope)
                    scope.schema_url = given_scope.schema_url
                    scopes[owner] = scope
                getattr(scopes[owner], records_name).add().CopyFrom(record)
    return parts


def _service_of(resource: Any) -> bytes:
    for attribute in resource.attributes:
        if attribute.key == _SERVICE:
            return str(attribute.value.string_value).encode()
    return b""


class Router:
    """A door for OTLP/HTTP (protobuf) that has shards behind it, named as a Collector names them.

    It listens on the loopback until it is closed. From any thread.
    """

    def __init__(self, shards: Mapping[str, str], *, api_key: str | None = None) -> None:
        """Split among `shards`: the address of each one's OTLP/HTTP (or HTTP) door, by its name."""
        self.ring: Final = Ring(shards)
        self._shards = {
            name: OwnConnections(lambda url=url: Server(url, api_key=api_key))  # type: ignore[misc]
            for name, url in shards.items()
        }
        self._threads = ThreadPoolExecutor(SHARDS_AT_ONCE, thread_name_prefix="router")
        router = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                if length > BODY_BYTES_MAX or self.path not in _SIGNALS:
                    self.close_connection = True
                    self._answer(413 if self.path in _SIGNALS else 404, b"")
                    return
                status, body = router.take(self.path, self.rfile.read(length))
                self._answer(status, body)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", PROTOBUF)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url: Final = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._serving.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take nothing any more; idempotent."""
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()
        self._threads.shutdown()
        for connections in self._shards.values():
            connections.close()

    def take(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send each shard its part of a request; return status and body of the answer."""
        request_kind, response_kind, split, refused_name = _SIGNALS[path]
        parts: Parts = split(request_kind.FromString(body), self.ring)
        sending = {
            name: self._threads.submit(self._send, name, path, part.SerializeToString())
            for name, part in parts.items()
        }
        answer = response_kind()
        for name, sent in sending.items():
            try:
                told = response_kind.FromString(sent.result()).partial_success
            except ClewError as error:
                return 503, f"shard {name}: {error.message}".encode()
            refused = getattr(answer.partial_success, refused_name) + getattr(told, refused_name)
            if told.error_message or refused:
                setattr(answer.partial_success, refused_name, refused)
                answer.partial_success.error_message = told.error_message
        return 200, answer.SerializeToString()

    def _send(self, name: str, path: str, body: bytes) -> bytes:
        with self._shards[name].borrow() as server:
            return server.post(path, body, PROTOBUF).body
