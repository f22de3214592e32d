"""Durable ingest, end to end: a server, a load from another process, and what the server spent.

Each run starts a server on an empty folder, warms it up, sends as fast as the acks come, waits
until the background merges are over, and counts the rows. CPU is that of the whole server process
from the first request to the end of the merges, told by the threads that spent it. The same rows go
into the exporter's tables and into ours directly, which is the engine's part alone.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.clew_server import ClewServer
from bench.data import NS_PER_TRACE, SPANS_PER_TRACE
from bench.figures import median_of, single
from bench.fill import fill
from bench.load import Load, LoadResult, send
from bench.parts import measure_parts
from bench.processes import ThreadWatch, folder_bytes, memory_mib, wait_until_idle
from bench.store import CLEW, LAYOUTS, PEER

if TYPE_CHECKING:
    from bench.machine import Session
    from bench.parts import Parts

CONNECTIONS: Final = 8
WARM_UP_SPANS: Final = 10_000
MERGE_S_MAX: Final = 180.0
STARTS: Final = 3

DAY_NS: Final = 86_400 * 10**9

# The groups that CPU is told by, and how the names of their threads begin. What fits none of them
# is the engine's: it names its threads by what they do at the moment.
STAGES: Final = {
    "event_loop": ("clew main",),
    "log": ("clew-log",),
    "flusher": ("clew-flush",),
    "decode_large": ("clew-decode",),
    "queries": ("clew-query", "clew-questions", "clew-rest"),
    "grpc": ("grpc", "event_engine", "resolver", "timer", "poll"),
    "other_python": ("python", "asyncio", "Thread-", "ThreadPoolExecu"),
}
ENGINE: Final = "engine"


@dataclass(frozen=True)
class _Sizes:
    """How much one run sends, and how often it is done."""

    seconds: float
    spans_max: int
    rounds: int
    fill_spans: int


FULL: Final = _Sizes(seconds=12.0, spans_max=3_000_000, rounds=3, fill_spans=1_000_000)
QUICK: Final = _Sizes(seconds=3.0, spans_max=100_000, rounds=1, fill_spans=100_000)


@dataclass(frozen=True)
class _Run:
    """What one load on one fresh server came to."""

    load: LoadResult
    sustained_per_s: float
    """Acked spans over the time until they were all in the engine."""
    cpu_s: float
    by_stage: dict[str, float]
    by_thread: dict[str, float]
    rss_max_mib: float
    folder_bytes: int

    def per_million(self, cpu_s: float) -> float:
        """Return CPU seconds per million spans."""
        return cpu_s / self.load.acked_spans * 1e6


def run(session: Session) -> None:
    """Measure starts, loads by door and request size, bytes, and the engine beside the peer."""
    sizes = QUICK if session.quick else FULL
    _measure_starts(session)
    _measure_loads(session, sizes)
    _measure_engine(session, sizes)


def _measure_starts(session: Session) -> None:
    ready, idle = [], []
    for _ in range(STARTS):
        with tempfile.TemporaryDirectory() as scratch, ClewServer(Path(scratch) / "data") as server:
            ready.append(server.ready_s)
            wait_until_idle(server.pid, timeout_s=10)
            idle.append(memory_mib(server.pid)[0])
    session.add("start.ready_s", median_of(ready, "s"))
    session.add("start.idle_rss_mib", median_of(idle, "MiB", note="empty store"))


def _measure_loads(session: Session, sizes: _Sizes) -> None:
    """Measure every door and size; the rounds take turns."""
    runs: dict[tuple[str, int], list[_Run]] = {}
    for _ in range(sizes.rounds):
        for door in ("http", "grpc"):
            for spans in (500, 100, 10):
                runs.setdefault((door, spans), []).append(_run(door, spans, sizes))
    for (door, spans), done in runs.items():
        _report_load(session, f"ingest.{door}.{spans}", done)
    threads = runs["http", 500][0].by_thread
    most = sorted(threads.items(), key=lambda item: -item[1])[:12]
    spans = runs["http", 500][0].load.acked_spans
    text = ", ".join(f"{name} {spent / spans * 1e6:.2f}" for name, spent in most)
    session.note(f"CPU-s per million spans by thread name, http, 500 a request: {text}")


def _run(door: str, spans: int, sizes: _Sizes) -> _Run:
    with tempfile.TemporaryDirectory() as scratch, ClewServer(Path(scratch) / "data") as server:
        # The day's first minutes hold the warm-up; the load's day must not end before the load.
        today = time.time_ns() // DAY_NS * DAY_NS
        warm_up = _load(server, door, spans, 30.0, WARM_UP_SPANS, today, seed=99)
        send(warm_up)
        wait_until_idle(server.pid, timeout_s=30)
        start = today + WARM_UP_SPANS // SPANS_PER_TRACE * NS_PER_TRACE
        with ThreadWatch(server.pid) as watch:
            began = time.monotonic()
            done = send(_load(server, door, spans, sizes.seconds, sizes.spans_max, start, seed=1))
            lag = time.monotonic() - began - done.seconds
            count = server.count_spans()
            until_flushed = time.monotonic() - began - lag
            wait_until_idle(server.pid, timeout_s=MERGE_S_MAX)
            cpu_s = watch.total_s()
        expected = done.acked_spans + WARM_UP_SPANS
        if count != expected or done.refused_spans:
            raise AssertionError(f"{expected} spans acked, {count} counted, {done}")
        return _Run(
            load=done,
            sustained_per_s=done.acked_spans / until_flushed,
            cpu_s=cpu_s,
            by_stage=_by_stage(dict(watch.by_name), cpu_s),
            by_thread=dict(watch.by_name),
            rss_max_mib=memory_mib(server.pid)[1],
            folder_bytes=folder_bytes(server.folder),
        )


def _load(
    server: ClewServer,
    door: str,
    spans: int,
    seconds: float,
    spans_max: int,
    start_ns: int,
    *,
    seed: int,
) -> Load:
    return Load(
        door=door,
        port=server.port(door),
        spans_per_request=spans,
        connections=CONNECTIONS,
        seconds=seconds,
        spans_max=spans_max,
        start_ns=start_ns,
        seed=seed,
    )


def _by_stage(by_thread: dict[str, float], total: float) -> dict[str, float]:
    """Return CPU by stage; what ended threads spent unseen is the engine's, which has such."""
    stages = dict.fromkeys((*STAGES, ENGINE), 0.0)
    for name, spent in by_thread.items():
        stage = next((stage for stage, starts in STAGES.items() if name.startswith(starts)), ENGINE)
        stages[stage] += spent
    stages[ENGINE] += max(0.0, total - sum(by_thread.values()))
    return stages


def _report_load(session: Session, name: str, runs: list[_Run]) -> None:
    def add(figure: str, unit: str, values: list[float], note: str = "") -> None:
        session.add(f"{name}.{figure}", median_of(values, unit, note=note))

    add("spans_per_s", "1/s", [run.load.acked_spans / run.load.seconds for run in runs])
    add("sustained_spans_per_s", "1/s", [run.sustained_per_s for run in runs])
    add("cpu_s_per_million", "CPU-s/M", [run.per_million(run.cpu_s) for run in runs])
    for stage in (*STAGES, ENGINE):
        values = [run.per_million(run.by_stage[stage]) for run in runs]
        if statistics.median(values) >= 0.01:
            add(f"cpu_s_per_million.{stage}", "CPU-s/M", values)
    add("ack_p50_ms", "ms", [run.load.ack_p50_ms for run in runs])
    add("ack_p99_ms", "ms", [run.load.ack_p99_ms for run in runs])
    add("retries", "", [float(run.load.retries) for run in runs])
    add("rss_max_mib", "MiB", [run.rss_max_mib for run in runs])
    add(
        "client_cpu_s_per_million",
        "CPU-s/M",
        [run.per_million(run.load.client_cpu_s) for run in runs],
        note="of the load, on the same cores",
    )


def _measure_engine(session: Session, sizes: _Sizes) -> None:
    """Fill equal rows into both layouts directly and weigh them; the rounds take turns."""
    cpu: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    rate: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    for number in range(sizes.rounds):
        for layout in LAYOUTS:
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch)
                done = fill(layout, folder, sizes.fill_spans, companions=False)
                cpu[layout].append(done.cpu_s / done.spans * 1e6)
                rate[layout].append(done.spans / done.insert_s)
                if number == 0:
                    _report_bytes(session, f"engine.{layout}", folder, layout, done.spans)
    for layout in LAYOUTS:
        session.add(f"engine.{layout}.cpu_s_per_million", median_of(cpu[layout], "CPU-s/M"))
        session.add(f"engine.{layout}.insert_spans_per_s", median_of(rate[layout], "1/s"))
    ratios = [ours / theirs for ours, theirs in zip(cpu[CLEW], cpu[PEER], strict=True)]
    session.add("engine.cpu_of_exporter", median_of(ratios, "x"))


def _report_bytes(session: Session, name: str, folder: Path, layout: str, spans: int) -> None:
    """Report bytes per span as background merges leave them, and after merging all."""
    report_parts(session, f"{name}.settled", measure_parts(layout, folder), spans)
    merged = measure_parts(layout, folder, optimize=True)
    report_parts(session, f"{name}.merged", merged, spans)
    session.add(
        f"{name}.optimize_cpu_s_per_million", single(merged.optimize_cpu_s / spans * 1e6, "CPU-s/M")
    )


def report_parts(session: Session, name: str, parts: Parts, spans: int) -> None:
    """Report bytes per span: all, columns, indexes, and the columns and indexes that weigh."""
    tables = [table for key, table in parts.tables.items() if key.startswith("otel_traces")]
    main = parts.tables["otel_traces"]
    session.add(f"{name}.bytes_per_span", single(sum(t.total for t in tables) / spans, "B"))
    session.add(
        f"{name}.bytes_per_span.columns", single(sum(t.columns_total for t in tables) / spans, "B")
    )
    session.add(
        f"{name}.bytes_per_span.indexes", single(sum(t.indexes_total for t in tables) / spans, "B")
    )
    weighty = {
        key: size / spans
        for key, size in sorted((main.columns | main.indexes).items(), key=lambda item: -item[1])
        if size / spans >= 0.25
    }
    text = ", ".join(f"{key} {size:.2f}" for key, size in weighty.items())
    session.note(f"{name}: {main.parts} parts; bytes per span: {text}")
