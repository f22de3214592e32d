"""One socket of datagrams: read in batches, bounded on every side, everything else counted.

Theory of operation. While nothing comes, the event loop watches the socket. When something does, a
batch is read without waiting, and kept durably; what comes meanwhile waits in the kernel, which has
a bound of its own and counts what it throws away. So a sender who is too fast loses datagrams, and
neither memory nor anybody else's turn at the loop: between two batches the others have theirs.

What came twice is kept once, as far as we remember, so that a replayed datagram costs no space;
edges are a set in any case. Nobody is answered, and nobody is asked who he is: a datagram carries
no key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.lineage.ingest.intake import REPLAYED
from clew.lineage.ingest.record import Message
from clew.lineage.transport.address import UdpAddress
from clew.surfaces.otlp.walls import Rate

if TYPE_CHECKING:
    from clew.lineage.ingest.intake import LinkIntake
    from clew.lineage.transport.receiver import DatagramReceiver

logger = logging.getLogger(__name__)

BATCH_MESSAGES_MAX: Final = 256
"""Kept by one write to the disk: some 10 ms of the loop's time where each names a few parents."""

BATCH_BYTES_MAX: Final = 256 * 1024
"""The same where each names thousands."""

READS_MAX: Final = 4096
"""Of one turn at the loop, those that are thrown away included: some 10 ms."""

REMEMBERED_MAX: Final = 65_536
"""At least so many datagrams are known again, and twice as many at most, some 12 MB: seconds at the
fastest, and far longer than a network takes to deliver one twice."""

PAUSE_S_MAX: Final = 5.0
"""Between two attempts while the store takes nothing: as long as it says, and never longer."""

RATE: Final = "rate"
"""Dropped: more came in a second than the door takes."""

KERNEL: Final = "kernel"
"""Dropped: the socket had no room."""

FAILED: Final = "failed"
"""Dropped: a fault of ours, which stands in the log."""


class LinkDoor:
    """Reads one socket. Belongs to one event loop."""

    def __init__(
        self, receiver: DatagramReceiver, intake: LinkIntake, *, per_second: int = 0
    ) -> None:
        """Make a door that takes so many datagrams in a second; 0 sets no rate."""
        self._receiver = receiver
        self._intake = intake
        self.rate: Final = Rate(per_second, "datagrams")
        is_udp = isinstance(receiver.address, UdpAddress)
        self.source: Final = "udp" if is_udp else "unix"
        self._lately: set[int] = set()
        self._before: set[int] = set()
        self._readable = asyncio.Event()
        self._closing = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        if is_udp:
            intake.watch_drops(self.source, self._read_drops)

    def open(self) -> None:
        """Begin to read."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Keep what was read, read no more, and close the socket. Idempotent."""
        self._closing.set()
        self._readable.set()
        if self._running is not None:
            await self._running
            self._running = None
        self._receiver.close()

    async def _run(self) -> None:
        while not self._closing.is_set():
            await self._wait()
            try:
                await self._keep(self._read())
            except ClewError as error:
                # The intake has counted them; whoever sent them is not there to be told.
                await self._pause((error.retry_after_ms or 0) / 1000)
            except Exception:  # the door outlives whatever a datagram brings about
                logger.exception("datagrams were lost at %s", self._receiver.address)
                self._drop(FAILED)
                await self._pause(PAUSE_S_MAX)

    async def _wait(self) -> None:
        """Wait until there is something to read, or the door closes."""
        if self._receiver.wait(0):
            # More is there already: the others have their turn, and then it is ours again.
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._readable.clear()
        if self._closing.is_set():
            return
        # Not for longer than we wait: it would be called again and again until somebody reads.
        loop.add_reader(self._receiver.fileno(), self._readable.set)
        try:
            await self._readable.wait()
        finally:
            loop.remove_reader(self._receiver.fileno())

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, PAUSE_S_MAX)):
                await self._closing.wait()

    def _read(self) -> dict[int, bytes]:
        """Return a batch of what is there, each by what it is known again by."""
        batch: dict[int, bytes] = {}
        size = 0
        for _ in range(READS_MAX):
            if len(batch) >= BATCH_MESSAGES_MAX or size >= BATCH_BYTES_MAX:
                break
            datagram = self._receiver.receive()
            if datagram is None:
                break
            if not self._has_room():
                self._drop(RATE)
                continue
            octets = bytes(datagram)
            # Keyed by the process, so that nobody can make two that pass for one.
            known_by = hash(octets)
            if known_by in self._lately or known_by in self._before or known_by in batch:
                self._drop(REPLAYED)
                continue
            batch[known_by] = octets
            size += len(octets)
        return batch

    async def _keep(self, batch: dict[int, bytes]) -> None:
        if not batch:
            return
        await self._intake.take([Message(octets) for octets in batch.values()], self.source)
        # Only now: what could not be kept is welcome when it comes again.
        self._lately.update(batch)
        if len(self._lately) >= REMEMBERED_MAX:
            self._before, self._lately = self._lately, set()

    def _has_room(self) -> bool:
        try:
            self.rate.take(1)
        except ClewError:
            return False
        return True

    def _drop(self, reason: str) -> None:
        self._intake.count(self.source).dropped[reason] += 1

    def _read_drops(self) -> dict[str, int]:
        return {KERNEL: self._receiver.count_drops()}
