"""A disk of its own for a test, which can be full: a file system in memory.

It takes Linux and root. One that was left behind by a process that is gone is taken away by the
next one that makes one.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["SmallDisk"]

_SOURCE: Final = "clew-test-disk-{}"
"""What a mount says that it is made of: whose it is."""

_LEFT: Final = re.compile(r"^\S+ \S+ \S+ \S+ (\S+) .* - tmpfs clew-test-disk-(\d+) ")

_FILLINGS_MAX: Final = 20
"""How often what is written meanwhile is waited for."""


class SmallDisk:
    """A file system at `folder`, which is made, with room for `size` bytes.

    Raises:
        OSError: none may be mounted here.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size
        _remove_left()
        folder.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={size}", _SOURCE.format(os.getpid()), folder)

    def fill(self) -> None:
        """Leave no room, whatever is there; files that grow are where they were.

        Raises:
            OSError: what is written there grows faster than it can be stopped.
        """
        for _ in range(_FILLINGS_MAX):
            found = os.statvfs(self.folder)
            if not found.f_bfree:
                return
            with contextlib.suppress(OSError):
                # Refused where more was written since.
                self._resize((found.f_blocks - found.f_bfree) * found.f_frsize)
        raise OSError(f"{self.folder} does not stay within what is asked")

    def relieve(self) -> None:
        """Give the room back."""
        self._resize(self._size)

    def close(self) -> None:
        """Take it away with all that is on it, even while something is open there."""
        _run("umount", "-l", self.folder)

    def _resize(self, size: int) -> None:
        _run("mount", "-o", f"remount,size={size}", self.folder)


def _remove_left() -> None:
    """Take away what processes that are gone have left; several may do so at once."""
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            found = _LEFT.match(line)
            if found is not None and not Path("/proc", found[2]).exists():
                _remove(Path(found[1]))


def _remove(folder: Path) -> None:
    try:
        _run("umount", "-l", folder)
    except OSError:
        # Else another one was faster.
        if folder.is_mount():
            raise


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip()}")
