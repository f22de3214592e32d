"""Where a server of a group is: how much of the log it has, as what, and who leads as it knows.

Others ask for it at any time, so it is known between two roles as well: while the store is open its
part in the group tells, and while nothing is open what was found when it was closed. For as long as
a role ends, or the folder is filled anew, nobody can say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.app.group.peers import STANDBY, Told, extent_of
from clew.app.group.porch import refuse_while_shut

if TYPE_CHECKING:
    from clew.base.errors import ClewError
    from clew.store.replication.part import Part
    from clew.store.replication.said import Extent
    from clew.store.replication.standing import Standing


class Whereabouts:
    """What a server knows of its own place, through all its roles. Belongs to one event loop."""

    def __init__(self, standing: Standing, url: str) -> None:
        """`standing` is what is known of leadership, on disk; `url` is where others reach us."""
        self.standing = standing
        self.url = url
        self.posture = STANDBY
        """As what other servers see this one while nothing is open."""
        self._part: Part | None = None
        self._extent: Extent | None = None

    def open(self, part: Part | None) -> None:
        """Go by an open store's part in the group from here on."""
        self._part = part

    def shut(self) -> None:
        """Know nothing of the log until it is told: it is being closed, or filled."""
        self._part, self._extent = None, None
        self.posture = STANDBY

    def settle(self, extent: Extent) -> None:
        """Take note of how much of the log is here while nothing is open."""
        self._extent = extent

    def own_extent(self) -> Extent:
        """Return how much of the log is here.

        Raises:
            ClewError: UNAVAILABLE while the store is being closed, or the folder filled.
        """
        if self._part is not None:
            return extent_of(self._part)
        if self._extent is None:
            raise self.refuse()
        return self._extent

    def heard_s(self) -> float | None:
        """Return how many seconds ago this standby heard a leader, None if it did not yet."""
        return None if self._part is None else self._part.status().heard_s

    def find_leader(self) -> str | None:
        """Return where another server that leads is reached, None where none is known."""
        return None if self.standing.is_leading else self.standing.leader_url

    def refuse(self) -> ClewError:
        """Return what to say to whoever asks for anything while nothing is open."""
        return refuse_while_shut(self.find_leader())

    def tell_position(self) -> Told | None:
        """Return what other servers ask for, while nothing is open; None while it is not known."""
        if self._extent is None:
            return None
        epoch, last = self._extent
        standing = self.standing
        return Told(
            epoch=standing.epoch,
            node_id=standing.node_id,
            leader=standing.leader,
            leader_url=standing.leader_url,
            led_epoch=standing.led[0],
            led_by=standing.led[1],
            role=self.posture,
            group=standing.group,
            last=last,
            last_epoch=epoch,
        )
