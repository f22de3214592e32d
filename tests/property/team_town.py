"""People with real clients of a real protocol over one server that is made to misbehave.

Ledgers are in memory, and time passes in them when a story says so; everything else is what runs:
the sync, its HTTP client and the fake of TrailBase behind a socket.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S
from clew.store.database.contract import Reading, Result, Transaction
from clew.store.database.migration import migrate
from clew.store.database.session import Session
from clew.team import ConflictStrategy, SyncableEntity, SyncOperationType
from clew.team.entities.comment import SharedComment
from clew.team.entities.kinds import KINDS
from clew.team.entities.query import SavedQuery
from clew.team.entities.session import SharedSession
from clew.team.entities.team import Team
from clew.team.ledger.ledger import Ledger
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rows import Account, EntityRow, Round, account_id_of
from clew.team.ledger.schema import SCHEMA
from clew.team.sessions.schema import SCHEMA as SESSIONS
from clew.team.syncing.course import TEAM_TYPES, Course
from clew.team.syncing.round import run_round
from clew.team.trailbase import membership
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.team.trailbase.probe import Api
from clew.team.trailbase.server import RecordsServer
from clew.team.trailbase.tokens import make_tokens
from clew.testing.trailbase import FakeTrailBase, FakeUser
from tests.property.team_world import EPOCH, Card

TYPES = (*TEAM_TYPES, Card.entity_type())

FIELDS = {
    "saved_queries": ("query", "description"),
    "comments": ("body",),
    "shared_sessions": ("title",),
    "cards": ("front", "back"),
}
"""What people write into."""

_TABLES = ("saved_queries", "team_comments", "shared_sessions", "synced_entities")


class MemoryDatabase:
    """Rows that survive nothing, for any thread."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        migrate(self._connection, [SESSIONS, SCHEMA], path=Path("memory"), now=lambda: 0)
        self._session = Session(self._connection)
        self._lock = threading.Lock()

    def submit(self, work: Callable[[Transaction], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        with self._lock:
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
        with self._lock:
            return work(self._session)

    def close(self) -> None:
        self._connection.close()


@dataclass
class Person:
    """One machine: a ledger, and a client that may be replaced like a process."""

    fake: FakeTrailBase
    user: FakeUser
    strategy: ConflictStrategy
    account: str = ""
    ahead_ns: int = 0
    client: AsyncTrailBaseClient = field(init=False)
    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    def __post_init__(self) -> None:
        self.ledger = Ledger(
            self.database,  # type: ignore[arg-type]
            self.now,
            kinds={**KINDS, "cards": Card},
            chance=lambda: 0.5,
        )
        self.account = account_id_of(self.fake.url, self.user.id)
        self.log_in()

    def now(self) -> int:
        return time.time_ns() + self.ahead_ns

    def log_in(self) -> None:
        """Begin anew, as a process does."""
        told = self.fake.log_in(self.user)
        tokens = make_tokens(told.auth_token, refresh=told.refresh_token, csrf=told.csrf_token)
        self.client = AsyncTrailBaseClient(self.fake.url, tokens=tokens, api=Api.TRAILBASE)
        account = Account(self.account, self.fake.url, self.user.id, self.now())
        self.ledger.connect(account).result()
        self.ledger.take_back(self.account).result()

    async def begin_anew(self) -> None:
        await self.client.close()
        self.log_in()

    async def server(self) -> RecordsServer:
        server = await self.client.server()
        assert isinstance(server, RecordsServer)
        return server

    async def sync(self) -> Round:
        course = Course(
            self.ledger, await self.server(), self.account, types=TYPES, strategy=self.strategy
        )
        done, _ = await run_round(course, self.now)
        return done

    def write(
        self, entity: SyncableEntity, operation: SyncOperationType, *, erase: bool = False
    ) -> None:
        # By the server's clock, which everybody follows.
        write = LocalWrite(self.account, entity, operation, self.fake.now(), erase)
        self.ledger.write(write, is_agreed=True).result()

    def rows(self, entity_type: str) -> list[EntityRow]:
        return self.ledger.find_entities(self.account, entity_type, with_deleted=True)

    def all_rows(self) -> list[EntityRow]:
        return [row for each in FIELDS for row in self.rows(each)]

    def seen(self) -> dict[str, dict[str, Any]]:
        """What is here and not deleted, by the server's ids."""
        return {
            row.remote_id: row.document
            for each in (*TYPES, "teams")
            for row in self.ledger.find_entities(self.account, each)
        }

    async def close(self) -> None:
        await self.client.close()
        self.database.close()


def blank(entity_type: str, team_id: str, user_id: str) -> SyncableEntity:
    """Return a new entity, which says nothing yet."""
    local_id = new_uuid(time.time_ns())
    match entity_type:
        case "saved_queries":
            return SavedQuery(local_id=local_id, team_id=team_id, name="q", query="-")
        case "comments":
            return SharedComment(
                local_id=local_id, team_id=team_id, trace_id="0" * 31 + "1", author="a", body="-"
            )
        case "shared_sessions":
            return SharedSession(
                local_id=local_id,
                team_id=team_id,
                user_id=user_id,
                session_id="s",
                start_time=EPOCH,
                planned_duration_minutes=30,
            )
        case _:
            return Card(local_id, team_id=team_id)


def watch_effects(fake: FakeTrailBase) -> None:
    """Have the server write down which operation made which version."""
    fake.write("CREATE TABLE effects (id BLOB, version INTEGER, op_id TEXT)")
    for table in _TABLES:
        for event in ("INSERT", "UPDATE OF version"):
            name = f"effects_{table}_{event[:6].lower()}"
            fake.write(
                f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN"
                " INSERT INTO effects VALUES (NEW.id, NEW.version, NEW.op_id); END"
            )


def purge(fake: FakeTrailBase) -> set[str]:
    """Remove all tombstones, as half a year does; return whose they were."""
    gone: set[str] = set()
    for table in _TABLES:
        buried = fake.read(f"SELECT hex(id) AS id FROM {table} WHERE deleted = 1")
        gone |= {str(row["id"]) for row in buried}
        fake.write(
            "UPDATE clew_info SET purged_seq = max(purged_seq, coalesce((SELECT max(server_seq)"
            f" FROM {table} WHERE deleted = 1), 0))"
        )
        fake.write(f"DELETE FROM {table} WHERE deleted = 1")
    return gone


async def found_team(owner: Person, *others: Person) -> str:
    """Have somebody found a team and the others join; return its id."""
    team = Team(local_id=new_uuid(time.time_ns()), name="town", created_by=owner.user.id)
    owner.write(team, SyncOperationType.CREATE)
    await owner.sync()
    for other in others:
        invite = await membership.create_invite(await owner.server(), team.local_id)
        await membership.join_team(await other.server(), invite.code)
    return team.local_id


async def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.001)


def hours(count: float) -> int:
    return int(count * 3600 * NS_PER_S)
