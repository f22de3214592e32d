"""The leader's part: frames are acknowledged once as many other servers have them as was promised.

Theory of operation. A frame is offered to the standbys as it is handed to the log, so that it is
written here and there at the same time. Each standby has a thread of its own (`Peer`) that tells
up to which number it has synced. What this server has synced, and so many others as was promised,
is *acknowledged*: told to the pipeline in order, and to the standbys with the next request.

Nothing that was once offered can be taken back: it may be there although it is not here, or the
answer was lost. So a record whose acknowledgement does not come in time has an unknown outcome; it
stays in the log, unseen, and is acknowledged when the standbys are back. What comes while too few
are there is refused before it is written.

What a leader finds undecided when it opens is of earlier epochs. Copies of it prove nothing: a
server that has a frame of a later epoch, and not these, would still be thought ahead of those that
have them, lead, and cut them off. So a leader begins such a log with a frame of its own, and
acknowledges what was before it together with it.

A leader that hears of a larger epoch is *fenced*: from that moment it acknowledges nothing, and
says so once (`on_fenced`). The claim of another and the settling of frames are under one lock, so
whatever was acknowledged was so before the claim was answered.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import OutcomeUnknownError
from clew.store.log.receipt import Group
from clew.store.replication.peer import Peer, PeerState
from clew.store.replication.position import Position
from clew.store.replication.reader import oldest_after
from clew.store.replication.said import Said, Shipment, check_not_own
from clew.store.replication.status import GroupStatus
from clew.store.replication.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.store.log.history import History
    from clew.store.replication.part import Inside
    from clew.store.replication.peer import Connection
    from clew.store.replication.standing import Standing
    from clew.store.replication.wire import Record

logger = logging.getLogger(__name__)

HEARTBEAT_S: Final = 1.0
"""A standby that has everything hears so often that the leader is there."""

TICK_S: Final = 0.25
"""So often it is looked whether commits of the registry wait too long."""

SHORT_RETRY_MS: Final = 1000
"""Told to a client while too few standbys are there: a standby is tried again as often."""


@dataclass(frozen=True, slots=True)
class LeaderOptions:
    """How a leader is set.

    `standbys` are the URLs of the other servers, and `connect` opens a connection to one, with the
    seconds that an answer may take; `required` says how many of them must have a frame
    before it is acknowledged, None for all. `url` is where others reach this server. A record waits
    for them up to `ack_timeout_s`. `may_acknowledge` is asked right before frames are settled, and
    False leaves them undecided; `on_fenced` is called once, from any thread, with the epoch, id and
    URL of who leads instead. `origin` says where the registry comes from. `on_required` hears, from
    any thread, of a standby's URL and how many a record would wait for if that one led.
    """

    standbys: Sequence[str]
    connect: Callable[[str, float], Connection]
    url: str | None = None
    required: int | None = None
    ack_timeout_s: float = 10.0
    may_acknowledge: Callable[[], bool] = field(default=lambda: True)
    on_fenced: Callable[[int, str | None, str | None], None] = field(
        default=lambda _epoch, _leader, _url: None
    )
    origin: Callable[[], str] = field(default=lambda: "")
    on_required: Callable[[str, int], None] = field(default=lambda _url, _required: None)


class Leader:
    """A server that leads a group, from the opening of its pipeline to its end."""

    is_leader: Final = True

    def __init__(self, standing: Standing, options: LeaderOptions) -> None:
        """Prepare. The standing leads under an epoch in which nothing was written yet."""
        self.standing = standing
        self.options = options
        count = len(options.standbys)
        self.required = count if options.required is None else min(options.required, count)
        self.epoch = 0
        # Guards all that follows; notified when frames are offered, acknowledged or fenced.
        self.changed = threading.Condition()
        self.is_closing = False
        self.is_fenced = False
        self.window = Window(0)
        self.settled = 0
        # Told without the lock: whoever answers a client asks it.
        self.is_settled = False
        self._own = 0
        self._undecided = 0
        self._peers: list[Peer] = []
        self._inside: Inside | None = None
        self._ticker = threading.Thread(target=self._tick, name="clew-acks", daemon=True)

    def begin(self, history: History, next_number: int) -> int:
        """See `Part.begin`."""
        if not self.standing.is_leading:
            raise ClewError(
                ErrorCode.CONFLICT,
                "this server does not lead",
                hint="clew promote makes it the leader",
            )
        noted = max((epoch for epoch, _ in self.standing.starts), default=0)
        if self.standing.epoch <= max(history.epoch, noted):
            # What others have of the epoch may not be what is here: a frame may have reached them
            # before the last crash and not this disk.
            fresh = max(history.epoch, noted, self.standing.epoch) + 1
            url = self.options.url or self.standing.leader_url
            self.standing.lead(fresh, url, self.required)
        self.epoch = self.standing.epoch
        if not self.standing.starts and next_number > 1:
            # All of when it was alone counts as one epoch: nobody else wrote anything then.
            self.standing.note_start(max(history.epoch, 0), 1)
        self.standing.note_start(self.epoch, next_number)
        return self.epoch

    def connect(self, inside: Inside) -> None:
        """See `Part.connect`."""
        self._inside = inside
        self._own = inside.log.next_number - 1
        self.settled = inside.acked
        self._undecided = self._own
        self.window = Window(self._own)
        self._peers = [Peer(self, url) for url in self.options.standbys]
        with self.changed:
            self.is_settled = self.settled >= self._undecided
            self._advance()
        for peer in self._peers:
            peer.start()
        self._ticker.start()

    @property
    def inside(self) -> Inside:
        """What the pipeline lets its part use."""
        assert self._inside is not None, "the pipeline is open"
        return self._inside

    @property
    def ack_timeout_s(self) -> float:
        """See `Part`."""
        return self.options.ack_timeout_s

    @property
    def has_hope(self) -> bool:
        """See `Part`."""
        ready = sum(peer.is_ready for peer in self._peers)
        return not self.is_fenced and ready >= self.required

    def offer(self, record: Record) -> None:
        """See `Part.offer`."""
        with self.changed:
            self.window.push(record)
            self.changed.notify_all()

    def hear_of_group(self, group: Group) -> None:
        """See `Part.hear_of_group`."""
        with self.changed:
            if group.failure is None:
                self._own = group.last
                self._advance()
                return
        # The log is closing: what was not written here may be on a standby all the same.
        unknown = self.describe_unknown(group.failure.message)
        self.inside.settle(Group(group.first, group.last, unknown))

    def hear_of_peer(self) -> None:
        """Take note that a standby has more than before. The caller holds `changed`."""
        self._advance()
        following = [p.position for p in self._peers if p.state is PeerState.FOLLOWING]
        if following:
            self.window.forget(min(*following, self.settled))

    def find_twin(self, peer: Peer, node_id: str | None) -> Peer | None:
        """Return another standby that counts already and has this id. The caller holds `changed`.

        One server under two addresses would count as two that have each record.
        """
        counts = (PeerState.FOLLOWING, PeerState.CATCHING_UP)
        others = (each for each in self._peers if each is not peer and each.state in counts)
        return next(
            (each for each in others if node_id is not None and each.node_id == node_id), None
        )

    def check(self) -> None:
        """See `Part.check`.

        Raises:
            ClewError: UNAVAILABLE, naming the standbys that are missing.
        """
        if self.is_fenced or not self.options.may_acknowledge():
            raise self._not_leading()
        if not self.required:
            return
        missing = [peer for peer in self._peers if not peer.is_ready]
        if len(self._peers) - len(missing) < self.required:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                f"{self.required} of the standbys must have each record, and "
                f"{len(self._peers) - len(missing)} are there; "
                f"missing: {', '.join(p.describe() for p in missing)}",
                hint="start them, or ask for fewer with --required-acks; nothing was written",
                retry_after_ms=SHORT_RETRY_MS,
            )

    def fence(self, epoch: int, leader: str | None, url: str | None) -> None:
        """Acknowledge nothing from now on: another server leads. Again does nothing."""
        with self.changed:
            if self.is_fenced or epoch < self.epoch:
                return
            self.is_fenced = True
            self.changed.notify_all()
        logger.warning("epoch %d is over: epoch %d of %s leads", self.epoch, epoch, url or leader)
        self.options.on_fenced(epoch, leader, url)

    def describe_unknown(self, reason: str | None = None) -> OutcomeUnknownError:
        """Return the error of a record of which nobody knows whether it will be acknowledged."""
        missing = [peer.describe() for peer in self._peers if not peer.is_ready]
        why = reason or (f"missing: {', '.join(missing)}" if missing else "they are slow")
        return OutcomeUnknownError(
            ErrorCode.UNAVAILABLE,
            f"the outcome is not known: {self.required} standbys must have the record and did not "
            f"say so in {self.options.ack_timeout_s:g} s ({why})",
            hint="send the same again: it is counted once",
            retry_after_ms=SHORT_RETRY_MS,
        )

    def count_copies(self, number: int | None = None) -> int:
        """Return how many servers have a frame, or all that is acknowledged; this one included."""
        with self.changed:
            if number is None:
                number = self.settled
            return (number <= self._own) + sum(p.position >= number for p in self._peers)

    def status(self) -> GroupStatus:
        """Return how the group is, as seen from here."""
        folder = self.inside.log.folder
        with self.changed:
            return GroupStatus(
                role="leader",
                node_id=self.standing.node_id,
                epoch=self.epoch,
                leader=self.standing.leader,
                leader_url=self.standing.leader_url,
                required=self.required,
                acked=self.settled,
                last=self._own,
                is_fenced=self.is_fenced,
                standbys=tuple(peer.status(self.window, folder, self._own) for peer in self._peers),
                is_settled=self.is_settled,
            )

    def describe_shipment(self, after: int) -> Shipment:
        """Return what a request to a standby says of us, whose frames follow on a number."""
        standing = self.standing
        return Shipment(
            epoch=self.epoch,
            node=standing.node_id,
            url=self.options.url or standing.leader_url,
            group=standing.group,
            after=after,
            acked=self.settled,
            oldest=oldest_after(self.inside.log.folder),
            last=self.inside.log.next_number - 1,
            starts=standing.starts,
            origin=self.options.origin(),
            required=self.required,
        )

    def take(self, shipment: Shipment, body: bytes) -> Said:
        """Answer another server that says it leads: it does, if its epoch is larger.

        A claim of one that lacks something that is here changes nothing.

        What it ships is not for a leader: this server has to open as a standby first.

        Raises:
            FencedError: it does not.
            ClewError: UNAVAILABLE for everything but a claim.
        """
        check_not_own(shipment, self.standing.node_id)
        with self.changed:
            if self.is_closing:
                raise self._not_leading()
            if shipment.extent is not None and self.tell().extent > shipment.extent:
                return self.tell()
            # Under the lock that settles: what was acknowledged was so before this is answered.
            self.standing.accept(
                shipment.epoch, shipment.node, shipment.url, shipment.required, shipment.led
            )
        self.fence(shipment.epoch, shipment.node, shipment.url)
        if shipment.starts is not None:
            raise self._not_leading()
        return self.tell()

    def tell(self) -> Said:
        """Return how far this server is."""
        with self.changed:
            last = self.inside.log.next_number - 1
            return Said(
                acked=self._own,
                epoch=self.standing.epoch,
                node_id=self.standing.node_id,
                last=last,
                last_epoch=Position(self.standing.starts, last).epoch_at(last),
                required=self.required,
            )

    def close(self) -> None:
        """See `Part.close`. What is undecided stays so."""
        with self.changed:
            self.is_closing = True
            self.changed.notify_all()
        for peer in self._peers:
            peer.close()
        if self._ticker.is_alive():
            self._ticker.join()

    def _advance(self) -> None:
        """Settle what enough servers have. The caller holds `changed`."""
        reach = self._own
        if self.required:
            positions = sorted((peer.position for peer in self._peers), reverse=True)
            reach = min(reach, positions[self.required - 1])
        if reach <= max(self.settled, self._undecided):
            return
        if self.is_fenced or not self.options.may_acknowledge():
            return
        first, self.settled = self.settled + 1, reach
        self.inside.log.note_acked(reach)
        self.inside.settle(Group(first, reach))
        self.is_settled = True
        self.changed.notify_all()

    def _tick(self) -> None:
        """Give an answer to commits of the registry that wait too long, until the end."""
        while True:
            with self.changed:
                if self.changed.wait_for(lambda: self.is_closing, TICK_S):
                    return
                # A lease that was renewed late lets go on what had to wait for it.
                self._advance()
            self.inside.expire(time.monotonic(), self.describe_unknown)

    def _not_leading(self) -> ClewError:
        url = self.standing.leader_url
        return ClewError(
            ErrorCode.UNAVAILABLE,
            "this server does not lead any more",
            hint=f"send to {url}" if url else "send to the server that leads",
            retry_after_ms=SHORT_RETRY_MS,
        )
