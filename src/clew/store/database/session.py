"""SQLite's connections, as the writer, the readers and a strand's work see them."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from clew.store.database.applied import read_numbered_tables
from clew.store.database.changes import find_target
from clew.store.database.contract import Dialect
from clew.store.database.failure import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from clew.base.errors import ClewError
    from clew.store.database.changes import ChangesDraft
    from clew.store.database.contract import Parameters, Value

_OPCODES_BETWEEN_LOOKS: Final = 10_000
"""Steps of SQLite's machine between looks at the clock: about a tenth of a millisecond."""


class Session:
    """Implements `Reading` and `Transaction` over a connection whose transaction others manage."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """Whose SQL statements are to be."""
        return Dialect.SQLITE

    def rows(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement, each by the names of its columns."""
        cursor = self._connection.execute(sql, parameters or {})
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def run(self, sql: str, parameters: Parameters | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        return self._connection.execute(sql, parameters or {}).rowcount

    def run_many(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> int:
        """Run a statement once for each of `parameters`; return how many rows changed."""
        if not parameters:
            return 0
        return self._connection.executemany(sql, parameters).rowcount


class RecordingSession:
    """Implements `Transaction`: runs statements, and notes those that changed something."""

    def __init__(self, connection: sqlite3.Connection, draft: ChangesDraft) -> None:
        self._connection = connection
        self._inner = Session(connection)
        self._numbered = read_numbered_tables(connection)
        self.draft = draft
        # Why this write cannot be kept: what came after a refusal is not known for certain.
        self.refusal: sqlite3.Error | None = None

    def begin(self, draft: ChangesDraft) -> None:
        """Note what comes in another draft."""
        self.draft, self.refusal = draft, None

    @property
    def dialect(self) -> Dialect:
        """Whose SQL statements are to be."""
        return Dialect.SQLITE

    def rows(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement, each by the names of its columns."""
        before = self._connection.total_changes
        try:
            found = self._inner.rows(sql, parameters)
        except sqlite3.Error as error:
            self.refusal = error
            raise
        self._note(before, sql, (parameters or {},))
        return found

    def run(self, sql: str, parameters: Parameters | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        before = self._connection.total_changes
        try:
            changed = self._inner.run(sql, parameters)
        except sqlite3.Error as error:
            self.refusal = error
            raise
        self._note(before, sql, (parameters or {},))
        return changed

    def run_many(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> int:
        """Run a statement once for each of `parameters`; return how many rows changed."""
        if not parameters:
            return 0
        before = self._connection.total_changes
        try:
            changed = self._inner.run_many(sql, parameters)
        except sqlite3.Error as error:
            self.refusal = error
            raise
        self._note(before, sql, parameters)
        return changed

    def _note(self, before: int, sql: str, parameters: Sequence[Parameters]) -> None:
        if self._connection.total_changes == before:
            target = find_target(sql)
            # One that adds no row may use up a number all the same.
            if target is None or not target.is_insert or target.table not in self._numbered:
                return
        self.draft.add(sql, parameters)


class SqliteWriting:
    """Implements `clew.store.database.writer.WritingConnection`.

    SQLite writes the next group over what a failed commit left in its log, so a sync that failed
    once is not taken for done later.
    """

    refusals: type[Exception] = sqlite3.Error

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._session = Session(connection)

    @property
    def session(self) -> Session:
        """What a write gets to see."""
        return self._session

    @property
    def is_open(self) -> bool:
        """Whether a transaction is under way; SQLite ends one by itself when the disk is full."""
        return self._connection.in_transaction

    @property
    def reconnections(self) -> int:
        """A file is never lost."""
        return 0

    @property
    def has_room(self) -> bool:
        """A transaction takes any number of writes."""
        return True

    def begin(self) -> None:
        """Begin a transaction that may write at once."""
        self._connection.execute("BEGIN IMMEDIATE")

    def mark(self) -> None:
        """Begin what `undo` takes back and `keep` keeps."""
        self._connection.execute("SAVEPOINT one")

    def keep(self) -> None:
        """Keep what was done since `mark`."""
        self._connection.execute("RELEASE one")

    def undo(self) -> None:
        """Take back what was done since `mark`."""
        self._connection.execute("ROLLBACK TO one")
        self._connection.execute("RELEASE one")

    def probe(self) -> None:
        """Change a page, which must then reach the disk."""
        self._connection.execute("UPDATE registry_probes SET count = count + 1")

    def commit(self) -> None:
        """Make the transaction durable."""
        self._connection.execute("COMMIT")

    def abandon(self) -> None:
        """Take back the transaction when there is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def is_lost(self, _error: Exception) -> bool:
        """A file is never lost."""
        return False

    def is_passing(self, _error: Exception) -> bool:
        """Whatever refuses one group may refuse the next."""
        return False

    def explain(self, error: Exception) -> ClewError:
        """Return what a refusal means to a caller."""
        assert isinstance(error, sqlite3.Error)
        return explain(error, self._path)


class SqliteReading:
    """Implements `clew.store.database.readers.ReadingConnection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def moment(self, seconds_max: float) -> Iterator[Session]:
        """Read one moment.

        Raises:
            sqlite3.Error: what SQLite refuses; SQLITE_INTERRUPT when it takes too long.
        """
        connection = self._connection
        deadline = time.monotonic() + seconds_max
        connection.set_progress_handler(
            lambda: int(time.monotonic() > deadline), _OPCODES_BETWEEN_LOOKS
        )
        try:
            connection.execute("BEGIN")
            yield Session(connection)
        finally:
            connection.set_progress_handler(None, 0)
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
