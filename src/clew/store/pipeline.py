"""From a record's bytes to rows that are durable and can be read: log, decode, insert.

Theory of operation. `accept` decodes a record and appends its bytes to the log without waiting in
between, so that the order of the log is the order of the rows; then it waits for the disk. When it
returns, the record survives a crash and every later `snapshot` shows its rows. A thread takes rows
to the engine behind everybody's back (`clew.store.flusher`). After a crash the log is read back:
its last batch is inserted again under its old token, and the records after it are decoded again,
with the arguments they were decoded with, into the same rows.

One event loop calls `accept`, `wait_acked` and `close`; everything else may come from any thread.

Where there are several servers, the log carries the commits of the registry as well (`record`).
They have no rows; the registry keeps them itself, once they are acknowledged, and is given those
that it may not have (`Changes`) when a log is read back and where another server wrote them.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from clew.base.errors import ClewError, ErrorCode
from clew.store.decoder import MalformedRecordError
from clew.store.flusher import Flusher, FlushOptions
from clew.store.folder import FolderLock
from clew.store.frame import CHANGES, RECORD_KIND_MAX, RECORD_KIND_MIN
from clew.store.history import History
from clew.store.hot import append_to_empty, number_rows
from clew.store.log import Log, LogOptions
from clew.store.recovery import recover
from clew.store.refused import RefusedRecords
from clew.store.status import KindStatus, PipelineStatus, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pyarrow as pa

    from clew.store.decoder import Decoded, Decoder
    from clew.store.engine.contract import Engine, Snapshot
    from clew.store.log import Group
    from clew.store.table import Table

__all__ = ["Changes", "KindStatus", "Pipeline", "PipelineOptions", "PipelineStatus", "RecordKind"]

_NS_PER_S = 1_000_000_000

OLDEST_MIN_NS = 946_684_800 * _NS_PER_S
"""2000-01-01T00:00:00Z. A record that says it is older has a clock that was never set."""

# Two at a time: more would only take turns at the cores, each holding a large body.
_DECODE_THREADS = 2


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A kind of record that a strand writes.

    `code` stands in the log for ever (16..255). Kinds may share tables. Rows older than
    `retention_seconds` are refused; None refuses none but the absurd (`OLDEST_MIN_NS`).
    `prepare` is called with records before they are decoded, in a thread where it may ask the
    engine; it is also given how to take a snapshot, which holds every record that was acknowledged
    before. It MUST NOT raise. While a log is read back it is called with stretches of records, and
    the snapshot is that of before the first of all.
    """

    code: int
    name: str
    tables: tuple[Table, ...]
    open_decoder: Callable[[], Decoder]
    retention_seconds: int | None = None
    prepare: Callable[[Sequence[bytes], Callable[[], Snapshot]], None] | None = None


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


class Changes(Protocol):
    """Where the commits of the registry go that the log brings: the registry."""

    def apply(self, number: int, payload: bytes) -> object:
        """Take in a commit, in the order of the log; what is there already is passed over."""
        ...

    def applied(self) -> int:
        """Return up to which number all commits are there to stay."""
        ...


class Pipeline:
    """Takes in records of the kinds it was opened with. `open` it, `close` it once."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        kinds: Sequence[RecordKind],
        options: PipelineOptions,
        lock: FolderLock | None,
        *,
        history: History,
        changes: Changes | None,
    ) -> None:
        self._kinds = {kind.code: kind for kind in kinds}
        self._options = options
        self._lock = lock
        self._tallies = {kind.code: Tally() for kind in kinds}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._group_settled: asyncio.Future[None] | None = None
        self._bytes_decoding = 0
        self._is_closing = False
        self._is_closed = False
        self._refused = RefusedRecords(folder / "refused")
        tables = list(dict.fromkeys(table for kind in kinds for table in kind.tables))
        self._changes = changes
        # Held from the decoding of a record to its `append`, so that frames are appended as they
        # are numbered, whichever thread brings them.
        self._appending = threading.Lock()
        self._recorded: deque[tuple[int, Future[int]]] = deque()
        applied = changes.applied() if changes is not None else history.last
        self._unapplied = deque(f.number for f in history.changes if f.number > applied)
        self._damaged_frames = history.frames_lost
        newest = engine.newest_frame(tables)
        self._hot, recovered = recover(history, newest, engine, kinds, self._refused)
        self._log = Log.open(
            history,
            next_number=max(history.last, newest) + 1,
            settle=self._hear_of_group,
            options=options.log,
            released=self._limit_release(history.flushed),
        )
        self._flusher = Flusher(
            self._hot,
            self._log,
            engine,
            tables=tables,
            refused=self._refused,
            recovered=recovered,
            options=options.flush,
            release=lambda through: self._log.release(self._limit_release(through)),
        )
        if changes is not None:
            for number, payload in history.read_changes(applied, history.last):
                changes.apply(number, payload)
        self._decode_pool = ThreadPoolExecutor(_DECODE_THREADS, "clew-decode")

    @classmethod
    def open(
        cls,
        folder: Path,
        engine: Engine,
        kinds: Sequence[RecordKind],
        options: PipelineOptions | None = None,
        *,
        lock: FolderLock | None = None,
        history: History | None = None,
        changes: Changes | None = None,
    ) -> Self:
        """Take a data folder for this process, and go on where the last process stopped.

        The tables of `kinds` exist already (`Engine.create`). Blocks while the log is read back.
        The folder's `log` and `refused` are the pipeline's; the engine stays the caller's, who
        closes it after the pipeline. A caller who holds the folder's lock hands it in and keeps it;
        one who has read the log's `history` since then, too. `changes` is given what the log holds
        of commits of the registry that it may not have.

        Raises:
            ClewError: CONFLICT when another process has the folder; UNAVAILABLE or FORBIDDEN when
                it cannot be written; whatever the engine raises.
        """
        _check_kinds(kinds)
        own_lock = FolderLock.acquire(folder) if lock is None else None
        try:
            pipeline = cls(
                folder,
                engine,
                kinds,
                options or PipelineOptions(),
                own_lock,
                history=history or History.read(folder / "log"),
                changes=changes,
            )
        except BaseException:
            if own_lock is not None:
                own_lock.release()
            raise
        pipeline._flusher.start()
        return pipeline

    @property
    def acked(self) -> int:
        """The newest acknowledged frame."""
        return self._hot.acked

    async def accept(self, kind: RecordKind, body: bytes) -> Decoded:
        """Make a record durable and visible; return how many of its rows were kept.

        A record none of whose rows can be kept is not written at all.

        Raises:
            MalformedRecordError: the bytes do not parse.
            ClewError: OVERLOADED with a time to wait; UNAVAILABLE when it could not be written or
                the pipeline is closing; TOO_LARGE when no frame or no batch can hold it. Nothing
                of the record was kept.
        """
        tally = self._tallies[kind.code]
        self._loop = asyncio.get_running_loop()
        received = self._options.clock()
        oldest = OLDEST_MIN_NS
        if kind.retention_seconds is not None:
            oldest = max(oldest, received - kind.retention_seconds * _NS_PER_S)
        self._admit(tally, len(body))
        try:
            if kind.prepare is not None:
                await self._prepare(kind, kind.prepare, body)
            if len(body) <= self._options.decode_inline_bytes_max:
                decoded, waiter = self._decode_here(kind, body, received, oldest)
            else:
                decoded, waiter = await self._decode_apart(kind, body, received, oldest)
        except MalformedRecordError:
            tally.malformed += 1
            raise
        if waiter is not None:
            try:
                await waiter
            except ClewError:
                tally.failed += 1
                raise
        tally.count(decoded, received)
        return decoded

    def record(self, payload: bytes) -> Future[int]:
        """Write a commit of the registry into the log; from any thread, without waiting.

        The future gives the number of its frame once that is acknowledged. It raises ClewError when
        the commit is not in the log, and never will be.
        """
        future: Future[int] = Future()
        try:
            with self._appending:
                self._check_open()
                self._log.check_room(len(payload))
                number = self._log.append(
                    CHANGES, payload, received=self._options.clock(), oldest=0
                )
                self._recorded.append((number, future))
                self._unapplied.append(number)
        except ClewError as error:
            future.set_exception(error)
        return future

    def snapshot(self) -> Snapshot:
        """Return what a query that starts now may see. From any thread."""
        return self._hot.snapshot()

    def flush(self, timeout_s: float = 30.0) -> None:
        """Block until everything acknowledged so far is in the engine. Not on the event loop.

        Raises:
            ClewError: UNAVAILABLE when the engine does not take it in time.
        """
        self._flusher.flush(self._hot.acked, timeout_s=timeout_s)

    async def wait_acked(self, after: int, timeout_s: float) -> int:
        """Wait until a frame after `after` is acknowledged, and return the newest one.

        Returns it also when the time is up or the pipeline closes: then it may be `after` still.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._hot.acked <= after and not self._is_closing:
                    await self._next_group()
        return self._hot.acked

    def status(self) -> PipelineStatus:
        """Return how the pipeline is. From any thread."""
        waiting = self._hot.waiting()
        error = self._log.failure or self._flusher.last_error
        return PipelineStatus(
            acked=self._hot.acked,
            flushed=self._hot.flushed,
            hot_rows=self._hot.rows,
            batches_waiting=self._batches_waiting(waiting.rows, waiting.bytes),
            log_bytes=self._log.size,
            log_bytes_max=self._log.size_max,
            kinds={kind.name: self._tallies[code].status() for code, kind in self._kinds.items()},
            damaged_frames=self._damaged_frames,
            refused_frames=self._refused.count,
            last_error=error.message if error else None,
            writable=self._log.failure is None and not self._is_closing,
        )

    async def close(self) -> None:
        """Take in nothing more, bring what is acknowledged to the engine, let go of the folder.

        What the engine does not take in time stays in the log for the next start. Idempotent.
        """
        if self._is_closed:
            return
        self._is_closing = True
        self._announce_group()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.close_timeout_s):
                while self._waiters:
                    await self._next_group()
        await asyncio.to_thread(self._shut)
        self._is_closed = True

    def _shut(self) -> None:
        self._decode_pool.shutdown(wait=True)
        self._flusher.stop(timeout_s=self._options.close_timeout_s)
        self._log.close()
        if self._lock is not None:
            self._lock.release()

    def _batches_waiting(self, rows: int, size: int) -> int:
        flush = self._options.flush
        return max(rows // flush.batch_rows, size // flush.batch_bytes)

    def _admit(self, tally: Tally, size: int) -> None:
        try:
            self._check_room(size)
        except ClewError as error:
            if error.code is ErrorCode.OVERLOADED:
                tally.shed += 1
            raise

    def _check_open(self) -> None:
        if self._is_closing:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                "the store is closing",
                hint="send again to the next one",
                retry_after_ms=1000,
            )

    def _check_room(self, size: int) -> None:
        """Raise unless a record of this size can be taken in now."""
        self._check_open()
        waiting = self._hot.waiting()
        batches = self._batches_waiting(waiting.rows, waiting.bytes + self._bytes_decoding)
        is_too_much = waiting.sealed_bytes > self._options.hot_bytes_max
        if batches > self._options.batches_waiting_max or is_too_much:
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"{waiting.rows} rows wait for the engine",
                hint="send again after the time given, or send less",
                retry_after_ms=self._flusher.retry_after_ms,
            )
        self._log.check_room(size)

    async def _prepare(
        self,
        kind: RecordKind,
        prepare: Callable[[Sequence[bytes], Callable[[], Snapshot]], None],
        body: bytes,
    ) -> None:
        """Have a record prepared in another thread; others overtake it meanwhile."""
        assert self._loop is not None
        self._bytes_decoding += len(body)
        try:
            await self._loop.run_in_executor(self._decode_pool, prepare, (body,), self.snapshot)
        finally:
            self._bytes_decoding -= len(body)
        self._admit(self._tallies[kind.code], len(body))

    def _decode_here(
        self, kind: RecordKind, body: bytes, received: int, oldest: int
    ) -> tuple[Decoded, asyncio.Future[None] | None]:
        """Decode a record and append it; what to wait for is None when no row of it is kept."""
        with self._appending:
            decoded = self._hot.decode(
                kind.code, body, frame=self._log.next_number, received=received, oldest=oldest
            )
            if not decoded.accepted:
                return decoded, None
            return decoded, self._append(kind, body, received, oldest)

    def _append(
        self, kind: RecordKind, body: bytes, received: int, oldest: int
    ) -> asyncio.Future[None]:
        assert self._loop is not None
        waiter: asyncio.Future[None] = self._loop.create_future()
        number = self._log.append(kind.code, body, received=received, oldest=oldest)
        self._waiters.append((number, waiter))
        return waiter

    async def _decode_apart(
        self, kind: RecordKind, body: bytes, received: int, oldest: int
    ) -> tuple[Decoded, asyncio.Future[None] | None]:
        """Decode a large record in another thread, and give it its number only then.

        Smaller records overtake it meanwhile, as if it had arrived when it was decoded.
        """
        assert self._loop is not None
        self._bytes_decoding += len(body)
        try:
            decoded, batches = await self._loop.run_in_executor(
                self._decode_pool, _decode_one, kind, body, received, oldest
            )
        finally:
            self._bytes_decoding -= len(body)
        if not decoded.accepted:
            return decoded, None
        self._admit(self._tallies[kind.code], len(body))
        with self._appending:
            number = self._log.next_number
            numbered = number_rows(batches, number)
            self._hot.add(kind.code, numbered, frame=number, rows=decoded.accepted, size=len(body))
            return decoded, self._append(kind, body, received, oldest)

    def _limit_release(self, through: int) -> int:
        """Return up to which frame the log is not needed: the registry may lag behind."""
        if self._changes is None:
            return through
        applied = self._changes.applied()
        with self._appending:
            while self._unapplied and self._unapplied[0] <= applied:
                self._unapplied.popleft()
            return min(through, self._unapplied[0] - 1) if self._unapplied else through

    def _hear_of_group(self, group: Group) -> None:
        """Pass the log's word on to the event loop. In the log's thread."""
        self._answer_recorded(group)
        if self._loop is None:
            # Nobody but the registry has written yet.
            self._take_note(group)
            return
        try:
            self._loop.call_soon_threadsafe(self._settle, group)
        except RuntimeError:
            # The loop is closed and nobody waits; the rows still go their way.
            self._take_note(group)

    def _answer_recorded(self, group: Group) -> None:
        """Answer for the commits of a group: at once, since the event loop may wait for them."""
        answered = []
        with self._appending:
            while self._recorded and self._recorded[0][0] <= group.last:
                answered.append(self._recorded.popleft())
                if group.failure is not None:
                    self._unapplied.remove(answered[-1][0])
        for number, future in answered:
            error = group.error()
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(number)

    def _settle(self, group: Group) -> None:
        self._take_note(group)
        while self._waiters and self._waiters[0][0] <= group.last:
            _, waiter = self._waiters.popleft()
            if waiter.done():
                continue
            if (error := group.error()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(None)
        self._announce_group()

    def _take_note(self, group: Group) -> None:
        if group.failure is None:
            self._hot.acknowledge(group.last)
        else:
            self._hot.discard(group.first, group.last)
        self._flusher.poke()

    async def _next_group(self) -> None:
        """Wait until the log has settled another group, or the pipeline begins to close."""
        if self._group_settled is None:
            self._group_settled = asyncio.get_running_loop().create_future()
        # Shared by all who wait, so that one of them giving up must not cancel it.
        await asyncio.shield(self._group_settled)

    def _announce_group(self) -> None:
        if self._group_settled is not None and not self._group_settled.done():
            self._group_settled.set_result(None)
        self._group_settled = None


def _check_kinds(kinds: Sequence[RecordKind]) -> None:
    codes = [kind.code for kind in kinds]
    names = [kind.name for kind in kinds]
    for what in (codes, names):
        if len(set(what)) < len(what):
            raise ValueError(f"kinds of record share something: {what}")
    if CHANGES in codes:
        raise ValueError(f"code {CHANGES} is that of the registry's commits")
    if not all(RECORD_KIND_MIN <= code <= RECORD_KIND_MAX for code in codes):
        raise ValueError(f"codes must be {RECORD_KIND_MIN} to {RECORD_KIND_MAX}: {codes}")


def _decode_one(
    kind: RecordKind, body: bytes, received: int, oldest: int
) -> tuple[Decoded, dict[str, pa.RecordBatch]]:
    decoder = kind.open_decoder()
    decoded = append_to_empty(decoder, body, frame=0, received=received, oldest=oldest)
    return decoded, decoder.finish()
