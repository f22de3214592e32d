"""The hub of a server that decides nothing: it hears from the outbox what another one has kept.

On a standby entries of the outbox come with the changes of the leader's registry. Each time some
have come they are read and handed to the feeds, so watchers hear there what they hear at the
leader, under the same numbers.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError
from clew.tree.registry.questions import get_outbox_bounds, read_outbox

if TYPE_CHECKING:
    from clew.store.database.contract import Database, Reading
    from clew.tree.keeper.hub import Hub
    from clew.tree.registry.questions import OutboxEntry

logger = logging.getLogger(__name__)

PAGE_ENTRIES: Final = 500
"""Entries read at a time: a few milliseconds of a reading thread."""


class OutboxFollower:
    """Keeps a hub in step with the outbox. Belongs to one event loop."""

    def __init__(self, database: Database, hub: Hub) -> None:
        self._database = database
        self._hub = hub
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin where the outbox ends now.

        Raises:
            ClewError: the registry cannot be read.
        """
        self._database.watch(["outbox"], self._hear)
        _, self._hub.newest = await asyncio.to_thread(self._database.read, get_outbox_bounds)
        self._task = asyncio.create_task(self._run(), name="outbox-follower")

    async def close(self) -> None:
        """Hand out nothing more, and end every feed; idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._hub.close()

    def _hear(self) -> None:
        # From the registry's writer, which may end a moment after the loop.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._hand_out()
            except ClewError as error:
                # The next change brings what this one would have.
                logger.warning("what happened in the tree was not read: %s", error.message)

    async def _hand_out(self) -> None:
        while True:
            entries = await asyncio.to_thread(self._database.read, self._read_next)
            self._hub.relay(entries)
            if len(entries) < PAGE_ENTRIES:
                return

    def _read_next(self, reading: Reading) -> list[OutboxEntry]:
        if self._hub.feeds:
            return read_outbox(reading, self._hub.newest, limit=PAGE_ENTRIES)
        # Nobody listens: whoever comes reads on from here by itself.
        return read_outbox(reading, get_outbox_bounds(reading)[1] - 1, limit=1)
