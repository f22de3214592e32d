"""When a feed asks: at once while more is there, and else not before something new came."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.requests import Request

from clew.access.caller import LOCAL
from clew.access.registry import AccessRegistry
from clew.access.schema import SCHEMA
from clew.remote.events import EventParser
from clew.store.database.sqlite import SqliteDatabase
from clew.store.flusher import FlushOptions
from clew.store.pipeline import Pipeline, PipelineOptions
from clew.surfaces.identity import Identity
from clew.surfaces.rest.desk import Desk, LiveClients
from clew.surfaces.rest.route import Asked
from clew.surfaces.rest.routes.live import POLL_PAUSE_MAX, POLL_SECONDS_MIN, LiveFeed, Pace
from clew.surfaces.rest.threads import QueryThreads
from clew.telemetry import documents as doc
from clew.telemetry.query.live import Batch
from tests.integration.made_up import NUMBERS, WORDS, MemoryEngine, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping
    from pathlib import Path

    Message = MutableMapping[str, Any]

SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
WAIT_SECONDS_MAX = 60.0


def log_record(body: str) -> doc.LogRecord:
    return doc.LogRecord(
        timestamp="",
        observed_timestamp=None,
        trace_id=None,
        span_id=None,
        severity="info",
        severity_number=9,
        severity_text="",
        body=body,
        event_name="",
        service="shop",
        attributes={},
        resource={},
        scope=doc.Scope(name="", version="", attributes={}),
    )


class Backlog:
    """A source with one record for each of its batches; all but the last say that more is there."""

    def __init__(self, batches: int) -> None:
        self._batches = batches
        self._asked = 0
        self.asked_again = threading.Event()

    def poll(self, after: str | None) -> Batch[doc.LogRecord]:
        self._asked += 1
        if self._asked > self._batches:
            self.asked_again.set()
        at = int(after or 0)
        if at >= self._batches:
            return Batch(f"{at}", [])
        return Batch(f"{at + 1}", [log_record(f"{at + 1}")], is_behind=at + 1 < self._batches)


class Client:
    """Reads a feed until it hangs up."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.came = asyncio.Condition()
        self.gone = asyncio.Event()
        self._parser = EventParser()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        async with self.came:
            for event in self._parser.feed(message.get("body", b"")):
                self.bodies += [each["body"] for each in json.loads(event.data)]
            self.came.notify_all()

    async def wait_for(self, records: int) -> None:
        async with asyncio.timeout(WAIT_SECONDS_MAX), self.came:
            await self.came.wait_for(lambda: len(self.bodies) >= records)


@asynccontextmanager
async def fed(folder: Path, backlog: Backlog) -> AsyncIterator[tuple[Client, Pipeline]]:
    """Run a feed over a pipeline of its own, as long as the block takes."""
    options = PipelineOptions(flush=FlushOptions(interval_s=1000.0))
    pipeline = Pipeline.open(folder, MemoryEngine(), (NUMBERS, WORDS), options)
    threads = QueryThreads(1, name="feed")
    database = SqliteDatabase.open(folder, [SCHEMA])
    nothing = cast("Any", None)
    desk = Desk(
        identity=Identity(AccessRegistry.open(database, time.time_ns)),
        service=nothing,
        analytics=nothing,
        genai=nothing,
        comments=nothing,
        sessions=nothing,
        teams=nothing,
        twins=nothing,
        registries=nothing,
        links=nothing,
        lineages=nothing,
        nodes=nothing,
        answers=nothing,
        pipeline=pipeline,
        intake=nothing,
        threads=threads,
        live_threads=threads,
        live=LiveClients(1),
        check_engine=nothing,
        check_registry=nothing,
        registry_status=nothing,
        decoder="",
        door_answers=nothing,
        closing=asyncio.Event(),
        tree=nothing,
        tree_threads=threads,
        find_endpoint=nothing,
        keeper=nothing,
        upkeep=nothing,
        journal=nothing,
        count_apps=nothing,
        trails=nothing,
        vitals=nothing,
    )
    client = Client()
    asked = Asked(None, {}, Request(SCOPE, client.receive), LOCAL)
    feed = LiveFeed(desk, asked, backlog.poll, "0")
    running = asyncio.create_task(feed(SCOPE, client.receive, client.send))
    try:
        yield client, pipeline
        client.gone.set()
        await running
    finally:
        running.cancel()
        await threads.close()
        await pipeline.close()
        database.close()


def test_a_feed_that_is_behind_goes_on_without_news(tmp_path: Path) -> None:
    async def run() -> None:
        backlog = Backlog(20)
        async with fed(tmp_path, backlog) as (client, _):
            await client.wait_for(20)
        assert client.bodies == [f"{number}" for number in range(1, 21)]

    asyncio.run(run())


def test_a_feed_that_is_not_behind_asks_nothing_until_something_came(tmp_path: Path) -> None:
    async def run() -> None:
        backlog = Backlog(1)
        async with fed(tmp_path, backlog) as (client, pipeline):
            await client.wait_for(1)
            assert not await asyncio.to_thread(backlog.asked_again.wait, 3 * POLL_SECONDS_MIN)
            await pipeline.accept(NUMBERS, record(1))
            assert await asyncio.to_thread(backlog.asked_again.wait, WAIT_SECONDS_MAX)

    asyncio.run(run())


def test_a_question_that_takes_long_once_holds_up_nothing_that_comes_after() -> None:
    pace = Pace()
    assert pace.pause_after(1.5) == 0
    assert pace.pause_after(0.1) == pytest.approx(0.5)
    assert pace.pause_after(1.5) == pytest.approx(0.5)
    assert pace.pause_after(3600.0) == POLL_PAUSE_MAX
