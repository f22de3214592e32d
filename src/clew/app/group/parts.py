"""What an open store asks its group through: made anew for each role, as a leader or a follower.

What a part hears that ends its role (another one leads, a snapshot is needed) becomes a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.app.group.promises import Promises
from clew.app.group.turn import Change, Turn
from clew.store.replication.follower import Follower, FollowerOptions
from clew.store.replication.leader import Leader, LeaderOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.app.configuration.settings import Configuration
    from clew.app.group.peers import Peers
    from clew.app.group.turn import Changes
    from clew.app.group.whereabouts import Whereabouts
    from clew.store.replication.said import Need


class Parts:
    """Makes the parts of one server. Belongs to one event loop; a part calls back from threads."""

    def __init__(
        self,
        configuration: Configuration,
        where: Whereabouts,
        peers: Peers,
        changes: Changes,
        *,
        required: int,
        may_acknowledge: Callable[[], bool],
    ) -> None:
        """`required` standbys have each record; `may_acknowledge` is asked from any thread."""
        self._configuration = configuration
        self._where = where
        self._peers = peers
        self._changes = changes
        self._required = required
        self._may_acknowledge = may_acknowledge
        self._promises = Promises(required)
        self._follower: Follower | None = None
        self.need: Need | None = None
        """Why the last follower has to begin anew; None unless it has."""

    def make(self, origin: Callable[[], str], *, leads: bool) -> Leader | Follower:
        """Return the part of one opening; `origin` tells where the registry's rows come from."""
        return self._lead(origin) if leads else self._follow(origin)

    def _lead(self, origin: Callable[[], str]) -> Leader:
        configuration = self._configuration
        return Leader(
            self._where.standing,
            LeaderOptions(
                standbys=configuration.standby,
                connect=self._peers.connect,
                url=self._where.url,
                required=configuration.required_acks,
                ack_timeout_s=configuration.ack_timeout,
                may_acknowledge=self._may_acknowledge,
                on_fenced=self._hear_fence,
                origin=origin,
                on_required=self._promises.hear,
            ),
        )

    def _follow(self, origin: Callable[[], str]) -> Follower:
        self.need = None
        self._follower = Follower(
            self._where.standing,
            FollowerOptions(
                on_snapshot_needed=self._hear_need,
                origin=origin,
                required=self._required,
                on_required=self._promises.hear,
            ),
        )
        return self._follower

    def _hear_fence(self, epoch: int, leader: str | None, url: str | None) -> None:
        """Take note that another server leads. From any thread."""
        whom = url or leader or "another server"
        why = f"{whom} leads under epoch {epoch}: following it"
        self._changes.add(Change(Turn.FOLLOW, why))

    def _hear_need(self, url: str | None) -> None:
        """Take note that this standby has to begin anew. From any thread."""
        self.need = None if self._follower is None else self._follower.need
        self._changes.add(Change(Turn.SNAPSHOT, f"beginning anew from a snapshot of {url}"))
