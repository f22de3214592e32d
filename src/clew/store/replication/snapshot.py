"""Everything that makes an answer, in one stream: for a server that begins anew.

Theory of operation. The leader flushes, and takes the newest frame that is in the engine and whose
commits of the registry are in the registry. Of each table it sends the rows up to that frame, in
order of frames, some frames at a time, with the columns that are inserted; then a copy of the
registry's file, which may be a little further: it knows what it has applied. The other side fills
an empty folder and begins its log after that frame; what follows it gets as every standby does.

A stream is parts, each a header (MessagePack), a body and their checksum; the last part says that
it is the end. Until that one has come, and everything is on disk, a file in the folder says that it
is not whole. Who finds that file at a start throws away what there is and begins again. While what
was there before is moved away, the file says where to, so that a move is finished, whatever
interrupts it: half of a folder would pass for one that lost its other half.
"""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import shutil
import struct
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import pyarrow as pa
from isal import isal_zlib

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import Scan, Snapshot
from clew.store.folder import storage_error, sync_folder
from clew.store.log.history import LOG_ID_BYTES
from clew.store.log.segment import SegmentHeader
from clew.store.log.segment_file import SegmentFile
from clew.store.replication.standing import Starts
from clew.store.table import FRAME

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from clew.store.engine.contract import Engine
    from clew.store.replication.standing import Standing
    from clew.store.table import Table

logger = logging.getLogger(__name__)

MARK_NAME: Final = "snapshot-not-whole"

FORMER_NAME: Final = "former"
"""Where what a server had of its own is moved, and stays: ``former``, ``former-2`` …"""

DIVERGED_NAME: Final = "diverged"
"""Where what a group went on without is moved, in the place of what was there."""


class Keep(Enum):
    """What becomes of the data that a snapshot takes the place of."""

    NOTHING = auto()
    """The group has all of it."""
    LATEST = auto()
    """The end of it is nowhere else: kept until the next such case, so that a disk does not fill up
    with one copy for each change of leader."""
    ALWAYS = auto()
    """It is of another group, or of a server that was alone: nobody but its owner removes it."""


OURS: Final = ("store", "log", "refused", "registry.db", "registry.db-wal", "registry.db-shm")
"""What a server's data is, by name in its folder; what else lies there stays."""

CHUNK_ROWS: Final = 20_000
"""Rows of one part, about 20 MB of spans: what either side holds in memory at once."""

BUCKET_FRAMES: Final = 16
"""Frames are counted in so many together, so that the counts of a large table stay small."""

FILE_CHUNK_BYTES: Final = 1024 * 1024

PART_BYTES_MAX: Final = 1024 * 1024 * 1024
"""No part is larger: one frame is at most 64 MiB, and its rows at most some times that."""

_LENGTHS: Final = struct.Struct("<III")


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands before a body."""

    kind: Literal["start", "rows", "registry", "end"]
    frame: int = 0
    epoch: int = 0
    group: str | None = None
    starts: Starts = ()
    table: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What a snapshot is made of.

    `settle` flushes and returns the frame up to which everything is in engine and registry.
    `copy_registry` writes a consistent copy of the registry to a path; `scratch` is where to.
    """

    engine: Engine
    tables: Sequence[Table]
    settle: Callable[[], int]
    copy_registry: Callable[[Path], object]
    standing: Standing
    scratch: Path


def write_snapshot(source: Source) -> Generator[bytes]:
    """Yield a snapshot, piece by piece. Blocks; memory is one part.

    Raises:
        ClewError: the engine or the registry cannot be read; the stream has no end then.
    """
    through = source.settle()
    standing = source.standing
    yield _encode(
        _Part(
            kind="start",
            frame=through,
            epoch=standing.epoch,
            group=standing.group,
            starts=tuple(start for start in standing.starts if start[1] <= through),
        )
    )
    for table in source.tables:
        for first, last in _plan_chunks(source.engine, table, through):
            rows = _read_rows(source.engine, table, first, last)
            if rows.num_rows:
                yield _encode(_Part(kind="rows", table=table.name), _to_bytes(rows))
    source.scratch.mkdir(parents=True, exist_ok=True)
    copy = source.scratch / f"registry-{secrets.token_hex(4)}.db"
    try:
        source.copy_registry(copy)
        with copy.open("rb") as file:
            while chunk := file.read(FILE_CHUNK_BYTES):
                yield _encode(_Part(kind="registry"), chunk)
    except OSError as error:
        raise storage_error(error, "cannot copy the registry", source.scratch) from error
    finally:
        with suppress(OSError):
            copy.unlink(missing_ok=True)
    yield _encode(_Part(kind="end", frame=through))


def fill_folder(
    folder: Path,
    chunks: Iterable[bytes],
    open_engine: Callable[[], Engine],
    tables: Sequence[Table],
    standing: Standing,
    *,
    keep: Keep = Keep.ALWAYS,
) -> int:
    """Make a data folder out of a snapshot; return the frame up to which it has everything.

    The caller holds the folder's lock and has nothing in it open. What was there is moved away, or
    deleted, as `keep` says. `open_engine` opens an engine in the folder whose tables exist. Blocks.

    Raises:
        ClewError: the stream is not whole, or cannot be kept; the folder is to be filled again.
    """
    try:
        _clear(folder, keep)
        through = _fill(folder, chunks, open_engine, tables, standing)
        (folder / MARK_NAME).unlink()
        sync_folder(folder)
    except OSError as error:
        raise storage_error(error, f"cannot keep the snapshot in {folder}", folder) from error
    logger.info("took a snapshot up to frame %d", through)
    return through


def begin_anew(folder: Path) -> bool:
    """Throw away what an interrupted snapshot left; return whether there was any.

    Raises:
        ClewError: the folder cannot be written.
    """
    if not (folder / MARK_NAME).exists():
        return False
    try:
        _finish_moving(folder)
        _remove(folder)
        (folder / MARK_NAME).unlink()
        sync_folder(folder)
    except OSError as error:
        raise storage_error(error, f"cannot clear {folder}", folder) from error
    logger.warning("threw away a snapshot that was not whole in %s", folder)
    return True


def _plan_chunks(engine: Engine, table: Table, through: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of frames with about as many rows as a chunk has."""
    counts = engine.query(
        f"SELECT intDiv({FRAME}, {BUCKET_FRAMES}) AS Bucket, count() AS Rows FROM @rows"  # noqa: S608
        " GROUP BY Bucket ORDER BY Bucket",
        snapshot=Snapshot(through, through),
        scans={"rows": Scan(table, (FRAME,), where=f"{FRAME} <= {through}")},
    )
    first, rows = 0, 0
    for bucket, count in zip(
        counts.column("Bucket").to_pylist(), counts.column("Rows").to_pylist(), strict=True
    ):
        if rows and rows + count > CHUNK_ROWS:
            yield first, bucket * BUCKET_FRAMES - 1
            first, rows = bucket * BUCKET_FRAMES, 0
        rows += count
    if rows:
        yield first, through


def _read_rows(engine: Engine, table: Table, first: int, last: int) -> pa.Table:
    rows = engine.query(
        f"SELECT * FROM @rows ORDER BY {FRAME}",  # noqa: S608
        snapshot=Snapshot(last, last),
        scans={"rows": Scan(table, ("*",), where=f"{FRAME} >= {first} AND {FRAME} <= {last}")},
    )
    return rows.select([column.name for column in table.columns])


def _to_bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _encode(part: _Part, body: bytes = b"") -> bytes:
    header = msgspec.msgpack.encode(part)
    checksum = isal_zlib.crc32(body, isal_zlib.crc32(header))
    return _LENGTHS.pack(len(header), len(body), checksum) + header + body


def _decode(chunks: Iterable[bytes]) -> Iterator[tuple[_Part, bytes]]:
    """Yield the parts of a stream.

    Raises:
        ClewError: UNAVAILABLE when it ends early or is damaged.
    """
    held = bytearray()
    pieces = iter(chunks)

    def take(size: int) -> bytes:
        while len(held) < size:
            piece = next(pieces, None)
            if piece is None:
                raise _broken("it ended early")
            held.extend(piece)
        taken = bytes(held[:size])
        del held[:size]
        return taken

    while True:
        header_bytes, body_bytes, checksum = _LENGTHS.unpack(take(_LENGTHS.size))
        if header_bytes + body_bytes > PART_BYTES_MAX:
            raise _broken("a part of it is too large")
        header, body = take(header_bytes), take(body_bytes)
        if isal_zlib.crc32(body, isal_zlib.crc32(header)) != checksum:
            raise _broken("it was damaged on the way")
        part = msgspec.msgpack.decode(header, type=_Part)
        yield part, body
        if part.kind == "end":
            return


def _fill(
    folder: Path,
    chunks: Iterable[bytes],
    open_engine: Callable[[], Engine],
    tables: Sequence[Table],
    standing: Standing,
) -> int:
    parts = _decode(chunks)
    start, _ = next(parts)
    if start.kind != "start":
        raise _broken("it has no beginning")
    by_name = {table.name: table for table in tables}
    token = secrets.token_hex(8)
    engine = open_engine()
    try:
        with (folder / "registry.db").open("wb") as registry:
            for number, (part, body) in enumerate(parts):
                if part.kind == "rows" and part.table in by_name:
                    table = by_name[part.table]
                    rows = pa.ipc.open_stream(body).read_all().cast(table.arrow_schema)
                    engine.insert(table, rows, token=f"{token}:{number}")
                elif part.kind == "registry":
                    registry.write(body)
            registry.flush()
            os.fsync(registry.fileno())
            is_empty = registry.tell() == 0
    finally:
        engine.close()
    if is_empty:
        (folder / "registry.db").unlink()
    _begin_log(folder / "log", start.frame, start.epoch)
    standing.begin(start.starts, start.group)
    return start.frame


def _begin_log(folder: Path, through: int, epoch: int) -> None:
    """Make a log whose next frame is the one after `through`."""
    folder.mkdir()
    header = SegmentHeader(
        log_id=secrets.token_bytes(LOG_ID_BYTES),
        epoch=epoch,
        ordinal=1,
        first=through + 1,
        previous_bytes=0,
        created=0,
    )
    SegmentFile.create(folder, header).close()


def _clear(folder: Path, keep: Keep) -> None:
    mark = folder / MARK_NAME
    if keep is not Keep.NOTHING and not mark.exists():
        former = _find_room(folder, keep)
        former.mkdir()
        _write_mark(folder, former.name)
    if mark.exists():
        _finish_moving(folder)
    _write_mark(folder, "")
    _remove(folder)


def _find_room(folder: Path, keep: Keep) -> Path:
    """Return where to move what is in the folder; nothing is there."""
    if keep is Keep.LATEST:
        shutil.rmtree(folder / DIVERGED_NAME, ignore_errors=True)
        return folder / DIVERGED_NAME
    names = (f"{FORMER_NAME}-{number}" for number in itertools.count(2))
    found = folder / FORMER_NAME
    while found.exists():
        found = folder / next(names)
    return found


def _write_mark(folder: Path, former: str) -> None:
    """Say durably that the folder is not whole, and where what is in it goes, if that is kept."""
    fresh = folder / f"{MARK_NAME}.new"
    with fresh.open("w") as file:
        file.write(former)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / MARK_NAME)
    sync_folder(folder)


def _finish_moving(folder: Path) -> None:
    """Move what is still where it was; nothing where all of it is moved, or was not to be kept."""
    name = (folder / MARK_NAME).read_text()
    if not name:
        return
    for part in OURS:
        if (folder / part).exists():
            (folder / part).rename(folder / name / part)
    sync_folder(folder / name)
    sync_folder(folder)
    logger.warning("what was in %s is kept in %s, until somebody removes it", folder, name)


def _remove(folder: Path) -> None:
    for name in OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _broken(why: str) -> ClewError:
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"the snapshot is not whole: {why}",
        hint="it is taken again from the start",
        retry_after_ms=1000,
    )
