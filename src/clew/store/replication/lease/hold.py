"""One server's hold of the lease: when it may say that it leads.

Theory of operation. A holder counts the time by its own clock, from *before* it asked, less a
margin: it stops before the lease ends for others. That clock goes on while the process is stopped
and while the machine sleeps, so a holder that was paused finds out by looking at it (`is_held`),
which it does right before each acknowledgement. Nothing has to arrive for that.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from clew.store.database.address import is_postgres
from clew.store.replication.lease.contract import GROUP, Candidate
from clew.store.replication.lease.etcd import EtcdLeases
from clew.store.replication.lease.postgres import PostgresLeases

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.store.replication.lease.contract import Holder, LeaseStore

MARGIN: Final = 0.15
"""The part of a lease that its holder does not use: clocks of two machines differ by far less than
a thousandth of their speed, so this is what an acknowledgement may take between the look at the
clock and its leaving the machine."""

RENEWALS: Final = 3
"""So often a lease is renewed in its time: two may fail."""


def read_clock() -> float:
    """Return seconds that go on while the machine sleeps, where the system has such a clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Lease:
    """One server's hold of the lease, or its wish for it. Blocks; one thread asks at a time.

    `is_held` alone may be asked from any thread, and takes less than a microsecond.
    """

    def __init__(
        self,
        address: str,
        node_id: str,
        url: str,
        seconds: float,
        *,
        group: str = GROUP,
        clock: Callable[[], float] = read_clock,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._epoch = 0
        self._held_until = float("-inf")
        self._asking = threading.Lock()
        kind = PostgresLeases if is_postgres(address) else EtcdLeases
        self._store: LeaseStore = kind(
            address, Candidate(node_id, url, seconds, group), seconds / RENEWALS
        )

    @property
    def shown(self) -> str:
        """Where it is kept, without the password."""
        return self._store.shown

    @property
    def epoch(self) -> int:
        """The epoch under which this server took it last; 0 before it did."""
        return self._epoch

    @property
    def renew_every_s(self) -> float:
        """How many seconds between two renewals."""
        return self.seconds / RENEWALS

    def is_held(self) -> bool:
        """Return whether this server may say that it leads, at this moment."""
        return self._clock() < self._held_until

    @property
    def left_s(self) -> float:
        """For how many seconds this server may still say so; 0 where it does not hold it."""
        return max(0.0, self._held_until - self._clock())

    def read(self) -> Holder | None:
        """Return who holds it, or held it last; None when nobody ever took it.

        Raises:
            ClewError: the database does not answer, or lets us not in.
        """
        with self._asking:
            return self._store.read()

    def acquire(self, least: int) -> int | None:
        """Take the lease if it has ended; return its epoch, None when another holds it.

        The epoch is larger than `least`, the newest that this server has heard of.

        Raises:
            ClewError: as `read`. Whether it was taken is not known then; it ends by itself.
        """
        asked = self._clock()
        with self._asking:
            epoch = self._store.acquire(least)
        if epoch is None:
            return None
        self._epoch = epoch
        self._hold_from(asked)
        return epoch

    def renew(self) -> bool:
        """Hold it for its time from now on; return False when another has it.

        A lease that ended unrenewed and that nobody took is held again: nobody led in between.

        Raises:
            ClewError: as `read`. It is held as long as it was.
        """
        asked = self._clock()
        with self._asking:
            is_ours = self._store.renew(self._epoch)
        if not is_ours:
            self._held_until = float("-inf")
            return False
        self._hold_from(asked)
        return True

    def release(self) -> None:
        """Give it back, so that another need not wait for its end. Idempotent.

        Raises:
            ClewError: as `read`. It is not held any more here, and ends by itself.
        """
        self._held_until = float("-inf")
        if self._epoch:
            with self._asking:
                self._store.release(self._epoch)

    def close(self) -> None:
        """Let go of the connection; the lease goes on until its end."""
        with self._asking:
            self._store.close()

    def _hold_from(self, asked: float) -> None:
        self._held_until = asked + self.seconds * (1 - MARGIN)
