"""The tree within a whole server: its door, its end, and what is told of it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.exceptions import ConnectionClosedError

from clew.testing.server import ServerProcess
from clew.tree.frames.codes import CloseCode
from tests.integration.tree_house import KEY, message, new_id, registration
from tests.integration.wire import ask, wait_until
from tests.sockets import connect, connect_async

StartServer = Callable[..., ServerProcess]

HEAR_SECONDS = 120.0


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
    # Sockets of the tests before are over when their server has seen that they were left.
    wait_until(lambda: metrics_of(server)["clew_tree_links"] == 0, "nobody speaks")
    before = metrics_of(server)
    app_id = new_id()
    with connect(server.trails_url, compression=None) as socket:
        socket.send(json.dumps(registration(app_id)))
        assert json.loads(socket.recv(HEAR_SECONDS))["type"] == "registered"
        after = metrics_of(server)
        assert after["clew_tree_ready"] == 1
        assert after['clew_tree_apps{status="connected"}'] >= 1
        assert after["clew_tree_links"] == 1
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


def make_certificate(folder: Path) -> Path:
    """Write a certificate of this machine with its key, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "door.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.slow
def test_apps_speak_over_tls_where_there_is_a_certificate(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = make_certificate(tmp_path)
    server = start_server({"trails_tier": "full", "trails_certificate": str(path)})
    assert f"wss://{server.addresses['trails']}/ws" in server.stderr
    port = server.addresses["trails"].rpartition(":")[2]
    trust = ssl.create_default_context(cafile=str(path))

    async def speak() -> None:
        async with (
            asyncio.timeout(HEAR_SECONDS),
            connect_async(f"wss://localhost:{port}/ws", ssl=trust, compression=None) as socket,
        ):
            assert json.loads(await socket.recv())["type"] == "challenge"
            # Nobody announced it.
            await socket.send(json.dumps(registration(new_id())))
            assert json.loads(await socket.recv())["code"] == "unauthorised"
            with pytest.raises(ConnectionClosedError) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == CloseCode.UNAUTHORISED

    asyncio.run(speak())
    with pytest.raises(RuntimeError, match="--trails-certificate"):
        start_server({"trails_tier": "full"}, folder="without")
