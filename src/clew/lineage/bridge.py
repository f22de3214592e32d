"""Link sets from one network to another, under the stream that their items have there.

A bridge that carries items gives them another stream on its far side. What it carries beside them
says the same with that stream's id; epoch, number, trace id and parents stay. Whoever joins links
to items behind a bridge does it by trace id, or by the stream of the far side.

An item has one trace id. A set that gives another to an item that was told of before is left out,
as a bridge of items leaves out an item whose pieces disagree; the one before has already gone.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.poller import POLL_LIMIT_DEFAULT, TraceLinkPoller
from clew.lineage.publisher import STREAM_ID_MAX, Drop, TraceLinkPublisher
from clew.lineage.sbe.faults import Fault
from clew.lineage.sbe.linkset import PARENTS_MAX_DEFAULT
from clew.lineage.transport.address import parse_address
from clew.lineage.transport.ring import SLOTS_DEFAULT, LinkRing
from clew.lineage.transport.sender import CLOSE_S, DatagramSender

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.lineage.poller import PollerStatistics
    from clew.lineage.sbe.linkset import TraceLinkSet
    from clew.lineage.transport.address import Address
    from clew.lineage.transport.receiver import DatagramReceiver

ITEMS_REMEMBERED: Final = 4096
"""Of each stream: sets of one item that disagree follow one another closely, and this is what a
publisher holds at most. Some 1 MB."""


@dataclass(frozen=True, slots=True)
class StreamMapping:
    """A stream, and the one that its items have behind the bridge."""

    source_stream_id: int
    dest_stream_id: int
    metadata_stream_id: int = 0
    """What link sets say instead of `dest_stream_id`; 0 is that one."""

    @property
    def told_stream_id(self) -> int:
        """The stream that forwarded sets name."""
        return self.metadata_stream_id or self.dest_stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """What a bridge forwards, and where to: nothing, unless `forward_tracelink` says so.

    Raises:
        ClewError: INVALID_ARGUMENT where sets are to be forwarded and there is no channel or no
            mapping, a stream is 0 or no number of 32 bits, or a source is mapped twice.
    """

    mappings: tuple[StreamMapping, ...] = ()
    metadata_channel: str = ""
    """Where sets go: ``udp://HOST:PORT`` or ``unix:///PATH``."""

    forward_tracelink: bool = False
    max_parents: int = PARENTS_MAX_DEFAULT
    """Sets that name more are left out."""

    def __post_init__(self) -> None:
        if not self.forward_tracelink:
            return
        if not self.metadata_channel:
            raise _wrong("there is no metadata channel", "say where link sets go: udp://HOST:PORT")
        parse_address(self.metadata_channel)
        if not self.mappings:
            raise _wrong("no stream is mapped", "name the streams whose link sets are forwarded")
        sources: set[int] = set()
        for each in self.mappings:
            _check_stream("source", each.source_stream_id)
            _check_stream("destination", each.told_stream_id)
            if each.source_stream_id in sources:
                raise _wrong(
                    f"stream {each.source_stream_id} is mapped twice",
                    "use one bridge for each destination",
                )
            sources.add(each.source_stream_id)


@dataclass(frozen=True, slots=True)
class BridgeStatistics:
    """What became of all that came. Sets in order are forwarded, or one of the next three."""

    forwarded: int
    """Sets that are on their way."""

    sent: int
    """Of those, how many the system took."""

    unmapped: int
    """Sets of other streams; all of them while nothing is forwarded."""

    conflicting: int
    """Sets that gave an item another trace id than one before."""

    dropped: Mapping[Drop | Fault, int]
    """Sets that were lost or refused on the way out, by reason; every reason is there."""

    received: PollerStatistics
    """What came in, the messages that are no link sets included."""

    unread: int
    """Datagrams that found no room in the kernel, where it tells, so that nobody read them."""


class LinkBridge:
    """Forwards link sets, in the thread that polls. One thread at a time.

    Args:
        source: where sets come from: a ring of this process, or a socket, which `close` closes.
        settings: which of them go where.

    Raises:
        ClewError: INVALID_ARGUMENT when the bridge would hear itself.
    """

    def __init__(self, source: LinkRing | DatagramReceiver, settings: BridgeSettings) -> None:
        self._source: Final = source
        self._poller: Final = TraceLinkPoller(source, self._forward)
        self._routes: dict[int, _Route] = {}
        self._sender: DatagramSender | None = None
        self._unmapped = 0
        if not settings.forward_tracelink:
            return
        address = parse_address(settings.metadata_channel)
        _check_apart(source, address)
        ring = LinkRing(SLOTS_DEFAULT, max_parents=settings.max_parents)
        self._routes = {each.source_stream_id: _Route(each, ring) for each in settings.mappings}
        self._sender = DatagramSender(ring, address)

    def poll(self, limit: int = POLL_LIMIT_DEFAULT, *, timeout_s: float = 0.0) -> int:
        """Read so many messages at most, and return how many there were.

        Waits for the first one, for `timeout_s` at most. What waits to go out is sent by a thread
        of the bridge, so nothing waits for the far side.
        """
        if self._sender is not None:
            self._sender.start()
        return self._poller.poll(limit, timeout_s=timeout_s)

    def statistics(self) -> BridgeStatistics:
        """Return what was counted."""
        routes = list(self._routes.values())
        dropped: dict[Drop | Fault, int] = dict.fromkeys((*Drop, *Fault), 0)
        forwarded = 0
        for route in routes:
            told = route.publisher.statistics()
            forwarded += told.accepted
            for reason, count in told.dropped.items():
                dropped[reason] += count
        if self._sender is not None:
            for lost, count in self._sender.dropped.items():
                dropped[lost] += count
        return BridgeStatistics(
            forwarded=forwarded,
            sent=0 if self._sender is None else self._sender.sent,
            unmapped=self._unmapped,
            conflicting=sum(route.conflicting for route in routes),
            dropped=dropped,
            received=self._poller.statistics(),
            unread=0 if isinstance(self._source, LinkRing) else self._source.count_drops(),
        )

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Close the source, and send what waits, for so long at most."""
        self._poller.close()
        for route in self._routes.values():
            route.publisher.close()
        if self._sender is not None:
            self._sender.close(timeout_s)

    def __enter__(self) -> LinkBridge:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forward(self, links: TraceLinkSet) -> None:
        route = self._routes.get(links.stream_id)
        if route is None:
            self._unmapped += 1
        else:
            route.forward(links)


class _Route:
    """The way of one stream's sets."""

    def __init__(self, mapping: StreamMapping, ring: LinkRing) -> None:
        self.publisher: Final = TraceLinkPublisher(ring, stream_id=mapping.told_stream_id)
        self.conflicting = 0
        self._trace_ids: OrderedDict[tuple[int, int], int] = OrderedDict()

    def forward(self, links: TraceLinkSet) -> None:
        known = self._trace_ids.setdefault((links.epoch, links.seq), links.trace_id)
        if known != links.trace_id:
            self.conflicting += 1
            return
        if len(self._trace_ids) > ITEMS_REMEMBERED:
            self._trace_ids.popitem(last=False)
        self.publisher.emit(links.seq, links.trace_id, links.parents, epoch=links.epoch)


def _check_apart(source: LinkRing | DatagramReceiver, address: Address) -> None:
    """Raise when what is sent would come in again."""
    if not isinstance(source, LinkRing) and source.address == address:
        raise _wrong(
            f"sets would go to {address}, which is where they come from",
            "read them from another address",
        )


def _check_stream(which: str, stream_id: int) -> None:
    if not 0 < stream_id <= STREAM_ID_MAX:
        raise _wrong(
            f"{which} stream {stream_id} is not in 1 to {STREAM_ID_MAX}",
            "streams behind a bridge have ids, and none is 0",
        )


def _wrong(message: str, hint: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT, f"link sets cannot be forwarded: {message}", hint=hint
    )
