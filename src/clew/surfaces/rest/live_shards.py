"""A live feed of a query tier: those of all shards as one, in the order in which they arrive.

It is what their feeds say, word for word; only ids are this feed's own.

An event's id holds the place in each shard's feed, so that a client which comes back goes on
everywhere where it was. Which shards cannot be heard is told by events of their own (`shards`), at
the beginning and whenever it changes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import note_missing
from clew.remote.feeds import ShardFeeds, write_event_id
from clew.remote.reply import to_pairs
from clew.surfaces.rest.feeds import KEEP_ALIVE_SECONDS, EventFeed, send_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from clew.remote.feeds import Heard
    from clew.remote.shards import Shards
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.feeds import End
    from clew.surfaces.rest.routes import Asked

BEGIN_SECONDS_MAX: Final = 5.0
"""How long the beginning waits for shards to say where they are; who does not is missing so far."""


class ShardedFeed(EventFeed):
    """What matched on any shard. `after` is the id of the last event heard."""

    def __init__(self, desk: Desk, asked: Asked, shards: Shards, after: str | None) -> None:
        super().__init__(desk, asked)
        self._shards = shards
        self._after = after
        self._missing: set[str] = set()
        self._refused: set[str] = set()
        self._waiting: list[Heard] = []
        self._places: dict[str, str] = {}
        self._feeds: ShardFeeds | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes, and let go of the shards."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._feeds is not None:
                self._feeds.close()

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        pairs = to_pairs(self._asked.parameters, without=frozenset({"after"}))
        path = self._asked.request.url.path
        self._feeds = await asyncio.to_thread(
            lambda: ShardFeeds(
                self._shards,
                path,
                pairs,
                after=self._after,
                wake=lambda: loop.call_soon_threadsafe(self._news.set),
            )
        )
        self._places = dict(self._feeds.places)
        unheard = {shard.name for shard in self._shards.shards}
        limit = min(BEGIN_SECONDS_MAX, self._shards.timeout_s)
        try:
            async with asyncio.timeout(limit):
                while unheard:
                    heard = await self._hear()
                    unheard.discard(heard.shard)
        except TimeoutError:
            self._missing |= unheard
        for name in sorted(self._missing):
            note_missing(name, "its feed cannot be heard")

    async def _send_events(self, send: Send, ends: Sequence[End]) -> None:
        ended = asyncio.ensure_future(asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED))
        told: set[str] = set()
        text = b"".join(self._write(heard) for heard in self._take_waiting())
        text = b"retry: 1000\n" + self._mark() + b"\n" + text
        try:
            while not ended.done():
                if told != self._missing:
                    told = set(self._missing)
                    text += _tell_missing(told)
                text += b"".join(self._write(heard) for heard in self._take_waiting())
                if text:
                    await send_text(send, text)
                text = b""
                hearing = asyncio.ensure_future(self._hear())
                done, _ = await asyncio.wait(
                    {hearing, ended},
                    timeout=KEEP_ALIVE_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if hearing in done:
                    # What does not go on is raised here, and the client is told.
                    hearing.result()
                    continue
                hearing.cancel()
                text = b": alive\n" + self._mark() + b"\n"
        finally:
            ended.cancel()

    async def _hear(self) -> Heard:
        """Return what comes of a shard next, and keep its events for the client.

        Raises:
            ClewError: a shard refuses the question.
        """
        assert self._feeds is not None, "the feed has begun"
        while (heard := self._feeds.take()) is None:
            self._news.clear()
            # Between the two lines nothing can have been lost: whoever puts sets the event after.
            if (heard := self._feeds.take()) is not None:
                break
            await self._news.wait()
        if heard.failure is not None:
            self._refused.add(heard.shard)
            why = heard.failure
            # An app is on one shard, and the others do not know it.
            is_elsewhere = why.code is ErrorCode.NOT_FOUND
            if not is_elsewhere or len(self._refused) == len(self._shards.shards):
                raise ClewError(why.code, f"shard {heard.shard}: {why.message}", hint=why.hint)
            return heard
        if heard.lost is not None:
            self._missing.add(heard.shard)
        else:
            self._missing.discard(heard.shard)
            self._waiting.append(heard)
        return heard

    def _take_waiting(self) -> list[Heard]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _mark(self) -> bytes:
        """Return the line that says how far the client has come on every shard."""
        return b"id: %b\n" % write_event_id(self._places).encode()

    def _write(self, heard: Heard) -> bytes:
        written = b""
        for event in heard.events:
            if event.name == "error":
                continue  # That shard's feed ends and is begun again; `shards` tells of it.
            if event.id:
                self._places[heard.shard] = event.id
            name = b"" if event.name == "message" else b"event: %b\n" % event.name.encode()
            if event.name == "dropped":
                self._desk.live.dropped += _dropped(event.data)
            written += name + b"data: %b\n" % event.data.encode() + self._mark() + b"\n"
        self._places[heard.shard] = heard.last_id
        return written


class _Dropped(msgspec.Struct, frozen=True):
    dropped: int = 0


def _dropped(data: str) -> int:
    return msgspec.json.decode(data, type=_Dropped).dropped


def _tell_missing(names: set[str]) -> bytes:
    body = msgspec.json.encode({"partial": bool(names), "missing_shards": sorted(names)})
    return b"event: shards\ndata: %b\n\n" % body
