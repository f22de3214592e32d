"""What a stage tells of its outputs: never in its way.

`emit` checks a set, writes it into a slot that was made beforehand, and returns. It does not wait
and does not raise, whatever it is given. What did not go out is counted by its reason.
"""

from __future__ import annotations

import struct
import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.layout import NULL_TRACE_ID
from clew.lineage.native import native_encoder
from clew.lineage.sbe.descriptor import BLOCK_BYTES as DESCRIPTOR_BLOCK_BYTES
from clew.lineage.sbe.descriptor import DESCRIPTOR_BYTES, MESSAGE, NO_TIME, NO_VERSION
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.header import CONTROL_SCHEMA, DESCRIPTOR_TEMPLATE, VERSION
from clew.lineage.sbe.linkset import (
    PARENTS_MAX,
    PARENTS_MAX_DEFAULT,
    find_fault,
    write_sound_set,
)
from clew.lineage.tally import Tally
from clew.lineage.transport.address import LINKS_DEFAULT, parse_address
from clew.lineage.transport.ring import SLOTS_DEFAULT, LinkRing
from clew.lineage.transport.sender import CLOSE_S, DatagramSender, Drop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.lineage.native import EncodeLinkSet
    from clew.lineage.transport.ring import Slot

__all__ = ["Drop", "PublisherStatistics", "TraceLinkPublisher"]

STREAM_ID_MAX: Final = 2**32 - 1
EPOCH_MAX: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class PublisherStatistics:
    """What became of all that a publisher was given, since it was made."""

    accepted: int
    """Messages that were put into a slot."""

    sent: int
    """Of those, how many the system took; in a ring, where no datagrams go, always 0."""

    waiting: int
    """Messages in slots now; of a shared ring, those of all its publishers."""

    dropped: Mapping[Drop | Fault, int]
    """Messages that were lost or refused, by reason; every reason is there."""

    untraced_parents: int
    """Parents that were 0 and left out."""

    duplicate_parents: int
    """Parents that were named before and left out."""


class TraceLinkPublisher:
    """Publishes the link sets of one stream. From any thread; several may publish at once.

    Args:
        to: ``udp://HOST:PORT``, ``unix:///PATH``, or a ring that a poller of this process reads.
        stream_id: of the outputs, 0 to 2^32 - 1.
        epoch: of the outputs, until `update_epoch` says another.
        max_parents: of one set; a ring has its own.
        slots: messages that may wait; a ring has its own.

    Raises:
        ClewError: INVALID_ARGUMENT where one of them cannot be.
    """

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_claim",
        "_commit",
        "_count_accepted",
        "_dropped",
        "_duplicate",
        "_is_closed",
        "_origin",
        "_ring",
        "_sender",
        "_streams",
        "_untraced",
        "_write",
        "epoch",
        "max_parents",
        "stream_id",
    )

    def __init__(
        self,
        to: str | LinkRing = LINKS_DEFAULT,
        *,
        stream_id: int,
        epoch: int = 0,
        max_parents: int = PARENTS_MAX_DEFAULT,
        slots: int = SLOTS_DEFAULT,
    ) -> None:
        check_range("stream_id", stream_id, STREAM_ID_MAX)
        check_range("epoch", epoch, EPOCH_MAX)
        self._sender: DatagramSender | None = None
        if isinstance(to, LinkRing):
            ring = to
        else:
            address = parse_address(to)
            ring = LinkRing(slots, max_parents=max_parents)
            self._sender = DatagramSender(ring, address)
            self._sender.start()
        self._ring = ring
        self.stream_id: Final = stream_id
        self.epoch = epoch
        self.max_parents: Final = ring.max_parents
        self._write: EncodeLinkSet = native_encoder() or write_sound_set
        self._accepted = Tally()
        self._dropped: Mapping[Drop | Fault, Tally] = {
            reason: Tally() for reason in (*Drop, *Fault)
        }
        self._untraced = Tally()
        self._duplicate = Tally()
        self._claim = ring.claim
        self._commit = ring.commit
        self._count_accepted = self._accepted.add
        self._is_closed = False
        self._origin: TraceLinkPublisher | None = None
        self._streams: weakref.WeakSet[TraceLinkPublisher] = weakref.WeakSet()
        if self._sender is not None:
            # Whoever forgets a publisher does not wait for it; the end of the program does.
            weakref.finalize(self, self._sender.stop).atexit = False

    def emit(
        self, seq: int, trace_id: int, parents: Sequence[int], *, epoch: int | None = None
    ) -> bool:
        """Publish which inputs an output was made of; return whether it is on its way.

        Parents that are 0, and those named twice, are left out and counted. Never raises, never
        waits. Call it when the output itself is out, with the number that it got.

        Args:
            seq: the output's number in its stream.
            trace_id: the output's, not 0 and none of the parents.
            parents: trace ids of all inputs, in the order observed.
            epoch: the output's, where that is not the publisher's any more.
        """
        try:
            slot = self._claim()
        except IndexError:
            return self._drop_full()
        try:
            # Nothing here is a call of ours that need not be: each takes as long as what it does.
            size = self._write(
                slot.head,
                self.stream_id,
                self.epoch if epoch is None else epoch,
                seq,
                trace_id,
                parents,
                self.max_parents,
            )
        except Exception:  # noqa: BLE001 - what is traced must not break; `parents` may be anything
            size = 0
        if size <= 0:
            written = self._write_tidied(
                slot, self.epoch if epoch is None else epoch, seq, trace_id, parents
            )
            if not isinstance(written, int):
                return self._give_back(slot, written)
            size = written
        slot.size = size
        self._commit(slot)
        self._count_accepted()
        if self._ring.is_idle:
            self._wake()
        return True

    def describe(
        self,
        seq: int,
        trace_id: int,
        *,
        epoch: int | None = None,
        timestamp_ns: int | None = None,
        meta_version: int | None = None,
    ) -> bool:
        """Publish which trace id an output has; return whether it is on its way.

        That is its `FrameDescriptor`. Never raises, never waits.

        Args:
            seq: the output's number in its stream.
            trace_id: the output's, 0 where it is not traced.
            epoch: the output's, where that is not the publisher's any more.
            timestamp_ns: when it was put out, in Unix nanoseconds.
            meta_version: of the stream's metadata.
        """
        try:
            slot = self._claim()
        except IndexError:
            return self._drop_full()
        try:
            MESSAGE.pack_into(
                slot.view,
                0,
                *(DESCRIPTOR_BLOCK_BYTES, DESCRIPTOR_TEMPLATE, CONTROL_SCHEMA, VERSION),
                *(self.stream_id, self.epoch if epoch is None else epoch, seq),
                NO_TIME if timestamp_ns is None else timestamp_ns,
                NO_VERSION if meta_version is None else meta_version,
                trace_id,
            )
        except struct.error:
            return self._give_back(slot, Fault.OUT_OF_RANGE)
        except Exception:  # noqa: BLE001 - as above; a number of a program's own may raise anything
            return self._give_back(slot, Drop.INVALID)
        slot.size = DESCRIPTOR_BYTES
        return self._send(slot)

    def open_stream(self, stream_id: int, *, epoch: int | None = None) -> TraceLinkPublisher:
        """Return a publisher of another stream that goes the same way: slots and thread are shared.

        What its statistics tell of sending is of all that share. It ends with this one.

        Args:
            stream_id: of the outputs, 0 to 2^32 - 1.
            epoch: of the outputs, this one's where none is given.

        Raises:
            ClewError: INVALID_ARGUMENT where one of them cannot be.
        """
        made = TraceLinkPublisher(
            self._ring, stream_id=stream_id, epoch=self.epoch if epoch is None else epoch
        )
        made._join(self if self._origin is None else self._origin)
        return made

    def update_epoch(self, epoch: int) -> None:
        """Publish with another epoch from now on.

        Raises:
            ClewError: INVALID_ARGUMENT for one that the wire cannot carry.
        """
        check_range("epoch", epoch, EPOCH_MAX)
        self.epoch = epoch

    def statistics(self) -> PublisherStatistics:
        """Return what was counted."""
        dropped = {reason: tally.read() for reason, tally in self._dropped.items()}
        sender = self._sender
        if sender is not None:
            for reason, count in sender.dropped.items():
                dropped[reason] += count
        return PublisherStatistics(
            accepted=self._accepted.read(),
            sent=sender.sent if sender is not None else 0,
            waiting=self._ring.waiting,
            dropped=dropped,
            untraced_parents=self._untraced.read(),
            duplicate_parents=self._duplicate.read(),
        )

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Send what waits, for so long at most. From now on everything is dropped as closed.

        A publisher that nobody has any more, or that the program ends with, is closed as well.
        """
        self._is_closed = True
        self._claim = _no_slot
        for stream in tuple(self._streams):
            stream.close()
        if self._sender is not None and self._origin is None:
            self._sender.close(timeout_s)

    def __enter__(self) -> TraceLinkPublisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _join(self, origin: TraceLinkPublisher) -> None:
        """Go the way of another one, and end with it."""
        # It also keeps whoever has the thread from being forgotten.
        self._origin = origin
        self._sender = origin._sender
        origin._streams.add(self)
        if origin._is_closed:
            self.close()

    def _write_tidied(
        self, slot: Slot, epoch: int, seq: int, trace_id: int, parents: Sequence[int]
    ) -> int | Fault | Drop:
        """Write a set that is long, or not in order as it stands; or return why it cannot be."""
        # What is raised here is raised again below, where it is looked at.
        with suppress(Exception):
            size = self._write(
                *(slot.view, self.stream_id, epoch, seq, trace_id, parents, self.max_parents)
            )
            if size > 0:
                return size
        try:
            if len(parents) > PARENTS_MAX:
                return Fault.TOO_MANY_PARENTS
            kept = tuple(self._tidied(parents))
            fault = find_fault(trace_id, kept, self.max_parents)
            if fault is not None:
                return fault
            return write_sound_set(
                *(slot.view, self.stream_id, epoch, seq, trace_id, kept, self.max_parents)
            )
        except struct.error:
            return Fault.OUT_OF_RANGE
        except Exception:  # noqa: BLE001 - as above
            return Drop.INVALID

    def _tidied(self, parents: Sequence[int]) -> dict[int, None]:
        """Return the parents that are no zeros, each once, in their order; count the others."""
        kept = dict.fromkeys(parents)
        given = len(parents)
        if NULL_TRACE_ID in kept:
            del kept[NULL_TRACE_ID]
            untraced = sum(parent == NULL_TRACE_ID for parent in parents)
            given -= untraced
            for _ in range(untraced):
                self._untraced.add()
        for _ in range(given - len(kept)):
            self._duplicate.add()
        return kept

    def _send(self, slot: Slot) -> bool:
        self._commit(slot)
        self._count_accepted()
        if self._ring.is_idle:
            self._wake()
        return True

    def _wake(self) -> None:
        if self._sender is None:
            self._ring.wake()
            return
        try:
            self._sender.wake()
        except RuntimeError:
            # The interpreter ends and takes no more threads: what waits is sent by nobody.
            self._drop(Drop.FAILED)

    def _give_back(self, slot: Slot, reason: Drop | Fault) -> bool:
        """Release a slot that holds no message, and count why."""
        self._ring.release(slot)
        return self._drop(reason)

    def _drop_full(self) -> bool:
        if self._is_closed:
            return self._drop(Drop.CLOSED)
        self._ring.hurry()
        return self._drop(Drop.FULL)

    def _drop(self, reason: Drop | Fault) -> bool:
        self._dropped[reason].add()
        return False


def _no_slot() -> Slot:
    """Stand in for a ring's `claim` when its publisher is closed."""
    raise IndexError


def check_range(name: str, value: int, highest: int) -> None:
    """Raise unless a number is one that the wire can carry.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    if not 0 <= value <= highest:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, f"{name} {value} is not in 0 to {highest}")
