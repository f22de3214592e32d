"""What the kernel threw away before we could read it, where it tells (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_TABLES: Final = ("/proc/net/udp", "/proc/net/udp6")
_INODE: Final = 9
_DROPS: Final = 12


def read_drops(descriptor: int) -> int:
    """Return how many datagrams found no room at a UDP socket; 0 where nobody tells."""
    try:
        inode = str(os.fstat(descriptor).st_ino)
        for table in _TABLES:
            for line in Path(table).read_text(encoding="ascii").splitlines():
                words = line.split()
                if len(words) > _DROPS and words[_INODE] == inode:
                    return int(words[_DROPS])
    except (OSError, ValueError):
        return 0
    return 0
