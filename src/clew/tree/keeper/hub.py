"""What has just been kept, for everyone who listens.

A feed holds what its listener has not taken yet, up to a bound. A listener that falls behind loses
its feed rather than entries in the middle of it: it reads on from the outbox, where everything is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.tree.registry.questions import OutboxEntry
from clew.tree.registry.rows import join_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.tree.machine.changes import Happened

ENTRIES_MAX: Final = 10_000
"""Entries that one feed holds: two seconds of a busy tree, some 5 MB shared by all feeds."""

FEEDS_MAX: Final = 256
"""Feeds at once: watchers, the journal, and whoever waits; each costs a step for each entry."""


class Feed:
    """What is kept from now on: entries with ids above `start`, in order and without a gap."""

    def __init__(self, hub: Hub, start: int) -> None:
        self.start = start
        self._hub = hub
        self._entries: deque[OutboxEntry] = deque()
        self._arrived = asyncio.Event()
        self._is_lagging = False
        self._is_closed = False

    async def take(self) -> list[OutboxEntry]:
        """Return what has come since, at least one entry; none once the tree is closed.

        Raises:
            ClewError: OVERLOADED when the feed overflowed and is over; read on from the outbox,
                after the last entry that was taken.
        """
        while not self._entries:
            if self._is_lagging:
                raise ClewError(
                    ErrorCode.OVERLOADED,
                    "more happened than was taken in time",
                    hint="read on from the last entry that was taken",
                )
            if self._is_closed:
                return []
            self._arrived.clear()
            await self._arrived.wait()
        taken = list(self._entries)
        self._entries.clear()
        return taken

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._hub.remove(self)
        self.end()

    def put(self, entries: Sequence[OutboxEntry]) -> None:
        """Take what was kept; for the hub."""
        if len(self._entries) + len(entries) > ENTRIES_MAX:
            # What it holds is in order and without a gap, so it may still be taken.
            self._is_lagging = True
            self._hub.remove(self)
        else:
            self._entries.extend(entries)
        self._arrived.set()

    def end(self) -> None:
        """Let the listener go; for the hub."""
        self._is_closed = True
        self._arrived.set()


class Hub:
    """Hands every kept entry to every feed. Belongs to the event loop."""

    def __init__(self, newest: int = 0) -> None:
        self.newest = newest
        """The id of the newest kept entry."""
        self._feeds: dict[Feed, None] = {}

    @property
    def feeds(self) -> int:
        """How many listen."""
        return len(self._feeds)

    def subscribe(self) -> Feed:
        """Return a feed of what is kept after `newest`; what came before is in the outbox.

        Raises:
            ClewError: OVERLOADED when too many listen.
        """
        if len(self._feeds) >= FEEDS_MAX:
            raise ClewError(
                ErrorCode.OVERLOADED,
                f"{FEEDS_MAX} listen to the tree already",
                hint="close one, or ask again later",
                retry_after_ms=1000,
            )
        feed = Feed(self, self.newest)
        self._feeds[feed] = None
        return feed

    def publish(self, happened: Sequence[tuple[int, Happened]]) -> None:
        """Hand out what has just become durable, with the ids of its entries."""
        if not happened:
            return
        if not self._feeds:
            self.newest = happened[-1][0]
            return
        entries = [
            OutboxEntry(
                id=number,
                at=each.at,
                app_id=each.app_id,
                path=join_path(each.path),
                kind=each.kind,
                document=each.document.decode(),
            )
            for number, each in happened
        ]
        self.relay(entries)

    def relay(self, entries: Sequence[OutboxEntry]) -> None:
        """Hand out entries as the outbox has them, in order."""
        if not entries:
            return
        self.newest = entries[-1].id
        for feed in tuple(self._feeds):
            feed.put(entries)

    def remove(self, feed: Feed) -> None:
        """Hand this feed nothing more; idempotent."""
        self._feeds.pop(feed, None)

    def close(self) -> None:
        """End every feed."""
        for feed in tuple(self._feeds):
            feed.end()
        self._feeds.clear()
