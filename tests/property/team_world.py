"""A team's server as a plain model, and a client of it that works on a ledger. For properties.

Nothing of it waits, and nothing reaches a disk: what may go wrong is chosen by the test.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S
from clew.store.database.contract import Reading, Result, Transaction
from clew.store.database.migration import migrate
from clew.store.database.session import Session
from clew.team import ConflictStrategy, SyncableEntity, SyncOperationType
from clew.team.errors import ConflictError, NotFoundError
from clew.team.ledger.arrivals import Arrival
from clew.team.ledger.ledger import Ledger
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rows import Claim, EntityRow
from clew.team.ledger.schema import SCHEMA
from clew.team.merging.verdict import Verdict, VerdictKind
from clew.team.sessions.schema import SCHEMA as SESSIONS
from clew.team.trailbase.contract import Remote, Sending

CREATE, UPDATE, DELETE = SyncOperationType
TEAM = "team"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

OFFLINE = Verdict(VerdictKind.OFFLINE, "no network")
LOST = Verdict(VerdictKind.OFFLINE, "the answer was lost", attempted=True)
BROKEN = Verdict(VerdictKind.RETRY, "broken", attempted=True)
REFUSED = Verdict(VerdictKind.ASIDE, "refused")


@dataclass
class Card(SyncableEntity):
    local_id: str
    front: str = ""
    back: str = ""
    remote_id: str | None = None
    team_id: str = TEAM
    last_modified: datetime = field(default=EPOCH)

    @classmethod
    def entity_type(cls) -> str:
        return "cards"


class MemoryDatabase:
    """Rows that survive nothing: a database of SQLite in memory, each write at once."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self._connection, [SESSIONS, SCHEMA], path=Path("memory"), now=lambda: 0)
        self._session = Session(self._connection)

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        self._connection.execute("BEGIN")
        try:
            result = work(self._session)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        future.set_result(result)
        return future

    def read(self, work: Callable[[Reading], Result]) -> Result:
        return work(self._session)

    def close(self) -> None:
        self._connection.close()


@dataclass
class World:
    """The server, and the time that all have in common."""

    at: int = 1_800_000_000 * NS_PER_S
    seq: int = 0
    records: dict[str, Remote] = field(default_factory=dict)
    carried_out: set[str] = field(default_factory=set)
    was_there: set[str] = field(default_factory=set)
    """Every value that a record ever had."""
    under_way: list[Sending] = field(default_factory=list)
    """Requests that arrive when nobody expects them any more."""

    def now(self) -> int:
        return self.at

    def send(self, sending: Sending) -> Remote:
        self.at += 1_000_000
        record = self.records.get(sending.remote_id)
        if record is not None and record.op_id == sending.op_id:
            return record
        match sending.operation:
            case SyncOperationType.CREATE:
                if record is not None:
                    raise ConflictError("it is there")
            case _:
                if record is None:
                    raise NotFoundError("it is not there")
                if record.version != sending.version:
                    raise ConflictError("it is another version")
        assert sending.op_id not in self.carried_out, "it has its effect twice"
        self.carried_out.add(sending.op_id)
        self.seq += 1
        gone = sending.operation is DELETE
        document = {} if sending.erase else dict(sending.document)
        made = Remote(
            sending.remote_id,
            document,
            sending.version + 1,
            self.seq,
            self.at,
            sending.op_id,
            deleted=gone,
            erased=sending.erase,
        )
        self.records[sending.remote_id] = made
        self.was_there |= {v for v in sending.document.values() if isinstance(v, str)}
        return made

    def arrive(self, sending: Sending) -> None:
        """Let a request arrive of which nobody hears."""
        try:
            self.send(sending)
        except (ConflictError, NotFoundError):
            return

    def changes(self, since: int) -> list[Remote]:
        found = [record for record in self.records.values() if record.seq > since]
        return sorted(found, key=lambda record: record.seq)


@dataclass
class Client:
    """One machine: a ledger, what its process has claimed, and what it was told."""

    world: World
    strategy: ConflictStrategy
    account: str
    held: list[Claim] = field(default_factory=list)
    told: list[tuple[Claim, Remote]] = field(default_factory=list)
    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def __post_init__(self) -> None:
        self.ledger = Ledger(
            self.database,  # type: ignore[arg-type]
            self.world.now,
            kinds={"cards": Card},
            chance=lambda: 0.5,
        )

    def rows(self) -> list[EntityRow]:
        from clew.team.ledger.entities import find_entities

        return self.database.read(
            lambda reading: find_entities(reading, self.account, "cards", with_deleted=True)
        )

    def new_card(self) -> Card:
        self.world.at += 1_000_000
        return Card(new_uuid(self.world.at))

    def write(self, card: Card, operation: SyncOperationType, *, erase: bool = False) -> None:
        self.world.at += 1_000_000
        write = LocalWrite(self.account, card, operation, at=self.world.at, erase=erase)
        self.ledger.write(write, is_agreed=True).result()

    def claim(self, limit: int = 50) -> None:
        self.held += self.ledger.claim(self.account, limit).result()

    def die(self) -> None:
        self.held.clear()
        self.ledger.take_back(self.account).result()

    def ask_first(self, claimed: Claim) -> Claim | None:
        """Return what is to be sent, once it is known what became of it."""
        if not claimed.operation.is_doubtful:
            return claimed
        return self.reconcile(claimed)

    def reconcile(self, claimed: Claim) -> Claim | None:
        record = self.world.records.get(claimed.entity.remote_id)
        return self.ledger.reconcile(claimed, record, self.strategy).result().to_send

    def deliver(self, claimed: Claim) -> None:
        """Send an operation and hear the answer."""
        sent = self.ask_first(claimed)
        if sent is None:
            return
        try:
            answer = self.world.send(sent.as_sending())
        except ConflictError:
            again = self.reconcile(sent)
            # Somebody's late request of ours came in between: what is not done waits again.
            if again is not None:
                self.give_back(again, OFFLINE)
            return
        except NotFoundError:
            self.give_back(sent, REFUSED)
            return
        self.told.append((sent, answer))
        self.ledger.finish([(sent, answer)]).result()

    def give_back(self, claimed: Claim, verdict: Verdict) -> None:
        self.ledger.finish([(claimed, verdict)]).result()

    def pull(self, order: Callable[[list[Remote]], list[Remote]] = list) -> None:
        since = self.ledger.get_cursor(self.account, TEAM, "cards")
        records = self.world.changes(since)
        cursor = records[-1].seq if records else since
        arrival = Arrival(self.account, TEAM, "cards", self.strategy, {"cards": Card})
        self.ledger.apply_page(arrival, order(records), cursor).result()

    def sync(self) -> None:
        """A round in which nothing goes wrong."""
        self.die()
        self.ledger.retry_failed(self.account).result()
        self.world.at += 3600 * NS_PER_S
        self.claim()
        while self.held:
            self.deliver(self.held.pop(0))
        self.pull()

    def is_quiet(self) -> bool:
        stats = self.ledger.stats(self.account)
        return stats.pending == stats.failed == 0

    def seen(self) -> dict[str, dict[str, Any] | None]:
        """What there is here, by the server's ids; None for what is deleted."""
        return {row.remote_id: None if row.deleted else row.document for row in self.rows()}


def replaced(row: EntityRow, **changes: str) -> Card:
    """Return an entity as it is here with other values in some fields."""
    return replace(row.as_entity(Card), **changes)  # type: ignore[arg-type]
