"""The command itself: a process in a group of its own, and its end.

Theory of operation. Its end is seen twice. First it is a zombie, which keeps the number of its
group from being used again: then whatever is left of the group can be signalled safely. Only when
that is done it is reaped, and nothing is signalled from then on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.tree.agent.group import has_living, signal_group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Of <sys/prctl.h>: the signal that a process gets when its parent dies.
_PR_SET_PDEATHSIG: Final = 1

_LIBC_LOADED: Final = ctypes.CDLL(None) if sys.platform == "linux" else None
"""Loaded early: in the forked child nothing may be imported any more."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: by itself with a code, or by a signal."""

    code: int | None
    signal: int | None

    @property
    def shell_code(self) -> int:
        """The code with which a shell tells of it."""
        return 128 + self.signal if self.signal is not None else (self.code or 0)


@dataclass(slots=True)
class Command:
    """A command that was started, the first of its group."""

    process: subprocess.Popen[bytes]
    exit: Exit | None = None
    """How its first process ended, as soon as that is seen."""
    is_reaped: bool = False

    @property
    def pid(self) -> int:
        """The number of its first process, and of its group."""
        return self.process.pid

    @property
    def has_left_over(self) -> bool:
        """Whether anything else of its group still lives."""
        return not self.is_reaped and has_living(self.pid)

    def signal(self, number: int) -> bool:
        """Signal its group; return whether there was anybody."""
        return not self.is_reaped and signal_group(self.pid, number)

    def look(self) -> bool:
        """See what became of it; return whether it has just been stopped."""
        if self.exit is None:
            seen = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if seen is not None:
                is_code = seen.si_code == os.CLD_EXITED
                status = seen.si_status
                self.exit = Exit(status, None) if is_code else Exit(None, status)
                return False
            stopped = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG)
            return stopped is not None
        return False

    def reap(self) -> None:
        """Let its number go. Its group is not signalled any more."""
        if self.exit is None or self.is_reaped:
            return
        self.is_reaped = True
        self.process.wait()


def start(
    arguments: Sequence[str], environ: Mapping[str, str], *, survives: bool = False
) -> Command:
    """Start a command with this process's own stdin, stdout and stderr.

    On Linux it gets a SIGTERM when this process dies, unless it `survives`.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - what to run is what we were asked
        list(arguments),
        env=dict(environ),
        process_group=0,
        preexec_fn=None if survives else _die_with_parent(os.getpid()),  # noqa: PLW1509 - one thread
    )
    return Command(process)


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """Return what a forked child does first, None where the system has no such thing."""
    libc = _LIBC_LOADED
    if libc is None:
        return None

    def begin() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            # It died in between, and the signal will not come.
            os._exit(128 + signal.SIGTERM)

    return begin


def leave_group() -> None:
    """Leave the group of whoever started this process, so that its end is not ours.

    In a tree each command is ended by its own agent. Where a shell has given this process a group
    already, or it is a session's first, there is nothing to leave.
    """
    with contextlib.suppress(OSError):
        if os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
