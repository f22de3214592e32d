"""A live feed of a query tier as server-sent events.

It is what the shards' feeds say, word for word; only the events' ids are this feed's own. Which
shards cannot be heard, and which a standby tells of, is told by events of their own (`shards`), at
the beginning and whenever it changes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from clew.remote.pairs import to_pairs
from clew.surfaces.rest.feeds import KEEP_ALIVE_SECONDS, EventFeed, send_text
from clew.surfaces.rest.merged_feed import MergedFeed, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from clew.remote.feeds import Heard
    from clew.remote.shards import Shards
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.feeds import End
    from clew.surfaces.rest.route import Asked


class ShardedFeed(EventFeed):
    """What matched on any shard. `after` is the id of the last event heard."""

    def __init__(self, desk: Desk, asked: Asked, shards: Shards, after: str | None) -> None:
        super().__init__(desk, asked)
        pairs = to_pairs(asked.parameters, without=frozenset({"after"}))
        self._feed = MergedFeed(shards, asked.request.url.path, pairs, after)
        self._whole = self._feed.tell_whose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes, and let go of the shards."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.close()

    async def _begin(self) -> None:
        await self._feed.begin()

    async def _send_events(self, send: Send, ends: Sequence[End]) -> None:
        ended = asyncio.ensure_future(asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED))
        told = self._whole
        text = b"".join(self._write(heard) for heard in self._feed.take_waiting())
        # The id last: it stands for what was heard so far.
        text = b"retry: 1000\n\n" + text + self._mark() + b"\n"
        try:
            while not ended.done():
                if told != (whose := self._feed.tell_whose()):
                    told = whose
                    text += b"event: shards\ndata: %b\n\n" % msgspec.json.encode(whose)
                text += b"".join(self._write(heard) for heard in self._feed.take_waiting())
                if text:
                    await send_text(send, text)
                text = b""
                hearing = asyncio.ensure_future(self._feed.hear())
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

    def _mark(self) -> bytes:
        """Return the line that says how far the client has come on every shard."""
        return b"id: %b\n" % self._feed.event_id.encode()

    def _write(self, heard: Heard) -> bytes:
        written = b""
        for event in heard.events:
            if event.name == "error":
                continue  # That shard's feed ends and is begun again; `shards` tells of it.
            if event.id:
                self._feed.places[heard.shard] = event.id
            name = b"" if event.name == "message" else b"event: %b\n" % event.name.encode()
            if event.name == "dropped":
                self._desk.live.dropped += _dropped(heard.shard, event.data)
            written += name + b"data: %b\n" % event.data.encode() + self._mark() + b"\n"
        self._feed.places[heard.shard] = heard.last_id
        return written


class _Dropped(msgspec.Struct, frozen=True):
    dropped: int = 0


def _dropped(shard: str, data: str) -> int:
    try:
        return msgspec.json.decode(data, type=_Dropped).dropped
    except msgspec.DecodeError as error:
        raise unreadable(shard) from error
