"""How a server begins and ends, and how it lives on when something fails."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from clew.testing.load import SPANS_PER_REQUEST, SpanLoad, trace_id
from clew.testing.requests import ids_of, spans_request
from clew.testing.server import ServerProcess
from tests.integration.wire import (
    WAIT_SECONDS_MAX,
    ask,
    connect,
    read_all,
    sql,
    status_of,
    wait_until,
)

PROTOBUF = {"content-type": "application/x-protobuf"}

StartServer = Callable[..., ServerProcess]


def spans_by_trace(server: ServerProcess) -> dict[int, int]:
    statement = "SELECT TraceId, count() AS n FROM otel_traces GROUP BY TraceId"
    rows = sql(server.url, statement, limit=10_000)
    return {int(row["TraceId"], 16): int(row["n"]) for row in rows}


def run_server(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to end by itself."""
    given = {
        "data_dir": str(folder),
        "http": "127.0.0.1:0",
        "trails": "off",
        "links": "off",
    } | settings
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CLEW_")}
    environ |= {f"CLEW_{name.upper()}": text for name, text in given.items()}
    return subprocess.run(
        [sys.executable, "-m", "clew.app.server"],
        env=environ | {"CLEW_CONFIG": "off"},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS_MAX,
    )


def is_refused(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=WAIT_SECONDS_MAX).close()
    except ConnectionRefusedError:
        return True
    return False


def wait_until_refused(address: str) -> None:
    wait_until(lambda: is_refused(address), f"{address} takes no more callers")


def test_it_says_where_everything_is_and_how_to_send(server: ServerProcess) -> None:
    said = server.stderr
    for line in (
        server.url,
        server.otlp_url,
        f"http://{server.otlp_grpc}",
        server.trails_url,
        str(server.folder),
        f"export OTEL_EXPORTER_OTLP_ENDPOINT={server.otlp_url}",
        "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
        "export OTEL_SERVICE_NAME=",
    ):
        assert line in said
    assert "clew is ready\n" in said


def test_sigterm_under_load_loses_nothing_and_exits_with_0(start_server: StartServer) -> None:
    server = start_server()
    with SpanLoad(server.otlp_url, service="drain", first=1) as load:
        load.wait_for_more(40)
        code = server.terminate()
    assert code == 0
    kept = spans_by_trace(start_server())
    assert {number: kept.get(number) for number in load.acked} == dict.fromkeys(
        load.acked, SPANS_PER_REQUEST
    )
    assert set(kept.values()) == {SPANS_PER_REQUEST}


def test_a_request_under_way_is_finished_after_sigterm(start_server: StartServer) -> None:
    server = start_server({"drain_seconds_max": f"{WAIT_SECONDS_MAX:g}"})
    body = spans_request("last", [(trace_id(7), b"12345678")]).SerializeToString()
    with connect(server.otlp_url) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        server.signal(signal.SIGTERM)
        wait_until_refused(server.addresses["http"])
        connection.sendall(body)
        assert status_of(read_all(connection)) == 200
    assert server.wait() == 0
    assert spans_by_trace(start_server()) == {7: 1}


def test_a_second_signal_ends_it_at_once(start_server: StartServer) -> None:
    server = start_server({"drain_seconds_max": "3600"})
    with connect(server.otlp_url) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            b"expect: 100-continue\r\ncontent-length: 1000\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        server.signal(signal.SIGINT)
        wait_until_refused(server.addresses["http"])
        server.signal(signal.SIGINT)
        assert server.wait() == 128 + signal.SIGINT


def test_a_second_server_on_one_folder_is_told_who_has_it(start_server: StartServer) -> None:
    server = start_server()
    second = run_server(server.folder, otlp_http="off", otlp_grpc="off")
    assert second.returncode == 1
    assert f"in use by process {server.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    assert ask(server.url, path="/readyz").status == 200


def test_a_busy_http_port_is_an_error_that_names_flag_and_owner(
    server: ServerProcess, tmp_path: Path
) -> None:
    ended = run_server(tmp_path / "data", http=server.addresses["http"])
    assert ended.returncode == 1
    assert f"{server.addresses['http']} is in use by process {server.pid}" in ended.stderr
    assert "--http" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_busy_optional_port_is_a_warning_and_the_http_door_takes_over(
    server: ServerProcess, start_server: StartServer
) -> None:
    second = start_server(
        {name: server.addresses[name] for name in ("otlp_http", "otlp_grpc", "trails", "links")}
    )
    assert set(second.addresses) == {"http"}
    assert "--otlp-http" in second.stderr
    assert "--otlp-grpc" in second.stderr
    assert "--trails" in second.stderr
    assert "--links" in second.stderr
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={second.url}" in second.stderr
    body = spans_request("takeover", [ids_of(1)]).SerializeToString()
    assert ask(second.url, "POST", "/v1/traces", body, PROTOBUF).status == 200


def test_a_door_that_is_off_is_shut(start_server: StartServer) -> None:
    server = start_server(dict.fromkeys(("otlp_http", "otlp_grpc", "trails", "links"), "off"))
    assert set(server.addresses) == {"http"}
    assert "warning" not in server.stderr


def test_a_wrong_setting_ends_it_before_anything_is_made(tmp_path: Path) -> None:
    ended = run_server(tmp_path / "data", otlp_http="0.0.0.0:0")
    assert ended.returncode == 5
    assert "--insecure" in ended.stderr
    assert not (tmp_path / "data").exists()
    # Nor is the log of a folder read back first that has a registry without a key.
    registry = tmp_path / "data" / "registry.db"
    registry.parent.mkdir()
    with closing(sqlite3.connect(registry)) as connection:
        connection.execute("CREATE TABLE api_keys (id TEXT)")
    ended = run_server(tmp_path / "data", otlp_http="0.0.0.0:0")
    assert (ended.returncode, "--insecure" in ended.stderr) == (5, True), ended.stderr
    assert list(registry.parent.iterdir()) == [registry]


@pytest.mark.slow
def test_a_disk_that_takes_nothing_more_stops_writing_not_reading(
    start_server: StartServer,
) -> None:
    server = start_server()
    body = spans_request("disk", map(ids_of, range(1, 200))).SerializeToString()
    assert ask(server.otlp_url, "POST", "/v1/traces", body, PROTOBUF).status == 200
    count = "SELECT count() AS n FROM otel_traces"
    assert sql(server.url, count)[0]["n"] == 199
    # No file may grow beyond 4 KiB from now on: what a full disk is to a log that is longer.
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (4096, hard))
    refused = ask(server.otlp_url, "POST", "/v1/traces", body, PROTOBUF)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) >= 1
    readiness = ask(server.url, path="/readyz")
    assert readiness.status == 503
    assert not readiness.document["ready"]
    assert ask(server.url, path="/healthz").status == 200
    assert not ask(server.url, path="/api/v1/ingest/status").document["writable"]
    assert sql(server.url, count)[0]["n"] == 199
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: ask(server.url, path="/readyz").status == 200, "ready again")
    assert ask(server.otlp_url, "POST", "/v1/traces", body, PROTOBUF).status == 200
    assert server.terminate() == 0
