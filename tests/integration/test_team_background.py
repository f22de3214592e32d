"""The sync in the background: what brings a change over, and what ends with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.team.errors import AuthError
from clew.team.ledger.rows import Account, RoundOutcome
from clew.team.merging.operation import SyncOperationType as Do
from clew.team.merging.strategy import ConflictStrategy
from clew.team.syncing.engine import SyncEngine
from clew.team.syncing.line import LinkState, Means, SyncOptions
from clew.team.trailbase.contract import TeamServer
from clew.testing.trailbase import FakeTrailBase, Trouble
from tests.integration.team_sides import (
    Side,
    add_users,
    comment,
    found_team,
    saved_query,
)

NEVER_S = 3600.0

QUICK = SyncOptions(
    interval_s=NEVER_S, gather_s=0.01, offline_s=(0.01, 0.05), listen_s=(0.01, 0.05)
)
"""Without an interval: what comes over came by itself."""


@pytest.fixture
def fake() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as server:
        add_users(server, "ann", "bob", "cid")
        yield server


async def until(is_so: Callable[[], bool], what: str = "") -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, what or "it does not come"
        await asyncio.sleep(0.005)


def means_of(side: Side, options: SyncOptions = QUICK) -> Means:
    async def open_server(_account: Account) -> TeamServer:
        return await side.client.server()

    return Means(side.ledger, open_server, time.time_ns, options)


@asynccontextmanager
async def two_lives(
    fake: FakeTrailBase, folder: Path, options: SyncOptions = QUICK
) -> AsyncIterator[tuple[Side, Side, SyncEngine, SyncEngine, str]]:
    """Give Ann and Bob in one team, each with an engine of their own that is at work."""
    sides = [Side(name, folder / name, fake.url) for name in ("ann", "bob")]
    for side in sides:
        side.open()
        await side.connect()
    team = await found_team(*sides)
    engines = []
    for side in sides:
        engine = SyncEngine(means_of(side, options))
        account = side.ledger.find_account(side.account_id)
        assert account is not None
        await engine.open(account)
        engines.append(engine)
    ann, bob = sides
    try:
        for side, engine in zip(sides, engines, strict=True):
            await until(lambda side=side, engine=engine: engine.link(side.account_id).is_live)  # type: ignore[misc]
        yield ann, bob, engines[0], engines[1], team
    finally:
        for engine in engines:
            await engine.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [each for each in others if (each.get_name() or "").startswith("team-")]
        for side in sides:
            await side.client.close()
            side.close()


def test_what_is_written_here_is_there_at_once_by_hints(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path) as (ann, bob, life, _, team):
            for number in range(3):
                ann.write(saved_query(team, f"SELECT {number}"), Do.CREATE)
            life.wake(ann.account_id)
            await until(lambda: len(bob.queries(team)) == 3)
            assert bob.queries(team) == ann.queries(team)

    asyncio.run(play())


def test_what_is_written_in_one_breath_goes_in_one_request(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        options = replace(QUICK, gather_s=0.2)
        async with two_lives(fake, tmp_path, options) as (ann, bob, life, _, team):
            before = fake.count("POST", "/api/transaction")
            for number in range(10):
                ann.write(saved_query(team, f"SELECT {number}"), Do.CREATE)
                life.wake(ann.account_id)
            await until(lambda: len(bob.queries(team)) == 10)
            assert fake.count("POST", "/api/transaction") - before == 1

    asyncio.run(play())


def test_a_server_that_comes_back_is_found_by_asking_and_hints_go_on(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path) as (ann, bob, life, other, team):
            await asyncio.to_thread(fake.go_offline)
            ann.write(saved_query(team, "SELECT 1"), Do.CREATE)
            life.wake(ann.account_id)
            await until(lambda: life.link(ann.account_id).state is LinkState.OFFLINE)
            await until(lambda: other.link(bob.account_id).state is LinkState.OFFLINE)
            assert not other.link(bob.account_id).is_live
            await asyncio.to_thread(fake.go_online)
            await until(lambda: list(bob.queries(team).values()) == ["SELECT 1"])
            await until(lambda: other.link(bob.account_id).is_live)
            await until(lambda: life.link(ann.account_id).state is LinkState.ONLINE)
            ann.write(saved_query(team, "SELECT 2"), Do.CREATE)
            life.wake(ann.account_id)
            await until(lambda: len(bob.queries(team)) == 2)

    asyncio.run(play())


def test_hints_that_were_lost_are_made_up_for(fake: FakeTrailBase, tmp_path: Path) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path) as (ann, bob, life, _, team):
            fake.lose_events(1000)
            ann.write(comment(team, "nobody hears this"), Do.CREATE)
            life.wake(ann.account_id)
            await until(lambda: len(fake.read("SELECT id FROM team_comments")) == 1)
            fake.lose_events(0)
            # A stream that ends is begun anew, and whoever begins one looks at everything.
            await asyncio.to_thread(fake.hang_up)
            await until(lambda: len(bob.rows("comments", team)) == 1)

    asyncio.run(play())


def test_without_hints_the_interval_brings_everything(fake: FakeTrailBase, tmp_path: Path) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path, replace(QUICK, interval_s=0.05)) as lives:
            ann, bob, life, _, team = lives
            fake.lose_events(100_000)
            ann.write(comment(team, "nobody hears this"), Do.CREATE)
            life.wake(ann.account_id)
            await until(lambda: len(bob.rows("comments", team)) == 1)

    asyncio.run(play())


def test_an_account_that_was_sent_away_is_left_alone_until_somebody_connects(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path) as (ann, bob, life, _, team):
            ann.client.session.set_tokens(None)
            ann.write(saved_query(team, "SELECT 1"), Do.CREATE)
            assert (await life.sync(ann.account_id)).outcome is RoundOutcome.PAUSED
            assert life.link(ann.account_id).state is LinkState.PAUSED
            asked = len(fake.asked)
            assert (await life.sync(ann.account_id)).error == "login"
            mine = [each for each in fake.asked[asked:] if each.who == "ann@example.com"]
            assert mine == []
            await life.drop(ann.account_id)
            await ann.client.close()
            await ann.connect()
            account = ann.ledger.find_account(ann.account_id)
            assert account is not None
            await life.open(account)
            await until(lambda: list(bob.queries(team).values()) == ["SELECT 1"])

    asyncio.run(play())


def test_who_asks_sees_what_was_written_before_and_all_who_ask_meanwhile_share_a_round(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        options = replace(QUICK, gather_s=NEVER_S)
        async with two_lives(fake, tmp_path, options) as (ann, bob, life, _, team):
            hold = fake.hold(path="/api/records/v1/teams", method="GET")
            first = asyncio.create_task(life.sync(ann.account_id))
            await until(lambda: hold.is_held)
            ann.write(saved_query(team, "SELECT 1"), Do.CREATE)
            rest = [asyncio.create_task(life.sync(ann.account_id)) for _ in range(5)]
            await asyncio.sleep(0)
            assert not any(task.done() for task in rest)
            hold.release()
            assert (await first).sent <= 1
            rounds = await asyncio.gather(*rest)
            assert all(done is rounds[0] for done in rounds)
            assert ann.ledger.stats(ann.account_id).pending == 0
            assert len(fake.read("SELECT id FROM saved_queries")) == 1
            assert bob.queries(team) == {}

    asyncio.run(play())


def test_the_end_ends_a_round_that_hangs_and_whoever_waits_for_it_is_told(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path) as (ann, _, life, _other, team):
            hold = fake.hold(path="/api/records/v1/saved_queries", method="POST")
            ann.write(saved_query(team, "SELECT 1"), Do.CREATE)
            asked = asyncio.create_task(life.sync(ann.account_id))
            await until(lambda: hold.is_held)
            assert ann.ledger.stats(ann.account_id).in_flight == 1
            await life.close()
            with pytest.raises(ClewError) as told:
                await asked
            assert told.value.code is ErrorCode.UNAVAILABLE
            with pytest.raises(ClewError) as told:
                await life.sync(ann.account_id)
            assert told.value.code is ErrorCode.NOT_FOUND
            hold.release()

    asyncio.run(play())


def test_a_slow_server_holds_nobody_but_its_own_account(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path) as (ann, bob, life, other, team):
            hold = fake.hold(path="/api/records/v1/saved_queries", method="POST")
            ann.write(saved_query(team, "slow"), Do.CREATE)
            asked = asyncio.create_task(life.sync(ann.account_id))
            await until(lambda: hold.is_held)
            bob.write(comment(team, "quick"), Do.CREATE)
            await other.sync(bob.account_id)
            assert len(fake.read("SELECT id FROM team_comments")) == 1
            assert not asked.done()
            hold.release()
            assert (await asked).outcome is RoundOutcome.DONE

    asyncio.run(play())


def test_several_accounts_on_one_engine_never_mix(fake: FakeTrailBase, tmp_path: Path) -> None:
    async def play() -> None:
        with FakeTrailBase() as elsewhere:
            add_users(elsewhere, "ann", "bob")
            here, there = Side("ann", tmp_path / "one", fake.url), None
            here.open()
            await here.connect()
            bob = Side("bob", tmp_path / "bob", fake.url)
            bob.open()
            await bob.connect()
            team = await found_team(here, bob)
            # The same ledger, another server.
            there = Side("ann", tmp_path / "one", elsewhere.url)
            there.ledger = here.ledger
            await there.connect()
            sides = {side.account_id: side for side in (here, there)}

            async def open_server(account: Account) -> TeamServer:
                return await sides[account.account_id].client.server()

            engine = SyncEngine(Means(here.ledger, open_server, time.time_ns, QUICK))
            for side in sides.values():
                account = here.ledger.find_account(side.account_id)
                assert account is not None
                await engine.open(account)
            here.write(saved_query(team, "SELECT 1"), Do.CREATE)
            await asyncio.gather(*(engine.sync(each) for each in sides))
            assert len(fake.read("SELECT id FROM saved_queries")) == 1
            assert elsewhere.read("SELECT id FROM saved_queries") == []
            assert there.rows("teams") == there.rows("saved_queries") == []
            await engine.close()
            for side in (here, there, bob):
                await side.client.close()
            for side in (here, bob):
                side.close()

    asyncio.run(play())


def test_a_server_that_asks_for_fewer_requests_is_not_asked_before_it_said(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        async with two_lives(fake, tmp_path) as (ann, _, life, _other, team):
            fake.order(
                Trouble.REFUSED,
                status=429,
                path="/api/records/v1/saved_queries",
                method="POST",
                headers={"retry-after": "600"},
            )
            ann.write(saved_query(team, "SELECT 1"), Do.CREATE)
            done = await life.sync(ann.account_id)
            assert done.outcome is RoundOutcome.PAUSED
            asked = fake.count("POST", "/api/records")
            for _ in range(3):
                assert (await life.sync(ann.account_id)).outcome is RoundOutcome.PAUSED
            assert fake.count("POST", "/api/records") == asked
            (waiting,) = ann.ledger.find_pending(ann.account_id)
            assert waiting.retry_count == 0

    asyncio.run(play())


def test_tokens_that_cannot_be_opened_pause_the_account(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        ann = Side("ann", tmp_path / "ann", fake.url)
        ann.open()
        await ann.connect()

        async def open_server(_account: Account) -> TeamServer:
            raise AuthError("what was kept cannot be opened")

        engine = SyncEngine(Means(ann.ledger, open_server, time.time_ns, QUICK))
        account = ann.ledger.find_account(ann.account_id)
        assert account is not None
        await engine.open(account)
        assert (await engine.sync(ann.account_id)).outcome is RoundOutcome.PAUSED
        found = ann.ledger.find_account(ann.account_id)
        assert found is not None
        assert found.pause_reason == "login"
        await engine.close()
        await ann.client.close()
        ann.close()

    asyncio.run(play())


def test_strategies_are_those_of_the_options_type_by_type(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    async def play() -> None:
        options = replace(
            QUICK,
            gather_s=NEVER_S,
            strategy=ConflictStrategy.REMOTE_WINS,
            strategies={"saved_queries": ConflictStrategy.LOCAL_WINS},
        )
        async with two_lives(fake, tmp_path, options) as (ann, bob, life, other, team):
            query, said = saved_query(team, "-"), comment(team, "-")
            bob.write(query, Do.CREATE)
            bob.write(said, Do.CREATE)
            await other.sync(bob.account_id)
            await life.sync(ann.account_id)
            ann.write(replace(query, query="ann"))
            ann.write(replace(said, body="ann"))
            bob.write(replace(query, query="bob"))
            bob.write(replace(said, body="bob"))
            await life.sync(ann.account_id)
            await other.sync(bob.account_id)
            assert list(bob.queries(team).values()) == ["bob"]
            (row,) = bob.rows("comments", team)
            assert row.document["body"] == "ann"

    asyncio.run(play())
