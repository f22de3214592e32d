"""The engine in this process: chDB, which is ClickHouse as a library.

Theory of operation. One engine, one folder, one process: a second opener of the folder is refused,
and so is a second folder in this process while the first is open. Calls block and release the
interpreter's lock; each runs on a connection of its own. Hot rows never leave this process: a query
reads them from the Arrow table itself, through the table function ``Python(name)``, which looks the
name up among the local variables of the calling thread's frames, so that threads cannot see each
other's.

Stored rows are cut at the snapshot's `flushed` frame only while they have to be. The cut costs a
millisecond, keeps the engine from reusing what it learned of earlier queries, and turns a bare
count into a scan (docs/internals/engine.md). It is needed where the table may hold rows of later
frames: when such rows were handed to `insert`. So a table that has none and whose insert did not
begin by the time the answer is there was read exactly as if it had been cut; if one did begin
meanwhile, the query runs again with the cut.

Ending the process: stop the threads that query, `close`, then leave by `os._exit`. The library's
own threads do not survive the interpreter's teardown well (one crash seen at exit in such runs).
"""

# ruff: noqa: S608 - names are quoted, values are bound, and the rest is our own text

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.adapter import (
    ClickHouseAdapter,
    arrow_table,
    bind,
    limits_clause,
    one_block,
    prepare,
)
from clew.store.engine.clients import CLIENTS_MAX
from clew.store.engine.configuration import ChdbOptions, write_configuration
from clew.store.engine.ddl import (
    DATABASE,
    qualified,
    quote_name,
    quote_text,
)
from clew.store.engine.failure import translated
from clew.store.engine.hot import numbered_rows, readable_rows, rows_at
from clew.store.engine.scan import (
    ROW_NUMBER,
    expand,
    hot_columns,
    hot_rows,
    row_number_scan,
    stored_rows,
)
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

    from clew.store.engine.contract import QueryLimits, Scan, Snapshot
    from clew.store.engine.migration import Migration
    from clew.store.table import Table

FEW_ROWS: Final = 1000
"""Up to here hot rows are read whole: another query costs more than it would save."""

HOT_SCANS_MAX: Final = 12
"""Hot tables in one query: as many variables as `_read` names. We have seven tables."""


class ChdbEngine(ClickHouseAdapter):
    """Tables in a folder, held by this process alone. See `Engine` for what each call promises."""

    def __init__(
        self,
        folder: Path,
        options: ChdbOptions | None = None,
        *,
        migrations: Sequence[Migration] = (),
    ) -> None:
        """Open the engine over a folder, which is made when it does not exist.

        `migrations` bring tables of older versions up to date, in `create`.

        Raises:
            ClewError: UNAVAILABLE when another process has the folder, or this one has another.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder.resolve() / "data"
        self._configuration = write_configuration(
            folder.resolve(), DATABASE, options or ChdbOptions()
        )
        # The newest frame of each table that `insert` was given; written before the insert begins.
        self._begun: dict[str, int] = {}
        self._begun_lock = threading.Lock()
        super().__init__(self._open, migrations=migrations, clients_max=CLIENTS_MAX)
        # The first connection opens the folder: now, not at the first query. And it stays, never
        # lent: a client whose call fails is closed, and with its last connection the library ends
        # the whole engine. Beginning it again costs tenths of a second, every cache, and five
        # threads that never end.
        self._anchor = self._open({})

    def create(self, tables: Sequence[Table], kept: Mapping[str, int | None] | None = None) -> None:
        """See `Engine.create`."""
        super().create(tables, kept)
        newest = self._newest_frames(tables)
        for table in tables:
            self._begin(table, newest.get(table.name, 0))

    def close(self) -> None:
        """See `Engine.close`."""
        super().close()
        self._anchor.close()

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        """See `Engine.insert`."""
        if not rows.num_rows:
            return
        batch = readable_rows(one_block(rows))  # noqa: F841 - the engine finds it by its name
        newest = max(chunk.to_numpy().max() for chunk in rows.column(FRAME).chunks if len(chunk))
        self._begin(table, int(newest))
        columns = ", ".join(quote_name(column.name) for column in table.columns)
        with self._clients.borrow() as client, translated():
            client.command(
                f"INSERT INTO {qualified(self.database, table.name)} ({columns})"
                f" SELECT {columns} FROM Python(batch)"
                f" SETTINGS insert_deduplication_token = {quote_text(token)},"
                # One chunk is read as one block only if it may be as large.
                f" max_block_size = {rows.num_rows}"
            )

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        """See `Engine.query`. `sql` has no SETTINGS clause of its own."""
        hot = {
            name: rows
            for name, scan in scans.items()
            if (rows := self._hot_rows(scan, snapshot, parameters, limits))
        }
        uncut = {
            name
            for name, scan in scans.items()
            if name not in hot and self._is_quiet(scan, snapshot)
        }
        while True:
            text = expand(sql, self._sources(snapshot, scans, hot, uncut)) + limits_clause(limits)
            variables = [
                readable_rows(rows, hot_columns(scans[name])) for name, rows in hot.items()
            ]
            answer = self._read(text, parameters, variables)
            disturbed = {name for name in uncut if not self._is_quiet(scans[name], snapshot)}
            if not disturbed:
                return answer
            uncut -= disturbed

    def _hot_rows(
        self,
        scan: Scan,
        snapshot: Snapshot,
        parameters: Mapping[str, object] | None,
        limits: QueryLimits | None,
    ) -> pa.Table | None:
        """Return the hot rows that a scan has to read, None or empty when there are none.

        The engine converts every value of every column that it reads, of all hot rows: of 50 000
        spans in 40 ms. A scan that wants a few whole rows finds out which by the columns of its
        condition alone, in 4 ms.
        """
        rows = snapshot.hot.get(scan.table.name)
        numbers = row_number_scan(scan)
        if not rows or numbers is None or rows.num_rows <= max(numbers.limit or 0, FEW_ROWS):
            return rows
        variable = numbered_rows(rows, hot_columns(numbers), ROW_NUMBER)
        text = hot_rows(numbers, "hot_0", snapshot) + limits_clause(limits)
        found = self._read(text, parameters, [variable])
        return rows_at(rows, found.column(ROW_NUMBER).to_pylist())

    def _sources(
        self,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        hot: Collection[str],
        uncut: set[str],
    ) -> dict[str, str]:
        variables = {name: f"hot_{number}" for number, name in enumerate(hot)}
        sources = {}
        for name, scan in scans.items():
            parts = []
            if name not in variables or not snapshot.is_hot_alone:
                up_to = None if name in uncut else snapshot.flushed
                parts.append(stored_rows(self.database, scan, up_to=up_to))
            if name in variables:
                parts.append(hot_rows(scan, variables[name], snapshot))
            sources[name] = parts[0] if len(parts) == 1 else f"({parts[0]}) UNION ALL ({parts[1]})"
        return sources

    def _read(
        self, sql: str, parameters: Mapping[str, object] | None, variables: Sequence[pa.Table]
    ) -> pa.Table:
        """Run a query that names the variables ``hot_0``, ``hot_1``, … in their order."""
        assert len(variables) <= HOT_SCANS_MAX, "too many hot tables in one query"
        padded = (*variables, *(None,) * (HOT_SCANS_MAX - len(variables)))
        # The engine finds these by their names, in this frame.
        hot_0, hot_1, hot_2, hot_3, hot_4, hot_5, *_more = padded  # noqa: RUF059
        hot_6, hot_7, hot_8, hot_9, hot_10, hot_11 = _more  # noqa: RUF059
        with self._clients.borrow() as client, translated():
            return arrow_table(client.raw_query(sql, bind(parameters), fmt="ArrowStream"))

    def _is_quiet(self, scan: Scan, snapshot: Snapshot) -> bool:
        """Whether the table was never given rows of frames after the snapshot's `flushed`."""
        return self._begun.get(scan.table.name, 0) <= snapshot.flushed

    def _begin(self, table: Table, newest: int) -> None:
        with self._begun_lock:
            self._begun[table.name] = max(newest, self._begun.get(table.name, 0))

    def _open(self, settings: Mapping[str, object]) -> Client:
        try:
            client = clickhouse_connect.get_client(
                interface="chdb",
                path=str(self._path),
                chdb_options={"config-file": str(self._configuration)},
            )
            return prepare(client, self.database, settings)
        except ClickHouseError as error:
            # The engine writes its own reason to standard error, and here says only that it failed.
            is_second = "already initialized" in str(error)
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                "this process has another store open"
                if is_second
                else f"the store in {self._path.parent} cannot be opened",
                hint="another process may have it open; stop that one, or use another data folder",
            ) from error
