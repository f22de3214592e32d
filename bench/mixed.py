"""Questions while spans come in: the same ones on a quiet server and under a steady load.

One server over a filled store. The load comes from its own process at a fixed rate; questions go
over REST, one at a time, in turns. Newest-first searches then find what just came in.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.clew_server import ClewServer
from bench.figures import Figure, median_of, percentile, single
from bench.fill import fill
from bench.ingest import CONNECTIONS, DAY_NS
from bench.load import Load, send
from bench.processes import cpu_s, memory_mib, wait_until_idle
from bench.queries import KEEP_ALL, ask_rest
from bench.questions import SEARCHES, targets
from bench.store import CLEW

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.machine import Session
    from bench.questions import Target

RATE: Final = 50_000
SPANS_PER_REQUEST: Final = 500

# Long enough for a hundred rounds of eleven questions, so that a p99 is not just the worst.
SECONDS: Final = 60.0
LEAD_S: Final = 3.0
"""The load runs for so long before the first question."""

TARGETS: Final = 50


def run(session: Session) -> None:
    """Ask a quiet server over the largest store asked for, then the same one under load."""
    spans, seconds = max(session.sizes), 6.0 if session.quick else SECONDS
    session.note(f"mixed: over {spans:,} filled spans")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        fill(CLEW, folder, spans, companions=True)
        # What was filled in is the disk's to write before the server's first sync waits for it.
        os.sync()
        asked_about = targets(spans, TARGETS)
        with ClewServer(folder, *KEEP_ALL) as server:
            _ask_for(server, asked_about, seconds / 10, lambda: False)
            wait_until_idle(server.pid, timeout_s=60)
            quiet = _ask_for(server, asked_about, seconds / 2, lambda: False)
            _report(session, "mixed.quiet", quiet)
            loaded = _ask_under_load(session, server, asked_about, seconds)
            _report(session, "mixed.loaded", loaded)
            session.add("mixed.rss_max_mib", single(memory_mib(server.pid)[1], "MiB"))
    for question in SEARCHES:
        ratio = percentile(loaded[question], 0.99) / percentile(quiet[question], 0.5)
        session.add(
            f"mixed.p99_of_quiet_p50.{question}",
            single(ratio, "x", note=f"{len(loaded[question])} asked under load"),
        )


def _ask_under_load(
    session: Session, server: ClewServer, asked_about: list[Target], seconds: float
) -> dict[str, list[float]]:
    load = Load(
        door="http",
        port=server.port("http"),
        spans_per_request=SPANS_PER_REQUEST,
        connections=CONNECTIONS,
        seconds=seconds + LEAD_S,
        spans_max=10**9,
        start_ns=time.time_ns() // DAY_NS * DAY_NS,
        rate=RATE,
    )
    before = cpu_s(server.pid)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, load)
        # The load has to stand for a while before it counts; there is no event for "steady".
        time.sleep(LEAD_S)
        times = _ask_for(server, asked_about, seconds, sending.done)
        done = sending.result()
    session.add("mixed.load.spans_per_s", single(done.acked_spans / done.seconds, "1/s"))
    session.add("mixed.load.ack_p50_ms", single(done.ack_p50_ms, "ms"))
    session.add("mixed.load.ack_p99_ms", single(done.ack_p99_ms, "ms"))
    session.add("mixed.load.retries", single(done.retries, ""))
    session.add(
        "mixed.load.cpu_s_per_million",
        single(
            (cpu_s(server.pid) - before) / done.acked_spans * 1e6, "CPU-s/M", note="with queries"
        ),
    )
    return times


def _ask_for(
    server: ClewServer, asked_about: list[Target], seconds: float, is_over: Callable[[], bool]
) -> dict[str, list[float]]:
    """Ask all questions in turns until the time is up; every one at least once."""
    times: dict[str, list[float]] = {question: [] for question in SEARCHES}
    end = time.monotonic() + seconds
    number = 0
    while number == 0 or (time.monotonic() < end and not is_over()):
        for question in SEARCHES:
            wall, _ = ask_rest(server.http, question, asked_about[number % TARGETS])
            times[question].append(wall)
        number += 1
    return times


def _report(session: Session, name: str, times: dict[str, list[float]]) -> None:
    for question, values in times.items():
        p99 = percentile(values, 0.99)
        session.add(f"{name}.{question}.p50_ms", median_of(values, "ms"))
        session.add(f"{name}.{question}.p99_ms", Figure(value=round(p99, 2), unit="ms"))
