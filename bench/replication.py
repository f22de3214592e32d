"""What a standby costs, and how long nobody takes writes after a leader is killed.

Cost: the same load to a server alone, to a leader whose one standby must have each record, and to
one that waits for nobody (`--required-acks 0`), in turns. All run on this machine, so CPU is that
of both servers together, with the leader's share beside it; acks are those of a paced load that
keeps no core busy, and the rate is what comes through when nothing is paced.

How long a change of leader takes is `bench.failover`.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.clew_server import ClewServer
from bench.data import NS_PER_TRACE, SPANS_PER_TRACE
from bench.failover import measure_failovers, wait_for
from bench.figures import median_of
from bench.ingest import CONNECTIONS, DAY_NS, MERGE_S_MAX, WARM_UP_SPANS
from bench.load import Load, LoadResult, send
from bench.processes import cpu_s, wait_until_idle
from clew.testing.network import HeldPorts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.machine import Session

RATE: Final = 20_000
"""Spans a second of the paced load: two servers, the load and their merges leave half of the two
cores free, so an ack waits for a disk and for the other server, and not for a core."""

SPANS_PER_REQUEST: Final = 100

MODES: Final = {"alone": None, "one_ack": "all", "no_ack": "0"}
"""What each server is: without a group, or the leader of one with so many acks required."""


@dataclass(frozen=True)
class _Sizes:
    """How long each load is, and how often everything is done."""

    paced_s: float
    fast_s: float
    fast_spans_max: int
    rounds: int
    failovers: int


FULL: Final = _Sizes(paced_s=15.0, fast_s=8.0, fast_spans_max=2_000_000, rounds=3, failovers=5)
QUICK: Final = _Sizes(paced_s=3.0, fast_s=2.0, fast_spans_max=50_000, rounds=1, failovers=1)


@dataclass(frozen=True)
class _Run:
    """What a mode came to in one round. CPU seconds are per million spans of the paced load."""

    paced: LoadResult
    fast: LoadResult
    leader_cpu: float
    all_cpu: float


def run(session: Session) -> None:
    """Measure the cost of a standby, then changes of leader."""
    sizes = QUICK if session.quick else FULL
    runs: dict[str, list[_Run]] = {mode: [] for mode in MODES}
    for _ in range(sizes.rounds):
        for mode, acks in MODES.items():
            runs[mode].append(_run(acks, sizes))
    _report(session, runs)
    session.note(
        f"replication: paced load of {RATE:,} spans a second, {SPANS_PER_REQUEST} a request, "
        f"{CONNECTIONS} connections; all servers on the same cores and the same disk"
    )
    measure_failovers(session, sizes.failovers)


def _run(acks: str | None, sizes: _Sizes) -> _Run:
    with _servers(acks) as servers:
        leader = servers[0]
        today = time.time_ns() // DAY_NS * DAY_NS
        sent = 0

        def load(seconds: float, spans_max: int, rate: float) -> LoadResult:
            nonlocal sent
            start = today + sent // SPANS_PER_TRACE * NS_PER_TRACE
            done = send(
                Load(
                    door="http",
                    port=leader.port("http"),
                    spans_per_request=SPANS_PER_REQUEST,
                    connections=CONNECTIONS,
                    seconds=seconds,
                    spans_max=spans_max,
                    start_ns=start,
                    rate=rate,
                    seed=1 + sent,
                )
            )
            sent += done.acked_spans
            return done

        def calm() -> None:
            for server in servers:
                wait_until_idle(server.pid, timeout_s=MERGE_S_MAX)

        load(30.0, WARM_UP_SPANS, 0.0)
        calm()
        before = [cpu_s(server.pid) for server in servers]
        paced = load(sizes.paced_s, 10**9, RATE)
        calm()
        spent = [cpu_s(server.pid) - b for server, b in zip(servers, before, strict=True)]
        fast = load(sizes.fast_s, sizes.fast_spans_max, 0.0)
        wait_for(lambda: {each.count_spans() for each in servers} == {sent}, "all have all spans")
        millions = paced.acked_spans / 1e6
        return _Run(paced, fast, spent[0] / millions, sum(spent) / millions)


@contextlib.contextmanager
def _servers(acks: str | None) -> Iterator[list[ClewServer]]:
    """Start a server alone, or a leader (the first) and its standby."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        if acks is None:
            yield [stack.enter_context(ClewServer(Path(scratch) / "alone"))]
            return
        held = HeldPorts(2)
        ports = held.numbers
        urls = [f"http://127.0.0.1:{port}" for port in ports]

        def start(number: int, role: str) -> ClewServer:
            flags = ("--standby", urls[1 - number], "--role", role, "--required-acks", acks)
            folder = Path(scratch) / role
            return stack.enter_context(ClewServer(folder, *flags, http_port=ports[number]))

        standby = start(1, "standby")
        leader = start(0, "leader")
        wait_for(lambda: leader.http.get("/readyz").status_code == 200, "the standby follows")
        yield [leader, standby]


def _report(session: Session, runs: dict[str, list[_Run]]) -> None:
    for mode, done in runs.items():
        name = f"replication.{mode}"
        session.add(f"{name}.cpu_s_per_million", median_of([r.all_cpu for r in done], "CPU-s/M"))
        session.add(
            f"{name}.leader_cpu_s_per_million", median_of([r.leader_cpu for r in done], "CPU-s/M")
        )
        session.add(f"{name}.ack_p50_ms", median_of([r.paced.ack_p50_ms for r in done], "ms"))
        session.add(f"{name}.ack_p99_ms", median_of([r.paced.ack_p99_ms for r in done], "ms"))
        session.add(
            f"{name}.spans_per_s",
            median_of([r.fast.acked_spans / r.fast.seconds for r in done], "1/s"),
        )
        session.add(
            f"{name}.retries",
            median_of([float(r.paced.retries + r.fast.retries) for r in done], ""),
        )
    for mode in list(MODES)[1:]:
        pairs = list(zip(runs[mode], runs["alone"], strict=True))
        name = f"replication.{mode}_of_alone"
        for figure, ratios in {
            "cpu": [ours.all_cpu / alone.all_cpu for ours, alone in pairs],
            "leader_cpu": [ours.leader_cpu / alone.leader_cpu for ours, alone in pairs],
            "ack_p50": [ours.paced.ack_p50_ms / alone.paced.ack_p50_ms for ours, alone in pairs],
            "ack_p99": [ours.paced.ack_p99_ms / alone.paced.ack_p99_ms for ours, alone in pairs],
        }.items():
            session.add(f"{name}.{figure}", median_of(ratios, "x"))
