"""The twin of one server: what answers, what it writes down, and what takes old events."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from clew.twin.registries.sharded import ShardedRegistries
from clew.twin.service import StoredTwins
from clew.twin.state.kinds import former_names
from clew.twin.state.memory import Memory
from clew.twin.state.retention import Retention

if TYPE_CHECKING:
    from clew.app.configuration.settings import Configuration
    from clew.app.store import Store
    from clew.twin.registries.book import RegistryBook


class TwinHouse:
    """Open it when the server is ready, close it once nobody asks any more, before the store."""

    def __init__(self, configuration: Configuration, store: Store) -> None:
        self._memory = Memory(store, time.time_ns)
        self.registries: RegistryBook | ShardedRegistries = store.registries
        if store.shards is not None:
            self.registries = ShardedRegistries(store.shards)
        self.twins = StoredTwins(self._memory.store, self.registries, time.time_ns)
        self._retention: Retention | None = None
        if configuration.retention_events is not None:
            self._retention = Retention(
                self._memory,
                seconds=configuration.retention_events,
                flush=store.flush,
                aliases=self._former_names,
                now=time.time_ns,
            )

    def open(self) -> None:
        """Begin to take the events that are old enough."""
        if self._retention is not None:
            self._retention.open()

    async def close(self) -> None:
        """End what is being written down, within the objects that are under way."""
        if self._retention is not None:
            await asyncio.to_thread(self._retention.close)
        await asyncio.to_thread(self._memory.close)

    def _former_names(self, name: str) -> dict[str, str]:
        return former_names(self.registries.shelf.find_type(name))
