"""A ledger with a clock and a chance that tests move, and what they put into it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S
from clew.store.database.contract import Database
from clew.team import Comment, SharedSession, SyncOperationType, Team
from clew.team.entities.entity import SyncableEntity
from clew.team.ledger.arrivals import Arrival
from clew.team.ledger.ledger import Ledger
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rows import Claim, EntityRow
from clew.team.merging.operation import Operation
from clew.team.merging.strategy import ConflictStrategy
from clew.team.trailbase.contract import Remote

CREATE, UPDATE, DELETE = SyncOperationType
WAIT_S = 60.0
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEAM = "01964b2e-0000-7000-8000-00000000000a"

Result = TypeVar("Result")


def done(future: Future[Result]) -> Result:
    """Return what a write came to, in time."""
    return future.result(WAIT_S)


@dataclass
class Clock:
    """Unix nanoseconds that pass when a test says so."""

    at: int = 1_800_000_000 * NS_PER_S

    def __call__(self) -> int:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += int(seconds * NS_PER_S)


@dataclass
class Book:
    """A ledger, and short ways to use it as one account."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    account: str = "a"
    chance: float = 0.5

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, self.clock, chance=lambda: self.chance)

    def other(self, account: str) -> Book:
        return replace(self, account=account)

    def new_id(self) -> str:
        self.clock.at += 1_000_000
        return new_uuid(self.clock.at)

    def comment(self, body: str = "look", local_id: str = "", **more: Any) -> Comment:
        return Comment(
            local_id=local_id or self.new_id(),
            team_id=TEAM,
            author="ada",
            body=body,
            trace_id="1" * 32,
            created_at=NOON,
            last_modified=NOON,
            **more,
        )

    def team(self, name: str = "ours", local_id: str = TEAM) -> Team:
        return Team(local_id=local_id, name=name, created_at=NOON, last_modified=NOON)

    def session(self, session_id: str = "here", **more: Any) -> SharedSession:
        return SharedSession(
            local_id=self.new_id(),
            team_id=TEAM,
            user_id="u",
            session_id=session_id,
            start_time=NOON,
            planned_duration_minutes=45,
            shared_at=NOON,
            last_modified=NOON,
            **more,
        )

    def write(
        self,
        entity: SyncableEntity,
        operation: SyncOperationType = UPDATE,
        *,
        at: int | None = None,
        erase: bool = False,
    ) -> Operation | None:
        self.clock.at += 1_000_000
        write = LocalWrite(self.account, entity, operation, at=at, erase=erase)
        return done(self.ledger.write(write, is_agreed=True))

    def claim(self, limit: int = 50) -> list[Claim]:
        return done(self.ledger.claim(self.account, limit))

    def claim_one(self) -> Claim:
        (claimed,) = self.claim()
        return claimed

    def row(self, entity: SyncableEntity) -> EntityRow:
        found = self.ledger.find_entity(self.account, entity.entity_type(), entity.local_id)
        assert found is not None
        return found

    def find(self, entity: SyncableEntity) -> EntityRow | None:
        return self.ledger.find_entity(self.account, entity.entity_type(), entity.local_id)

    def pending(self) -> list[Operation]:
        return self.ledger.find_pending(self.account)

    def confirm(self, claimed: Claim, **more: Any) -> Remote:
        answer = answer_to(claimed, **more)
        done(self.ledger.finish([(claimed, answer)]))
        return answer

    def synced(self, entity: SyncableEntity) -> Remote:
        """Write an entity and have the server confirm it."""
        self.write(entity, CREATE)
        claimed = next(each for each in self.claim() if each.operation.entity_id == entity.local_id)
        return self.confirm(claimed)

    def arrival(
        self,
        entity_type: str = "comments",
        strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS,
    ) -> Arrival:
        return Arrival(self.account, TEAM, entity_type, strategy)


def answer_to(claimed: Claim, **more: Any) -> Remote:
    """Return the record that a server makes of an operation."""
    sending = claimed.as_sending()
    deleted = sending.operation is DELETE
    made = Remote(
        remote_id=sending.remote_id,
        document={} if sending.erase else sending.document,
        version=sending.version + 1,
        seq=sending.version + 100,
        updated_at=1_700_000_000 * NS_PER_S,
        op_id=sending.op_id,
        deleted=deleted,
        erased=sending.erase,
    )
    return replace(made, **more)


def changed(remote: Remote, document: Mapping[str, Any], **more: Any) -> Remote:
    """Return a record as somebody else changed it."""
    made = replace(
        remote,
        document={**remote.document, **document},
        version=remote.version + 1,
        seq=remote.seq + 1,
        updated_at=remote.updated_at + NS_PER_S,
        op_id=f"other-{remote.version + 1}",
    )
    return replace(made, **more)


def buried(remote: Remote, **more: Any) -> Remote:
    """Return the tombstone that somebody else made of a record."""
    return replace(changed(remote, {}, deleted=True), **more)
