"""What a stage of a pipeline costs: a call of the bare function, as a stage while tracing is off,
and while it is on.

CPU time of the thread that calls, its loop included; the ways take turns within each round, and the
figure is the median of many short rounds. What is told goes into a ring of the process, which is
emptied between turns and not counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench.figures import median_of
from clew import lineage

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.machine import Session

BATCH: Final = 100
"""Calls of one turn: few, so that most turns are not interrupted by whoever shares the cores."""


def add(left: int, right: int) -> int:
    return left + right


def run(session: Session) -> None:
    """Measure calls of a function that joins two inputs."""
    rounds = 200 if session.quick else 3_000
    stage = lineage.stage("bench", stream_id=7)(add)
    left, right = lineage.Traced(1, 10), lineage.Traced(2, 20)
    ring = lineage.LinkRing()
    spent: dict[str, list[float]] = {}

    def measure(way: str, call: Callable[[], object]) -> None:
        before = time.thread_time_ns()
        for _ in range(BATCH):
            call()
        spent.setdefault(way, []).append((time.thread_time_ns() - before) / BATCH)

    for _ in range(rounds):
        measure("bare", lambda: add(1, 2))
        measure("off", lambda: stage(left, right))
        measure("plain_off", lambda: stage(1, 2))
        with lineage.enable_tracing(1, to=ring, epoch=1):
            measure("on", lambda: stage(left, right))
        while ring.waiting:
            ring.release(ring.take())
    for way, values in spent.items():
        # The first round warms up.
        session.add(f"stages.{way}_ns", median_of(values[1:], "ns"))
