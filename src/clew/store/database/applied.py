"""The row that says up to which change of the log a registry is, and where its rows come from.

It is written in the transaction that applies a change, so a change is applied once whatever ends
the process in between. Only a registry of a group of servers has the row; one that is opened alone
after that goes its own way, and its origin says so.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from clew.store.database.changes import Mark

if TYPE_CHECKING:
    import sqlite3

    from clew.store.database.contract import Transaction

TABLE: Final = "registry_applied"

ORIGIN_BYTES: Final = 8
"""Enough that two servers never draw the same."""

_EXISTS: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"

_CREATE: Final = f"CREATE TABLE {TABLE} (number INTEGER NOT NULL, origin TEXT NOT NULL)"

_NUMBERED: Final = (
    "SELECT lower(name) FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
)


def is_shared(connection: sqlite3.Connection) -> bool:
    """Return whether a registry is, or was, one of a group."""
    return bool(connection.execute(_EXISTS, (TABLE,)).fetchone()[0])


def join_group(connection: sqlite3.Connection) -> Mark:
    """Return where a registry is, and begin to keep it where it was alone so far.

    Called when the file is ours and before its schemas are brought up to date: one without any was
    never written.
    """
    if not is_shared(connection):
        steps = connection.execute("SELECT count(*) FROM schema_steps").fetchone()[0]
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_CREATE)
        connection.execute(f"INSERT INTO {TABLE} VALUES (0, ?)", (_draw() if steps else "",))  # noqa: S608 - ours
        connection.execute("COMMIT")
    return read_mark(connection)


def leave_group(writing: Transaction) -> None:
    """Note that a registry of a group is written alone, in the transaction that does so."""
    writing.run(f"UPDATE {TABLE} SET origin = :origin", {"origin": _draw()})  # noqa: S608 - ours


def read_mark(connection: sqlite3.Connection) -> Mark:
    """Return what stands in the row."""
    number, origin = connection.execute(f"SELECT number, origin FROM {TABLE}").fetchone()  # noqa: S608 - ours
    return Mark(number, origin)


def write_number(connection: sqlite3.Connection, number: int) -> None:
    """Note the newest change, in the transaction that applies it."""
    connection.execute(f"UPDATE {TABLE} SET number = ?", (number,))  # noqa: S608 - ours


def read_schemas(connection: sqlite3.Connection) -> str:
    """Return the step that each schema is at: ``access=1 comments=2``, by their names."""
    rows = connection.execute("SELECT schema, max(step) FROM schema_steps GROUP BY schema")
    return " ".join(f"{name}={step}" for name, step in sorted(rows.fetchall()))


def read_numbered_tables(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the tables whose numbers are never given out again.

    An INSERT uses one up even where it adds no row.
    """
    return frozenset(name for (name,) in connection.execute(_NUMBERED))


def _draw() -> str:
    return secrets.token_hex(ORIGIN_BYTES)
