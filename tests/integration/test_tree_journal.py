"""What the tree did is telemetry, too: log records and spans that questions find by the app."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection

from clew.base.ids import new_uuid
from clew.testing.server import ServerProcess
from tests.integration.wire import WAIT_SECONDS_MAX, wait_until
from tests.sockets import connect

KEY = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "data", {"trails": "127.0.0.1:0"}) as running:
        yield running


@contextmanager
def register(
    server: ServerProcess, app_id: str, parent_id: str | None = None
) -> Iterator[ClientConnection]:
    frame = {
        "type": "register",
        "app_id": app_id,
        "parent_id": parent_id,
        "app_name": "worker",
        "child_pub_key": KEY,
        "process_info": {"pid": os.getpid()},
    }
    with connect(server.trails_url, compression=None) as socket:
        socket.send(json.dumps(frame))
        assert json.loads(socket.recv())["type"] == "registered"
        yield socket


def logs_of(server: ServerProcess, app_id: str) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{server.url}/api/v1/logs",
        params={"attribute": f"resource.trails.app.id={app_id}", "limit": 1000},
        timeout=WAIT_SECONDS_MAX,
    )
    answer.raise_for_status()
    logs: list[dict[str, Any]] = answer.json()["logs"]
    return logs


def spans_of(server: ServerProcess, app_id: str) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{server.url}/api/v1/traces",
        params={"attribute": f"resource.trails.app.id={app_id}", "limit": 1000},
        timeout=WAIT_SECONDS_MAX,
    )
    answer.raise_for_status()
    spans: list[dict[str, Any]] = answer.json()["spans"]
    return spans


def is_told(server: ServerProcess, app_id: str) -> bool:
    bodies = [log["body"] for log in logs_of(server, app_id)]
    has_joined = any("→ connected" in body for body in bodies)
    return has_joined and any("→ reconnecting" in body for body in bodies)


def test_transitions_and_messages_are_log_records_of_the_app(server: ServerProcess) -> None:
    app_id = new_uuid(0)
    with register(server, app_id) as socket:
        header = {"msg_type": "Status", "timestamp": 1, "seq": 1}
        message = {"type": "message", "app_id": app_id, "header": header, "payload": {"at": 0.5}}
        socket.send(json.dumps(message))
        assert json.loads(socket.recv())["type"] == "ack"
    # The socket is gone without a goodbye, and the app with it.
    wait_until(
        lambda: any(log["severity_text"] == "ERROR" for log in logs_of(server, app_id)), "a crash"
    )
    logs = sorted(
        logs_of(server, app_id), key=lambda log: int(log["attributes"]["trails.event.id"])
    )
    told = [log["body"] for log in logs]
    assert 'Status {"at":0.5}' in told
    assert any(body.startswith("connected → running") for body in told)
    assert any("crashed" in body for body in told)
    assert {log["service"] for log in logs} == {"trails"}
    assert {log["resource"]["trails.app.path"] for log in logs} == {f"/{app_id}/"}
    assert {log["resource"]["trails.app.name"] for log in logs} == {"worker"}


def test_a_command_is_a_span_for_each_target_in_one_trace(server: ServerProcess) -> None:
    parent, child = new_uuid(0), new_uuid(0)
    with register(server, parent), register(server, child, parent):
        answer = httpx.post(
            f"{server.url}/api/v1/apps/{parent}/cancel",
            params={"cascade": "true", "grace_ms": 100, "wait": "true"},
            timeout=WAIT_SECONDS_MAX,
        )
        answer.raise_for_status()
    wait_until(lambda: bool(spans_of(server, parent) and spans_of(server, child)), "both spans")
    (root,), (below,) = spans_of(server, parent), spans_of(server, child)
    assert root["operation"] == below["operation"] == "cancel"
    assert root["trace_id"] == below["trace_id"]
    assert below["parent_span_id"] == root["span_id"]
    assert root["attributes"]["trails.correlation_id"] == answer.json()["correlation_id"]
    # What is said of the command in logs is part of its trace.
    assert any(log["trace_id"] == root["trace_id"] for log in logs_of(server, child))


def test_the_journal_goes_on_where_it_was_when_the_server_was_killed(tmp_path: Path) -> None:
    app_ids = [new_uuid(0) for _ in range(20)]
    settings = {"trails": "127.0.0.1:0"}
    with ServerProcess(tmp_path / "data", settings) as server, ExitStack() as stack:
        for app_id in app_ids:
            stack.enter_context(register(server, app_id))
        server.kill()
    with ServerProcess(tmp_path / "data", settings) as again:
        for app_id in app_ids:
            # Everything that was answered is told: joined, and away since the restart.
            wait_until(partial(is_told, again, app_id), f"the story of {app_id}")
