"""Killed at any moment under load, the store keeps every acknowledged span, and each once."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.store.pipeline import Pipeline
from clew.telemetry.tables import TRACES
from tests.integration.crash_child import ANSWER, HEAD
from tests.integration.span_requests import SPANS, span_id, trace_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.store.pipeline import PipelineStatus

ROOT = Path(__file__).parents[2]
ROUNDS = int(os.environ.get("CLEW_CRASH_ROUNDS", "12"))
SPANS_EACH = 10
IN_FLIGHT_MAX = 16
ACKS_FIRST = range(8, 60)
"""What a child has acknowledged before its time begins to run, however slow its disk is."""
STARTUP_S = 60.0


class Load:
    """Sends requests to a child and remembers which were sent and which acknowledged."""

    def __init__(self) -> None:
        self.sent = 0
        self.acked: set[int] = set()
        self._changed = threading.Condition()
        self._open = 0

    def run(self, child: subprocess.Popen[bytes], acks: int, begin: Callable[[], object]) -> None:
        """Send until the child is gone, at most `IN_FLIGHT_MAX` requests ahead of its answers.

        `begin` is called when so many were acknowledged.
        """
        self._open = 0
        reader = threading.Thread(target=self._read, args=(child, acks, begin))
        reader.start()
        assert child.stdin is not None
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._open < IN_FLIGHT_MAX)
                    if self._open < 0:
                        break
                    self._open += 1
                    self.sent += 1
                body = trace_request(self.first_span(self.sent), SPANS_EACH)
                child.stdin.write(HEAD.pack(len(body), self.sent) + body)
                child.stdin.flush()
        except BrokenPipeError:
            """The child is gone."""
        reader.join()

    @staticmethod
    def first_span(request: int) -> int:
        return 1 + (request - 1) * SPANS_EACH

    def _read(self, child: subprocess.Popen[bytes], acks: int, begin: Callable[[], object]) -> None:
        assert child.stdout is not None
        while len(answer := child.stdout.read(ANSWER.size)) == ANSWER.size:
            with self._changed:
                self.acked.add(ANSWER.unpack(answer)[0])
                self._open -= 1
                self._changed.notify()
            acks -= 1
            if acks == 0:
                begin()
        with self._changed:
            self._open = -(10**9)
            self._changed.notify()


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.crash_child", str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def kill_after(child: subprocess.Popen[bytes], seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, child.kill)
    timer.start()
    return timer


def read_store(folder: Path) -> tuple[Counter[str], PipelineStatus]:
    """Open the store once more and return how often each span is seen in it."""
    engine = ChdbEngine(folder / "engine")
    try:
        engine.create([TRACES])
        pipeline = Pipeline.open(folder, engine, (SPANS,))
        scans = {"spans": Scan(TRACES, ("SpanId",))}
        sql = "SELECT SpanId, count() AS times FROM @spans GROUP BY SpanId"
        rows = engine.query(sql, snapshot=pipeline.snapshot(), scans=scans).to_pylist()
        seen = Counter({row["SpanId"]: row["times"] for row in rows})
        pipeline.flush()
        rows = engine.query(sql, snapshot=pipeline.snapshot(), scans=scans).to_pylist()
        assert seen == Counter({row["SpanId"]: row["times"] for row in rows})
        status = pipeline.status()
        asyncio.run(pipeline.close())
    finally:
        engine.close()
    return seen, status


@pytest.mark.slow
@pytest.mark.timeout(40 * ROUNDS)
def test_killed_at_random_under_load_nothing_acknowledged_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    """Twenty kills of one store; every fourth may hit the start, where the last crash is mended."""
    seed = int(os.environ.get("CLEW_SEED") or time.time_ns() % 2**32)
    sys.stdout.write(f"CLEW_SEED={seed}\n")
    chance = random.Random(seed)
    load = Load()
    for number in range(ROUNDS):
        child = start(tmp_path)
        try:
            if number % 4 == 3:
                timer = kill_after(child, chance.uniform(0.1, 1.0))
            else:
                timer = kill_after(child, STARTUP_S)
            assert child.stdout is not None
            if child.stdout.read(ANSWER.size):
                timer.cancel()
                seconds = chance.uniform(0.0, 0.5)
                load.run(child, chance.choice(ACKS_FIRST), partial(kill_after, child, seconds))
            timer.cancel()
        finally:
            child.kill()
            child.communicate()
    seen, status = read_store(tmp_path)
    sys.stdout.write(f"{load.sent} requests sent, {len(load.acked)} acknowledged\n")
    for request in range(1, load.sent + 1):
        first = load.first_span(request)
        found = {seen.pop(span_id(first + n), 0) for n in range(SPANS_EACH)}
        if request in load.acked:
            assert found == {1}, f"request {request} was acknowledged"
        else:
            assert found in ({0}, {1}), f"request {request} was not acknowledged"
    assert not seen, "spans that were never sent"
    assert (status.damaged_frames, status.refused_frames) == (0, 0)
    assert len(load.acked) > ROUNDS * 5
