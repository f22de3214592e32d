"""`clew lineage tap` as a process: what goes to its address is told as it comes."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from clew.lineage import TraceLinkPublisher
from tests.e2e.terminal import CLEW, SECONDS_MAX, clew, clew_on_terminal, environment

NOWHERE = "http://127.0.0.1:1"


def line_of(stream: IO[str] | None) -> Any:
    assert stream is not None
    return json.loads(stream.readline())


@contextmanager
def tapping(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield a tap that listens, and the address at which it does."""
    process = subprocess.Popen(
        [*CLEW, "lineage", "tap", *arguments],
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


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, told = process.communicate(timeout=SECONDS_MAX)
    return process.returncode, out, told


def send(address: str, *messages: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for message in messages:
            sender.sendto(message, ("127.0.0.1", int(address.rpartition(":")[2])))


@pytest.mark.parametrize("kind", ["udp", "unix"])
def test_sets_are_told_as_they_come_and_ctrl_c_is_how_it_ends(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "links.sock"
    with tapping("127.0.0.1:0" if kind == "udp" else f"unix://{path}") as (process, address):
        with TraceLinkPublisher(address, stream_id=7, epoch=9) as publisher:
            publisher.emit(11, 42, (10, 20))
            told = line_of(process.stdout)
            publisher.describe(11, 42)
            publisher.emit(2**64 - 1, 2**64 - 1, (2**63,))
            last = line_of(process.stdout)
        process.send_signal(signal.SIGINT)
        code, rest, noted = end(process)
    assert (code, rest) == (0, "")
    assert told.pop("at").endswith("Z")
    assert told == {
        "template_id": 1,
        "schema_id": 904,
        "block_length": 28,
        "version": 1,
        "msg_stream_id": 7,
        "epoch": "9",
        "seq": "11",
        "trace_id": "42",
        "parents": ["10", "20"],
        "trailing_bytes": 0,
    }
    assert (last["seq"], last["trace_id"]) == (str(2**64 - 1), str(2**64 - 1))
    assert last["parents"] == [str(2**63)]
    assert json.loads(noted)["foreign"] == 1
    assert not path.exists()


def test_what_is_no_set_is_told_of_and_ends_nothing() -> None:
    sound = struct.pack("<HHHHIQQQHHQQ", 28, 1, 904, 1, 7, 9, 11, 42, 8, 2, 10, 20)
    doubled = struct.pack("<HHHHIQQQHHQQ", 28, 1, 904, 1, 7, 9, 11, 42, 8, 2, 10, 10)
    later = struct.pack("<HHHHIQQQIHHQQ", 32, 1, 904, 2, 7, 9, 11, 43, 5, 8, 2, 10, 20) + b"\0" * 4
    with tapping("127.0.0.1:0", "--limit", "2", "--format", "ndjson") as (process, address):
        unknown = struct.pack("<HHHH", 16, 2, 904, 1) + bytes(16)
        send(address, unknown, sound[:30], b"\x1c", doubled, sound, later)
        code, out, noted = end(process)
    assert code == 0
    first, second = map(json.loads, out.splitlines())
    assert first["trace_id"] == "42"
    assert (second["trace_id"], second["block_length"], second["version"]) == ("43", 32, 2)
    assert second["trailing_bytes"] == 4
    stranger, *faulty = map(json.loads, noted.splitlines())
    assert "unknown" in stranger.pop("note")
    assert stranger == {
        "template_id": 2,
        "schema_id": 904,
        "block_length": 16,
        "version": 1,
        "length": 24,
    }
    assert [(each["fault"], each["length"]) for each in faulty] == [
        ("truncated", 30),
        ("truncated", 1),
        ("duplicate_parent", 56),
    ]


def test_a_terminal_shows_a_line_for_each_set(tmp_path: Path) -> None:
    path = tmp_path / "links.sock"
    many = tuple(range(7130316800004194303, 7130316800004194323))
    publisher = TraceLinkPublisher(f"unix://{path}", stream_id=7, epoch=9)
    stop = threading.Event()

    def publish() -> None:
        # The path is there once the tap listens, which a terminal alone says.
        seq = 0
        while not stop.wait(0.05):
            publisher.emit(seq, 42, many)
            seq += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        shown = clew_on_terminal(
            "lineage", "tap", f"unix://{path}", "--limit", "1", server=NOWHERE, columns=130
        )
    finally:
        stop.set()
        thread.join()
        publisher.close()
    assert shown.code == 0
    note, header, line = shown.stdout.splitlines()
    assert note == f"clew: listening at unix://{path}"
    assert "stream" in header
    assert "904/1 v1 28" in line
    assert "7130316800004194303" in line
    assert "+18" in line, "what does not fit is counted, and no id is cut"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("nowhere",), 3), (("127.0.0.1:0", "--limit", "0"), 3), (("unix:///no/such/dir/s",), 4)],
)
def test_what_cannot_be_listened_at_is_an_error(arguments: tuple[str, ...], code: int) -> None:
    ended = clew("lineage", "tap", *arguments, server=NOWHERE)
    assert (ended.code, ended.stdout) == (code, "")
    assert ended.error["hint"]


def test_an_address_that_is_taken_is_named_with_a_way_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        ended = clew("lineage", "tap", f"127.0.0.1:{taken.getsockname()[1]}", server=NOWHERE)
    assert ended.code == 4
    assert "of its own" in ended.error["hint"]
