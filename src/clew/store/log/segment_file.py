"""The file of the log that is being written: bytes go to its end, and are synced when asked."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Self

from clew.store.folder import sync_folder
from clew.store.log.segment import SegmentHeader, SegmentName

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The kernel takes so many buffers in one call (UIO_MAXIOV).
_BUFFERS_MAX = 1024


class SegmentFile:
    """An open file of the log. Used by the writer thread alone.

    `end` is where the next frame goes, `synced` up to where the bytes are known to be on the
    device, `last` the highest record number that a frame in it speaks of.
    """

    def __init__(self, path: Path, descriptor: int, header: SegmentHeader, end: int) -> None:
        self.path = path
        self.first = header.first
        self.last = header.first - 1
        self.end = self.synced = end
        self._descriptor = descriptor
        self._is_trusted = True

    @classmethod
    def create(cls, folder: Path, header: SegmentHeader) -> Self:
        """Make a file with its header, durable in name and content.

        Raises:
            OSError: nothing was left behind.
        """
        path = folder / str(SegmentName(header.first, header.ordinal, header.log_id))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            end = _write_all(descriptor, [header.encode()], 0)
            os.fsync(descriptor)
            sync_folder(folder)
        except OSError:
            os.close(descriptor)
            # What is left of the file would be removed when the log is next opened, too.
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        return cls(path, descriptor, header, end)

    def write(self, buffers: Sequence[bytes], *, last: int) -> None:
        """Add bytes at the end, whole or not at all as far as `end` is concerned.

        Raises:
            OSError: part of the bytes may lie behind `end`; see `rewind`.
        """
        offset = self.end
        for start in range(0, len(buffers), _BUFFERS_MAX):
            offset = _write_all(self._descriptor, buffers[start : start + _BUFFERS_MAX], offset)
        self.end = offset
        self.last = max(self.last, last)

    def sync(self) -> None:
        """Make everything up to `end` durable.

        Raises:
            OSError: what was written since the last sync is lost. The kernel may have dropped the
                pages and would call the next sync a success, so the file must not be used again.
        """
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            self._is_trusted = False
            self.end = self.synced
            raise
        self.synced = self.end

    def rewind(self) -> bool:
        """Cut off what lies behind `end`; return whether the file may be written further."""
        try:
            os.ftruncate(self._descriptor, self.end)
        except OSError:
            self._is_trusted = False
        return self._is_trusted

    def probe(self, size: int) -> None:
        """Find out whether the file could take `size` more bytes.

        Raises:
            OSError: it could not.
        """
        try:
            os.posix_fallocate(self._descriptor, self.end, size)
        finally:
            os.ftruncate(self._descriptor, self.end)

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _write_all(descriptor: int, buffers: Sequence[bytes], offset: int) -> int:
    pending: list[bytes | memoryview] = list(buffers)
    while pending:
        written = os.pwritev(descriptor, pending, offset)
        offset += written
        taken = written
        while pending and taken >= len(pending[0]):
            taken -= len(pending.pop(0))
        if pending and written == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if taken:
            pending[0] = memoryview(pending[0])[taken:]
    return offset
