"""The two stores that hold equal rows: ours, and the exporter's tables in the same engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import clickhouse_connect

from bench import peer
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.ddl import DATABASE, quote_name
from clew.store.engine.hot import readable_rows
from clew.telemetry.tables import LOGS, SUM, TABLES, TRACES
from clew.telemetry.tables.migrations import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

    from clew.store.table import Table

CLEW: Final = "clew"
PEER: Final = "exporter"
LAYOUTS: Final = (CLEW, PEER)

DATABASES: Final = {CLEW: DATABASE, PEER: peer.DATABASE}


class Store(Protocol):
    """What rows are filled into."""

    def insert(self, table: Table, rows: pa.Table, token: str) -> None:
        """Insert rows as one block."""
        ...

    def close(self) -> None:
        """Let go of the folder."""
        ...


class ClewStore:
    """Our tables, through the engine adapter that the server uses."""

    def __init__(self, folder: Path) -> None:
        self._engine = ChdbEngine(engine_folder(folder), migrations=MIGRATIONS)
        self._engine.create(TABLES)

    def insert(self, table: Table, rows: pa.Table, token: str) -> None:
        """Insert rows as one block."""
        self._engine.insert(table, rows, token=token)

    def close(self) -> None:
        """Let go of the folder."""
        self._engine.close()


class PeerStore:
    """The exporter's tables of spans, logs and sums; rows of other tables are left out."""

    def __init__(self, folder: Path) -> None:
        self._client = open_raw(engine_path(PEER, folder))
        for statement in peer.tables():
            self._client.command(statement)

    def insert(self, table: Table, rows: pa.Table, token: str) -> None:
        """Insert rows as one block, with as many threads as ours."""
        if table not in (TRACES, LOGS, SUM):
            return
        names = [column.name for column in peer.columns(table)]
        batch = readable_rows(rows.select(names))  # noqa: F841 - the engine finds it by its name
        columns = ", ".join(quote_name(name) for name in names)
        self._client.command(
            f"INSERT INTO {peer.DATABASE}.{table.name} ({columns}) SELECT {columns} "
            f"FROM Python(batch) SETTINGS max_insert_threads = 1, log_comment = '{token}'"
        )

    def close(self) -> None:
        """Let go of the folder."""
        self._client.close()


def open_store(layout: str, folder: Path) -> Store:
    """Open one of the layouts over a data folder."""
    return ClewStore(folder) if layout == CLEW else PeerStore(folder)


def engine_folder(folder: Path) -> Path:
    """Return where in a data folder of clew the engine keeps its files."""
    return folder / "store"


def engine_path(layout: str, folder: Path) -> Path:
    """Return the path that chDB itself opens, for either layout."""
    return engine_folder(folder) / "data" if layout == CLEW else folder / "data"


def open_raw(path: Path) -> Client:
    """Open chDB with every right. Only one opener of a path at a time."""
    path.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"interface": "chdb", "path": str(path)}
    return clickhouse_connect.get_client(**options)
