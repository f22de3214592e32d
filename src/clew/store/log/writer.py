"""The write-ahead log: frames are appended without waiting, written and synced in groups.

Theory of operation. `append` puts a frame into a queue in memory and returns. One thread takes what
is queued, writes it with one call, syncs the file once and says so: `settle` is called once per
group, in the writer thread. While the disk is busy with one group the next one gathers by itself,
so a lone writer never waits for company. Waiting on purpose for more (up to 2 ms, after a group of
several) was measured and left out: it made groups half as large again and saved less than 0.05
CPU-seconds per million spans, for up to 2 ms on every answer.

A group that cannot be written fails as a whole: its bytes are cut off again and its frames never
happened; their numbers are not used again. After a failed *sync* nobody knows what reached the
device, and a second sync may well succeed without it, so that file is left for good: the next
file's header says up to where it counts. While the log is not writable the thread tries by itself,
every `probe_s`, whether it would be again.

A log that other servers have a part in (`LogOptions.is_shared`) differs in three things. A frame
may be on its way to them before it is written here, so it cannot be said of one that could not be
written that it never happened: the thread writes the same group again until it succeeds, or the log
ends and nothing is written after it. Files are kept for servers that were away, within
`kept_bytes_max`. And what no other server took over may be cut off again (`cut_off`).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.store.folder import storage_error
from clew.store.log.files import LogFiles
from clew.store.log.frame import (
    ACKED,
    CUT,
    FLUSHED,
    HEADER_BYTES,
    PAYLOAD_BYTES_MAX,
    RECORD_KIND_MIN,
    SPLIT,
    Acked,
    Cut,
    Flushed,
    Split,
    checksum_seed,
    encode_header,
)
from clew.store.log.options import LogOptions
from clew.store.log.receipt import Group, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.store.log.history import History
    from clew.store.log.segment_file import SegmentFile


logger = logging.getLogger(__name__)

# One write is one sync's worth of waiting for everyone in it: 16 MiB take some 20 ms on a disk that
# does a gigabyte a second, and hold about 60 requests of 500 spans.
GROUP_BYTES_MAX = 16 * 1024 * 1024

# A disk is called writable again when it could take this much: a few requests, not one header.
PROBE_BYTES = 1024 * 1024

# Told to a client whose record met a full queue (the writer empties it within a few groups) or a
# full log (the engine has to catch up first, which takes it about a second a batch).
QUEUE_RETRY_MS = 200
FULL_RETRY_MS = 1000

# Of an entry of the queue that is no frame but an order to the thread.
_CUT_OFF = -1


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: int
    number: int
    received: int
    oldest: int
    payload: bytes
    epoch: int
    receipt: Receipt | None = None

    @property
    def is_record(self) -> bool:
        return self.kind >= RECORD_KIND_MIN

    @property
    def needs_sync(self) -> bool:
        return self.is_record or self.receipt is not None

    @property
    def size(self) -> int:
        return HEADER_BYTES + len(self.payload)


class Log:
    """A log that is being written. `open` it once per process and folder.

    `append` may be called from one thread only, the others from any.
    """

    def __init__(
        self,
        history: History,
        *,
        next_number: int,
        settle: Callable[[Group], None],
        options: LogOptions,
        epoch: int | None = None,
    ) -> None:
        self.id = history.log_id
        self.folder = history.folder
        self.next_number = next_number
        self._options = options
        self._settle = settle
        self._seed = checksum_seed(history.log_id)
        self._epoch = history.epoch + 1 if epoch is None else epoch
        self._files = LogFiles(history, options, epoch=self._epoch)
        # Guards the queue and what the properties below read.
        self._changed = threading.Condition()
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._is_closing = False
        self._has_hope = True
        self._acked = 0
        self._failure: ClewError | None = None
        # Of the writer thread alone.
        self._taken = next_number - 1
        self._in_hand: list[_Entry] = []
        self._acked_written = 0
        self._given_up: ClewError | None = None
        self._thread = threading.Thread(target=self._run, name="clew-log", daemon=True)

    @classmethod
    def open(
        cls,
        history: History,
        *,
        next_number: int,
        settle: Callable[[Group], None],
        options: LogOptions | None = None,
        epoch: int | None = None,
        released: int | None = None,
    ) -> Log:
        """Go on from a history, in a new file, under an epoch: the next one unless it is given.

        Files are not needed up to frame `released`, by default all that the engine has. `settle` is
        called in the writer thread, in the order of the frames, and must not block.

        Raises:
            ClewError: the folder cannot be written.
        """
        if next_number <= history.last:
            raise ValueError(f"frame {next_number} was given out before")
        log = cls(
            history,
            next_number=next_number,
            settle=settle,
            options=options or LogOptions(),
            epoch=epoch,
        )
        try:
            log._files.begin(next_number)
        except OSError as error:
            raise log._failure_of(error) from error
        log.release(history.flushed if released is None else released)
        log._thread.start()
        return log

    @property
    def epoch(self) -> int:
        """Which opening of the log this is."""
        return self._epoch

    @property
    def size(self) -> int:
        """How many bytes the log holds, what is queued included."""
        with self._changed:
            return self._size()

    @property
    def size_max(self) -> int:
        """How many bytes the log may hold."""
        return self._options.bytes_max

    @property
    def is_shared(self) -> bool:
        """Whether other servers have a part in the log."""
        return self._options.is_shared

    @property
    def failure(self) -> ClewError | None:
        """Why the log cannot be written at present, None when it can."""
        return self._failure

    def check_room(self, payload_bytes: int) -> None:
        """Raise unless a record of this size could be appended now.

        Raises:
            ClewError: OVERLOADED with a time to wait; TOO_LARGE; UNAVAILABLE when closed.
        """
        options = self._options
        if payload_bytes > PAYLOAD_BYTES_MAX:
            raise ClewError(
                ErrorCode.TOO_LARGE,
                f"a record of {payload_bytes} bytes does not fit into the log",
                hint=f"send at most {PAYLOAD_BYTES_MAX} bytes at a time",
            )
        with self._changed:
            if self._is_closing:
                raise _closed()
            if (
                self._queued_bytes + payload_bytes > options.queue_bytes_max and self._queue
            ) or len(self._queue) >= options.queue_frames_max:
                raise ClewError(
                    ErrorCode.OVERLOADED,
                    "records arrive faster than the disk takes them",
                    hint="send again after the time given",
                    retry_after_ms=QUEUE_RETRY_MS,
                )
            if self._size() + HEADER_BYTES + payload_bytes > options.bytes_max:
                raise ClewError(
                    ErrorCode.OVERLOADED,
                    f"the log is full: {options.bytes_max} bytes wait for the engine",
                    hint="look at the engine's last error in the ingest status",
                    retry_after_ms=FULL_RETRY_MS,
                )

    def append(
        self,
        kind: int,
        payload: bytes,
        *,
        received: int,
        oldest: int,
        number: int | None = None,
        epoch: int | None = None,
    ) -> int:
        """Queue a record frame and return its number, which was `next_number` before the call.

        A frame that another server wrote has the number and epoch that it has there; the number
        is not below `next_number`. Never blocks on the disk. The caller has called `check_room`
        since it last waited.

        Raises:
            ClewError: UNAVAILABLE when the log is closed.
        """
        number = self.next_number if number is None else number
        if number < self.next_number:
            raise ValueError(f"frame {number} was given out before")
        epoch = self._epoch if epoch is None else epoch
        self._put(_Entry(kind, number, received, oldest, payload, epoch))
        self.next_number = number + 1
        return number

    def record_cut(self, cut: Cut) -> Receipt:
        """Record a batch; it is durable when the receipt is settled."""
        receipt = Receipt()
        self._put(self._control(CUT, cut.last, cut.encode(), receipt))
        return receipt

    def record_split(self, split: Split) -> Receipt:
        """Record that an insert became two; durable when the receipt is settled."""
        receipt = Receipt()
        self._put(self._control(SPLIT, split.last, split.encode(), receipt))
        return receipt

    def record_flushed(self, through: int) -> None:
        """Record that frames are in the engine, to be synced with whatever is synced next.

        Without it a batch is inserted again after a crash, under its token, which adds nothing.
        """
        self._put(self._control(FLUSHED, through, Flushed(through).encode(), None))

    def note_acked(self, through: int) -> None:
        """Remember that frames are acknowledged; it is written with whatever is written next."""
        with self._changed:
            self._acked = max(self._acked, through)

    def cut_off(self, after: int) -> None:
        """Take back the frames after a number, and go on with the next one. Blocks.

        Nothing may be appended meanwhile, and none of the frames may have been acknowledged or
        cut into a batch. Only of a log that is shared.

        Raises:
            ClewError: it could not be done; what was in the log still is.
        """
        receipt = Receipt()
        self._put(_Entry(_CUT_OFF, after, 0, 0, b"", self._epoch, receipt))
        receipt.wait()
        self.next_number = after + 1

    def release(self, through: int) -> None:
        """Delete the files that only speak of frames up to `through`; keep damaged ones aside.

        Of a log that is shared the newest of them stay, as many as are to be kept.
        """
        self._files.release(through)

    def give_up_waiting(self) -> None:
        """Let what the disk refuses fail from now on, also of a log that is shared."""
        with self._changed:
            self._has_hope = False
            self._changed.notify_all()

    def close(self) -> None:
        """Write and sync what is queued, and close the file; idempotent. Blocks."""
        with self._changed:
            self._is_closing = True
            self._has_hope = False
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _control(self, kind: int, number: int, payload: bytes, receipt: Receipt | None) -> _Entry:
        return _Entry(kind, number, self._options.clock(), 0, payload, self._epoch, receipt)

    def _size(self) -> int:
        """Count what waits for the engine, and not what is only kept for other servers."""
        return self._files.size + self._queued_bytes

    def _put(self, entry: _Entry) -> None:
        with self._changed:
            if self._is_closing:
                raise _closed()
            self._queue.append(entry)
            self._queued_bytes += entry.size
            self._changed.notify()

    def _run(self) -> None:
        try:
            while (group := self._gather()) is not None:
                if not group:
                    self._probe()
                elif group[0].kind == _CUT_OFF:
                    self._cut_off(group[0])
                else:
                    self._commit(group)
            self._finish()
        except Exception as error:
            # The boundary of the thread: a fault of ours must not leave anyone waiting for ever.
            logger.exception("the log's writer stopped")
            self._give_up(error)

    def _gather(self) -> list[_Entry] | None:
        """Wait for frames and take a group; an empty one asks for a probe, None for the end."""
        with self._changed:
            while not self._queue:
                if self._is_closing:
                    return None
                if not self._changed.wait(self._options.probe_s if self._failure else None):
                    return []
            group: list[_Entry] = []
            size = 0
            while self._queue and (not group or size + self._queue[0].size <= GROUP_BYTES_MAX):
                if group and _CUT_OFF in (group[0].kind, self._queue[0].kind):
                    break
                entry = self._queue.popleft()
                size += entry.size
                group.append(entry)
            self._queued_bytes -= size
        return group

    def _commit(self, group: list[_Entry]) -> None:
        self._in_hand = group
        failure = self._given_up or self._try_to_write(group)
        while failure is not None and self._options.is_shared and self._has_hope:
            with self._changed:
                self._changed.wait_for(lambda: not self._has_hope, self._options.probe_s)
            failure = self._try_to_write(group)
        records = [entry.number for entry in group if entry.is_record]
        self._in_hand = []
        if records:
            self._taken = records[-1]
            if self._options.is_shared:
                # Who has a frame passes for one that has those before it, so none comes after.
                self._given_up = failure
            self._settle(Group(records[0], records[-1], failure))
        for entry in group:
            if entry.receipt is not None:
                entry.receipt.settle(failure)

    def _try_to_write(self, group: list[_Entry]) -> ClewError | None:
        failure: ClewError | None = None
        try:
            self._write(group)
        except OSError as error:
            self._fall_back()
            failure = self._failure_of(error)
        self._note(failure)
        return failure

    def _cut_off(self, entry: _Entry) -> None:
        """Take back the frames after the entry's number: in the files, then in what we know."""
        assert entry.receipt is not None
        self._in_hand = [entry]
        # What goes wrong in here ends the thread: the next opening finishes what was begun.
        self._files.cut_off(entry.number)
        with self._changed:
            # What comes under these numbers now was acknowledged by nobody yet.
            self._acked = min(self._acked, entry.number)
        self._acked_written = min(self._acked_written, entry.number)
        self._taken = entry.number
        self._in_hand = []
        entry.receipt.settle(None)

    def _write(self, group: list[_Entry]) -> None:
        acked = self._acked
        if acked > self._acked_written:
            note = self._control(ACKED, acked, Acked(acked).encode(), None)
            group = [*group, note]
        file = self._file_with_room(group)
        buffers: list[bytes] = []
        for entry in group:
            header = encode_header(
                entry.payload,
                seed=self._seed,
                kind=entry.kind,
                number=entry.number,
                epoch=entry.epoch,
                received=entry.received,
                oldest=entry.oldest,
            )
            buffers.append(header)
            if entry.payload:
                buffers.append(entry.payload)
        file.write(buffers, last=max(entry.number for entry in group))
        self._acked_written = acked
        if any(entry.needs_sync for entry in group):
            file.sync()

    def _file_with_room(self, group: list[_Entry]) -> SegmentFile:
        numbers = (entry.number for entry in group if entry.is_record)
        size = sum(entry.size for entry in group)
        return self._files.with_room(size, first=next(numbers, self._taken + 1))

    def _fall_back(self) -> None:
        """Undo a write that failed; leave the file if that cannot be done for certain."""
        file = self._files.current
        if file is not None and not file.rewind():
            self._files.seal()

    def _probe(self) -> None:
        """Find out by trying whether the log can be written again."""
        try:
            file = self._files.current or self._files.begin(self._taken + 1)
            file.probe(PROBE_BYTES)
        except OSError as error:
            self._note(self._failure_of(error))
        else:
            self._note(None)

    def _note(self, failure: ClewError | None) -> None:
        """Remember whether the log is writable; say so once when that changes."""
        before, self._failure = self._failure, failure
        if failure is not None and (before is None or before.message != failure.message):
            logger.error("%s; %s", failure.message, failure.hint)
        if failure is None and before is not None:
            logger.info("the log in %s can be written again", self.folder)

    def _failure_of(self, error: OSError) -> ClewError:
        failure = storage_error(error, f"cannot write the log in {self.folder}", self.folder)
        failure.retry_after_ms = FULL_RETRY_MS
        return failure

    def _finish(self) -> None:
        file = self._files.current
        if file is None:
            return
        try:
            file.sync()
        except OSError as error:
            # Everything acknowledged was synced before; this was only a FLUSHED.
            logger.warning("cannot sync %s: %s", file.path, error.strerror)
        file.close()

    def _give_up(self, error: Exception) -> None:
        failure = ClewError(
            ErrorCode.INTERNAL,
            f"the log's writer stopped: {error}",
            hint="restart the server; its log names the cause",
        )
        with self._changed:
            self._is_closing = True
            self._failure = failure
            left = [*self._in_hand, *self._queue]
            self._queue.clear()
            self._queued_bytes = 0
        records = [entry.number for entry in left if entry.is_record]
        if records:
            self._settle(Group(records[0], records[-1], failure))
        for entry in left:
            if entry.receipt is not None:
                entry.receipt.settle(failure)


def _closed() -> ClewError:
    return ClewError(
        ErrorCode.UNAVAILABLE,
        "the log is closed",
        hint="the server is stopping; send again to the next one",
        retry_after_ms=FULL_RETRY_MS,
    )
