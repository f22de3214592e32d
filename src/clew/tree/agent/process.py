"""The command itself: a process in a group, and where permitted a cgroup, of its own, and its end.

Theory of operation. Its end is seen twice. First it is a zombie, which keeps the number of its
group from being used again: then whatever is left of the group can be signalled safely. Only when
that is done it is reaped, and nothing is signalled from then on.

TERM and KILL go to everybody in the cgroup; what a terminal would send goes to the group alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.tree.agent.cgroup import leave_cgroup
from clew.tree.agent.group import find_living, signal_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.tree.agent.cgroup import Cgroup

# Of <sys/prctl.h>: the signal that a process gets when its parent dies.
_PR_SET_PDEATHSIG: Final = 1

_LIBC_LOADED: Final = ctypes.CDLL(None) if sys.platform == "linux" else None
"""Loaded early: in the forked child nothing may be imported any more."""


class Containment(StrEnum):
    """What holds a command and all that it starts together."""

    CGROUP = "cgroup"
    PROCESS_GROUP = "process_group"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: by itself with a code, or by a signal."""

    code: int | None
    signal: int | None

    @property
    def shell_code(self) -> int:
        """The code with which a shell tells of it."""
        return 128 + self.signal if self.signal is not None else (self.code or 0)


_ENDS: Final = frozenset({signal.SIGTERM, signal.SIGKILL})
"""Signals that are for everything that the command has started."""

_KEYS: Final = (signal.SIGINT, signal.SIGQUIT)
"""What the keys of a terminal send. A shell that has no groups lets its background jobs ignore
them, because they would hear what is meant for the job in front."""


@dataclass(slots=True)
class Command:
    """A command that was started, the first of its group."""

    process: subprocess.Popen[bytes]
    cgroup: Cgroup | None = None
    exit: Exit | None = None
    """How its first process ended, as soon as that is seen."""
    is_reaped: bool = False

    @property
    def pid(self) -> int:
        """The number of its first process, and of its group."""
        return self.process.pid

    @property
    def containment(self) -> Containment:
        """What holds it together."""
        return Containment.PROCESS_GROUP if self.cgroup is None else Containment.CGROUP

    def find_left_over(self) -> list[int]:
        """Return the numbers of what else of it still lives."""
        if self.is_reaped:
            return []
        held = self.cgroup.find_living() if self.cgroup is not None else []
        return sorted({*find_living(self.pid), *held})

    def signal(self, number: int) -> bool:
        """Signal its group, and with an end everybody; return whether there was anybody."""
        if self.is_reaped:
            return False
        # The group first: to those in it the signal comes at once and together.
        is_anybody = signal_group(self.pid, number)
        if self.cgroup is None or number not in _ENDS:
            return is_anybody
        if number == signal.SIGKILL:
            return self.cgroup.kill() or is_anybody
        return self.cgroup.signal(number, but_group=self.pid) or is_anybody

    def look(self) -> int | None:
        """See what became of it; return the signal that has just stopped it."""
        if self.exit is None:
            seen = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if seen is not None:
                is_code = seen.si_code == os.CLD_EXITED
                status = seen.si_status
                self.exit = Exit(status, None) if is_code else Exit(None, status)
                return None
            stopped = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG)
            return None if stopped is None else stopped.si_status
        return None

    def reap(self) -> None:
        """Let its number go. Its group is not signalled any more."""
        if self.exit is None or self.is_reaped:
            return
        self.is_reaped = True
        self.process.wait()


def start(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    *,
    survives: bool = False,
    cgroup: Cgroup | None = None,
    must_be_held: bool = False,
    hears_keys: bool = False,
    streams: tuple[int | None, int | None] = (None, None),
) -> Command:
    """Start a command with this process's own stdin, stdout and stderr, or with given `streams`.

    On Linux it gets a SIGTERM when this process dies, unless it `survives`. It lives in `cgroup`
    from before its first instruction; if that does not succeed the command has none, or is not
    started where it `must_be_held`. With `hears_keys` it can be interrupted although this process
    was started in the background: a group of its own hears no keys that are for others.

    Raises:
        OSError: it cannot be started.
        ClewError: UNSUPPORTED: it may not be put into the cgroup.
    """
    entrance = _open_entrance(cgroup)
    libc = None if survives else _LIBC_LOADED
    begin = _Beginning(os.getpid(), libc, entrance, must_be_held, hears_keys)
    try:
        process = subprocess.Popen(  # noqa: S603 - what to run is what we were asked
            list(arguments),
            env=dict(environ),
            process_group=0,
            stdout=streams[0],
            stderr=streams[1],
            preexec_fn=begin if begin.has_any else None,  # noqa: PLW1509 - one thread
        )
    except subprocess.SubprocessError as error:
        raise ClewError(ErrorCode.UNSUPPORTED, "a command may not be put into a cgroup") from error
    finally:
        if entrance is not None:
            os.close(entrance)
    if cgroup is not None and not cgroup.holds(process.pid):
        return Command(process)
    return Command(process, cgroup)


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What a forked child does before its program is loaded."""

    parent: int
    libc: ctypes.CDLL | None
    entrance: int | None
    must_enter: bool
    hears_keys: bool

    @property
    def has_any(self) -> bool:
        is_held = self.entrance is not None or self.must_enter
        return self.libc is not None or is_held or self.hears_keys

    def __call__(self) -> None:
        if self.hears_keys:
            for number in _KEYS:
                signal.signal(number, signal.SIG_DFL)
        try:
            # A descriptor that is none fails like one that lets nobody in.
            os.write(-1 if self.entrance is None else self.entrance, b"0")
        except OSError:
            if self.must_enter:
                raise
        if self.libc is not None:
            self.libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() != self.parent:
                # It died in between, and the signal will not come.
                os._exit(128 + signal.SIGTERM)


def _open_entrance(cgroup: Cgroup | None) -> int | None:
    if cgroup is None:
        return None
    try:
        return cgroup.open_entrance()
    except OSError:
        return None


def leave_group() -> None:
    """Leave the group, and the cgroup, of who started this process, so that its end is not ours.

    In a tree each command is ended by its own agent. Where a shell has given this process a group
    already, or it is a session's first, there is nothing to leave.
    """
    with contextlib.suppress(OSError):
        if os.getpgrp() != os.getpid():
            os.setpgid(0, 0)
    leave_cgroup()
