"""Datagrams at the server's door: kept, counted by what is wrong with them, and never too many."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clew.lineage import TraceLinkPublisher
from clew.testing.server import ServerProcess
from tests.integration.link_bodies import descriptor_bytes, set_bytes

CLIENT = httpx.Client(timeout=60)

WAIT_SECONDS_MAX = 60.0

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("door") / "data") as server:
        yield server


def place_of(server: ServerProcess) -> tuple[str, int]:
    host, _, port = server.links_address.removeprefix("udp://").rpartition(":")
    return host, int(port)


def send(server: ServerProcess, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, place_of(server))


def status_of(server: ServerProcess) -> dict[str, Any]:
    signals = CLIENT.get(f"{server.url}/api/v1/ingest/status").json()["signals"]
    (links,) = [signal for signal in signals if signal["signal"] == "links"]
    found: dict[str, Any] = links
    return found


def wait_for_requests(server: ServerProcess, count: int) -> dict[str, Any]:
    """Return the counters once so many messages came, in whatever way each of them ended."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while (status := status_of(server))["requests"] < count:
        assert time.monotonic() < deadline, status
    return status


def count_edges(server: ServerProcess, condition: str) -> int:
    statement = f"SELECT count() AS n FROM trace_links WHERE {condition}"
    response = CLIENT.post(f"{server.url}/api/v1/sql", json={"q": statement})
    assert response.status_code == 200, response.text
    return int(response.json()["rows"][0]["n"])


def test_what_a_publisher_sends_is_kept(start_server: StartServer) -> None:
    server = start_server()
    with TraceLinkPublisher(server.links_address, stream_id=7, epoch=3) as publisher:
        for seq in range(100):
            assert publisher.emit(seq, 1000 + seq, (1, 2, 3))
            assert publisher.describe(seq, 1000 + seq)
    status = wait_for_requests(server, 200)
    assert (status["records"], status["rejected"], status["dropped"]) == (200, {}, {})
    assert count_edges(server, "StreamId = 7 AND Epoch = 3 AND Source = 'udp'") == 300


def test_each_kind_of_disorder_is_counted_by_its_reason(start_server: StartServer) -> None:
    server = start_server()
    whole = set_bytes(42, [10, 20])
    send(
        server,
        whole,
        b"",
        b"\x1c",
        whole[:-1],
        set_bytes(0, [1]),
        set_bytes(43, []),
        set_bytes(43, [1, 0]),
        set_bytes(43, [1, 1]),
        set_bytes(43, [1, 43]),
        whole[:4] + struct.pack("<H", 999) + whole[6:],
        struct.pack("<H", 27) + whole[2:],
        descriptor_bytes(0),
        descriptor_bytes(9, at=2**63),
        whole + b"\0" * 8,
    )
    status = wait_for_requests(server, 14)
    assert status["records"] == 2
    assert status["rejected"] == {
        "duplicate_parent": 1,
        "foreign": 3,
        "no_parents": 1,
        "no_trace_id": 2,
        "self_parent": 1,
        "short_block": 1,
        "time": 1,
        "truncated": 1,
        "zero_parent": 1,
    }
    metrics = CLIENT.get(f"{server.url}/metrics").text
    assert 'clew_links_refused_total{door="udp",reason="zero_parent"} 1' in metrics
    assert 'clew_links_accepted_total{door="udp"} 2' in metrics
    assert 'clew_links_dropped_total{door="udp",reason="kernel"} 0' in metrics


def test_a_replayed_datagram_is_kept_once_and_counted(start_server: StartServer) -> None:
    server = start_server()
    for came in (1, 2, 3):
        send(server, set_bytes(50, [1, 2]))
        status = wait_for_requests(server, came)
    assert (status["records"], status["dropped"]) == (1, {"replayed": 2})
    assert count_edges(server, "TraceId = 50") == 2


def test_a_socket_of_the_file_system_is_a_door_too(
    start_server: StartServer, tmp_path: Path
) -> None:
    path = tmp_path / "links.sock"
    server = start_server({"links": f"127.0.0.1:0,unix://{path}"})
    assert server.links_address.endswith(f",unix://{path}")
    with TraceLinkPublisher(f"unix://{path}", stream_id=1) as publisher:
        publisher.emit(1, 60, (1, 2))
    wait_for_requests(server, 1)
    assert count_edges(server, "TraceId = 60 AND Source = 'unix'") == 2
    server.terminate()
    assert not path.exists()


def test_more_than_the_rate_is_dropped_and_counted(start_server: StartServer) -> None:
    server = start_server({"links_per_second": "10"})
    send(server, *(set_bytes(100 + number, [1]) for number in range(200)))
    status = wait_for_requests(server, 200)
    assert status["dropped"].get("rate", 0) > 100
    assert status["records"] + status["shed"] == 200


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the process has no resident memory")


def test_a_hostile_sender_grows_no_memory_and_stops_nobody(server: ServerProcess) -> None:
    random_bytes = random.Random(7)
    wait_for_edges(server, 70)
    # What the engine needs for its first questions is there by now.
    resident = resident_bytes(server.pid)
    before = status_of(server)["requests"]
    send(server, *(random_bytes.randbytes(size) for size in range(0, 2000, 10)))
    wait_for_requests(server, before + 200)
    # Of the largest kind that UDP carries, each naming itself, so that nothing of it may be kept.
    for number in range(1000):
        send(server, set_bytes(7, [*range(8, 7000), 7], seq=number))
    assert CLIENT.get(f"{server.url}/healthz").status_code == 200
    wait_for_edges(server, 71)
    assert count_edges(server, "TraceId = 7") == 0
    assert resident_bytes(server.pid) - resident < 100 << 20


def wait_for_edges(server: ServerProcess, trace_id: int) -> None:
    """Send a set until it is there: it may find no room in the kernel, best effort as it is."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while count_edges(server, f"TraceId = {trace_id}") != 3:
        send(server, set_bytes(trace_id, [1, 2, 3]))
        assert time.monotonic() < deadline


def test_addresses_that_other_machines_reach_ask_for_consent(start_server: StartServer) -> None:
    with pytest.raises(RuntimeError, match="datagrams carry no key"):
        start_server({"links": "0.0.0.0:0"})
