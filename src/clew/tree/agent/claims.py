"""Folders that belong to a running agent, and those that a killed one has left behind.

Theory of operation. An agent holds a lock on a folder that it makes. The system lets go of it when
the agent ends, however that came, so a folder that anybody can lock belongs to nobody any more.
Unlike a number in its name that holds across containers, and no number can be in use again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# An agent that starts must not spend its time on what thousands before it have left.
SWEPT_MAX: Final = 100

# Another agent may take a new folder for a leftover in the moment before it is locked.
TRIES_MAX: Final = 5


@dataclass(slots=True)
class Claim:
    """A folder, and the lock that says that its agent lives."""

    folder: Path
    _descriptor: int | None

    def release(self) -> None:
        """Let go of the folder; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def make_claimed(make: Callable[[], Path]) -> Claim:
    """Make a folder and claim it.

    Raises:
        OSError: it cannot be made, or not locked.
    """
    for _ in range(TRIES_MAX):
        folder = make()
        descriptor = _lock(folder)
        if descriptor is not None and folder.exists():
            return Claim(folder, descriptor)
        if descriptor is not None:
            os.close(descriptor)
    raise OSError("each new folder was swept away")


def sweep(parent: Path, prefix: str, remove: Callable[[Path], object]) -> None:
    """Remove folders of this user whose name begins so, and that no agent claims.

    `remove` may fail with an OSError: who still uses it keeps it.
    """
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(prefix)]
        for folder in found[:SWEPT_MAX]:
            descriptor = _lock(folder)
            if descriptor is None:
                continue
            with contextlib.suppress(OSError):
                remove(folder)
            os.close(descriptor)


def _lock(folder: Path) -> int | None:
    """Return the lock of a folder of ours, None when another holds it or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        seen = os.fstat(descriptor)
        if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:
        os.close(descriptor)
        return None
    os.close(descriptor)
    return None
