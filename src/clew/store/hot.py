"""The rows that are not in the engine yet, as Arrow, and the moments at which they may be seen.

Theory of operation. Records are decoded into one open decoder per kind, in the order of their frame
numbers. Rows of a chunk are in that order; chunks of a table that several kinds write to may
overlap. *Sealing* a decoder takes its rows out as a chunk; it happens when somebody wants to see
them and when a batch is cut. Chunks are never changed: a reader keeps the ones it was given for as
long as it likes. A chunk may hold rows of frames that are not acknowledged yet; readers leave out
frames after `acked`, and the rows of a frame whose write failed are taken out before `acked` passes
it. Rows of a batch that is being inserted stay until the engine has all of them; then they go and
`flushed` rises in the same step, so that every row is always on exactly one side.

Every reader that finds new rows seals a chunk, and the engine takes about 0.2 ms per chunk of a
table that it reads (measured), so small chunks are combined as they gather.

One lock guards everything. It is held while a record is decoded and while rows are taken out of a
decoder, never while Arrow data is copied.
"""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from clew.base.errors import ClewError, ErrorCode
from clew.store.decoder import DecoderFullError
from clew.store.engine.contract import Snapshot
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from clew.store.decoder import Decoded, Decoder

# A decoder is sealed when it holds this many bytes of records: what a batch may hold, so that a
# batch is one chunk where nobody reads. Rows that take far more than their records (each repeats
# its resource) make the decoder say that it is full before.
SEAL_BYTES = 256 * 1024 * 1024

# So many small chunks of a table are combined: 8 cost a reader less than 2 ms, and what is combined
# again and again stays below a few thousand rows and bytes that are copied in a few milliseconds.
SMALL_CHUNKS_MAX = 8
SMALL_CHUNK_ROWS = 16_384
SMALL_CHUNK_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of the record frames `first`..`last`, by table, in frame order."""

    first: int
    last: int
    rows: int
    tables: Mapping[str, Sequence[pa.RecordBatch]]

    def rows_of(self, table: str, first: int, last: int) -> pa.Table | None:
        """Return a table's rows of some of the frames, None when there is none.

        The chunks are as the rows came and were sealed; after a crash they are others. The order of
        the rows is that of their frames.
        """
        parts = [part for batch in self.tables.get(table, ()) if (part := keep(batch, first, last))]
        return pa.Table.from_batches(_in_frame_order(parts)) if parts else None


class Waiting(NamedTuple):
    """Rows that wait to be cut into a batch: all, and of them the acknowledged.

    `bytes` are those of the records; `sealed_bytes` is what sealed rows take, those of the batch in
    flush included. `since` is when the oldest acknowledged row came to wait, on the monotonic
    clock, or None.
    """

    rows: int
    bytes: int
    acked_rows: int
    acked_bytes: int
    sealed_bytes: int
    since: float | None


def frame_numbers(column: pa.Array) -> memoryview:
    """Return the frame numbers of rows as they lie in memory.

    Arrow's own ways out of a column import pandas, which takes a second of the first query's time.
    """
    _, numbers = column.buffers()
    return memoryview(numbers).cast("Q")[column.offset : column.offset + len(column)]


def keep(batch: pa.RecordBatch, first: int, last: int) -> pa.RecordBatch | None:
    """Return the rows of frames `first`..`last` of a batch in frame order; None for no rows."""
    frames = frame_numbers(batch.column(FRAME))
    start, end = bisect_left(frames, first), bisect_right(frames, last)
    return batch.slice(start, end - start) if end > start else None


def since(snapshot: Snapshot, first: int) -> Snapshot:
    """Return a moment for questions that want rows of frame `first` and later alone.

    Where all of those are hot it has no others, and says that no stored row need be looked at.
    """
    if snapshot.frames is not None or first <= snapshot.flushed:
        return snapshot
    hot = {}
    for table, rows in snapshot.hot.items():
        batches = rows.to_batches()
        later = [part for batch in batches if (part := keep(batch, first, snapshot.acked))]
        if later:
            hot[table] = pa.Table.from_batches(later)
    return replace(snapshot, hot=hot, is_hot_alone=True)


def number_rows(batches: Mapping[str, pa.RecordBatch], frame: int) -> dict[str, pa.RecordBatch]:
    """Return batches whose rows carry `frame`, for rows that were decoded before it was known."""
    numbered = {}
    for name, batch in batches.items():
        at = batch.schema.get_field_index(FRAME)
        numbers = pa.py_buffer(array("Q", [frame]) * batch.num_rows)
        frames = pa.Array.from_buffers(pa.uint64(), batch.num_rows, [None, numbers])
        numbered[name] = batch.set_column(at, batch.schema.field(at), frames)
    return numbered


def append_to_empty(
    decoder: Decoder, body: bytes, *, frame: int, received: int, oldest: int
) -> Decoded:
    """Decode a record into a decoder that holds nothing.

    Raises:
        MalformedRecordError: the bytes do not parse.
        ClewError: TOO_LARGE when its rows fit into no batch.
    """
    try:
        return decoder.append(body, frame=frame, received=received, oldest=oldest)
    except DecoderFullError as error:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"the rows of a record of {len(body)} bytes are too large together",
            hint="send fewer records at a time, or smaller resources: each row repeats them",
        ) from error


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows of one table whose frames lie within `first`..`last`."""

    first: int
    last: int
    batch: pa.RecordBatch
    size: int

    @classmethod
    def of(cls, first: int, last: int, batch: pa.RecordBatch) -> _Chunk:
        return cls(first, last, batch, batch.nbytes)

    @property
    def is_small(self) -> bool:
        return self.batch.num_rows < SMALL_CHUNK_ROWS and self.size < SMALL_CHUNK_BYTES


class _Frame(NamedTuple):
    number: int
    rows: int
    bytes: int


@dataclass(slots=True)
class _Open:
    """A decoder and the frames whose rows it holds; `first` is 0 when it holds none."""

    decoder: Decoder
    first: int = 0
    last: int = 0
    bytes: int = 0


@dataclass(slots=True)
class _Totals:
    frames: deque[_Frame] = field(default_factory=deque)
    rows: int = 0
    bytes: int = 0

    def push(self, frame: _Frame) -> None:
        self.frames.append(frame)
        self.rows += frame.rows
        self.bytes += frame.bytes

    def pop(self) -> _Frame:
        frame = self.frames.popleft()
        self.rows -= frame.rows
        self.bytes -= frame.bytes
        return frame


class HotRows:
    """Rows between `flushed` and the newest frame. Safe to use from any thread.

    Frames come in ascending order; `decode` and `add` are called by one thread at a time.
    """

    def __init__(
        self,
        decoders: Mapping[int, Callable[[], Decoder]],
        *,
        flushed: int,
        acked: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with no rows. `decoders` opens a decoder by the code of its kind."""
        self._lock = threading.Lock()
        self._open = {kind: _Open(open_decoder()) for kind, open_decoder in decoders.items()}
        self._chunks: dict[str, list[_Chunk]] = {}
        self._unacked = _Totals()
        self._acked_frames = _Totals()
        self._cut = flushed
        self._flushed = flushed
        self._acked = acked
        self._since: float | None = None
        self._clock = clock
        self._rows_in_flush = 0
        # Raised by whatever changes `_chunks`; `_seen` is what was last built, and from which.
        self._version = 0
        self._seen: tuple[int, Mapping[str, pa.Table]] = (0, {})
        self._combining = threading.Lock()

    @property
    def acked(self) -> int:
        """The newest acknowledged frame."""
        return self._acked

    @property
    def flushed(self) -> int:
        """The newest frame all of whose rows, and all before it, are in the engine."""
        return self._flushed

    @property
    def rows(self) -> int:
        """How many rows are held, those of the batch that is being inserted included."""
        with self._lock:
            return self._unacked.rows + self._acked_frames.rows + self._rows_in_flush

    @property
    def acked_rows(self) -> int:
        """How many of them are acknowledged."""
        with self._lock:
            return self._acked_frames.rows + self._rows_in_flush

    def decode(self, kind: int, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
        """Decode a record and keep its rows; nothing is kept of one that is malformed.

        Raises:
            MalformedRecordError: the bytes do not parse.
            ClewError: TOO_LARGE when its rows fit into no batch.
        """
        with self._lock:
            into = self._open[kind]
            try:
                decoded = into.decoder.append(body, frame=frame, received=received, oldest=oldest)
            except DecoderFullError:
                self._seal(into)
                decoded = append_to_empty(
                    into.decoder, body, frame=frame, received=received, oldest=oldest
                )
            if decoded.accepted:
                into.first = into.first or frame
                into.last = frame
                into.bytes += len(body)
                self._unacked.push(_Frame(frame, decoded.accepted, len(body)))
                if into.bytes >= SEAL_BYTES:
                    self._seal(into)
        return decoded

    def add(
        self, kind: int, batches: Mapping[str, pa.RecordBatch], *, frame: int, rows: int, size: int
    ) -> None:
        """Keep the rows of a record that was decoded elsewhere; they carry `frame`."""
        with self._lock:
            self._seal(self._open[kind])
            self._push(batches, frame, frame)
            self._unacked.push(_Frame(frame, rows, size))

    def acknowledge(self, through: int) -> None:
        """Let the rows of frames up to `through` be seen, and be cut into batches."""
        with self._lock:
            self._acked = max(self._acked, through)
            while self._unacked.frames and self._unacked.frames[0].number <= through:
                self._acked_frames.push(self._unacked.pop())
            if self._since is None and self._acked_frames.frames:
                self._since = self._clock()

    def discard(self, first: int, last: int) -> None:
        """Take out the rows of frames that were never acknowledged, because their write failed."""
        with self._lock:
            kept = [frame for frame in self._unacked.frames if not first <= frame.number <= last]
            self._unacked = _Totals()
            for frame in kept:
                self._unacked.push(frame)
            for into in self._open.values():
                self._seal(into)
            for table, chunks in self._chunks.items():
                self._chunks[table] = _without(chunks, first, last)
            self._version += 1

    def waiting(self) -> Waiting:
        """Return how much waits to be cut into a batch."""
        with self._lock:
            return Waiting(
                rows=self._unacked.rows + self._acked_frames.rows,
                bytes=self._unacked.bytes + self._acked_frames.bytes,
                acked_rows=self._acked_frames.rows,
                acked_bytes=self._acked_frames.bytes,
                sealed_bytes=sum(c.size for chunks in self._chunks.values() for c in chunks),
                since=self._since,
            )

    def seal(self) -> int:
        """Seal every decoder and return the newest frame, acknowledged or not.

        A batch that ends there takes whole chunks: joining parts of chunks costs as much as a
        tenth of the insert.
        """
        with self._lock:
            for into in self._open.values():
                self._seal(into)
            frames = self._unacked.frames or self._acked_frames.frames
            return frames[-1].number if frames else self._acked

    def is_settled(self, frame: int) -> bool:
        """Return whether every frame up to this one is acknowledged, or failed and gone."""
        with self._lock:
            return not self._unacked.frames or self._unacked.frames[0].number > frame

    def plan_batch(
        self, through: int, *, rows_max: int, bytes_max: int, arrow_bytes_max: int
    ) -> tuple[int, int] | None:
        """Return the frames that would be the next batch, None when no row waits.

        At least one frame, else whole frames up to `through` within the bounds. `bytes_max` is
        about the records, `arrow_bytes_max` about the sealed rows of each table.
        """
        with self._lock:
            ends = [_last_that_fits(c, self._cut, arrow_bytes_max) for c in self._chunks.values()]
            end = min([through, *(end for end in ends if end is not None)])
            rows = size = last = 0
            for frame in self._acked_frames.frames:
                rows += frame.rows
                size += frame.bytes
                if last and (rows > rows_max or size > bytes_max or frame.number > end):
                    break
                last = frame.number
            return (self._cut + 1, last) if last else None

    def take_batch(self, first: int, last: int) -> Batch:
        """Cut the batch of all waiting rows up to frame `last`; they stay visible."""
        with self._lock:
            rows = 0
            while self._acked_frames.frames and self._acked_frames.frames[0].number <= last:
                rows += self._acked_frames.pop().rows
            for into in self._open.values():
                if into.first and into.first <= last:
                    self._seal(into)
            tables = {}
            for table, chunks in self._chunks.items():
                split = [part for chunk in chunks for part in _split(chunk, last)]
                self._chunks[table] = split
                tables[table] = [chunk.batch for chunk in split if chunk.last <= last]
            self._cut = max(self._cut, last)
            self._since = self._clock() if self._acked_frames.frames else None
            self._rows_in_flush = rows
            self._version += 1
        return Batch(first, last, rows, {table: parts for table, parts in tables.items() if parts})

    def release_batch(self, batch: Batch) -> None:
        """Let go of a batch's rows: the engine has them."""
        with self._lock:
            for table, chunks in self._chunks.items():
                self._chunks[table] = [chunk for chunk in chunks if chunk.last > batch.last]
            # With nothing left to cut, all that was acknowledged is in the engine, numbers that
            # were given out without leaving a row among it.
            all_flushed = not self._acked_frames.frames
            self._flushed = max(batch.last, self._acked) if all_flushed else batch.last
            self._cut = max(self._cut, self._flushed)
            self._rows_in_flush = 0
            self._version += 1

    def pass_rowless(self) -> int:
        """Count frames without rows as flushed when no acknowledged row waits; return `flushed`."""
        with self._lock:
            if not self._acked_frames.frames and not self._rows_in_flush:
                self._flushed = self._cut = max(self._flushed, self._acked)
            return self._flushed

    def snapshot(self) -> Snapshot:
        """Return what may be seen now. Cheap when no row came since the last call."""
        with self._lock:
            for into in self._open.values():
                if into.first and into.first <= self._acked:
                    self._seal(into)
            flushed, acked, version = self._flushed, self._acked, self._version
            seen_version, seen = self._seen
            if seen_version == version:
                return Snapshot(flushed, acked, seen)
            chunks = {table: list(held) for table, held in self._chunks.items() if held}
            cut = self._cut
        if any(_small_run(held, cut) for held in chunks.values()):
            self._combine(chunks, cut)
        hot = {
            table: pa.Table.from_batches([chunk.batch for chunk in held])
            for table, held in chunks.items()
        }
        with self._lock:
            if self._version == version:
                self._seen = (version, hot)
        return Snapshot(flushed, acked, hot)

    def _seal(self, into: _Open) -> None:
        if not into.first:
            return
        self._push(into.decoder.finish(), into.first, into.last)
        into.first = into.last = into.bytes = 0

    def _push(self, batches: Mapping[str, pa.RecordBatch], first: int, last: int) -> None:
        for table, batch in batches.items():
            if batch.num_rows:
                self._chunks.setdefault(table, []).append(_Chunk.of(first, last, batch))
        self._version += 1

    def _combine(self, chunks: dict[str, list[_Chunk]], cut: int) -> None:
        """Combine small chunks, in the caller's lists and in ours; one thread at a time does it."""
        if not self._combining.acquire(blocking=False):
            return
        try:
            for table, held in chunks.items():
                run = _small_run(held, cut)
                if not run:
                    continue
                combined = _combined(run)
                _replace(held, run, combined)
                with self._lock:
                    # Only if nobody cut or discarded meanwhile. The rows are the same, so what
                    # readers built from the chunks stays right.
                    _replace(self._chunks.get(table, []), run, combined)
        finally:
            self._combining.release()


def _without(chunks: Iterable[_Chunk], first: int, last: int) -> list[_Chunk]:
    kept = []
    for chunk in chunks:
        if chunk.last < first or chunk.first > last:
            kept.append(chunk)
            continue
        for part in _split(chunk, first - 1):
            kept.extend(half for half in _split(part, last) if not first <= half.first <= last)
    return kept


def _split(chunk: _Chunk, last: int) -> list[_Chunk]:
    """Return a chunk as what is up to frame `last` and what is after it; no part is empty."""
    if chunk.last <= last or chunk.first > last:
        return [chunk]
    before = keep(chunk.batch, chunk.first, last)
    after = keep(chunk.batch, last + 1, chunk.last)
    parts = []
    if before is not None:
        parts.append(_Chunk.of(chunk.first, last, before))
    if after is not None:
        parts.append(_Chunk.of(last + 1, chunk.last, after))
    return parts


def _last_that_fits(chunks: Iterable[_Chunk], cut: int, size_max: int) -> int | None:
    """Return the last frame up to which whole chunks keep within a size; None when all do."""
    size, last = 0, None
    for chunk in chunks:
        if chunk.last <= cut:
            continue
        size += chunk.size
        if last is not None and size > size_max:
            return last
        last = chunk.last
    return None


def _small_run(chunks: Sequence[_Chunk], cut: int) -> list[_Chunk]:
    """Return neighbouring small chunks at the end of a list, if there are too many of them."""
    run: list[_Chunk] = []
    for chunk in reversed(chunks):
        if not chunk.is_small or chunk.first <= cut:
            break
        run.append(chunk)
    return run[::-1] if len(run) > SMALL_CHUNKS_MAX else []


def _combined(run: Sequence[_Chunk]) -> list[_Chunk]:
    first, last = min(chunk.first for chunk in run), max(chunk.last for chunk in run)
    parts = _in_frame_order([chunk.batch for chunk in run])
    table = pa.Table.from_batches(parts).combine_chunks()
    return [_Chunk.of(first, last, batch) for batch in table.to_batches()]


def _in_frame_order(parts: Sequence[pa.RecordBatch]) -> Sequence[pa.RecordBatch]:
    """Return rows, each batch of which is in frame order, so that all of them are.

    They are already unless several kinds write to the table: each has a decoder of its own.
    """
    ends = [(frames[0], frames[-1]) for p in parts if (frames := frame_numbers(p.column(FRAME)))]
    if all(before[1] <= after[0] for before, after in pairwise(ends)):
        return parts
    import pyarrow.compute as pc  # a start need not wait for it

    rows = pa.Table.from_batches(parts).combine_chunks()
    # Stable, and the rows of a frame are of one kind: whatever was sealed when, one order.
    ordered: list[pa.RecordBatch] = rows.take(pc.sort_indices(rows.column(FRAME))).to_batches()
    return ordered


def _replace(chunks: list[_Chunk], run: Sequence[_Chunk], combined: Sequence[_Chunk]) -> None:
    """Put `combined` where `run` stands, if it still stands there whole."""
    for at, chunk in enumerate(chunks):
        if chunk is run[0]:
            if all(a is b for a, b in zip(chunks[at : at + len(run)], run, strict=False)) and (
                len(chunks) - at >= len(run)
            ):
                chunks[at : at + len(run)] = combined
            return
