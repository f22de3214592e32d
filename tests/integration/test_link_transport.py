"""Link sets on their ways: rings, UDP, Unix sockets; and a publisher that never is in the way."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.lineage import (
    DatagramReceiver,
    FrameDescriptor,
    LinkRing,
    TraceLinkPoller,
    TraceLinkPublisher,
    TraceLinkSet,
)
from clew.lineage.publisher import Drop, PublisherStatistics
from clew.lineage.sbe.faults import Fault
from clew.lineage.transport import sender

SECONDS_MAX = 60.0
"""A deadline, not an expectation."""

THREADS = 4
SETS_EACH = 2_000


class Heard:
    """What a poller was told, from whatever source."""

    def __init__(self, source: LinkRing | DatagramReceiver) -> None:
        self.sets: list[TraceLinkSet] = []
        self.items: list[FrameDescriptor] = []
        self.poller = TraceLinkPoller(source, self.sets.append, on_trace_id=self.items.append)

    def poll_until(self, is_enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while not is_enough():
            assert time.monotonic() < deadline, self.poller.statistics()
            self.poller.poll(timeout_s=0.1)


@pytest.fixture(params=["udp", "udp6", "unix"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatagramReceiver]:
    addresses = {
        "udp": "127.0.0.1:0",
        "udp6": "udp://[::1]:0",
        "unix": f"unix://{tmp_path / 'links.sock'}",
    }
    try:
        made = DatagramReceiver(addresses[request.param])
    except ClewError:
        if request.param == "udp6":
            pytest.skip("this system has no IPv6")
        raise
    with made:
        yield made


def wait_for(
    publisher: TraceLinkPublisher, holds: Callable[[PublisherStatistics], bool]
) -> PublisherStatistics:
    """Return what is counted once it is so."""
    deadline = time.monotonic() + SECONDS_MAX
    while not holds(told := publisher.statistics()):
        assert time.monotonic() < deadline, told
    return told


def counted(publisher: TraceLinkPublisher) -> dict[str, int]:
    """Return the reasons that were counted, and how often."""
    return {reason: n for reason, n in publisher.statistics().dropped.items() if n}


def test_sets_and_trace_ids_come_over_datagrams_as_they_were_sent(
    receiver: DatagramReceiver,
) -> None:
    heard = Heard(receiver)
    with TraceLinkPublisher(str(receiver.address), stream_id=7, epoch=9) as publisher:
        assert publisher.emit(11, 42, (10, 20))
        assert publisher.describe(11, 42, timestamp_ns=5)
        publisher.update_epoch(10)
        assert publisher.emit(0, 2**64 - 1, [2**63])
        assert publisher.emit(12, 43, (42,), epoch=9), "an item of the epoch before"
        heard.poll_until(lambda: len(heard.sets) == 3 and bool(heard.items))
        wait_for(publisher, lambda told: told.sent == 4)
    assert heard.sets == [
        TraceLinkSet(7, 9, 11, 42, (10, 20)),
        TraceLinkSet(7, 10, 0, 2**64 - 1, (2**63,)),
        TraceLinkSet(7, 9, 12, 43, (42,)),
    ]
    assert heard.items == [FrameDescriptor(7, 9, 11, 42, timestamp_ns=5)]
    told = publisher.statistics()
    assert (told.accepted, told.sent, told.waiting) == (4, 4, 0)
    assert not counted(publisher)


def test_what_waits_is_sent_when_a_publisher_is_closed(
    receiver: DatagramReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A reader that gets no turn for a moment is no reason to lose anything here.
    monkeypatch.setattr(sender, "ROOM_WAIT_S", SECONDS_MAX)
    publisher = TraceLinkPublisher(str(receiver.address), stream_id=1)
    for seq in range(100):
        publisher.emit(seq, 1000 + seq, (1, 2))
    heard = Heard(receiver)
    # A Unix socket holds a few datagrams only, so somebody has to read them meanwhile.
    closing = threading.Thread(target=publisher.close, args=(SECONDS_MAX,))
    closing.start()
    heard.poll_until(lambda: len(heard.sets) == 100)
    closing.join()
    assert [each.seq for each in heard.sets] == list(range(100))
    assert not publisher.emit(100, 5, (1, 2))
    assert counted(publisher) == {Drop.CLOSED: 1}
    publisher.close()


def test_a_ring_hands_sets_over_within_a_process() -> None:
    ring = LinkRing(4)
    heard = Heard(ring)
    camera = TraceLinkPublisher(ring, stream_id=1)
    lidar = TraceLinkPublisher(ring, stream_id=2)
    assert camera.emit(1, 50, (10, 20))
    assert lidar.describe(1, 51)
    assert heard.poller.poll(limit=1) == 1
    assert heard.poller.poll() == 1
    assert heard.poller.poll() == 0
    assert heard.sets == [TraceLinkSet(1, 0, 1, 50, (10, 20))]
    assert heard.items == [FrameDescriptor(2, 0, 1, 51)]


def test_a_poller_that_waits_on_a_ring_is_woken() -> None:
    ring = LinkRing(4)
    heard = Heard(ring)
    publisher = TraceLinkPublisher(ring, stream_id=1)
    thread = threading.Thread(target=heard.poll_until, args=(lambda: bool(heard.sets),))
    thread.start()
    publisher.emit(1, 50, (10, 20))
    thread.join(SECONDS_MAX)
    assert len(heard.sets) == 1
    assert heard.poller.poll(timeout_s=0.001) == 0


def test_many_threads_publish_at_once_and_everything_arrives_whole() -> None:
    ring = LinkRing(256, max_parents=3)
    heard = Heard(ring)
    publisher = TraceLinkPublisher(ring, stream_id=3)

    def publish(writer: int) -> None:
        for seq in range(SETS_EACH):
            base = (writer * SETS_EACH + seq + 1) * 10
            while not publisher.emit(seq, base, (base + 1, base + 2, base + 3), epoch=writer):
                # Full: the reader is behind. Nothing was half written.
                heard_now.wait(0.001)

    heard_now = threading.Event()
    threads = [threading.Thread(target=publish, args=(writer,)) for writer in range(THREADS)]
    for thread in threads:
        thread.start()
    heard.poll_until(lambda: len(heard.sets) == THREADS * SETS_EACH)
    for thread in threads:
        thread.join()
    for each in heard.sets:
        assert each.parents == (each.trace_id + 1, each.trace_id + 2, each.trace_id + 3)
    for writer in range(THREADS):
        mine = [each.seq for each in heard.sets if each.epoch == writer]
        assert mine == list(range(SETS_EACH)), "the sets of a thread keep their order"
    told = publisher.statistics()
    assert told.accepted == THREADS * SETS_EACH
    assert set(counted(publisher)) <= {Drop.FULL}


def test_a_ring_that_is_full_drops_the_newest_and_says_so() -> None:
    ring = LinkRing(2)
    publisher = TraceLinkPublisher(ring, stream_id=1)
    assert [publisher.emit(seq, 50 + seq, (1, 2)) for seq in range(4)] == [True, True, False, False]
    assert not publisher.describe(5, 50)
    assert counted(publisher) == {Drop.FULL: 3}
    heard = Heard(ring)
    heard.poller.poll()
    assert [each.seq for each in heard.sets] == [0, 1]
    assert publisher.emit(4, 54, (1, 2)), "there is room again"
    assert publisher.statistics().waiting == 1


class Wild:
    """Parents that a program should not have."""

    def __len__(self) -> int:
        raise RuntimeError("no length today")


class Moody:
    """A number that a program should not have."""

    def __index__(self) -> int:
        raise RuntimeError("no number today")


@pytest.mark.parametrize(
    ("seq", "trace_id", "parents", "reason"),
    [
        (1, 0, (1, 2), Fault.NO_TRACE_ID),
        (1, 5, (), Fault.NO_PARENTS),
        (1, 5, (0, 0), Fault.NO_PARENTS),
        (1, 5, (5,), Fault.SELF_PARENT),
        (1, 5, (1, 5), Fault.SELF_PARENT),
        (1, 5, (1, 2, 3, 4), Fault.TOO_MANY_PARENTS),
        (1, 5, range(10, 100_000), Fault.TOO_MANY_PARENTS),
        (-1, 5, (1, 2), Fault.OUT_OF_RANGE),
        (2**64, 5, (1, 2), Fault.OUT_OF_RANGE),
        (1, 2**64, (1, 2), Fault.OUT_OF_RANGE),
        (1, 5, (1, -2), Fault.OUT_OF_RANGE),
        (1, 5, (1, 2**64), Fault.OUT_OF_RANGE),
        (1, 5, (1, "x"), Fault.OUT_OF_RANGE),
        (1, "five", (1, 2), Fault.OUT_OF_RANGE),
        (1, 5, None, Drop.INVALID),
        (1, 5, 7, Drop.INVALID),
        (1, 5, ([], 2), Drop.INVALID),
        (1, [], (1, 2), Drop.INVALID),
        (1, 5, Wild(), Drop.INVALID),
        (Moody(), 5, (1, 2), Drop.INVALID),
        (1, 5, (1, Moody()), Drop.INVALID),
    ],
)
def test_whatever_is_published_nothing_is_raised_and_the_reason_is_counted(
    seq: Any, trace_id: Any, parents: Any, reason: Drop | Fault
) -> None:
    ring = LinkRing(1, max_parents=3)
    publisher = TraceLinkPublisher(ring, stream_id=1)
    assert publisher.emit(seq, trace_id, parents) is False
    assert counted(publisher) == {reason: 1}
    assert publisher.emit(1, 5, (1, 2)), "the slot was given back"


def test_a_descriptor_that_cannot_be_written_is_counted() -> None:
    publisher = TraceLinkPublisher(LinkRing(1), stream_id=1)
    assert not publisher.describe(-1, 5)
    assert not publisher.describe(1, 5, timestamp_ns=-1)
    assert not publisher.describe(cast("int", Moody()), 5)
    assert counted(publisher) == {Fault.OUT_OF_RANGE: 2, Drop.INVALID: 1}
    assert publisher.describe(1, 5), "the slot was given back"


def test_where_nobody_listens_sets_are_lost_and_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        # The port is nobody else's meanwhile, and this socket hears none but itself.
        held.connect(held.getsockname())
        publisher = TraceLinkPublisher(f"127.0.0.1:{held.getsockname()[1]}", stream_id=1)
        for seq in range(50):
            assert publisher.emit(seq, 1000 + seq, (1, 2))
        publisher.close(SECONDS_MAX)
    told = publisher.statistics()
    # The system tells of a datagram when the next one goes, so of the last one nobody hears.
    assert told.sent + told.dropped[Drop.UNREACHABLE] == 50
    assert told.dropped[Drop.UNREACHABLE] >= 49


def test_a_path_where_nobody_listens_yet_is_found_later(tmp_path: Path) -> None:
    path = tmp_path / "later.sock"
    publisher = TraceLinkPublisher(f"unix://{path}", stream_id=1)
    publisher.emit(1, 50, (1, 2))
    wait_for(publisher, lambda told: told.dropped[Drop.UNREACHABLE] == 1)
    for turn in range(2):
        with DatagramReceiver(f"unix://{path}") as receiver:
            heard = Heard(receiver)
            deadline = time.monotonic() + SECONDS_MAX
            while not heard.sets:
                assert time.monotonic() < deadline
                publisher.emit(2, 51 + turn, (1, 2))
                heard.poller.poll(timeout_s=0.05)
        assert not path.exists()
    publisher.close()


def test_a_name_that_does_not_resolve_is_no_error_of_the_program() -> None:
    publisher = TraceLinkPublisher("udp://no-such-host.invalid:7704", stream_id=1)
    assert publisher.emit(1, 50, (1, 2))
    assert publisher.emit(2, 51, (1, 2))
    wait_for(publisher, lambda told: told.dropped[Drop.UNREACHABLE] == 2)
    publisher.close()


def test_a_socket_that_is_full_is_waited_for_a_little_and_then_counted(tmp_path: Path) -> None:
    with DatagramReceiver(f"unix://{tmp_path / 'slow.sock'}") as receiver:
        publisher = TraceLinkPublisher(str(receiver.address), stream_id=1, slots=4096)
        for seq in range(2_000):
            assert publisher.emit(seq, 10_000 + seq, (1, 2))
        wait_for(publisher, lambda told: told.dropped[Drop.BACK_PRESSURE] > 0)
        publisher.close(0.0)
        # Its thread may still have one in hand.
        told = wait_for(publisher, lambda told: told.sent + sum(told.dropped.values()) == 2_000)
        assert (told.accepted, told.waiting) == (2_000, 0)


def test_what_a_stranger_sends_is_counted_and_no_callback_hears_of_it() -> None:
    golden = bytes.fromhex(
        "1c00010088030100070000000900000000000000"
        "0b000000000000002a00000000000000080002000a000000000000001400000000000000"
    )
    with DatagramReceiver("127.0.0.1:0") as receiver:
        heard = Heard(receiver)
        port = int(str(receiver.address).rpartition(":")[2])
        sent = [
            b"",
            b"\x00",
            b"hello",
            golden[:-1],
            golden.replace(b"\x0a", b"\x00"),
            b"\xff" * 9000,
        ]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for octets in (*sent, golden + bytes(8), golden, golden):
                stranger.sendto(octets, ("127.0.0.1", port))
        heard.poll_until(lambda: len(heard.sets) == 3)
    told = heard.poller.statistics()
    assert (told.received, told.accepted, told.ignored, told.trailing_bytes) == (9, 3, 4, 8)
    assert told.refused[Fault.TRUNCATED] == 1
    assert told.refused[Fault.ZERO_PARENT] == 1


def test_what_a_callback_raises_is_the_callers_and_loses_one_message() -> None:
    ring = LinkRing(2)
    heard: list[TraceLinkSet] = []

    def hear(value: TraceLinkSet) -> None:
        if value.seq == 0:
            raise RuntimeError("not today")
        heard.append(value)

    poller = TraceLinkPoller(ring, hear)
    publisher = TraceLinkPublisher(ring, stream_id=1)
    publisher.emit(0, 50, (1, 2))
    publisher.emit(1, 51, (1, 2))
    with pytest.raises(RuntimeError, match="not today"):
        poller.poll()
    assert poller.poll() == 1
    assert [each.seq for each in heard] == [1]
    assert [publisher.emit(seq, 60 + seq, (1, 2)) for seq in range(2)] == [True, True]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "udp://",
        "127.0.0.1",
        "http://127.0.0.1:7704",
        "udp://h:99999",
        "unix://relative",
        "a:b:c",
    ],
)
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ClewError) as raised:
        TraceLinkPublisher(address, stream_id=1)
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT
    assert raised.value.hint is not None


def test_numbers_that_the_wire_cannot_carry_are_refused_at_once(tmp_path: Path) -> None:
    for wrong in ({"stream_id": -1}, {"stream_id": 2**32}, {"stream_id": 1, "epoch": 2**64}):
        with pytest.raises(ClewError):
            TraceLinkPublisher(LinkRing(1), **wrong)
    for arguments in ({"slots": 0}, {"max_parents": 0}, {"max_parents": 8184}, {"slots": 10**9}):
        with pytest.raises(ClewError):
            LinkRing(**arguments)
    with pytest.raises(ClewError, match="bytes"):
        DatagramReceiver(f"unix://{tmp_path}/{'x' * 200}")
    with pytest.raises(ClewError):
        TraceLinkPublisher(LinkRing(1), stream_id=1).update_epoch(-1)


def test_a_socket_in_use_is_said_to_be_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "taken.sock"
    with DatagramReceiver(f"unix://{path}"):
        with pytest.raises(ClewError) as raised:
            DatagramReceiver(f"unix://{path}")
        assert raised.value.code is ErrorCode.UNAVAILABLE
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as died:
        died.bind(str(path))
    with DatagramReceiver(f"unix://{path}") as receiver:
        assert path.exists()
        receiver.close()
        assert receiver.receive() is None
        assert not receiver.wait(0)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ClewError):
        DatagramReceiver(f"unix://{tmp_path / 'file'}")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_publisher_that_is_forgotten_sends_what_waits_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with DatagramReceiver("127.0.0.1:0") as receiver:
        publisher = TraceLinkPublisher(str(receiver.address), stream_id=1)
        publisher.emit(1, 50, (1, 2))
        (thread,) = set(threading.enumerate()) - before
        del publisher
        gc.collect()
        heard = Heard(receiver)
        heard.poll_until(lambda: len(heard.sets) == 1)
        thread.join(SECONDS_MAX)
        assert not thread.is_alive()


FORGOTTEN = """
    from clew.lineage import TraceLinkPublisher
    publisher = TraceLinkPublisher("{address}", stream_id=1)
    for seq in range(20):
        publisher.emit(seq, 100 + seq, (1, 2))
"""

FORKED = """
    import logging, os
    from clew.base.errors import ClewError
    from clew.lineage import TraceIdGenerator, TraceLinkPublisher
    logging.disable()
    generator = TraceIdGenerator(15)
    publisher = TraceLinkPublisher("{address}", stream_id=1)
    mine = generator.next()
    publisher.emit(1, mine, (1, 2))
    child = os.fork()
    if child == 0:
        told = [generator.next(), generator.statistics().no_id["forked"]]
        for attempt in (lambda: TraceIdGenerator(15), lambda: generator.renew(15)):
            try:
                attempt()
            except ClewError as error:
                told.append(str(error.code))
        generator.renew(16)
        told.append(generator.layout.decode(generator.next()).node_id)
        publisher.emit(2, generator.next(), (1, 2))
        publisher.close()
        print(told, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert generator.next() > mine
    publisher.close()
"""


# Python 3.12 and later say of every fork beside a thread that it may go wrong.
WARNINGS = ("-W", "error", "-W", "ignore:This process:DeprecationWarning")


def run_python(program: str, address: str) -> str:
    done = subprocess.run(
        [sys.executable, *WARNINGS, "-c", textwrap.dedent(program.format(address=address))],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_a_program_that_ends_sends_what_waits() -> None:
    with DatagramReceiver("127.0.0.1:0") as receiver:
        run_python(FORGOTTEN, str(receiver.address))
        heard = Heard(receiver)
        heard.poll_until(lambda: len(heard.sets) == 20)


def test_a_child_publishes_its_own_sets_with_a_node_id_of_its_own() -> None:
    with DatagramReceiver("127.0.0.1:0") as receiver:
        told = run_python(FORKED, str(receiver.address))
        heard = Heard(receiver)
        heard.poll_until(lambda: len(heard.sets) == 2)
        heard.poller.poll(timeout_s=0.05)
    assert told.strip() == "[0, 1, 'conflict', 'conflict', 16]"
    assert sorted(each.seq for each in heard.sets) == [1, 2], "each set once"
