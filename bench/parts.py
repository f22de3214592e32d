"""What a store's files hold: bytes by table, column and index, over the parts in use.

``python -m bench.parts`` opens a folder that nobody else has open, with every right, and prints one
JSON object (`Parts`) as its last line. With ``--optimize`` it merges each table into one part a day
first, and says what CPU that took.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.processes import folder_bytes, run_child
from bench.store import DATABASES, LAYOUTS, engine_path, open_raw

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


class TableParts(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one table. `total` is every file of its active parts: data, indexes, marks, keys."""

    rows: int
    parts: int
    total: int
    columns_total: int
    indexes_total: int
    columns: dict[str, int]
    indexes: dict[str, int]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of all tables. `folder` counts every file, parts waiting to be deleted included."""

    tables: dict[str, TableParts]
    folder: int
    optimize_cpu_s: float = 0.0


def measure_parts(layout: str, folder: Path, *, optimize: bool = False) -> Parts:
    """Return the bytes of a closed store, from a child process."""
    arguments = [f"--layout={layout}", f"--folder={folder}"]
    flags = ["--optimize"] if optimize else []
    return msgspec.convert(run_child("bench.parts", [*arguments, *flags], timeout_s=900), Parts)


def _measure(client: Client, database: str, path: Path, *, optimize: bool) -> Parts:
    names = [
        str(name)
        for (name,) in client.query(
            f"SELECT name FROM system.tables WHERE database = '{database}' "
            "AND engine LIKE '%MergeTree'"
        ).result_rows
    ]
    begin = time.process_time()
    if optimize:
        for name in names:
            client.command(f"OPTIMIZE TABLE {database}.{name} FINAL")
    spent = time.process_time() - begin
    return Parts(
        tables={name: _table(client, database, name) for name in names},
        folder=folder_bytes(path),
        optimize_cpu_s=spent,
    )


def _table(client: Client, database: str, name: str) -> TableParts:
    where = f"database = '{database}' AND table = '{name}'"
    rows, parts, total, data, indexes = client.query(
        "SELECT sum(rows), count(), sum(bytes_on_disk), "
        "sum(data_compressed_bytes + marks_bytes), "
        "sum(secondary_indices_compressed_bytes + secondary_indices_marks_bytes) "
        f"FROM system.parts WHERE active AND {where}"
    ).result_rows[0]
    columns = client.query(
        "SELECT column, sum(column_data_compressed_bytes + column_marks_bytes) AS bytes "
        f"FROM system.parts_columns WHERE active AND {where} GROUP BY column ORDER BY bytes DESC"
    ).result_rows
    skipping = client.query(
        "SELECT name, data_compressed_bytes + marks_bytes AS bytes "
        f"FROM system.data_skipping_indices WHERE {where} ORDER BY bytes DESC"
    ).result_rows
    return TableParts(
        rows=int(rows or 0),
        parts=int(parts),
        total=int(total or 0),
        columns_total=int(data or 0),
        indexes_total=int(indexes or 0),
        columns={str(column): int(size) for column, size in columns},
        indexes={str(index): int(size) for index, size in skipping},
    )


def main() -> None:
    """Read the command line, look, print."""
    parser = argparse.ArgumentParser(prog="bench.parts")
    parser.add_argument("--layout", choices=LAYOUTS, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--optimize", action="store_true")
    given = parser.parse_args()
    path = engine_path(given.layout, given.folder)
    client = open_raw(path)
    parts = _measure(client, DATABASES[given.layout], path, optimize=given.optimize)
    client.close()
    sys.stdout.write(msgspec.json.encode(parts).decode() + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
