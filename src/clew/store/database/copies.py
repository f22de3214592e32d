"""A copy of a registry that is in use: one moment of it, whatever is written meanwhile.

SQLite copies pages a step at a time. The reading transaction that is open around all steps keeps
the log from being folded over what is still to be copied, so the copy is of that moment and never
begun anew, however busy the registry is.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from clew.store.database.applied import read_mark
from clew.store.folder import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGES_A_STEP: Final = 2048
"""8 MiB between two looks at whether the copy is still wanted: some 20 ms."""


def copy_database(
    source: sqlite3.Connection, path: Path, go_on: Callable[[], None], *, mode: int
) -> int:
    """Copy a database to a file that does not exist yet; return the number of its newest change.

    `go_on` is called between steps and may raise; then there is no file. Blocks until all of it is
    on disk.

    Raises:
        sqlite3.Error: what cannot be read or written.
        OSError: the file cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode))
    try:
        source.execute("BEGIN")
        try:
            # The moment is that of the first reading.
            number = read_mark(source).number
            with closing(sqlite3.connect(path)) as target:
                source.backup(target, pages=PAGES_A_STEP, progress=lambda *_: go_on(), sleep=0)
        finally:
            source.execute("ROLLBACK")
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return number
