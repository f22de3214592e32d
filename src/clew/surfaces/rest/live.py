"""Live feeds as server-sent events: what matched since the last event, in batches.

A feed holds no queue. It remembers one event id, asks the service what matched since, sends that,
and waits until something new is acknowledged; a client that reads slowly simply asks later, and the
service says how many records it had to leave out. So a slow client costs its socket buffer and
nothing else, and coming back with `Last-Event-ID` is the same question as going on.
"""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from clew.base.errors import ClewError
from clew.surfaces.errors import describe
from clew.surfaces.rest.answers import encode
from clew.surfaces.rest.routes import wait_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.routes import Asked
    from clew.telemetry.query.contract import LiveBatch

EVENT_STREAM: Final = "text/event-stream"

KEEP_ALIVE_SECONDS: Final = 15.0
"""How often a comment shows that the feed is alive: below the 30 s after which proxies hang up."""

POLL_SECONDS_MIN: Final = 0.2
"""How long a batch gathers at least: people cannot read faster, and each batch costs a question.
What is there already need not gather."""

POLL_SHARE_MAX: Final = 0.2
"""The part of the time that one feed may keep a thread busy with its questions."""

SEND_SECONDS_MAX: Final = 60.0
"""How long a client may leave its socket full before it is taken for gone."""

FEED_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


class LiveFeed(Response):
    """The response that never ends by itself.

    `poll` blocks and returns what matched after an event id.
    """

    media_type = EVENT_STREAM

    def __init__(
        self,
        desk: Desk,
        asked: Asked,
        poll: Callable[[str | None], LiveBatch],
        after: str | None,
    ) -> None:
        super().__init__(headers=FEED_HEADERS)
        del self.headers["content-length"]
        self._desk = desk
        self._request = asked.request
        self._caller = asked.caller
        self._poll = poll
        self._after = after
        self._pause = POLL_SECONDS_MIN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send batches until the client goes, its key is revoked, or the server is about to end."""
        if scope["method"] == "HEAD":
            await send(_start(self.raw_headers))
            await send(_body(b"", more=False))
            return
        with self._desk.live.enter():
            # The first question is asked before the answer begins, so that a wrong one is an error.
            acked = self._desk.pipeline.acked
            batch = await self._ask()
            await send(_start(self.raw_headers))
            ends = [
                asyncio.ensure_future(wait_gone(self._request)),
                asyncio.ensure_future(self._desk.closing.wait()),
                asyncio.ensure_future(self._desk.identity.wait_ended(self._caller)),
            ]
            try:
                await self._send_batches(send, batch, acked, ends)
            except TimeoutError:
                # A client that leaves its socket full for so long is as good as gone.
                return
            except ClewError as error:
                await send(_body(_error_event(error), more=False))
            finally:
                for end in ends:
                    end.cancel()

    async def _send_batches(
        self, send: Send, batch: LiveBatch, acked: int, ends: Sequence[asyncio.Future[Any]]
    ) -> None:
        # The id goes out even when there is nothing yet: a client that loses the connection now
        # comes back to this moment and misses nothing.
        text = b"retry: 1000\nid: %b\n\n" % batch.event_id.encode() + _events(batch)
        sent_at = time.monotonic()
        while True:
            self._desk.live.dropped += batch.dropped
            if not text and time.monotonic() - sent_at >= KEEP_ALIVE_SECONDS:
                text = b": alive\nid: %b\n\n" % batch.event_id.encode()
            if text:
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await send(_body(text, more=True))
                sent_at = time.monotonic()
                text = b""
            is_new = await self._wait(acked, ends, more=batch.is_behind)
            if any(end.done() for end in ends):
                await send(_body(b"", more=False))
                return
            if is_new:
                acked = self._desk.pipeline.acked
                batch = await self._ask()
                text = _events(batch)

    async def _ask(self) -> LiveBatch:
        started = time.monotonic()
        batch = await self._desk.live_threads.run(functools.partial(self._poll, self._after))
        self._after = batch.event_id
        self._pause = (time.monotonic() - started) / POLL_SHARE_MAX
        if not batch.is_behind:
            self._pause = max(POLL_SECONDS_MIN, self._pause)
        return batch

    async def _wait(self, acked: int, ends: Sequence[asyncio.Future[Any]], *, more: bool) -> bool:
        """Pause, then wait for something new unless there is `more`; return whether there is."""
        await asyncio.wait(ends, timeout=self._pause, return_when=asyncio.FIRST_COMPLETED)
        if more or any(end.done() for end in ends):
            return more
        news = asyncio.ensure_future(self._desk.pipeline.wait_acked(acked, KEEP_ALIVE_SECONDS))
        await asyncio.wait({news, *ends}, return_when=asyncio.FIRST_COMPLETED)
        if not news.done():
            news.cancel()
            return False
        return news.result() > acked


def _events(batch: LiveBatch) -> bytes:
    """Return a batch as events; nothing when it says nothing.

    The id goes with the last event only, so that a client that saw half comes back to before it.
    """
    mark = b"id: %b\n" % batch.event_id.encode()
    dropped = b'event: dropped\ndata: {"dropped":%d}\n' % batch.dropped if batch.dropped else b""
    if not batch.records:
        return dropped + mark + b"\n" if dropped else b""
    # JSON has no line breaks outside of strings, and inside of them they are escaped.
    records = b"data: " + encode(batch.records) + b"\n" + mark + b"\n"
    return (dropped + b"\n" if dropped else b"") + records


def _error_event(error: ClewError) -> bytes:
    return b"event: error\ndata: " + encode(describe(error)) + b"\n\n"


def _start(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _body(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}
