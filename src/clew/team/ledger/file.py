"""A ledger in a file of its own, for a program that has no registry. Light install."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.sqlite import FILE_MODE, DatabaseOptions, SqliteDatabase
from clew.store.folder import open_folder, storage_error
from clew.team.ledger.schema import SCHEMA
from clew.team.sessions.schema import SCHEMA as SESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def opened_file(path: Path) -> Iterator[SqliteDatabase]:
    """Open the ledger in a file, which is made where there is none. Blocks.

    One process has it at a time: a file beside it (``.lock``) says so, and goes with the process.
    Folders above it are made; the file is its owner's alone.

    Raises:
        ClewError: CONFLICT when another process has it; UNSUPPORTED when it is some other
            program's or a newer clew's; FORBIDDEN and UNAVAILABLE as the disk says.
    """
    open_folder(path.parent)
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, FILE_MODE)
    except OSError as error:
        raise storage_error(error, f"cannot write to {path.parent}", path.parent) from error
    try:
        _take(descriptor, path)
        database = SqliteDatabase.open(
            path.parent, [SESSIONS, SCHEMA], DatabaseOptions(file_name=path.name)
        )
        try:
            yield database
        finally:
            database.close()
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"another process has {path} open",
            hint="end it, or choose another file",
        ) from None
