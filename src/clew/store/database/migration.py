"""Bringing a database to the schemas of this program: numbered steps, each in a transaction.

Which steps were applied is written in the database itself, in the transaction that applied them, so
a crash between two of them goes on with the second. A step is never changed once it was released;
what it left is changed by the next one.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from clew.store.database.contract import Schema, Step

APPLICATION_ID: Final = 0x434C4557
"""``CLEW``: stands in the file's header, so that no other program's database is taken for ours."""

FORMAT: Final = 1
"""The version of our own bookkeeping, in the header's user version."""

SQLITE_OLDEST: Final = (3, 35, 0)
"""The first one with RETURNING."""

_UPGRADE_HINT: Final = "start the clew that wrote it, or a newer one"


def check_library() -> None:
    """Raise unless the SQLite of this Python has what statements may use.

    Raises:
        ClewError: UNSUPPORTED.
    """
    if sqlite3.sqlite_version_info < SQLITE_OLDEST:
        oldest = ".".join(map(str, SQLITE_OLDEST))
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"this Python has SQLite {sqlite3.sqlite_version}, older than {oldest}",
            hint="use a Python that is built with a newer SQLite",
        )


def migrate(
    connection: sqlite3.Connection,
    schemas: Sequence[Schema],
    *,
    path: Path,
    now: Callable[[], int],
    before: Callable[[], None] | None = None,
) -> None:
    """Apply every step that was not applied yet, in order; nothing when all were.

    `before` is called first, when the file is known to be ours and none of a newer program.

    Raises:
        ClewError: UNSUPPORTED when the file is not ours, when a newer program wrote it, or when
            this SQLite cannot run a step.
        sqlite3.Error: the file cannot be read or written.
    """
    _claim(connection, path)
    known = {schema.name: schema for schema in schemas}
    for name, number in _applied(connection).items():
        newest = len(known[name].steps) if name in known else 0
        if number > newest:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                f"the registry {path} was written by a newer clew: {name} is at step {number},"
                f" this one knows {newest}",
                hint=_UPGRADE_HINT,
            )
    if before is not None:
        before()
    applied = _applied(connection)
    for schema in schemas:
        assert [step.number for step in schema.steps] == list(range(1, len(schema.steps) + 1))
        for step in schema.steps[applied.get(schema.name, 0) :]:
            _apply(connection, schema.name, step, now())


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Make the file ours when it is empty; refuse it when it is another's or from the future."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION_ID:
        if version > FORMAT:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                f"the registry {path} was written by a newer clew: its format is {version},"
                f" this one knows {FORMAT}",
                hint=_UPGRADE_HINT,
            )
        return
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application or version or tables:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"{path} is the database of another program",
            hint="move it, or choose another data folder",
        )
    with _transaction(connection):
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute(
            "CREATE TABLE schema_steps (schema TEXT NOT NULL, step INTEGER NOT NULL,"
            " what TEXT NOT NULL, applied_at INTEGER NOT NULL, PRIMARY KEY (schema, step))"
            " WITHOUT ROWID"
        )
        # What the writer changes to see whether the disk takes pages again.
        connection.execute("CREATE TABLE registry_probes (count INTEGER NOT NULL)")
        connection.execute("INSERT INTO registry_probes VALUES (0)")


def _applied(connection: sqlite3.Connection) -> dict[str, int]:
    rows = connection.execute("SELECT schema, max(step) FROM schema_steps GROUP BY schema")
    return dict(rows.fetchall())


def _apply(connection: sqlite3.Connection, schema: str, step: Step, at: int) -> None:
    with _transaction(connection):
        for statement in step.statements_for(Dialect.SQLITE):
            try:
                connection.execute(statement)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
                    raise
                # Not the file's fault: this build of SQLite lacks something, such as FTS5.
                raise ClewError(
                    ErrorCode.UNSUPPORTED,
                    f"step {step.number} of {schema} ({step.what}) does not run: {error}",
                    hint=f"use a Python whose SQLite ({sqlite3.sqlite_version}) has FTS5",
                ) from error
        connection.execute(
            "INSERT INTO schema_steps VALUES (?, ?, ?, ?)", (schema, step.number, step.what, at)
        )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of a block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # Still open after a failure, unless SQLite has undone it by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
