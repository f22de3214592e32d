"""The team as one thing to open and close: the ledger, the accounts, and what is shared."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clew.team.ledger.ledger import Ledger
from clew.team.syncing.course import durable, reading
from clew.team.syncing.line import SyncOptions
from clew.team.teams.accounts import Accounts
from clew.team.teams.service import TeamService
from clew.team.teams.sharing import COMMENTS, SharedComments, SharedSessions
from clew.team.vault.choice import open_vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.app.configuration.settings import Configuration
    from clew.store.database.contract import Database
    from clew.team.comments.contract import Comments
    from clew.team.sessions.contract import Sessions


class TeamHouse:
    """What is shared with teams, and the sync behind it. Belongs to one event loop.

    `sessions` and `comments` are what those ask in their transactions; `serve` makes the service,
    once sessions and comments are there.
    """

    def __init__(self, configuration: Configuration, database: Database) -> None:
        self._database = database
        self._accounts = Accounts(
            Ledger(database, time.time_ns),
            lambda: open_vault(configuration.data_dir),
            time.time_ns,
            SyncOptions(
                interval_s=configuration.team_interval, strategy=configuration.team_strategy
            ),
            changed=self._bring,
            leaving=self._drop,
        )
        self.sessions = SharedSessions(time.time_ns, self._accounts.wake)
        self.comments = SharedComments(time.time_ns, self._accounts.wake)

    def serve(self, sessions: Sessions, comments: Comments) -> TeamService:
        """Return the one service of teams."""
        return TeamService(self._accounts, sessions, comments, time.time_ns)

    async def open(self) -> None:
        """Keep in step with every server that somebody connected to before.

        Raises:
            ClewError: the registry could not be read.
        """
        for account in await reading(self._accounts.ledger.find_accounts):
            # What a round brought may not have been mirrored before the end of the last process.
            account_id = account.account_id
            await durable(
                self._database.submit(
                    lambda writing, whose=account_id: self.comments.bring(writing, whose)  # type: ignore[misc]
                )
            )
        await self._accounts.open()

    async def close(self) -> None:
        """End the sync; what was on its way is asked about after the next start."""
        await self._accounts.close()

    async def _bring(self, account_id: str, changed: Mapping[str, list[str]]) -> None:
        if local_ids := changed.get(COMMENTS):
            await durable(
                self._database.submit(
                    lambda writing: self.comments.bring(writing, account_id, local_ids)
                )
            )

    async def _drop(self, account_id: str) -> None:
        await durable(
            self._database.submit(lambda writing: self.comments.drop(writing, account_id))
        )
