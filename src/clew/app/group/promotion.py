"""A promotion by hand: what it asks for before the role changes, and what the last one came to.

Whoever promoted a server looks at it until it leads, or says why it does not; so does whoever looks
at the group later, while nobody leads. Once somebody leads again it is of no use to anybody, and is
told no more.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from clew.app.group.peers import check_nobody_leads
from clew.app.group.resuming import describe_error
from clew.app.group.turn import Change, Turn
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.telemetry.group import Promotion

if TYPE_CHECKING:
    from clew.app.group.claims import Claims
    from clew.app.group.peers import Peers
    from clew.app.group.resuming import Resuming
    from clew.app.group.turn import Changes
    from clew.app.group.whereabouts import Whereabouts

TOLD_SECONDS_MIN: Final = 10.0
"""How long behind open doors a failure is told at least, whoever leads: who asked for the promotion
looks every fifth of a second, and may be slow as everything else where much is to be opened."""


class Promotions:
    """Has a standby lead because somebody says so. Belongs to one event loop."""

    def __init__(
        self,
        where: Whereabouts,
        peers: Peers,
        claims: Claims,
        resuming: Resuming,
        changes: Changes,
        *,
        lease_seconds: float | None,
    ) -> None:
        """`lease_seconds` is how long a lease holds, None where none decides who leads."""
        self._where = where
        self._peers = peers
        self._claims = claims
        self._resuming = resuming
        self._changes = changes
        self._lease_seconds = lease_seconds
        self._loop = asyncio.get_running_loop()
        self._failure: str | None = None
        # Since when whoever asks can hear of it, by the clock of the loop.
        self._told_from: float | None = None

    @property
    def failure(self) -> str | None:
        """When and why this server did not come to lead, which was to; None unless it is of use.

        It is until this server leads, or has heard one that leads after it was told for
        `TOLD_SECONDS_MIN`.
        """
        self._forget_if_led()
        return self._failure

    def begin(self) -> None:
        """Take note that doors are open, behind which a failure can be heard of."""
        if self._told_from is None and self._failure is not None:
            self._told_from = self._loop.time()

    def end(self) -> None:
        """Take note that a role ends, and with it what is known of whom it heard."""
        self._forget_if_led()

    def hear_failure(self, change: Change, error: ClewError) -> None:
        """Take note that what was to have this server lead came to nothing."""
        at = f"{format_time(time.time_ns())[:19]}Z"
        self._failure = f"{change.why} at {at}, and did not lead: {describe_error(error)}"
        self._told_from = None

    def forget_failure(self) -> None:
        """Say no more what the last one came to."""
        self._failure = self._told_from = None

    def _forget_if_led(self) -> None:
        if self._told_from is None:
            return
        heard_s = self._where.heard_s()
        if heard_s is not None and self._loop.time() - heard_s > self._told_from + TOLD_SECONDS_MIN:
            self.forget_failure()

    async def ask(self, *, leads: bool, force: bool) -> Promotion:
        """Begin to lead by hand; see `Group.promote`. What comes of it shows when it is tried."""
        if leads:
            raise ClewError(ErrorCode.CONFLICT, "this server leads already", hint="nothing to do")
        if self._lease_seconds is not None:
            raise ClewError(
                ErrorCode.CONFLICT,
                "a lease decides who leads this group",
                hint=f"end the leader: a standby takes over within {self._lease_seconds:g} s",
            )
        heard = await self._peers.ask()
        known = [each.told.epoch for each in heard if each.told is not None]
        epoch = max([self._where.standing.epoch, *known])
        if not force:
            check_nobody_leads(heard)
            self._claims.check(self._where.own_extent(), heard)
        # What an earlier try came to is not what this one is asked about.
        self._resuming.end()
        self._resuming.forget_obstacle()
        self.forget_failure()
        self._changes.add(Change(Turn.LEAD, "promoted by hand", force=force))
        return Promotion(
            epoch=epoch + 1,
            heard=1 + len(known),
            needed=self._claims.count_needed(),
            forced=force,
        )
