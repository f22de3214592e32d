"""`clew lineage bridge` as a process: what goes on, under which stream, and what is told of it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from clew.lineage import DatagramReceiver, TraceLinkPoller, TraceLinkPublisher, TraceLinkSet
from tests.e2e.terminal import CLEW, SECONDS_MAX, clew, environment
from tests.integration.link_bodies import set_bytes

NOWHERE = "http://127.0.0.1:1"


def line_of(stream: IO[str] | None) -> Any:
    assert stream is not None
    return json.loads(stream.readline())


@contextmanager
def bridging(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a bridge that listens, and the address at which it does."""
    process = subprocess.Popen(
        [*CLEW, "lineage", "bridge", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(NOWHERE),
    )
    guard = threading.Timer(SECONDS_MAX, process.kill)
    guard.start()
    try:
        yield process, line_of(process.stderr)["address"]
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


@pytest.fixture
def far() -> Iterator[DatagramReceiver]:
    with DatagramReceiver("127.0.0.1:0") as made:
        yield made


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_sets_go_on_and_the_end_tells_of_all_that_came(
    far: DatagramReceiver, ending: signal.Signals
) -> None:
    heard: list[TraceLinkSet] = []
    poller = TraceLinkPoller(far, heard.append)
    ways = ("--to", str(far.address), "--stream", "7=107", "--stream", "8=8")
    with bridging("--from", "127.0.0.1:0", *ways) as (process, address):
        with TraceLinkPublisher(address, stream_id=7, epoch=9) as publisher:
            assert publisher.emit(11, 42, (10, 2**63))
            assert publisher.open_stream(8).emit(1, 43, (42,))
            assert publisher.open_stream(9).emit(1, 44, (43,))
        place = ("127.0.0.1", int(address.rpartition(":")[2]))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
            for octets in (b"nothing of ours", set_bytes(42, [1])[:-1]):
                raw.sendto(octets, place)
        while len(heard) < 2:
            assert poller.poll(timeout_s=SECONDS_MAX), "the guard has ended the bridge"
        # What came before the end is read before the end, whatever the bridge does just now.
        process.send_signal(ending)
        out, noted = process.communicate(timeout=SECONDS_MAX)
    assert (process.returncode, noted) == (0, "")
    assert heard == [TraceLinkSet(107, 9, 11, 42, (10, 2**63)), TraceLinkSet(8, 9, 1, 43, (42,))]
    told = json.loads(out)
    assert told.pop("at").endswith("Z")
    assert told == {
        "received": 5,
        "forwarded": 2,
        "sent": 2,
        "unmapped": 1,
        "conflicting": 0,
        "ignored": 1,
        "refused": {"truncated": 1},
        "dropped": {},
        "unread": 0,
    }


def test_what_is_forwarded_is_told_of_meanwhile(far: DatagramReceiver, tmp_path: Path) -> None:
    path = tmp_path / "near.sock"
    ways = ("--from", f"unix://{path}", "--to", str(far.address), "--stream", "7=107")
    with (
        bridging(*ways, "--interval", "100ms") as (process, address),
        TraceLinkPublisher(address, stream_id=7) as publisher,
    ):
        assert line_of(process.stdout)["forwarded"] == 0
        publisher.emit(1, 42, (10,))
        while (told := line_of(process.stdout))["sent"] == 0:
            assert told["dropped"] == {}
        assert (told["received"], told["forwarded"]) == (1, 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_MAX) == 0
    assert not path.exists()


def test_sets_that_nobody_takes_are_counted_and_the_bridge_goes_on(tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path / 'nobody.sock'}"
    ways = ("--to", nobody, "--stream", "7=107", "--max-parents", "2", "--interval", "100ms")
    with (
        bridging("--from", "127.0.0.1:0", *ways) as (process, address),
        TraceLinkPublisher(address, stream_id=7) as publisher,
    ):
        publisher.emit(1, 42, (10, 20, 30))
        publisher.emit(2, 43, (10, 20))
        while len((told := line_of(process.stdout))["dropped"]) < 2:
            assert told["sent"] == 0
        assert told["dropped"] == {"unreachable": 1, "too_many_parents": 1}
        assert process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--from", "127.0.0.1:0", "--to", "127.0.0.1:9"), 3),
        (("--from", "127.0.0.1:0", "--stream", "7=107"), 3),
        (("--from", "127.0.0.1:0", "--to", "nowhere", "--stream", "7=107"), 3),
        (("--from", "127.0.0.1:0", "--to", "127.0.0.1:9", "--stream", "7"), 3),
        (("--from", "127.0.0.1:0", "--to", "127.0.0.1:9", "--stream", "7=x"), 3),
        (("--from", "127.0.0.1:0", "--to", "127.0.0.1:9", "--stream", "0=7"), 3),
        (("--from", "127.0.0.1:0", "--to", "127.0.0.1:9", "--stream", "7=4294967296"), 3),
        (("--from", "127.0.0.1:0", "--to", "127.0.0.1:9", "--stream", f"7={'9' * 5000}"), 3),
        (("--from", "unix:///no/such/dir/s", "--to", "127.0.0.1:9", "--stream", "7=8"), 4),
    ],
)
def test_a_bridge_without_two_ends_is_an_error_with_a_way_out(
    arguments: tuple[str, ...], code: int
) -> None:
    ended = clew("lineage", "bridge", *arguments, server=NOWHERE)
    assert (ended.code, ended.stdout) == (code, "")
    assert ended.error["hint"]


def test_its_help_shows_how_it_is_used() -> None:
    shown = clew("lineage", "bridge", "--help", server=NOWHERE)
    assert shown.code == 0
    assert "--stream 7=107" in shown.stdout
