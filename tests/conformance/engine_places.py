"""Stores that a test may open, close and open again, one for each adapter."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Final

import clickhouse_connect

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.clickhouse import ClickHouseEngine
from clew.telemetry.tables import GAUGE, LOGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clew.store.engine.contract import Engine
    from clew.store.engine.migration import Migration
    from clew.store.table import Table

SERVER_URL: Final = os.environ.get("CLEW_TEST_CLICKHOUSE_URL")
"""A ClickHouse server that may be written to; each test makes a database and drops it."""

ADAPTERS: Final = ("chdb", "clickhouse-on-chdb", *(("clickhouse",) if SERVER_URL else ()))
"""The server's adapter runs on the embedded engine too, through the same client API: so its SQL and
its flushing are held to the suite where there is no server."""


SOME_TABLES: Final = (TRACES, LOGS, GAUGE)
"""Enough for most tests; each table made costs a few synced files."""


class Place:
    """Where one adapter keeps its tables. `flush` is what the server's adapter calls."""

    def __init__(self, adapter: str, folder: Path) -> None:
        self.adapter = adapter
        self.folder = folder
        self.flush: Callable[[], None] = lambda: None
        self._database = "otel" if adapter == "chdb" else f"clew_test_{secrets.token_hex(4)}"
        self._engine: Engine | None = None

    def open(
        self, tables: Sequence[Table] = SOME_TABLES, migrations: Sequence[Migration] = ()
    ) -> Engine:
        """Open the store anew and create the tables."""
        self.close()
        self._engine = self._opened(migrations)
        self._engine.create(tables)
        return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def remove(self) -> None:
        self.close()
        if self.adapter == "clickhouse" and SERVER_URL:
            client = clickhouse_connect.get_client(dsn=SERVER_URL)
            client.command(f"DROP DATABASE IF EXISTS {self._database}")
            client.close()

    def _flush(self) -> None:
        self.flush()

    def _opened(self, migrations: Sequence[Migration]) -> Engine:
        if self.adapter == "chdb":
            return ChdbEngine(self.folder, migrations=migrations)
        dsn = SERVER_URL if self.adapter == "clickhouse" else f"chdb://{self.folder / 'server'}"
        assert dsn
        return ClickHouseEngine(
            dsn, flush=self._flush, database=self._database, migrations=migrations
        )
