"""Reads a log by number while it is written, for servers that are behind what is in memory."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from clew.store.folder import storage_error
from clew.store.log.frame import HEADER_BYTES, checksum_seed, is_payload_whole, parse_header
from clew.store.log.segment import SEGMENT_HEADER_BYTES, SegmentHeader, SegmentName
from clew.store.replication.wire import Record

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_BYTES: Final = 4 * 1024 * 1024
"""So much is read at once; a frame that is larger is read whole."""


class LogReader:
    """Gives record frames in order, from any number on. Used by one thread at a time."""

    def __init__(self, folder: Path, log_id: bytes) -> None:
        self._folder = folder
        self._seed = checksum_seed(log_id)
        self._descriptor = -1
        self._name: SegmentName | None = None
        self._offset = 0
        self._given = -1

    def read(self, after: int, *, bytes_max: int) -> list[Record] | None:
        """Return frames after a number, at least one if there is one, else up to `bytes_max`.

        An empty list means that nothing more is written yet; None that the log does not reach back
        so far, or is damaged there.

        Raises:
            OSError: it cannot be read.
        """
        if after != self._given or self._name is None:
            if not self._go_to(after):
                return None
            self._given = after
        records: list[Record] = []
        size = 0
        while size < bytes_max:
            found, is_sound = self._read_block(bytes_max - size)
            records += found
            size += sum(record.size for record in found)
            if not is_sound:
                self.close()
                return records or None
            if not found:
                break
        return records

    def close(self) -> None:
        """Let go of the file; the next reading looks for its place again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._name = -1, None

    def _go_to(self, after: int) -> bool:
        self.close()
        names = [name for name in list_segments(self._folder) if name.first <= after + 1]
        if not names:
            return False
        self._open(names[-1])
        return True

    def _open(self, name: SegmentName) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._descriptor = os.open(self._folder / str(name), os.O_RDONLY)
        self._name, self._offset = name, SEGMENT_HEADER_BYTES

    def _read_block(self, bytes_max: int) -> tuple[list[Record], bool]:
        """Return the next frames, none at the end; and whether the log is sound there."""
        while True:
            found, has_passed = self._parse(min(BLOCK_BYTES, max(bytes_max, HEADER_BYTES)))
            if found:
                return found, True
            if has_passed:
                continue
            following = self._following()
            if following is None:
                return [], True
            # Whatever belongs into this file was there before the next one was.
            found, has_passed = self._parse(BLOCK_BYTES)
            if found:
                return found, True
            if has_passed:
                continue
            if not self._is_read_through(following):
                return [], False
            self._open(following)

    def _parse(self, size: int) -> tuple[list[Record], bool]:
        """Return record frames after those given, and whether any frame was passed."""
        block = os.pread(self._descriptor, size, self._offset)
        view = memoryview(block)
        records = []
        offset = 0
        while (header := parse_header(view, offset, seed=self._seed)) is not None:
            if offset + HEADER_BYTES + header.length > len(view):
                if offset:
                    break
                # One frame that is larger than a block, or one that is not whole yet.
                block = os.pread(self._descriptor, HEADER_BYTES + header.length, self._offset)
                view = memoryview(block)
            if not is_payload_whole(view, offset, header, seed=self._seed):
                break
            start = offset + HEADER_BYTES
            offset = start + header.length
            if header.is_record and header.number > self._given:
                payload = bytes(view[start:offset])
                self._given = header.number
                records.append(
                    Record(
                        header.number,
                        header.epoch,
                        header.kind,
                        header.received,
                        header.oldest,
                        payload,
                    )
                )
        self._offset += offset
        return records, offset > 0

    def _following(self) -> SegmentName | None:
        assert self._name is not None
        later = [each for each in list_segments(self._folder) if each.ordinal > self._name.ordinal]
        return later[0] if later else None

    def _is_read_through(self, following: SegmentName) -> bool:
        assert self._name is not None
        if following.ordinal != self._name.ordinal + 1:
            return False
        with (self._folder / str(following)).open("rb") as file:
            header = SegmentHeader.parse(memoryview(file.read(SEGMENT_HEADER_BYTES)))
        return header is not None and self._offset >= header.previous_bytes


def measure_after(folder: Path, number: int, last: int) -> int:
    """Return the bytes of the files that hold frames after a number, up to the `last` there is.

    Files that the log lets go meanwhile count nothing.
    """
    names = list_segments(folder)
    size = 0
    for name, end in zip(names, [*(name.first - 1 for name in names[1:]), last], strict=False):
        if end > number:
            with contextlib.suppress(FileNotFoundError):
                size += (folder / str(name)).stat().st_size
    return size


def list_segments(folder: Path) -> list[SegmentName]:
    """Return the names of a log's files, oldest first."""
    named = (SegmentName.parse(path.name) for path in folder.iterdir())
    return sorted(name for name in named if name is not None)


def oldest_after(folder: Path) -> int:
    """Return after which number a log's files have every frame."""
    names = list_segments(folder)
    return names[0].first - 1 if names else 0


def tail_after(folder: Path, bytes_max: int) -> int:
    """Return after which number a log's newest files hold its frames.

    As many files as it takes for `bytes_max`, or all that there are.
    """
    size = after = 0
    for name in reversed(list_segments(folder)):
        after = name.first - 1
        size += (folder / str(name)).stat().st_size
        if size >= bytes_max:
            break
    return after


def read_once(folder: Path, after: int, bytes_max: int) -> list[Record] | None:
    """Return frames after a number as `LogReader.read` does, for who asks once.

    Raises:
        ClewError: they cannot be read.
    """
    names = list_segments(folder)
    if not names:
        return []
    reader = LogReader(folder, names[0].log_id)
    try:
        return reader.read(after, bytes_max=bytes_max)
    except OSError as error:
        raise storage_error(error, f"cannot read the log in {folder}", folder) from error
    finally:
        reader.close()
