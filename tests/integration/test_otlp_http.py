"""The OTLP/HTTP door on a real socket: what it takes, and how it says no."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import zstandard
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from clew.access.registry import AccessRegistry
from clew.access.schema import SCHEMA
from clew.store.database.sqlite import SqliteDatabase
from clew.surfaces.connection import configure
from clew.surfaces.identity import Identity
from clew.surfaces.otlp.http import BodyLimits, OtlpHttpDoor
from clew.surfaces.otlp.intake import Intake
from clew.surfaces.otlp.walls import BodyBudget, Rate
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import WAIT_SECONDS_MAX, ask, connect, read_all, sql, status_of

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}

StartServer = Callable[..., ServerProcess]


def count_spans(server: ServerProcess, service: str) -> int:
    statement = f"SELECT count() AS n FROM otel_traces WHERE ServiceName = '{service}'"
    return int(sql(server.url, statement)[0]["n"])


def to_otlp_json(request: ExportTraceServiceRequest) -> bytes:
    """Return OTLP/JSON: as protobuf's own, but ids are hexadecimal."""
    document: Any = json.loads(MessageToJson(request, use_integers_for_enums=True))
    for resource, spans in zip(document["resourceSpans"], request.resource_spans, strict=True):
        for scope, scope_spans in zip(resource["scopeSpans"], spans.scope_spans, strict=True):
            for span, original in zip(scope["spans"], scope_spans.spans, strict=True):
                span["traceId"] = original.trace_id.hex()
                span["spanId"] = original.span_id.hex()
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("signal", "request_message"),
    [
        ("traces", spans_request("http-kinds", [ids_of(1)])),
        ("logs", logs_request("http-kinds", ["hello"])),
        ("metrics", metrics_request("http-kinds", "m", [1.5])),
    ],
)
def test_every_signal_is_taken_and_the_answer_is_empty(
    server: ServerProcess, signal: str, request_message: Message
) -> None:
    body = request_message.SerializeToString()
    answer = ask(server.otlp_url, "POST", f"/v1/{signal}", body, PROTOBUF)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress),
        ("identity", bytes),
        ("GZIP", lambda body: gzip.compress(body[:40]) + gzip.compress(body[40:])),
    ],
    ids=["gzip", "zstd", "zstd of unknown size", "identity", "gzip of two members"],
)
def test_a_compressed_body_is_the_same_as_a_plain_one(
    server: ServerProcess,
    encoding: str,
    compress: Callable[[bytes], bytes],
    request: pytest.FixtureRequest,
) -> None:
    service = f"http-{request.node.name}".replace("[", " ").replace("]", "")
    body = spans_request(service, map(ids_of, range(1, 11))).SerializeToString()
    headers = PROTOBUF | {"content-encoding": encoding}
    answer = ask(server.otlp_url, "POST", "/v1/traces", compress(body), headers)
    assert answer.status == 200
    assert count_spans(server, service) == 10


def test_json_is_taken_and_answered_in_json(server: ServerProcess) -> None:
    body = to_otlp_json(spans_request("http-json", map(ids_of, range(1, 4))))
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = ask(server.otlp_url, "POST", "/v1/traces", body, headers)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    large = to_otlp_json(spans_request("http-json", map(ids_of, range(4, 104))))
    packed = JSON | {"content-encoding": "gzip"}
    assert ask(server.otlp_url, "POST", "/v1/traces", gzip.compress(large), packed).status == 200
    assert count_spans(server, "http-json") == 103


@pytest.mark.parametrize("headers", [PROTOBUF, PROTOBUF | {"content-encoding": "gzip"}, JSON])
def test_a_request_without_records_is_a_success(
    server: ServerProcess, headers: dict[str, str]
) -> None:
    body = b"{}" if headers is JSON else b""
    assert ask(server.otlp_url, "POST", "/v1/traces", body, headers).status == 200


def test_what_is_refused_alone_is_told_by_count_and_reason(server: ServerProcess) -> None:
    good, bad = ids_of(1), (b"short", ids_of(1)[1])
    request = spans_request("http-partial", [good, bad, bad, (good[0], b"\0" * 8)])
    body = request.SerializeToString()
    answer = ask(server.otlp_url, "POST", "/v1/traces", body, PROTOBUF)
    assert answer.status == 200
    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert partial.rejected_spans == 3
    assert "2 spans: trace id is not 16 bytes" in partial.error_message
    assert "1 spans: span id is not 8 bytes" in partial.error_message
    in_json = ask(server.otlp_url, "POST", "/v1/traces", to_otlp_json(request), JSON).document
    assert in_json["partialSuccess"]["rejectedSpans"] == "3"
    assert in_json["partialSuccess"]["errorMessage"] == partial.error_message


def test_a_refused_log_record_is_counted_as_one(server: ServerProcess) -> None:
    request = logs_request("http-partial", ["kept", "refused"])
    request.resource_logs[0].scope_logs[0].log_records[1].trace_id = b"short"
    answer = ask(server.otlp_url, "POST", "/v1/logs", request.SerializeToString(), PROTOBUF)
    partial = ExportLogsServiceResponse.FromString(answer.body).partial_success
    assert partial.rejected_log_records == 1


@pytest.mark.parametrize(
    "body", [b"\x0a\xff", b"\x07", b"not protobuf at all" * 10], ids=["cut", "wire type", "text"]
)
def test_malformed_protobuf_is_a_400_with_a_status_in_protobuf(
    server: ServerProcess, body: bytes
) -> None:
    answer = ask(server.otlp_url, "POST", "/v1/traces", body, PROTOBUF)
    assert answer.status == 400
    assert "retry-after" not in answer.headers
    status = Status.FromString(answer.body)
    assert status.code == 3
    assert "not an OTLP traces request" in status.message


def test_malformed_json_is_a_400_with_a_status_in_json(server: ServerProcess) -> None:
    for body in (b"{", b"[]", b'{"resourceSpans": 7}', b"\xff\xfe"):
        answer = ask(server.otlp_url, "POST", "/v1/traces", body, JSON)
        assert answer.status == 400
        assert answer.document["code"] == 3


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_that_is_not_of_its_encoding_is_a_400(server: ServerProcess, encoding: str) -> None:
    whole = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[encoding](
        b"x" * 99
    )
    for body in (b"these are no such bytes", whole[:-1]):
        headers = PROTOBUF | {"content-encoding": encoding}
        answer = ask(server.otlp_url, "POST", "/v1/traces", body, headers)
        assert answer.status == 400
        assert encoding in Status.FromString(answer.body).message


def _gzip_bomb() -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()


def _zstd_bomb(*, sized: bool) -> bytes:
    packer = zstandard.ZstdCompressor(write_content_size=sized)
    return packer.compress(bytes(512 << 20))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoding", "make"),
    [
        ("gzip", _gzip_bomb),
        ("zstd", lambda: _zstd_bomb(sized=True)),
        ("zstd", lambda: _zstd_bomb(sized=False)),
    ],
)
def test_a_bomb_stops_at_the_cap(
    server: ServerProcess, encoding: str, make: Callable[[], bytes]
) -> None:
    headers = PROTOBUF | {"content-encoding": encoding}
    before = _peak_kib(server.pid)
    answer = ask(server.otlp_url, "POST", "/v1/traces", make(), headers)
    assert answer.status == 413
    assert "67108864" in Status.FromString(answer.body).message
    # The cap, one step beyond it, and a copy; far from the 512 MiB that it stands for.
    assert _peak_kib(server.pid) - before < 300 * 1024


def _peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def test_an_announced_body_over_the_cap_is_refused_unread(server: ServerProcess) -> None:
    with connect(server.otlp_url) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"content-length: 99999999999\r\nexpect: 100-continue\r\n\r\n"
        )
        connection.shutdown(1)
        assert status_of(read_all(connection)) == 413


def test_an_unannounced_body_over_the_cap_is_refused_while_it_comes(
    start_server: StartServer,
) -> None:
    server = start_server({"otlp_body_bytes_max": "100kB"})
    with connect(server.otlp_url) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )
        for _ in range(3):
            connection.sendall(b"c350\r\n" + bytes(50_000) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert status_of(read_all(connection)) == 413


def test_json_has_a_cap_of_its_own(server: ServerProcess) -> None:
    body = gzip.compress(b'{"a":[' + b"0," * (9 << 20) + b"0]}")
    answer = ask(server.otlp_url, "POST", "/v1/traces", body, JSON | {"content-encoding": "gzip"})
    assert answer.status == 413
    assert answer.document["code"] == 8


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_another_content_type_is_a_415_that_names_the_right_ones(
    server: ServerProcess, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = ask(server.otlp_url, "POST", "/v1/traces", b"x", headers)
    assert answer.status == 415
    assert "application/x-protobuf or application/json" in answer.document["message"]


def test_another_content_encoding_is_a_415(server: ServerProcess) -> None:
    headers = PROTOBUF | {"content-encoding": "br"}
    answer = ask(server.otlp_url, "POST", "/v1/traces", b"x", headers)
    assert answer.status == 415
    assert "gzip, zstd or identity" in Status.FromString(answer.body).message


def test_another_method_is_a_405_and_another_path_a_404(server: ServerProcess) -> None:
    wrong_method = ask(server.otlp_url, "GET", "/v1/traces")
    assert (wrong_method.status, wrong_method.headers["allow"]) == (405, "POST, OPTIONS")
    wrong_path = ask(server.otlp_url, "POST", "/v1/spans", b"x", PROTOBUF)
    assert wrong_path.status == 404
    assert "/v1/traces" in wrong_path.document["message"]


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"]
)
def test_a_page_of_this_machine_may_send(server: ServerProcess, origin: str) -> None:
    preflight = ask(
        server.otlp_url,
        "OPTIONS",
        "/v1/traces",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-mine",
        },
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == origin
    assert preflight.headers["access-control-allow-methods"] == "POST"
    assert preflight.headers["access-control-allow-headers"] == "content-type,x-mine"
    sent = ask(server.otlp_url, "POST", "/v1/traces", b"{}", JSON | {"origin": origin})
    assert sent.status == 200
    assert sent.headers["access-control-allow-origin"] == origin
    assert sent.headers["vary"] == "origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "null"]
)
def test_a_page_of_another_site_may_not(server: ServerProcess, origin: str) -> None:
    preflight = ask(server.otlp_url, "OPTIONS", "/v1/traces", headers={"origin": origin})
    assert "access-control-allow-origin" not in preflight.headers
    sent = ask(server.otlp_url, "POST", "/v1/traces", b"{}", JSON | {"origin": origin})
    assert sent.status == 403
    assert "--cors-origins" in sent.document["message"]


def test_configured_origins_may_send(start_server: StartServer) -> None:
    server = start_server({"cors_origins": "https://Shop.example, https://b.example"})
    headers = JSON | {"origin": "https://shop.example"}
    assert ask(server.otlp_url, "POST", "/v1/traces", b"{}", headers).status == 200
    everyone = start_server({"cors_origins": "*"}, folder="everyone")
    sent = ask(everyone.otlp_url, "POST", "/v1/traces", b"{}", headers)
    assert sent.headers["access-control-allow-origin"] == "*"


def test_a_rate_is_kept_with_429_and_a_time_to_come_back(start_server: StartServer) -> None:
    server = start_server({"otlp_requests_per_second": "5", "otlp_bytes_per_second": "1000000"})
    answers = [ask(server.otlp_url, "POST", "/v1/traces", b"", PROTOBUF) for _ in range(60)]
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} == {200, 429}
    status = Status.FromString(refused[0].body)
    retry = RetryInfo()
    assert status.code == 8
    assert status.details[0].Unpack(retry)
    assert int(refused[0].headers["retry-after"]) >= 1
    signals = ask(server.url, path="/api/v1/ingest/status").document["signals"]
    assert next(s["shed"] for s in signals if s["signal"] == "traces") == len(refused)


def test_bodies_held_at_once_are_bounded(start_server: StartServer) -> None:
    server = start_server({"otlp_inflight_bytes_max": "1MB"})
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
        b"content-length: 900000\r\n\r\n"
    )
    with connect(server.otlp_url) as first:
        # The server holds the first body from the moment that it asks for it.
        first.sendall(head.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n"))
        assert first.recv(100).startswith(b"HTTP/1.1 100")
        with connect(server.otlp_url) as second:
            second.sendall(head)
            second.shutdown(1)
            assert status_of(read_all(second)) == 429
    body = spans_request("http-room", [ids_of(1)]).SerializeToString()
    # The first one went away; its room is free again.
    assert ask(server.otlp_url, "POST", "/v1/traces", body, PROTOBUF).status == 200


def test_half_a_body_costs_nobody_anything(server: ServerProcess) -> None:
    body = spans_request("http-half", [ids_of(1)]).SerializeToString()
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    )
    with connect(server.otlp_url) as connection:
        connection.sendall(head + body[: len(body) // 2])
    assert ask(server.otlp_url, "POST", "/v1/traces", body, PROTOBUF).status == 200
    assert count_spans(server, "http-half") == 1


def test_a_body_that_stays_away_is_a_408(tmp_path: Path) -> None:
    database = SqliteDatabase.open(tmp_path, [SCHEMA])

    async def answer_a_slow_sender() -> bytes:
        door = OtlpHttpDoor(
            Intake({}, BodyBudget(1 << 20), lambda: None),
            BodyLimits(1 << 20, 1 << 20),
            identity=Identity(AccessRegistry.open(database, time.time_ns)),
            request_rate=Rate(0, "requests"),
            byte_rate=Rate(0, "bytes"),
            body_seconds_max=0.05,
        )
        uvicorn_server = uvicorn.Server(configure(door))
        uvicorn_server.config.load()
        uvicorn_server.lifespan = uvicorn_server.config.lifespan_class(uvicorn_server.config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await uvicorn_server.startup(sockets=[listener])
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(
                b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: 1000\r\n\r\n{"
            )
            answer = await asyncio.wait_for(reader.read(), WAIT_SECONDS_MAX)
            writer.close()
            await uvicorn_server.shutdown(sockets=[listener])
        return answer

    answer = asyncio.run(answer_a_slow_sender())
    database.close()
    assert status_of(answer) == 408
    assert b"did not arrive in 0.05 s" in answer


@pytest.mark.slow
def test_a_head_that_never_ends_is_hung_up_on(server: ServerProcess) -> None:
    # Both wait for the same ten seconds at once.
    with connect(server.otlp_url) as silent, connect(server.url) as halfway:
        halfway.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127")
        assert status_of(read_all(halfway)) == 408
        assert status_of(read_all(silent)) == 408


def test_a_head_that_is_too_large_is_a_431(server: ServerProcess) -> None:
    for line in (b"x-long: " + b"a" * 100_000, b"x-many: 1\r\n" * 10_000):
        with connect(server.otlp_url) as connection:
            connection.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n" + line + b"\r\n\r\n")
            assert status_of(read_all(connection)) == 431


def test_what_is_not_http_is_a_400(server: ServerProcess) -> None:
    with connect(server.otlp_url) as connection:
        connection.sendall(b"\x16\x03\x01 this is TLS to a plain door\r\n\r\n")
        assert status_of(read_all(connection)) == 400


def test_many_requests_go_over_one_connection(server: ServerProcess) -> None:
    body = spans_request("http-kept", [ids_of(1)]).SerializeToString()
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
        b"content-length: %d\r\n" % len(body)
    )
    with connect(server.otlp_url) as connection:
        for _ in range(20):
            connection.sendall(head + b"\r\n" + body)
        connection.sendall(head + b"connection: close\r\n\r\n" + body)
        assert read_all(connection).count(b"HTTP/1.1 200 ") == 21


def test_the_http_door_takes_otlp_as_well(server: ServerProcess) -> None:
    body = spans_request("http-other-door", [ids_of(1)]).SerializeToString()
    assert ask(server.url, "POST", "/v1/traces", body, PROTOBUF).status == 200
    assert count_spans(server, "http-other-door") == 1
