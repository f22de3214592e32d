"""The order of rows that nothing else tells apart: a hash of all that they hold.

Rows of one moment come in no order of their own, and a row stands elsewhere once it is stored.
Ordered by content, rows that are given in parts are each given once: only rows that are equal in
everything can change places, and then nobody can tell.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.store.table import Table


@cache
def content_hash(table: Table) -> str:
    """Return the SQL of a number that a row has wherever it stands, hot, stored or merged."""
    columns = (_comparable(f"`{column.name}`", column.type) for column in table.columns)
    return f"cityHash64({', '.join(columns)})"


def _comparable(name: str, kind: str) -> str:
    # A stored map gives its keys in another order than a hot one.
    if kind.startswith("Map("):
        return _entries(name)
    if kind.startswith("Array(Map("):
        return f"arrayMap(each -> {_entries('each')}, {name})"
    return name


def _entries(name: str) -> str:
    return f"arraySort(CAST({name}, 'Array(Tuple(String, String))'))"
