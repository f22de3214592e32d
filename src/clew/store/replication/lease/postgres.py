"""The lease in PostgreSQL: one row, changed by compare-and-set.

Theory of operation. The row says who holds the lease, under which epoch, and until when, by the
clock of the database. It is taken only when it has ended, and then under an epoch that is larger
than any before; renewing it and giving it back name the epoch, so whoever lost it changes nothing.

What this does not promise: clocks that jump at the database. A lease that ended too early there is
found out at the next renewal; until then the fence of epochs keeps two leaders apart wherever
standbys have to acknowledge, and only there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError
from clew.store.database.address import hide_password
from clew.store.database.postgres.failure import RefusedError
from clew.store.database.postgres.link import Link, LinkOptions
from clew.store.replication.lease.contract import Holder

if TYPE_CHECKING:
    from clew.store.replication.lease.contract import Candidate

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
    " WHERE cluster = :cluster AND holder = :holder AND epoch = :epoch RETURNING epoch"
)


class PostgresLeases:
    """See `LeaseStore`. The table is made by whoever asks first."""

    def __init__(self, address: str, candidate: Candidate, patience_s: float) -> None:
        self.shown = hide_password(address)
        self._candidate = candidate
        self._has_table = False
        self._link = Link(
            LinkOptions(address, self.shown, statement_s=patience_s, connect_s=patience_s)
        )

    def read(self) -> Holder | None:
        """See `LeaseStore.read`."""
        rows = self._ask(_READ)
        if not rows:
            return None
        (row,) = rows
        return Holder(row["holder"], row["url"], int(row["epoch"]), float(row["left_s"]))

    def acquire(self, least: int) -> int | None:
        """See `LeaseStore.acquire`."""
        mine = self._candidate
        rows = self._ask(_ACQUIRE, url=mine.url, least=least, seconds=mine.seconds)
        return int(rows[0]["epoch"]) if rows else None

    def renew(self, epoch: int) -> bool:
        """See `LeaseStore.renew`."""
        return bool(self._ask(_RENEW, epoch=epoch, seconds=self._candidate.seconds))

    def release(self, epoch: int) -> None:
        """See `LeaseStore.release`."""
        self._ask(_RELEASE, epoch=epoch)

    def close(self) -> None:
        """See `LeaseStore.close`."""
        self._link.close()

    def _ask(self, sql: str, **values: str | int | float) -> list[dict[str, Any]]:
        given = {"cluster": self._candidate.group, "holder": self._candidate.node_id} | values
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
