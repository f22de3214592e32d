"""What the process asks of the machine, and what its libraries are kept from asking."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

logger = logging.getLogger(__name__)

DESCRIPTORS_WANTED: Final = 65_536
"""The engine's threads hold three descriptors each and every client one; 1024, which is common,
is reached within minutes."""

_MADV_DONTNEED: Final = 4
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

LARGE_BLOCK_BYTES: Final = 32 << 20
"""Blocks up to this size come from the heap: the most that glibc admits. By default it maps and
unmaps every block of a few hundred kilobytes, which is half of what reading a body costs."""

FREE_BYTES_KEPT: Final = 64 << 20
"""How much free memory at the top of the heap is kept for the next bodies."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files as far as is useful and allowed; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        logger.warning("cannot raise the limit of open files above %d: %s", soft, error)
        return soft
    return wanted


def keep_large_blocks() -> bool:
    """Tell glibc's allocator to keep large blocks; return whether there is a glibc to tell."""
    if not _has_glibc():
        return False
    libc = ctypes.CDLL(None)
    return bool(
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        and libc.mallopt(_M_TRIM_THRESHOLD, FREE_BYTES_KEPT)
    )


def let_go_of_code() -> int:
    """Let go of the pages of programs and libraries; return how many bytes of them were mapped.

    They are read all over to be loaded and begun: of the engine's half a gigabyte 175 MiB, most of
    which nobody needs again. Given up is what nobody can have written to, so nothing is lost; what
    is needed is mapped again out of the kernel's cache of files, 64 KiB at a time. Linux only:
    elsewhere it does nothing.
    """
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return 0
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    given = 0
    for line in lines:
        # 7f506b257000-7f50828ac000 r-xp 09056000 fd:00 1234   /usr/lib/libexample.so
        place, may, offset, _device, _inode, *path = line.split(maxsplit=5)
        # What begins a file is its head, and what is only read; what is read only after the linker
        # has written to it (RELRO) begins further on.
        is_untouched = may == "r-xp" or (may == "r--p" and int(offset, 16) == 0)
        if path and path[0].startswith("/") and is_untouched:
            first, last = (int(address, 16) for address in place.split("-"))
            if libc.madvise(first, last - first, _MADV_DONTNEED) == 0:
                given += last - first
    return given


class _WithoutPandas(MetaPathFinder):
    """Says of pandas that it is not there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("a server does without pandas", name=fullname)
        return None


def do_without_algebra() -> None:
    """Keep OpenBLAS, which comes with Arrow by way of numpy, from threads of its own.

    It begins one for each further core, and each of them spins at first, a twentieth of the CPU of
    a start on two cores. A server has nothing for them to do. Whoever sets the variable is left
    their way.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def do_without_pandas() -> None:
    """Keep this process from importing pandas, of which a server needs nothing.

    Arrow and the engine look for it when they first see a value or a row, and take what it makes
    where it is there. That costs a fifth of a CPU-second, a second of the first record, and 35 MiB
    for good. Idempotent.
    """
    if not any(isinstance(finder, _WithoutPandas) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WithoutPandas())


def _has_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):
        return False


def find_listener(port: int) -> str | None:
    """Return who listens on a TCP port, such as ``process 1234 (clew)``, where it can be told.

    Linux only, and only for processes of the same user; otherwise None.
    """
    inodes = set(_listening_inodes(port))
    if not inodes:
        return None
    for folder in Path("/proc").glob("[0-9]*/fd"):
        if _holds_any(folder, inodes):
            name = (folder.parent / "comm").read_text().strip()
            return f"process {folder.parent.name} ({name})"
    return None


def _holds_any(folder: Path, inodes: set[str]) -> bool:
    try:
        links = list(folder.iterdir())
    except OSError:
        return False  # It is gone, or another user's.
    for link in links:
        # Descriptors come and go while they are looked at, our own among them.
        with contextlib.suppress(OSError):
            if str(link.readlink()) in inodes:
                return True
    return False


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            # 0A is the state LISTEN.
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{columns[9]}]"
