"""A cgroup of a command's own: nobody in it gets out by a session or a group of its own.

Theory of operation. Where we may make a cgroup (version 2) below the one that we live in, the
command begins its life there, before its program is loaded, and whatever it forks is there as well.
So everybody can be found, however far below. SIGKILL is one write to `cgroup.kill`, which also
catches what is being forked meanwhile. Any other signal goes to one process after the other, each
held by a pidfd that was opened *before* it was looked at whether the process is in the cgroup: a
number that has changed its owner in between signals nobody.

An agent below another one goes out of the outer command's cgroup, as it leaves its group, and makes
its own beside it: each agent ends its own command and no other.

What a command leaves running when it ends by itself stays, in a cgroup that nobody claims any more;
it is removed by a later agent when it is empty. Nothing is moved and no controller is enabled: the
cgroup bounds nothing, it only holds together.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.tree.agent.claims import make_claimed, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.tree.agent.claims import Claim

PREFIX: Final = "clew-exec-"
"""How the name of an agent's cgroup begins."""

_PROC: Final = Path("/proc")
_OURS: Final = Path("/proc/self")

_MEMBERS: Final = "cgroup.procs"
_EVENTS: Final = "cgroup.events"
_KILL: Final = "cgroup.kill"

# Who forks while the others are signalled is found by the next look; who forks faster than this
# many looks is for KILL.
LOOKS_MAX: Final = 8


@dataclass(slots=True)
class Cgroup:
    """A cgroup that holds one command. `name` is what /proc says of those who live in it."""

    name: str
    _claim: Claim

    @property
    def path(self) -> Path:
        """Where the system shows it."""
        return self._claim.folder

    def open_entrance(self) -> int:
        """Return a descriptor to which a process writes a zero to go in.

        Raises:
            OSError: nobody may.
        """
        return os.open(self.path / _MEMBERS, os.O_WRONLY)

    def holds(self, pid: int) -> bool:
        """Whether a process, dead or alive, is in it or in one that was made below it."""
        try:
            of_process = _read_name(_PROC / str(pid))
        except OSError:
            return False
        return of_process == self.name or of_process.startswith(f"{self.name}/")

    def find_living(self) -> list[int]:
        """Return the numbers of all who live in it."""
        try:
            if "populated 0" in (self.path / _EVENTS).read_text(encoding="ascii"):
                return []
        except OSError:
            return []
        return list(self._numbers())

    def kill(self) -> bool:
        """Kill everybody in it at once, whoever they run as; return whether there was anybody."""
        is_populated = bool(self.find_living())
        with contextlib.suppress(OSError):
            (self.path / _KILL).write_text("1", encoding="ascii")
        return is_populated

    def signal(self, number: int, *, but_group: int) -> bool:
        """Signal everybody but a process group; return whether there was anybody.

        Those of the group were signalled together: a second TERM means haste to many programs.
        """
        signalled: set[int] = set()
        for _ in range(LOOKS_MAX):
            unseen = [pid for pid in self._numbers() if pid not in signalled]
            if not unseen:
                break
            for pid in unseen:
                signalled.add(pid)
                self._signal_one(pid, number, but_group)
        return bool(signalled)

    def remove(self) -> None:
        """Remove it, if nobody lives in it any more; idempotent."""
        with contextlib.suppress(OSError):
            remove_empty(self.path)
        self._claim.release()

    def _numbers(self) -> Iterator[int]:
        for folder, _, files in os.walk(self.path):
            if _MEMBERS in files:
                with contextlib.suppress(OSError):
                    text = Path(folder, _MEMBERS).read_text(encoding="ascii")
                    # A zero is a process that cannot be seen from this container.
                    yield from (int(line) for line in text.split() if line != "0")

    def _signal_one(self, pid: int, number: int, but_group: int) -> None:
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(pid)
            try:
                if self.holds(pid) and os.getpgid(pid) != but_group:
                    signal.pidfd_send_signal(descriptor, number)
                    if number == signal.SIGTERM:
                        # A stopped process would not see that it is to end.
                        signal.pidfd_send_signal(descriptor, signal.SIGCONT)
            finally:
                os.close(descriptor)


def make_cgroup() -> Cgroup:
    """Make a cgroup beside or below our own.

    Raises:
        ClewError: UNSUPPORTED where the system has none, or does not let us.
    """
    try:
        base = _base_name(_read_name(_OURS))
        parent = _find_folder(base)
        claim = make_claimed(lambda: _make(parent))
    except OSError as error:
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"no cgroup can be made here: {error.strerror or error}",
            hint="systemd-run --user --scope -p Delegate=yes gives a place for them",
        ) from error
    sweep(parent, PREFIX, remove_empty)
    return Cgroup(f"{base.rstrip('/')}/{claim.folder.name}", claim)


def leave_cgroup() -> None:
    """Leave the cgroup of the command that started this process, if an agent made it."""
    with contextlib.suppress(OSError):
        own = _read_name(_OURS)
        base = _base_name(own)
        if base != own:
            (_find_folder(base) / _MEMBERS).write_text(str(os.getpid()), encoding="ascii")


def remove_empty(folder: Path) -> None:
    """Remove a cgroup and what was made below it.

    Raises:
        OSError: somebody lives in it.
    """
    for below, _, _ in os.walk(folder, topdown=False):
        os.rmdir(below)  # noqa: PTH106 - the same; os.walk gives texts


def _make(parent: Path) -> Path:
    folder = parent / f"{PREFIX}{secrets.token_hex(6)}"
    folder.mkdir()
    if not (folder / _KILL).exists():
        # Linux before 5.14: without it nothing is certain that a process group is not.
        folder.rmdir()
        raise OSError("this system cannot kill a cgroup at once")
    return folder


def _find_folder(name: str) -> Path:
    """Return where a cgroup is shown.

    Raises:
        OSError: nowhere.
    """
    text = (_OURS / "mountinfo").read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        # Number, its parent's, device, root, mount point, options and more, then the type.
        fields, _, rest = line.partition(" - ")
        root, point = fields.split()[3:5]
        if rest.startswith("cgroup2 "):
            below = os.path.relpath(name, root)
            if not below.startswith(".."):
                return Path(point) / below
    raise OSError("there are no cgroups of version 2")


def _read_name(process: Path) -> str:
    """Return the name of the cgroup that a process lives in.

    Raises:
        OSError: the process is gone, or in none of version 2.
    """
    text = (process / "cgroup").read_text(encoding="utf-8", errors="replace")
    for line in text.splitlines():
        if line.startswith("0::"):
            return line[3:]
    raise OSError("this process is in no cgroup of version 2")


def _base_name(own: str) -> str:
    """Return the cgroup below which an agent makes its own: not below that of another agent."""
    above, _, last = own.rpartition("/")
    return (above or "/") if last.startswith(PREFIX) else own
