"""The provenance graph: a million edges told to a server, then the ancestry of an output asked.

A pipeline of 25 stages in a row, each output made of four neighbours of the stage before, so that
twenty steps up there are 651 nodes. One output in ten of the last half of the stages has a span
that names it. Asked over REST, by one client, of outputs drawn at random; every answer is checked.
With a time range a walk asks the engine for each level, without one it has the edges in memory:
``engine`` and ``ancestry``.
"""

from __future__ import annotations

import random
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.clew_server import ClewServer
from bench.figures import median_of, single
from bench.processes import cpu_s
from clew.testing.requests import spans_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machine import Session

STAGES: Final = 25
PARENTS: Final = 4
DEPTH: Final = 20
NODES: Final = 1 + sum(1 + step * (PARENTS - 1) for step in range(1, DEPTH + 1))

QUESTIONS: Final[dict[str, dict[str, Any]]] = {
    "ancestry": {"depth": DEPTH},
    "engine": {"depth": DEPTH, "start": "2000-01-01T00:00:00Z"},
    "near": {"depth": 1},
    "descent": {"depth": DEPTH, "direction": "down"},
}

BATCH_SETS: Final = 5_000
"""Of one request: some 400 KB."""

SPANS: Final = 1_000
"""Of one request."""

FLUSH_S: Final = 120.0

MERGES_S: Final = 5.0
"""Merges that a load has begun take the cores from whoever asks; nothing tells when they end."""

LOOK_S: Final = 0.2

_SET: Final = struct.Struct(f"<HHHHIQQQHH{PARENTS}Q")


def run(session: Session) -> None:
    """Tell a graph to a server and walk it."""
    width = 1_000 if session.quick else 10_450
    rounds = 10 if session.quick else 60
    with (
        tempfile.TemporaryDirectory() as scratch,
        ClewServer(Path(scratch) / "data", "--otlp-requests-per-second", "0") as server,
    ):
        _tell(session, server, width)
        _tell_spans(session, server, width)
        _flush(server)
        rows = server.sql("SELECT count() AS n FROM trace_links")
        session.note(f"graph: {rows[0]['n']} edges, {STAGES} stages of {width} outputs")
        chosen = random.Random(7)
        for name, asked in QUESTIONS.items():
            walls, servers = [], []
            cpu = cpu_s(server.pid)
            for round_ in range(rounds + 3):
                place = chosen.randrange(100, width - 100)
                stage = 2 if name == "descent" else STAGES - 1
                wall, told = _ask(server, _id(stage, place), asked)
                if name in {"ancestry", "engine"}:
                    assert len(told) == NODES, len(told)
                # The first rounds warm up.
                if round_ >= 3:
                    walls.append(1000 * wall[0])
                    servers.append(wall[1])
            session.add(f"graph.{name}_ms", median_of(walls, "ms", note=f"{len(told)} nodes"))
            session.add(f"graph.{name}_server_ms", median_of(servers, "ms"))
            spent = 1000 * (cpu_s(server.pid) - cpu) / (rounds + 3)
            session.add(f"graph.{name}_cpu_ms", single(spent, "ms of CPU", note="on average"))


def _id(stage: int, place: int) -> int:
    """Return an id as a generator of node 7 would make them, a stage's after those before."""
    return (1_763_000_000_000 + stage * 100_000 + place) << 22 | 7 << 12


def _tell(session: Session, server: ClewServer, width: int) -> None:
    headers = {"content-type": "application/octet-stream"}
    begin = time.perf_counter()
    count = 0
    for batch in _batches(width):
        server.http.post("/api/v1/links", content=batch, headers=headers).raise_for_status()
        count += len(batch) // _SET.size
    spent = time.perf_counter() - begin
    session.add("graph.told_sets_per_s", single(count / spent, "sets/s", note="one client"))


def _batches(width: int) -> Iterator[bytes]:
    sets: list[bytes] = []
    for stage in range(1, STAGES):
        for place in range(width):
            parents = [_id(stage - 1, (place + step) % width) for step in range(PARENTS)]
            head = (28, 1, 904, 1, stage, 1, place, _id(stage, place), 8, PARENTS)
            sets.append(_SET.pack(*head, *parents))
            if len(sets) == BATCH_SETS:
                yield b"".join(sets)
                sets.clear()
    if sets:
        yield b"".join(sets)


def _tell_spans(session: Session, server: ClewServer, width: int) -> None:
    headers = {"content-type": "application/x-protobuf"}
    ids = [
        _id(stage, place) for stage in range(STAGES // 2, STAGES) for place in range(0, width, 10)
    ]
    start = time.time_ns() - 3600 * 10**9
    for first in range(0, len(ids), SPANS):
        request = spans_request("bench-stage", [])
        scope = request.resource_spans[0].scope_spans[0]
        for trace_id in ids[first : first + SPANS]:
            span = scope.spans.add(
                trace_id=trace_id.to_bytes(16, "big"),
                span_id=trace_id.to_bytes(8, "big"),
                name="join",
                start_time_unix_nano=start,
                end_time_unix_nano=start + 10**6,
            )
            span.attributes.add(key="tracelink.trace_id").value.int_value = trace_id
        body = request.SerializeToString()
        server.http.post("/v1/traces", content=body, headers=headers).raise_for_status()
    session.note(f"graph: {len(ids)} spans that name outputs")


def _flush(server: ClewServer) -> None:
    """Wait until nothing is in memory alone any more, and merges have had some seconds."""
    deadline = time.monotonic() + FLUSH_S
    while True:
        status: dict[str, Any] = server.http.get("/api/v1/ingest/status").json()
        if status["flushed_frame"] == status["acked_frame"] and not status["hot_rows"]:
            break
        if time.monotonic() > deadline:
            raise RuntimeError(f"the engine has not got everything: {status}")
        time.sleep(LOOK_S)
    time.sleep(MERGES_S)


def _ask(
    server: ClewServer, trace_id: int, asked: dict[str, Any]
) -> tuple[tuple[float, float], list[Any]]:
    """Return the seconds of an answer as its client has them, the server's ms, and its nodes."""
    begin = time.perf_counter()
    answer = server.http.get(f"/api/v1/lineage/{trace_id}", params=asked)
    spent = time.perf_counter() - begin
    answer.raise_for_status()
    timing = answer.headers.get("server-timing", "")
    _, _, duration = timing.partition("dur=")
    nodes: list[Any] = answer.json()["nodes"]
    return (spent, float(duration.split(",")[0] or 0)), nodes
