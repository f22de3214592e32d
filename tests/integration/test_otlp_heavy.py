"""A small request that stands for gigabytes of rows is refused before it costs memory."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status

from clew.testing.requests import logs_request
from clew.testing.server import ServerProcess
from tests.integration.wire import ask, sql
from tests.otlp_native import require_native

PROTOBUF = {"content-type": "application/x-protobuf"}

REPEATED_GROWTH_BYTES_MAX = 64 << 20
"""How much more memory the server may ever have taken for requests that are weighed beforehand: the
requests themselves. Their rows would be 2 GiB and more, so a wide margin tells the difference."""

COUNTED_GROWTH_BYTES_MAX = 384 << 20
"""And for those that are weighed as they are read: what a request may weigh, and a half more."""

EXPORT = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="a process's peak of memory is read from /proc"
)


@pytest.fixture(scope="module", params=["native", "reference"])
def weighed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server that decodes with one of the two decoders."""
    folder = tmp_path_factory.mktemp("weighed")
    environ = dict(os.environ)
    if request.param == "native":
        require_native()
    else:
        (folder / "clew_native.py").write_text("raise ImportError('left out')\n")
        environ["PYTHONPATH"] = str(folder)
    with ServerProcess(folder / "data", environ=environ) as server:
        is_reference = "the native decoder is not installed" in server.stderr
        assert is_reference == (request.param == "reference")
        yield server


def field(number: int, content: bytes) -> bytes:
    """Write a length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def attribute(text: bytes) -> bytes:
    """Write a resource's attribute."""
    return field(1, field(1, b"key") + field(2, field(1, text)))


def rows_under(resource: bytes, record: bytes, count: int) -> bytes:
    """Write a request: a resource's fields, and so many times the same record in one scope."""
    return field(1, field(1, resource) + field(2, field(2, record) * count))


WIDE = attribute(b"x" * 400_000)
MANY = attribute(b"x" * 390) * 1000
# A list with a key twice cannot be told by its texts, so the residue of each row holds it whole.
TWICE = attribute(b"x" * 200_000) * 2
SPAN_IDS = field(1, bytes(range(1, 17))) + field(2, bytes(range(1, 9)))

REPEATED: Mapping[str, tuple[str, bytes]] = {
    "a wide resource over empty log records": ("logs", rows_under(WIDE, b"", 10_000)),
    "many attributes over empty log records": ("logs", rows_under(MANY, b"", 10_000)),
    "a repeated key over empty log records": ("logs", rows_under(TWICE, b"", 10_000)),
    "a wide resource over spans": ("traces", rows_under(WIDE, SPAN_IDS, 10_000)),
    "a wide resource over empty points": (
        "metrics",
        rows_under(WIDE, field(5, field(1, b"") * 10_000), 1),
    ),
    "a wide resource over metrics of one point": (
        "metrics",
        rows_under(WIDE, field(5, field(1, b"")), 10_000),
    ),
    "a wide resource over empty scopes": (
        "logs",
        field(1, field(1, WIDE) + field(2, b"") * 10_000),
    ),
    "a long description over empty points": (
        "metrics",
        rows_under(b"", field(2, b"x" * 400_000) + field(5, field(1, b"") * 10_000), 1),
    ),
}
COUNTED: Mapping[str, tuple[str, bytes]] = {
    "millions of empty links": ("traces", rows_under(b"", field(13, b"") * 3_000_000, 1)),
    "millions of empty exemplars": (
        "metrics",
        rows_under(b"", field(5, field(1, field(5, b"") * 3_000_000)), 1),
    ),
}


def peak_bytes(server: ServerProcess) -> int:
    """Return the most memory that a server has had at once."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def send_by_http(server: ServerProcess, signal: str, body: bytes) -> None:
    headers = PROTOBUF | {"content-encoding": "gzip"}
    answer = ask(server.otlp_url, "POST", f"/v1/{signal}", gzip.compress(body, 1), headers)
    # 413 is none of the statuses that exporters try again.
    assert answer.status == 413
    assert "retry-after" not in answer.headers
    status = Status.FromString(answer.body)
    assert "more than 268435456 bytes" in status.message
    assert "smaller resources" in status.message
    assert not status.details


def send_by_grpc(server: ServerProcess, signal: str, body: bytes) -> None:
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(server.otlp_grpc, options=options) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(EXPORT[signal])(body)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        trailers = dict(caught.value.trailing_metadata())
        # Without RetryInfo it is not tried again.
        assert not Status.FromString(trailers["grpc-status-details-bin"]).details


@pytest.mark.parametrize("send", [send_by_http, send_by_grpc], ids=["http", "grpc"])
def test_a_request_whose_rows_would_take_gigabytes_is_refused_and_takes_no_memory(
    weighed: ServerProcess, send: Callable[[ServerProcess, str, bytes], None]
) -> None:
    service = f"weighed-{send.__name__}"
    honest = logs_request(service, ["before"]).SerializeToString()
    assert ask(weighed.otlp_url, "POST", "/v1/logs", honest, PROTOBUF).status == 200
    before = peak_bytes(weighed)
    for signal, body in REPEATED.values():
        send(weighed, signal, body)
    # The second way into the same server meets the first one's peak: there is less to see of it.
    assert peak_bytes(weighed) - before < REPEATED_GROWTH_BYTES_MAX
    for signal, body in COUNTED.values():
        send(weighed, signal, body)
    assert peak_bytes(weighed) - before < COUNTED_GROWTH_BYTES_MAX
    honest = logs_request(service, ["after"]).SerializeToString()
    assert ask(weighed.otlp_url, "POST", "/v1/logs", honest, PROTOBUF).status == 200
    statement = f"SELECT Body FROM otel_logs WHERE ServiceName = '{service}' ORDER BY Timestamp"
    assert [row["Body"] for row in sql(weighed.url, statement)] == ["before", "after"]
    (alone,) = sql(weighed.url, "SELECT count() AS n FROM otel_logs WHERE ServiceName = 'unknown'")
    assert int(alone["n"]) == 0
