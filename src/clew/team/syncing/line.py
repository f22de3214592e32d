"""One account that is kept in step: the task that runs rounds, and the one that hears hints.

Rounds are run when something was written here, when the server hinted that something changed there,
when the time between rounds is over, and when somebody asks; whoever asks while a round runs waits
for the one after it, which sees what they wrote. A server that does not answer is asked whether it
is there, ever more seldom, and the first answer begins a round; nothing that waits loses a try by
it. An account that was sent away is left alone until somebody connects.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.team.errors import AuthError, TeamError
from clew.team.ledger.flight import LOGIN_REASON
from clew.team.ledger.rows import Round, RoundOutcome
from clew.team.merging.strategy import ConflictStrategy
from clew.team.syncing.course import TEAM_TYPES, Course, durable, reading
from clew.team.syncing.pull import TEAMS
from clew.team.syncing.round import run_round

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from clew.team.ledger.ledger import Ledger
    from clew.team.ledger.rows import Account
    from clew.team.trailbase.contract import TeamServer

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 300.0
"""Between rounds when nothing happens, as the integration documents it."""

GATHER_S: Final = 0.2
"""After a local write: what somebody writes in one breath goes out together."""

OFFLINE_S: Final = (1.0, 60.0)
"""Between two looks whether the server is there: at first, and after a long absence."""

LISTEN_S: Final = (1.0, 300.0)
"""The same between two attempts to listen."""


class LinkState(StrEnum):
    """How an account stands with its server."""

    UNKNOWN = "unknown"
    ONLINE = "online"
    OFFLINE = "offline"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Link:
    """How an account stands with its server, and what the last round came to."""

    state: LinkState
    is_live: bool = False
    last: Round | None = None


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How the background works. Seconds."""

    interval_s: float = INTERVAL_S
    gather_s: float = GATHER_S
    offline_s: tuple[float, float] = OFFLINE_S
    listen_s: tuple[float, float] = LISTEN_S
    types: tuple[str, ...] = TEAM_TYPES
    strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS
    strategies: Mapping[str, ConflictStrategy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Means:
    """What every account is kept in step with.

    `open_server` gives the server of an account, and may raise what the server says; `changed`
    hears what a round changed here, by type; `now` gives Unix nanoseconds.
    """

    ledger: Ledger
    open_server: Callable[[Account], Awaitable[TeamServer]]
    now: Callable[[], int]
    options: SyncOptions = field(default_factory=SyncOptions)
    changed: Callable[[str, Mapping[str, list[str]]], Awaitable[None]] | None = None


_STATES: Final = {
    RoundOutcome.OFFLINE: LinkState.OFFLINE,
    RoundOutcome.PAUSED: LinkState.PAUSED,
}


class Line:
    """One account and its two tasks. Belongs to one event loop."""

    def __init__(self, means: Means, account: Account) -> None:
        self._means = means
        self._account = account
        self._options = means.options
        self._server: TeamServer | None = None
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_over = False
        self._turn = asyncio.Lock()
        self._asked: asyncio.Task[Round] | None = None
        self._woken = asyncio.Event()
        self._online = asyncio.Event()
        self._hinted: set[str] = set()
        self._whole_at = 0.0
        self._wait = self._options.offline_s[0]
        self._was_cut = False
        self.link = Link(LinkState.UNKNOWN)

    def start(self) -> None:
        """Begin."""
        self._spawn(self._keep_up(), "team-sync")
        self._spawn(self._listen(), "team-hints")

    async def stop(self) -> None:
        """End both tasks, and a round that runs; whoever waits for one is told."""
        self._is_over = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            with contextlib.suppress(TeamError):
                await self._server.close()

    def wake(self) -> None:
        """Say that something was written here."""
        self._woken.set()

    async def sync(self) -> Round:
        """Wait for a round that begins after this call; all who ask meanwhile wait for one.

        Raises:
            ClewError: UNAVAILABLE when the account is dropped meanwhile; what the ledger raises.
        """
        if self._is_over:
            raise _dropped()
        if self._asked is None:
            self._asked = self._spawn(self._run_asked(), "team-sync-asked")
        try:
            return await asyncio.shield(self._asked)
        except asyncio.CancelledError:
            # Of the two, only a caller who is cancelled is to end as such.
            caller = asyncio.current_task()
            if self._is_over and caller is not None and not caller.cancelling():
                raise _dropped() from None
            raise

    async def _run_asked(self) -> Round:
        async with self._turn:
            # Whoever asks from here on may have written what this round does not see any more.
            self._asked = None
            return await self._round(None)

    async def _keep_up(self) -> None:
        due_s = 0.0
        while True:
            only = await self._until_due(due_s)
            try:
                async with self._turn:
                    due_s = await self._attempt(only)
            except Exception:
                # Nothing is above this task: it says what happened and lives on.
                logger.exception("the sync with %s met a defect", self._account.server_url)
                due_s = self._later()

    async def _until_due(self, due_s: float) -> tuple[str, ...] | None:
        """Wait until a round is due; return the types that it pulls, None for all."""
        if self.link.state is LinkState.OFFLINE:
            # What is written meanwhile does not bring the server back; what is heard of it does.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due_s):
                    await self._online.wait()
            return None
        try:
            # Not `wait_for`, which swallows a cancel that comes together with the event.
            async with asyncio.timeout(due_s):
                await self._woken.wait()
        except TimeoutError:
            return None
        # What is said in one breath is one round.
        await asyncio.sleep(self._options.gather_s)
        self._woken.clear()
        hinted, self._hinted = self._hinted, set()
        # Who hears of changes pulls those; who does not, and who has not looked for long, all.
        is_heard = self.link.is_live and asyncio.get_running_loop().time() < self._whole_at
        return tuple(sorted(hinted)) if is_heard else None

    async def _attempt(self, only: tuple[str, ...] | None) -> float:
        """Run a round in the background; return after how many seconds the next one is due."""
        try:
            if self.link.state is LinkState.OFFLINE and not await self._is_there():
                return self._later()
            done = await self._round(only)
        except ClewError as error:
            # The ledger does not take anything now: the registry says so elsewhere, too.
            logger.warning("a sync with %s failed: %s", self._account.server_url, error.message)
            return self._later()
        if done.outcome is RoundOutcome.DONE:
            self._wait = self._options.offline_s[0]
            return self._options.interval_s
        if done.outcome is RoundOutcome.PAUSED:
            return max(await self._until_resumed(), self._later())
        return self._later()

    async def _is_there(self) -> bool:
        try:
            await (await self._open()).check()
        except TeamError:
            return False
        return True

    def _later(self) -> float:
        """Return how long to wait for what did not go, each time longer."""
        wait = self._wait * (0.5 + random.random() / 2)  # noqa: S311 - no secret
        self._wait = min(self._wait * 2, self._options.offline_s[1])
        return wait

    async def _until_resumed(self) -> float:
        means, account_id = self._means, self._account.account_id
        account = await reading(lambda: means.ledger.find_account(account_id))
        if account is None or account.paused_until is None:
            return self._options.interval_s
        return max(0.0, (account.paused_until - means.now()) / NS_PER_S)

    async def _round(self, only: tuple[str, ...] | None) -> Round:
        means, options, ledger = self._means, self._options, self._means.ledger
        account_id = self._account.account_id
        if self._was_cut:
            # A round of ours that ended in its middle, and nobody else has anything on its way.
            await durable(ledger.take_back(account_id))
        try:
            server = await self._open()
        except TeamError as error:
            was_sent_away = isinstance(error, AuthError)
            if was_sent_away:
                await durable(ledger.pause(account_id, LOGIN_REASON, None))
            outcome = RoundOutcome.PAUSED if was_sent_away else RoundOutcome.OFFLINE
            now = means.now()
            return self._note(Round(now, now, outcome, error=error.message))
        course = Course(
            ledger, server, account_id, options.types, options.strategy, options.strategies
        )
        self._was_cut = True
        done, pulled = await run_round(course, means.now, only)
        self._was_cut = False
        if only is None and done.outcome is RoundOutcome.DONE:
            self._whole_at = asyncio.get_running_loop().time() + options.interval_s
        self._note(done)
        if pulled.changed and means.changed is not None:
            await means.changed(account_id, pulled.changed)
        return done

    def _note(self, done: Round) -> Round:
        state = _STATES.get(done.outcome, LinkState.ONLINE)
        self.link = Link(state, is_live=self.link.is_live, last=done)
        if state is LinkState.ONLINE:
            self._online.set()
        else:
            self._online.clear()
        return done

    async def _open(self) -> TeamServer:
        async with self._opening:
            if self._server is None:
                self._server = await self._means.open_server(self._account)
            return self._server

    async def _listen(self) -> None:
        """Hear of changes for as long as the server tells; come back when it ends."""
        first, longest = self._options.listen_s
        wait, loop = first, asyncio.get_running_loop()
        while True:
            if not self._online.is_set():
                await self._online.wait()
                wait = first
            began = loop.time()
            try:
                server = await self._open()
                if not server.capabilities.live:
                    return
                async for hint in server.hints((TEAMS, *self._options.types)):
                    self._set_live(is_live=True)
                    self._hinted.add(hint.entity_type)
                    self._woken.set()
            except ClewError as error:
                logger.debug("no hints from %s: %s", self._account.server_url, error.message)
            self._set_live(is_live=False)
            # A round finds out what it was, and whether anything was missed.
            self._woken.set()
            # A stream that lived for a while was a good one.
            wait = first if loop.time() - began > wait else min(wait * 2, longest)
            await asyncio.sleep(wait * (0.5 + random.random() / 2))  # noqa: S311 - no secret

    def _set_live(self, *, is_live: bool) -> None:
        if self.link.is_live is not is_live:
            self.link = Link(self.link.state, is_live=is_live, last=self.link.last)

    def _spawn(self, work: Coroutine[Any, Any, Result], name: str) -> asyncio.Task[Result]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _dropped() -> ClewError:
    return ClewError(
        ErrorCode.UNAVAILABLE,
        "the account was disconnected meanwhile",
        hint="connect again: clew team connect",
    )
