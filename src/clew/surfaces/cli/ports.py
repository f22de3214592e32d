"""Who listens at an address of this machine: asked of the kernel, where it tells (Linux)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTENING: Final = "0A"

# What a data folder of ours holds.
LOCK_NAME: Final = "lock"
LOG_NAME: Final = "log"

# A listening socket of this machine answers at once, or is full.
CONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that listens. `name` is what the kernel calls it, `command` its command line."""

    pid: int
    name: str
    command: str

    @property
    def is_clew(self) -> bool:
        """Whether its command line is one of ours."""
        words = self.command.split()
        return any(
            Path(word).name == "clew" or word.startswith(("clew.app", "clew.testing"))
            for word in words
        )


def answers(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_S):
            return True
    except OSError:
        return False


def find_owner(port: int) -> Owner | None:
    """Return the process that listens at a port, None where the kernel does not tell us."""
    sockets = set(_listening(port))
    if not sockets:
        return None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            descriptors = [str(each.readlink()) for each in (folder / "fd").iterdir()]
        except OSError:
            continue  # It ended, or it belongs to someone else.
        if sockets.intersection(descriptors):
            return _describe(folder)
    return None


def find_ports(pid: int) -> list[int]:
    """Return the ports at which a process listens, none where the kernel does not tell us."""
    try:
        own = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return []
    return sorted({port for name, port in _listeners() if name in own})


def find_locked_folder(pid: int) -> Path | None:
    """Return the data folder that a server of ours holds, None where the kernel does not tell."""
    try:
        held = [each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return None
    locks = [path.parent for path in held if path.name == LOCK_NAME]
    return next((folder for folder in locks if (folder / LOG_NAME).is_dir()), None)


def _listening(port: int) -> Iterator[str]:
    """Yield the names that /proc gives to sockets which listen at a port."""
    return (name for name, at in _listeners() if at == port)


def _listeners() -> Iterator[tuple[str, int]]:
    """Yield every listening TCP socket: its name and its port."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue  # Not Linux, or no such family.
        for row in rows:
            fields = row.split()
            if fields[3] == LISTENING:
                yield f"socket:[{fields[9]}]", int(fields[1].rpartition(":")[2], 16)


def _describe(folder: Path) -> Owner | None:
    try:
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
    return Owner(int(folder.name), name, command.strip())


def is_here(host: str) -> bool:
    """Whether a host name means this machine by a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_file_limit(pid: int) -> int | None:
    """Return how many files a process may open, None where the kernel does not tell us."""
    try:
        rows = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for row in rows:
        if row.startswith("Max open files"):
            soft = row.split()[3]
            return int(soft) if soft.isdigit() else None
    return None
