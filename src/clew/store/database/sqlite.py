"""The registry in one SQLite file: WAL mode, every commit synced, one connection that writes.

Readers see the last commit and wait for nobody. One connection alone writes and checkpoints, and it
is the last to be closed: two connections that checkpoint at once are the one race in which SQLite
before 3.51.3 could damage a file in this mode.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from clew.store.database.contract import Result
from clew.store.database.failure import explain
from clew.store.database.migration import check_library, migrate
from clew.store.database.readers import ReaderOptions, Readers
from clew.store.database.recovery import count_lost_commits, read_marks
from clew.store.database.session import SqliteReading, SqliteWriting
from clew.store.database.writer import GroupWriter, WriterOptions
from clew.store.folder import open_folder, storage_error, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from clew.store.database.contract import DatabaseStatus, Reading, Schema, Transaction

logger = logging.getLogger(__name__)

FILE_NAME: Final = "registry.db"

FILE_MODE: Final = 0o600
"""Readable by its owner alone; SQLite gives the files beside it the same mode."""

WAL_BYTES_KEPT: Final = 64 << 20
"""A log that a long reading let grow is cut to this when it is next begun anew."""

CHECKPOINT_PAGES: Final = 4000
"""Pages in the log, 16 MiB, before a commit folds them in. Indexes change the same pages again and
again, which are folded in once; SQLite's own thousand has every tenth commit of a busy tree wait
for it, and more than these would have one wait for long."""

CACHE_BYTES: Final = 8 << 20
"""Pages that the connection which writes keeps in memory: those that a thousand apps write to again
and again are five MiB, where SQLite's own two have them read anew for each commit."""


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """Bounds of the database.

    8 GiB hold eight million comments of the usual size; a registry that large has gone wrong. A
    lock of another process is waited for as long as a person would wait. `file_name` is that of the
    file in the folder.
    """

    file_name: str = FILE_NAME
    bytes_max: int = 8 << 30
    lock_s: float = 5.0
    writer: WriterOptions = field(default_factory=WriterOptions)
    readers: ReaderOptions = field(default_factory=ReaderOptions)
    clock: Callable[[], int] = time.time_ns


class SqliteDatabase:
    """Implements `clew.store.database.contract.Database`."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, options: DatabaseOptions
    ) -> None:
        self.path = path
        self._connection = connection
        self._options = options
        self._closing = threading.Lock()
        self._is_closed = False
        self._readers = Readers(self._connect_reader, options.readers)
        self._writer = GroupWriter(SqliteWriting(connection, path), options.writer)

    @classmethod
    def open(
        cls, folder: Path, schemas: Sequence[Schema], options: DatabaseOptions | None = None
    ) -> Self:
        """Open the registry of a data folder and bring it to these schemas. Blocks.

        The caller holds the folder's lock. What a crash left in the log is recovered here; where a
        damaged log lost acknowledged commits, that is logged as an error and the log is kept.

        Raises:
            ClewError: UNSUPPORTED when a newer program wrote it, UNAVAILABLE when it is damaged,
                locked or full, FORBIDDEN when it may not be opened.
        """
        options = options or DatabaseOptions()
        check_library()
        open_folder(folder)
        path = folder / options.file_name
        _prepare(path)
        try:
            marks = read_marks(path)
        except OSError as error:
            raise storage_error(error, f"cannot read the log of {path}", folder) from error
        try:
            connection = sqlite3.connect(
                path, timeout=options.lock_s, isolation_level=None, check_same_thread=False
            )
            try:
                _configure(connection, options.bytes_max)
                count_lost_commits(connection, marks)
                migrate(connection, schemas, path=path, now=options.clock)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise explain(error, path) from error
        return cls(path, connection, options)

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        """Queue a write; the future holds what `work` returned once the write is durable."""
        return self._writer.submit(work)

    def read(self, work: Callable[[Reading], Result]) -> Result:
        """Return what `work` returns; all its statements see one moment."""
        try:
            with self._readers.lend() as reading:
                return work(reading)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def check(self) -> None:
        """Raise ClewError unless rows can be written and read."""
        self._writer.check()
        self.read(lambda reading: reading.rows("SELECT step FROM schema_steps LIMIT 1"))

    def status(self) -> DatabaseStatus:
        """Return what it did so far."""
        return self._writer.status()

    def close(self) -> None:
        """Write what is queued, let readers finish, and let go of the files; idempotent."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
            self._writer.close()
            self._readers.close()
            try:
                # What is in the log stays valid if this fails; the next opening reads it.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                logger.warning("the registry's log was not folded in: %s", error)
            self._connection.close()

    def _connect_reader(self) -> SqliteReading:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=self._options.lock_s,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA query_only = ON")
        return SqliteReading(connection)


def _prepare(path: Path) -> None:
    """Make the file where there is none, and see that it is the owner's alone.

    A file that is there is not opened here: closing it again would drop the locks of every
    connection that this process has to it.
    """
    try:
        if path.exists():
            path.chmod(FILE_MODE)
        else:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE))
            sync_folder(path.parent)
    except OSError as error:
        raise storage_error(error, f"cannot open the registry {path}", path.parent) from error


def _configure(connection: sqlite3.Connection, bytes_max: int) -> None:
    page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
    for pragma in (
        "journal_mode = WAL",
        # Every commit waits for the disk: an answer means durable.
        "synchronous = FULL",
        # Where the system's sync does not reach the device (macOS), the one that does.
        "fullfsync = ON",
        "foreign_keys = ON",
        f"journal_size_limit = {WAL_BYTES_KEPT}",
        f"max_page_count = {bytes_max // page_bytes}",
        f"cache_size = -{CACHE_BYTES >> 10}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
