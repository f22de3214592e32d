"""The background task that forgets what need not be kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final, TypeVar

from clew.base.errors import ClewError
from clew.tree.registry import retention
from clew.tree.registry.retention import OUTBOX_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.store.database.contract import Database, Reading, Transaction

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 600.0
"""Between two rounds: what is due waits ten minutes longer than it must."""

NS_PER_S: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS_PER_S


Result = TypeVar("Result")


class Upkeep:
    """Removes old statuses and old entries of the outbox. Belongs to one event loop.

    `status_seconds` is how long statuses are kept that are not an app's newest, None for ever;
    however young, each app has a number of them that is not exceeded.
    """

    def __init__(
        self, database: Database, now: Callable[[], int], status_seconds: int | None
    ) -> None:
        self.removed = 0
        """Rows removed since the start."""
        self._database = database
        self._now = now
        self._status_seconds = status_seconds
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin: the first round is after one pause, when a start is long over."""
        self._task = asyncio.create_task(self._run(), name="tree-upkeep")

    async def close(self) -> None:
        """End within the batch that is under way; idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.tidy()
            except ClewError as error:
                logger.warning("old rows of the tree were not removed: %s", error.message)

    async def tidy(self) -> int:
        """Remove everything that is due now; return how many rows that were.

        Raises:
            ClewError: the registry cannot be read or written.
        """
        removed = 0
        if self._status_seconds is not None:
            removed += await self._forget_old_statuses(self._status_seconds)
        for app_id in await self._read(retention.find_talkative_apps):
            removed += await self._forget_many_statuses(app_id)
        before = self._now() - OUTBOX_DAYS * DAY_NS
        while ids := await self._read(lambda reading: retention.find_old_entries(reading, before)):
            removed += await self._write(
                lambda transaction, ids=ids: retention.remove_entries(transaction, ids)  # type: ignore[misc]
            )
        self.removed += removed
        return removed

    async def _forget_old_statuses(self, seconds: int) -> int:
        before = self._now() - seconds * NS_PER_S
        removed = after = 0
        while ids := await self._read(
            lambda reading, after=after: retention.find_old_statuses(  # type: ignore[misc]
                reading, before, after=after
            )
        ):
            after = ids[-1]
            removed += await self._remove_messages(ids)
        return removed

    async def _forget_many_statuses(self, app_id: str) -> int:
        removed = 0
        while ids := await self._read(
            lambda reading: retention.find_many_statuses(reading, app_id)
        ):
            removed += await self._remove_messages(ids)
        return removed

    async def _remove_messages(self, ids: list[int]) -> int:
        return await self._write(lambda transaction: retention.remove_messages(transaction, ids))

    async def _read(self, work: Callable[[Reading], Result]) -> Result:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Transaction], Result]) -> Result:
        return await asyncio.wrap_future(self._database.submit(work))
