"""Who leads, for a while: one row of a PostgreSQL database, changed by compare-and-set.

Theory of operation. The row says who holds the lease, under which epoch, and until when, by the
clock of the database. It is taken only when it has ended, and then under an epoch that is larger
than any before; renewing it and giving it back name the epoch, so whoever lost it changes nothing.

A holder counts the time by its own clock, from *before* it asked, less a margin: it stops before
the lease ends for others. That clock goes on while the process is stopped and while the machine
sleeps, so a holder that was paused finds out by looking at it (`is_held`), which it does right
before each acknowledgement. Nothing has to arrive for that.

What the lease does not promise: clocks that jump at the database. A lease that ended too early
there is found out at the next renewal; until then the fence of epochs keeps two leaders apart
wherever standbys have to acknowledge, and only there.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError
from clew.store.database.address import hide_password
from clew.store.database.postgres.failure import RefusedError
from clew.store.database.postgres.link import Link, LinkOptions

if TYPE_CHECKING:
    from collections.abc import Callable

MARGIN: Final = 0.15
"""The part of a lease that its holder does not use: clocks of two machines differ by far less than
a thousandth of their speed, so this is what an acknowledgement may take between the look at the
clock and its leaving the machine."""

RENEWALS: Final = 3
"""So often a lease is renewed in its time: two may fail."""

GROUP: Final = "clew"
"""Which row it is. Two groups of servers have a schema each (`search_path` in the address)."""

_LOCK: Final = 0x636C6577
"""Of whoever makes the table, since two that make it at once fail; any number that is ours."""

_TABLE: Final = (
    f"SELECT pg_advisory_xact_lock({_LOCK});"
    " CREATE TABLE IF NOT EXISTS clew_lease ("
    "cluster TEXT PRIMARY KEY, holder TEXT NOT NULL, url TEXT NOT NULL,"
    " epoch BIGINT NOT NULL, until TIMESTAMPTZ NOT NULL)"
)

_READ: Final = (
    "SELECT holder, url, epoch,"
    " extract(epoch FROM until - clock_timestamp())::double precision AS left_s"
    " FROM clew_lease WHERE cluster = :cluster"
)

_ACQUIRE: Final = (
    "INSERT INTO clew_lease (cluster, holder, url, epoch, until) VALUES"
    " (:cluster, :holder, :url, :least::bigint + 1,"
    " clock_timestamp() + make_interval(secs => :seconds))"
    " ON CONFLICT (cluster) DO UPDATE SET holder = excluded.holder, url = excluded.url,"
    " epoch = greatest(clew_lease.epoch + 1, excluded.epoch), until = excluded.until"
    # Whoever holds it and asks anew was restarted: its folder's lock says that it is alone.
    " WHERE clew_lease.until <= clock_timestamp() OR clew_lease.holder = excluded.holder"
    " RETURNING epoch"
)

_RENEW: Final = (
    "UPDATE clew_lease SET until = clock_timestamp() + make_interval(secs => :seconds)"
    " WHERE cluster = :cluster AND holder = :holder AND epoch = :epoch RETURNING epoch"
)

_RELEASE: Final = (
    "UPDATE clew_lease SET until = clock_timestamp()"
    " WHERE cluster = :cluster AND holder = :holder AND epoch = :epoch"
)


def read_clock() -> float:
    """Return seconds that go on while the machine sleeps, where the system has such a clock."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


@dataclass(frozen=True, slots=True)
class Holder:
    """What stands in the row: who holds it, where that server is reached, for how long yet.

    `left_s` is 0 or less when the lease has ended.
    """

    node_id: str
    url: str
    epoch: int
    left_s: float


class Lease:
    """One server's hold of the lease, or its wish for it. Blocks; one thread asks at a time.

    `is_held` alone may be asked from any thread, and takes less than a microsecond.
    """

    def __init__(
        self,
        database: str,
        node_id: str,
        url: str,
        seconds: float,
        *,
        group: str = GROUP,
        clock: Callable[[], float] = read_clock,
    ) -> None:
        self.shown = hide_password(database)
        self.seconds = seconds
        self._node_id = node_id
        self._url = url
        self._group = group
        self._clock = clock
        self._epoch = 0
        self._held_until = float("-inf")
        self._asking = threading.Lock()
        self._has_table = False
        patience = seconds / RENEWALS
        self._link = Link(
            LinkOptions(database, self.shown, statement_s=patience, connect_s=patience)
        )

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

    def read(self) -> Holder | None:
        """Return what stands in the row, None when nobody ever took it.

        Raises:
            ClewError: the database does not answer, or lets us not in.
        """
        rows = self._ask(_READ)
        if not rows:
            return None
        (row,) = rows
        return Holder(row["holder"], row["url"], int(row["epoch"]), float(row["left_s"]))

    def acquire(self, least: int) -> int | None:
        """Take the lease if it has ended; return its epoch, None when another holds it.

        The epoch is larger than `least`, the newest that this server has heard of.

        Raises:
            ClewError: as `read`. Whether it was taken is not known then; it ends by itself.
        """
        asked = self._clock()
        rows = self._ask(_ACQUIRE, url=self._url, least=least, seconds=self.seconds)
        if not rows:
            return None
        self._epoch = int(rows[0]["epoch"])
        self._hold_from(asked)
        return self._epoch

    def renew(self) -> bool:
        """Hold it for its time from now on; return False when another has it.

        A lease that ended unrenewed and that nobody took is held again: nobody led in between.

        Raises:
            ClewError: as `read`. It is held as long as it was.
        """
        asked = self._clock()
        if not self._ask(_RENEW, epoch=self._epoch, seconds=self.seconds):
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
            self._ask(f"{_RELEASE} RETURNING epoch", epoch=self._epoch)

    def close(self) -> None:
        """Let go of the connection; the lease goes on until its end."""
        with self._asking:
            self._link.close()

    def _hold_from(self, asked: float) -> None:
        self._held_until = asked + self.seconds * (1 - MARGIN)

    def _ask(self, sql: str, **values: str | int | float) -> list[dict[str, Any]]:
        given = {"cluster": self._group, "holder": self._node_id} | values
        with self._asking:
            try:
                if not self._link.is_open:
                    self._link.open()
                if not self._has_table:
                    self._link.script(_TABLE)
                    self._has_table = True
                return self._link.rows(sql, given)
            except RefusedError as error:
                raise _explained(error) from error


def _explained(error: RefusedError) -> ClewError:
    """Say it of the lease: the link was made for the registry, and says so."""
    told = error.explained()
    return ClewError(
        told.code,
        told.message.replace("the registry", "the lease"),
        hint=told.hint,
        retry_after_ms=told.retry_after_ms,
    )
