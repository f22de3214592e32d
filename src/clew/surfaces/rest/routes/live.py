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
from typing import TYPE_CHECKING, Final

from clew.surfaces.rest.answers import encode
from clew.surfaces.rest.feeds import KEEP_ALIVE_SECONDS, EventFeed, send_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Send

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.feeds import End
    from clew.surfaces.rest.route import Asked
    from clew.telemetry.query.contract import LiveBatch

POLL_SECONDS_MIN: Final = 0.2
"""How long a batch gathers at least: people cannot read faster, and each batch costs a question.
What is there already need not gather."""

POLL_SHARE_MAX: Final = 0.2
"""The part of the time that one feed may keep a thread busy with its questions."""

POLL_PAUSE_MAX: Final = 2.0
"""The longest pause, however long questions take: on a machine with much else to do they take ten
times as long as they cost, and who watches would take the feed for dead."""


class Pace:
    """How long a feed pauses, by what its questions cost."""

    def __init__(self) -> None:
        self._before: float | None = None

    def pause_after(self, spent: float) -> float:
        """Return how long to pause after a question that took so many seconds.

        The smaller of the last two counts: the first one of a server, or one that met another's
        load, takes seconds where the next takes milliseconds.
        """
        before, self._before = self._before, spent
        usual = 0.0 if before is None else min(before, spent)
        return min(usual / POLL_SHARE_MAX, POLL_PAUSE_MAX)


class LiveFeed(EventFeed):
    """What matched, as `poll` tells it: it blocks, and returns what matched after an event id."""

    def __init__(
        self,
        desk: Desk,
        asked: Asked,
        poll: Callable[[str | None], LiveBatch],
        after: str | None,
    ) -> None:
        super().__init__(desk, asked)
        self._poll = poll
        self._after = after
        self._pause = POLL_SECONDS_MIN
        self._pace = Pace()

    async def _begin(self) -> None:
        self._acked = self._desk.pipeline.acked
        self._batch = await self._ask()

    async def _send_events(self, send: Send, ends: Sequence[End]) -> None:
        batch, acked = self._batch, self._acked
        # The id goes out even when there is nothing yet: a client that loses the connection now
        # comes back to this moment and misses nothing.
        text = b"retry: 1000\nid: %b\n\n" % batch.event_id.encode() + _events(batch)
        sent_at = time.monotonic()
        while True:
            self._desk.live.dropped += batch.dropped
            if not text and time.monotonic() - sent_at >= KEEP_ALIVE_SECONDS:
                text = b": alive\nid: %b\n\n" % batch.event_id.encode()
            if text:
                await send_text(send, text)
                sent_at = time.monotonic()
                text = b""
            is_new = await self._wait(acked, ends, more=batch.is_behind)
            if any(end.done() for end in ends):
                return
            if is_new:
                acked = self._desk.pipeline.acked
                batch = await self._ask()
                text = _events(batch)

    async def _ask(self) -> LiveBatch:
        batch, spent = await self._desk.live_threads.run(
            functools.partial(_poll_timed, self._poll, self._after)
        )
        self._after = batch.event_id
        self._pause = self._pace.pause_after(spent)
        if not batch.is_behind:
            self._pause = max(POLL_SECONDS_MIN, self._pause)
        return batch

    async def _wait(self, acked: int, ends: Sequence[End], *, more: bool) -> bool:
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


def _poll_timed(
    poll: Callable[[str | None], LiveBatch], after: str | None
) -> tuple[LiveBatch, float]:
    """Return what a question gives, and how many seconds it took without waiting for its thread."""
    started = time.monotonic()
    return poll(after), time.monotonic() - started


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
