"""Fill a store directly through the engine, as the flusher does: batches of decoded requests.

``python -m bench.fill`` prints one JSON object (`Filled`) as its last line. It runs in a process of
its own so that the CPU time of the engine's threads can be told from everything else's.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa

from bench.companions import NS_PER_POINT, LogRequests, MetricRequests
from bench.data import BLOCK_SPANS, FILL_START_NS, NS_PER_TRACE, SPANS_PER_TRACE, SpanRequests
from bench.processes import run_child, wait_until_idle
from bench.store import LAYOUTS, open_store
from clew.telemetry.otlp.decode import open_decoder
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.store import Store

BATCH_ROWS: Final = 50_000
"""What the flusher hands over at once while it keeps up."""

MERGE_S_MAX: Final = 300.0

SPANS_PER_LOG: Final = 5

_TABLES: Final = {table.name: table for table in TABLES}


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What filling in the spans took. CPU is of the whole process but decoding and generating."""

    spans: int
    insert_s: float
    cpu_s: float
    """Inserts and the background merges that ran until the process was idle."""
    settle_s: float
    rss_max_mib: float


def fill(layout: str, folder: Path, spans: int, *, companions: bool) -> Filled:
    """Fill a store in a child process; with companions, logs and metrics follow the spans."""
    arguments = [f"--layout={layout}", f"--folder={folder}", f"--spans={spans}"]
    timeout_s = 120 + spans / 5_000
    flags = ["--companions"] if companions else []
    return msgspec.convert(
        run_child("bench.fill", [*arguments, *flags], timeout_s=timeout_s), Filled
    )


def duration_ns(spans: int) -> int:
    """Return the stretch of time that so many filled spans cover."""
    return spans // SPANS_PER_TRACE * NS_PER_TRACE


class _Filler:
    """Turns requests into batches of rows and inserts them, and keeps its own CPU time apart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._frame = 0
        self.own_cpu_s = 0.0
        self.insert_s = 0.0

    def fill(self, signal: Signal, requests: Iterable[bytes]) -> None:
        """Decode requests and insert their rows, batch by batch."""
        begin = time.thread_time()
        for batch in self._batches(signal, requests):
            self.own_cpu_s += time.thread_time() - begin
            started = time.perf_counter()
            for name, rows in batch.items():
                token = f"bench:{self._frame}"
                self._store.insert(_TABLES[name], pa.Table.from_batches([rows]), token)
            self.insert_s += time.perf_counter() - started
            begin = time.thread_time()
        self.own_cpu_s += time.thread_time() - begin

    def _batches(
        self, signal: Signal, requests: Iterable[bytes]
    ) -> Iterator[dict[str, pa.RecordBatch]]:
        decoder = open_decoder(signal)
        received = FILL_START_NS + 300 * 86_400 * 10**9
        for body in requests:
            self._frame += 1
            done = decoder.append(body, frame=self._frame, received=received, oldest=0)
            if done.rejected:
                raise AssertionError(f"refused: {done.rejected}")
            if decoder.rows() >= BATCH_ROWS:
                yield decoder.finish()
        if decoder.rows():
            yield decoder.finish()


def _run(layout: str, folder: Path, spans: int, *, companions: bool) -> Filled:
    store = open_store(layout, folder)
    filler = _Filler(store)
    try:
        begin = time.process_time()
        requests = SpanRequests(BLOCK_SPANS)
        filler.fill(
            Signal.TRACES,
            (body for number in range(spans // BLOCK_SPANS) for body in requests.block(number)),
        )
        insert_s = filler.insert_s
        settle_s = wait_until_idle(os.getpid(), timeout_s=MERGE_S_MAX)
        cpu_s = time.process_time() - begin - filler.own_cpu_s
        if companions:
            filler.fill(Signal.LOGS, LogRequests().requests(spans // SPANS_PER_LOG))
            steps = duration_ns(spans) // NS_PER_POINT
            filler.fill(Signal.METRICS, MetricRequests().requests(steps))
            wait_until_idle(os.getpid(), timeout_s=MERGE_S_MAX)
    finally:
        store.close()
    return Filled(
        spans=spans,
        insert_s=insert_s,
        cpu_s=cpu_s,
        settle_s=settle_s,
        rss_max_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def main() -> None:
    """Read the command line, fill, print the result, and leave as chDB wants to be left."""
    parser = argparse.ArgumentParser(prog="bench.fill")
    parser.add_argument("--layout", choices=LAYOUTS, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--spans", type=int, required=True)
    parser.add_argument("--companions", action="store_true")
    given = parser.parse_args()
    done = _run(given.layout, given.folder, given.spans, companions=given.companions)
    sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
