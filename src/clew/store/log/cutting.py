"""Take the end off a log: the frames after a number, which no other server has or wants.

Theory of operation. Words of the log to itself lie among the frames that go, and some of them speak
of frames that stay: that these are one batch, that they are in the engine. They are copied to where
the log then ends. What is to be done is written down first, and done again from the start when it
was interrupted: all of it may be done twice.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from clew.store.folder import sync_folder
from clew.store.log.frame import HEADER_BYTES, checksum_seed
from clew.store.log.segment import Scan, SegmentName, scan_frames

if TYPE_CHECKING:
    from pathlib import Path

    from clew.store.log.segment import FrameRef

logger = logging.getLogger(__name__)

INTENT_NAME: Final = "cut-off-after"


def cut_off(folder: Path, after: int) -> None:
    """Remove the record frames after a number from the files of a log that nobody writes.

    Raises:
        OSError: it is finished by `finish_cutting`, or by calling this again.
    """
    _write_durably(folder / INTENT_NAME, str(after).encode())
    sync_folder(folder)
    finish_cutting(folder)


def finish_cutting(folder: Path) -> None:
    """Finish what `cut_off` began and was interrupted in; else do nothing.

    Raises:
        OSError: it is not finished.
    """
    intent = folder / INTENT_NAME
    if not intent.exists():
        return
    text = intent.read_bytes()
    if text.isdigit():
        _cut(folder, int(text))
    # Without a number the intent itself was interrupted, and nothing was begun.
    intent.unlink()
    sync_folder(folder)


def _cut(folder: Path, after: int) -> None:
    paths = sorted(path for path in folder.iterdir() if SegmentName.parse(path.name))
    words: list[bytes] = []
    hurt: Path | None = None
    whole = b""
    later: list[Path] = []
    for path in paths:
        content = path.read_bytes()
        frames = _frames_of(path, content)
        if hurt is None:
            end = _end_of_kept(frames, after)
            if end is None:
                continue
            hurt, whole = path, content[:end]
            frames = [frame for frame in frames if frame.offset >= end]
        else:
            later.append(path)
        words += [
            content[frame.offset - HEADER_BYTES : frame.offset + frame.length]
            for frame in frames
            if not frame.is_record and frame.number <= after
        ]
    if hurt is None:
        return
    fresh = hurt.with_suffix(".cut")
    _write_durably(fresh, whole + b"".join(words))
    fresh.replace(hurt)
    sync_folder(folder)
    # Newest first: what is left after an interruption has no hole.
    for path in reversed(later):
        path.unlink()
    logger.warning("cut the log in %s off after frame %d", folder, after)


def _frames_of(path: Path, content: bytes) -> list[FrameRef]:
    name = SegmentName.parse(path.name)
    assert name is not None
    frames, _ = scan_frames(path, content, Scan(checksum_seed(name.log_id), name.first - 1))
    return frames


def _end_of_kept(frames: list[FrameRef], after: int) -> int | None:
    """Return where the first record frame after a number lies, None when there is none."""
    for frame in frames:
        if frame.is_record and frame.number > after:
            return frame.offset - HEADER_BYTES
    return None


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
