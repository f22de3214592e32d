"""What services keep in memory on a standby is what the leader's registry says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clew.access.caller import LOCAL
from clew.access.parameters import NewKey, NewRoleRef
from clew.access.registry import AccessRegistry
from clew.app.store import REGISTRY
from clew.base.errors import ClewError, ErrorCode
from clew.store.database.sqlite import SqliteDatabase
from clew.team.comments.parameters import CommentEdit, CommentQuery, NewComment
from clew.team.comments.service import TeamComments
from clew.team.sessions.parameters import NewSession, SessionQuery
from clew.team.sessions.service import TeamSessions
from clew.team.sessions.targets import Visit
from clew.tree.keeper.hub import Hub
from clew.tree.machine import changes
from clew.tree.registry.keeping import keep
from clew.tree.watch.following import OutboxFollower
from clew.twin.registries.book import RegistryBook
from clew.twin.schema.codec import encode_registry
from clew.twin.schema.values import RegistrySchema
from tests.conformance.registry_replay import MemoryLog
from tests.conformance.registry_writes import DEADLINE_S, result


@dataclass
class Pair:
    """The registry of a leader, that of a standby, and the log between them."""

    leader: SqliteDatabase
    standby: SqliteDatabase
    log: MemoryLog
    told: int = 0

    def ship(self) -> None:
        """Tell the standby what it has not heard."""
        for number, payload in self.log.changes[self.told :]:
            result(self.standby.apply(number, payload))
            self.told += 1


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    log = MemoryLog()
    leader = SqliteDatabase.open(tmp_path / "leader", REGISTRY, changes=log.after)
    leader.lead(log.record)
    standby = SqliteDatabase.open(tmp_path / "standby", REGISTRY, changes=lambda _: ())
    yield Pair(leader, standby, log)
    leader.close()
    standby.close()


def test_a_key_counts_on_a_standby_until_it_is_revoked(pair: Pair) -> None:
    leader = AccessRegistry.open(pair.leader, time.time_ns)
    standby = AccessRegistry.open(pair.standby, time.time_ns)
    assert not standby.keys.is_guarding
    made = result(leader.keys.create(NewKey(name="root", role="admin"), LOCAL))
    pair.ship()
    assert standby.keys.is_guarding
    caller = standby.keys.authenticate(made.api_key)
    assert caller.name == "root"
    # That it was used is not written here, and nobody is kept out for it.
    assert standby.keys.is_valid(caller)
    result(leader.keys.revoke(made.key.id, LOCAL))
    pair.ship()
    assert not standby.keys.is_valid(caller)
    with pytest.raises(ClewError) as refused:
        standby.keys.authenticate(made.api_key)
    assert refused.value.code is ErrorCode.UNAUTHENTICATED


def test_grants_role_refs_and_revoked_keys_are_those_of_the_leader(pair: Pair) -> None:
    leader = AccessRegistry.open(pair.leader, time.time_ns)
    standby = AccessRegistry.open(pair.standby, time.time_ns)
    heard: list[None] = []
    standby.listen(lambda: heard.append(None))
    granted = result(leader.grants.add("app-1", "user:ann", ["read"], LOCAL))
    result(leader.role_refs.create(NewRoleRef(name="ops", grants=[]), LOCAL))
    pub_key = "ed25519:" + "A" * 43 + "="
    result(leader.revoked_keys.revoke(pub_key, "lost", LOCAL))
    pair.ship()
    assert standby.grants.all() == leader.grants.all() != ()
    assert standby.role_refs.held == leader.role_refs.held != {}
    assert pub_key in standby.revoked_keys
    assert len(heard) == 2
    result(leader.grants.remove(granted.id, LOCAL))
    result(leader.revoked_keys.lift(pub_key, LOCAL))
    pair.ship()
    assert standby.grants.all() == ()
    assert pub_key not in standby.revoked_keys


def test_blueprints_judge_on_a_standby_as_at_the_leader(pair: Pair) -> None:
    leader = RegistryBook.open(pair.leader, time.time_ns)
    standby = RegistryBook.open(pair.standby, time.time_ns)
    text = encode_registry(RegistrySchema(name="shop"))
    stored = result(leader.put(text, "ann"))
    pair.ship()
    assert standby.get(stored.checksum) == text
    assert standby.list() == leader.list()


def test_open_sessions_are_known_on_a_standby_and_looks_are_not_kept_there(pair: Pair) -> None:
    leader = TeamSessions(pair.leader, time.time_ns)
    standby = TeamSessions(pair.standby, time.time_ns, follows=True)
    leader.load()
    standby.load()
    started = result(leader.start(NewSession(title="why is it slow"), LOCAL))
    pair.ship()
    assert standby.resolve("current", LOCAL, None) == started.id
    assert standby.find(SessionQuery(), LOCAL).sessions[0].title == "why is it slow"
    standby.visit(LOCAL, None, [Visit("trace", "1" * 32)])
    result(leader.stop(started.id, LOCAL))
    pair.ship()
    with pytest.raises(ClewError, match="no session is open"):
        standby.resolve("current", LOCAL, None)
    assert standby.get(started.id) == leader.get(started.id)
    standby.close()
    leader.close()


def test_comments_and_their_words_are_those_of_the_leader(pair: Pair) -> None:
    leader = TeamComments(pair.leader, time.time_ns)
    standby = TeamComments(pair.standby, time.time_ns)
    first = result(leader.add("1" * 32, NewComment(body="the cache is cold")))
    result(leader.add("1" * 32, NewComment(body="and stays so")))
    result(leader.edit(first.id, CommentEdit(body="the cache was cold"), LOCAL))
    pair.ship()
    assert standby.find(CommentQuery()) == leader.find(CommentQuery())
    assert standby.find(CommentQuery(text="cold")).total == 1


def test_what_happens_in_the_tree_is_heard_on_a_standby(pair: Pair) -> None:
    def happen(*kinds: str) -> None:
        entries = [
            changes.Happened(at=1, app_id="a", path=("a",), kind=kind, document=b"{}")
            for kind in kinds
        ]
        result(pair.leader.submit(lambda transaction: keep(transaction, entries)))
        pair.ship()

    async def listen() -> list[tuple[int, str]]:
        hub = Hub()
        follower = OutboxFollower(pair.standby, hub)
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.to_thread(happen, "transition")
            await follower.open()
            feed = hub.subscribe()
            assert feed.start == 1
            await asyncio.to_thread(happen, "message", "crash")
            heard = await feed.take()
            while len(heard) < 2:
                heard += await feed.take()
            await follower.close()
            assert await feed.take() == []
        return [(entry.id, entry.kind) for entry in heard]

    assert asyncio.run(listen()) == [(2, "message"), (3, "crash")]
