"""What a crash or a damaged disk left of SQLite's write-ahead log, and whether something is gone.

SQLite reads its log up to the first frame whose checksum is wrong and takes that for the end. After
a crash it is: each commit is synced before the next begins, so behind the last whole commit there
can only be pieces of one that was never acknowledged. Where there are the marks of two commits or
more, the log was damaged in its middle, and what stood behind the place was acknowledged and is
gone. Nobody would say so; this module does, and keeps the file for whoever may save more of it.

The layout is that of SQLite's file format: a header of 32 bytes with two salts, then frames of 24
bytes and a page each, which repeat the salts of the log they belong to and, in the last frame of a
commit, hold the size of the database after it.
"""

from __future__ import annotations

import logging
import shutil
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

logger = logging.getLogger(__name__)

_HEADER: Final = struct.Struct(">8xI4x8s8x")
_FRAME: Final = struct.Struct(">4xI8s8x")

_PAGE_BYTES_MAX: Final = 65_536
"""SQLite's own bound; a header that says otherwise is no header."""

_COMMITS_UNACKED_MAX: Final = 1
"""The one that was under way; every earlier one was synced before it began."""


@dataclass(frozen=True, slots=True)
class LogMarks:
    """Which frames of a log belong to it and end a commit, in order."""

    path: Path
    commits: tuple[bool, ...] = ()


def read_marks(database: Path) -> LogMarks:
    """Return the marks of a database's log as they are on disk; none when there is no log.

    Called before SQLite opens the file, which may begin the log anew.
    """
    path = database.with_name(f"{database.name}-wal")
    try:
        with path.open("rb") as log:
            header = log.read(_HEADER.size)
            if len(header) < _HEADER.size:
                return LogMarks(path)
            page_bytes, salts = _HEADER.unpack(header)
            if not 512 <= page_bytes <= _PAGE_BYTES_MAX:
                return LogMarks(path)
            commits = []
            while len(frame := log.read(_FRAME.size)) == _FRAME.size:
                pages_after, of_log = _FRAME.unpack(frame)
                commits.append(of_log == salts and pages_after > 0)
                log.seek(page_bytes, 1)
            return LogMarks(path, tuple(commits))
    except FileNotFoundError:
        return LogMarks(path)


def count_lost_commits(connection: sqlite3.Connection, marks: LogMarks) -> int:
    """Return how many acknowledged commits SQLite did not find in its log, 0 as a rule.

    Called on an open connection before anything is written. When there are any, the log is copied
    beside itself as ``….damaged`` first, since the next write begins it anew.
    """
    if not any(marks.commits):
        return 0
    _, found, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    lost = sum(marks.commits[max(0, found) :])
    if lost <= _COMMITS_UNACKED_MAX:
        return 0
    kept = marks.path.with_name(f"{marks.path.name}.damaged")
    shutil.copy(marks.path, kept)
    logger.error(
        "the registry's log is damaged: up to %d commits are lost; it is kept as %s", lost, kept
    )
    return lost
