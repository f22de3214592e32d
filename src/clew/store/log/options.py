"""The bounds of a log."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Bounds of the log.

    Segments of 64 MiB keep deletion fine-grained and the number of files below 40. 2 GiB is about
    four million spans: an engine that is down for so long is not coming back by itself. The queue
    holds what arrives while one group is written; it is memory, so it is small. A disk that refused
    a write is tried again every second. `is_shared` says that other servers have a part in the log;
    so many bytes of it, `kept_bytes_max`, are kept for them beyond what the engine has.
    """

    segment_bytes: int = 64 * 1024 * 1024
    bytes_max: int = 2 * 1024 * 1024 * 1024
    queue_bytes_max: int = 64 * 1024 * 1024
    queue_frames_max: int = 10_000
    probe_s: float = 1.0
    is_shared: bool = False
    kept_bytes_max: int = 0
    clock: Callable[[], int] = time.time_ns
