"""What a user who writes SQL needs to know of the tables: columns, types, meanings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.table import Table


@dataclass(frozen=True, slots=True)
class DescribedColumn:
    """One column: name, ClickHouse type, and what it holds in one line."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class DescribedTable:
    """One table: name, what a row is, and its columns in order, computed ones last."""

    name: str
    comment: str
    columns: tuple[DescribedColumn, ...]


def describe(tables: Sequence[Table]) -> tuple[DescribedTable, ...]:
    """Return the tables as a user may read them."""
    return tuple(_described(table) for table in tables)


def as_text(tables: Sequence[DescribedTable]) -> str:
    """Return the schema in the form of DDL, with meanings as comments."""
    return "\n\n".join(_text(table) for table in tables) + "\n"


def _described(table: Table) -> DescribedTable:
    derived = (definition.split(" ", 2) for definition in table.derived)
    return DescribedTable(
        table.name,
        table.comment,
        (
            *(DescribedColumn(c.name, c.type, c.comment) for c in table.columns),
            *(DescribedColumn(name, kind, rest) for name, kind, rest in derived),
            *(DescribedColumn(m.name, m.type, m.comment) for m in table.materialized),
            *(DescribedColumn(a.name, a.type, a.comment) for a in table.aliases),
        ),
    )


def _text(table: DescribedTable) -> str:
    definitions = [f"{_name(c.name)} {c.type}" for c in table.columns]
    width = max(len(definition) for definition in definitions) + 1
    lines = [
        f"    {definition + ',':<{width}}{f'  -- {c.comment}' if c.comment else ''}".rstrip()
        for definition, c in zip(definitions, table.columns, strict=True)
    ]
    heading = f"-- {table.comment}\n" if table.comment else ""
    return f"{heading}CREATE TABLE {table.name} (\n" + "\n".join(lines) + "\n)"


def _name(name: str) -> str:
    return f'"{name}"' if "." in name else name
