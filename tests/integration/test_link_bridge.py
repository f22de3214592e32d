"""A bridge of link sets, over real sockets: which go on, under which stream, and which do not."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.lineage import (
    DatagramReceiver,
    LinkRing,
    TraceLinkPoller,
    TraceLinkPublisher,
    TraceLinkSet,
)
from clew.lineage.bridge import BridgeSettings, LinkBridge, StreamMapping
from clew.lineage.publisher import Drop
from clew.lineage.sbe.faults import Fault

SECONDS_MAX = 60.0
"""A deadline, not an expectation."""


def until(holds: Callable[[], bool], turn: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        turn()


def settings(far: DatagramReceiver, *mappings: StreamMapping, parents: int = 8) -> BridgeSettings:
    return BridgeSettings(
        mappings=mappings,
        metadata_channel=str(far.address),
        forward_tracelink=True,
        max_parents=parents,
    )


@pytest.fixture(params=["udp", "unix"])
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatagramReceiver]:
    """Yield the socket behind the bridge."""
    address = "127.0.0.1:0" if request.param == "udp" else f"unix://{tmp_path / 'far.sock'}"
    with DatagramReceiver(address) as made:
        yield made


def test_sets_of_mapped_streams_go_on_under_the_stream_of_the_far_side(
    far: DatagramReceiver,
) -> None:
    near = DatagramReceiver("127.0.0.1:0")
    heard: list[TraceLinkSet] = []
    poller = TraceLinkPoller(far, heard.append)
    wished = settings(far, StreamMapping(7, 70), StreamMapping(8, 80, metadata_stream_id=81))
    to = str(near.address)
    with (
        LinkBridge(near, wished) as bridge,
        TraceLinkPublisher(to, stream_id=7, epoch=9) as seven,
        TraceLinkPublisher(to, stream_id=8, epoch=2**64 - 1) as eight,
        TraceLinkPublisher(to, stream_id=70) as other,
    ):
        assert seven.emit(11, 42, (20, 10))
        assert eight.emit(2**64 - 1, 2**64 - 1, (2**63,))
        assert other.emit(1, 43, (42,))
        assert seven.describe(11, 42)
        until(
            lambda: bridge.statistics().received.accepted == 4,
            lambda: bridge.poll(timeout_s=0.1),
        )
        until(lambda: len(heard) == 2, lambda: poller.poll(timeout_s=0.1))
        until(lambda: bridge.statistics().sent == 2, bridge.poll)
        told = bridge.statistics()
    assert sorted(heard, key=lambda each: each.stream_id) == [
        TraceLinkSet(70, 9, 11, 42, (20, 10)),
        TraceLinkSet(81, 2**64 - 1, 2**64 - 1, 2**64 - 1, (2**63,)),
    ]
    assert (told.forwarded, told.unmapped, told.conflicting) == (2, 1, 0)
    assert not any(told.dropped.values())


def test_a_set_that_gives_an_item_another_trace_id_is_left_out(far: DatagramReceiver) -> None:
    ring = LinkRing(16)
    heard: list[TraceLinkSet] = []
    poller = TraceLinkPoller(far, heard.append)
    publisher = TraceLinkPublisher(ring, stream_id=7)
    with LinkBridge(ring, settings(far, StreamMapping(7, 7))) as bridge:
        publisher.emit(1, 42, (10,))
        publisher.emit(1, 0xBEEF, (10,))
        publisher.emit(1, 42, (20,))
        publisher.emit(1, 43, (10,), epoch=1)
        assert bridge.poll() == 4
        until(lambda: len(heard) == 3, lambda: poller.poll(timeout_s=0.1))
        told = bridge.statistics()
    assert heard == [
        TraceLinkSet(7, 0, 1, 42, (10,)),
        TraceLinkSet(7, 0, 1, 42, (20,)),
        TraceLinkSet(7, 1, 1, 43, (10,)),
    ]
    assert (told.forwarded, told.conflicting) == (3, 1)


def test_what_is_no_sound_set_does_not_go_on_and_is_counted(far: DatagramReceiver) -> None:
    near = DatagramReceiver("127.0.0.1:0")
    heard: list[TraceLinkSet] = []
    poller = TraceLinkPoller(far, heard.append)
    with (
        LinkBridge(near, settings(far, StreamMapping(7, 70), parents=2)) as bridge,
        TraceLinkPublisher(str(near.address), stream_id=7) as publisher,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw,
    ):
        raw.connect(("127.0.0.1", int(str(near.address).rpartition(":")[2])))
        raw.send(b"\x1c\x00\x01\x00\x88\x03\x01\x00")
        raw.send(b"nothing of ours")
        publisher.emit(1, 42, (1, 2, 3))
        publisher.emit(2, 43, (1, 2))
        until(
            lambda: bridge.statistics().received.received == 4,
            lambda: bridge.poll(timeout_s=0.1),
        )
        until(lambda: bool(heard), lambda: poller.poll(timeout_s=0.1))
        told = bridge.statistics()
    assert heard == [TraceLinkSet(70, 0, 2, 43, (1, 2))]
    assert told.received.refused[Fault.TRUNCATED] == 1
    assert told.received.ignored == 1
    assert told.dropped[Fault.TOO_MANY_PARENTS] == 1


def test_nobody_on_the_far_side_loses_sets_and_stops_nothing(tmp_path: Path) -> None:
    ring = LinkRing(16)
    publisher = TraceLinkPublisher(ring, stream_id=7)
    nowhere = BridgeSettings(
        mappings=(StreamMapping(7, 70),),
        metadata_channel=f"unix://{tmp_path / 'nobody.sock'}",
        forward_tracelink=True,
    )
    bridge = LinkBridge(ring, nowhere)
    for seq in range(10):
        assert publisher.emit(seq, 100 + seq, (1,))
    assert bridge.poll() == 10
    until(lambda: bridge.statistics().dropped[Drop.UNREACHABLE] == 10, bridge.poll)
    bridge.close()
    assert bridge.statistics().forwarded == 10
    assert bridge.statistics().sent == 0


def test_forwarding_is_off_unless_asked_for() -> None:
    ring = LinkRing(16)
    TraceLinkPublisher(ring, stream_id=7).emit(1, 42, (10,))
    with LinkBridge(ring, BridgeSettings(mappings=(StreamMapping(7, 70),))) as bridge:
        assert bridge.poll() == 1
        told = bridge.statistics()
    assert (told.forwarded, told.unmapped, told.sent) == (0, 1, 0)
    assert set(told.dropped.values()) == {0}


@pytest.mark.parametrize(
    ("mappings", "channel"),
    [
        ((StreamMapping(7, 70),), ""),
        ((StreamMapping(7, 70),), "nowhere"),
        ((), "127.0.0.1:7704"),
        ((StreamMapping(0, 70),), "127.0.0.1:7704"),
        ((StreamMapping(7, 0),), "127.0.0.1:7704"),
        ((StreamMapping(7, 2**32),), "127.0.0.1:7704"),
        ((StreamMapping(7, 70), StreamMapping(7, 71)), "127.0.0.1:7704"),
    ],
)
def test_forwarding_needs_a_channel_and_streams(
    mappings: tuple[StreamMapping, ...], channel: str
) -> None:
    with pytest.raises(ClewError) as refused:
        BridgeSettings(mappings=mappings, metadata_channel=channel, forward_tracelink=True)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    assert refused.value.hint


def test_a_bridge_does_not_send_to_where_it_reads(far: DatagramReceiver) -> None:
    with pytest.raises(ClewError, match="come from"):
        LinkBridge(far, settings(far, StreamMapping(7, 70)))
