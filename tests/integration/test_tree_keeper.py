"""The keeper over a real registry: what happens when it is slow, gone, or not as it was left."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest

from clew.access.caller import LOCAL
from clew.access.schema import SCHEMA as ACCESS
from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import Reading, Transaction
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase
from clew.tree.frames.codes import CloseCode
from clew.tree.keeper import hub as hubs
from clew.tree.keeper.keeper import WAITING_MS_MAX
from clew.tree.keeper.upkeep import DAY_NS, Retention, Upkeep
from clew.tree.machine.app import Status
from clew.tree.machine.events import Await, Command
from clew.tree.registry import retention
from clew.tree.registry.questions import OutboxEntry
from clew.tree.registry.schema import SCHEMA as TREE
from tests.integration.tree_house import (
    KEY,
    PATIENT,
    House,
    message,
    new_id,
    open_house,
    run,
    until,
)

QUICK = replace(PATIENT, frames_per_second=1e6, frames_burst=10**6)


def open_database(folder: Path, **options: object) -> SqliteDatabase:
    chosen = DatabaseOptions(**options)  # type: ignore[arg-type]
    return SqliteDatabase.open(folder, [ACCESS, TREE], chosen)


def open_upkeep(
    house: House,
    keeping: Retention,
    forget: Callable[[Collection[str]], None] = lambda _app_ids: None,
    told: Callable[[Reading], int] = lambda _reading: 1 << 62,
) -> Upkeep:
    """Return the upkeep of a house whose telemetry has taken everything."""
    return Upkeep(house.database, house.keeper, house.clock.now, keeping, told=told, forget=forget)


def a_command(app_id: str) -> Command:
    return Command(
        ticket=0,
        caller=LOCAL,
        correlation_id=new_id(),
        app_id=app_id,
        action="pause",
        payload=b"{}",
        ttl_ms=1000,
    )


class Stall:
    """Holds up the writer of a database until it is released."""

    def __init__(self, house: House) -> None:
        self._is_over = threading.Event()
        house.database.submit(self._wait)

    def _wait(self, _transaction: Transaction) -> None:
        assert self._is_over.wait(60)

    def end(self) -> None:
        self._is_over.set()


def test_what_comes_during_a_commit_goes_into_the_next_one_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        apps = [new_id() for _ in range(50)]
        async with open_house(tmp_path) as house, house.client() as client:
            stall = Stall(house)
            for app_id in apps:
                await client.send(type="register", app_id=app_id, app_name="x", child_pub_key=KEY)
            await until(lambda: house.door.counters.frames_in == len(apps))
            before = house.keeper.counters.commits
            assert not house.rows("SELECT * FROM apps")
            stall.end()
            heard = [(await client.hear())["app_id"] for _ in apps]
            # In the order in which they came, and in far fewer commits.
            assert heard == apps
            assert house.keeper.counters.commits - before <= 3

    run(scenario())


def test_a_socket_is_not_read_while_the_disk_stalls(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, count = new_id(), 3000
        async with open_house(tmp_path, limits=QUICK) as house, house.client() as client:
            await client.register(app_id)
            stall = Stall(house)
            await client.send(**message(app_id, 1))
            await until(lambda: house.door.counters.frames_in == 2)
            await client.send(**message(app_id, 2))
            await until(lambda: house.keeper.waiting == 1)
            house.clock.advance(2 * WAITING_MS_MAX / 1000)
            assert house.keeper.is_busy
            with pytest.raises(ClewError) as caught:
                await house.schedule(new_id())
            assert caught.value.code is ErrorCode.OVERLOADED
            assert caught.value.retry_after_ms

            async def flood() -> None:
                for seq in range(3, count + 1):
                    await client.send(**message(app_id, seq, payload="x" * 2000))

            flooding = asyncio.create_task(flood())
            # What is sent piles up at the sender, since nothing here is read.
            await until(lambda: client.socket.transport.get_write_buffer_size() > 1 << 15)
            assert house.keeper.waiting == 1
            stall.end()
            acked = [(await client.hear())["seq"] for _ in range(count)]
            await flooding
            assert acked == list(range(1, count + 1))
            assert len(house.rows("SELECT id FROM messages")) == count

    run(scenario())


def test_what_could_not_be_kept_has_not_happened(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        app_id = new_id()
        database = open_database(tmp_path, bytes_max=600_000)
        async with open_house(database, limits=QUICK) as house:
            client = await house.stay()
            await client.register(app_id)
            await client.say(app_id, 1)
            filling = 2
            while True:
                await client.send(**message(app_id, filling, payload="x" * 200_000))
                try:
                    frame = await client.hear()
                except Exception:  # noqa: BLE001 - the socket's own errors, of several kinds
                    break
                if frame["type"] != "ack":
                    assert frame["code"] == "unavailable"
                    break
                filling += 1
            assert (await client.closed())[0] == CloseCode.OVERLOADED
            acked = filling - 1
            await until(lambda: house.keeper.is_well)
            async with house.client() as again:
                answer = await again.ask(
                    type="re_register", app_id=app_id, last_seq=acked, pub_key=KEY
                )
                assert answer["durable_seq"] == acked
                assert (await again.say(app_id, filling))["seq"] == filling
            assert house.keeper.counters.failures == 1
            assert len(house.rows("SELECT id FROM messages")) == filling
        database.close()

    run(scenario())
    assert "the registry is full" in caplog.text


@pytest.mark.slow
def test_nobody_is_heard_until_the_registry_can_be_written_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        database = open_database(tmp_path, lock_s=0.01)
        async with open_house(database) as house:
            client = await house.stay()
            await client.register(app_id)
            intruder = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
            intruder.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(house.schedule(new_id()))
            with pytest.raises(ClewError) as caught:
                await waiting
            assert caught.value.code is ErrorCode.UNAVAILABLE
            assert caught.value.retry_after_ms is not None
            assert (await client.closed())[0] == CloseCode.OVERLOADED
            assert not house.keeper.is_well
            with pytest.raises(ClewError) as caught:
                await house.schedule(new_id())
            assert caught.value.code is ErrorCode.UNAVAILABLE
            with pytest.raises(Exception, match="503"):
                await house.stay()
            intruder.execute("ROLLBACK")
            intruder.close()
            await until(lambda: house.keeper.is_well)
            async with house.client() as again:
                answer = await again.ask(type="re_register", app_id=app_id, last_seq=0, pub_key=KEY)
                assert answer["type"] == "registered"
        database.close()

    run(scenario())


def test_a_record_that_somebody_else_changed_is_read_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house:
            client = await house.stay()
            await client.register(app_id)
            house.database.submit(
                lambda transaction: transaction.run("UPDATE apps SET version = version + 5")
            ).result(60)
            await client.send(**message(app_id, 1))
            assert (await client.closed())[0] == CloseCode.OVERLOADED
            assert not house.rows("SELECT * FROM messages")
            await until(lambda: house.keeper.is_well)
            async with house.client() as again:
                await again.ask(type="re_register", app_id=app_id, last_seq=0, pub_key=KEY)
                assert (await again.say(app_id, 1))["type"] == "ack"
            assert house.app(app_id).version > 6

    run(scenario())


def command(app_id: str, correlation_id: str = "c-1") -> Command:
    return Command(
        ticket=0,
        caller=LOCAL,
        correlation_id=correlation_id,
        app_id=app_id,
        action="pause",
        payload=b"null",
        ttl_ms=60_000,
    )


def test_whoever_waits_and_goes_is_forgotten(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house:
            await house.schedule(app_id)
            await house.keeper.ask(command(app_id))
            waiting = asyncio.create_task(
                house.keeper.ask(Await(ticket=0, caller=LOCAL, correlation_id="c-1"))
            )
            await until(lambda: house.keeper.callers == 1 and not house.keeper.waiting)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert house.keeper.callers == 0
            # And whoever stays hears of the end, here by the clock.
            waiting = asyncio.create_task(
                house.keeper.ask(Await(ticket=0, caller=LOCAL, correlation_id="c-1"))
            )
            await until(lambda: house.keeper.callers == 1 and not house.keeper.waiting)
            house.clock.advance(61)
            outcome = await waiting
            assert outcome.is_over  # type: ignore[attr-defined]

    run(scenario())


def test_a_deadline_acts_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house:
            await house.schedule(app_id, start_deadline_s=5)
            house.clock.advance(4.9)
            assert house.app(app_id).status is Status.SCHEDULED
            house.clock.advance(0.2)
            await house.until_status(app_id, "start_failed")
            crash = house.rows("SELECT crash_type FROM crashes")
            assert crash == [{"crash_type": "never_started"}]

    run(scenario())


def test_a_feed_has_everything_once_and_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_house(tmp_path) as house, house.client() as client:
            before = new_id()
            await client.register(before)
            feed = house.keeper.hub.subscribe()
            assert feed.start == max(row["id"] for row in house.rows("SELECT id FROM outbox"))
            apps = [new_id() for _ in range(5)]
            for app_id in apps:
                await client.register(app_id)
            taken: list[OutboxEntry] = []
            while len(taken) < 10:
                taken += await feed.take()
            ids = [entry.id for entry in taken]
            assert ids == list(range(feed.start + 1, feed.start + 11))
            assert [entry.app_id for entry in taken[::2]] == apps
            feed.close()
            assert house.keeper.hub.feeds == 0

    run(scenario())


def test_a_feed_that_is_not_taken_ends_without_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "ENTRIES_MAX", 5)

    async def scenario() -> None:
        async with open_house(tmp_path) as house, house.client() as client:
            feed = house.keeper.hub.subscribe()
            for _ in range(6):
                await client.register(new_id())
            taken = await feed.take()
            assert [entry.id for entry in taken] == list(range(1, len(taken) + 1))
            with pytest.raises(ClewError) as caught:
                await feed.take()
            assert caught.value.code is ErrorCode.OVERLOADED

    run(scenario())


def test_old_entries_and_statuses_are_forgotten(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.register(app_id)
            for seq in (1, 2, 3):
                await client.say(app_id, seq)
            upkeep = open_upkeep(house, Retention(statuses=86_400))
            assert await upkeep.tidy() == 0
            house.clock.advance(8 * DAY_NS / 1e9)
            assert await upkeep.tidy() > 0
            assert house.rows("SELECT seq FROM messages") == [{"seq": 3}]
            assert len(house.rows("SELECT id FROM outbox")) == 1
            assert (await client.say(app_id, 4))["type"] == "ack"

    run(scenario())


def test_what_telemetry_has_not_taken_stays_in_the_outbox(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.register(app_id)
            for seq in range(1, 6):
                await client.say(app_id, seq)
            told = 2
            upkeep = open_upkeep(house, Retention(), told=lambda _reading: told)
            house.clock.advance(30 * DAY_NS / 1e9)
            await upkeep.tidy()
            ids = [row["id"] for row in house.rows("SELECT id FROM outbox ORDER BY id")]
            assert ids[0] == told + 1
            told = ids[-1]
            await upkeep.tidy()
            assert house.rows("SELECT id FROM outbox") == [{"id": ids[-1]}]
            assert (await client.say(app_id, 6))["type"] == "ack"
            assert upkeep.lost == 0

    run(scenario())


def test_an_outbox_beyond_its_bound_loses_its_oldest_entries_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "OUTBOX_ENTRIES_MAX", 4)
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)

    async def scenario() -> None:
        app_id = new_id()
        async with open_house(tmp_path) as house, house.client() as client:
            await client.register(app_id)
            for seq in range(1, 12):
                await client.say(app_id, seq)
            newest = house.keeper.hub.newest
            told = 2
            upkeep = open_upkeep(house, Retention(), told=lambda _reading: told)
            assert await upkeep.trim() == newest - 4
            assert upkeep.lost == newest - 4 - told
            assert f"{upkeep.lost} entries of the outbox were removed" in caplog.text
            left = [row["id"] for row in house.rows("SELECT id FROM outbox ORDER BY id")]
            assert left == list(range(newest - 3, newest + 1))
            assert await upkeep.trim() == 0

    run(scenario())


def test_apps_that_ended_long_ago_are_removed_and_the_tree_knows(tmp_path: Path) -> None:
    async def scenario() -> None:
        kept: list[str] = []
        silent, telling, parent, child, here, removed = (new_id() for _ in range(6))
        async with open_house(tmp_path) as house, house.client() as lasting:
            async with house.client() as client:
                await client.register(silent)
                await client.register(telling)
                await client.register(parent)
                await client.say(silent, 1)
                await client.say(telling, 1)
                await client.say(telling, 2, "Result")
                for app_id in (silent, parent):
                    await client.send(type="disconnect", app_id=app_id, reason="completed")
                await house.until_status(parent, "done")
            await lasting.register(child, parent)
            await lasting.register(here)
            await lasting.say(here, 1, "Result")
            upkeep = open_upkeep(house, Retention(apps=86_400, answered=2 * 86_400), kept.extend)
            assert await upkeep.tidy() == 0
            house.clock.advance(DAY_NS * 1.5 / 1e9)
            await upkeep.tidy()
            # It said nothing that must be kept; the parent leads to a live child.
            assert kept == [silent]
            assert house.rows("SELECT * FROM messages WHERE app_id = :a", a=silent) == []
            assert house.keeper.find(silent) is None
            with pytest.raises(ClewError) as caught:
                await house.keeper.ask(a_command(silent))
            assert caught.value.code is ErrorCode.NOT_FOUND
            await lasting.send(type="disconnect", app_id=child, reason="completed")
            await house.until_status(child, "done")
            house.clock.advance(DAY_NS * 2.5 / 1e9)
            await upkeep.tidy()
            # A socket still speaks for the last one: late words of it are taken.
            assert sorted(kept) == sorted([silent, telling, parent, child])
            assert [row["app_id"] for row in house.rows("SELECT app_id FROM apps")] == [here]
            assert (await lasting.say(here, 2))["type"] == "ack"
            assert (await lasting.register(removed))["type"] == "registered"
            assert house.keeper.counters.failures == 0
            assert upkeep.removed["app"] == 4

    run(scenario())


def test_the_end_answers_what_has_come_and_refuses_who_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        app_id, other = new_id(), new_id()
        async with open_house(tmp_path) as house:
            await house.schedule(app_id)
            await house.keeper.ask(command(app_id))
            waiting = asyncio.create_task(
                house.keeper.ask(Await(ticket=0, caller=LOCAL, correlation_id="c-1"))
            )
            client = await house.stay()
            await client.register(other)
            await client.say(other, 1, "Result")
            await until(lambda: house.keeper.callers == 1)
        with pytest.raises(ClewError) as caught:
            await waiting
        assert caught.value.code is ErrorCode.UNAVAILABLE
        assert (await client.closed())[0] == CloseCode.RESTART

    run(scenario())
