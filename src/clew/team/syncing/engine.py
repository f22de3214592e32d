"""`SyncEngine`: keeps accounts in step in the background, and at once when somebody asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clew.base.errors import ClewError, ErrorCode
from clew.team.syncing.line import Line, Link, LinkState

if TYPE_CHECKING:
    from clew.team.ledger.rows import Account, Round
    from clew.team.syncing.line import Means


class SyncEngine:
    """Keeps accounts in step. Belongs to one event loop; `wake` may be called from any thread."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._loop = asyncio.get_running_loop()
        self._lines: dict[str, Line] = {}

    async def open(self, account: Account) -> None:
        """Keep an account in step from now on; one that is open already goes on."""
        if account.account_id not in self._lines:
            line = self._lines[account.account_id] = Line(self._means, account)
            line.start()

    async def drop(self, account_id: str) -> None:
        """Keep an account in step no more; a round that runs is ended."""
        line = self._lines.pop(account_id, None)
        if line is not None:
            await line.stop()

    async def close(self) -> None:
        """End everything. What is on its way returns to the queue when the ledger is opened."""
        for account_id in list(self._lines):
            await self.drop(account_id)

    def wake(self, account_id: str) -> None:
        """Say that something was written here. After the end of the loop nobody hears it."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._wake, account_id)

    async def sync(self, account_id: str) -> Round:
        """Run a round that sees everything written so far, and return what it came to.

        Raises:
            ClewError: NOT_FOUND for an account that is not open; what the ledger raises.
        """
        line = self._lines.get(account_id)
        if line is None:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                "nobody is connected to a team's server",
                hint="connect with: clew team connect URL --email …",
            )
        return await line.sync()

    def link(self, account_id: str) -> Link:
        """Return how an account stands with its server."""
        line = self._lines.get(account_id)
        return Link(LinkState.UNKNOWN) if line is None else line.link

    def _wake(self, account_id: str) -> None:
        line = self._lines.get(account_id)
        if line is not None:
            line.wake()
