"""The data folder of a server while nothing in it is open: how much it holds, and filling it anew.

A standby whose log its leader's does not go on from takes a snapshot in its place
(`clew.app.group.snapshots`), when its own store is shut.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from clew.app.group.peers import REFUSALS
from clew.app.group.snapshots import take_snapshot
from clew.base.errors import ClewError
from clew.store.replication.position import Position
from clew.store.replication.said import Need
from clew.store.replication.snapshot import Keep, begin_anew

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.app.configuration.settings import Configuration
    from clew.store.replication.said import Extent
    from clew.store.replication.standing import Standing

logger = logging.getLogger(__name__)

NOTHING: Final = (0, 0)
"""How much of the log a server has that has none."""

KEPT: Final = {Need.BEHIND: Keep.NOTHING, Need.DIVERGED: Keep.LATEST}
"""What becomes of the data of a server that begins anew, where it is not kept for ever."""

SNAPSHOT_TRIES: Final = 5
SNAPSHOT_AGAIN_S: Final = 1.0
"""How often, and how soon, a snapshot that broke off is asked for again, before the standby opens
with what it has; then its leader tells it anew that it needs one."""


class Folder:
    """One server's folder, whose lock the caller holds. Belongs to one event loop."""

    def __init__(
        self, configuration: Configuration, standing: Standing, is_ending: Callable[[], bool]
    ) -> None:
        """What is under way breaks off once `is_ending`; that is asked from any thread."""
        self._configuration = configuration
        self._standing = standing
        self._is_ending = is_ending
        # Nothing is here but what came after a snapshot that was not had whole.
        self._is_blank = False
        self._told: str | None = None

    def read_extent(self) -> Extent:
        """Return how much of the log is here, by what the folder says. Blocks."""
        from clew.store.log.history import History

        # What an interrupted snapshot left is no data, and nobody is to be told of it.
        self._is_blank |= begin_anew(self._configuration.data_dir)
        last = History.read(self._configuration.data_dir / "log").last
        return (Position(self._standing.starts, last).epoch_at(last) or 0, last)

    async def begin_anew(self, need: Need | None, own: Extent) -> None:
        """Fill it from the leader's, unless nobody else leads or it cannot be had.

        `need` says why, and so does whether what is here, `own`, is kept aside. It takes minutes,
        where there is much.
        """
        url = self._standing.leader_url
        if url is None or self._standing.is_leading:
            return
        keep = KEPT.get(need or Need.FOREIGN, Keep.ALWAYS)
        if self._is_blank and own == NOTHING:
            keep = Keep.NOTHING
        self._is_blank &= not await self._try_for_snapshot(url, keep)

    async def _try_for_snapshot(self, url: str, keep: Keep) -> bool:
        """Do as `take_snapshot`, some times; return whether it was had whole."""
        for _ in range(SNAPSHOT_TRIES):
            if self._is_ending():
                break
            try:
                await asyncio.to_thread(
                    take_snapshot, self._configuration, url, self._standing, keep, self._is_ending
                )
            except ClewError as error:
                self._tell(url, error)
                await asyncio.sleep(SNAPSHOT_AGAIN_S)
            else:
                self._told = None
                return True
        return False

    def _tell(self, url: str, error: ClewError) -> None:
        """Say why, unless that was said: it is asked for every second, by one role after another.

        A snapshot that broke off is another each time, and the same trouble.
        """
        if error.message == self._told:
            return
        self._told = error.message
        is_key = error.code in REFUSALS
        hint = "give every server of the group the same --peer-key" if is_key else error.hint
        logger.warning(
            "the snapshot of %s was not had whole, and is asked for again: %s%s",
            url,
            error.message,
            f"; {hint}" if hint else "",
        )
