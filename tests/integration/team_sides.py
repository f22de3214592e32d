"""Two people who share a team: each with a ledger of their own, over one server."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clew.base.ids import new_uuid
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase
from clew.team.entities.comment import SharedComment
from clew.team.entities.query import SavedQuery
from clew.team.entities.team import Team
from clew.team.ledger.ledger import Ledger
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rows import Account, account_id_of
from clew.team.ledger.schema import SCHEMA
from clew.team.merging.operation import SyncOperationType
from clew.team.merging.strategy import ConflictStrategy
from clew.team.sessions.schema import SCHEMA as SESSIONS
from clew.team.syncing.course import Course
from clew.team.syncing.round import run_round
from clew.team.trailbase import membership
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.team.trailbase.login import Credentials
from clew.team.trailbase.server import RecordsServer

if TYPE_CHECKING:
    from pathlib import Path

    from clew.team.entities.entity import SyncableEntity
    from clew.team.ledger.rows import EntityRow, Round
    from clew.testing.trailbase import FakeTrailBase

PASSWORD = "correct horse"

CONSENTS = ("shared_sessions", "comments", "saved_queries")


def fresh_id() -> str:
    return new_uuid(time.time_ns())


@dataclass
class Side:
    """One person's clew: a ledger in a folder, and a client of the team's server."""

    name: str
    folder: Path
    url: str
    strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS
    account_id: str = ""
    user_id: str = ""
    client: AsyncTrailBaseClient = field(init=False)
    ledger: Ledger = field(init=False)
    _database: SqliteDatabase = field(init=False)

    def open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._database = SqliteDatabase.open(
            self.folder, [SESSIONS, SCHEMA], DatabaseOptions(file_name="team.db")
        )
        self.ledger = Ledger(self._database, time.time_ns, chance=lambda: 0.0)

    def close(self) -> None:
        self._database.close()

    async def connect(self) -> None:
        self.client = AsyncTrailBaseClient(self.url)
        known = await self.client.authenticate(Credentials(f"{self.name}@example.com", PASSWORD))
        assert known.user_id is not None
        self.user_id = known.user_id
        self.account_id = account_id_of(self.url, known.user_id)
        account = Account(self.account_id, self.url, known.user_id, time.time_ns())
        self.ledger.connect(account).result()
        # Whatever a process before this one had on its way.
        self.ledger.take_back(self.account_id).result()

    async def sync(self) -> Round:
        course = Course(
            self.ledger, await self.client.server(), self.account_id, strategy=self.strategy
        )
        done, _ = await run_round(course, time.time_ns)
        return done

    def agree(self, team_id: str) -> None:
        for each in CONSENTS:
            self.ledger.give_consent(self.account_id, team_id, each).result()

    def write(
        self,
        entity: SyncableEntity,
        operation: SyncOperationType = SyncOperationType.UPDATE,
        *,
        erase: bool = False,
    ) -> None:
        at = time.time_ns()
        self.ledger.write(LocalWrite(self.account_id, entity, operation, at, erase)).result()

    def rows(self, entity_type: str, team_id: str | None = None) -> list[EntityRow]:
        return self.ledger.find_entities(self.account_id, entity_type, team_id)

    def queries(self, team_id: str) -> dict[str, str]:
        """Return what every saved query of a team says, by its id."""
        return {
            row.remote_id: str(row.document["query"])
            for row in self.rows(SavedQuery.entity_type(), team_id)
        }


def saved_query(team_id: str, query: str, local_id: str | None = None) -> SavedQuery:
    return SavedQuery(local_id=local_id or fresh_id(), team_id=team_id, name="q", query=query)


def comment(team_id: str, body: str) -> SharedComment:
    return SharedComment(
        local_id=fresh_id(), team_id=team_id, trace_id="0" * 31 + "1", author="ann", body=body
    )


async def found_team(ann: Side, bob: Side) -> str:
    """Have one found a team and the other join it; return its id."""
    team = Team(local_id=fresh_id(), name="Night watch", created_by=ann.user_id)
    ann.write(team, SyncOperationType.CREATE)
    done = await ann.sync()
    assert (done.sent, done.failed) == (1, 0), done
    await join(ann, bob, team.local_id)
    await bob.sync()
    await ann.sync()
    for side in (ann, bob):
        side.agree(team.local_id)
    return team.local_id


async def join(owner: Side, other: Side, team_id: str) -> None:
    """Have somebody invited into a team, and come."""
    server, theirs = await owner.client.server(), await other.client.server()
    assert isinstance(server, RecordsServer)
    assert isinstance(theirs, RecordsServer)
    invite = await membership.create_invite(server, team_id)
    joined = await membership.join_team(theirs, invite.code)
    assert joined.team_id == team_id


def add_users(fake: FakeTrailBase, *names: str) -> None:
    for name in names:
        fake.add_user(f"{name}@example.com", PASSWORD)
