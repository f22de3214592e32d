"""What a server asks the others of its group before it leads: whether it may, and that they let it.

Whoever is to lead takes an epoch larger than any that was seen, has every other server refuse
whoever led before, and compares what they have with what it has. It leads only when it has heard so
many that nothing acknowledged can be missing, and none has more. One that has more does not refuse
whoever led: it would have ended a leader, perhaps itself, for one that cannot lead.

A claim may come to nothing after some have agreed to it: they know of an epoch that nobody leads.
Its owner, asked, knows of a smaller one, and that tells. Whoever led before goes on then.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Final

from clew.app.group.peers import (
    LEADER,
    STANDBY,
    check_distinct,
    check_extent,
    check_first_of_all,
    check_nobody_goes_first,
    check_not_fenced,
    check_one_group,
    count_needed,
    find_required,
)
from clew.base.errors import ClewError, ErrorCode
from clew.store.replication.standing import FencedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.app.group.peers import Heard, Peers, Told
    from clew.app.group.turn import Change
    from clew.store.replication.said import Extent
    from clew.store.replication.standing import Standing

LEAP_MAX: Final = 1 << 16
"""Up to so many epochs are left out where not all are heard and no lease gives one: a server that
does not hear of this one may be promoted as well, and hardly takes the same epoch. The fence would
refuse both; but what two servers write under one epoch looks alike."""


class Claims:
    """What one server knows, and asks, of leading its group. Belongs to one event loop."""

    def __init__(self, standing: Standing, peers: Peers, *, required: int, url: str) -> None:
        """`required` is how many standbys are to have each record here; `url` is this server's."""
        self._standing = standing
        self._peers = peers
        self._required = required
        self._url = url
        self.is_led = False
        """Whether one that leads answered when it was looked for an obstacle last."""

    async def learn(self, own: Extent, heard: Sequence[Heard]) -> None:
        """Take over the newest leadership that others know of, of those that came to be."""
        told = [each.told for each in heard if each.told is not None and each.told.leader]
        for newest in sorted(told, key=lambda each: each.epoch, reverse=True):
            if not self._came_to_be(newest, own, heard):
                continue
            assert newest.leader is not None, "others were left out"
            # Unless what is known here is newer.
            with contextlib.suppress(FencedError):
                await asyncio.to_thread(
                    self._standing.accept,
                    newest.epoch,
                    newest.leader,
                    newest.leader_url,
                    led=newest.led,
                )
            return

    def _came_to_be(self, newest: Told, own: Extent, heard: Sequence[Heard]) -> bool:
        """Return whether an epoch that others know of is led, or may be led yet, by its owner."""
        answered = [each.told for each in heard if each.told is not None]
        if newest.leader == self._standing.node_id:
            # It was claimed from here, and this server was ended, or found that another has more.
            is_more = any(each.extent > own for each in answered)
            return newest.epoch <= self._standing.epoch or not is_more
        return all(each.epoch >= newest.epoch for each in answered if each.node_id == newest.leader)

    async def find_obstacle(self, own: Extent) -> ClewError | None:
        """Return why this server does not lead without being told to; None where it may.

        Raises:
            ClewError: what others know could not be made durable here.
        """
        heard = await self._peers.ask()
        self.is_led = any(each.told is not None and each.told.role == LEADER for each in heard)
        await self.learn(own, heard)
        try:
            self._check_resuming(own, heard)
        except ClewError as error:
            return error
        for each in heard:
            if each.told is not None and each.told.role != STANDBY:
                return ClewError(ErrorCode.CONFLICT, f"{each.url} leads, or is about to")
        return None

    async def claim(self, own: Extent, change: Change) -> None:
        """Take a new epoch, and see that nothing acknowledged is missing of what is here.

        Raises:
            ClewError: it cannot be known; this server does not lead.
        """
        # Whoever leads by hand waits for everybody: a leader that is slow to answer is one.
        enough = self.count_needed() - 1
        heard = await self._peers.ask(None if change.epoch is None else enough)
        await self.learn(own, heard)
        self._check(own, heard, change)
        epoch = max(self._find_newest(heard) + 1, change.epoch or 0)
        may_meet = change.epoch is None
        if may_meet:
            # So for all that answer now, also where their disks are slow; one that does not answer
            # was waited for already.
            enough = max(enough, _count_told(heard))
        if may_meet and not _is_all(heard):
            epoch += secrets.randbelow(LEAP_MAX)
        claimed = await self._ask_to_let(epoch, own, change, enough)
        if may_meet and _is_all(heard) and not _is_all(claimed):
            # Who was heard before, and let this server not lead, may be about to take it as well.
            # The others are asked for the one that it leads under: before it comes to them they
            # might have what another acknowledges under one between the two.
            epoch += 1 + secrets.randbelow(LEAP_MAX)
            enough = max(self.count_needed() - 1, _count_told(claimed))
            await self._ask_to_let(epoch, own, change, enough)
        await asyncio.to_thread(self._standing.lead, epoch, self._url, self._required)

    async def _ask_to_let(
        self, epoch: int, own: Extent, change: Change, enough: int
    ) -> Sequence[Heard]:
        """Ask the others to let this server lead an epoch; return what they said.

        Raises:
            ClewError: it does not lead.
        """
        # From here on nobody acknowledges anything for whoever led before; so what they have now
        # is all that was acknowledged.
        extent = None if change.force else own
        claimed = await self._peers.claim(epoch, self._standing.node_id, extent, enough)
        check_not_fenced(claimed)
        if not change.force:
            self._check(own, claimed, change)
            _check_let(epoch, claimed)
        if any(_is_shut(each) for each in claimed):
            # It may be about to lead itself, and takes no claims meanwhile.
            self._check(own, await self._peers.ask(), change)
        return claimed

    async def check_able(self, own: Extent) -> int:
        """Return the newest epoch that is known, if this server has all that it takes to lead.

        Raises:
            ClewError: something acknowledged may be missing here.
        """
        heard = await self._peers.ask(self.count_needed() - 1)
        await self.learn(own, heard)
        self.check(own, heard)
        return self._find_newest(heard)

    def count_needed(self) -> int:
        """Return of how many servers, itself among them, this one must hear to lead."""
        servers = len(self._peers.urls) + 1
        return count_needed(servers, find_required(self._standing, self._required)[0])

    def check(self, own: Extent, heard: Sequence[Heard]) -> None:
        """Raise unless nothing acknowledged can be missing of what is here.

        Raises:
            ClewError: as `check_extent`; CONFLICT where two servers have one id.
        """
        check_distinct(self._standing.node_id, heard)
        required, why = find_required(self._standing, self._required)
        check_extent(own, heard, required=required, why=why)

    def _check(self, own: Extent, heard: Sequence[Heard], change: Change) -> None:
        """Raise unless what others say lets this server lead, in the way that it is about to."""
        if change.force:
            check_distinct(self._standing.node_id, heard)
            return
        if change.epoch is None:
            check_nobody_goes_first(self._standing.node_id, own, heard)
        if change.resumes:
            self._check_resuming(own, heard)
        else:
            self.check(own, heard)

    def _check_resuming(self, own: Extent, heard: Sequence[Heard]) -> None:
        """Raise unless this server led last, or goes first where all are there, and may go on.

        As whoever is promoted, and besides it must hear so many that something could be
        acknowledged: who leads unheard by the others may be one of two. Whose data is to stay where
        two groups meet is for people to say.

        Raises:
            ClewError: as `check`; UNAVAILABLE where too few are there, CONFLICT where another
                leads.
        """
        check_one_group(self._standing.group, heard)
        self.check(own, heard)
        if not (self._standing.is_leading or self._led_last(heard)):
            check_first_of_all(self._standing, own, heard)
        missing = [each for each in heard if each.told is None]
        if len(heard) - len(missing) < self._required:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                f"{self._required} standbys must have each record, and not so many answer; "
                f"missing: {', '.join(each.url for each in missing)}",
                hint="start them; or have this server lead all the same: clew promote",
            )

    def _led_last(self, heard: Sequence[Heard]) -> bool:
        """Return whether nothing came of what others asked for since this server led."""
        led = [self._standing.led, *(each.told.led for each in heard if each.told is not None)]
        return max(led, key=lambda each: each[0])[1] == self._standing.node_id

    def _find_newest(self, heard: Sequence[Heard]) -> int:
        """Return the newest epoch that anybody knows of, whether or not anything came of it."""
        told = (each.told.epoch for each in heard if each.told is not None)
        return max([self._standing.epoch, *told])


def _check_let(epoch: int, claimed: Sequence[Heard]) -> None:
    """Raise CONFLICT where a server answered a claim, and does not know of it."""
    for each in claimed:
        if each.told is not None and each.told.epoch != epoch:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{each.url} does not let this server lead: it knows of epoch {each.told.epoch}",
                hint="ask who leads: GET /internal/cluster; promote again if nobody does",
            )


def _is_all(heard: Sequence[Heard]) -> bool:
    return _count_told(heard) == len(heard)


def _count_told(heard: Sequence[Heard]) -> int:
    return sum(each.told is not None for each in heard)


def _is_shut(heard: Heard) -> bool:
    return heard.error is not None and heard.error.code is ErrorCode.OVERLOADED
