"""Records that were acknowledged and that the engine will not take: kept, never thrown away.

Each is a file ``<frame>.bin`` with the bytes as they came, and for each table that refused it a
file ``<frame>.<table>.json`` with the reason.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.store.folder import open_folder, storage_error, sync_folder
from clew.store.log.history import find_frame, read_payload

if TYPE_CHECKING:
    from pathlib import Path

    from clew.store.log.segment import FrameRef

logger = logging.getLogger(__name__)

# A record here is somebody's bug, one in millions. A folder that fills up means that the engine is
# at fault, not the records; from here on they wait in the log, where they are bounded too.
REFUSED_BYTES_MAX = 256 * 1024 * 1024


class RefusedRecords:
    """The folder of records that could not be stored. Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Count what is there from earlier runs. The folder is made when it is first needed."""
        self.folder = folder
        kept = list(folder.glob("*.bin")) if folder.is_dir() else []
        self._frames = {int(path.stem) for path in kept if path.stem.isdecimal()}
        self._bytes = sum(path.stat().st_size for path in kept)

    @property
    def count(self) -> int:
        """How many records lie there."""
        return len(self._frames)

    def keep(self, frame: FrameRef, *, table: str, error: Exception) -> None:
        """Write a record and why it was refused; durable when it returns. Again is harmless.

        Raises:
            ClewError: UNAVAILABLE when the folder cannot take it.
        """
        if frame.number not in self._frames and self._bytes + frame.length > REFUSED_BYTES_MAX:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                f"{self.folder} holds {self._bytes} bytes of refused records",
                hint="look at the reasons there; the engine may be at fault. Then move them away",
            )
        reason = {
            "frame": str(frame.number),
            "kind": frame.kind,
            "table": table,
            "received_unix_ns": str(frame.received),
            "oldest_unix_ns": str(frame.oldest),
            "bytes": frame.length,
            "code": error.code.value if isinstance(error, ClewError) else type(error).__name__,
            "reason": str(error),
        }
        stem = f"{frame.number:020d}"
        open_folder(self.folder)
        try:
            _write(self.folder / f"{stem}.bin", read_payload(frame))
            _write(self.folder / f"{stem}.{table}.json", json.dumps(reason, indent=1).encode())
            sync_folder(self.folder)
        except OSError as failure:
            raise storage_error(failure, f"cannot write to {self.folder}", self.folder) from failure
        logger.error(
            "frame %d was acknowledged but cannot be stored in %s; it is kept in %s: %s",
            frame.number,
            table,
            self.folder,
            error,
        )
        if frame.number not in self._frames:
            self._frames.add(frame.number)
            self._bytes += frame.length


def keep_aside(refused: RefusedRecords, log: Path, number: int, error: Exception) -> None:
    """Keep a frame of another server aside, whose rows cannot be decoded here."""
    frame = find_frame(log, number)
    if frame is None:
        logger.error("frame %d is lost: the log does not hold it any more", number)
        return
    refused.keep(frame, table="unknown", error=error)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
