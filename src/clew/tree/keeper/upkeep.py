"""The background task that forgets what need not be kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from clew.base.errors import ClewError
from clew.base.times import NS_PER_S
from clew.tree.machine.events import Retire
from clew.tree.machine.outcomes import Retired
from clew.tree.registry import retention
from clew.tree.registry.questions import get_outbox_bounds
from clew.tree.registry.retention import OUTBOX_DAYS, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from clew.store.database.contract import Database, Reading, Transaction
    from clew.tree.keeper.keeper import TreeKeeper

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 600.0
"""Between two rounds: what is due waits ten minutes longer than it must."""

TRIM_SECONDS: Final = 60.0
"""Between two looks at how large the outbox is: a busy tree adds a tenth of its bound."""

STRETCHES_MAX: Final = 400
"""Stretches of fifty apps looked at in one round, some seconds of reading in pieces of a few
milliseconds; the next round goes on there. Apps that are kept for ever are looked at as well."""

REMOVED: Final = ("app", "message", "crash", "command", "entry")
"""What is removed, as counted; entries are of the outbox."""

DAY_NS: Final = 86_400 * NS_PER_S


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, in seconds, None for ever.

    `statuses` are those that are no app's newest: however young, each app has a number of them that
    is not exceeded. `apps` counts from their end, and is that of their crashes and commands too;
    `answered` is for those that said a Result or an Error, and no shorter than `apps`.
    """

    statuses: int | None = None
    apps: int | None = None
    answered: int | None = None


class Upkeep:
    """Removes old statuses, crashes, commands, apps, and entries of the outbox.

    `told` reads up to which entry of the outbox those have come who must have all of them; `forget`
    hears of apps that were removed. Belongs to one event loop.
    """

    def __init__(
        self,
        database: Database,
        keeper: TreeKeeper,
        now: Callable[[], int],
        keeping: Retention,
        *,
        told: Callable[[Reading], int],
        forget: Callable[[Collection[str]], None],
    ) -> None:
        self.removed: Counter[str] = Counter()
        """Rows removed since the start, by the name of what they were."""
        self.lost = 0
        """Entries of the outbox removed since the start before everybody had them who must."""
        self._database = database
        self._keeper = keeper
        self._now = now
        self._keeping = keeping
        self._told = told
        self._forget = forget
        self._place: Place | None = None
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
        passed = 0.0
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            passed += TRIM_SECONDS
            try:
                await self.trim()
                if passed >= EVERY_SECONDS:
                    passed = 0.0
                    await self.tidy()
            except ClewError as error:
                logger.warning("old rows of the tree were not removed: %s", error.message)

    async def tidy(self) -> int:
        """Remove everything that is due now; return how many rows that were.

        Raises:
            ClewError: the registry cannot be read or written, or too much is asked of the tree.
        """
        before = self.removed.total()
        keeping = self._keeping
        if keeping.statuses is not None:
            await self._forget_old_statuses(keeping.statuses)
        for app_id in await self._read(retention.find_talkative_apps):
            await self._forget_many_statuses(app_id)
        if keeping.apps is not None:
            since = self._now() - keeping.apps * NS_PER_S
            await self._forget_crashes(since)
            await self._forget_commands(since)
            await self._forget_apps(since)
        await self._forget_entries()
        return self.removed.total() - before

    async def trim(self) -> int:
        """Remove entries of the outbox beyond its bound, whoever lacks them; return how many.

        Raises:
            ClewError: the registry cannot be read or written.
        """
        lost = removed = 0
        oldest, newest = await self._read(get_outbox_bounds)
        until = newest - retention.OUTBOX_ENTRIES_MAX
        while oldest <= until:
            last = min(until, oldest + retention.BATCH_ROWS - 1)
            count, untold = await self._write(lambda writing, last=last: self._cut(writing, last))  # type: ignore[misc]
            self.removed["entry"] += count
            self.lost += untold
            lost += untold
            removed += count
            oldest = last + 1
        if lost:
            logger.warning(
                "%d entries of the outbox were removed before telemetry had taken them:"
                " it holds %d at the most",
                lost,
                retention.OUTBOX_ENTRIES_MAX,
            )
        return removed

    def _cut(self, writing: Transaction, last: int) -> tuple[int, int]:
        """Remove entries up to the last; return how many, and how many of them were not told."""
        count = retention.remove_entries_until(writing, last)
        return count, min(count, max(0, last - self._told(writing)))

    async def _forget_entries(self) -> None:
        before = self._now() - OUTBOX_DAYS * DAY_NS
        while ids := await self._read(
            lambda reading: retention.find_old_entries(reading, before, until=self._told(reading))
        ):
            await self._remove("entry", retention.remove_entries, ids)

    async def _forget_old_statuses(self, seconds: int) -> None:
        before = self._now() - seconds * NS_PER_S
        after = 0
        while ids := await self._read(
            lambda reading, after=after: retention.find_old_statuses(  # type: ignore[misc]
                reading, before, after=after
            )
        ):
            after = ids[-1]
            await self._remove("message", retention.remove_messages, ids)

    async def _forget_many_statuses(self, app_id: str) -> None:
        while ids := await self._read(
            lambda reading: retention.find_many_statuses(reading, app_id)
        ):
            await self._remove("message", retention.remove_messages, ids)

    async def _forget_crashes(self, before: int) -> None:
        while ids := await self._read(lambda reading: retention.find_old_crashes(reading, before)):
            await self._remove("crash", retention.remove_crashes, ids)

    async def _forget_commands(self, before: int) -> None:
        after: int | None = 0
        while after is not None:
            ids, after = await self._read(
                lambda reading, after=after: retention.find_old_commands(  # type: ignore[misc]
                    reading, before, after=after
                )
            )
            await self._remove("command", retention.remove_commands, ids)

    async def _forget_apps(self, before: int) -> None:
        """Look at the next stretches of all apps, and have those removed that are due."""
        answered = self._keeping.answered
        answers_before = None if answered is None else self._now() - answered * NS_PER_S
        place = self._place or Place(before)
        for _ in range(STRETCHES_MAX):
            found = await self._read(
                lambda reading, place=place: retention.find_old_apps(  # type: ignore[misc]
                    reading, place, before, answers_before
                )
            )
            # Where some went, those above them may be next.
            if found.due and await self._retire(found.due):
                continue
            if found.following is None:
                self._place = None
                return
            place = found.following
        self._place = place

    async def _retire(self, apps: Sequence[tuple[str, int]]) -> int:
        """Remove apps, but for those that something holds on to; return how many went."""
        app_ids = [app_id for app_id, _ in apps]
        # What an app goes with is little; the rest of its messages go before it.
        while ids := await self._read(
            lambda reading: retention.find_messages_but_last(reading, app_ids)
        ):
            await self._remove("message", retention.remove_messages, ids)
        outcome = await self._keeper.ask(Retire(ticket=0, apps=tuple(apps)))
        assert isinstance(outcome, Retired)
        self.removed["app"] += len(outcome.app_ids)
        if outcome.app_ids:
            self._forget(outcome.app_ids)
        return len(outcome.app_ids)

    async def _remove(
        self, what: str, remove: Callable[[Transaction, Sequence[int]], int], ids: list[int]
    ) -> None:
        if ids:
            self.removed[what] += await self._write(lambda transaction: remove(transaction, ids))

    async def _read(self, work: Callable[[Reading], Result]) -> Result:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Transaction], Result]) -> Result:
        return await asyncio.wrap_future(self._database.submit(work))
