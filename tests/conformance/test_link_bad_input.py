"""What becomes of bad input at every door for link sets: as the guide's table says, and counted."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from clew.testing.server import ServerProcess
from tests.guides import read_table
from tests.integration.link_bodies import descriptor_bytes, set_bytes

CLIENT = httpx.Client(timeout=60)

WAIT_SECONDS_MAX = 60.0

NOWHERE = "-"
"""What the table says of input that a door cannot be given."""

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "provenance.md"

LONG_AGO = 915_148_800_000_000_000

WHOLE = set_bytes(1001, [1, 2])

MANY = range(1, 63_001)
"""Inputs of a set, eight of which are more than is taken at once, and fit into a body."""


@dataclass(frozen=True)
class Case:
    """Input in the forms that it has: as messages, each a datagram, or a body; as JSON.

    `edges` is how many of each trace id there are then.
    """

    messages: tuple[bytes, ...] = ()
    document: str | None = None
    edges: dict[int, int] = field(default_factory=dict)


def sets(*given: dict[str, Any]) -> str:
    return json.dumps({"sets": given})


def both(trace_id: int, parents: list[int], edges: int = 0) -> Case:
    """Return a set in both forms."""
    document = sets({"trace_id": str(trace_id), "parents": [str(each) for each in parents]})
    return Case((set_bytes(trace_id, parents),), document, {trace_id: edges})


CASES = {
    "a set that is cut short": Case(
        (WHOLE[:-1],), sets({"trace_id": "1001", "parents": ["1", "2"]})[:-1], {1001: 0}
    ),
    "a message of more than 64 KiB": both(1002, list(range(2_000, 12_000)), edges=10_000),
    "more than 65 534 inputs": both(1003, list(range(1, 65_536))),
    "more than 500 000 edges at once": Case(
        (b"".join(set_bytes(2**40, list(MANY), seq=seq) for seq in range(8)),),
        json.dumps({"sets": [{"trace_id": 2**40, "parents": list(MANY), "seq": 0}] * 8}),
        {2**40: 0},
    ),
    "a body of more than 4 MiB": Case((b"\0" * (2**22 + 1),), " " * 2**22 + sets()),
    "another schema, template or version 0": Case(
        (WHOLE[:4] + struct.pack("<H", 999) + WHOLE[6:],), '{"events": []}', {1001: 0}
    ),
    "bytes behind a set": Case(
        (set_bytes(1004, [1]) + bytes(4),),
        sets({"trace_id": "1005", "parents": ["1"]}) + "\0\0\0\0",
        {1005: 0},
    ),
    "no inputs": both(1006, []),
    "an input with the id 0": both(1007, [1, 0]),
    "an input twice": both(1008, [1, 2, 1]),
    "the output among its inputs": both(1009, [1, 1009]),
    "an output with the id 0": both(0, [1]),
    "ids of 2^63 and above": both(2**64 - 1, [2**63, 2**63 - 1], edges=2),
    "ids of 2^64 and above": Case((), sets({"trace_id": str(2**64), "parents": ["1"]})),
    "the same again": Case(
        (set_bytes(1010, [1, 2]),) * 2, sets({"trace_id": "1010", "parents": [1, 2]}), {1010: 2}
    ),
    "made long ago, or the day after tomorrow": Case(
        (descriptor_bytes(1011, at=LONG_AGO),),
        sets({"trace_id": "1011", "parents": ["1"], "at": "1999-01-01T00:00:00Z"}),
        {1011: 0},
    ),
}


def log_body(document: str) -> bytes:
    """Return the sets of a document as log records of OpenTelemetry; one that is cut stays so."""
    is_cut = not document.endswith("}")
    given = json.loads(f"{document}}}" if is_cut else document)
    records = [log_record(each) for each in given["sets"]]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    return body[:-1] if is_cut else body


def log_record(given: dict[str, Any]) -> dict[str, Any]:
    said = {
        "tracelink.trace_id": {"stringValue": str(given["trace_id"])},
        "tracelink.stream_id": {"stringValue": "1"},
        "tracelink.epoch": {"stringValue": "1"},
        "tracelink.seq": {"stringValue": "0"},
        "tracelink.parents": {
            "arrayValue": {"values": [{"stringValue": str(each)} for each in given["parents"]]}
        },
    }
    return {
        "timeUnixNano": str(LONG_AGO if "at" in given else time.time_ns()),
        "body": {"stringValue": "tracelink.set"},
        "attributes": [{"key": key, "value": value} for key, value in said.items()],
    }


Counts = Counter[tuple[str, str]]
"""What became of messages, by that and its reason."""

SAMPLE = re.compile(r'clew_links_(\w+)_total{door="(\w+)"(?:,reason="(\w+)")?} (\d+)')

MALFORMED = re.compile(r'clew_ingest_malformed_requests_total{signal="(\w+)"} (\d+)')

REJECTED = re.compile(r'clew_ingest_rejected_rows_total{signal="logs",reason="(\w+)"} (\d+)')

SIGNALS = {"http": "links", "otlp": "logs"}
"""Under which signal bodies are counted that are none, for doors that have bodies."""


def read_counts(server: ServerProcess, door: str) -> Counts:
    page = CLIENT.get(f"{server.url}/metrics").text
    counts: Counts = Counter()
    for what, name, reason, count in SAMPLE.findall(page):
        if name == door:
            counts[what, reason] = int(count)
    if door == "otlp":
        for reason, count in REJECTED.findall(page):
            counts["record rejected", reason] = int(count)
    if door in SIGNALS:
        counts["malformed", ""] = int(dict(MALFORMED.findall(page))[SIGNALS[door]])
    return counts


def wait_for(server: ServerProcess, door: str, before: Counts, messages: int) -> Counts:
    """Return what became of so many messages, once all are counted."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while (counted := read_counts(server, door) - before).total() < messages:
        assert time.monotonic() < deadline, counted
    return counted


def describe(counted: Counts, statuses: set[int]) -> str:
    """Return what became of input as the table says it."""
    said = [str(status) for status in sorted(statuses - {200})]
    for (what, reason), count in sorted(counted.items()):
        word = {"accepted": "kept"}.get(what, what)
        said.append((f"{word}: `{reason}`" if reason else word) + (" twice" if count == 2 else ""))
    return ", ".join(said)


class Doors:
    """A server with every door, and what goes through each."""

    def __init__(self, server: ServerProcess, path: Path) -> None:
        self.server = server
        self._path = path
        self.ways: dict[str, Callable[[Case], str]] = {
            "UDP": self.send_udp,
            "Unix socket": self.send_unix,
            "SBE over HTTP": self.post_octets,
            "JSON over HTTP": self.post_document,
            "OTLP": self.export,
        }

    def send_udp(self, case: Case) -> str:
        place = self.server.links_address.split(",")[0].rpartition(":")[2]
        return self._send(case, socket.AF_INET, ("127.0.0.1", int(place)), "udp")

    def send_unix(self, case: Case) -> str:
        return self._send(case, socket.AF_UNIX, str(self._path), "unix")

    def post_octets(self, case: Case) -> str:
        return self._post(case.messages, "http", "/api/v1/links", "application/octet-stream")

    def post_document(self, case: Case) -> str:
        assert case.document is not None
        times = max(1, len(case.messages))
        body = case.document.encode()
        return self._post((body,) * times, "http", "/api/v1/links", "application/json")

    def export(self, case: Case) -> str:
        assert case.document is not None
        times = max(1, len(case.messages))
        body = log_body(case.document)
        return self._post((body,) * times, "otlp", "/v1/logs", "application/json")

    def _send(self, case: Case, family: int, place: Any, door: str) -> str:
        before = read_counts(self.server, door)
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            for number, message in enumerate(case.messages, start=1):
                sender.sendto(message, place)
                # One after the other, as a network may deliver them.
                counted = wait_for(self.server, door, before, number)
        return describe(counted, set())

    def _post(self, bodies: tuple[bytes, ...], door: str, path: str, kind: str) -> str:
        before = read_counts(self.server, door)
        headers = {"content-type": kind}
        statuses = {
            CLIENT.post(f"{self.server.url}{path}", content=body, headers=headers).status_code
            for body in bodies
        }
        # What telemetry tells of lineage is counted when its records are read, a moment later.
        return describe(wait_for(self.server, door, before, len(bodies)), statuses)

    def count_edges(self, trace_id: int) -> int:
        statement = (
            "SELECT uniqExact(ParentTraceId) AS n FROM trace_links"
            f" WHERE TraceId = toUInt64('{trace_id}')"
        )
        answer = CLIENT.post(f"{self.server.url}/api/v1/sql", json={"q": statement})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["rows"][0]["n"])


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    path = folder / "l.sock"
    with ServerProcess(folder / "data", {"links": f"127.0.0.1:0,unix://{path}"}) as server:
        yield Doors(server, path)


TABLE = read_table(GUIDE, "what comes")


def test_the_table_tells_of_every_case() -> None:
    assert [row["what comes"] for row in TABLE] == list(CASES)


@pytest.mark.parametrize(
    ("what", "door", "outcome"),
    [
        pytest.param(row["what comes"], door, outcome, id=f"{row['what comes']} by {door}")
        for row in TABLE
        for door, outcome in row.items()
        if door != "what comes" and outcome != NOWHERE
    ],
)
def test_what_comes_ends_as_the_table_says_and_is_counted(
    doors: Doors, what: str, door: str, outcome: str
) -> None:
    case = CASES[what]
    assert doors.ways[door](case) == outcome
    for trace_id, edges in case.edges.items():
        # Another door may have kept what this one does not.
        if outcome.startswith("kept") or edges == 0:
            assert doors.count_edges(trace_id) == edges
