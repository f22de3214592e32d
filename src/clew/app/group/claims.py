"""What a server asks the others of its group before it leads: whether it may, and that they let it.

Whoever is to lead takes an epoch larger than any that was seen, has every other server refuse
whoever led before, and compares what they have with what it has. It leads only when it has heard so
many that nothing acknowledged can be missing, and none has more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from clew.app.group.peers import (
    STANDBY,
    check_extent,
    check_not_fenced,
    count_needed,
    find_required,
)
from clew.store.replication.standing import FencedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.app.group.peers import Heard, Peers
    from clew.app.group.turn import Change
    from clew.store.replication.standing import Standing

Extent = tuple[int, int]
"""How much of the log a server has: the epoch of its newest frame, and that frame's number."""


class Claims:
    """What one server knows, and asks, of leading its group. Belongs to one event loop."""

    def __init__(self, standing: Standing, peers: Peers, *, required: int, url: str) -> None:
        """`required` is how many standbys are to have each record here; `url` is this server's."""
        self._standing = standing
        self._peers = peers
        self._required = required
        self._url = url

    async def learn(self, heard: Sequence[Heard]) -> None:
        """Take over the newest leadership that others know of."""
        told = [each.told for each in heard if each.told is not None and each.told.leader]
        for newest in sorted(told, key=lambda each: each.epoch)[-1:]:
            assert newest.leader is not None, "others were left out"
            try:
                await asyncio.to_thread(
                    self._standing.accept, newest.epoch, newest.leader, newest.leader_url
                )
            except FencedError:
                # What is known here is newer.
                continue

    async def is_missed(self) -> bool:
        """Return whether enough others are there to lead, and none of them leads."""
        heard = await self._peers.ask()
        await self.learn(heard)
        told = [each.told for each in heard if each.told is not None]
        is_alone = all(each.role == STANDBY for each in told)
        return self._standing.is_leading and is_alone and len(told) >= self._required

    async def claim(self, own: Extent, change: Change) -> None:
        """Take a new epoch, and see that nothing acknowledged is missing of what is here.

        Raises:
            ClewError: it cannot be known; this server does not lead.
        """
        # Whoever leads by hand waits for everybody: a leader that is slow to answer is one.
        enough = self.count_needed() - 1
        heard = await self._peers.ask(None if change.epoch is None else enough)
        await self.learn(heard)
        if not change.force:
            self.check(own, heard)
        epoch = max(self._standing.epoch + 1, change.epoch or 0)
        # From here on nobody acknowledges anything for whoever led before; so what they have now
        # is all that was acknowledged.
        claimed = await self._peers.claim(epoch, self._standing.node_id, enough)
        check_not_fenced(claimed)
        if not change.force:
            self.check(own, claimed)
        await asyncio.to_thread(self._standing.lead, epoch, self._url)

    async def check_able(self, own: Extent) -> int:
        """Return the newest epoch that is known, if this server has all that it takes to lead.

        Raises:
            ClewError: something acknowledged may be missing here.
        """
        heard = await self._peers.ask(self.count_needed() - 1)
        await self.learn(heard)
        self.check(own, heard)
        return self._standing.epoch

    def count_needed(self) -> int:
        """Return of how many servers, itself among them, this one must hear to lead."""
        servers = len(self._peers.urls) + 1
        return count_needed(servers, find_required(self._standing, self._required)[0])

    def check(self, own: Extent, heard: Sequence[Heard]) -> None:
        """Raise unless nothing acknowledged can be missing of what is here.

        Raises:
            ClewError: as `check_extent`.
        """
        required, why = find_required(self._standing, self._required)
        check_extent(own, heard, required=required, why=why)
