"""What SQLite's refusals mean to a person: what, where, and what next."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from pathlib import Path

RETRY_MS: Final = 1000
"""When to try again what the disk or another process refused: both last for seconds."""

_PRIMARY: Final = 0xFF
"""The low byte of an extended result code is the primary one."""


def explain(error: sqlite3.Error, path: Path) -> ClewError:
    """Return the error of the product that a refusal of SQLite stands for.

    A statement that is wrong in itself is a mistake of ours: INTERNAL.
    """
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    said = str(error)
    match code:
        case sqlite3.SQLITE_FULL:
            return _unavailable(
                "the registry is full",
                f"make room for {path.parent} ({_free_space(path)}); writing goes on by itself",
            )
        case sqlite3.SQLITE_IOERR:
            return _unavailable(
                f"the registry cannot be read or written: {said}",
                f"look at the device that holds {path} ({_free_space(path)})",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _unavailable(
                f"the registry {path} is locked by another process",
                "end what else has the file open; nothing but clew should write to it",
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return ClewError(
                ErrorCode.UNAVAILABLE,
                f"the registry {path} is damaged: {said}",
                hint=f"keep a copy of {path.name} and {path.name}-wal, then put a backup in place",
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY:
            return ClewError(
                ErrorCode.FORBIDDEN,
                f"the registry {path} cannot be opened for writing: {said}",
                hint=f"give this user write permission on {path} and its folder",
            )
        case sqlite3.SQLITE_INTERRUPT:
            return ClewError(
                ErrorCode.TIMEOUT, "reading the registry took too long", hint="ask for less"
            )
        case sqlite3.SQLITE_NOMEM:
            return _unavailable("no memory is left for the registry", "give the process more")
        case _:
            return ClewError(ErrorCode.INTERNAL, f"the registry did not understand: {said}")


def _unavailable(message: str, hint: str) -> ClewError:
    return ClewError(ErrorCode.UNAVAILABLE, message, hint=hint, retry_after_ms=RETRY_MS)


def _free_space(path: Path) -> str:
    try:
        return f"{shutil.disk_usage(path.parent).free} bytes free"
    except OSError:
        return "free space unknown"
