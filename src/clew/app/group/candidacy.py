"""A server and the lease of its group: wanting it, holding it, giving it back."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.app.group.turn import Change, Turn
from clew.base.errors import ClewError
from clew.store.replication.lease.hold import Lease

if TYPE_CHECKING:
    from clew.app.group.claims import Claims
    from clew.app.group.turn import Changes
    from clew.app.group.whereabouts import Whereabouts

logger = logging.getLogger(__name__)

END_MARGIN_S: Final = 0.02
"""How long after its end a lease is asked for: who asks a moment too early waits a third of it."""


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """The lease as one server knows it: where it is kept, who has it, for how many seconds yet.

    `holder` is where that server is reached, None where nobody ever took it or that is not known.
    `error` says why it could not be asked last.
    """

    address: str
    holder: str | None
    left_s: float | None
    error: str | None


class Candidacy:
    """Asks for the lease while another server leads, and renews it while this one does.

    Belongs to one event loop; `is_held` may be asked from any thread.
    """

    def __init__(
        self, where: Whereabouts, claims: Claims, changes: Changes, database: str, seconds: float
    ) -> None:
        """The lease is kept in `database`, and is this server's for so many `seconds` at a time."""
        self._where = where
        self._claims = claims
        self._changes = changes
        self._lease = Lease(database, where.standing.node_id, where.url, seconds)
        self._leads = False
        self._has_won = False
        self._told: str | None = None
        self._rests = False
        self._ends: float | None = None
        self._holder: tuple[str, float] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def shown(self) -> str:
        """The address of the lease, without its password."""
        return self._lease.shown

    def is_held(self) -> bool:
        """Return whether this server may acknowledge at this moment."""
        return self._lease.is_held()

    def seen(self) -> LeaseSeen:
        """Return the lease as it is known here, without asking for it: by the last look at it."""
        own = self._lease.left_s
        if own > 0:
            self._holder = (self._where.url, time.monotonic() + own)
        if self._holder is None:
            return LeaseSeen(self.shown, None, None, self._told)
        url, ends = self._holder
        return LeaseSeen(self.shown, url, max(0.0, ends - time.monotonic()), self._told)

    async def try_for_it(self) -> int | None:
        """Take the lease if it is free and this server has all that it takes; return its epoch."""
        try:
            return await self._try()
        except ClewError as error:
            self._tell(error.message)
        except Exception:
            logger.exception("the lease at %s could not be asked for", self._lease.shown)
        return None

    def begin(self, *, leads: bool) -> None:
        """Go on in a role: whoever leads renews, whoever does not looks whether it is free."""
        self._leads = leads
        self._has_won = False
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="lease")

    async def give_back(self) -> None:
        """Let another server have it, and rest for one lease before asking again."""
        self._leads = False
        self._rests = True
        try:
            await asyncio.to_thread(self._lease.release)
        except ClewError as error:
            # It ends by itself.
            self._tell(error.message)

    async def close(self) -> None:
        """Give the lease back, if it is held, and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.give_back()
        await asyncio.to_thread(self._lease.close)

    async def _run(self) -> None:
        while True:
            if self._rests and not self._leads:
                self._rests = False
                await asyncio.sleep(self._lease.seconds)
            try:
                if self._lease.is_held() or self._leads:
                    await self._renew()
                elif not self._has_won:
                    await self._want()
                self._told = None
            except ClewError as error:
                self._tell(error.message)
            except Exception as error:
                # The boundary of the task: without it the lease would never be renewed again.
                if str(error) != self._told:
                    logger.exception("the lease at %s could not be asked for", self._lease.shown)
                self._told = str(error)
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """Return after how many seconds to look at the lease again: right after its end."""
        every = self._lease.renew_every_s
        ends, self._ends = self._ends, None
        if ends is None or self._leads:
            return every
        return min(every, max(0.0, ends - time.monotonic()) + END_MARGIN_S)

    async def _renew(self) -> None:
        if await asyncio.to_thread(self._lease.renew):
            self._holder = (self._where.url, time.monotonic() + self._lease.left_s)
        elif self._leads:
            why = "the lease was lost: another server may lead"
            self._changes.add(Change(Turn.FOLLOW, why))

    async def _want(self) -> None:
        epoch = await self._try()
        if epoch is not None:
            # Until this server is open again: what it would hear of others might be that another
            # leads, between its word that it does and the opening.
            self._has_won = True
            self._changes.add(Change(Turn.LEAD, "the lease is held", epoch=epoch))

    async def _try(self) -> int | None:
        holder = await asyncio.to_thread(self._lease.read)
        if holder is not None:
            self._holder = (holder.url, time.monotonic() + holder.left_s)
        is_own = holder is not None and holder.node_id == self._where.standing.node_id
        if holder is not None and holder.left_s > 0 and not is_own:
            self._ends = time.monotonic() + holder.left_s
            return None
        # Who would be refused afterwards leaves it to one that has more.
        least = await self._claims.check_able(self._where.own_extent())
        return await asyncio.to_thread(self._lease.acquire, least)

    def _tell(self, message: str) -> None:
        if message != self._told:
            self._told = message
            logger.warning("the lease at %s: %s", self._lease.shown, message)
