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
import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from clew.base.errors import ClewError, ErrorCode
from clew.store.admission import Admission
from clew.store.commits import Commits
from clew.store.database.contract import OutcomeUnknownError
from clew.store.decoder import MalformedRecordError
from clew.store.flusher import Flusher
from clew.store.folder import FolderLock
from clew.store.hot import append_to_empty, number_rows
from clew.store.kind import NS_PER_S, OLDEST_MIN_NS, Changes, RecordKind, check_kinds
from clew.store.log.frame import CHANGES, LEADERSHIP
from clew.store.log.history import History
from clew.store.log.writer import Log
from clew.store.options import PipelineOptions
from clew.store.recovery import recover
from clew.store.refused import RefusedRecords, keep_aside
from clew.store.replication.part import Inside, share
from clew.store.replication.resends import Resends
from clew.store.replication.wire import Record
from clew.store.status import KindStatus, PipelineStatus, Tally
from clew.store.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pyarrow as pa

    from clew.store.decoder import Decoded
    from clew.store.engine.contract import Engine, Snapshot
    from clew.store.log.receipt import Group
    from clew.store.replication.part import Part

__all__ = [
    "OLDEST_MIN_NS",
    "Changes",
    "KindStatus",
    "Pipeline",
    "PipelineOptions",
    "PipelineStatus",
    "RecordKind",
]

# Two at a time: more would only take turns at the cores, each holding a large body.
_DECODE_THREADS = 2


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
        part: Part | None,
    ) -> None:
        self._kinds = {kind.code: kind for kind in kinds}
        self._options = options
        self._lock = lock
        self._tallies = {kind.code: Tally() for kind in kinds}
        self._waiters = Waiters()
        self._is_closing = False
        self._is_closed = False
        self._refused = RefusedRecords(folder / "refused")
        tables = list(dict.fromkeys(table for kind in kinds for table in kind.tables))
        # Held from the decoding of a record to its `append`, so that frames are appended as they
        # are numbered, whichever thread brings them.
        self._appending = threading.Lock()
        self._part = part
        applied = changes.applied() if changes is not None else history.last
        self._commits = Commits(changes, (f.number for f in history.changes if f.number > applied))
        self._damaged_frames = history.frames_lost
        newest = engine.newest_frame(tables)
        last = max(history.last, newest)
        acked = last if part is None else max(history.acked, newest)
        self._hot, recovered = recover(
            history,
            newest,
            engine,
            kinds,
            self._refused,
            acked=acked,
            # What others may still take back is not decoded: decoders remember.
            decode_through=last if part is None or part.is_leader else acked,
        )
        self._log = Log.open(
            history,
            next_number=last + 1,
            settle=self._hear_of_group if part is None else part.hear_of_group,
            options=options.log if part is None else share(options.log),
            epoch=None if part is None else part.begin(history, last + 1),
            released=self._commits.limit_release(history.flushed),
        )
        self._flusher = Flusher(
            self._hot,
            self._log,
            engine,
            tables=tables,
            refused=self._refused,
            recovered=recovered,
            options=options.flush,
            release=lambda through: self._log.release(self._commits.limit_release(through)),
        )
        self._admission = Admission(
            self._hot, options, retry_after_ms=lambda: self._flusher.retry_after_ms
        )
        for number, payload in history.read_changes(applied, acked):
            if changes is not None:
                changes.apply(number, payload)
        if part is not None and part.is_leader:
            for number, payload in history.read_changes(acked, last):
                self._commits.expect(number, payload, math.inf, None)
        self._pending = [f for f in history.frames if f.number > acked]
        self._resends = None
        if part is not None and part.is_leader:
            self._resends = Resends(part.ack_timeout_s, part.describe_unknown)
            self._resends.remember_tail(self._log.folder, self._log.id, last, options.clock())
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
        part: Part | None = None,
    ) -> Self:
        """Take a data folder for this process, and go on where the last process stopped.

        The tables of `kinds` exist already (`Engine.create`). Blocks while the log is read back.
        The folder's `log` and `refused` are the pipeline's; the engine stays the caller's, who
        closes it after the pipeline. A caller who holds the folder's lock hands it in and keeps it;
        one who has read the log's `history` since then, too. `changes` is given what the log holds
        of commits of the registry that it may not have. `part` is this server's in a group; it is
        closed with the pipeline.

        Raises:
            ClewError: CONFLICT when another process has the folder; UNAVAILABLE or FORBIDDEN when
                it cannot be written; whatever the engine raises.
        """
        check_kinds(kinds)
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
                part=part,
            )
        except BaseException:
            if own_lock is not None:
                own_lock.release()
            raise
        pipeline._flusher.start()
        pipeline._join()
        return pipeline

    @property
    def acked(self) -> int:
        """The newest acknowledged frame."""
        return self._hot.acked

    async def accept(self, kind: RecordKind, body: bytes) -> Decoded:
        """Make a record durable and visible; return how many of its rows were kept.

        A record none of whose rows can be kept is not written at all.

        In a group it returns once as many servers have the record as was promised, and says how
        many that are. The same bytes again, while it is undecided, are not counted again.

        Raises:
            MalformedRecordError: the bytes do not parse.
            OutcomeUnknownError: the other servers did not answer in time.
            ClewError: OVERLOADED with a time to wait; UNAVAILABLE when it could not be written or
                the pipeline is closing; TOO_LARGE when no frame or no batch can hold it. Nothing
                of the record was kept.
        """
        tally = self._tallies[kind.code]
        self._waiters.enter()
        received = self._options.clock()
        if self._resends is not None:
            return await self._accept_once(kind, body, received, self._resends)
        decoded, waiter = await self._take(kind, body, received)
        if waiter is not None:
            try:
                await waiter
            except ClewError:
                tally.failed += 1
                raise
        tally.count(decoded, received)
        return decoded

    async def _accept_once(
        self, kind: RecordKind, body: bytes, received: int, resends: Resends
    ) -> Decoded:
        """Accept a record of a group, unless the same bytes are on their way already."""
        assert self._part is not None
        is_first = False

        async def take() -> tuple[Decoded, asyncio.Future[int] | None]:
            nonlocal is_first
            is_first = True
            return await self._take(kind, body, received)

        tally = self._tallies[kind.code]
        try:
            decoded, number = await resends.once(kind.code, body, take, self.wait_acked)
        except OutcomeUnknownError:
            tally.failed += 1
            raise
        if is_first:
            tally.count(decoded, received)
        if number is None:
            return decoded
        # Whoever has the newest that is acknowledged has what was so before.
        return replace(decoded, copies=self._part.count_copies(number or None))

    async def _take(
        self, kind: RecordKind, body: bytes, received: int
    ) -> tuple[Decoded, asyncio.Future[int] | None]:
        """Decode and append a record; what to wait for is None when no row of it is kept."""
        tally = self._tallies[kind.code]
        oldest = OLDEST_MIN_NS
        if kind.retention_seconds is not None:
            oldest = max(oldest, received - kind.retention_seconds * NS_PER_S)
        self._admit(tally, len(body))
        try:
            if kind.prepare is not None:
                await self._prepare(kind, kind.prepare, body)
            if len(body) <= self._options.decode_inline_bytes_max:
                return self._decode_here(kind, body, received, oldest)
            return await self._decode_apart(kind, body, received, oldest)
        except MalformedRecordError:
            tally.malformed += 1
            raise

    def record(self, payload: bytes) -> Future[int]:
        """Write a commit of the registry into the log; from any thread, without waiting.

        The future gives the number of its frame once that is acknowledged. It raises ClewError when
        the commit is not in the log, and never will be; OutcomeUnknownError when nobody knows that,
        and then the registry is given the commit if it is acknowledged after all.
        """
        future: Future[int] = Future()
        timeout_s = math.inf if self._part is None else self._part.ack_timeout_s
        received = self._options.clock()
        try:
            with self._appending:
                self._check_open()
                self._log.check_room(len(payload))
                number = self._log.next_number
                self._commits.expect(number, payload, time.monotonic() + timeout_s, future)
                try:
                    self._append(CHANGES, payload, received, 0)
                except ClewError:
                    self._commits.withdraw(number)
                    raise
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

    def settle_whole(self) -> int:
        """Flush, and return up to which frame engine and registry have everything. Blocks.

        Raises:
            ClewError: UNAVAILABLE when the engine does not take it in time.
        """
        self.flush()
        return self._commits.limit_release(self._hot.flushed)

    async def wait_acked(self, after: int, timeout_s: float) -> int:
        """Wait until a frame after `after` is acknowledged, and return the newest one.

        Returns it also when the time is up or the pipeline closes: then it may be `after` still.
        """
        self._waiters.enter()
        await self._waiters.wait_until(
            lambda: self._hot.acked > after or self._is_closing, timeout_s
        )
        return self._hot.acked

    def status(self) -> PipelineStatus:
        """Return how the pipeline is. From any thread."""
        error = self._log.failure or self._flusher.last_error
        return PipelineStatus(
            acked=self._hot.acked,
            flushed=self._hot.flushed,
            hot_rows=self._hot.rows,
            hot_bytes=self._hot.waiting().sealed_bytes,
            hot_bytes_max=self._options.hot_bytes_max,
            batches_waiting=self._admission.batches_waiting(),
            batches_waiting_max=self._options.batches_waiting_max,
            log_bytes=self._log.size,
            log_bytes_max=self._log.size_max,
            kinds={kind.name: self._tallies[code].status() for code, kind in self._kinds.items()},
            damaged_frames=self._damaged_frames,
            refused_frames=self._refused.count,
            last_error=error.message if error else None,
            writable=self._log.failure is None and not self._is_closing,
            group=None if self._part is None else self._part.status(),
            data_id=(self._part and self._part.standing.group) or self._log.id.hex(),
        )

    async def close(self) -> None:
        """Take in nothing more, bring what is acknowledged to the engine, let go of the folder.

        What the engine does not take in time stays in the log for the next start. Idempotent.
        """
        if self._is_closed:
            return
        self._is_closing = True
        self._waiters.announce()
        has_hope = self._part is None or self._part.has_hope
        await self._waiters.empty(self._options.close_timeout_s if has_hope else 0)
        await asyncio.to_thread(self._shut)
        if self._part is not None:
            self._waiters.abandon(self._part.describe_unknown)
            self._commits.expire(math.inf, self._part.describe_unknown)
        self._is_closed = True

    def _join(self) -> None:
        """Let this server's part in a group begin."""
        if self._part is None:
            return
        is_undecided = self._log.next_number - 1 > self._hot.acked
        self._part.connect(
            Inside(
                log=self._log,
                acked=self._hot.acked,
                pending=self._pending,
                settle=self._hear_of_group,
                take_in=self._take_in,
                expire=self._commits.expire,
                flushed=lambda: self._hot.flushed,
                check_room=self._admission.check,
            )
        )
        if self._part.is_leader and is_undecided:
            with self._appending:
                self._append(LEADERSHIP, b"", self._options.clock(), 0)

    def _shut(self) -> None:
        self._decode_pool.shutdown(wait=True)
        if self._part is not None:
            self._part.close()
        self._flusher.stop(timeout_s=self._options.close_timeout_s)
        self._log.close()
        if self._lock is not None:
            self._lock.release()

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
        if self._part is not None:
            self._part.check()

    def _check_room(self, size: int) -> None:
        """Raise unless a record of this size can be taken in now."""
        self._check_open()
        self._admission.check()
        self._log.check_room(size)

    async def _prepare(
        self,
        kind: RecordKind,
        prepare: Callable[[Sequence[bytes], Callable[[], Snapshot]], None],
        body: bytes,
    ) -> None:
        """Have a record prepared in another thread; others overtake it meanwhile."""
        loop = asyncio.get_running_loop()
        with self._admission.decoding(len(body)):
            await loop.run_in_executor(self._decode_pool, prepare, (body,), self.snapshot)
        self._admit(self._tallies[kind.code], len(body))

    def _decode_here(
        self, kind: RecordKind, body: bytes, received: int, oldest: int
    ) -> tuple[Decoded, asyncio.Future[int] | None]:
        """Decode a record and append it; what to wait for is None when no row of it is kept."""
        with self._appending:
            decoded = self._hot.decode(
                kind.code, body, frame=self._log.next_number, received=received, oldest=oldest
            )
            if not decoded.accepted:
                return decoded, None
            return decoded, self._append_waited(kind, body, received, oldest)

    def _append_waited(
        self, kind: RecordKind, body: bytes, received: int, oldest: int
    ) -> asyncio.Future[int]:
        return self._waiters.expect(self._append(kind.code, body, received, oldest))

    def _append(self, kind: int, payload: bytes, received: int, oldest: int) -> int:
        number = self._log.append(kind, payload, received=received, oldest=oldest)
        if self._part is not None:
            epoch = self._log.epoch
            self._part.offer(Record(number, epoch, kind, received, oldest, payload))
        return number

    def _take_in(self, records: Sequence[Record]) -> None:
        """Decode frames of another server; nothing else brings rows then."""
        for kind in self._kinds.values():
            bodies = [record.payload for record in records if record.kind == kind.code]
            if bodies and kind.prepare is not None:
                kind.prepare(bodies, self.snapshot)
        for record in records:
            if record.kind == CHANGES:
                self._commits.bring(record.number, record.payload)
                continue
            if record.kind == LEADERSHIP:
                continue
            try:
                self._decode_frame(record)
            except (MalformedRecordError, ClewError) as error:
                keep_aside(self._refused, self._log.folder, record.number, error)

    def _decode_frame(self, record: Record) -> None:
        if record.kind not in self._kinds:
            raise ClewError(ErrorCode.UNSUPPORTED, f"no kind of record has the code {record.kind}")
        self._hot.decode(
            record.kind,
            record.payload,
            frame=record.number,
            received=record.received,
            oldest=record.oldest,
        )

    async def _decode_apart(
        self, kind: RecordKind, body: bytes, received: int, oldest: int
    ) -> tuple[Decoded, asyncio.Future[int] | None]:
        """Decode a large record in another thread, and give it its number only then.

        Smaller records overtake it meanwhile, as if it had arrived when it was decoded.
        """
        loop = asyncio.get_running_loop()
        with self._admission.decoding(len(body)):
            decoded, batches = await loop.run_in_executor(
                self._decode_pool, _decode_one, kind, body, received, oldest
            )
        if not decoded.accepted:
            return decoded, None
        self._admit(self._tallies[kind.code], len(body))
        with self._appending:
            number = self._log.next_number
            numbered = number_rows(batches, number)
            self._hot.add(kind.code, numbered, frame=number, rows=decoded.accepted, size=len(body))
            return decoded, self._append_waited(kind, body, received, oldest)

    def _hear_of_group(self, group: Group) -> None:
        """Pass the log's word on to the event loop. From the threads of the log, or of the part."""
        self._commits.answer(group)
        if self._part is not None and not self._part.is_leader:
            # No event loop waits for frames but for their news.
            self._take_note(group)
            self._waiters.call(self._waiters.announce)
        elif not self._waiters.call(self._settle, group):
            # Nobody waits; the rows still go their way.
            self._take_note(group)

    def _settle(self, group: Group) -> None:
        self._take_note(group)
        self._waiters.settle(group)

    def _take_note(self, group: Group) -> None:
        if group.failure is None:
            self._hot.acknowledge(group.last)
        else:
            self._hot.discard(group.first, group.last)
        self._flusher.poke()


def _decode_one(
    kind: RecordKind, body: bytes, received: int, oldest: int
) -> tuple[Decoded, dict[str, pa.RecordBatch]]:
    decoder = kind.open_decoder()
    decoded = append_to_empty(decoder, body, frame=0, received=received, oldest=oldest)
    return decoded, decoder.finish()
