"""Bytes of an app's socket that come in any pieces: the messages are the same."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from clew.base.ids import new_uuid
from clew.testing.server import ServerProcess

KEY = "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
SECONDS = 120.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("pieces")
    with ServerProcess(folder / "data", {"trails": "127.0.0.1:0"}) as running:
        yield running


def text(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def conversation(app_id: str) -> bytes:
    """Return frames of all kinds: what an app says, whole and in parts, pings in between."""

    def status(seq: int, note: str) -> bytes:
        header = {"msg_type": "Status", "timestamp": 1, "seq": seq}
        frame = {"type": "message", "app_id": app_id, "header": header, "payload": {"note": note}}
        return text(frame)

    register = {
        "type": "register",
        "app_id": app_id,
        "parent_id": None,
        "app_name": "pieces",
        "child_pub_key": KEY,
    }
    second, third = status(2, "in parts"), status(3, "x" * 70_000)
    return b"".join(
        (
            masked(Opcode.TEXT, text(register)),
            masked(Opcode.TEXT, status(1, "whole")),
            masked(Opcode.TEXT, second[:20], fin=False),
            masked(Opcode.PING, b"between"),
            masked(Opcode.CONT, second[20:90], fin=False),
            masked(Opcode.CONT, second[90:]),
            masked(Opcode.TEXT, third),
            masked(Opcode.PING, b""),
            masked(Opcode.TEXT, status(4, "y" * 300)),
        )
    )


@pytest.mark.parametrize("piece", [1, 3, 100, 4096, 1 << 20])
def test_messages_are_taken_however_their_bytes_come(server: ServerProcess, piece: int) -> None:
    app_id = new_uuid(0)
    client = ClientProtocol(parse_uri(server.trails_url))
    client.send_request(client.connect())
    request = b"".join(client.data_to_send())
    spoken = conversation(app_id)
    address = urlsplit(server.trails_url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 0), timeout=SECONDS) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send(link, request, piece)
        while client.state is State.CONNECTING:
            client.receive_data(link.recv(1 << 16))
            client.events_received()
        _send(link, spoken, piece)
        acked: list[int] = []
        pongs: list[bytes] = []
        deadline = time.monotonic() + SECONDS
        while (acked[-1:] != [4] or len(pongs) < 2) and time.monotonic() < deadline:
            client.receive_data(link.recv(1 << 16))
            heard = [event for event in client.events_received() if isinstance(event, Frame)]
            pongs += [bytes(frame.data) for frame in heard if frame.opcode is Opcode.PONG]
            said = [json.loads(bytes(frame.data)) for frame in heard if frame.opcode is Opcode.TEXT]
            acked += [each["seq"] for each in said if each["type"] == "ack"]
    assert acked == [1, 2, 3, 4]
    assert pongs == [b"between", b""]


def _send(link: socket.socket, octets: bytes, piece: int) -> None:
    """Send bytes in pieces of that size at first; what is long goes on in larger ones."""
    begin = octets[:2000]
    for at in range(0, len(begin), piece):
        link.sendall(begin[at : at + piece])
    for at in range(len(begin), len(octets), max(piece, 997)):
        link.sendall(octets[at : at + max(piece, 997)])
