"""A process group: who lives in it, signals to all of it, and waiting for their ends.

A number names a group only as long as somebody is in it, so a group is signalled only while its
first process is not reaped: until then no other can get that number.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROC: Final = Path("/proc")

# Of those that are left, so many are watched at a time: each takes a descriptor.
WATCHED_MAX: Final = 256

# What is left is looked for again at the latest after so long, whatever the watching says.
LOOK_S_MAX: Final = 1.0

# And this often where the system cannot tell of an end of a process that is no child of ours.
LOOK_S: Final = 0.05

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


def find_living(group: int) -> list[int]:
    """Return the numbers of all processes of a group that have not ended.

    Where there is no /proc the group counts as empty: what it leaves behind is not waited for.
    """
    with contextlib.suppress(OSError):
        return [
            int(entry.name)
            for entry in _PROC.iterdir()
            if entry.name.isdigit() and _is_living(entry, group)
        ]
    return []


async def wait_for_ends(pids: Sequence[int], timeout_s: float) -> None:
    """Wait until processes have ended, or the time is over.

    Not long: in the moment before it is looked at, a number may have gone to a stranger.
    """
    loop = asyncio.get_running_loop()
    waits: dict[int, asyncio.Future[None]] = {}
    try:
        for pid in pids[:WATCHED_MAX]:
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                waits[descriptor] = loop.create_future()
                loop.add_reader(descriptor, _note, waits[descriptor])
        await asyncio.wait(waits.values(), timeout=min(timeout_s, LOOK_S_MAX))
    except (OSError, ValueError):
        # No pidfd before Linux 5.3, and nobody to wait for when all have just ended.
        await asyncio.sleep(min(timeout_s, LOOK_S))
    finally:
        for descriptor in waits:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _note(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)


def _is_living(entry: Path, group: int) -> bool:
    try:
        text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The name of the program stands in brackets and may hold anything, brackets too.
    state, _parent, its_group = text.rpartition(")")[2].split()[:3]
    return state not in _DEAD and int(its_group) == group
