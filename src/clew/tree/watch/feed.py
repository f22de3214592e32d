"""One watcher's feed: what happened since a cursor, then what happens, each entry once.

Theory of operation. Entries of the outbox are numbered in the order of commits, without a gap. A
feed subscribes to the hub first and reads the outbox second, up to where its subscription began;
so nothing is between the two, and what both have is told by its number. From then on it takes what
the hub hands it. A watcher that does not take it in time loses its subscription, not entries: the
feed subscribes anew and reads what it missed from the outbox. Should the hub ever leave something
out (a commit of which nobody heard that it succeeded), the numbers show it, and it is read too.

Nothing is held for a slow watcher but what the hub holds, which is bounded. Entries are left out
for two reasons only, and both are told as `Lagged`: the outbox does not have them any more, or the
watcher, once it was up to date, has fallen so far behind that it would never catch up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from clew.base.errors import ClewError, ErrorCode
from clew.tree import documents as doc
from clew.tree.descriptions import describe_event
from clew.tree.registry.questions import read_outbox
from clew.tree.watch.filter import path_of, read_apps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clew.store.database.contract import Database, Reading
    from clew.tree.keeper.hub import Feed, Hub
    from clew.tree.machine.app import App
    from clew.tree.registry.questions import OutboxEntry
    from clew.tree.watch.filter import WatchFilter

PAGE_ENTRIES: Final = 500
"""Entries read from the outbox at a time: a few milliseconds of a reading thread, 250 KB."""

BEHIND_MAX: Final = 100_000
"""How far a watcher that was up to date may fall behind: twenty seconds of the busiest tree. What
it would read after that is of no use to whoever wants to see what happens now."""

CURSOR_CHARS_MAX: Final = 19


@dataclass(frozen=True, slots=True)
class Batch:
    """What a feed has: `lagged` comes before `events`. `cursor` is how far the feed has come.

    Without events the feed has only come further, over entries that are not for this watcher.
    `is_last` tells that the tree is closed.
    """

    cursor: int
    events: tuple[doc.WatchEvent, ...] = ()
    lagged: doc.WatchLagged | None = None
    is_last: bool = False


class WatchFeed:
    """What one watcher hears, in order. Belongs to the event loop; it must be closed."""

    def __init__(
        self,
        hub: Hub,
        database: Database,
        selection: WatchFilter,
        read: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self._hub = hub
        self._database = database
        self._selection = selection
        self._read_in_thread = read
        self._feed: Feed = hub.subscribe()
        self.cursor = self._feed.start
        """The number of the last entry that was looked at."""
        self._was_live = False

    @classmethod
    async def open(
        cls,
        hub: Hub,
        database: Database,
        selection: WatchFilter,
        *,
        after: str | None,
        read: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> Self:
        """Open a feed that goes on after a cursor, without one with what happens next.

        Raises:
            ClewError: INVALID_ARGUMENT for what is no cursor of this server, OVERLOADED.
        """
        cursor = None if after is None else _read_cursor(after)
        feed = cls(hub, database, selection, read)
        if cursor is None:
            return feed
        if cursor > feed.cursor:
            newest = feed.cursor
            feed.close()
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"after={cursor} has not happened yet: the newest event is {newest}",
                hint="cursors belong to one registry; read the apps anew, and leave after out",
            )
        feed.cursor = cursor
        return feed

    def close(self) -> None:
        """Hear no more; idempotent."""
        self._feed.close()

    async def take(self) -> Batch:
        """Return what comes next; waits while nothing has happened.

        Raises:
            ClewError: the outbox cannot be read, or too many listen.
        """
        if self.cursor < self._feed.start:
            return await self._replay()
        self._was_live = True
        try:
            entries = await self._feed.take()
        except ClewError as error:
            if error.code is not ErrorCode.OVERLOADED:
                raise
            return await self._begin_again()
        if not entries:
            return Batch(self.cursor, is_last=True)
        fresh = [entry for entry in entries if entry.id > self.cursor]
        if fresh and fresh[0].id != self.cursor + 1:
            # Something was kept of which the hub was never told.
            return await self._begin_again()
        return await self._choose(fresh)

    async def _begin_again(self) -> Batch:
        """Subscribe anew; what was missed is read, unless it is too much."""
        self._feed.close()
        self._feed = self._hub.subscribe()
        missed = self._feed.start - self.cursor
        if self._was_live and missed > BEHIND_MAX:
            lagged = _lagged(self.cursor + 1, self._feed.start)
            self.cursor = self._feed.start
            return Batch(self.cursor, lagged=lagged)
        return Batch(self.cursor)

    async def _replay(self) -> Batch:
        """Return the next page of what was kept before the subscription."""
        until = self._feed.start

        def work(reading: Reading) -> list[OutboxEntry]:
            return read_outbox(reading, self.cursor, limit=PAGE_ENTRIES)

        found = await self._read_in_thread(lambda: self._database.read(work))
        entries = [entry for entry in found if entry.id <= until]
        first = entries[0].id if entries else until + 1
        if first > self.cursor + 1:
            # Old entries are not kept for ever.
            lagged = _lagged(self.cursor + 1, first - 1)
            self.cursor = first - 1
            batch = await self._choose(entries)
            return Batch(batch.cursor, batch.events, lagged)
        return await self._choose(entries)

    async def _choose(self, entries: Sequence[OutboxEntry]) -> Batch:
        if entries:
            self.cursor = entries[-1].id
        paths = [path_of(entry) for entry in entries]
        chosen = [
            (entry, path)
            for entry, path in zip(entries, paths, strict=True)
            if self._selection.matches(entry, path)
        ]
        if chosen and self._selection.needs_apps:
            apps = await self._find_apps({each for _, path in chosen for each in path})
            chosen = [(entry, path) for entry, path in chosen if self._selection.sees(path, apps)]
        return Batch(self.cursor, tuple(describe_event(*each) for each in chosen))

    async def _find_apps(self, app_ids: set[str]) -> dict[str, App]:
        unknown = self._selection.unknown(sorted(app_ids))
        if not unknown:
            return {}
        found: dict[str, App] = await self._read_in_thread(
            lambda: self._database.read(lambda reading: read_apps(reading, unknown))
        )
        return found


def _lagged(first: int, last: int) -> doc.WatchLagged:
    return doc.WatchLagged(id=last, from_=first, to=last)


def _read_cursor(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= CURSOR_CHARS_MAX:
        return int(text)
    raise ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"after={text[:64]!r} is not the id of an event",
        hint="give the id of the last event that was heard, or 0 for all that is kept",
    )
