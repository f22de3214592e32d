"""Where a registry may be kept, for tests that hold every place to the same promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clew.store.database.contract import Database, Dialect, Schema
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase

if TYPE_CHECKING:
    from clew.testing.postgres import PostgresProcess

PLACES = [dialect.value for dialect in Dialect]


class Place(Protocol):
    """One registry, opened as often as a test wants."""

    dialect: Dialect

    def open(self, *schemas: Schema, **options: object) -> Database: ...

    def close(self) -> None: ...

    def strange(self, sql: str) -> None:
        """Run a statement as some other program would."""


@dataclass
class SqlitePlace:
    folder: Path
    dialect: Dialect = Dialect.SQLITE
    opened: list[Database] = field(default_factory=list)

    def open(self, *schemas: Schema, **options: object) -> Database:
        chosen = DatabaseOptions(**options)  # type: ignore[arg-type]
        self.opened.append(SqliteDatabase.open(self.folder, schemas, chosen))
        return self.opened[-1]

    def close(self) -> None:
        for database in self.opened:
            database.close()

    def strange(self, sql: str) -> None:
        import sqlite3

        connection = sqlite3.connect(self.folder / "registry.db")
        connection.execute(sql)
        connection.commit()
        connection.close()


@dataclass
class PostgresPlace:
    server: PostgresProcess
    url: str
    dialect: Dialect = Dialect.POSTGRES
    opened: list[Database] = field(default_factory=list)

    def open(self, *schemas: Schema, **options: object) -> Database:
        from clew.store.database.postgres.database import PostgresDatabase, PostgresOptions

        chosen = PostgresOptions(**options)  # type: ignore[arg-type]
        self.opened.append(PostgresDatabase.open(self.url, schemas, chosen))
        return self.opened[-1]

    def close(self) -> None:
        for database in self.opened:
            database.close()

    def strange(self, sql: str) -> None:
        self.server.execute(sql, url=self.url)
