"""The server's database: SQLite in memory, with its functions and users, made by migrations.

What a statement changes is told row by row, as the server's hook tells its subscriptions: also
what triggers change, and only once it is committed.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.ids import new_uuid
from clew.testing.trailbase.values import Column, Refusal, SqlValue, decode_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

UNIX_EPOCH_DAYS: Final = 2440587.5
"""The Julian day at which Unix time begins."""

NS_PER_DAY: Final = 86_400 * 1_000_000_000

WATCHED_COLUMNS_MAX: Final = 98
"""A function of SQLite takes 100 arguments; two say what happened where."""

UUID_VERSIONS: Final = (4, 7)

_USERS: Final = """
CREATE TABLE _user (
  id BLOB PRIMARY KEY NOT NULL CHECK (is_uuid(id)) DEFAULT (uuid_v7()),
  email TEXT UNIQUE,
  verified INTEGER NOT NULL DEFAULT 0,
  admin INTEGER NOT NULL DEFAULT 0
) STRICT;
"""

CONSTRAINTS: Final = {
    1: "rejected",
    275: "db constraint: check",
    531: "db constraint: commit hook",
    787: "db constraint: fk",
    1043: "db constraint: function",
    1299: "db constraint: not null",
    1555: "db constraint: pk",
    1811: "db constraint: trigger",
    2067: "db constraint: unique",
    2579: "db constraint: row id",
    2835: "db constraint: pinned",
    3091: "db constraint: data type",
}
"""What the server says for an extended code of SQLite; for any other it answers 500."""

_UUID_CHECK = re.compile(r"is_uuid(_v7|_v4)?\s*\(")

_VERBS: Final = (
    ("Insert", "INSERT", "NEW"),
    ("Update", "UPDATE", "NEW"),
    ("Delete", "DELETE", "OLD"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One row that changed: `verb` is Insert, Update or Delete, the last with the row as it was."""

    verb: str
    table: str
    row: Mapping[str, SqlValue]


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view behind a record API."""

    name: str
    columns: Mapping[str, Column]
    key: str
    is_table: bool


class Database:
    """The database, used on the thread of the server alone. `now` returns Unix nanoseconds."""

    def __init__(self, now: Callable[[], int], on_change: Callable[[list[Change]], None]) -> None:
        self._now = now
        self._on_change = on_change
        self._changes: list[Change] = []
        self._depth = 0
        self._columns: dict[str, tuple[str, ...]] = {}
        self._connection = sqlite3.connect(
            ":memory:", check_same_thread=False, isolation_level=None
        )
        self._connection.row_factory = sqlite3.Row
        self._define()
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(_USERS)

    def migrate(self, migrations: Sequence[Path]) -> None:
        """Run migrations in the order of their names, as a start does.

        Raises:
            sqlite3.Error: one fails.
        """
        for path in sorted(migrations, key=lambda found: found.name):
            self._connection.executescript(path.read_text())
        for (name,) in self._connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall():
            self._watch(str(name))

    def relation(self, name: str) -> Relation:
        """Return a table or view as a record API takes it.

        Raises:
            ValueError: the server refuses it: it is not there, not STRICT, or has no fitting key.
        """
        row = self._connection.execute(
            "SELECT type, sql FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')",
            (name,),
        ).fetchone()
        if row is None:
            raise ValueError(f"there is no table or view {name}")
        columns, key = self._described(name)
        is_table = row["type"] == "table"
        if not is_table:
            # A view has its key from the table of the same column.
            key = next(iter(columns))
        elif not re.search(r"\)\s*STRICT\s*;?\s*$", row["sql"]):
            raise ValueError(f"{name} is not STRICT")
        if key is None or not (
            columns[key].type == "INTEGER" or not is_table or _UUID_CHECK.search(row["sql"])
        ):
            raise ValueError(f"{name} has no key that is an integer or a UUID")
        return Relation(name, columns, key, is_table)

    def read(
        self, sql: str, values: Mapping[str, SqlValue] | Sequence[SqlValue] = ()
    ) -> list[sqlite3.Row]:
        """Return the rows of a question.

        Raises:
            sqlite3.Error: as SQLite has it.
        """
        return self._connection.execute(sql, values).fetchall()

    def write(
        self, sql: str, values: Mapping[str, SqlValue] | Sequence[SqlValue] = ()
    ) -> list[sqlite3.Row]:
        """Run a statement and return what it returns; what it changed is told.

        Raises:
            sqlite3.Error: as SQLite has it; nothing is changed then.
        """
        mark = len(self._changes)
        try:
            rows = self._connection.execute(sql, values).fetchall()
        except sqlite3.Error:
            del self._changes[mark:]
            raise
        if not self._depth:
            self._tell()
        return rows

    def transaction(self) -> Transaction:
        """Return a context in which all writes are kept, or none where it is left by an error."""
        return Transaction(self)

    def begin(self) -> None:
        """Open a transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._depth += 1

    def end(self, *, is_kept: bool) -> None:
        """Close the transaction."""
        self._depth -= 1
        self._connection.execute("COMMIT" if is_kept else "ROLLBACK")
        if not is_kept:
            self._changes.clear()
        self._tell()

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()

    def _tell(self) -> None:
        changes, self._changes = self._changes, []
        if changes:
            self._on_change(changes)

    def _described(self, name: str) -> tuple[dict[str, Column], str | None]:
        found = self._connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
        columns = {
            str(row["name"]): Column(
                str(row["name"]),
                str(row["type"]).upper() or "ANY",
                is_required=bool(row["notnull"]) and row["dflt_value"] is None,
            )
            for row in found
        }
        keys = [str(row["name"]) for row in found if row["pk"]]
        return columns, keys[0] if len(keys) == 1 else None

    def _watch(self, table: str) -> None:
        """Have every change of a table told, before it is made, as the server's hook has it."""
        columns, _ = self._described(table)
        names = self._columns[table] = tuple(columns)
        if len(names) > WATCHED_COLUMNS_MAX:
            raise ValueError(f"{table} has more columns than the fake can watch")
        for verb, event, side in _VERBS:
            values = ", ".join(f"{side}.{quoted(name)}" for name in names)
            self._connection.execute(
                f"CREATE TEMP TRIGGER {quoted(f'told_{event}_{table}')} BEFORE {event} ON"
                f" main.{quoted(table)} BEGIN SELECT clew_told('{verb}', '{table}', {values}); END"
            )

    def _told(self, verb: str, table: str, *values: SqlValue) -> None:
        row = dict(zip(self._columns[table], values, strict=True))
        self._changes.append(Change(verb, table, row))

    def _define(self) -> None:
        define = self._connection.create_function
        define("uuid_v7", 0, lambda: decode_id(new_uuid(self._now())))
        define("is_uuid", 1, lambda value: _is_uuid(value, UUID_VERSIONS), deterministic=True)
        define("is_uuid_v7", 1, lambda value: _is_uuid(value, (7,)), deterministic=True)
        define("is_uuid_v4", 1, lambda value: _is_uuid(value, (4,)), deterministic=True)
        # The clock of the fake can be set, and the files ask for the time by this function only.
        define("julianday", 1, self._julian_day)
        define("clew_told", -1, self._told)
        define("regexp", 2, _matches, deterministic=True)

    def _julian_day(self, moment: SqlValue) -> float:
        if moment != "now":
            raise ValueError("only the present can be asked for")
        return self._now() / NS_PER_DAY + UNIX_EPOCH_DAYS


class Transaction:
    """`with database.transaction():`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.begin()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.end(is_kept=kind is None)


def refusal_of(error: sqlite3.Error) -> Refusal:
    """Return the answer that the server gives for an error of SQLite at a create."""
    text = CONSTRAINTS.get(getattr(error, "sqlite_errorcode", -1))
    return Refusal(500) if text is None else Refusal(400, text)


def quoted(name: str) -> str:
    """Return a name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def placeholders(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield every column as a row of a rule has it: ``:name AS "name"``."""
    for name in columns:
        yield f":{name} AS {quoted(name)}"


def _is_uuid(value: object, versions: tuple[int, ...]) -> bool:
    # NULL is what NOT NULL is for.
    if value is None:
        return True
    return isinstance(value, bytes) and len(value) == 16 and value[6] >> 4 in versions


def _matches(pattern: SqlValue, text: SqlValue) -> bool:
    return isinstance(text, str) and re.search(str(pattern), text) is not None
