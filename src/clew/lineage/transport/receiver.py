"""Datagrams as they come in, into one buffer that is used again for each."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.transport.address import UdpAddress, UnixAddress, parse_address
from clew.lineage.transport.kernel import read_drops

if TYPE_CHECKING:
    from clew.lineage.transport.address import Address

BUFFER_BYTES: Final = 2**16
"""More than a datagram has, so none is cut."""

QUEUE_BYTES: Final = 2**22
"""What the kernel is asked to hold for us, 4 MiB: some 20 000 small sets while we do not look. It
gives what `net.core.rmem_max` allows."""


class DatagramReceiver:
    """A socket that is bound, read without waiting. One thread at a time.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no address; UNAVAILABLE where it cannot be bound.
    """

    def __init__(self, address: str | Address) -> None:
        wished = parse_address(address) if isinstance(address, str) else address
        self._socket = _bind(wished)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE_BYTES)
        self._view = memoryview(bytearray(BUFFER_BYTES))
        self._dropped = 0
        self.address: Final = _bound(wished, self._socket)
        """The address, with the port that was found."""

    def receive(self) -> memoryview | None:
        """Return the next datagram, or None when none is there.

        What is returned is valid until the next call.
        """
        try:
            size = self._socket.recv_into(self._view)
        except BlockingIOError:
            return None
        except OSError as error:
            # Closed, by us: there is nothing to come.
            if error.errno == errno.EBADF:
                return None
            raise
        return self._view[:size]

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until a datagram is there; return whether one is."""
        if self._socket.fileno() < 0:
            return False
        poller = select.poll()
        poller.register(self._socket, select.POLLIN)
        return bool(poller.poll(None if seconds is None else seconds * 1000))

    def count_drops(self) -> int:
        """Return how many datagrams found no room in the kernel, where it tells (UDP, Linux)."""
        if self._socket.fileno() >= 0:
            self._dropped = read_drops(self._socket.fileno())
        return self._dropped

    def fileno(self) -> int:
        """Return the descriptor, for an event loop; -1 when closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket, and remove the path that it was bound to."""
        if self._socket.fileno() < 0:
            return
        self.count_drops()
        self._socket.close()
        if isinstance(self.address, UnixAddress):
            Path(self.address.path).unlink(missing_ok=True)

    def __enter__(self) -> DatagramReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _bind(address: Address) -> socket.socket:
    made: socket.socket | None = None
    try:
        match address:
            case UdpAddress(host, port):
                found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
                family, kind, _, _, target = found[0]
                made = socket.socket(family, kind)
                made.bind(target)
            case UnixAddress(path):
                _remove_dead(path)
                made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                made.bind(path)
    except OSError as error:
        if made is not None:
            made.close()
        reason = error.strerror or str(error)
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"cannot listen at {address}: {reason.lower()}",
            hint="choose another address, or end what has it",
        ) from error
    return made


def _bound(wished: Address, bound: socket.socket) -> Address:
    if isinstance(wished, UdpAddress):
        return UdpAddress(wished.host, bound.getsockname()[1])
    return wished


def _remove_dead(path: str) -> None:
    """Remove a socket that nobody has bound any more; anything else stays, and is in the way."""
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
