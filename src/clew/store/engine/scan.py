"""One reading of one table as SQL: what is stored, and what is still hot.

``SELECT count() FROM @spans`` becomes ``SELECT count() FROM ((stored) UNION ALL (hot))``.
Both sides give the same columns with the same types, each filters, orders and limits for itself,
and both are cut at the same frame, so that a row is on exactly one side.
"""

# ruff: noqa: S608 - names are quoted, values are bound, and the rest is our own text

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.store.engine.ddl import computed_columns, qualified, quote_name
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.engine.contract import Scan, Snapshot

ROW_NUMBER: Final = "HotRowNumber"
"""The column that numbers hot rows, for the time of one query; no table has it."""

_WORD = re.compile(r"[A-Za-z_]\w*")
_REFERENCE = re.compile(r"@([A-Za-z_]\w*)")


def expand(sql: str, sources: Mapping[str, str]) -> str:
    """Put each source where its ``@name`` stands; other text with an ``@`` stays as it is."""

    def source(match: re.Match[str]) -> str:
        name = match[1]
        return f"({sources[name]})" if name in sources else match[0]

    return _REFERENCE.sub(source, sql)


def references(sql: str) -> frozenset[str]:
    """Return every name that a text refers to as ``@name``."""
    return frozenset(_REFERENCE.findall(sql))


def stored_rows(database: str, scan: Scan, *, up_to: int | None) -> str:
    """Return the SELECT over the stored rows, of frames up to `up_to` unless it is None."""
    cut = "" if up_to is None else f"{FRAME} <= {up_to} AND "
    return _select(scan, qualified(database, scan.table.name), cut)


def plain_rows(database: str, scan: Scan) -> str:
    """Return the SELECT of what a scan is of, without what limits and orders it: for its types."""
    return _select(
        replace(scan, where="1", order_by=None, limit=None),
        qualified(database, scan.table.name),
        "",
    )


def hot_rows(scan: Scan, variable: str, snapshot: Snapshot) -> str:
    """Return the SELECT over the hot rows of a Python variable, after `flushed` up to `acked`."""
    computed = _computed(scan)
    items = (
        *(name for name in scan.columns if name == ROW_NUMBER),
        *(quote_name(name) for name in hot_columns(scan)),
        *(f"{expression} AS {quote_name(name)}" for name, expression in computed.items()),
    )
    rows = f"(SELECT {', '.join(items)} FROM Python({variable}))"
    cut = f"{FRAME} > {snapshot.flushed} AND {FRAME} <= {snapshot.acked} AND "
    return _select(scan, rows, cut)


def row_number_scan(scan: Scan) -> Scan | None:
    """Return the scan of the numbers of the hot rows that a limited scan finds.

    None when that cannot be told apart from the scan: without a limit every row counts, and an
    order may name what only the scan's own columns define. The variable to read holds the
    `hot_columns` of the new scan, and the numbers as `ROW_NUMBER`.
    """
    names = {column.name for column in scan.table.columns}
    order = set(_WORD.findall(scan.order_by or "")) - {"ASC", "DESC"}
    if scan.limit is None or scan.group_by or not order <= names:
        return None
    return replace(scan, columns=(ROW_NUMBER,))


def hot_columns(scan: Scan) -> tuple[str, ...]:
    """Return the inserted columns that the hot side of a scan reads, in table order.

    A column that the text does not name cannot be needed; each one left out saves its conversion.
    """
    text = " ".join((_text(scan), *_computed(scan).values()))
    return tuple(c.name for c in scan.table.columns if c.name == FRAME or c.name in text)


def _computed(scan: Scan) -> dict[str, str]:
    """What the scan names of the computed columns, and what those name in their turn."""
    text = _text(scan)
    wanted = {}
    # Each names only what stands before it, so once round from the end finds all.
    for name, expression in reversed(computed_columns(scan.table).items()):
        if name in text:
            wanted[name] = expression
            text = f"{text} {expression}"
    return dict(reversed(wanted.items()))


def _text(scan: Scan) -> str:
    parts = (*scan.rows, *_columns(scan), scan.where, *scan.group_by, scan.order_by or "")
    return " ".join(parts)


def _columns(scan: Scan) -> tuple[str, ...]:
    """The scan's expressions; a star stands for the inserted columns, on both sides alike."""
    everything = tuple(quote_name(c.name) for c in scan.table.columns)
    columns: list[str] = []
    for column in scan.columns:
        columns.extend(everything if column == "*" else (column,))
    return tuple(columns)


def _select(scan: Scan, rows: str, cut: str) -> str:
    order = f" ORDER BY {scan.order_by}" if scan.order_by else ""
    limit = f" LIMIT {scan.limit}" if scan.limit is not None else ""
    group = f" GROUP BY {', '.join(scan.group_by)}" if scan.group_by else ""
    found = f"{rows} WHERE {cut}({scan.where})"
    if scan.rows:
        found = f"(SELECT {', '.join(scan.rows)} FROM {found})"
    return f"SELECT {', '.join(_columns(scan))} FROM {found}{group}{order}{limit}"
