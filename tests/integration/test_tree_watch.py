"""The feed of the tree: nothing is missing in it, and nothing is there twice."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from clew.access.caller import LOCAL, Caller, CallerKind, Verb
from clew.access.registry import AccessRegistry
from clew.base.errors import ClewError, ErrorCode
from clew.tree.documents import WatchEvent
from clew.tree.keeper import hub
from clew.tree.parameters import WatchParameters
from clew.tree.registry.questions import read_outbox
from clew.tree.service import TreeService
from clew.tree.watch import feed
from clew.tree.watch.feed import WatchFeed
from tests.integration.tree_house import DEADLINE_SECONDS, House, message, new_id, open_house, run

NO_END = 1 << 62


@asynccontextmanager
async def open_tree(folder: Path) -> AsyncIterator[tuple[House, TreeService]]:
    async with open_house(folder) as house:
        access = AccessRegistry.open(house.database, house.clock.now)
        service = TreeService(house.database, house.keeper, access, house.clock.now)
        try:
            yield house, service
        finally:
            service.close()


async def hear(watching: WatchFeed, until: int) -> list[int]:
    """Return the ids of what a feed says up to an id."""
    heard: list[int] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while watching.cursor < until:
            batch = await watching.take()
            assert batch.lagged is None
            heard += [event.id for event in batch.events]
    return heard


def kept(house: House, matches: Callable[[Any], bool] = lambda entry: True) -> list[int]:
    entries = house.database.read(lambda reading: read_outbox(reading, 0, limit=1_000_000))
    return [entry.id for entry in entries if matches(entry)]


async def talk(house: House, apps: int, statuses: int) -> list[str]:
    """Have apps join and speak, all at once."""

    async def live(app_id: str) -> None:
        async with house.client() as client:
            await client.register(app_id)
            for seq in range(1, statuses + 1):
                await client.say(app_id, seq)
            await client.say(app_id, statuses + 1, "Result", {})

    ids = [new_id() for _ in range(apps)]
    await asyncio.gather(*map(live, ids))
    return ids


@pytest.mark.parametrize("seed", range(4))
def test_watchers_that_come_and_go_hear_everything_once_and_in_order(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small pages and a small hub, so that every way between them is gone in a short time.
    monkeypatch.setattr(feed, "PAGE_ENTRIES", 7)
    monkeypatch.setattr(hub, "ENTRIES_MAX", 10)
    chance = random.Random(seed)

    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            done = asyncio.Event()

            async def watch() -> list[int]:
                """Come back again and again after the last event heard; some are slow."""
                heard: list[int] = []
                cursor = "0"
                is_slow = chance.random() < 0.5
                while True:
                    watching = await service.watch(LOCAL, WatchParameters(after=cursor))
                    try:
                        for _ in range(chance.randrange(1, 12)):
                            async with asyncio.timeout(DEADLINE_SECONDS):
                                batch = await watching.take()
                            assert batch.lagged is None
                            heard += [event.id for event in batch.events]
                            cursor = str(batch.cursor)
                            if done.is_set() and batch.cursor >= house.keeper.hub.newest:
                                return heard
                            if is_slow:
                                for _ in range(chance.randrange(50)):
                                    await asyncio.sleep(0)
                    finally:
                        watching.close()

            async def speak() -> None:
                for _ in range(3):
                    await talk(house, 5, 6)
                done.set()
                # One more, so that whoever waits for the next entry wakes up.
                await talk(house, 1, 1)

            async with asyncio.TaskGroup() as group:
                watchers = [group.create_task(watch()) for _ in range(6)]
                group.create_task(speak())
            truth = kept(house)
            for watcher in watchers:
                heard = watcher.result()
                assert heard == truth[: len(heard)]
                assert len(heard) >= len(truth) - 20
            assert house.keeper.hub.feeds == 0

    run(scenario())


def test_a_feed_without_a_cursor_begins_with_what_happens_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            await talk(house, 1, 1)
            watching = await service.watch(LOCAL, WatchParameters())
            before = house.keeper.hub.newest
            await talk(house, 1, 1)
            heard = await hear(watching, house.keeper.hub.newest)
            assert heard == [each for each in kept(house) if each > before]
            watching.close()

    run(scenario())


def test_what_the_outbox_has_no_more_is_told_as_a_gap(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            await talk(house, 1, 5)
            removed = house.database.submit(
                lambda writing: writing.run("DELETE FROM outbox WHERE id < 6")
            )
            assert await asyncio.wrap_future(removed) == 5
            watching = await service.watch(LOCAL, WatchParameters(after="2"))
            batch = await watching.take()
            assert batch.lagged is not None
            assert (batch.lagged.from_, batch.lagged.to) == (3, 5)
            assert [event.id for event in batch.events] == kept(house)
            watching.close()

    run(scenario())


def test_who_falls_too_far_behind_is_told_and_goes_on_with_what_happens_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ENTRIES_MAX", 5)
    monkeypatch.setattr(feed, "BEHIND_MAX", 12)

    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            watching = await service.watch(LOCAL, WatchParameters())
            taking = asyncio.ensure_future(watching.take())
            await talk(house, 1, 1)
            heard = [event.id for event in (await taking).events]
            await talk(house, 4, 8)
            gaps = []
            async with asyncio.timeout(DEADLINE_SECONDS):
                while watching.cursor < house.keeper.hub.newest:
                    batch = await watching.take()
                    heard += [event.id for event in batch.events]
                    if batch.lagged is not None:
                        gaps.append((batch.lagged.from_, batch.lagged.to))
            assert len(gaps) == 1
            left_out = list(range(gaps[0][0], gaps[0][1] + 1))
            assert sorted(heard + left_out) == kept(house)
            newest = house.keeper.hub.newest
            await talk(house, 1, 1)
            assert await hear(watching, house.keeper.hub.newest) == [
                each for each in kept(house) if each > newest
            ]
            watching.close()

    run(scenario())


def test_an_entry_of_which_the_hub_never_heard_is_read(tmp_path: Path) -> None:
    """As after a commit that succeeded though the database said that it had not."""

    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            watching = await service.watch(LOCAL, WatchParameters())
            publish = house.keeper.hub.publish
            house.keeper.hub.publish = lambda happened: None  # type: ignore[method-assign]
            await talk(house, 1, 1)
            house.keeper.hub.publish = publish  # type: ignore[method-assign]
            await talk(house, 1, 1)
            assert await hear(watching, house.keeper.hub.newest) == kept(house)
            watching.close()

    run(scenario())


def test_filters_and_authority_choose_and_nothing_else_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            root, child, grandchild, other = (new_id() for _ in range(4))
            async with house.client() as client:
                pod = {
                    "pid": 1,
                    "ppid": 1,
                    "uid": 0,
                    "gid": 0,
                    "hostname": "h",
                    "namespace": "prod",
                }
                await client.register(root)
                await client.register(child, root, process_info=pod)
                await client.register(grandchild, child)
                await client.register(other)
                await client.say(grandchild, 1)

            def of(*app_ids: str) -> list[int]:
                return kept(house, lambda entry: entry.app_id in app_ids)

            async def heard_by(caller: Caller, **asked: Any) -> list[int]:
                watching = await service.watch(caller, WatchParameters(after="0", **asked))
                newest = house.keeper.hub.newest
                heard = await hear(watching, newest)
                watching.close()
                return [each for each in heard if each <= newest]

            newest = house.keeper.hub.newest
            app = Caller(CallerKind.APP, child)
            key = Caller(CallerKind.KEY, "ci", frozenset({Verb.OBSERVE}), scope=root)
            blind = Caller(CallerKind.KEY, "in", frozenset({Verb.INGEST}))
            for caller, asked, apps in (
                (LOCAL, {"within": child}, (child, grandchild)),
                (LOCAL, {"app_id": [root, grandchild]}, (root, grandchild)),
                (LOCAL, {"parent_id": root}, (child,)),
                (LOCAL, {"namespace": "prod"}, (child,)),
                (app, {}, (child, grandchild)),
                (key, {}, (root, child, grandchild)),
                (blind, {}, ()),
            ):
                expected = [each for each in of(*apps) if each <= newest]
                assert [
                    each for each in await heard_by(caller, **asked) if each <= newest
                ] == expected
            said = await heard_by(LOCAL, kind=["message"])
            assert said == kept(house, lambda entry: entry.kind == "message")
            for caller, named in ((app, root), (key, other), (LOCAL, new_id())):
                with pytest.raises(ClewError) as refused:
                    await service.watch(caller, WatchParameters(app_id=[named]))
                assert refused.value.code is ErrorCode.NOT_FOUND
            assert house.keeper.hub.feeds == 0

    run(scenario())


@pytest.mark.parametrize("after", ["-1", "x", "1e3", str(NO_END), "9" * 30])
def test_what_is_no_cursor_of_this_registry_is_refused(tmp_path: Path, after: str) -> None:
    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            with pytest.raises(ClewError) as refused:
                await service.watch(LOCAL, WatchParameters(after=after))
            assert refused.value.code is ErrorCode.INVALID_ARGUMENT
            assert house.keeper.hub.feeds == 0

    run(scenario())


def test_the_documents_of_events_tell_what_happened(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_tree(tmp_path) as (house, service):
            app_id = new_id()
            watching = await service.watch(LOCAL, WatchParameters())
            async with house.client() as client:
                await client.register(app_id)
                await client.send(**message(app_id, 1, payload={"progress": 0.5}))
                await client.hear()
            events: list[WatchEvent] = []
            while len(events) < 4:
                events += (await watching.take()).events
            told = [(each.kind, json.loads(bytes(each.document))) for each in events]
            assert [(kind, document.get("to")) for kind, document in told] == [
                ("transition", "scheduled"),
                ("transition", "connected"),
                ("message", None),
                ("transition", "running"),
            ]
            assert told[2][1]["payload"] == {"progress": 0.5}
            assert all(each.path == [app_id] for each in events)
            watching.close()

    run(scenario())
