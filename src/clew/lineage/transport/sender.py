"""From a ring to datagrams, by one thread: what waits is sent in order, or lost and counted.

The thread naps a few milliseconds between rounds while messages come, so that who writes them need
not wake it each time, and sleeps when none come.
"""

from __future__ import annotations

import atexit
import errno
import logging
import os
import select
import socket
import threading
import time
import weakref
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from clew.lineage.transport.address import UdpAddress

if TYPE_CHECKING:
    from clew.lineage.transport.address import Address
    from clew.lineage.transport.ring import LinkRing, Slot

LOGGER_NAME: Final = "clew.lineage"

logger = logging.getLogger(LOGGER_NAME)

NAP_S: Final = 0.004
"""Between two rounds: how old a set may grow before it is sent, against wake-ups of the thread."""

ROOM_WAIT_S: Final = 0.05
"""For the kernel to have room again. The thread waits, nobody else: behind it are the slots."""

RETRY_S: Final = 1.0
"""Between two attempts to reach an address that is not there, or a name that does not resolve."""

CLOSE_S: Final = 1.0
"""For what waits when a publisher is closed."""


class Drop(StrEnum):
    """Why a message that was in order did not go out. Closed: statistics count each."""

    FULL = "full"
    """No slot was free: the reader or the network is slower than who writes."""

    CLOSED = "closed"
    INVALID = "invalid"
    """The arguments were no numbers at all."""

    UNREACHABLE = "unreachable"
    """Nobody listens there, or there is no such place."""

    BACK_PRESSURE = "back_pressure"
    """The kernel had no room for too long."""

    TOO_LARGE = "too_large"
    """The way takes no datagram of this size."""

    FAILED = "failed"
    """The system refused for another reason."""


_REASONS: Final = {
    errno.ECONNREFUSED: Drop.UNREACHABLE,
    errno.ENOENT: Drop.UNREACHABLE,
    errno.ENOTCONN: Drop.UNREACHABLE,
    errno.ENETUNREACH: Drop.UNREACHABLE,
    errno.EHOSTUNREACH: Drop.UNREACHABLE,
    errno.ENETDOWN: Drop.UNREACHABLE,
    errno.EAGAIN: Drop.BACK_PRESSURE,
    errno.ENOBUFS: Drop.BACK_PRESSURE,
    errno.EMSGSIZE: Drop.TOO_LARGE,
}


class DatagramSender:
    """Sends what a ring holds to an address, by a thread that begins with `start`.

    In a child after a fork, which has no threads, it begins with the first message.
    """

    def __init__(self, ring: LinkRing, address: Address) -> None:
        self.ring: Final = ring
        self.address: Final = address
        self.sent = 0
        self.dropped = dict.fromkeys(Drop, 0)
        self._socket: socket.socket | None = None
        self._retry_at = 0.0
        self._is_closing = False
        self._deadline = float("inf")
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        # Nobody reads yet, so the first message has to say that it is there.
        ring.is_idle = True
        _LIVING.add(self)

    def start(self) -> None:
        """Begin the thread, unless there is one.

        Raises:
            RuntimeError: there can be none, at the interpreter's end.
        """
        if self._thread is not None or not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None and not self._is_closing:
                thread = threading.Thread(target=self._run, name="clew-links", daemon=True)
                thread.start()
                self._thread = thread
        finally:
            self._starting.release()

    def wake(self) -> None:
        """Have what waits sent.

        Raises:
            RuntimeError: as `start` does.
        """
        if self._thread is None:
            self.start()
        self.ring.wake()

    def stop(self, timeout_s: float = CLOSE_S) -> None:
        """Have what waits sent, for so long at most, and end then. Waits for nothing."""
        self._deadline = time.monotonic() + timeout_s
        self._is_closing = True
        self.ring.wake()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Send what waits, for so long at most, and end. What is left is counted as dropped."""
        self.stop(timeout_s)
        self.join(timeout_s)

    def join(self, timeout_s: float) -> None:
        """Wait for the end, when it is stopped."""
        thread = self._thread
        if thread is None:
            self._drop_waiting(Drop.CLOSED)
        elif thread is not threading.current_thread():
            # Beyond the deadline it may still sit in a resolver, which nothing can interrupt.
            thread.join(max(0.0, timeout_s) + 2 * ROOM_WAIT_S)

    def begin_in_child(self) -> None:
        """Begin anew after a fork, whose child has the socket and the slots but no thread."""
        self._starting = threading.Lock()
        self._thread = None
        self._disconnect()
        self._retry_at = 0.0
        self.ring.begin_in_child()
        self.ring.is_idle = True

    def _run(self) -> None:
        ring = self.ring
        while True:
            moved = self._send_waiting()
            if self._is_closing:
                self._drop_waiting(Drop.CLOSED)
                break
            if moved:
                ring.nap(NAP_S)
            else:
                ring.wait()
        if self._socket is not None:
            self._socket.close()

    def _send_waiting(self) -> int:
        """Send until nothing waits, and return how many there were."""
        count = 0
        while time.monotonic() < self._deadline:
            try:
                slot = self.ring.take()
            except IndexError:
                break
            count += 1
            try:
                self._send(slot)
            except Exception:  # the thread must go on, or everything would be lost from here on
                self.dropped[Drop.FAILED] += 1
                if self.dropped[Drop.FAILED] == 1:
                    logger.exception("a link set could not be sent to %s", self.address)
            finally:
                self.ring.release(slot)
        return count

    def _send(self, slot: Slot) -> None:
        message = slot.view[: slot.size]
        was_connected = self._socket is not None
        reason = self._try_send(message)
        if reason is Drop.UNREACHABLE and was_connected:
            if isinstance(self.address, UdpAddress) and self.sent:
                # UDP tells of the datagram before, which was counted as sent; this one did not go.
                self.sent -= 1
                self.dropped[Drop.UNREACHABLE] += 1
            reason = self._try_send(message)
        if reason is Drop.BACK_PRESSURE and self._has_room():
            reason = self._try_send(message)
        if reason is None:
            self.sent += 1
        else:
            self.dropped[reason] += 1

    def _try_send(self, message: memoryview) -> Drop | None:
        try:
            way = self._socket or self._connect()
            if way is None:
                return Drop.UNREACHABLE
            way.send(message)
        except OSError as error:
            reason = _REASONS.get(error.errno or 0, Drop.FAILED)
            if not isinstance(self.address, UdpAddress) and reason is Drop.UNREACHABLE:
                # Who listened at the path is gone; another may come, and is another socket.
                self._disconnect()
            return reason
        return None

    def _connect(self) -> socket.socket | None:
        """Return a socket that is connected, or None while it is not time to try again."""
        now = time.monotonic()
        if now < self._retry_at:
            return None
        self._retry_at = now + RETRY_S
        made: socket.socket | None = None
        try:
            match self.address:
                case UdpAddress(host, port):
                    # As bytes: for a text Python imports a codec, and a fork may come in between.
                    found = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_DGRAM)
                    family, kind, _, _, target = found[0]
                    made = socket.socket(family, kind)
                    made.connect(target)
                case _:
                    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    made.connect(self.address.path)
        except OSError:
            # Neither a name that does not resolve nor a path that is not there is a fault of ours.
            if made is not None:
                made.close()
            return None
        made.setblocking(False)
        self._socket = made
        return made

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._retry_at = 0.0

    def _has_room(self) -> bool:
        """Wait, for a little, until the kernel takes more."""
        left = min(ROOM_WAIT_S, self._deadline - time.monotonic())
        if self._socket is None or left <= 0:
            return False
        poller = select.poll()
        poller.register(self._socket, select.POLLOUT)
        return bool(poller.poll(left * 1000))

    def _drop_waiting(self, reason: Drop) -> None:
        while True:
            try:
                slot = self.ring.take()
            except IndexError:
                return
            self.dropped[reason] += 1
            self.ring.release(slot)


_LIVING: Final[weakref.WeakSet[DatagramSender]] = weakref.WeakSet()


def _begin_in_child() -> None:
    for sender in list(_LIVING):
        sender.begin_in_child()


def _close_all() -> None:
    """Send, at the end of the program, what waits: all of them at once, for a second at most."""
    senders = list(_LIVING)
    deadline = time.monotonic() + CLOSE_S
    for sender in senders:
        sender.stop()
    for sender in senders:
        sender.join(deadline - time.monotonic())


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
