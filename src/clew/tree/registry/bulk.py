"""Many rows in one statement.

The database's thread gives the interpreter back around every statement and must get it again after
it, and the event loop is busiest when most is to be kept: with a statement for each row, each row
would wait. SQLite therefore takes all rows of a table as one JSON text and takes it apart by
itself, beside the loop. A PostgreSQL server does its work elsewhere, and takes rows as they are.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec

from clew.store.database.contract import Dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.database.contract import Transaction, Value

    Row = tuple[Value, ...]

TEXT_BYTES_MAX: Final = 8 << 20
"""Of the rows of one statement: SQLite takes four times as much memory to take them apart, and a
batch of the largest payloads has 64 MiB."""

_encode = msgspec.json.Encoder().encode


def insert_rows(
    transaction: Transaction, table: str, columns: tuple[str, ...], rows: Sequence[Row]
) -> int:
    """Insert rows, leaving out those that are there already; return how many were inserted.

    Values are text, whole numbers and None.
    """
    if not rows:
        return 0
    if transaction.dialect is Dialect.SQLITE:
        text = _encode(rows)
        if len(text) > TEXT_BYTES_MAX and len(rows) > 1:
            del text
            half = len(rows) // 2
            return sum(
                insert_rows(transaction, table, columns, part)
                for part in (rows[:half], rows[half:])
            )
        return transaction.run(_insert_all(table, columns), {"rows": text.decode()})
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return transaction.run_many(_insert_one(table, columns), named)


def change_rows(
    transaction: Transaction, table: str, key: str, columns: tuple[str, ...], rows: Sequence[Row]
) -> int:
    """Change rows whose key and `version` are the first two values of each given row.

    `columns` are what the values after them are written to. Return how many rows were changed.
    """
    if not rows:
        return 0
    if transaction.dialect is Dialect.SQLITE:
        return transaction.run(_change_all(table, key, columns), {"rows": _encode(rows).decode()})
    names = ("the_key", "over", *columns)
    named = [dict(zip(names, row, strict=True)) for row in rows]
    return transaction.run_many(_change_one(table, key, columns), named)


def _value(index: int) -> str:
    return f"json_extract(given.value, '$[{index}]')"


@cache
def _insert_all(table: str, columns: tuple[str, ...]) -> str:
    values = ", ".join(_value(index) for index in range(len(columns)))
    # Without the condition SQLite would take ON for that of a join.
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"  # noqa: S608 - names of ours
        " FROM json_each(:rows) AS given WHERE true ON CONFLICT DO NOTHING"
    )


@cache
def _insert_one(table: str, columns: tuple[str, ...]) -> str:
    values = ", ".join(f":{name}" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of ours


@cache
def _change_all(table: str, key: str, columns: tuple[str, ...]) -> str:
    assigned = ", ".join(f"{name} = {_value(index)}" for index, name in enumerate(columns, 2))
    return (
        f"UPDATE {table} SET {assigned} FROM json_each(:rows) AS given"  # noqa: S608 - names of ours
        f" WHERE {table}.{key} = {_value(0)} AND {table}.version = {_value(1)}"
    )


@cache
def _change_one(table: str, key: str, columns: tuple[str, ...]) -> str:
    assigned = ", ".join(f"{name} = :{name}" for name in columns)
    return f"UPDATE {table} SET {assigned} WHERE {key} = :the_key AND version = :over"  # noqa: S608 - names of ours
