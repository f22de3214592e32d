"""Many rows in one statement.

The database's thread gives the interpreter back around every statement and must get it again after
it, and the event loop is busiest when most is to be kept: with a statement for each row, each row
would wait. SQLite therefore takes many rows with one statement, all values by their places; those
statements are for 64 rows, 32, 16 and so on down to one, so that a few that are prepared once serve
any number. A PostgreSQL server does its work elsewhere, and takes rows as they are.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from clew.store.database.contract import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clew.store.database.contract import Transaction, Value

    Row = tuple[Value, ...]

_ROWS: Final = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement. More than 64 save nothing, and SQLite has 32 766 values in one at the
most, of which the rows of an app need 44 each. With a size for every power of two, the forty rows
of a busy commit are two statements; rows of nothing that fill up a larger one cost more."""


def insert_rows(
    transaction: Transaction, table: str, columns: tuple[str, ...], rows: Sequence[Row]
) -> int:
    """Insert rows, leaving out those that are there already; return how many were inserted."""
    if not rows:
        return 0
    if transaction.dialect is Dialect.SQLITE:
        return _run(transaction, lambda count: _insert_some(table, columns, count), rows)
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return transaction.run_many(_insert_one(table, columns), named)


def change_rows(
    transaction: Transaction, table: str, key: str, columns: tuple[str, ...], rows: Sequence[Row]
) -> int:
    """Change rows whose key and `version` are the first two values of each given row.

    `columns` are what the values after them are written to. No two rows have the same key. Return
    how many rows were changed.
    """
    if not rows:
        return 0
    if transaction.dialect is Dialect.SQLITE:
        return _run(transaction, lambda count: _change_some(table, key, columns, count), rows)
    names = ("the_key", "over", *columns)
    named = [dict(zip(names, row, strict=True)) for row in rows]
    return transaction.run_many(_change_one(table, key, columns), named)


def _run(transaction: Transaction, statement: Callable[[int], str], rows: Sequence[Row]) -> int:
    """Run the statement for as many rows as there are; return how many rows it came to."""
    return sum(
        transaction.run(statement(len(part)), list(chain.from_iterable(part)))
        for part in _parts(rows)
    )


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    at = 0
    for size in _ROWS:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


@cache
def _insert_some(table: str, columns: tuple[str, ...], count: int) -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {_places(len(columns), count)}"  # noqa: S608 - names of ours
        " ON CONFLICT DO NOTHING"
    )


@cache
def _insert_one(table: str, columns: tuple[str, ...]) -> str:
    values = ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of ours


@cache
def _change_some(table: str, key: str, columns: tuple[str, ...], count: int) -> str:
    # SQLite names the columns of VALUES itself.
    assigned = ", ".join(f"{name} = given.column{place}" for place, name in enumerate(columns, 3))
    return (
        f"UPDATE {table} SET {assigned}"  # noqa: S608 - names of ours
        f" FROM (VALUES {_places(len(columns) + 2, count)}) AS given"
        f" WHERE {table}.{key} = given.column1 AND {table}.version = given.column2"
    )


@cache
def _change_one(table: str, key: str, columns: tuple[str, ...]) -> str:
    assigned = ", ".join(f"{name} = :{name}" for name in columns)
    return f"UPDATE {table} SET {assigned} WHERE {key} = :the_key AND version = :over"  # noqa: S608 - names of ours


def _places(width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return ", ".join([row] * count)
