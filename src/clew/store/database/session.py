"""What a strand's work gets to see of a connection: statements in, rows out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.store.database.contract import Dialect

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from clew.store.database.contract import Value


class Session:
    """Implements `Reading` and `Transaction` over a connection whose transaction others manage."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        """Whose SQL statements are to be."""
        return Dialect.SQLITE

    def rows(self, sql: str, parameters: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a statement, each by the names of its columns."""
        cursor = self._connection.execute(sql, parameters or {})
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def run(self, sql: str, parameters: Mapping[str, Value] | None = None) -> int:
        """Run a statement and return how many rows it changed."""
        return self._connection.execute(sql, parameters or {}).rowcount

    def run_many(self, sql: str, parameters: Sequence[Mapping[str, Value]]) -> int:
        """Run a statement once for each of `parameters`; return how many rows changed."""
        if not parameters:
            return 0
        return self._connection.executemany(sql, parameters).rowcount
