"""The team as one thing to open and close: the ledger, the accounts, and what is shared."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clew.team.ledger.ledger import Ledger
from clew.team.syncing.line import SyncOptions
from clew.team.teams.accounts import Accounts
from clew.team.teams.service import TeamService
from clew.team.teams.sharing import SharedSessions
from clew.team.vault.choice import open_vault

if TYPE_CHECKING:
    from clew.app.configuration import Configuration
    from clew.store.database.contract import Database
    from clew.team.comments.contract import Comments
    from clew.team.sessions.contract import Sessions


class TeamHouse:
    """What is shared with teams, and the sync behind it. Belongs to one event loop.

    `sharing` is what sessions ask in their transactions; `serve` makes the service, once sessions
    and comments are there.
    """

    def __init__(self, configuration: Configuration, database: Database) -> None:
        self._accounts = Accounts(
            Ledger(database, time.time_ns),
            lambda: open_vault(configuration.data_dir),
            time.time_ns,
            SyncOptions(),
        )
        self.sharing = SharedSessions(time.time_ns, self._accounts.wake)

    def serve(self, sessions: Sessions, comments: Comments) -> TeamService:
        """Return the one service of teams."""
        return TeamService(self._accounts, sessions, comments, time.time_ns)

    async def open(self) -> None:
        """Keep in step with every server that somebody connected to before.

        Raises:
            ClewError: the registry could not be read.
        """
        await self._accounts.open()

    async def close(self) -> None:
        """End the sync; what was on its way is asked about after the next start."""
        await self._accounts.close()
