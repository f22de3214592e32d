"""A server's place in its group, as its doors tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.app.group.promises import find_difference
from clew.base.gathering import BEGINNING, LEADER, STANDBY
from clew.surfaces.group import refuse_write
from clew.telemetry.group import GroupStatus, PeerStatus, Promotion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.app.group.candidacy import LeaseSeen
    from clew.app.group.promotion import Promotions
    from clew.base.errors import ClewError
    from clew.store.replication.part import Part
    from clew.store.replication.standing import Standing
    from clew.store.replication.status import GroupStatus as PartStatus

FOLLOWING: Final = "following"
"""The state of a standby that has everything."""


class Place:
    """Implements `clew.surfaces.group.Group` for as long as a server is open in one role."""

    def __init__(
        self,
        describe: Callable[[Part | None], GroupStatus],
        promotions: Promotions,
        *,
        leads: bool,
    ) -> None:
        """`describe` says where the server stands, by its part in this role."""
        self._describe = describe
        self._promotions = promotions
        self._leads = leads
        self._is_settled = False
        self.part: Part | None = None

    @property
    def leads(self) -> bool:
        """See `Group`."""
        return self._leads

    @property
    def role(self) -> str:
        """See `Group`."""
        if not self._leads:
            return STANDBY
        if not self._is_settled:
            # Once it is, it stays so.
            self._is_settled = self.part is not None and self.part.is_settled
        return LEADER if self._is_settled else BEGINNING

    def refusal(self) -> ClewError:
        """See `Group`."""
        return refuse_write(self.status())

    def count_copies(self) -> int:
        """See `Group`."""
        assert self.part is not None, "the server is open"
        return self.part.count_copies()

    def status(self) -> GroupStatus:
        """See `Group`."""
        return self._describe(self.part)

    async def promote(self, *, force: bool) -> Promotion:
        """See `Group`."""
        return await self._promotions.ask(leads=self._leads, force=force)


def describe_standing(
    standing: Standing,
    part: Part | None,
    *,
    leads: bool,
    url: str,
    required: int,
    others: Sequence[str],
    lease: LeaseSeen | None,
    detail: str | None,
) -> GroupStatus:
    """Return where a server stands; `part` is None while nothing is open."""
    told = None if part is None else part.status()
    return GroupStatus(
        enabled=True,
        role="leader" if leads else "standby",
        is_leader=leads,
        node_id=standing.node_id,
        url=url,
        epoch=standing.epoch,
        leader=standing.leader,
        leader_url=standing.leader_url,
        acked=0 if told is None else told.acked,
        last=0 if told is None else told.last,
        behind=None if told is None else count_behind(told),
        required_acks=required,
        group=standing.group,
        settled=told is None or told.is_settled,
        others=list(others),
        heard_seconds=None if told is None else told.heard_s,
        lease=None if lease is None else lease.address,
        lease_holder=None if lease is None else lease.holder,
        lease_seconds_left=None if lease is None else lease.left_s,
        lease_error=None if lease is None else lease.error,
        peers=[] if told is None else describe_peers(told),
        detail=(told.need if told is not None else None) or detail,
        warning=None if told is None else find_difference(required, told),
    )


def count_behind(told: PartStatus) -> int | None:
    """Return how many frames of its leader a standby is known to lack."""
    if told.role == "leader":
        return 0
    return None if told.leader_last is None else max(0, told.leader_last - told.last)


def describe_peers(told: PartStatus) -> list[PeerStatus]:
    """Return how the standbys of a leader are."""
    return [
        PeerStatus(
            url=each.url,
            ok=each.error is None and each.state == FOLLOWING,
            acked=each.acked,
            behind=each.frames_behind,
            detail=each.error or each.state.replace("_", " "),
            required_acks=each.required,
        )
        for each in told.standbys
    ]
