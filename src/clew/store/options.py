"""The bounds of a pipeline, of its log and of its flusher."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clew.store.flusher import FlushOptions
from clew.store.log.options import LogOptions

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """Bounds of the pipeline.

    Records are refused while more than `batches_waiting_max` batches wait for the engine: 200 000
    rows with the batch that is filling, about 200 MB, and as much again in the insert that runs;
    and while the rows in memory take more than `hot_bytes_max`, whatever their number.
    A record of 512 KiB takes about half a millisecond to decode; larger ones leave the event loop.
    """

    log: LogOptions = field(default_factory=LogOptions)
    flush: FlushOptions = field(default_factory=FlushOptions)
    batches_waiting_max: int = 3
    hot_bytes_max: int = 2 * 1024 * 1024 * 1024
    decode_inline_bytes_max: int = 512 * 1024
    close_timeout_s: float = 10.0
    clock: Callable[[], int] = time.time_ns
