"""A disk that is full costs no row: the embedded engine stops before it meets the end of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.configuration import ChdbOptions
from clew.store.engine.contract import Scan, Snapshot
from clew.store.engine.failure import translated
from clew.store.table import FRAME, Column, Table
from clew.testing.disk import SmallDisk

DISK_BYTES = 48 << 20
FREE_BYTES_MIN = 8 << 20
CHUNK_BYTES = 64 << 10
ROWS = 500

NOTES = Table(
    name="notes",
    time="At",
    columns=(
        Column("At", "DateTime64(9)"),
        Column("Note", "String"),
        Column(FRAME, "UInt64"),
    ),
    order_by="(At)",
    settings=("fsync_after_insert=1",),
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, where this process may mount one."""
    try:
        disk = SmallDisk(tmp_path / "small", DISK_BYTES)
    except OSError as error:
        # A full disk cannot be had otherwise: a limit on files is met by the log before the engine.
        pytest.skip(f"no file system may be mounted here: {error}")
    with closing(disk):
        yield disk.folder


def fill(path: Path, *, left: int) -> None:
    """Take all room but a little."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(CHUNK_BYTES)) == CHUNK_BYTES:
            continue
    os.truncate(path, path.stat().st_size - left)


def insert(engine: ChdbEngine, frame: int) -> None:
    """Insert half a megabyte that does not get smaller."""
    columns = {
        "At": pa.array([frame] * ROWS, pa.int64()).cast(pa.timestamp("ns")),
        "Note": pa.array([os.urandom(512).hex() for _ in range(ROWS)]),
        FRAME: pa.array([frame] * ROWS, pa.uint64()),
    }
    rows = pa.table(columns).select(NOTES.arrow_schema.names).cast(NOTES.arrow_schema)
    engine.insert(NOTES, rows, token=f"notes:{frame}")


def merge(engine: ChdbEngine) -> None:
    """Make one part of all, as the engine does by itself when it comes to it."""
    with engine._clients.borrow() as client, translated():
        client.command("OPTIMIZE TABLE notes FINAL")


def read(engine: ChdbEngine, frames: int) -> list[tuple[int, int]]:
    """Return how many rows each frame has, every byte of which was read."""
    found = engine.query(
        f"SELECT {FRAME} AS Frame, countIf(length(unhex(Note)) = 512) AS Rows FROM @notes"
        " GROUP BY Frame ORDER BY Frame",
        snapshot=Snapshot(frames, frames),
        scans={"notes": Scan(NOTES, ("Note", FRAME))},
    )
    return [(row["Frame"], row["Rows"]) for row in found.to_pylist()]


def test_the_engine_leaves_the_end_of_the_disk_alone_and_goes_on_once_there_is_room(
    small_disk: Path,
) -> None:
    engine = ChdbEngine(small_disk / "store", ChdbOptions(free_bytes_min=FREE_BYTES_MIN))
    try:
        engine.create([NOTES])
        for frame in range(1, 9):
            insert(engine, frame)
        merge(engine)
        whole = [(frame, ROWS) for frame in range(1, 9)]
        filling = small_disk / "somebody-elses"
        fill(filling, left=FREE_BYTES_MIN * 3 // 4)
        with pytest.raises(ClewError, match="not enough space") as refused:
            insert(engine, 9)
        assert refused.value.code is ErrorCode.UNAVAILABLE
        fill(filling, left=0)
        assert read(engine, 9) == whole
        filling.unlink()
        insert(engine, 9)
        assert read(engine, 9) == [*whole, (9, ROWS)]
    finally:
        engine.close()


def test_a_disk_that_a_process_left_behind_is_taken_away_by_the_next(
    small_disk: Path, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    leave = (
        "from pathlib import Path; from clew.testing.disk import SmallDisk;"
        f" left = Path({str(left)!r}); SmallDisk(left, {DISK_BYTES}); assert left.is_mount()"
    )
    # Whether it is there is seen by whoever leaves it: then another test may be the next.
    subprocess.run([sys.executable, "-c", leave], check=True)
    SmallDisk(tmp_path / "next", DISK_BYTES).close()
    assert not left.is_mount()
    assert small_disk.is_mount()
