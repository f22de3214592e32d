"""What a consumer hears: link sets and the trace ids of items, as they come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.lineage.sbe.descriptor import decode_descriptor
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.header import Kind, Refused, read_kind
from clew.lineage.sbe.linkset import PARENTS_MAX, decode_link_set
from clew.lineage.transport.ring import LinkRing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.lineage.sbe.descriptor import FrameDescriptor
    from clew.lineage.sbe.linkset import TraceLinkSet
    from clew.lineage.transport.receiver import DatagramReceiver

POLL_LIMIT_DEFAULT: Final = 256
"""Messages of one poll: some milliseconds of work, after which the caller may look elsewhere."""


@dataclass(frozen=True, slots=True)
class PollerStatistics:
    """What came, since the poller was made. The three kinds add up to what was received."""

    received: int
    accepted: int
    """Sets and descriptors that are in order, whether or not somebody hears of them."""

    ignored: int
    """Messages of another schema, template or version 0: none of ours."""

    refused: Mapping[Fault, int]
    """Messages of ours that are not in order, by reason; every reason is there."""

    trailing_bytes: int
    """Bytes behind sets: padding, or fields that a later version has."""


class TraceLinkPoller:
    """Reads messages and hands them on, in the thread that polls. One thread at a time.

    Args:
        source: a ring of this process, or a socket.
        on_links: is called with each link set.
        on_trace_id: is called with each descriptor of an item.
        max_parents: sets that name more are refused.
    """

    def __init__(
        self,
        source: LinkRing | DatagramReceiver,
        on_links: Callable[[TraceLinkSet], None] | None = None,
        *,
        on_trace_id: Callable[[FrameDescriptor], None] | None = None,
        max_parents: int = PARENTS_MAX,
    ) -> None:
        self._source = source
        self._on_links = on_links
        self._on_trace_id = on_trace_id
        self._max_parents = max_parents
        self._received = 0
        self._accepted = 0
        self._ignored = 0
        self._trailing = 0
        self._refused = dict.fromkeys(Fault, 0)

    def poll(self, limit: int = POLL_LIMIT_DEFAULT, *, timeout_s: float = 0.0) -> int:
        """Read so many messages at most, and return how many there were.

        Waits for the first one, for `timeout_s` at most. What a callback raises comes out here;
        the message that it was called with is gone.
        """
        count = self._poll(limit)
        deadline = time.monotonic() + timeout_s
        while not count and limit > 0:
            left = deadline - time.monotonic()
            if left <= 0 or not self._source.wait(left):
                break
            count = self._poll(limit)
        return count

    def statistics(self) -> PollerStatistics:
        """Return what was counted."""
        return PollerStatistics(
            received=self._received,
            accepted=self._accepted,
            ignored=self._ignored,
            refused=dict(self._refused),
            trailing_bytes=self._trailing,
        )

    def close(self) -> None:
        """Close the socket that is read, if it is one."""
        if not isinstance(self._source, LinkRing):
            self._source.close()

    def _poll(self, limit: int) -> int:
        source = self._source
        read = self._read_ring if isinstance(source, LinkRing) else self._read_socket
        count = 0
        while count < limit and read():
            count += 1
        return count

    def _read_ring(self) -> bool:
        assert isinstance(self._source, LinkRing)
        try:
            slot = self._source.take()
        except IndexError:
            return False
        try:
            self._read(slot.view[: slot.size])
        finally:
            self._source.release(slot)
        return True

    def _read_socket(self) -> bool:
        assert not isinstance(self._source, LinkRing)
        message = self._source.receive()
        if message is None:
            return False
        self._read(message)
        return True

    def _read(self, message: memoryview) -> None:
        self._received += 1
        match read_kind(message):
            case Kind.LINK_SET:
                self._read_links(message)
            case Kind.DESCRIPTOR:
                self._read_descriptor(message)
            case Kind.OTHER:
                self._ignored += 1

    def _read_links(self, message: memoryview) -> None:
        decoded = decode_link_set(message, max_parents=self._max_parents)
        if isinstance(decoded, Refused):
            self._refused[decoded.fault] += 1
            return
        self._accepted += 1
        self._trailing += decoded.trailing
        if self._on_links is not None:
            self._on_links(decoded.value)

    def _read_descriptor(self, message: memoryview) -> None:
        decoded = decode_descriptor(message)
        if isinstance(decoded, Refused):
            self._refused[decoded.fault] += 1
            return
        self._accepted += 1
        if self._on_trace_id is not None:
            self._on_trace_id(decoded)
