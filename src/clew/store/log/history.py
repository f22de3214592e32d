"""What the files of a log say about its past: what is still to be flushed, and what is lost.

Theory of operation. One thread flushes, one batch at a time, and before it inserts anything it
records the batch as a CUT. So a CUT says two things: which frames belong to the batch, and that
every frame before the batch was dealt with. At most one batch is therefore open when a log is read
back: the last one cut, unless a FLUSHED follows it. It is inserted again under the token it had,
which adds nothing if it had been inserted before; the frames after it become hot rows again.

A file that ends in bytes that are no frame is *torn* if it is the last one: a write that was never
acknowledged. Anywhere else such bytes are *damage*. A torn end is cut off; damage is passed over,
counted, and its file kept.
"""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from clew.base.errors import ClewError, ErrorCode
from clew.store.folder import open_folder, storage_error, sync_folder
from clew.store.log.cutting import finish_cutting
from clew.store.log.frame import CHANGES, Acked, Cut, Flushed, Split, checksum_seed, decode_control
from clew.store.log.segment import (
    FORMAT_VERSION,
    SEGMENT_HEADER_BYTES,
    Damage,
    FrameRef,
    Scan,
    SegmentHeader,
    SegmentName,
    scan_frames,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

LOG_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the log that is no longer written: `last` is the highest frame it speaks of."""

    path: Path
    last: int
    size: int
    is_damaged: bool


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """Record frames that go into the engine together, and the splits recorded since."""

    first: int
    last: int
    splits: tuple[Split, ...] = ()

    def ranges(self, table: str) -> list[tuple[int, int]]:
        """Return the frame ranges that are one insert each for a table, in order."""
        ranges = [(self.first, self.last)]
        for split in self.splits:
            whole = (split.first, split.last)
            if split.table == table and whole in ranges:
                at = ranges.index(whole)
                halves = [(split.first, split.middle), (split.middle + 1, split.last)]
                ranges[at : at + 1] = halves
        return ranges


@dataclass(frozen=True, slots=True)
class History:
    """The past of a log, as its files tell it after `read`.

    Every record frame up to `flushed` is in the engine. `batch` is the batch that may or may not
    be; `frames` are all record frames after `flushed` that can be read, in order: those of the
    batch, then those that were not cut yet. `last` is the highest number given out.

    `acked` is the newest frame that is known to be acknowledged, of a log that other servers have a
    part in: frames after it may be on too few of them. `changes` are the commits of the registry
    that can be read, also those up to `flushed`.
    """

    folder: Path
    log_id: bytes
    epoch: int = 0
    ordinal: int = 0
    last: int = 0
    last_bytes: int = 0
    flushed: int = 0
    acked: int = 0
    batch: RecordedBatch | None = None
    frames: tuple[FrameRef, ...] = ()
    changes: tuple[FrameRef, ...] = ()
    segments: tuple[Segment, ...] = ()
    damage: tuple[Damage, ...] = ()
    frames_lost: int = 0

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the log in a folder, cutting off a torn end; a folder without one gives a new log.

        The folder must not be written by anyone else meanwhile.

        Raises:
            ClewError: the folder cannot be used, files of two logs lie in it, or a newer program
                wrote them.
        """
        open_folder(folder)
        try:
            finish_cutting(folder)
            files = _list_files(folder)
            log_id = _one_log_id(folder, [file.name for file in files])
            reader = _Reader(Scan(checksum_seed(log_id), last=0))
            for position, file in enumerate(files):
                following = files[position + 1] if position + 1 < len(files) else None
                reader.read(file, following)
            if reader.scan.frames_lost:
                logger.error("at most %d frames of the log are lost", reader.scan.frames_lost)
        except OSError as error:
            raise storage_error(error, f"cannot read the log in {folder}", folder) from error
        return cls(
            folder=folder,
            log_id=log_id,
            epoch=reader.epoch,
            ordinal=reader.ordinal,
            last=reader.last_spoken_of(),
            last_bytes=reader.last_bytes,
            flushed=reader.flushed,
            acked=max(reader.acked, reader.flushed, reader.cut.last if reader.cut else 0),
            batch=reader.open_batch(),
            frames=tuple(reader.frames),
            changes=tuple(reader.changes),
            segments=tuple(reader.segments),
            damage=tuple(reader.scan.damage),
            frames_lost=reader.scan.frames_lost,
        )

    def read_payloads(self) -> Iterator[tuple[FrameRef, bytes]]:
        """Yield the frames after `flushed` with their payloads, in order."""
        for frame in self.frames:
            yield frame, read_payload(frame)

    def read_changes(self, after: int, through: int) -> Iterator[tuple[int, bytes]]:
        """Yield the commits of the registry after a number, up to another, with their payloads."""
        for frame in self.changes:
            if after < frame.number <= through:
                yield frame.number, read_payload(frame)


def read_payload(frame: FrameRef) -> bytes:
    """Return the payload of a frame that was found whole."""
    with frame.path.open("rb") as file:
        return os.pread(file.fileno(), frame.length, frame.offset)


def find_frame(folder: Path, number: int) -> FrameRef | None:
    """Look for one record frame in the files of a log, which may be written meanwhile.

    Reads whole files, newest first: for the rare frame that has to be taken out and kept aside.
    """
    paths = sorted((p for p in folder.iterdir() if SegmentName.parse(p.name)), reverse=True)
    for path in paths:
        name = SegmentName.parse(path.name)
        if name is None or name.first > number:
            continue
        scan = Scan(checksum_seed(name.log_id), name.first - 1)
        frames, _ = scan_frames(path, path.read_bytes(), scan)
        for frame in frames:
            if frame.is_record and frame.number == number:
                return frame
    return None


@dataclass(frozen=True, slots=True)
class _File:
    name: SegmentName
    path: Path
    header: SegmentHeader | None
    size: int


def _list_files(folder: Path) -> list[_File]:
    """Return the files of the log, oldest first, without one whose making was interrupted."""
    files = []
    for path in folder.iterdir():
        name = SegmentName.parse(path.name)
        if name is not None:
            files.append(_File(name, path, _read_header(path), path.stat().st_size))
    files.sort(key=lambda file: file.name)
    if files and files[-1].header is None and files[-1].size <= SEGMENT_HEADER_BYTES:
        # No frame is written before the header is durable.
        unborn = files.pop()
        unborn.path.unlink()
        logger.info("removed %s, whose making was interrupted", unborn.path)
    return files


def _one_log_id(folder: Path, names: Iterable[SegmentName]) -> bytes:
    ids = {name.log_id for name in names}
    if len(ids) > 1:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"{folder} holds files of {len(ids)} logs",
            hint="the names end in the log's id; move the files of the wrong one elsewhere",
        )
    return ids.pop() if ids else secrets.token_bytes(LOG_ID_BYTES)


def _read_header(path: Path) -> SegmentHeader | None:
    with path.open("rb") as file:
        header = SegmentHeader.parse(memoryview(file.read(SEGMENT_HEADER_BYTES)))
    if header is not None and header.version > FORMAT_VERSION:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"{path} has log format {header.version}, this program reads up to {FORMAT_VERSION}",
            hint="start the version that wrote it, or a newer one",
        )
    return header


@dataclass(slots=True)
class _Reader:
    """Reads the files of a log one after the other, oldest first."""

    scan: Scan
    epoch: int = 0
    ordinal: int = 0
    last_bytes: int = 0
    flushed: int = 0
    acked: int = 0
    cut: Cut | None = None
    splits: list[Split] = field(default_factory=list)
    frames: list[FrameRef] = field(default_factory=list)
    changes: list[FrameRef] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def read(self, file: _File, following: _File | None) -> None:
        """Take in the next file; `following` is the one after it."""
        hurt_before = len(self.scan.damage)
        self._pass_border(file)
        if file.header is None:
            self.scan.note_damage(file.path, 0, min(file.size, SEGMENT_HEADER_BYTES))
        else:
            self.epoch = max(self.epoch, file.header.epoch)
        durable = file.size
        if following is not None and following.header is not None:
            durable = following.header.previous_bytes
        end = self._read_frames(file.path, durable)
        if following is not None and end < durable:
            self.scan.note_damage(file.path, end, durable)
        if following is None:
            _cut_torn_end(file.path, end, file.size)
            self.last_bytes = end
        hurt = self.scan.damage[hurt_before:]
        for place in hurt:
            logger.error(
                "the log is damaged: no frame in bytes %d to %d of %s, which is kept as evidence",
                place.start,
                place.end,
                place.path,
            )
        kept = file.size if following is not None else end
        self.segments.append(Segment(file.path, self.last_spoken_of(), kept, bool(hurt)))

    def open_batch(self) -> RecordedBatch | None:
        """Return the batch that was cut and may not be in the engine."""
        if self.cut is None or self.cut.last <= self.flushed:
            return None
        return RecordedBatch(self.cut.first, self.cut.last, tuple(self.splits))

    def last_spoken_of(self) -> int:
        """Return the highest record number that is known to have been given out."""
        return max(self.scan.last, self.cut.last if self.cut else 0, self.flushed)

    def _pass_border(self, file: _File) -> None:
        name = file.name
        if not self.ordinal:
            # Files before the oldest one were deleted, so what they held is flushed.
            self.flushed = name.first - 1
            self.scan.last = name.first - 1
        elif name.ordinal != self.ordinal + 1:
            logger.error(
                "files %d to %d of the log are missing", self.ordinal + 1, name.ordinal - 1
            )
            self.scan.note_damage(file.path, 0, 0)
        self.scan.pass_border(name.first)
        self.ordinal = name.ordinal

    def _read_frames(self, path: Path, durable: int) -> int:
        content = path.read_bytes()[:durable]
        found, end = scan_frames(path, content, self.scan)
        for frame in found:
            self.epoch = max(self.epoch, frame.epoch)
            if frame.is_record:
                self.frames.append(frame)
                if frame.kind == CHANGES:
                    self.changes.append(frame)
            else:
                payload = content[frame.offset : frame.offset + frame.length]
                self._obey(frame.kind, payload)
        self.frames = [frame for frame in self.frames if frame.number > self.flushed]
        return end

    def _obey(self, kind: int, payload: bytes) -> None:
        match decode_control(kind, payload):
            case Cut(first, _) as cut:
                self.flushed = max(self.flushed, first - 1)
                self.cut = cut
                self.splits.clear()
            case Split() as split:
                self.splits.append(split)
            case Flushed(through):
                self.flushed = max(self.flushed, through)
            case Acked(through):
                self.acked = max(self.acked, through)
            case None:
                logger.warning("passed over a control frame of unknown kind %d", kind)


def _cut_torn_end(path: Path, end: int, size: int) -> None:
    if end == size:
        return
    logger.warning(
        "cut %d bytes off %s: a write that was interrupted and never acknowledged",
        size - end,
        path,
    )
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
