"""The registry in one SQLite file: WAL mode, every commit synced, one connection that writes.

Readers see the last commit and wait for nobody. One connection alone writes and checkpoints, and it
is the last to be closed: two connections that checkpoint at once are the one race in which SQLite
before 3.51.3 could damage a file in this mode.

On a server of a group (`changes` is given when it is opened) what is committed goes through the log
(`clew.store.database.recording`): the registry follows until it is told to lead.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.applied import is_shared, join_group, leave_group, read_schemas
from clew.store.database.contract import Result
from clew.store.database.copies import copy_database
from clew.store.database.failure import explain
from clew.store.database.migration import check_library, migrate
from clew.store.database.readers import ReaderOptions, Readers
from clew.store.database.recording import Recording
from clew.store.database.recovery import count_lost_commits, read_marks
from clew.store.database.session import SqliteReading, SqliteWriting
from clew.store.database.writer import GroupWriter, WriterOptions
from clew.store.folder import open_folder, storage_error, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from clew.store.database.contract import DatabaseStatus, Reading, Schema, Transaction
    from clew.store.database.recording import Record

    ChangesAfter = Callable[[int], Iterable[tuple[int, bytes]]]
    """Gives the changes that a log has behind a number, each with its own, in order."""

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
        self,
        path: Path,
        connection: sqlite3.Connection,
        options: DatabaseOptions,
        *,
        is_of_group: bool = False,
    ) -> None:
        self.path = path
        self._connection = connection
        self._options = options
        self._closing = threading.Lock()
        self._is_closed = False
        self._readers = Readers(self._connect_reader, options.readers)
        writing = SqliteWriting(connection, path)
        self._recording = Recording(writing, connection, path) if is_of_group else None
        # Whether the next write is the first that no log of the group hears of.
        self._is_leaving = not is_of_group and is_shared(connection)
        self._writer = GroupWriter(self._recording or writing, options.writer)

    @classmethod
    def open(
        cls,
        folder: Path,
        schemas: Sequence[Schema],
        options: DatabaseOptions | None = None,
        *,
        changes: ChangesAfter | None = None,
    ) -> Self:
        """Open the registry of a data folder and bring it to these schemas. Blocks.

        The caller holds the folder's lock. What a crash left in the log is recovered here; where a
        damaged log lost acknowledged commits, that is logged as an error and the log is kept.

        With `changes` it is the registry of a server of a group: what the server's log has and it
        has not is applied first, and it takes no writes until `lead`.

        Raises:
            ClewError: UNSUPPORTED when a newer program wrote it, UNAVAILABLE when it is damaged,
                locked or full, FORBIDDEN when it may not be opened; CONFLICT or UNSUPPORTED when
                what the log has does not fit it.
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
                migrate(
                    connection,
                    schemas,
                    path=path,
                    now=options.clock,
                    before=lambda: _settle_place(connection, path, changes),
                )
                if changes is not None:
                    # A new file had no tables before; for any other this is the end already.
                    _catch_up(connection, path, changes)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise explain(error, path) from error
        return cls(path, connection, options, is_of_group=changes is not None)

    @staticmethod
    def was_shared(folder: Path, options: DatabaseOptions | None = None) -> bool:
        """Return whether the registry of a folder was ever one of a group.

        Then its server's log may have changes that it lacks: who opens it alone opens it with
        `changes` first, and closes it again. Blocks; the caller holds the folder's lock.

        Raises:
            ClewError: the file cannot be read.
        """
        path = folder / (options or DatabaseOptions()).file_name
        if not path.exists():
            return False
        try:
            with closing(sqlite3.connect(path)) as connection:
                return is_shared(connection)
        except sqlite3.Error as error:
            raise explain(error, path) from error

    def lead(self, record: Record, tail: Iterable[tuple[int, bytes]] = ()) -> None:
        """Take writes from now on; each group of them is given to `record` before it is committed.

        `record` is called in the thread that writes, one at a time, and gives the number of the
        change in the log once that is acknowledged as it was promised. An error says that it never
        will be; an `OutcomeUnknownError` that nobody knows yet: then nothing is written until
        `apply` is called with it, or the registry is opened anew. So it is with `tail`: changes
        that stand in the log since before, and may not be acknowledged yet.
        """
        assert self._recording is not None, "who is alone records nothing"
        self._recording.lead(record, tail)

    def apply(self, number: int, payload: bytes) -> Future[None]:
        """Apply a change of the log; those of the log are handed in, in its order, by one thread.

        What was applied before is passed over. A change that does not fit ends it: its future and
        all later ones, and `check`, say why. What the disk refuses stays here and is tried again by
        itself, whatever its future said. Blocks only while very many wait.
        """
        assert self._recording is not None, "who is alone follows no log"
        try:
            self._recording.take(number, payload)
            # It only wakes the writer: whatever is written next applies what was taken.
            return self._writer.submit(_do_nothing, is_lost=False)
        except ClewError as error:
            future: Future[None] = Future()
            future.set_exception(error)
            return future

    def applied(self) -> int:
        """Return the number of the newest change that is applied, on disk; 0 for none."""
        assert self._recording is not None, "who is alone follows no log"
        return self._recording.at.number

    def origin(self) -> str:
        """Return where the rows come from: registries of different ones share no log.

        It is empty for one that was never written but by changes of its group's log.
        """
        assert self._recording is not None, "who is alone follows no log"
        return self._recording.at.origin

    def copy_to(self, path: Path) -> int:
        """Copy one moment of the registry to a new file; return the number of its newest change.

        Blocks until it is on disk, and holds up nobody else. Put in an empty folder as `FILE_NAME`,
        it is opened as any registry of the group.

        Raises:
            ClewError: UNAVAILABLE when it is closed meanwhile, and what the disk refuses.
        """
        assert self._recording is not None, "who is alone has no place in a log"
        connection = self._open_reader()
        try:
            with closing(connection):
                return copy_database(connection, path, self._refuse_closed, mode=FILE_MODE)
        except sqlite3.Error as error:
            raise explain(error, self.path) from error
        except OSError as error:
            raise storage_error(
                error, f"cannot copy the registry to {path}", path.parent
            ) from error

    def watch(self, tables: Iterable[str], listener: Callable[[], None]) -> None:
        """Call `listener` when rows of these tables were changed by the log of another server."""
        if self._recording is not None:
            self._recording.watch(tables, listener)

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        """Queue a write; the future holds what `work` returned once the write is durable."""
        if self._recording is not None and not self._recording.leads:
            raise ClewError(
                ErrorCode.CONFLICT,
                "this server is a standby and takes no writes",
                hint="write to the one that leads",
            )
        if self._is_leaving:
            return self._leave_with(work)
        return self._writer.submit(work)

    def _leave_with(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        """Write for the first time alone: the registry is another one from then on."""

        def leave(writing: Transaction) -> Result:
            leave_group(writing)
            return work(writing)

        def note(done: Future[Result]) -> None:
            if not done.cancelled() and done.exception() is None:
                self._is_leaving = False

        future = self._writer.submit(leave)
        future.add_done_callback(note)
        return future

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
            if self._recording is not None:
                self._recording.refuse_more()
            self._writer.close()
            self._readers.close()
            try:
                # What is in the log stays valid if this fails; the next opening reads it.
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                logger.warning("the registry's log was not folded in: %s", error)
            self._connection.close()

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise ClewError(ErrorCode.UNAVAILABLE, "the registry is closed")

    def _connect_reader(self) -> SqliteReading:
        return SqliteReading(self._open_reader())

    def _open_reader(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=self._options.lock_s,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA query_only = ON")
        return connection


def _do_nothing(_: Transaction) -> None:
    """Be a write, before which all is applied that waits."""


def _settle_place(connection: sqlite3.Connection, path: Path, changes: ChangesAfter | None) -> None:
    """Find out where a registry is in its log, and bring it to the log's end.

    With the tables as they are, since the changes were made with those.
    """
    if changes is None:
        return
    join_group(connection)
    if read_schemas(connection):
        _catch_up(connection, path, changes)


def _catch_up(connection: sqlite3.Connection, path: Path, changes: ChangesAfter) -> None:
    recording = Recording(SqliteWriting(connection, path), connection, path)
    recording.catch_up(changes(recording.at.number))


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
