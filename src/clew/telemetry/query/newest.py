"""Pages of rows, newest first, from one table.

Theory of operation. The table is ordered by time, and the engine stops early only when the order it
is asked for is just that: with any further key it reads everything that matches (measured at a
million spans: 4 ms by time, 19 to 150 ms by time, frame and ids). Rows of equal time, however, are
common in logs, and a page must end at a definite row. So a page is read by time alone, with one row
more than it needs. Rows later than that last one are all here, and are put into their full order in
Python: time, then frame, both descending, then content. Only if the page would end inside a group
of rows of equal time is the group read again, from its newest frames down.

Equal time, frame and content: such rows are interchangeable, and the position counts how many of
them were given.

Everything is read in one query of whole rows. Reading keys first and then the rows with these keys
was slower for every filter tried, since the rows lie where the keys were found (bench/).
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from clew.store.engine.contract import QueryLimits, Scan
from clew.store.table import FRAME
from clew.telemetry.query.cursor import Cursor, Position, read_cursor, write_cursor
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.window import read_window, time_condition

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.query.filter.predicate import Predicate
    from clew.telemetry.query.parameters import PageParameters
    from clew.telemetry.query.store import Store

LIMITS: Final = QueryLimits(time_ms_max=30_000, memory_bytes_max=2 * 1024**3)
"""Walls around a question of ours: half a minute is past all patience, and twelve questions at once
fit into a machine of 24 GiB."""

AT: Final = "at"

Document = TypeVar("Document", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Rows(Generic[Document]):
    """Which rows of which table, and what becomes of them.

    `columns` are read; `document` makes a document of one row, as a mapping from column to value.
    """

    table: Table
    columns: tuple[str, ...]
    document: Callable[[dict[str, Any]], Document]
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Page(Generic[Document]):
    """Documents and how complete they are, in the words of the lists' envelopes."""

    documents: list[Document]
    total: int | None
    at_least: int | None
    next: str | None


@dataclass(frozen=True, slots=True)
class _Row(Generic[Document]):
    at: int
    frame: int
    document: Document

    @property
    def key(self) -> tuple[int, int]:
        return (self.at, self.frame)


def read_page(
    store: Store, query: PageParameters, rows: Rows[Document], kind: str, now: int
) -> Page[Document]:
    """Return the page of a list that a question asks for. See `read_merged_page`."""
    return read_merged_page(store, query, (rows,), kind, now)


def read_merged_page(
    store: Store, query: PageParameters, tables: Sequence[Rows[Document]], kind: str, now: int
) -> Page[Document]:
    """Return the page of a list over the rows of several tables.

    Order:  time, then frame, descending; then content.
    Bounds: sees what was acknowledged when the first page was taken, and nothing later.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit, a time or a cursor that makes no sense.
    """
    check_limit(query.limit)
    snapshot = store.snapshot()
    if query.next is None:
        window, frame, seen, given = read_window(query, now=now), snapshot.acked, 0, 0
        position = None
    else:
        cursor = read_cursor(query.next, kind, query)
        window, frame, seen = cursor.window, cursor.frame, cursor.seen
        position, given = cursor.position, cursor.position.given
    readers = [Reader(store, snapshot, rows, window, frame) for rows in tables]
    first, has_more = _first_of_all(readers, given + query.limit, position)
    shown = first[given:]
    if not has_more:
        return Page([row.document for row in shown], seen + len(shown), None, None)
    last = first[-1]
    end = Position(last.at, last.frame, sum(row.key == last.key for row in first))
    going_on = Cursor(window, frame, end, seen + len(shown))
    is_exact = query.count == "exact"
    return Page(
        [row.document for row in shown],
        sum(reader.count() for reader in readers) if is_exact else None,
        None if is_exact else seen + len(shown) + 1,
        write_cursor(going_on, kind, query),
    )


class Reader(Generic[Document]):
    """Reads rows in their full order, within one range and up to one frame."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        rows: Rows[Document],
        window: TimeRange,
        frame: int,
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._rows = rows
        conditions = [time_condition(rows.table, window), f"({rows.predicate.sql})"]
        if frame < snapshot.acked:
            # The engine cuts at the snapshot's own frame; a later page is cut where the first was.
            conditions.append(f"{FRAME} <= {frame}")
        self._where = " AND ".join(conditions)

    def count(self) -> int:
        """Return how many rows there are in all."""
        return self._count(self._where)

    def first_rows(
        self, wanted: int, position: Position | None
    ) -> tuple[list[_Row[Document]], bool]:
        """Return the first rows from a position on, and whether there are more of them.

        Rows with the time and frame of the position are all included, those given as well.
        """
        where = self._where
        if position is not None:
            at = _time(position.at)
            time = self._rows.table.time
            where += f" AND {time} <= {at} AND NOT ({time} = {at} AND {FRAME} > {position.frame})"
        rows = self._read(where, limit=wanted + 1)
        if len(rows) <= wanted:
            return _in_order(rows), False
        edge = rows[wanted].at
        before = [row for row in rows if row.at > edge]
        missing = wanted - len(before)
        return _in_order(before) + (self._tied(where, edge, missing) if missing else []), True

    def _tied(self, where: str, at: int, wanted: int) -> list[_Row[Document]]:
        """Return the first rows of those with one time."""
        tied = f"{where} AND {self._rows.table.time} = {_time(at)}"
        frames = self._query(
            f"SELECT {FRAME}, count() AS rows FROM @rows GROUP BY {FRAME} ORDER BY {FRAME} DESC",
            Scan(self._rows.table, (FRAME,), tied),
        ).to_pylist()
        found = 0
        oldest = 0
        for row in frames:
            oldest = row[FRAME]
            found += row["rows"]
            if found >= wanted:
                break
        return _in_order(self._read(f"{tied} AND {FRAME} >= {oldest}", limit=found))[:wanted]

    def _read(self, where: str, *, limit: int) -> list[_Row[Document]]:
        table = self._rows.table
        columns = (f"toUnixTimestamp64Nano({table.time}) AS {AT}", FRAME, *self._rows.columns)
        scan = Scan(table, columns, where, order_by=f"{table.time} DESC", limit=limit)
        # Each side of the union is in order and within the limit; both together are put in order
        # here, because one more level of SQL over all columns costs a fifth of the whole query.
        answer = self._query("@rows", scan)
        newest = answer.sort_by([(AT, "descending")]).slice(0, limit)
        rows: list[dict[str, Any]] = newest.to_pylist()
        return [_Row(row[AT], row[FRAME], self._rows.document(row)) for row in rows]

    def _count(self, where: str) -> int:
        # A count of each side, put together without another statement.
        answer = self._query("@rows", Scan(self._rows.table, ("count() AS n",), where))
        return sum(answer.column("n").to_pylist())

    def _query(self, sql: str, scan: Scan) -> pa.Table:
        return self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans={"rows": scan},
            parameters=self._rows.predicate.parameters,
            limits=LIMITS,
        )


def _first_of_all(
    readers: Sequence[Reader[Document]], wanted: int, position: Position | None
) -> tuple[list[_Row[Document]], bool]:
    """Return the first rows of several tables together, and whether there are more of them."""
    parts = [reader.first_rows(wanted, position) for reader in readers]
    rows = [row for part, _ in parts for row in part]
    has_more = len(rows) > wanted or any(more for _, more in parts)
    # One table's rows are in order already.
    return (rows if len(parts) == 1 else _in_order(rows)[:wanted]), has_more


def _in_order(rows: Sequence[_Row[Document]]) -> list[_Row[Document]]:
    """Return rows by time and frame, descending; rows of equal both by their content."""
    ordered: list[_Row[Document]] = []
    for _, group in groupby(
        sorted(rows, key=lambda row: row.key, reverse=True), key=lambda row: row.key
    ):
        tied = list(group)
        if len(tied) > 1:
            # Sorted members: a stored map gives its keys in another order than a hot one.
            tied.sort(key=lambda row: msgspec.json.encode(row.document, order="sorted"))
        ordered += tied
    return ordered


def _time(at: int) -> str:
    return f"fromUnixTimestamp64Nano(toInt64({at}))"
