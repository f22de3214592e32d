"""How long questions take: ours through the query service and over REST, the exporter's as SQL.

Both stores hold the same rows, filled directly and left to their background merges, as in life.
Warm: a process that has been asked a few rounds. Cold: for each question a fresh process, after the
store's files were dropped from the kernel's page cache; the host below may still hold them.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.ask import QUESTIONS, ask
from bench.clew_server import ClewServer
from bench.figures import Figure, median_of, single
from bench.fill import fill
from bench.ingest import report_parts
from bench.parts import measure_parts
from bench.processes import forget_pages
from bench.questions import OURS, PEERS, targets
from bench.store import CLEW, LAYOUTS

if TYPE_CHECKING:
    import httpx

    from bench.ask import Timing
    from bench.machine import Session
    from bench.questions import Target

ROUNDS: Final = 15
COLD_ROUNDS: Final = 3
REST_WARM_UP: Final = 2

KEEP_ALL: Final = tuple(
    flag for signal in ("traces", "logs", "metrics") for flag in (f"--retention-{signal}", "off")
)
"""The filled rows bear a fixed date, which retention would take for old one day."""

_TOTAL_MS: Final = re.compile(r"total;dur=([0-9.]+)")


def run(session: Session) -> None:
    """Fill, weigh and ask stores of each size that was asked for."""
    for spans in session.sizes:
        with tempfile.TemporaryDirectory() as scratch:
            _measure_size(session, Path(scratch), spans, size_name(spans))


def size_name(spans: int) -> str:
    """Return a number of spans as it stands in the figures' names."""
    return f"{spans // 1_000_000}m" if spans >= 1_000_000 else f"{spans // 1000}k"


def _measure_size(session: Session, scratch: Path, spans: int, size: str) -> None:
    folders = {layout: scratch / layout for layout in LAYOUTS}
    for layout, folder in folders.items():
        done = fill(layout, folder, spans, companions=True)
        name = f"queries.{size}.{layout}"
        session.add(f"{name}.fill_cpu_s_per_million", single(done.cpu_s / spans * 1e6, "CPU-s/M"))
        report_parts(session, f"{name}.settled", measure_parts(layout, folder), spans)
    warm = {layout: _ask_warm(session, layout, folders[layout], spans) for layout in LAYOUTS}
    for question in PEERS:
        ours, theirs = (warm[layout][question] for layout in LAYOUTS)
        session.add(f"queries.{size}.of_exporter.{question}", single(ours / theirs, "x"))
    _ask_rest(session, folders[CLEW], spans)
    for layout, folder in folders.items():
        _ask_cold(session, layout, folder, spans)


def _ask_warm(session: Session, layout: str, folder: Path, spans: int) -> dict[str, float]:
    """Report the warm times of each question; return their medians."""
    asked = ask(layout, folder, spans, 5 if session.quick else ROUNDS)
    name = f"queries.{size_name(spans)}.{layout}"
    for question, timing in asked.timings.items():
        session.add(f"{name}.{question}.warm_ms", _figure(timing))
        session.add(f"{name}.{question}.warm_cpu_ms", median_of(timing.cpu_ms, "ms"))
    session.add(f"{name}.rss_max_mib", single(asked.rss_max_mib, "MiB"))
    return {
        question: statistics.median(timing.wall_ms) for question, timing in asked.timings.items()
    }


def _ask_cold(session: Session, layout: str, folder: Path, spans: int) -> None:
    for question in QUESTIONS[layout]:
        times = []
        for _ in range(1 if session.quick else COLD_ROUNDS):
            forget_pages(folder)
            asked = ask(layout, folder, spans, 1, only=question)
            times.extend(asked.timings[question].wall_ms)
        name = f"queries.{size_name(spans)}.{layout}.{question}.cold_ms"
        session.add(name, median_of(times, "ms"))


def _figure(timing: Timing) -> Figure:
    return median_of(timing.wall_ms, "ms", note=f"rows {min(timing.rows)}-{max(timing.rows)}")


# --- over REST ----------------------------------------------------------------------------------


def _ask_rest(session: Session, folder: Path, spans: int) -> None:
    """Report what REST adds: the caller's wall time, and the time that the server says it took."""
    rounds = 5 if session.quick else ROUNDS
    name = f"queries.{size_name(spans)}.rest"
    with ClewServer(folder, *KEEP_ALL) as server:
        walls: dict[str, list[float]] = {question: [] for question in OURS}
        said: dict[str, list[float]] = {question: [] for question in OURS}
        for number, target in enumerate(targets(spans, rounds + REST_WARM_UP)):
            for question in OURS:
                wall, server_ms = ask_rest(server.http, question, target)
                if number >= REST_WARM_UP:
                    walls[question].append(wall)
                    said[question].append(server_ms)
    for question in OURS:
        session.add(f"{name}.{question}.wall_ms", median_of(walls[question], "ms"))
        session.add(f"{name}.{question}.server_ms", median_of(said[question], "ms"))


def ask_rest(http: httpx.Client, question: str, target: Target) -> tuple[float, float]:
    """Ask one question over REST; return the caller's wall milliseconds and the server's own."""
    url = OURS[question](target).url
    before = time.perf_counter()
    answer = http.get(url)
    wall = (time.perf_counter() - before) * 1000
    answer.raise_for_status()
    timing = _TOTAL_MS.search(answer.headers["server-timing"])
    assert timing
    return wall, float(timing[1])
