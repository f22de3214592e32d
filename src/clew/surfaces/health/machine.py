"""What the process takes of its machine, and how much there is: Linux tells, others tell less."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_DESCRIPTORS: Final = Path("/proc/self/fd")
_CGROUP_MEMORY: Final = Path("/sys/fs/cgroup/memory.max")

_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process takes: bytes, processor seconds, threads and open files (None: not told)."""

    resident_bytes: int
    cpu_seconds: float
    threads: int
    open_files: int | None


def read_usage() -> Usage:
    """Return what this process takes now; a tenth of a millisecond."""
    resident, threads = _peak_bytes(), threading.active_count()
    if _STATUS.exists():
        fields = dict(
            line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line
        )
        resident = int(fields["VmRSS"].split()[0]) * _KIB
        threads = int(fields["Threads"])
    files = len(os.listdir(_DESCRIPTORS)) if _DESCRIPTORS.exists() else None  # noqa: PTH208 - counted
    return Usage(resident, time.process_time(), threads, files)


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


@cache
def memory_bytes_max() -> int | None:
    """Return how much memory the process may take: the bound of its cgroup, else the machine's."""
    machine: int | None = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        bound = _CGROUP_MEMORY.read_text().strip()
    except OSError:
        return machine
    if not bound.isdigit():
        return machine
    return int(bound) if machine is None else min(int(bound), machine)


def open_files_max() -> int | None:
    """Return how many files the process may have open, None when any number."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def disk_of(folder: Path) -> tuple[int, int] | None:
    """Return bytes in use and in all of the disk that a folder is on, None when not told."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    # What is kept for the administrator alone is not to be had.
    return usage.used, usage.used + usage.free


def size_of(paths: tuple[Path, ...]) -> int | None:
    """Return the bytes of files, None when none of them is there."""
    sizes = [path.stat().st_size for path in paths if path.exists()]
    return sum(sizes) if sizes else None
