"""Whether there is room for another record's rows before the engine has taken those that wait."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.store.hot import HotRows
    from clew.store.options import PipelineOptions


class Admission:
    """Counts what waits for the engine, and what is being decoded and will."""

    def __init__(
        self, hot: HotRows, options: PipelineOptions, *, retry_after_ms: Callable[[], int]
    ) -> None:
        self._hot = hot
        self._options = options
        self._retry_after_ms = retry_after_ms
        self._bytes_decoding = 0

    @contextmanager
    def decoding(self, size: int) -> Iterator[None]:
        """Count a record while it is decoded elsewhere. On the event loop."""
        self._bytes_decoding += size
        try:
            yield
        finally:
            self._bytes_decoding -= size

    def batches_waiting(self) -> int:
        """Return how many whole batches wait for the engine."""
        waiting = self._hot.waiting()
        return self._batches(waiting.rows, waiting.bytes)

    def check(self) -> None:
        """Raise while too much waits for the engine.

        Raises:
            ClewError: OVERLOADED with a time to wait.
        """
        waiting = self._hot.waiting()
        batches = self._batches(waiting.rows, waiting.bytes + self._bytes_decoding)
        is_too_much = waiting.sealed_bytes > self._options.hot_bytes_max
        if batches > self._options.batches_waiting_max or is_too_much:
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"{waiting.rows} rows wait for the engine",
                hint="send again after the time given, or send less",
                retry_after_ms=self._retry_after_ms(),
            )

    def _batches(self, rows: int, size: int) -> int:
        flush = self._options.flush
        return max(rows // flush.batch_rows, size // flush.batch_bytes)
