"""The newest frames of a leader's log, in memory, for the servers that follow closely."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.store.replication.wire import Record

WINDOW_BYTES_MAX: Final = 64 * 1024 * 1024
"""As much as the log's queue holds: whoever is not further behind than that never waits for a
file. The bytes are those that the log was handed, not a copy."""

TRIM_RECORDS: Final = 256
"""Records go in lots of at least so many: taking one off the front of a list moves all others."""


class Window:
    """A stretch of frames without a hole. The caller guards it."""

    def __init__(self, after: int) -> None:
        """Begin empty; the next frame is the first after `after`."""
        self.after = after
        self.last = after
        self._records: list[Record] = []
        self._bytes = 0

    def push(self, record: Record) -> None:
        """Add the newest frame; the oldest go when there are too many."""
        self._records.append(record)
        self._bytes += record.size
        self.last = record.number
        if self._bytes > WINDOW_BYTES_MAX:
            size, count = 0, 0
            for each in self._records:
                if self._bytes - size <= WINDOW_BYTES_MAX // 2:
                    break
                size += each.size
                count += 1
            self._drop(count)

    def forget(self, through: int) -> None:
        """Let go of frames up to a number, some time."""
        count = bisect_right(self._records, through, key=_number)
        if count >= TRIM_RECORDS or count == len(self._records):
            self._drop(count)

    def has(self, after: int) -> bool:
        """Return whether every frame after a number is here."""
        return after >= self.after

    def read(self, after: int, bytes_max: int) -> list[Record]:
        """Return frames after a number: at least one if there is one, else up to `bytes_max`."""
        start = bisect_right(self._records, after, key=_number)
        size = 0
        for end in range(start, len(self._records)):
            size += self._records[end].size
            if size > bytes_max and end > start:
                return self._records[start:end]
        return self._records[start:]

    def bytes_after(self, after: int) -> int:
        """Return how many bytes the frames after a number have, of those that are here."""
        start = bisect_right(self._records, after, key=_number)
        return sum(record.size for record in self._records[start:])

    def _drop(self, count: int) -> None:
        if count:
            self.after = self._records[count - 1].number
            self._bytes -= sum(record.size for record in self._records[:count])
            del self._records[:count]


def _number(record: Record) -> int:
    return record.number
