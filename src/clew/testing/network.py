"""A network of their own for the servers of a test: hosts, and wires that delay, reorder and lose.

Theory of operation. A host is a network namespace with one TUN device. What is sent there comes out
of the device here as packets, and a thread puts each into the device of the host that it is for:
later, in another order, or never. So a wire that is cut is silent, as a real one is: nobody is
refused or told, and what was on its way is sent again by the kernels when the wire is whole.
Queueing disciplines (``netem``) could do the same, and ask for more: a tool, and a kernel that has
them.

Namespaces have no names here and devices no life of their own: they are gone once no thread, no
process and no descriptor holds them, so this process leaves nothing behind however it ends, and
two of them know nothing of one another. The machine's own devices are in another namespace, which
none of this reads or changes; a host reaches the other hosts and itself.

It takes Linux, ``/dev/net/tun``, and root.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import os
import random
import selectors
import socket
import struct
import sys
import threading
import time
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LOOPBACK", "HeldPorts", "Host", "Network", "Wire", "find_obstacle"]

Wire = tuple[int, int]
"""One direction between two hosts, by their numbers: from, to."""

LOOPBACK: Final = "127.0.0.1"

SUBNET: Final = "192.0.2"
"""Addresses that are nobody's anywhere (RFC 5737)."""

DEVICE: Final = b"wire"

PACKET_BYTES_MAX: Final = 65_536
"""More than any packet: a device's are 1500 bytes, so a request of a few spans is some of them."""

PACKETS_AT_ONCE: Final = 64
"""Read from one host before it is another's turn."""

_NAMESPACE: Final = "/proc/thread-self/ns/net"
"""The network that this thread is in."""

_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_TUN_OF_PACKETS: Final = 0x1001
_SIOCSIFFLAGS: Final = 0x8914
_SIOCSIFADDR: Final = 0x8916
_SIOCSIFNETMASK: Final = 0x891C
_IS_UP: Final = struct.pack("H", 1)
_VERSION_4: Final = 4


class Host:
    """One host, which others reach at `address`. `device` gives and takes its packets.

    Raises:
        OSError: none may be made here.
    """

    def __init__(self, number: int) -> None:
        self.address = f"{SUBNET}.{number + 1}"
        with _returning():
            _call("unshare", _CLONE_NEWNET)
            self._namespace = os.open(_NAMESPACE, os.O_RDONLY)
            try:
                self.device = _open_device(self.address)
            except BaseException:
                os.close(self._namespace)
                raise

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Have this thread on the host meanwhile, and for ever what it starts meanwhile.

        Sockets stay where they were made.
        """
        with _returning():
            _call("setns", self._namespace, _CLONE_NEWNET)
            yield

    def close(self) -> None:
        """Let go of it; it is gone when the last process on it has ended."""
        os.close(self.device)
        os.close(self._namespace)


class Network:
    """Hosts, each of which reaches every other over wires of its own. From any thread.

    Raises:
        OSError: none may be made here.
    """

    def __init__(self, hosts: int, *, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be had again, not to be secret
        self.hosts: list[Host] = []
        self.passed: Counter[Wire] = Counter()
        """How many packets came over each wire."""
        self.lost: Counter[Wire] = Counter()
        """How many did not."""
        self.overtaken: Counter[Wire] = Counter()
        """How many came after one that was sent later."""
        self._cut: frozenset[Wire] = frozenset()
        self._slow: dict[Wire, tuple[float, float]] = {}
        # What is on its way: when it is due, how many were sent before it, where it is, what it is.
        self._coming: list[tuple[float, int, Wire, bytes]] = []
        self._sent = 0
        self._newest: dict[Wire, int] = {}
        self._ended, self._ending = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        try:
            self._selector.register(self._ended, selectors.EVENT_READ)
            for number in range(hosts):
                self.hosts.append(Host(number))
                self._selector.register(self.hosts[-1].device, selectors.EVENT_READ, number)
        except BaseException:
            self._let_go()
            raise
        self._numbers = {socket.inet_aton(each.address): n for n, each in enumerate(self.hosts)}
        self._thread.start()

    def cut(self, wires: Iterable[Wire]) -> None:
        """Let nothing arrive over these wires any more, nor what is on its way."""
        self._cut |= frozenset(wires)

    def mend(self, wires: Iterable[Wire]) -> None:
        """Let what is sent from now on arrive again."""
        self._cut -= frozenset(wires)

    def slow(self, wires: Iterable[Wire], latency_s: float, jitter_s: float = 0.0) -> None:
        """Have each packet take so long and up to so much longer, which reorders them."""
        self._slow = self._slow | dict.fromkeys(wires, (latency_s, jitter_s))

    def close(self) -> None:
        """End; idempotent. What is on its way is lost."""
        if not self._thread.is_alive():
            return
        os.write(self._ending, b"\0")
        self._thread.join()
        self._let_go()

    def _let_go(self) -> None:
        self._selector.close()
        for host in self.hosts:
            host.close()
        os.close(self._ended)
        os.close(self._ending)

    def _run(self) -> None:
        while True:
            patience = None
            if self._coming:
                patience = max(0.0, self._coming[0][0] - time.monotonic())
            for key, _ in self._selector.select(patience):
                if key.fd == self._ended:
                    return
                self._read(key.data)
            now = time.monotonic()
            while self._coming and self._coming[0][0] <= now:
                _, number, wire, packet = heapq.heappop(self._coming)
                self._deliver(number, wire, packet)

    def _read(self, source: int) -> None:
        """Take what a host sends."""
        device = self.hosts[source].device
        for _ in range(PACKETS_AT_ONCE):
            try:
                packet = os.read(device, PACKET_BYTES_MAX)
            except BlockingIOError:
                return
            # The address of whom it is for stands in its bytes 16 to 19. Kernels say things to
            # all, or in version 6, that nobody here is to hear.
            target = self._numbers.get(packet[16:20])
            if packet[0] >> 4 != _VERSION_4 or target is None:
                continue
            wire = (source, target)
            latency, jitter = self._slow.get(wire, (0.0, 0.0))
            due = time.monotonic() + latency + self._random.random() * jitter
            self._sent += 1
            heapq.heappush(self._coming, (due, self._sent, wire, packet))

    def _deliver(self, number: int, wire: Wire, packet: bytes) -> None:
        if wire in self._cut:
            self.lost[wire] += 1
            return
        newest = self._newest.get(wire, 0)
        self.overtaken[wire] += number < newest
        self._newest[wire] = max(number, newest)
        self.passed[wire] += 1
        # A device that takes no more loses it, as real ones do; it is sent again.
        with contextlib.suppress(OSError):
            os.write(self.hosts[wire[1]].device, packet)


def find_obstacle() -> str | None:
    """Return why there can be no such network here, None where there can."""
    try:
        Host(0).close()
    except OSError as error:
        return f"no network of its own may be made here: {error}"
    return None


class HeldPorts:
    """Ports of this thread's host, in `numbers`, that nobody else is given until it is closed.

    `addresses` are they as a server is told of them: ``host:port``.

    Nobody listens there yet. A server can, whose socket may share an address (``SO_REUSEADDR``, as
    clew's and etcd's have it), and it may end and come back: whoever asks the system for any port
    meanwhile gets another. Only Linux lets addresses be shared so; elsewhere the ports are free
    when they are chosen, and no more. What nobody refers to any longer is closed.
    """

    def __init__(self, count: int, address: str = LOOPBACK) -> None:
        with contextlib.ExitStack() as stack:
            taken = [stack.enter_context(socket.socket()) for _ in range(count)]
            for each in taken:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.bind((address, 0))
            self.numbers = [each.getsockname()[1] for each in taken]
            self.addresses = [f"{address}:{number}" for number in self.numbers]
            is_shared = sys.platform == "linux"
            held = [each.detach() for each in taken] if is_shared else []
        self._let_go = weakref.finalize(self, _close_all, held)

    def close(self) -> None:
        """Let others have them; idempotent."""
        self._let_go()


def _close_all(descriptors: list[int]) -> None:
    for each in descriptors:
        os.close(each)


@contextlib.contextmanager
def _returning() -> Iterator[None]:
    """Bring this thread back to the network that it is in now."""
    try:
        home = os.open(_NAMESPACE, os.O_RDONLY)
    except FileNotFoundError as error:
        raise OSError(f"{sys.platform} has no namespaces of networks") from error
    try:
        yield
    finally:
        _call("setns", home, _CLONE_NEWNET)
        os.close(home)


def _call(name: str, *values: int) -> None:
    """Call the kernel by a name that this version of Python may not have."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*values):
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _open_device(address: str) -> int:
    """Give the network of this thread its device, and let it speak to itself."""
    import fcntl

    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", DEVICE, _TUN_OF_PACKETS))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            for request, name, value in (
                (_SIOCSIFFLAGS, b"lo", _IS_UP),
                (_SIOCSIFADDR, DEVICE, _as_sockaddr(address)),
                (_SIOCSIFNETMASK, DEVICE, _as_sockaddr("255.255.255.0")),
                (_SIOCSIFFLAGS, DEVICE, _IS_UP),
            ):
                fcntl.ioctl(asked, request, struct.pack("16s24s", name, value))
    except BaseException:
        os.close(device)
        raise
    return device


def _as_sockaddr(address: str) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
