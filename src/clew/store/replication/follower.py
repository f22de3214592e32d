"""The standby's part: frames that a leader sends, under the numbers that they have there.

Theory of operation. A request of a leader goes through the fence first. Then the epochs of both
logs are compared: what this one has and the leader's has not is cut off. Frames are appended as
they come and synced before the answer. They are *taken in* (decoded into rows, applied to the
registry) only once the leader has said that they are acknowledged. So nothing that may still be cut
off was ever seen, or is in the engine, or in what decoders remember; cutting off is a matter of
files. The leader sends the next frames while these are taken in; too many of them are refused.

What cannot be cut off any more, and what the leader's log does not reach back to, is a `need`: this
server has to begin anew from a snapshot.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.log.history import read_payload
from clew.store.log.receipt import Group
from clew.store.replication.position import WITHOUT_END, Position, find_common
from clew.store.replication.said import GapError, Need, Said, Shipment, check_not_own
from clew.store.replication.status import GroupStatus
from clew.store.replication.wire import Record, parse_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.store.log.history import History
    from clew.store.log.segment import FrameRef
    from clew.store.replication.part import Inside
    from clew.store.replication.standing import Standing

logger = logging.getLogger(__name__)

PENDING_BYTES_MAX: Final = 64 * 1024 * 1024
"""Frames in memory that are not taken in yet: as much as the leader's queue holds."""

STRETCH_RECORDS: Final = 500
"""So many frames are taken in and then seen together: a few milliseconds of small ones."""

ROOM_S: Final = 0.05
"""While the engine is behind it is looked so often whether there is room again."""

LOOK_S: Final = 0.1
"""While frames wait for the disk it is looked so often whether it refuses them."""

FULL_RETRY_MS: Final = 200

TURN_S_MAX: Final = 5.0
"""How long a request waits for the one before it. On a disk that hangs its sender has given up long
before, and what it sends again would take one thread after another from everything else here."""

SYNC_S_MAX: Final = 30.0
"""A disk that does not sync in this time is as good as gone; the leader gave up long before."""


@dataclass(frozen=True, slots=True)
class FollowerOptions:
    """How a standby is set.

    `on_snapshot_needed` is called once, from any thread, with the leader's URL; the follower's
    `need` says why. `origin` says where the registry comes from. `required` is how many standbys a
    record would wait for if this server led, and `on_required` hears, from any thread, of the
    leader's URL and how many it waits for.
    """

    on_snapshot_needed: Callable[[str | None], None] = field(default=lambda _url: None)
    origin: Callable[[], str] = field(default=lambda: "")
    required: int | None = None
    on_required: Callable[[str, int], None] = field(default=lambda _url, _required: None)


class Follower:
    """A server that follows a leader, from the opening of its pipeline to its end."""

    is_leader: Final = False
    is_settled: Final = True
    ack_timeout_s: Final = 0.0
    has_hope: Final = False

    def __init__(self, standing: Standing, options: FollowerOptions | None = None) -> None:
        self.standing = standing
        self.options = options or FollowerOptions()
        self.need: Need | None = None
        # One request at a time, the fence included.
        self._turn = threading.Lock()
        # Guards all that follows; notified when any of it changes.
        self._changed = threading.Condition()
        self._pending: deque[Record | FrameRef] = deque()
        self._pending_bytes = 0
        self._synced = 0
        self._last = 0
        self._told = 0
        self._taken = 0
        self._done = 0
        self._failure: ClewError | None = None
        self._is_closing = False
        self._heard: float | None = None
        self._leader_last = 0
        self._leader_required: int | None = None
        # Of whoever has the turn: what was compared last.
        self._aligned: tuple[int, object] | None = None
        self._goal = 0
        self._inside: Inside | None = None
        self._thread = threading.Thread(target=self._run, name="clew-follow", daemon=True)

    @property
    def inside(self) -> Inside:
        """What the pipeline lets its part use."""
        assert self._inside is not None, "the pipeline is open"
        return self._inside

    def begin(self, history: History, next_number: int) -> int:
        """See `Part.begin`. Frames bring their own epochs."""
        return max(history.epoch, self.standing.epoch)

    def connect(self, inside: Inside) -> None:
        """See `Part.connect`."""
        self._inside = inside
        self._last = self._synced = inside.log.next_number - 1
        self._told = self._taken = self._done = inside.acked
        self._pending.extend(inside.pending)
        self._thread.start()

    def check(self) -> None:
        """See `Part.check`. A standby takes nothing in.

        Raises:
            ClewError: UNAVAILABLE, naming the leader.
        """
        url = self.standing.leader_url
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            "this server is a standby",
            hint=f"send to {url}" if url else "send to the server that leads",
            retry_after_ms=1000,
        )

    def offer(self, record: Record) -> None:
        """See `Part.offer`. Nothing is appended here but by `take`."""
        raise AssertionError(f"frame {record.number} was appended by a standby")

    def hear_of_group(self, group: Group) -> None:
        """See `Part.hear_of_group`."""
        with self._changed:
            if group.failure is None:
                self._synced = group.last
            else:
                self._failure = group.error()
            self._changed.notify_all()

    def take(self, shipment: Shipment, body: bytes) -> Said:
        """Answer a leader's request: frames, a hello, or the claim of one that wants to lead.

        Blocks until everything in it is synced. Frames that are here already change nothing.

        Raises:
            FencedError: whoever sent it does not lead.
            GapError: frames before these are missing here.
            ClewError: INVALID_ARGUMENT for what is no frame; OVERLOADED or UNAVAILABLE when it is
                to be sent again later.
        """
        records = parse_records(body)
        if not self._turn.acquire(timeout=TURN_S_MAX):
            raise ClewError(
                ErrorCode.OVERLOADED,
                "the request before this one is not answered yet: its disk may hang",
                hint="send again after the time given",
                retry_after_ms=FULL_RETRY_MS,
            )
        try:
            if self._is_closing:
                raise ClewError(
                    ErrorCode.UNAVAILABLE, "the standby is closing", retry_after_ms=FULL_RETRY_MS
                )
            check_not_own(shipment, self.standing.node_id)
            if shipment.extent is not None and self.tell().extent > shipment.extent:
                # It will not lead, and whoever leads now is not to end for nothing.
                return self.tell()
            self.standing.accept(
                shipment.epoch, shipment.node, shipment.url, shipment.required, shipment.led
            )
            self._heard = time.monotonic()
            self._leader_last = max(shipment.last, self._leader_last)
            if shipment.starts is None:
                return self.tell()
            self._hear_required(shipment)
            # A hello hears it as well: else the leader would count on this server until the next
            # frame, and take in what nobody acknowledges.
            self._check_writable()
            self._align(shipment)
            if self.need is None and records:
                self._append(shipment, records)
                self._wait_synced(records[-1].number)
            if self.need is None:
                # Else the numbers here are not the leader's, and neither is its word about them.
                self._hear_acked(shipment.acked)
                if shipment.required is not None and self._synced >= self._goal:
                    self.standing.note_required(shipment.required)
            return self.tell()
        finally:
            self._turn.release()

    def tell(self) -> Said:
        """Return how far this server is."""
        with self._changed:
            position = Position(self.standing.starts, self._last)
            return Said(
                acked=self._synced,
                epoch=self.standing.epoch,
                node_id=self.standing.node_id,
                last=self._last,
                last_epoch=position.epoch_at(self._last),
                snapshot=self.need.value if self.need else None,
                required=self.options.required,
            )

    def count_copies(self, number: int | None = None) -> int:
        """Return how many servers are known to have a frame: this one."""
        return int((number or 0) <= self._synced)

    def describe_unknown(self) -> ClewError:
        """See `Part`."""
        raise AssertionError("a standby gives nobody an answer")

    def status(self) -> GroupStatus:
        """Return how the group is, as seen from here."""
        with self._changed:
            return GroupStatus(
                role="standby",
                node_id=self.standing.node_id,
                epoch=self.standing.epoch,
                leader=self.standing.leader,
                leader_url=self.standing.leader_url,
                required=0,
                acked=min(self._told, self._synced),
                last=self._last,
                leader_acked=self._told,
                leader_last=self._leader_last,
                leader_required=self._leader_required,
                need=self.need.value if self.need else None,
                heard_s=None if self._heard is None else time.monotonic() - self._heard,
            )

    def close(self) -> None:
        """See `Part.close`."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        # A request that is under way ends; after it nobody changes the standing through us.
        with self._turn:
            if self._thread.is_alive():
                self._thread.join()

    def _hear_required(self, shipment: Shipment) -> None:
        """Take note of how many standbys the leader has a record wait for."""
        if shipment.required == self._leader_required:
            return
        self._leader_required = shipment.required
        if shipment.required is not None:
            self.options.on_required(shipment.url or shipment.node, shipment.required)

    def _align(self, shipment: Shipment) -> None:
        """Cut off what the leader does not have, or find that a snapshot is needed."""
        key = (shipment.epoch, shipment.starts)
        if self._aligned != key:
            self._need(self._compare(shipment))
            if self.need is None:
                self._aligned = key
            # What the leader has and this server has not may have been acknowledged when it waited
            # for nobody. From here on it waits for as many as it says.
            self._goal = shipment.last
            if shipment.required is not None and (self.need or self._last < self._goal):
                self.standing.note_required(0)
        if self.need is None and self._last < shipment.oldest:
            self._need(Need.BEHIND)
            if shipment.required is not None:
                self.standing.note_required(0)

    def _compare(self, shipment: Shipment) -> Need | None:
        assert shipment.starts is not None
        with self._changed:
            floor = max(self._taken, self.inside.flushed())
        if self._last and not self.standing.starts:
            # It was written when this server was alone, and acknowledged there and then.
            return Need.FOREIGN
        # Of a log that nothing was taken in of, all can be cut off, whatever it is.
        is_ours = self.standing.group == shipment.group or not floor
        if shipment.origin != self.options.origin():
            return Need.REGISTRY
        common = find_common(
            Position(self.standing.starts, self._last), Position(shipment.starts, WITHOUT_END)
        )
        if common is None or self.standing.group != shipment.group:
            common = 0
        if not is_ours or (floor and not common):
            return Need.FOREIGN
        if common < self._last:
            with self._changed:
                if common < floor:
                    return Need.DIVERGED
                while self._pending and self._pending[-1].number > common:
                    self._forget_pending(self._pending.pop())
                self._told = min(self._told, common)
            logger.warning("frames %d to %d are not the leader's", common + 1, self._last)
            self.inside.log.cut_off(common)
            with self._changed:
                self._last = self._synced = common
        # Also an epoch that was noted and whose first frame never came to this disk: what comes
        # now under its number may be of another.
        self.standing.cut_off(self._last)
        with self._changed:
            # A former leader may have acknowledged more than came here; not of this one's frames.
            self._told = min(self._told, self._last)
        if shipment.group is not None:
            self.standing.join(shipment.group)
        return None

    def _need(self, need: Need | None) -> None:
        if need is None or self.need is not None:
            return
        self.need = need
        logger.warning("a snapshot of %s is needed: %s", self.standing.leader_url, need.value)
        self.options.on_snapshot_needed(self.standing.leader_url)

    def _append(self, shipment: Shipment, records: list[Record]) -> None:
        if shipment.after > self._last:
            raise GapError(self._last + 1)
        fresh = [record for record in records if record.number > self._last]
        if not fresh:
            return
        with self._changed:
            if self._pending_bytes > PENDING_BYTES_MAX:
                raise ClewError(
                    ErrorCode.OVERLOADED,
                    "frames come faster than they are taken in",
                    hint="send again after the time given",
                    retry_after_ms=FULL_RETRY_MS,
                )
        log = self.inside.log
        log.check_room(sum(record.size for record in fresh))
        for record in fresh:
            self._note_starts(shipment, record.number)
            log.append(
                record.kind,
                record.payload,
                received=record.received,
                oldest=record.oldest,
                number=record.number,
                epoch=record.epoch,
            )
            with self._changed:
                self._last = record.number
                self._pending.append(record)
                self._pending_bytes += record.size

    def _check_writable(self) -> None:
        with self._changed:
            failure = self._failure or self.inside.log.failure
        if failure is not None:
            raise failure

    def _note_starts(self, shipment: Shipment, number: int) -> None:
        """Remember the epoch of a frame before it is written, if it is the first of it."""
        assert shipment.starts is not None
        newest = self.standing.starts[-1][0] if self.standing.starts else -1
        for epoch, first in shipment.starts:
            if epoch > newest and first <= number:
                self.standing.note_start(epoch, max(first, self._last + 1))

    def _wait_synced(self, number: int) -> None:
        """Wait for the disk; the leader is told what is wrong with it, at once where it says so."""

        def is_over() -> bool:
            return (
                self._synced >= min(number, self._last)
                or self._failure is not None
                or self._is_closing
                or self.inside.log.failure is not None
            )

        deadline = time.monotonic() + SYNC_S_MAX
        with self._changed:
            # The log says to nobody that it fails, and goes on trying.
            while not self._changed.wait_for(is_over, LOOK_S) and time.monotonic() < deadline:
                continue
            if self._synced >= min(number, self._last):
                return
        raise (
            self._failure
            or self.inside.log.failure
            or ClewError(ErrorCode.UNAVAILABLE, "the standby is closing, or its disk does not sync")
        )

    def _hear_acked(self, acked: int) -> None:
        with self._changed:
            if acked > self._told:
                self._told = acked
                self._changed.notify_all()
            self.inside.log.note_acked(min(self._told, self._synced))

    def _run(self) -> None:
        try:
            while (stretch := self._next_stretch()) is not None:
                if not self._wait_for_room():
                    return
                records = [_read(each) for each in stretch]
                self.inside.take_in(records)
                self.inside.settle(Group(records[0].number, records[-1].number))
                with self._changed:
                    self._done = records[-1].number
                    for each in stretch:
                        self._forget_pending(each)
                    self._changed.notify_all()
        except Exception as error:
            # The boundary of the thread: the leader must hear that nothing gets on here.
            logger.exception("taking frames in failed")
            with self._changed:
                self._failure = ClewError(
                    ErrorCode.UNAVAILABLE,
                    f"the standby cannot take frames in: {error}",
                    hint="its log names the cause; restart it",
                    retry_after_ms=1000,
                )

    def _next_stretch(self) -> list[Record | FrameRef] | None:
        """Wait for frames that are acknowledged and synced; None at the end."""
        with self._changed:
            while not self._is_closing:
                through = min(self._told, self._synced)
                stretch: list[Record | FrameRef] = []
                while (
                    self._pending
                    and self._pending[0].number <= through
                    and len(stretch) < STRETCH_RECORDS
                ):
                    stretch.append(self._pending.popleft())
                if stretch:
                    self._taken = stretch[-1].number
                    return stretch
                self._changed.wait()
            return None

    def _wait_for_room(self) -> bool:
        """Wait until the engine has caught up; return False at the end."""
        while True:
            try:
                self.inside.check_room()
            except ClewError:
                with self._changed:
                    if self._changed.wait_for(lambda: self._is_closing, ROOM_S):
                        return False
            else:
                return True

    def _forget_pending(self, each: Record | FrameRef) -> None:
        if isinstance(each, Record):
            self._pending_bytes -= each.size


def _read(each: Record | FrameRef) -> Record:
    if isinstance(each, Record):
        return each
    return Record(
        each.number, each.epoch, each.kind, each.received, each.oldest, read_payload(each)
    )
