"""A process group: who lives in it, and signals to all of it.

A number names a group only as long as somebody is in it, so a group is signalled only while its
first process is not reaped: until then no other can get that number.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")

_DEAD: Final = frozenset({"Z", "X"})


def signal_group(group: int, number: int) -> bool:
    """Signal everybody in a group; return whether there was somebody.

    A stopped process would not see that it is to end before somebody lets it go on.
    """
    try:
        os.killpg(group, number)
        if number == signal.SIGTERM:
            os.killpg(group, signal.SIGCONT)
    except ProcessLookupError:
        return False
    except PermissionError:
        # All that is left has changed its user: it is not ours to end any more.
        return False
    return True


def has_living(group: int) -> bool:
    """Whether any process of a group has not ended.

    Where there is no /proc the group counts as empty: what it leaves behind is not waited for.
    """
    with contextlib.suppress(OSError):
        return any(_is_living(entry, group) for entry in _PROC.iterdir() if entry.name.isdigit())
    return False


def _is_living(entry: Path, group: int) -> bool:
    try:
        text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The name of the program stands in brackets and may hold anything, brackets too.
    state, _parent, its_group = text.rpartition(")")[2].split()[:3]
    return state not in _DEAD and int(its_group) == group
