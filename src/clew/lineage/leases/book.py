"""Who has which node id: leases that last while they are renewed, and what becomes of them.

A node id is leased, then cooling down, then free. All of it is decided in the writer of the
database, one after the other, by the server's clock alone. A lease that ran out is its process's
still as long as nobody else got the node id: renewing it goes on with it, since ids of one process
never come twice.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid
from clew.base.times import NS_PER_MS, NS_PER_S, format_time
from clew.lineage.terms import (
    COOLDOWN_NS,
    LEASE_NS,
    NODE_MAX,
    NODE_MIN,
    Lease,
    LeaseList,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from clew.lineage.terms import LeaseQuery, NewLease
    from clew.store.database.contract import Database, Reading, Transaction, Value

KEPT_NS: Final = 400 * 86_400 * NS_PER_S
"""How long it is known who had a node id: somewhat longer than telemetry is usually kept."""

_NODES: Final = range(NODE_MIN, NODE_MAX + 1)

_COLUMNS: Final = (
    "id, node_id, process, host, started_at, leased_at, leased_by, expires_at, released_at,"
    " free_since"
)

_VALUES: Final = (
    ":id, :node_id, :process, :host, :started_at, :leased_at, :leased_by, :expires_at,"
    " :released_at, :free_since"
)


class LeaseBook:
    """The leases of a registry. From any thread; `now` gives Unix nanoseconds."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        *,
        lease_ns: int = LEASE_NS,
        cooldown_ns: int = COOLDOWN_NS,
    ) -> None:
        self._database = database
        self._now = now
        self._lease_ns = lease_ns
        self._cooldown_ns = cooldown_ns
        self._refused: Counter[str] = Counter()

    def count_refused(self) -> dict[str, int]:
        """Return how many wishes for a node id were refused since the start, by the error's code.

        ``overloaded``: every node id was leased or cooling down.
        """
        return dict(self._refused)

    def lease(self, wish: NewLease, by: str) -> Future[Lease]:
        """Lease a node id to a process; the one that it has already, where it asks again.

        Raises, in the future:
            ClewError: OVERLOADED with a time to wait when every node id is leased or cooling down;
                CONFLICT when the one that is wished is, or the process has another.
        """

        def work(writing: Transaction) -> Lease:
            now = self._now()
            rows = writing.rows(f"SELECT {_COLUMNS} FROM lineage_nodes")  # noqa: S608 - our own text
            mine = _find_mine(rows, wish)
            if mine is not None:
                return self._go_on(writing, mine, now)
            return self._begin(writing, rows, wish, by, now)

        leased = self._database.submit(work)
        leased.add_done_callback(self._count)
        return leased

    def renew(self, lease_id: str) -> Future[Lease]:
        """Let a lease last on, from now; also one that ran out while nobody else got its node id.

        Raises, in the future:
            ClewError: NOT_FOUND when there is no such lease, or another one has its node id;
                CONFLICT when it was released.
        """

        def work(writing: Transaction) -> Lease:
            row = _get(writing, lease_id)
            if row["released_at"] is not None:
                raise ClewError(
                    ErrorCode.CONFLICT,
                    f"the lease of node id {row['node_id']} was released",
                    hint="lease another one",
                )
            return self._go_on(writing, row, self._now())

        return self._database.submit(work)

    def release(self, lease_id: str) -> Future[Lease]:
        """End a lease: its node id cools down. Ending it again changes nothing.

        Raises, in the future:
            ClewError: NOT_FOUND as `renew` does.
        """

        def work(writing: Transaction) -> Lease:
            row = _get(writing, lease_id)
            if row["released_at"] is None:
                ended: dict[str, Value] = {
                    "id": lease_id,
                    "at": min(self._now(), row["expires_at"]),
                }
                for table in ("lineage_nodes", "lineage_leases"):
                    writing.run(f"UPDATE {table} SET released_at = :at WHERE id = :id", ended)  # noqa: S608
                row["released_at"] = ended["at"]
            return _document(row)

        return self._database.submit(work)

    def find(self, query: LeaseQuery) -> LeaseList:
        """Return the last lease of every node id, or those of one. Blocks."""

        def work(reading: Reading) -> tuple[list[dict[str, Any]], int]:
            table, where = "lineage_nodes", ""
            bound: dict[str, Value] = {}
            if query.node_id is not None:
                table, where = "lineage_leases", " WHERE node_id = :node_id"
                bound["node_id"] = query.node_id
            (counted,) = reading.rows(f"SELECT count(*) AS n FROM {table}{where}", bound)  # noqa: S608
            rows = reading.rows(
                f"SELECT {_COLUMNS} FROM {table}{where}"  # noqa: S608
                " ORDER BY leased_at DESC, id DESC LIMIT :_limit",
                {**bound, "_limit": query.limit},
            )
            if query.node_id is not None:
                # What the history was not told: how long the last one lasts.
                last = reading.rows(
                    f"SELECT {_COLUMNS} FROM lineage_nodes WHERE node_id = :node_id",  # noqa: S608
                    bound,
                )
                rows = [last[0] if last and row["id"] == last[0]["id"] else row for row in rows]
            return rows, counted["n"]

        rows, total = self._database.read(work)
        leases = [_document(row) for row in rows]
        return LeaseList(
            leases=leases, count=len(leases), total=total, truncated=len(leases) < total
        )

    def _count(self, leased: Future[Lease]) -> None:
        error = None if leased.cancelled() else leased.exception()
        if isinstance(error, ClewError):
            self._refused[error.code.value] += 1

    def _begin(
        self,
        writing: Transaction,
        rows: list[dict[str, Any]],
        wish: NewLease,
        by: str,
        now: int,
    ) -> Lease:
        ends = {row["node_id"]: _end_of(row) for row in rows}
        node_id = choose_node(ends, wish.node_id, now, self._cooldown_ns)
        row: dict[str, Any] = {
            "id": new_uuid(now),
            "node_id": node_id,
            "process": wish.process,
            "host": wish.host,
            "started_at": wish.started_at,
            "leased_at": now,
            "leased_by": by,
            "expires_at": now + self._lease_ns,
            "released_at": None,
            "free_since": ends.get(node_id),
        }
        writing.run("DELETE FROM lineage_nodes WHERE node_id = :node_id", {"node_id": node_id})
        for table in ("lineage_nodes", "lineage_leases"):
            writing.run(f"INSERT INTO {table} ({_COLUMNS}) VALUES ({_VALUES})", row)  # noqa: S608
        writing.run(
            "DELETE FROM lineage_leases WHERE leased_at < :old"
            " AND id NOT IN (SELECT id FROM lineage_nodes)",
            {"old": now - KEPT_NS},
        )
        return _document(row)

    def _go_on(self, writing: Transaction, row: dict[str, Any], now: int) -> Lease:
        # A clock that was set back shortens nobody's lease.
        row["expires_at"] = max(row["expires_at"], now + self._lease_ns)
        writing.run(
            "UPDATE lineage_nodes SET expires_at = :expires_at WHERE id = :id",
            {"expires_at": row["expires_at"], "id": row["id"]},
        )
        return _document(row)


def choose_node(ends: Mapping[int, int], wished: int | None, now: int, cooldown_ns: int) -> int:
    """Return the node id to lease: one that none ever had, else the one that was left first.

    Args:
        ends: when the last lease of each node id ends, or ended, in Unix nanoseconds.
        wished: that one or none.
        now: Unix nanoseconds.
        cooldown_ns: after the end of a lease.

    Raises:
        ClewError: OVERLOADED, or CONFLICT for what is wished: there is none.
    """
    if wished is not None:
        if wished in ends and now < ends[wished] + cooldown_ns:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"node id {wished} is leased, or its last lease ended a moment ago",
                hint="wish for none, and take what is free; `GET /api/v1/lineage/nodes` shows who"
                " has it",
            )
        return wished
    never = next((node for node in _NODES if node not in ends), None)
    if never is not None:
        return never
    first = min(_NODES, key=lambda node: (ends[node], node))
    free_at = ends[first] + cooldown_ns
    if now < free_at:
        raise ClewError(
            ErrorCode.OVERLOADED,
            f"all {len(_NODES)} node ids are leased or cooling down",
            hint="share one generator in each process, and close leases when they end",
            retry_after_ms=max(1, (free_at - now) // NS_PER_MS),
        )
    return first


def _find_mine(rows: Iterable[dict[str, Any]], wish: NewLease) -> dict[str, Any] | None:
    """Return the lease that a process has.

    Raises:
        ClewError: CONFLICT when it has another than it wishes for.
    """
    who = (wish.process, wish.host, wish.started_at)
    for row in rows:
        if row["released_at"] is None and who == (row["process"], row["host"], row["started_at"]):
            if wish.node_id not in (None, row["node_id"]):
                raise ClewError(
                    ErrorCode.CONFLICT,
                    f"the process has node id {row['node_id']} already",
                    hint="release it, or wish for none",
                )
            return row
    return None


def _get(reading: Reading, lease_id: str) -> dict[str, Any]:
    found = reading.rows(
        f"SELECT {_COLUMNS} FROM lineage_nodes WHERE id = :id",  # noqa: S608
        {"id": lease_id},
    )
    if not found:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "there is no such lease, or its node id was leased anew since it ended",
            hint="lease another one",
        )
    return found[0]


def _end_of(row: Mapping[str, Any]) -> int:
    """Return when a lease ended, or ends unless it is renewed."""
    released = row["released_at"]
    return int(row["expires_at"] if released is None else released)


def _document(row: Mapping[str, Any]) -> Lease:
    times = ("started_at", "leased_at", "expires_at", "released_at", "free_since")
    told = {name: None if row[name] is None else format_time(row[name]) for name in times}
    texts = {name: row[name] for name in ("id", "node_id", "process", "host", "leased_by")}
    return Lease(**{**texts, **told})
