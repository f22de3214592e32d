"""The tree within a whole server: its door, its end, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from clew.testing.server import ServerProcess
from clew.tree.frames.codes import CloseCode
from tests.integration.tree_house import KEY, message, new_id, registration
from tests.integration.wire import ask

StartServer = Callable[..., ServerProcess]

HEAR_SECONDS = 20.0


def metrics_of(server: ServerProcess) -> dict[str, float]:
    text = ask(server.url, path="/metrics").body.decode()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_the_door_answers_probes_and_no_strange_pages(server: ServerProcess) -> None:
    door = f"http://{server.addresses['trails']}"
    assert ask(door, path="/healthz").body == b"ok\n"
    assert ask(door, path="/elsewhere").status == 404
    page = {"origin": "https://evil.example", "upgrade": "websocket", "connection": "upgrade"}
    assert ask(door, path="/ws", headers=page).status == 403
    assert ask(door, path="/ws", headers={"host": "evil.example"}).status == 403
    assert ask(door, path="/ws").status in {400, 426}


def test_what_goes_on_in_the_tree_is_counted(server: ServerProcess) -> None:
    before = metrics_of(server)
    app_id = new_id()
    with connect(server.trails_url, compression=None) as socket:
        socket.send(json.dumps(registration(app_id)))
        assert json.loads(socket.recv(HEAR_SECONDS))["type"] == "registered"
        after = metrics_of(server)
        assert after["clew_tree_ready"] == 1
        assert after['clew_tree_apps{status="connected"}'] >= 1
        assert after["clew_tree_links"] == before["clew_tree_links"] + 1
        assert after["clew_tree_commits_total"] > before["clew_tree_commits_total"]
        frames = 'clew_trails_frames_total{direction="in"}'
        assert after[frames] == before[frames] + 1
        socket.send(json.dumps({"type": "disconnect", "app_id": app_id, "reason": "done"}))
    ready = json.loads(ask(server.url, path="/readyz").body)
    assert {"name": "tree", "ok": True, "detail": None} in ready["checks"]


@pytest.mark.slow
def test_a_planned_restart_tells_apps_to_come_back_and_knows_them(
    start_server: StartServer,
) -> None:
    server, app_id = start_server(), new_id()
    with connect(server.trails_url, compression=None) as socket:
        socket.send(json.dumps(registration(app_id)))
        first = json.loads(socket.recv(HEAR_SECONDS))
        socket.send(json.dumps(message(app_id, 1)))
        assert json.loads(socket.recv(HEAR_SECONDS))["type"] == "ack"
        assert server.terminate() == 0
        told = json.loads(socket.recv(HEAR_SECONDS))
        assert (told["type"], told["code"]) == ("error", "unavailable")
        assert told["retry_after_ms"] >= 0
        with pytest.raises(ConnectionClosedError) as caught:
            socket.recv(HEAR_SECONDS)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == CloseCode.RESTART
    with connect(start_server().trails_url, compression=None) as socket:
        back = {"type": "re_register", "app_id": app_id, "last_seq": 1, "pub_key": KEY}
        socket.send(json.dumps(back))
        answer = json.loads(socket.recv(HEAR_SECONDS))
        assert answer["type"] == "registered"
        assert answer["durable_seq"] == 1
        # What a client pins outlives the restart.
        assert answer["server_pub_key"] == first["server_pub_key"]
        assert answer["epoch"] == first["epoch"]
