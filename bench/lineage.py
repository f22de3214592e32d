"""What lineage costs the program that tells of it: an id, a link set, and what stays behind.

CPU time of the thread that calls, its loop included. The ways take turns within each round; the
figure is the median of many short rounds. Ids have 22 bits of sequence here, so that no millisecond
is used up; with 4096 ids it would be the waiting that is measured.
"""

from __future__ import annotations

import gc
import resource
import time
import tracemalloc
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.figures import median_of, single
from clew.lineage import DatagramReceiver, LinkRing, TraceLinkPublisher
from clew.lineage.clock import AnchoredClock
from clew.lineage.layout import IdLayout
from clew.lineage.native import NativeSequence, native_module
from clew.lineage.sequence import Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.machine import Session

BATCH: Final = 100
"""Calls of one turn: few, so that most turns are not interrupted by whoever shares the cores."""

PARENTS: Final = (10, 20)

WIDE: Final = IdLayout(node_bits=0, sequence_bits=22)


def run(session: Session) -> None:
    """Measure ids, then sets, then what a million of both leave behind."""
    rounds = 300 if session.quick else 5_000
    for way, values in _measure(_id_ways(), rounds).items():
        session.add(f"lineage.next_id.{way}_ns", median_of(values, "ns"))
    _measure_sets(session, rounds)
    emits = 50_000 if session.quick else 1_000_000
    traced, resident = _grow(emits)
    session.add("lineage.grown.traced_b", single(traced, "B", note=f"after {emits} sets"))
    session.add("lineage.grown.resident_kib", single(resident, "KiB"))


def _id_ways() -> dict[str, Callable[[], object]]:
    ways: dict[str, Callable[[], object]] = {"python": Sequence(0, WIDE, AnchoredClock()).next}
    module = native_module()
    if module is not None:
        ways["native"] = NativeSequence(module, 0, WIDE).next
    return ways


def _measure_sets(session: Session, rounds: int) -> None:
    ring = LinkRing()
    within = TraceLinkPublisher(ring, stream_id=7)
    with DatagramReceiver("127.0.0.1:0") as receiver:
        beyond = TraceLinkPublisher(str(receiver.address), stream_id=7)
        ways: dict[str, Callable[[], object]] = {
            "ring": partial(within.emit, 11, 42, PARENTS),
            "datagrams": partial(beyond.emit, 11, 42, PARENTS),
            "tidied": partial(within.emit, 11, 42, (10, 20, 0, 20)),
        }

        def clear() -> None:
            while ring.waiting:
                ring.release(ring.take())
            while beyond.statistics().waiting:
                receiver.wait(0.001)
                while receiver.receive() is not None:
                    continue

        for way, values in _measure(ways, rounds, clear).items():
            session.add(f"lineage.emit.{way}_ns", median_of(values, "ns"))
        beyond.close()
    lost = {reason: count for reason, count in beyond.statistics().dropped.items() if count}
    session.note(f"lineage.emit.datagrams: dropped {lost or 'none'}")


def _measure(
    ways: dict[str, Callable[[], object]], rounds: int, clear: Callable[[], None] | None = None
) -> dict[str, list[float]]:
    """Return nanoseconds of each call, by way and round."""
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for place in range(rounds + 1):
        for way, call in ways.items():
            before = time.thread_time_ns()
            for _ in range(BATCH):
                call()
            after = time.thread_time_ns()
            if clear is not None:
                clear()
            # The first round warms up.
            if place:
                spent[way].append((after - before) / BATCH)
    return spent


def _grow(emits: int) -> tuple[int, float]:
    """Return bytes that are traced, and KiB that are resident, more than before so many sets."""
    ring = LinkRing()
    publisher = TraceLinkPublisher(ring, stream_id=7)
    module = native_module()
    ids = NativeSequence(module, 0, WIDE) if module else Sequence(0, WIDE, AnchoredClock())

    def emit(count: int) -> None:
        for _ in range(count // BATCH):
            for seq in range(BATCH):
                publisher.emit(seq, ids.next(), (ids.next(), ids.next()))
            while ring.waiting:
                ring.release(ring.take())

    emit(10 * BATCH)
    gc.collect()
    resident = _resident_kib()
    emit(emits)
    resident = _resident_kib() - resident
    tracemalloc.start()
    emit(BATCH)
    traced = tracemalloc.get_traced_memory()[0]
    emit(emits // 10)
    traced = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    return max(0, traced), max(0.0, resident)


def _resident_kib() -> float:
    """Return what is resident now: the most that ever was would hide what grows below it."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / 1024
