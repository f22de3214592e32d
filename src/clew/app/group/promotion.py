"""A promotion by hand: what it asks for before the role changes, and what the last one came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.app.group.peers import check_nobody_leads
from clew.app.group.turn import Change, Turn
from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.group import Promotion

if TYPE_CHECKING:
    from clew.app.group.claims import Claims
    from clew.app.group.peers import Peers
    from clew.app.group.resuming import Resuming
    from clew.app.group.turn import Changes
    from clew.app.group.whereabouts import Whereabouts


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
        self.failure: str | None = None
        """Why this server does not lead, which was to; None unless it is of use."""

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
        self.failure = None
        self._changes.add(Change(Turn.LEAD, "promoted by hand", force=force))
        return Promotion(
            epoch=epoch + 1,
            heard=1 + len(known),
            needed=self._claims.count_needed(),
            forced=force,
        )
