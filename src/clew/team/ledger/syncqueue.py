"""`SyncQueue`: what a program changed and its team's server has not heard of yet.

As the integration documents it::

    with SyncQueue("findings.db") as queue:
        queue.enqueue(finding, SyncOperationType.CREATE)

It is the queue of a `Ledger`, which the sync works on (`SyncQueue.ledger`). Light install.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from clew.team.entities.kinds import KINDS
from clew.team.ledger.file import opened_file
from clew.team.ledger.ledger import Ledger
from clew.team.ledger.queue import LocalWrite
from clew.team.merging.operation import SyncOperationType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from types import TracebackType

    from clew.store.database.contract import Database
    from clew.team.entities.entity import SyncableEntity
    from clew.team.ledger.rows import QueueStats
    from clew.team.merging.operation import Operation

LOCAL_ACCOUNT: Final = "local"
"""Whose operations are that were queued before anybody connected to a server."""

LIST_DEFAULT: Final = 50
"""Operations of a list: a batch."""


class SyncQueue:
    """The queue of one account. From any thread; calls block until what they wrote is durable."""

    def __init__(
        self,
        place: str | PathLike[str] | Database,
        *,
        account_id: str = LOCAL_ACCOUNT,
        kinds: Iterable[type[SyncableEntity]] = (),
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open the queue in a file, which is made if need be; or take it in a database.

        Args:
            place: a path, or a database that has the tables of sessions and of the team; this one
                is the caller's to close.
            account_id: whose it is; `clew.team.ledger.rows.account_id_of` says it of a server and
                a user. What another has in the same place is not seen.
            kinds: a program's own kinds of entity, beside those of clew.
            now: gives Unix nanoseconds.

        Raises:
            ClewError: CONFLICT when another process has the file open; UNSUPPORTED when it is no
                file of ours; FORBIDDEN and UNAVAILABLE as the disk says.
        """
        self.account_id = account_id
        self._resources = ExitStack()
        database = (
            self._resources.enter_context(opened_file(Path(place).absolute()))
            if isinstance(place, str | PathLike)
            else place
        )
        own = {kind.entity_type(): kind for kind in kinds}
        self.ledger: Final = Ledger(database, now, kinds=MappingProxyType({**KINDS, **own}))

    def __enter__(self) -> Self:
        """Return the queue."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def submit(
        self, entity: SyncableEntity, operation: SyncOperationType, *, erase: bool = False
    ) -> Future[Operation | None]:
        """Queue an operation without waiting for the disk; the future is done when it is durable.

        Raises:
            ValidationError: the entity is not valid.
        """
        write = LocalWrite(self.account_id, entity, operation, erase=erase)
        # To queue something of one's own is to agree that it is shared.
        return self.ledger.write(write, is_agreed=True)

    def enqueue(
        self, entity: SyncableEntity, operation: SyncOperationType, *, erase: bool = False
    ) -> Operation | None:
        """Keep an entity as it is and queue its operation; return what waits for it now.

        What waits for one entity is one operation: a create that is changed is a create, one that
        is deleted before it was sent is nothing (None). `erase` has the server empty what is
        deleted.

        Raises:
            ValidationError: the entity is not valid.
            ClewError: as the disk says; nothing was written then.
        """
        return self.submit(entity, operation, erase=erase).result()

    def pending(self, limit: int = LIST_DEFAULT) -> list[Operation]:
        """Return what waits and was not set aside, in the order in which it would be sent."""
        return self.ledger.find_pending(self.account_id, limit)

    def failed(self, limit: int = LIST_DEFAULT) -> list[Operation]:
        """Return what was set aside, with the reason in `last_error`; the last first."""
        return self.ledger.find_failed(self.account_id, limit)

    def stats(self) -> QueueStats:
        """Return how much waits, is on its way and was set aside."""
        return self.ledger.stats(self.account_id)

    def retry_all_failed(self) -> int:
        """Let everything that was set aside begin anew; return how much it is."""
        return self.ledger.retry_failed(self.account_id).result()

    def clear_failed(self) -> int:
        """Give up everything that was set aside; return how much it is."""
        return self.ledger.clear_failed(self.account_id).result()

    def close(self) -> None:
        """Let go of the file; idempotent. A database that was handed in stays open."""
        self._resources.close()


class AsyncSyncQueue:
    """The queue for programs with an event loop. Made and closed like `SyncQueue`."""

    def __init__(self, queue: SyncQueue) -> None:
        """Speak for a queue."""
        self.queue: Final = queue

    @classmethod
    async def open(
        cls, place: str | PathLike[str] | Database, *, account_id: str = LOCAL_ACCOUNT
    ) -> Self:
        """Open a queue as `SyncQueue` does."""
        return cls(await asyncio.to_thread(SyncQueue, place, account_id=account_id))

    async def __aenter__(self) -> Self:
        """Return the queue."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        await self.close()

    async def enqueue(
        self, entity: SyncableEntity, operation: SyncOperationType, *, erase: bool = False
    ) -> Operation | None:
        """Queue an operation; return what waits for the entity now, once it is durable.

        Raises:
            ValidationError: the entity is not valid.
            ClewError: as the disk says.
        """
        return await asyncio.wrap_future(self.queue.submit(entity, operation, erase=erase))

    async def pending(self, limit: int = LIST_DEFAULT) -> list[Operation]:
        """Return what waits and was not set aside, in the order in which it would be sent."""
        return await asyncio.to_thread(self.queue.pending, limit)

    async def failed(self, limit: int = LIST_DEFAULT) -> list[Operation]:
        """Return what was set aside, the last first."""
        return await asyncio.to_thread(self.queue.failed, limit)

    async def stats(self) -> QueueStats:
        """Return how much waits, is on its way and was set aside."""
        return await asyncio.to_thread(self.queue.stats)

    async def retry_all_failed(self) -> int:
        """Let everything that was set aside begin anew; return how much it is."""
        return await asyncio.to_thread(self.queue.retry_all_failed)

    async def clear_failed(self) -> int:
        """Give up everything that was set aside; return how much it is."""
        return await asyncio.to_thread(self.queue.clear_failed)

    async def close(self) -> None:
        """Let go of the file; idempotent."""
        await asyncio.to_thread(self.queue.close)
