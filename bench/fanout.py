"""What a query tier costs: questions to one over two shards, beside one server with the same data.

The spans are those of the query benchmark. One server is given all of them, two shards every other
block; then each question is asked of both over REST, by one client, in turns. CPU is that of all
processes that take part, so the tier's includes its shards'.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.clew_server import ClewServer
from bench.data import (
    BLOCK_SPANS,
    FILL_START_NS,
    NS_PER_TRACE,
    SPANS_PER_TRACE,
    SpanRequests,
    attribute_key,
    attribute_value,
    service_name,
)
from bench.figures import median_of, single
from bench.processes import cpu_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.machine import Session

SHARDS: Final = 2

FLUSH_S: Final = 120.0

LOOK_S: Final = 0.2

WARM_ROUNDS: Final = 3

_OFF: Final = ("--otlp-requests-per-second", "0")


def run(session: Session) -> None:
    """Fill a server and two shards, and ask both ways."""
    spans = 20_000 if session.quick else 1_000_000
    rounds = 10 if session.quick else 40
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as open_servers:
        folder = Path(scratch)
        whole = open_servers.enter_context(ClewServer(folder / "whole", *_OFF))
        shards = [
            open_servers.enter_context(ClewServer(folder / f"shard-{number}", *_OFF))
            for number in range(SHARDS)
        ]
        trace_id = _fill(whole, shards, spans)
        named = ",".join(f"s{number}=http://{s.doors['http']}" for number, s in enumerate(shards))
        tier = open_servers.enter_context(ClewServer(folder / "tier", "--shards", named))
        session.note(f"fanout: {spans} spans, {SHARDS} shards on the same machine")
        sides = {"one": [whole], "tier": [tier, *shards]}
        for name, path in _questions(spans, trace_id).items():
            walls: dict[str, list[float]] = {side: [] for side in sides}
            spent = dict.fromkeys(sides, 0.0)
            for round_ in range(rounds + WARM_ROUNDS):
                for side, servers in sides.items():
                    cpu = sum(cpu_s(server.pid) for server in servers)
                    began = time.perf_counter()
                    answer = servers[0].http.get(f"/api/v1/{path}")
                    answer.raise_for_status()
                    wall = time.perf_counter() - began
                    assert "x-clew-partial" not in answer.headers, "a shard is missing"
                    if round_ >= WARM_ROUNDS:
                        walls[side].append(1000 * wall)
                        spent[side] += sum(cpu_s(server.pid) for server in servers) - cpu
            for side in sides:
                session.add(f"fanout.{name}_{side}_ms", median_of(walls[side], "ms"))
                cpu_ms = 1000 * spent[side] / rounds
                session.add(f"fanout.{name}_{side}_cpu_ms", single(cpu_ms, "ms of CPU"))


def _fill(whole: ClewServer, shards: Sequence[ClewServer], spans: int) -> str:
    """Send every block to the whole and to one of the shards; return the id of a trace."""
    headers = {"content-type": "application/x-protobuf"}
    requests = SpanRequests(BLOCK_SPANS)
    for number in range(spans // BLOCK_SPANS):
        for body in requests.block(number):
            for server in (whole, shards[number % len(shards)]):
                server.http.post("/v1/traces", content=body, headers=headers).raise_for_status()
    for server in (whole, *shards):
        deadline = time.monotonic() + FLUSH_S
        while server.http.get("/api/v1/ingest/status").json()["hot_rows"]:
            if time.monotonic() > deadline:
                raise TimeoutError("the rows did not reach the engine in time")
            # Asked less often than it costs the servers anything; nothing is timed here.
            time.sleep(LOOK_S)
    found = whole.http.get("/api/v1/traces", params={"limit": 1}).json()["spans"]
    return str(found[0]["trace_id"])


def _questions(spans: int, trace_id: str) -> dict[str, str]:
    start = FILL_START_NS // 10**9
    end = start + -(-spans // SPANS_PER_TRACE * NS_PER_TRACE // 10**9) + 1
    window = f"start={start}&end={end}"
    attribute = f"{attribute_key(3)}%3D{attribute_value(5)}"
    return {
        "trace": f"traces/{trace_id}",
        "service": f"traces?view=spans&limit=20&service={service_name(2)}&{window}",
        "attribute": f"traces?view=spans&limit=20&attribute={attribute}&{window}",
        "summary": f"summary?{window}",
        "services": f"services?{window}",
        "topology": f"topology?{window}",
    }
