"""Rounds of a sync over a server: what is written on one side is there on the other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clew.team.entities.member import Member
from clew.team.entities.team import Team
from clew.team.ledger.rows import RoundOutcome, Take
from clew.team.merging.operation import SyncOperationType as Do
from clew.team.merging.strategy import ConflictStrategy
from clew.testing.trailbase import FakeTrailBase, Trouble
from tests.integration.team_sides import (
    PASSWORD,
    Side,
    add_users,
    comment,
    found_team,
    fresh_id,
    join,
    saved_query,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def fake() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as server:
        add_users(server, "ann", "bob")
        yield server


@asynccontextmanager
async def two_sides(
    fake: FakeTrailBase,
    folder: Path,
    strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS,
) -> AsyncIterator[tuple[Side, Side, str]]:
    """Give Ann and Bob, connected, and the team that both are in."""
    ann, bob = (Side(name, folder / name, fake.url, strategy) for name in ("ann", "bob"))
    for side in (ann, bob):
        side.open()
        await side.connect()
    try:
        yield ann, bob, await found_team(ann, bob)
    finally:
        for side in (ann, bob):
            await side.client.close()
            side.close()


def test_what_one_writes_is_there_for_the_other(fake: FakeTrailBase, tmp_path: Path) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            ann.write(saved_query(team, "SELECT 1"), Do.CREATE)
            ann.write(comment(team, "the disk is full"), Do.CREATE)
            done = await ann.sync()
            assert (done.sent, done.outcome) == (2, RoundOutcome.DONE)
            done = await bob.sync()
            assert done.pulled == 2
            assert bob.queries(team) == ann.queries(team)
            (said,) = bob.rows("comments", team)
            assert said.document["body"] == "the disk is full"
            (again,) = [await bob.sync()]
            assert (again.pulled, again.sent) == (0, 0)

    asyncio.run(play())


def test_a_member_sees_teams_members_and_roles(fake: FakeTrailBase, tmp_path: Path) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            assert [row.remote_id for row in bob.rows("teams")] == [team]
            for side in (ann, bob):
                roles = {
                    row.document["email"]: row.document["role"] for row in side.rows("members")
                }
                assert roles == {"ann@example.com": "owner", "bob@example.com": "member"}

    asyncio.run(play())


def test_what_is_written_without_a_network_goes_out_when_it_is_back(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            fake.go_offline()
            for number in range(3):
                ann.write(saved_query(team, f"SELECT {number}"), Do.CREATE)
            done = await ann.sync()
            assert (done.outcome, done.sent) == (RoundOutcome.OFFLINE, 0)
            (first, *_) = ann.ledger.find_pending(ann.account_id)
            assert first.retry_count == 0
            fake.go_online()
            done = await ann.sync()
            assert (done.outcome, done.sent) == (RoundOutcome.DONE, 3)
            await bob.sync()
            assert sorted(bob.queries(team).values()) == [f"SELECT {n}" for n in range(3)]

    asyncio.run(play())


def test_two_changes_of_one_thing_meet_and_the_later_wins_on_both_sides(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            query = saved_query(team, "SELECT 1")
            # He made it, and she owns the team: both may change it.
            bob.write(query, Do.CREATE)
            await bob.sync()
            await ann.sync()
            ann.write(replace(query, query="SELECT 'ann'"))
            await ann.sync()
            # The server's clock counts, and his is as good: he wrote after hers had arrived.
            bob.write(replace(query, query="SELECT 'bob'"))
            done = await bob.sync()
            assert done.conflicts == 1
            await ann.sync()
            assert ann.queries(team) == bob.queries(team) == {query.local_id: "SELECT 'bob'"}
            (conflict,) = bob.ledger.find_conflicts(bob.account_id)
            assert conflict.remote is not None
            assert conflict.remote["query"] == "SELECT 'ann'"
            bob.ledger.resolve(bob.account_id, conflict.conflict_id, Take.REMOTE).result()
            await bob.sync()
            await ann.sync()
            assert ann.queries(team) == bob.queries(team) == {query.local_id: "SELECT 'ann'"}

    asyncio.run(play())


@pytest.mark.parametrize(
    ("strategy", "winner"),
    [(ConflictStrategy.LOCAL_WINS, "bob"), (ConflictStrategy.REMOTE_WINS, "ann")],
)
def test_a_strategy_decides_who_wins(
    fake: FakeTrailBase, tmp_path: Path, strategy: ConflictStrategy, winner: str
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path, strategy) as (ann, bob, team):
            query = saved_query(team, "SELECT 1")
            # He made it, and she owns the team: both may change it.
            bob.write(query, Do.CREATE)
            await bob.sync()
            await ann.sync()
            bob.write(replace(query, query="bob"))
            ann.write(replace(query, query="ann"))
            await ann.sync()
            await bob.sync()
            await ann.sync()
            assert ann.queries(team) == bob.queries(team) == {query.local_id: winner}

    asyncio.run(play())


def test_what_somebody_may_not_change_is_set_aside_and_can_be_given_up(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            query = saved_query(team, "hers")
            ann.write(query, Do.CREATE)
            await ann.sync()
            await bob.sync()
            bob.write(replace(query, query="his"))
            bob.write(comment(team, "still goes out"), Do.CREATE)
            done = await bob.sync()
            assert (done.sent, done.failed, done.outcome) == (1, 1, RoundOutcome.DONE)
            assert bob.queries(team) == {query.local_id: "his"}
            assert bob.ledger.clear_failed(bob.account_id).result() == 1
            assert bob.queries(team) == {query.local_id: "hers"}

    asyncio.run(play())


def test_an_answer_that_is_lost_makes_nothing_twice(fake: FakeTrailBase, tmp_path: Path) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            query = saved_query(team, "SELECT 1")
            ann.write(query, Do.CREATE)
            fake.order(Trouble.LOST, path="/api/transaction")
            fake.order(Trouble.LOST, path="/api/records", method="POST")
            done = await ann.sync()
            assert done.outcome is RoundOutcome.OFFLINE
            fake.calm()
            ann.write(replace(query, query="SELECT 2"))
            done = await ann.sync()
            assert done.outcome is RoundOutcome.DONE
            await bob.sync()
            assert bob.queries(team) == ann.queries(team) == {query.local_id: "SELECT 2"}
            assert len(fake.read("SELECT id FROM saved_queries")) == 1

    asyncio.run(play())


def test_what_is_erased_is_gone_everywhere(fake: FakeTrailBase, tmp_path: Path) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            query = saved_query(team, "SELECT secret")
            ann.write(query, Do.CREATE)
            await ann.sync()
            await bob.sync()
            ann.write(query, Do.DELETE, erase=True)
            await ann.sync()
            await bob.sync()
            assert bob.queries(team) == ann.queries(team) == {}
            (row,) = fake.read("SELECT * FROM saved_queries")
            assert "secret" not in str(row)

    asyncio.run(play())


def test_a_session_that_ended_pauses_the_account_and_loses_nothing(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            ann.write(saved_query(team, "SELECT 1"), Do.CREATE)
            ann.client.session.set_tokens(None)
            done = await ann.sync()
            assert done.outcome is RoundOutcome.PAUSED
            assert ann.ledger.stats(ann.account_id).pending == 1
            await ann.client.close()
            await ann.connect()
            assert (await ann.sync()).sent == 1
            await bob.sync()
            assert list(bob.queries(team).values()) == ["SELECT 1"]

    asyncio.run(play())


def test_who_left_a_team_hears_nothing_of_it_until_they_come_back_and_then_all(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            fake.add_user("cid@example.com", PASSWORD)
            (mine,) = [r for r in bob.rows("members") if r.document["user_id"] == bob.user_id]
            bob.write(mine.as_entity(Member), Do.DELETE)
            assert (await bob.sync()).sent == 1
            ann.write(saved_query(team, "while he was away"), Do.CREATE)
            await ann.sync()
            fake.forget()
            await bob.sync()
            asked = {one.path for one in fake.asked if one.who == "bob@example.com"}
            assert asked == {"/api/records/v1/teams"}
            # Somebody else came, and his own row changed after that, before he could see either.
            cid = Side("cid", tmp_path / "cid", fake.url)
            cid.open()
            await cid.connect()
            await join(ann, cid, team)
            fake.write(
                "UPDATE team_members SET display_name = 'B', version = version + 1"
                " WHERE hex(user_id) = ?",
                (fake.find_user("bob@example.com").key.hex().upper(),),
            )
            await join(ann, bob, team)
            await bob.sync()
            assert {row.document["email"] for row in bob.rows("members")} == {
                f"{name}@example.com" for name in ("ann", "bob", "cid")
            }
            assert list(bob.queries(team).values()) == ["while he was away"]
            await cid.client.close()
            cid.close()

    asyncio.run(play())


def test_what_is_taken_back_from_a_team_that_was_deleted_is_taken_from_all(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            query = saved_query(team, "SELECT secret")
            ann.write(query, Do.CREATE)
            await ann.sync()
            await bob.sync()
            row = ann.ledger.find_entity(ann.account_id, "teams", team)
            assert row is not None
            ann.write(row.as_entity(Team), Do.DELETE)
            await ann.sync()
            ann.write(query, Do.DELETE, erase=True)
            assert (await ann.sync()).failed == 0
            await bob.sync()
            assert bob.rows("teams") == []
            assert bob.queries(team) == {}

    asyncio.run(play())


def test_a_refusal_for_one_team_keeps_no_other_from_being_pulled(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            other = Team(local_id=fresh_id(), name="Day watch", created_by=ann.user_id)
            ann.write(other, Do.CREATE)
            await ann.sync()
            await join(ann, bob, other.local_id)
            ann.agree(other.local_id)
            for each in (team, other.local_id):
                ann.write(saved_query(each, each), Do.CREATE)
                ann.write(comment(each, each), Do.CREATE)
            await ann.sync()
            await bob.sync()
            for status, error in ((403, "refuses"), (500, "failed with 500")):
                for each in (team, other.local_id):
                    ann.write(saved_query(each, f"{each}-{status}"), Do.CREATE)
                await ann.sync()
                fake.order(Trouble.REFUSED, status=status, path="/api/records/v1/comments", times=9)
                fake.order(
                    Trouble.REFUSED, status=status, path="/api/records/v1/team_comments", times=9
                )
                done = await bob.sync()
                fake.calm()
                assert done.outcome is RoundOutcome.FAILED
                assert error in (done.error or "")
                for each in (team, other.local_id):
                    assert f"{each}-{status}" in bob.queries(each).values()

    asyncio.run(play())


def test_after_a_purge_everything_is_looked_at_once_and_not_every_time(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            kept, gone = saved_query(team, "kept"), saved_query(team, "gone")
            ann.write(kept, Do.CREATE)
            ann.write(gone, Do.CREATE)
            await ann.sync()
            await bob.sync()
            ann.write(gone, Do.DELETE)
            await ann.sync()
            fake.write("UPDATE clew_info SET purged_seq = (SELECT seq FROM clew_sequence)")
            fake.write("DELETE FROM saved_queries WHERE deleted = 1")
            await bob.client.close()
            await bob.connect()
            assert (await bob.sync()).pulled == 1
            assert list(bob.queries(team).values()) == ["kept"]
            fake.forget()
            await bob.sync()
            assert fake.count("GET", "/api/records/v1/saved_queries") == 1

    asyncio.run(play())


@pytest.mark.parametrize("is_batch", [False, True], ids=["alone", "in a batch"])
def test_what_came_twice_and_could_not_be_read_back_is_no_conflict_with_oneself(
    fake: FakeTrailBase, tmp_path: Path, is_batch: bool
) -> None:
    async def play() -> None:
        async with two_sides(fake, tmp_path) as (ann, bob, team):
            query = saved_query(team, "SELECT 1")
            ann.write(query, Do.CREATE)
            await ann.sync()
            ann.write(replace(query, query="SELECT 2"))
            record = "/api/records/v1/saved_queries/"
            if is_batch:
                ann.write(comment(team, "with it"), Do.CREATE)
                fake.order(Trouble.TWICE, path="/api/transaction")
                fake.order(Trouble.REFUSED, path="/api/records", status=429)
            else:
                fake.order(Trouble.TWICE, method="PATCH", path=record)
                fake.order(Trouble.REFUSED, method="GET", path=record, status=429, times=2)
            done = await ann.sync()
            assert done.outcome is not RoundOutcome.DONE
            fake.calm()
            ann.write(replace(query, query="SELECT 3"))
            done = await ann.sync()
            assert done.outcome is RoundOutcome.DONE
            assert ann.ledger.stats(ann.account_id).pending == 0
            assert ann.ledger.count_conflicts(ann.account_id) == 0
            await bob.sync()
            assert bob.queries(team) == {query.local_id: "SELECT 3"}

    asyncio.run(play())
