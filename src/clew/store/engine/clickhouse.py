"""The engine on a server: ClickHouse over HTTP, with the same tables and the same SQL.

The server cannot read this process's memory, so hot rows are flushed before a read that would need
them; reads then are of stored rows alone, up to the snapshot's `acked` frame.

Frame numbers are those of one write-ahead log: one database takes the rows of one clew server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import clickhouse_connect
import pyarrow as pa
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
from clew.store.engine.ddl import DATABASE, qualified
from clew.store.engine.failure import failure, translated
from clew.store.engine.hot import readable_rows
from clew.store.engine.scan import expand, stored_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clickhouse_connect.driver.client import Client

    from clew.store.engine.contract import QueryLimits, Scan, Snapshot
    from clew.store.engine.migration import Migration
    from clew.store.table import Table


class ClickHouseEngine(ClickHouseAdapter):
    """Tables on a server. See `Engine` for what each call promises."""

    def __init__(
        self,
        dsn: str,
        *,
        flush: Callable[[], None],
        database: str = DATABASE,
        migrations: Sequence[Migration] = (),
    ) -> None:
        """Connect to ``clickhouse://user:password@host:8123``, or ``clickhouses://`` with TLS.

        `flush` brings every acknowledged row to the engine before it returns; it is called before a
        read whose snapshot has hot rows of a table that is read.

        Raises:
            ClewError: UNAVAILABLE when the server does not answer.
        """
        self._dsn = dsn
        self._flush = flush
        super().__init__(
            self._open, database=database, migrations=migrations, clients_max=CLIENTS_MAX
        )
        self.check()

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        """See `Engine.insert`."""
        if not rows.num_rows:
            return
        with self._clients.borrow() as client, translated():
            client.raw_insert(
                qualified(self.database, table.name),
                column_names=[column.name for column in table.columns],
                insert_block=_arrow_stream(rows),
                settings={"insert_deduplication_token": token},
                fmt="ArrowStream",
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
        if any(snapshot.hot.get(scan.table.name) for scan in scans.values()):
            self._flush()
        sources = {
            name: stored_rows(self.database, scan, up_to=snapshot.acked)
            for name, scan in scans.items()
        }
        text = expand(sql, sources) + limits_clause(limits)
        with self._clients.borrow() as client, translated():
            return arrow_table(client.raw_query(text, bind(parameters), fmt="ArrowStream"))

    def _open(self, settings: Mapping[str, object]) -> Client:
        try:
            return prepare(clickhouse_connect.get_client(dsn=self._dsn), self.database, settings)
        except ClickHouseError as error:
            known = failure(error)
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                f"the ClickHouse server does not answer: {known.message}",
                hint="check the address and the password of --store",
            ) from error


def _arrow_stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    plain = readable_rows(one_block(rows))
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        # One record batch: the server makes a block of each.
        for batch in plain.to_batches():
            writer.write_batch(batch)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream
