"""What records of telemetry told of lineage: rows, and what is counted of them."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from clew.lineage.ingest.intake import DoorCounters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

OTLP: Final = "otlp"
"""The name of the doors for telemetry, as rows and counters of lineage have it."""

ROWS_MAX: Final = 100_000
"""Edges of one request. Exporters send 512 spans at a time, each with 128 links unless told
otherwise: 65 536. A request's length alone would let it say millions."""

TOO_MUCH: Final = "too_much"
"""Refused: the request had said as many edges as it may before."""

WRONG_TYPE: Final = "wrong_type"
"""Refused: the parents are no list of whole numbers, as numbers or as texts."""

INCOMPLETE: Final = "incomplete"
"""Refused: a record that tells of an item does not say which."""

NO_SPAN: Final = "no_span"
"""Refused: a link that names neither a span nor an item."""


FRAME_MAX: Final = 2**64 - 1
"""As many as there can be."""


class Arrival(NamedTuple):
    """A request that brought records: its frame, and when it came (Unix nanoseconds)."""

    frame: int
    received: int


@dataclass(slots=True)
class Told:
    """Rows by table, and the frames of the records that were taken, and of those refused.

    Frames ascend. A record may be refused in part.
    """

    batches: dict[str, pa.RecordBatch] = field(default_factory=dict)
    taken: Sequence[int] = ()
    refused: Mapping[str, Sequence[int]] = field(default_factory=dict)


class LinkTally:
    """Counts what records told since the start. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed_over = 0
        self._accepted = 0
        self._refused: Counter[str] = Counter()

    def pass_over(self, through: int) -> None:
        """Count nothing of frames up to this one: they were counted before a restart."""
        with self._lock:
            self._passed_over = through

    def add(self, told: Told) -> None:
        """Count what was told."""
        with self._lock:
            self._accepted += self._count(told.taken)
            for reason, frames in told.refused.items():
                self._refused[reason] += self._count(frames)

    def read(self) -> DoorCounters:
        """Return what was counted."""
        with self._lock:
            return DoorCounters(self._accepted, +self._refused)

    def _count(self, frames: Sequence[int]) -> int:
        # Large requests get their number when they are decoded: that of new ones, always.
        if not frames or not frames[-1]:
            return len(frames)
        return len(frames) - bisect_right(frames, self._passed_over)
