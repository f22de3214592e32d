"""The data folder: made, proved writable, and held by one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_LOCK_NAME = "lock"

# What the holder writes about itself is about 150 bytes; a foreign file is not read on and on.
_HOLDER_BYTES_MAX = 4096

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def open_folder(folder: Path) -> None:
    """Make the folder and those above it, where they do not exist.

    Raises:
        ClewError: FORBIDDEN or UNAVAILABLE, naming the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, f"cannot make the data folder {folder}", folder) from error


def sync_folder(folder: Path) -> None:
    """Make names that were added to the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(error: OSError, message: str, folder: Path) -> ClewError:
    """Return what an operating system's refusal means to a person: what, where, and what next."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    match error.errno:
        case errno.EACCES | errno.EPERM:
            code = ErrorCode.FORBIDDEN
            hint = f"give this user write permission on {folder}, or choose another data folder"
        case errno.ENOTDIR | errno.EEXIST:
            code = ErrorCode.UNAVAILABLE
            hint = f"a file stands where {folder} should be; move it, or choose another data folder"
        case errno.EROFS:
            code = ErrorCode.UNAVAILABLE
            hint = f"the file system of {folder} is read-only; choose another data folder"
        case number if number in _NO_SPACE:
            code = ErrorCode.UNAVAILABLE
            hint = f"make room for {folder} ({_free_space(folder)}); writing goes on by itself"
        case _:
            code = ErrorCode.UNAVAILABLE
            hint = f"look at the device that holds {folder} ({_free_space(folder)})"
    return ClewError(code, f"{message}: {reason}", hint=hint)


def _free_space(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free} bytes free"
    except OSError:
        return "free space unknown"


class FolderLock:
    """Exclusive use of a data folder, from `acquire` to `release` or the end of the process.

    The kernel drops the lock with the process, so a crash leaves nothing to clean up.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self.folder = folder
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> Self:
        """Make the folder if need be and take it for this process.

        Raises:
            ClewError: CONFLICT when another process has it (the message names its id), FORBIDDEN
                or UNAVAILABLE when the folder cannot be written.
        """
        open_folder(folder)
        try:
            descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise storage_error(error, f"cannot write to {folder}", folder) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _describe_holder(), 0)
        except BlockingIOError as error:
            holder = os.pread(descriptor, _HOLDER_BYTES_MAX, 0)
            os.close(descriptor)
            raise _held_by_another(folder, holder) from error
        except OSError as error:
            os.close(descriptor)
            raise storage_error(error, f"cannot write to {folder}", folder) from error
        return cls(folder, descriptor)

    def release(self) -> None:
        """Let another process have the folder; idempotent."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _describe_holder() -> bytes:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"pid": os.getpid(), "started": started, "command": " ".join(sys.argv)[:1024]}
    return json.dumps(holder).encode()


def _held_by_another(folder: Path, holder: bytes) -> ClewError:
    pid, since = "unknown", ""
    # The other process may stand between taking the lock and writing its name.
    with contextlib.suppress(ValueError, KeyError, TypeError):
        described = json.loads(holder)
        pid, since = str(described["pid"]), f", started {described['started']}"
    return ClewError(
        ErrorCode.CONFLICT,
        f"the data folder {folder} is in use by process {pid}{since}",
        hint=f"stop process {pid}, or start this one with another data folder",
    )
