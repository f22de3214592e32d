"""Accounts that are connected: their clients, their tokens, and the engine that keeps them in step.

Theory of operation. A client is opened when it is first needed, with the tokens that the vault
kept, so a server without a team opens neither a vault nor a connection. New tokens go to the vault
behind the event loop, one after the other, so that the last ones are what is kept.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.team.errors import AuthError, TeamError
from clew.team.ledger.rows import Account, account_id_of
from clew.team.syncing.course import durable, reading
from clew.team.syncing.engine import SyncEngine
from clew.team.syncing.line import Means, SyncOptions
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.team.trailbase.login import Credentials
from clew.team.trailbase.probe import Api
from clew.team.trailbase.server import RecordsServer
from clew.team.trailbase.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clew.team.ledger.ledger import Ledger
    from clew.team.trailbase.contract import TeamServer
    from clew.team.vault.contract import Vault

logger = logging.getLogger(__name__)

CONNECT_HINT: Final = "connect with: clew team connect URL --email …"


class Accounts:
    """The accounts of one clew. Belongs to one event loop."""

    def __init__(
        self,
        ledger: Ledger,
        open_vault: Callable[[], Vault],
        now: Callable[[], int],
        options: SyncOptions | None = None,
        *,
        changed: Callable[[str, Mapping[str, list[str]]], Awaitable[None]] | None = None,
        leaving: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """Keep accounts.

        Args:
            ledger: what is kept of them.
            open_vault: opens where tokens are kept; it may block.
            now: gives Unix nanoseconds.
            options: how the background works.
            changed: hears what a round changed here, by type.
            leaving: hears of an account whose things are about to be wiped.
        """
        self.ledger: Final = ledger
        self._open_vault = open_vault
        self._now = now
        self._leaving = leaving
        self._vault: Vault | None = None
        self._clients: dict[str, AsyncTrailBaseClient] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._in_turn = asyncio.Lock()
        means = Means(ledger, self.server_of, now, options or SyncOptions(), changed)
        self.engine: Final = SyncEngine(means)

    async def open(self) -> None:
        """Keep in step with every server that somebody connected to before."""
        for account in await reading(self.ledger.find_accounts):
            # Whatever the process before this one had on its way: it is the only one, and dead.
            await durable(self.ledger.take_back(account.account_id))
            await self.engine.open(account)

    async def close(self) -> None:
        """End the background, keep the newest tokens, and let go of connections."""
        await self.engine.close()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def wake(self, account_id: str) -> None:
        """Say that something waits to be sent. From any thread."""
        self.engine.wake(account_id)

    async def vault(self) -> Vault:
        """Return where tokens are kept; opened when it is first asked for."""
        if self._vault is None:
            self._vault = await asyncio.to_thread(self._open_vault)
        return self._vault

    async def current(self) -> Account:
        """Return the account that is meant.

        Raises:
            ClewError: NOT_FOUND when nobody is connected.
        """
        accounts = await reading(self.ledger.find_accounts)
        if not accounts:
            raise ClewError(
                ErrorCode.NOT_FOUND, "nobody is connected to a team's server", hint=CONNECT_HINT
            )
        return accounts[0]

    async def login(
        self, server_url: str, credentials: Credentials
    ) -> tuple[Account, float | None]:
        """Become known to a server; return the account, and how many seconds its bearer is good.

        Raises:
            TeamError: the server does not know them, or is not there.
        """
        kept: list[Tokens | None] = []
        client = AsyncTrailBaseClient(server_url, on_tokens=kept.append)
        try:
            known = await client.authenticate(credentials)
            api = await client.api()
        except BaseException:
            await client.close()
            raise
        await client.close()
        if known.user_id is None:
            raise AuthError("the server does not say who we are", hint="is it a team's server?")
        url = client.transport.url
        account = Account(
            account_id=account_id_of(url, known.user_id),
            server_url=url,
            user_id=known.user_id,
            connected_at=self._now(),
            email=known.email or credentials.email,
            api=api.value,
        )
        vault = await self.vault()
        await asyncio.to_thread(vault.keep, url, known.user_id, known.tokens.to_secret())
        await self.forget_client(account.account_id)
        await durable(self.ledger.connect(account))
        await durable(self.ledger.take_back(account.account_id))
        await self.engine.open(account)
        return account, known.expires_in_s

    async def logout(self, account: Account) -> None:
        """End an account here, and its session at the server if that can be told."""
        await self.engine.drop(account.account_id)
        try:
            # Whoever lost the key of the tokens must be able to go away as well.
            await (await self.client(account)).logout()
        except TeamError as error:
            logger.info("the session at %s could not be ended: %s", account.server_url, error)
        await self.forget_client(account.account_id)
        await asyncio.gather(*self._keeping, return_exceptions=True)
        vault = await self.vault()
        await asyncio.to_thread(vault.wipe, account.server_url, account.user_id)
        if self._leaving is not None:
            await self._leaving(account.account_id)
        await durable(self.ledger.forget_account(account.account_id))

    async def client(self, account: Account) -> AsyncTrailBaseClient:
        """Return the client of an account, with the tokens that were kept.

        Raises:
            AuthError: what was kept cannot be opened.
        """
        client = self._clients.get(account.account_id)
        if client is None:
            vault = await self.vault()
            secret = await asyncio.to_thread(vault.find, account.server_url, account.user_id)
            # Another task may have been quicker while this one waited.
            client = self._clients.get(account.account_id)
        if client is None:
            client = AsyncTrailBaseClient(
                account.server_url,
                tokens=None if secret is None else Tokens.from_secret(secret),
                api=Api(account.api) if account.api else None,
                on_tokens=lambda tokens: self._keep(account, tokens),
            )
            self._clients[account.account_id] = client
        return client

    async def forget_client(self, account_id: str) -> None:
        """Let go of the client of an account, and of what the engine has of it."""
        await self.engine.drop(account_id)
        client = self._clients.pop(account_id, None)
        if client is not None:
            await client.close()

    async def server_of(self, account: Account) -> TeamServer:
        """Return the server of an account as the sync asks it."""
        return await (await self.client(account)).server()

    async def records_of(self, account: Account) -> RecordsServer:
        """Return the server of an account, where it speaks TrailBase's own API.

        Raises:
            ClewError: UNSUPPORTED where it does not.
        """
        server = await self.server_of(account)
        if not isinstance(server, RecordsServer):
            raise ClewError(
                ErrorCode.UNSUPPORTED,
                "this team's server has no invites and roles of its own",
                hint="a TrailBase server does: clew team bootstrap",
            )
        return server

    def _keep(self, account: Account, tokens: Tokens | None) -> None:
        """Keep new tokens, behind the event loop."""

        async def keep() -> None:
            # One after the other, in the order in which they came.
            async with self._in_turn:
                vault = await self.vault()
                place = (account.server_url, account.user_id)
                try:
                    if tokens is None:
                        await asyncio.to_thread(vault.wipe, *place)
                    else:
                        await asyncio.to_thread(vault.keep, *place, tokens.to_secret())
                except TeamError as error:
                    logger.warning("tokens of %s are not kept: %s", account.server_url, error)

        task = asyncio.ensure_future(keep())
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)
