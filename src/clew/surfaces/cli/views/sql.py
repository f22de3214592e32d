"""Rows of an SQL answer, and the tables that SQL may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import NOTHING, escape, escape_lines

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import SqlAnswer, SqlSchema

_NUMBERS = ("Int", "UInt", "Float", "Decimal", "Nullable(Int", "Nullable(UInt", "Nullable(Float")


def row_table(document: SqlAnswer, width: int) -> list[Line]:
    """Return rows as lines, numbers to the right."""
    columns = [
        Column(
            escape(column.name),
            right=column.type.startswith(_NUMBERS),
            flexible=not column.type.startswith(_NUMBERS),
        )
        for column in document.columns
    ]
    names = [column.name for column in document.columns]
    rows = [[_cell(row.get(name)) for name in names] for row in document.rows]
    return lay_out(columns, rows, width)


def schema_lines(document: SqlSchema, width: int) -> list[Line]:
    """Return every table with its columns, then the examples."""
    lines: list[Line] = []
    for table in document.tables:
        lines.append(styled(escape(table.name), Style.BOLD))
        rows = [
            [
                plain(f"  {escape(column.name)}"),
                styled(escape(column.type), Style.CYAN),
                styled(escape(column.comment), Style.DIM),
            ]
            for column in table.columns
        ]
        columns = (Column(""), Column("", flexible=True), Column("", flexible=True, drop=1))
        lines.extend(lay_out(columns, rows, width)[1:])
        lines.append([])
    if document.examples:
        lines.append(styled("examples", Style.BOLD))
    for example in document.examples:
        lines.extend(plain(f"  {line}") for line in escape_lines(example))
    return lines


def _cell(value: Any) -> Line:
    if value is None:
        return styled(NOTHING, Style.DIM)
    if isinstance(value, str):
        return plain(escape(value))
    return plain(escape(msgspec.json.encode(value).decode()))
