"""The thread that takes acknowledged rows to the engine, one batch at a time.

Theory of operation. A batch is cut at 50 000 rows, because that is where a row is cheapest to
insert, or a second after its first row, so that little has to be decoded again after a crash (few
rows that follow on few wait five seconds); when the engine is behind, what has gathered goes in one
batch of up to 200 000. First the cut is made
durable in the log, then each table gets its rows as one insert under the token
``<log id>:<first>-<last>``, then the batch is flushed: its rows leave memory, its frames the log.
Whenever the process dies in between, the next one finds the cut and inserts the same rows under the
same token, which adds what is missing and nothing twice.

What the engine refuses for a while is tried again for ever; the log keeps the data, and
backpressure keeps the log bounded. What it refuses for a reason that will not pass is searched: the
insert is split in two, each half under a token of its own and recorded first, until one record
remains. That one is kept aside. A split is recorded per table, because the tables before it may
hold the batch already, under the whole batch's token. (This counts on an insert that is refused
for such a reason leaving nothing behind; the engine checks a block before it writes any part.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.store.hot import frame_numbers
from clew.store.log.frame import Cut, Split
from clew.store.log.history import RecordedBatch, find_frame
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from clew.store.engine.contract import Engine
    from clew.store.hot import Batch, HotRows, Waiting
    from clew.store.log.receipt import Receipt
    from clew.store.log.writer import Log
    from clew.store.recovery import Recovered
    from clew.store.refused import RefusedRecords
    from clew.store.table import Table

logger = logging.getLogger(__name__)

# One insert is one block of the engine, which its token names; blocks end at a million rows. Only
# one record with more rows than a whole batch gets here, and it is cut at the same rows each time.
INSERT_ROWS_MAX = 500_000

# Refused so often in a row, with the engine well otherwise, it is the rows. The waits between sum
# up to 1.5 s, enough for a merge or a query to end.
REFUSALS_MAX = 5

# A batch ends with what was decoded when it came due, so it waits for the disk to have that, which
# takes milliseconds. A disk that takes longer does not hold the batch up; it then ends earlier.
ALIGN_WAIT_S = 0.1

# So many frames without rows are let go of together; each time takes a look at the log's files.
ROWLESS_FRAMES = 1000

# What a client is told to wait when the engine is behind: as long as the last batch took, within
# what is worth a retry and what a client will wait.
RETRY_AFTER_MS_MIN = 100
RETRY_AFTER_MS_MAX = 5000

_PASSING = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.OVERLOADED, ErrorCode.TIMEOUT})


@dataclass(frozen=True, slots=True)
class FlushOptions:
    """When a batch is cut, and how much it may hold. Bytes are those of the records.

    50 000 rows cost 4.4 CPU-seconds per million to insert, 10 000 cost 8 and 200 000 save a little
    more at the price of memory. A record's rows take about as many bytes as the record, but more
    where a large resource is repeated on each row, and a text column of one insert ends at 2 GiB:
    so the rows themselves are bounded, too. However few rows a batch has, it costs some 20 ms of
    CPU for each table, the merges that follow included; so after one of fewer than `few_rows` the
    next waits `few_intervals` times as long, unless as many come before. What failed is tried again
    after `retry_min_s`, then after twice as long, up to `retry_max_s`: often enough that a
    recovered engine is not waited for, rarely enough not to burden one that is ill.
    """

    batch_rows: int = 50_000
    batch_rows_max: int = 200_000
    batch_bytes: int = 64 * 1024 * 1024
    batch_bytes_max: int = 256 * 1024 * 1024
    batch_arrow_bytes_max: int = 1024 * 1024 * 1024
    interval_s: float = 1.0
    few_rows: int = 1000
    few_intervals: int = 5
    retry_min_s: float = 0.1
    retry_max_s: float = 5.0


class _StoppedError(Exception):
    """The flusher was told to stop in the middle of a batch; the log keeps it."""


class Flusher:
    """Moves rows from memory into the engine until it is stopped.

    `tables` are in the order in which they are inserted into. `release` is told up to which frame
    all rows are in the engine.
    """

    def __init__(
        self,
        hot: HotRows,
        log: Log,
        engine: Engine,
        *,
        tables: Sequence[Table],
        refused: RefusedRecords,
        recovered: Recovered,
        options: FlushOptions,
        release: Callable[[int], None],
    ) -> None:
        self._hot = hot
        self._log = log
        self._engine = engine
        self._tables = tuple(tables)
        self._refused = refused
        self._recovered = recovered
        self._options = options
        self._release = release
        # Guards what follows, and is notified when any of it changes.
        self._changed = threading.Condition()
        self._wanted = 0
        self._is_idle = False
        self._is_aligning = False
        self._is_stopping = False
        self._deadline: float | None = None
        self._is_done = False
        self._last_error: ClewError | None = None
        self._insert_s = 0.0
        # Until when few rows wait, and whether they do now.
        self._rests_until = 0.0
        self._is_resting = False
        self._passed = 0
        # Of the flusher's thread alone: whether the batch in hand was split already.
        self._is_suspect = False
        self._thread = threading.Thread(target=self._run, name="clew-flush", daemon=True)

    def start(self) -> None:
        """Start flushing, with the batch that an earlier process left."""
        self._thread.start()

    @property
    def last_error(self) -> ClewError | None:
        """Why rows do not get into the engine at present, None when they do."""
        return self._last_error

    @property
    def retry_after_ms(self) -> int:
        """How long somebody should wait who met a full intake."""
        return min(max(int(self._insert_s * 1000), RETRY_AFTER_MS_MIN), RETRY_AFTER_MS_MAX)

    def poke(self) -> None:
        """Take note that records were acknowledged, or failed."""
        with self._changed:
            waiting = self._hot.waiting()
            is_rested = self._is_resting and waiting.acked_rows >= self._options.few_rows
            if self._is_idle or self._is_aligning or is_rested or self._is_full(waiting):
                self._changed.notify_all()

    def flush(self, through: int, *, timeout_s: float) -> None:
        """Block until every frame up to `through` is in the engine.

        Raises:
            ClewError: UNAVAILABLE when that does not happen in time.
        """
        with self._changed:
            self._wanted = max(self._wanted, through)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._has(through) or self._is_done, timeout_s)
            if self._has(through):
                return
        cause = self._last_error
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"the newest rows did not reach the engine: {cause or 'it is behind'}",
            hint="they are safe in the log; try again, and look at the ingest status",
            retry_after_ms=self.retry_after_ms,
        )

    def stop(self, *, timeout_s: float) -> bool:
        """Flush what is acknowledged and end; return whether everything got into the engine.

        After `timeout_s` the rest is left to the log, as soon as the insert that runs returns; and
        the log waits for no disk any more.
        """
        with self._changed:
            self._is_stopping = True
            self._deadline = time.monotonic() + timeout_s
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._log.give_up_waiting()
            self._thread.join()
        return self._hot.rows == 0

    def _has(self, through: int) -> bool:
        return self._hot.flushed >= through or self._hot.acked_rows == 0

    def _is_full(self, waiting: Waiting) -> bool:
        options = self._options
        return (
            waiting.acked_rows >= options.batch_rows or waiting.acked_bytes >= options.batch_bytes
        )

    def _run(self) -> None:
        try:
            recovered = self._recovered
            if recovered.batch is not None:
                self._store(recovered.batch, recovered.splits)
            while (frames := self._wait_for_batch()) is not None:
                first, last = frames
                self._record(lambda: self._log.record_cut(Cut(first, last)))  # noqa: B023
                self._store(self._hot.take_batch(first, last), ())
        except _StoppedError:
            logger.warning("stopped with rows that are not in the engine; the log keeps them")
        except Exception as error:
            # The boundary of the thread: whoever waits must hear of a fault of ours.
            logger.exception("the flusher stopped")
            self._note(ClewError(ErrorCode.INTERNAL, f"the flusher stopped: {error}"))
        finally:
            with self._changed:
                self._is_done = True
                self._changed.notify_all()

    def _wait_for_batch(self) -> tuple[int, int] | None:
        """Wait until a batch is due and return its frames; None when there is no more to do."""
        options = self._options
        with self._changed:
            while (left := self._time_left()) is None or left > 0:
                if self._is_stopping and left is None:
                    return None
                if left is None and self._log.is_shared:
                    self._pass_rowless()
                self._is_idle = left is None
                self._changed.wait(left)
                self._is_idle = False
            newest = self._hot.seal()
            self._is_aligning = True
            self._changed.wait_for(lambda: self._hot.is_settled(newest), ALIGN_WAIT_S)
            self._is_aligning = False
        return self._hot.plan_batch(
            newest,
            rows_max=options.batch_rows_max,
            bytes_max=options.batch_bytes_max,
            arrow_bytes_max=options.batch_arrow_bytes_max,
        )

    def _pass_rowless(self) -> None:
        """Let go of a log that only commits of the registry came to: no batch ever takes them."""
        through = self._hot.pass_rowless()
        if through - self._passed >= ROWLESS_FRAMES:
            self._passed = through
            self._log.record_flushed(through)
            self._release(through)

    def _time_left(self) -> float | None:
        """Return how long until a batch is due, None while no acknowledged row waits."""
        waiting = self._hot.waiting()
        if waiting.since is None:
            return None
        is_asked_for = self._is_stopping or self._wanted > self._hot.flushed
        if is_asked_for or self._is_full(waiting):
            return 0.0
        due = waiting.since + self._options.interval_s
        self._is_resting = waiting.acked_rows < self._options.few_rows and due < self._rests_until
        return (self._rests_until if self._is_resting else due) - time.monotonic()

    def _store(self, batch: Batch, splits: tuple[Split, ...]) -> None:
        """Get a batch into the engine and let go of it."""
        started = time.monotonic()
        self._is_suspect = bool(splits)
        recorded = RecordedBatch(batch.first, batch.last, splits)
        for table in self._tables:
            ranges = deque(recorded.ranges(table.name))
            while ranges:
                first, last = ranges.popleft()
                ranges.extendleft(reversed(self._insert(batch, table, first, last)))
        ended = time.monotonic()
        self._insert_s = ended - started
        is_small = batch.rows < self._options.few_rows
        pause = self._options.few_intervals * self._options.interval_s
        self._rests_until = ended + pause if is_small else 0.0
        self._hot.release_batch(batch)
        self._log.record_flushed(batch.last)
        self._release(batch.last)
        with self._changed:
            self._changed.notify_all()

    def _insert(self, batch: Batch, table: Table, first: int, last: int) -> list[tuple[int, int]]:
        """Insert the rows of some frames; return the halves when they have to be tried apart."""
        present = self._recovered.present.get(table.name, 0)
        rows = batch.rows_of(table.name, max(first, present + 1), last)
        if rows is None:
            return []
        refusals = 0
        for delay in self._delays():
            try:
                self._insert_pieces(table, rows, f"{self._log.id.hex()}:{first}-{last}")
            except Exception as error:  # noqa: BLE001 - the boundary to the engine
                # Whatever it raises, the rows are in the log and the thread has to go on.
                refusals = 0 if self._is_passing(error) else refusals + 1
                self._note(_as_clew_error(error))
                frames = sorted({n for c in rows.column(FRAME).chunks for n in frame_numbers(c)})
                if refusals < (1 if self._is_suspect and len(frames) > 1 else REFUSALS_MAX):
                    self._pause(delay)
                    continue
                if len(frames) > 1:
                    return self._split(table, first, frames[(len(frames) - 1) // 2], last)
                self._refuse(frames[0], table, error)
            self._note(None)
            break
        return []

    def _insert_pieces(self, table: Table, rows: pa.Table, token: str) -> None:
        if rows.num_rows <= INSERT_ROWS_MAX:
            self._engine.insert(table, rows, token=token)
            return
        for piece, offset in enumerate(range(0, rows.num_rows, INSERT_ROWS_MAX)):
            part = rows.slice(offset, INSERT_ROWS_MAX)
            self._engine.insert(table, part, token=f"{token}/{piece}")

    def _is_passing(self, error: Exception) -> bool:
        """Return whether a failed insert may succeed later as it is."""
        if isinstance(error, (OSError, MemoryError)):
            return True
        if isinstance(error, ClewError) and error.code in _PASSING:
            return True
        try:
            self._engine.check()
        except ClewError:
            return True
        return False

    def _split(self, table: Table, first: int, middle: int, last: int) -> list[tuple[int, int]]:
        logger.warning(
            "the engine refuses frames %d to %d for %s; trying the halves", first, last, table.name
        )
        self._is_suspect = True
        split = Split(first, middle, last, table.name)
        self._record(lambda: self._log.record_split(split))
        return [(first, middle), (middle + 1, last)]

    def _refuse(self, number: int, table: Table, error: Exception) -> None:
        """Keep a record aside, however long that takes: without it the rows would be lost."""
        for delay in self._delays():
            try:
                frame = find_frame(self._log.folder, number)
                if frame is None:
                    logger.error("frame %d is lost: the log does not hold it any more", number)
                    return
                self._refused.keep(frame, table=table.name, error=error)
            except (ClewError, OSError) as failure:
                self._note(_as_clew_error(failure))
                self._pause(delay)
            else:
                return

    def _record(self, record: Callable[[], Receipt]) -> None:
        """Make a word of ours durable in the log, however often the disk refuses it."""
        for delay in self._delays():
            try:
                record().wait()
            except ClewError as error:
                self._note(error)
                self._pause(delay)
            else:
                return

    def _delays(self) -> Iterator[float]:
        """Yield endless waits between tries."""
        delay = self._options.retry_min_s
        while True:
            yield delay
            delay = min(2 * delay, self._options.retry_max_s)

    def _pause(self, delay: float) -> None:
        """Wait before another try.

        Raises:
            _StoppedError: there is no more time for one.
        """
        with self._changed:
            if self._deadline is None:
                self._changed.wait_for(lambda: self._deadline is not None, delay)
            if self._deadline is not None and time.monotonic() + delay > self._deadline:
                raise _StoppedError
            if self._deadline is not None:
                self._changed.wait_for(lambda: False, delay)

    def _note(self, error: ClewError | None) -> None:
        """Remember why rows do not get through; say so once when that changes."""
        before, self._last_error = self._last_error, error
        if error is not None and (before is None or before.message != error.message):
            logger.warning("rows wait in the log: %s", error.message)
        if error is None and before is not None:
            logger.info("rows get into the engine again")


def _as_clew_error(error: Exception) -> ClewError:
    if isinstance(error, ClewError):
        return error
    return ClewError(ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")
