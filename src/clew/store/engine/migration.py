"""The version of the stored schema, and the steps from one to the next.

Theory of operation. Tables are declared as they are now. A store made today gets them in one go and
notes the newest version; a store made earlier runs the steps after its own version, in order, and
then gets the tables that it does not have yet. A step may run twice when a crash falls between the
step and the note, so each statement is idempotent. After that the stored columns are compared with
the declared ones: a forgotten step, or tables that another program made, end in a message that
names the columns, never in a failing insert later.

To add a column: declare it in the table, and append
``Migration(n, add_column(TABLE, "Name"))`` to the strand's list; for a column that is computed,
`add_materialized`.
"""

# ruff: noqa: S608 - names are quoted, values are bound, and the rest is our own text

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.ddl import (
    alias_column,
    create_database,
    create_table,
    materialized_column,
    qualified,
    quote_name,
    quote_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from clew.store.table import Table

logger = logging.getLogger(__name__)

SCHEMA_TABLE: Final = "clew_schema"
BASE_VERSION: Final = 1
"""The version of a store whose tables no migration has touched."""

_PLACE = "{database}"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, from the version before it.

    `statements` are run in order and MUST be idempotent; ``{database}`` stands for the database.
    Versions count from 2, without gaps. Where the statements are made from declarations that later
    versions change (the expression of a computed column), `about` says in fixed words what the step
    does, and is digested in their place.
    """

    version: int
    statements: tuple[str, ...]
    about: str = ""

    @property
    def checksum(self) -> str:
        """A digest of the step: tells one that was changed after it was released."""
        text = self.about or "\n".join(self.statements)
        return hashlib.sha256(text.encode()).hexdigest()


def add_column(table: Table, name: str) -> tuple[str, ...]:
    """Return the statements that add a declared column; old rows read its type's default."""
    column = next(c for c in table.columns if c.name == name)
    definition = f"{quote_name(column.name)} {column.type} CODEC({column.codec})"
    place = f"{_PLACE}.{quote_name(table.name)}"
    return (f"ALTER TABLE {place} ADD COLUMN IF NOT EXISTS {definition}",)


def add_materialized(table: Table, names: Iterable[str]) -> tuple[str, ...]:
    """Return the statements that add declared computed columns, in the order of their declaration.

    Old rows are not rewritten: the engine computes the column where a part has none, and stores it
    when parts are merged.
    """
    wanted = frozenset(names)
    place = f"{_PLACE}.{quote_name(table.name)}"
    return tuple(
        f"ALTER TABLE {place} ADD COLUMN IF NOT EXISTS {materialized_column(column)}"
        for column in table.materialized
        if column.name in wanted
    )


def add_index(table: Table, name: str) -> tuple[str, ...]:
    """Return the statements that add a declared index and build it for the rows there are.

    The build is waited for: a text index over a lambda that some part lacks makes every query that
    reads the index directly fail (docs/internals/engine.md).
    """
    definition = next(i for i in table.indexes if i.split()[1] == name).removeprefix("INDEX ")
    place = f"{_PLACE}.{quote_name(table.name)}"
    return (
        f"ALTER TABLE {place} ADD INDEX IF NOT EXISTS {definition}",
        f"ALTER TABLE {place} MATERIALIZE INDEX {quote_name(name)} SETTINGS mutations_sync = 2",
    )


def add_alias(table: Table, name: str) -> tuple[str, ...]:
    """Return the statements that add a declared alias, or give one its declared expression.

    An index over an alias keeps what it was built of: drop it before, and add it again after.
    """
    alias = next(a for a in table.aliases if a.name == name)
    place = f"{_PLACE}.{quote_name(table.name)}"
    return tuple(
        f"ALTER TABLE {place} {verb} {alias_column(alias)}"
        for verb in ("ADD COLUMN IF NOT EXISTS", "MODIFY COLUMN")
    )


def drop_index(table: Table, name: str) -> tuple[str, ...]:
    """Return the statements that drop an index, which need not be declared any more."""
    place = f"{_PLACE}.{quote_name(table.name)}"
    return (f"ALTER TABLE {place} DROP INDEX IF EXISTS {quote_name(name)}",)


def bring_up_to_date(
    client: Client,
    database: str,
    tables: Sequence[Table],
    migrations: Sequence[Migration],
    kept: Mapping[str, int],
) -> int:
    """Create and migrate until the stored schema is the declared one; return its version.

    `kept` says for how many seconds the rows of tables that are made now stay, by their names.

    Raises:
        ClewError: UNSUPPORTED when the stored schema is newer than this program, or when its tables
            are not ours.
    """
    known = _checked(migrations)
    client.command(create_database(database), use_database=False)
    client.command(_schema_table(database))
    stored = _stored_checksums(client, database)
    newest = known[-1].version if known else BASE_VERSION
    _refuse_foreign_history(stored, known, newest)
    if stored:
        for migration in known:
            if migration.version > max(stored):
                # Building an index for a hundred million rows takes many minutes.
                logger.info(
                    "bringing the store to schema version %s of %s", migration.version, newest
                )
                _apply(client, database, migration)
    # The engine reads a whole declaration before it sees that the table exists.
    existing = _table_names(client, database)
    for table in tables:
        if table.name not in existing:
            client.command(create_table(database, table, kept.get(table.name)))
    _verify(client, database, tables)
    if not stored:
        _note(client, database, [Migration(BASE_VERSION, ()), *known])
    return newest


def _checked(migrations: Sequence[Migration]) -> list[Migration]:
    expected = range(BASE_VERSION + 1, BASE_VERSION + 1 + len(migrations))
    assert [m.version for m in migrations] == list(expected), "migrations count from 2, no gaps"
    return list(migrations)


def _refuse_foreign_history(
    stored: dict[int, str], known: Sequence[Migration], newest: int
) -> None:
    if stored and max(stored) > newest:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"the store has schema version {max(stored)}, this program knows up to {newest}",
            hint="start the version of clew that wrote it, or a newer one",
        )
    for migration in known:
        if stored.get(migration.version, migration.checksum) != migration.checksum:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                f"schema version {migration.version} of the store is not the one of this program",
                hint="the store was written by another build of clew; start that one",
            )


def _schema_table(database: str) -> str:
    return (
        f"CREATE TABLE IF NOT EXISTS {qualified(database, SCHEMA_TABLE)}"
        " (version UInt32, applied_at DateTime64(3) DEFAULT now64(3), checksum String)"
        " ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1"
    )


def _stored_checksums(client: Client, database: str) -> dict[int, str]:
    sql = f"SELECT version, checksum FROM {qualified(database, SCHEMA_TABLE)}"
    return {int(version): str(checksum) for version, checksum in client.query(sql).result_rows}


def _table_names(client: Client, database: str) -> set[str]:
    rows = client.query(
        "SELECT name FROM system.tables WHERE database = {database:String}",
        parameters={"database": database},
    ).result_rows
    return {str(name) for (name,) in rows}


def _apply(client: Client, database: str, migration: Migration) -> None:
    for statement in migration.statements:
        client.command(statement.replace(_PLACE, quote_name(database)))
    _note(client, database, [migration])


def _note(client: Client, database: str, migrations: Sequence[Migration]) -> None:
    """Write down steps that were done, all in one insert: each costs a part on disk."""
    notes = (f"({each.version}, {quote_text(each.checksum)})" for each in migrations)
    client.command(
        f"INSERT INTO {qualified(database, SCHEMA_TABLE)} (version, checksum)"
        f" VALUES {', '.join(notes)}"
    )


def _verify(client: Client, database: str, tables: Sequence[Table]) -> None:
    rows = client.query(
        "SELECT table, name, type FROM system.columns WHERE database = {database:String}",
        parameters={"database": database},
    ).result_rows
    stored = {(str(table), str(name)): str(kind) for table, name, kind in rows}
    for table in tables:
        declared = [(c.name, c.type) for c in table.columns]
        declared += [(m.name, m.type) for m in table.materialized]
        wrong = [
            f"{name} {kind}" for name, kind in declared if stored.get((table.name, name)) != kind
        ]
        if wrong:
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                f"table {table.name} does not have the columns {', '.join(wrong)}",
                hint="the table was made by another program; use another database or data folder",
            )
