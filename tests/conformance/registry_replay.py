"""A registry that leads over a log in memory, and what a second one makes of that log.

Suites of the strands keep their records in such a place: when a test is over, all that it committed
is applied to an empty registry, in the order of the log, and both must hold the same. A statement
that depends on anything but its values and the rows before it does not come through.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clew.store.database.changes import decode_changes, find_target
from clew.store.database.contract import Database, Schema
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase
from tests.conformance.registry_places import SqlitePlace

DEADLINE_S: Final = 60.0

FUNCTIONS: Final = frozenset(
    {
        *("coalesce", "ifnull", "nullif", "iif", "min", "max", "count", "sum", "total"),
        *("length", "lower", "upper", "substr", "instr", "replace", "trim", "abs", "round"),
        *("like", "glob", "match", "json_each", "json_extract", "json", "typeof", "hex"),
        *("row_number", "->", "->>"),
    }
)
"""What a recorded statement may call: each gives the same for the same values, at any time."""

OWN_TABLES: Final = frozenset({"registry_probes", "registry_applied", "schema_steps"})
"""Each server's own."""

_SHADOW: Final = re.compile(r".*_(data|idx|content|docsize|config)")
"""How a word index lies in its pages depends on when it was written; what it finds does not."""

_CHOOSES: Final = re.compile(r"\bLIMIT\b", re.IGNORECASE)
_ORDERS: Final = re.compile(r"\bORDER\s+BY\b", re.IGNORECASE)
_INSERTS_ROWS: Final = re.compile(r"\bINSERT\b[^;]*\bSELECT\b", re.IGNORECASE | re.DOTALL)


@dataclass
class MemoryLog:
    """The changes that were acknowledged; other frames lie between them."""

    changes: list[tuple[int, bytes]] = field(default_factory=list)

    def record(self, payload: bytes) -> Future[int]:
        number = 3 * len(self.changes) + 3
        self.changes.append((number, payload))
        future: Future[int] = Future()
        future.set_result(number)
        return future

    def after(self, number: int) -> Iterator[tuple[int, bytes]]:
        return (change for change in self.changes if change[0] > number)


@dataclass
class LeadingPlace(SqlitePlace):
    """A registry in a folder that leads; what it committed is held against a second one."""

    log: MemoryLog = field(default_factory=MemoryLog)
    openings: list[tuple[tuple[Schema, ...], int]] = field(default_factory=list)

    def open(self, *schemas: Schema, **options: object) -> Database:
        chosen = DatabaseOptions(**options)  # type: ignore[arg-type]
        database = SqliteDatabase.open(self.folder, schemas, chosen, changes=self.log.after)
        database.lead(self.log.record)
        self.opened.append(database)
        self.openings.append((schemas, len(self.log.changes)))
        return database

    def close(self) -> None:
        super().close()
        if not self.openings:
            return
        follower = self.folder / "follower"
        ends = [began for _, began in self.openings[1:]] + [len(self.log.changes)]
        for (schemas, began), end in zip(self.openings, ends, strict=True):
            second = SqliteDatabase.open(follower, schemas, changes=lambda _: ())
            applying = [second.apply(*change) for change in self.log.changes[began:end]]
            for applied in applying:
                applied.result(DEADLINE_S)
            second.close()
        assert dump(follower / "registry.db") == dump(self.folder / "registry.db")
        check_statements(follower / "registry.db", [payload for _, payload in self.log.changes])


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return what stands in each table of a registry, in order, with the numbers of rows."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        found = {}
        for name, sql in tables.fetchall():
            if name in OWN_TABLES or (_SHADOW.fullmatch(name) and "fts" not in str(sql)):
                continue
            if "USING fts5" in str(sql):
                connection.execute(f"INSERT INTO {name} ({name}) VALUES ('integrity-check')")
                continue
            numbered = "" if "WITHOUT ROWID" in str(sql) else "rowid, "
            found[name] = connection.execute(f"SELECT {numbered}* FROM {name}").fetchall()
            if not numbered:
                found[name].sort()
        return found


def check_statements(path: Path, payloads: Sequence[bytes]) -> None:
    """Hold that recorded statements depend on nothing but their values and the rows."""
    called: set[str] = set()

    def note(action: int, _: object, name: str | None, *_rest: object) -> int:
        if action == sqlite3.SQLITE_FUNCTION and name is not None:
            called.add(name.lower())
        return sqlite3.SQLITE_OK

    statements = {
        (statement.sql, statement.names, len(statement.rows[0]))
        for payload in payloads
        for statement in decode_changes(payload).statements
    }
    with closing(sqlite3.connect(path)) as connection:
        connection.set_authorizer(note)
        for sql, names, width in statements:
            bound = [None] * width
            parameters = bound if names is None else dict(zip(names, bound, strict=True))
            connection.execute(f"EXPLAIN {sql}", parameters).close()
            assert find_target(sql) is not None, sql
            is_chosen = _CHOOSES.search(sql) or _INSERTS_ROWS.search(sql)
            assert not is_chosen or _ORDERS.search(sql), f"no order is named: {sql}"
    assert called <= FUNCTIONS, called - FUNCTIONS
