"""Tables as statements: what `clew.store.table` declares, in the ClickHouse dialect.

Names and types are those of the declaration, so a reader made for the OpenTelemetry ClickHouse
exporter finds what it expects. Every statement may run again: a crash between two of them leaves
nothing that the next start does not mend.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.store.table import Alias, Column, Materialized, Table

DATABASE: Final = "otel"
"""Our own database. Never `default`: in the embedded engine that one is an overlay over the file
system, where a table name may be a path."""

_PARTITIONS: Final = {"day": "toDate", "month": "toYYYYMM"}

_DERIVED = re.compile(r"^(?P<name>\w+) (?P<type>\S+) DEFAULT (?P<expression>.+)$")


def quote_name(name: str) -> str:
    """Return an identifier in backticks; a name with a dot stays one name."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_text(text: str) -> str:
    """Return a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def qualified(database: str, table: str) -> str:
    """Return the full name of a table, quoted."""
    return f"{quote_name(database)}.{quote_name(table)}"


def create_database(database: str) -> str:
    """Return the statement that makes our database; Atomic drops and renames without locks."""
    return f"CREATE DATABASE IF NOT EXISTS {quote_name(database)} ENGINE = Atomic"


def create_table(database: str, table: Table, seconds: int | None = None) -> str:
    """Return the statement that makes a table with its aliases, indexes and settings.

    Partitions are days or months of the table's time column, in UTC: retention drops whole parts,
    and a late row goes to the day it belongs to. Rows stay for so many seconds, None for ever.
    """
    definitions = (
        *(_column(column) for column in table.columns),
        *table.derived,
        *(materialized_column(column) for column in table.materialized),
        *(alias_column(alias) for alias in table.aliases),
        *table.indexes,
    )
    settings = f" SETTINGS {', '.join(table.settings)}" if table.settings else ""
    kept = f" TTL {lifetime(table, seconds)}" if seconds is not None else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {qualified(database, table.name)} ({', '.join(definitions)})"
        f" ENGINE = MergeTree PARTITION BY {_PARTITIONS[table.partition]}({quote_name(table.time)})"
        f" ORDER BY {table.order_by}{kept}{settings}"
        + (f" COMMENT {quote_text(table.comment)}" if table.comment else "")
    )


def create_bare_table(database: str, table: Table) -> str:
    """Return the statement that makes a table of the same columns, without index and order."""
    return f"CREATE TABLE IF NOT EXISTS {qualified(database, table.name)} {_bare(table)}"


def create_session_table(table: Table) -> str:
    """Return the statement that makes a bare table of the session's own.

    Nobody else's session sees it, within this one its name goes before that of any other table,
    and it goes when the session ends.
    """
    return f"CREATE TEMPORARY TABLE {quote_name(table.name)} {_bare(table)}"


def _bare(table: Table) -> str:
    definitions = (
        *(f"{quote_name(column.name)} {column.type}" for column in table.columns),
        *table.derived,
        *(
            f"{quote_name(column.name)} {column.type} MATERIALIZED {column.expression}"
            for column in table.materialized
        ),
        *(alias_column(alias) for alias in table.aliases),
    )
    return f"({', '.join(definitions)}) ENGINE = MergeTree ORDER BY tuple()"


def keep_for(database: str, table: Table, seconds: int | None) -> str:
    """Return the statement that sets how long rows stay; None keeps them for ever."""
    if seconds is None:
        return f"ALTER TABLE {qualified(database, table.name)} REMOVE TTL"
    return f"ALTER TABLE {qualified(database, table.name)} MODIFY TTL {lifetime(table, seconds)}"


def drop_partition(database: str, table: Table, partition: str) -> str:
    """Return the statement that drops the rows of a partition, which is named by its id."""
    return (
        f"ALTER TABLE {qualified(database, table.name)} DROP PARTITION ID {quote_text(partition)}"
    )


def lifetime(table: Table, seconds: int) -> str:
    """Return the TTL expression of a table, spelled as the engine spells it back."""
    return f"toDateTime({table.time}) + toIntervalSecond({seconds})"


def materialized_column(column: Materialized) -> str:
    """Return the definition of a column that the engine computes when it stores a row."""
    return (
        f"{quote_name(column.name)} {column.type} MATERIALIZED {column.expression}"
        f"{_comment(column.comment)} CODEC({column.codec})"
    )


def alias_column(alias: Alias) -> str:
    """Return the definition of a column that the engine computes when it is read."""
    return (
        f"{quote_name(alias.name)} {alias.type} ALIAS {alias.expression}{_comment(alias.comment)}"
    )


def computed_columns(table: Table) -> dict[str, str]:
    """Return the expressions of what is computed for a hot row, by name.

    Those that name others stand after them. Stored columns are cast to their types.
    """
    return {
        **_derived_columns(table),
        **{m.name: f"CAST({m.expression}, {quote_text(m.type)})" for m in table.materialized},
        **{alias.name: alias.expression for alias in table.aliases},
    }


def _derived_columns(table: Table) -> dict[str, str]:
    expressions = {}
    for definition in table.derived:
        match = _DERIVED.match(definition)
        assert match is not None, f"not `Name Type DEFAULT expression`: {definition}"
        expressions[match["name"]] = f"CAST({match['expression']}, {quote_text(match['type'])})"
    return expressions


def _column(column: Column) -> str:
    return (
        f"{quote_name(column.name)} {column.type}{_comment(column.comment)} CODEC({column.codec})"
    )


def _comment(text: str) -> str:
    return f" COMMENT {quote_text(text)}" if text else ""
