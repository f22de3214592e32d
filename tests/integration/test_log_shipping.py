"""What a leader takes in is on its standbys before it is acknowledged, in its order, each once."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from clew.app.group.place import Place
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import BEGINNING, LEADER
from clew.remote.http import Server
from clew.store.database.contract import OutcomeUnknownError
from clew.store.pipeline import Pipeline
from clew.store.replication import follower, peer
from clew.store.replication.follower import Follower
from clew.store.replication.leader import Leader, LeaderOptions
from clew.store.replication.said import Shipment
from clew.store.replication.standing import FILE_NAME, Standing
from clew.store.replication.wire import SNAPSHOT_PATH, Record, encode_records
from tests.integration.log_group import DEADLINE_S, OPTIONS, Node, log_of, wait_for
from tests.integration.made_up import NUMBERS, MemoryEngine, record

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from pathlib import Path

    from clew.store.decoder import Decoded
    from clew.store.replication.standing import Starts


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[[str], Node]]:
    nodes: dict[str, Node] = {}

    def make(name: str) -> Node:
        nodes[name] = Node(tmp_path / name)
        return nodes[name]

    yield make
    for node in nodes.values():
        node.close()


def is_ready(leader: Node) -> bool:
    status = leader.pipeline.status().group
    assert status is not None
    return all(each.state == "following" for each in status.standbys)


def wait_ready(leader: Node) -> None:
    wait_for(lambda: is_ready(leader), "following")


def accept_all(node: Node, bodies: Iterable[bytes]) -> None:
    for body in bodies:
        node.accept(body)


def insist(node: Node, body: bytes) -> Decoded:
    """Send as an exporter does: the same bytes again, for as long as nobody knows of them."""
    told: list[Decoded] = []

    def send() -> bool:
        try:
            told.append(node.accept(body))
        except OutcomeUnknownError:
            return False
        return True

    wait_for(send, "being acknowledged")
    return told[0]


def test_a_record_is_acknowledged_once_every_standby_has_it_and_seen_there(
    make_node: Callable[[str], Node],
) -> None:
    a, b, c = make_node("a"), make_node("b").follow(), make_node("c").follow()
    a.lead([b.url, c.url])
    wait_ready(a)
    for number in range(20):
        decoded = a.accept(record(number))
        assert decoded.copies == 3
    commit = a.pipeline.record(b"commit").result(DEADLINE_S)
    expected = Counter(range(20))
    assert a.seen() == expected
    for node in (b, c):
        wait_for(lambda node=node: node.seen() == expected, "being seen")  # type: ignore[misc]
        wait_for(lambda node=node: node.book.entries == [(commit, b"commit")])  # type: ignore[misc]
    for node in (a, b, c):
        node.close()
    assert log_of(a.folder) == log_of(b.folder) == log_of(c.folder)
    assert len(log_of(a.folder)) == 21


def test_a_standby_refuses_records_and_names_its_leader(make_node: Callable[[str], Node]) -> None:
    a, b = make_node("a"), make_node("b").follow()
    a.lead([b.url])
    wait_ready(a)
    with pytest.raises(ClewError, match="standby") as refused:
        b.accept(record(1))
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert a.url in str(refused.value.hint)


def test_without_enough_standbys_a_record_is_refused_before_it_is_written(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b")
    a.lead([b.url])
    wait_for(lambda: bool(a.pipeline.status().group.standbys[0].error))  # type: ignore[union-attr]
    with pytest.raises(ClewError) as refused:
        a.accept(record(1))
    assert refused.value.code is ErrorCode.UNAVAILABLE
    assert b.url in refused.value.message
    assert refused.value.retry_after_ms
    assert a.pipeline.record(b"x").exception(DEADLINE_S) is not None
    a.close()
    assert log_of(a.folder) == []


def test_with_none_required_a_standby_that_was_away_catches_up_from_the_files(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b")
    a.lead([b.url], required=0)
    for number in range(100):
        assert a.accept(record(number, *range(1000, 1020))).copies == 1
    a.close()
    a.lead([b.url], required=0)
    a.accept(record(100))
    b.follow()
    wait_ready(a)
    wait_for(lambda: b.seen() == a.seen(), "catching up")
    b.close()
    for number in range(101, 150):
        a.accept(record(number))
    b.follow()
    wait_for(lambda: b.seen() == a.seen(), "catching up again")
    a.close()
    b.close()
    assert log_of(a.folder) == log_of(b.folder)
    assert len(log_of(a.folder)) == 150


def test_what_times_out_is_unseen_undecided_and_joined_by_the_same_bytes(
    make_node: Callable[[str], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long this takes, the standby is one that is there and has not answered yet.
    monkeypatch.setattr(peer, "READ_TIMEOUT_S_MIN", 2 * DEADLINE_S)
    monkeypatch.setattr(follower, "TURN_S_MAX", 2 * DEADLINE_S)
    a, b = make_node("a"), make_node("b").follow()
    a.lead([b.url], ack_timeout_s=0.3)
    wait_ready(a)
    insist(a, record(1))
    assert b.part is not None
    # The standby's only turn is taken: it hears, and answers nobody.
    b.part._turn.acquire()  # type: ignore[union-attr]
    try:
        with pytest.raises(OutcomeUnknownError, match="not known"):
            a.accept(record(2))
        with pytest.raises(OutcomeUnknownError):
            a.accept(record(2))
        assert isinstance(a.pipeline.record(b"late").exception(DEADLINE_S), OutcomeUnknownError)
        assert a.seen() == Counter([1])
        assert a.book.entries == []
    finally:
        b.part._turn.release()  # type: ignore[union-attr]
    wait_for(lambda: a.seen() == Counter([1, 2]), "being acknowledged")
    wait_for(lambda: [payload for _, payload in a.book.entries] == [b"late"], "being applied")
    again = a.accept(record(2))
    assert a.seen() == Counter([1, 2]), "the retry of a record that was told to be unknown"
    assert again.copies == 2
    a.close()
    a.lead([b.url])
    wait_ready(a)
    a.accept(record(3))
    a.accept(record(3))
    assert a.seen() == Counter([1, 2, 3, 3]), "the same bytes after an answer are another record"
    wait_for(lambda: b.seen() == a.seen())
    assert a.accept(record()).copies is None, "nothing of it was kept"


def test_a_standby_whose_disk_takes_nothing_is_not_counted_on_until_it_does(
    make_node: Callable[[str], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that is held up for a moment says what is wrong with it all the same.
    monkeypatch.setattr(peer, "READ_TIMEOUT_S_MIN", DEADLINE_S)
    a, b = make_node("a"), make_node("b").follow()
    a.lead([b.url], ack_timeout_s=0.3)
    wait_ready(a)
    log, aside = b.folder / "log", b.folder / "aside"
    log.rename(aside)
    # It ends once the file that it has open is full: there is no other.
    with pytest.raises(OutcomeUnknownError):
        accept_all(a, (record(number, *range(1000, 1050)) for number in range(1000)))
    # It may have been slow before that; what is undecided yet is joined and not refused.
    fresh = count(2000)
    wait_for(
        lambda: "cannot write the log" in refusal_of(a, next(fresh), *range(1000, 1050)),
        "being told",
    )
    pause = threading.Event()
    for _ in range(20):
        # Over several hellos, which say as well that nothing can be written.
        with pytest.raises(ClewError, match="cannot write the log") as refused:
            a.accept(record(1001))
        assert not isinstance(refused.value, OutcomeUnknownError)
        pause.wait(0.02)
    aside.rename(log)
    wait_ready(a)
    insist(a, record(1002))
    wait_for(lambda: b.seen() == a.seen())
    a.close()
    b.close()
    assert log_of(a.folder) == log_of(b.folder)


def test_a_server_whose_disk_takes_nothing_ends_when_it_is_told_to(
    make_node: Callable[[str], Node],
) -> None:
    a = make_node("a")
    a.lead([], options=replace(OPTIONS, flush=replace(OPTIONS.flush, interval_s=1000.0)))
    a.accept(record(1))
    log, aside = a.folder / "log", a.folder / "aside"
    log.rename(aside)
    # More than the file that is open takes: it waits for a disk, and the batch of the end for it.
    doubtful = a.pipeline.record(bytes(3000))
    wait_for(lambda: a.pipeline.status().last_error is not None, "being refused by the disk")
    a.close()
    assert isinstance(doubtful.exception(0), ClewError)
    aside.rename(log)
    a.lead([])
    wait_for(lambda: a.seen() == Counter([1]), "being acknowledged anew")


def test_a_deposed_leader_is_fenced_and_its_tail_is_cut_off_when_it_follows(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b").follow()
    a.lead([b.url], ack_timeout_s=0.2)
    wait_ready(a)
    insist(a, record(1))
    wait_for(lambda: b.seen() == Counter([1]))
    b.close()
    with pytest.raises(ClewError):
        a.accept(record(66))
    b.lead([a.url], epoch=9)
    wait_for(lambda: bool(a.fenced), "being fenced")
    assert a.fenced[0][0] == 9
    with pytest.raises(ClewError):
        a.accept(record(67))
    with pytest.raises(ClewError):
        b.accept(record(2))
    a.close()
    a.follow()
    wait_ready(b)
    assert b.accept(record(2)).copies == 2
    wait_for(lambda: a.seen() == Counter([1, 2]))
    a.close()
    b.close()
    assert log_of(a.folder) == log_of(b.folder)


def test_what_is_of_an_earlier_epoch_is_acknowledged_with_a_frame_of_the_leaders_own(
    make_node: Callable[[str], Node],
) -> None:
    a, b, c = make_node("a"), make_node("b").follow(), make_node("c").follow()
    a.lead([b.url, c.url], epoch=2, required=1)
    wait_ready(a)
    a.accept(record(1))
    for node in (b, c):
        wait_for(lambda node=node: node.seen() == Counter([1]))  # type: ignore[misc]
        node.close()
    write_alone(a, record(2))
    c.lead([a.url, b.url], epoch=3, required=1)
    write_alone(c, record(3))
    # `c` has a later epoch than the second frame of `a`, and not that frame.
    b.follow()
    a.lead([b.url, c.url], epoch=4, required=1)
    wait_for(lambda: a.seen() == Counter([1, 2]), "being acknowledged")
    assert b.part is not None
    assert b.part.tell().last_epoch == 4
    a.close()
    b.close()
    assert [(number, epoch) for number, epoch, _ in log_of(b.folder)] == [(1, 2), (2, 2), (3, 4)]


def test_an_epoch_that_two_servers_took_makes_their_logs_no_more_alike(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b").follow()
    a.lead([b.url], epoch=2)
    wait_ready(a)
    a.accept(record(1))
    wait_for(lambda: b.seen() == Counter([1]))
    b.close()
    write_alone(a, record(2))
    # Neither reaches the other, and each is promoted: both find that epoch 3 was never seen.
    a.lead([b.url], epoch=3).close()
    write_alone(b.lead([a.url], epoch=3), record(66))
    b.follow()
    a.lead([b.url], epoch=4)
    wait_for(lambda: a.seen() == Counter([1, 2]), "being acknowledged")
    wait_for(lambda: b.seen() == a.seen(), "being seen at the standby")
    a.close()
    b.close()
    assert log_of(a.folder) == log_of(b.folder)


def test_an_epoch_whose_first_frame_was_lost_with_a_standby_leaves_nothing_of_itself(
    make_node: Callable[[str], Node],
) -> None:
    a, b, x = make_node("a"), make_node("b").follow(), make_node("x").follow()
    a.lead([b.url, x.url], epoch=2, required=1)
    wait_ready(a)
    a.accept(record(1))
    for node in (b, x):
        wait_for(lambda node=node: node.seen() == Counter([1]))  # type: ignore[misc]
        node.close()
    write_alone(a, record(2))
    write_alone(x.lead([a.url, b.url], epoch=3, required=1), record(66))
    # The standby took note of the epoch, and was killed before the frame was on its disk.
    left = Standing.open(b.folder)
    left.accept(3, Standing.open(x.folder).node_id, x.url)
    left.note_start(3, 2)
    b.follow()
    a.lead([b.url, x.url], epoch=4, required=1)
    wait_for(lambda: a.seen() == Counter([1, 2]), "being acknowledged")
    a.close()
    b.close()
    b.lead([a.url, x.url], epoch=5, required=1)
    x.follow()
    wait_for(lambda: b.seen() == Counter([1, 2]), "being acknowledged again")
    wait_for(lambda: x.seen() == b.seen(), "being seen at the one that had led")
    b.close()
    x.close()
    assert log_of(x.folder) == log_of(b.folder)


def test_requests_do_not_wait_behind_one_that_is_never_answered(
    make_node: Callable[[str], Node],
) -> None:
    part = make_node("b").follow().part
    assert isinstance(part, Follower)
    with part._turn, pytest.raises(ClewError, match="disk may hang") as refused:
        part.take(Shipment(1, "leader", None, starts=((1, 1),)), b"")
    assert refused.value.code is ErrorCode.OVERLOADED
    assert part.standing.epoch == 0


def test_what_a_former_leader_said_is_acknowledged_is_not_said_of_frames_of_the_next(
    make_node: Callable[[str], Node],
) -> None:
    part = make_node("b").follow().part
    assert part is not None

    def ship(epoch: int, starts: Starts, acked: int, numbers: Sequence[int]) -> None:
        frames = [Record(n, epoch, NUMBERS.code, 1, 1, record(n)) for n in numbers]
        shipment = Shipment(
            epoch, f"leader-{epoch}", None, "group", numbers[0] - 1, acked, 0, numbers[-1], starts
        )
        part.take(shipment, encode_records(frames))

    # It has acknowledged more than it had sent here when it went.
    ship(2, ((2, 1),), 9, [1, 2, 3])
    wait_for(lambda: part.status().acked == 3, "being taken in")
    ship(3, ((2, 1), (3, 4)), 3, [4, 5])
    assert part.status().acked == 3
    ship(3, ((2, 1), (3, 4)), 4, [6])
    assert part.status().acked == 4


def test_a_claim_of_a_server_that_lacks_something_ends_no_leader(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b").follow()
    a.lead([b.url], epoch=2)
    wait_ready(a)
    a.accept(record(1))
    a.accept(record(2))
    wait_for(lambda: b.seen() == Counter([1, 2]))
    for node in (a, b):
        assert node.part is not None
        for extent in ((2, 1), (1, 9)):
            said = node.part.take(Shipment(3, "other", None, extent=extent), b"")
            assert said.extent == (2, 2)
            assert (said.epoch, node.part.standing.epoch) == (2, 2)
    assert not a.fenced
    a.accept(record(3))
    assert b.part is not None
    said = b.part.take(Shipment(3, "other", None, extent=(2, 3)), b"")
    assert said.epoch == b.part.standing.epoch == 3
    # One that leads whatever others have does not say what it has.
    assert b.part.take(Shipment(4, "other", None), b"").epoch == 4


def test_a_server_with_the_id_of_its_leader_or_with_two_addresses_has_no_record_twice(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b")
    Standing.open(a.folder)
    b.folder.mkdir()
    shutil.copy(a.folder / FILE_NAME, b.folder / FILE_NAME)
    b.follow()
    a.lead([b.url])
    wait_for(lambda: "has the id of" in refusal_of(a), "being found out")
    a.close()
    b.close()
    (b.folder / FILE_NAME).unlink()
    b.follow()
    a.lead([b.url, b.url.replace("127.0.0.1", "localhost")])
    wait_for(lambda: "is the same server as" in refusal_of(a), "being found out")


def test_a_snapshot_ends_when_whoever_asked_for_it_has_gone(
    make_node: Callable[[str], Node],
) -> None:
    a = make_node("a")
    is_over = threading.Event()

    def write() -> Generator[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            is_over.set()

    a.open_snapshot = write
    a.lead([])
    with Server(a.url) as server, server.stream(SNAPSHOT_PATH) as stream:
        assert next(stream.chunks())
        assert not is_over.is_set()
    assert is_over.wait(DEADLINE_S)


def test_a_leader_that_ends_does_not_wait_for_a_standby_that_says_nothing(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b").follow()
    # What a request may take is more than a node is waited for here.
    a.lead([b.url], required=0, ack_timeout_s=10 * DEADLINE_S)
    wait_ready(a)
    assert b.part is not None
    b.part._turn.acquire()  # type: ignore[union-attr]
    try:
        a.accept(record(1))
        a.close()
    finally:
        b.part._turn.release()  # type: ignore[union-attr]


def refusal_of(leader: Node, *values: int) -> str:
    try:
        leader.accept(record(*(values or (1,))))
    except ClewError as error:
        return error.message
    return ""


class Boaster:
    """A standby that says it has more than was ever written."""

    def post(self, path: str, body: bytes, content_type: str, *, headers: object) -> Boaster:
        return self

    def get(self, path: str) -> Boaster:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """What is asked is answered at once."""

    @property
    def body(self) -> bytes:
        return b'{"acked": 1000000, "epoch": 2, "node_id": "b"}'


def test_a_standby_that_says_it_has_what_nobody_wrote_is_not_counted_on(tmp_path: Path) -> None:
    standing = Standing.open(tmp_path)
    standing.lead(2, "http://a")
    part = Leader(standing, LeaderOptions(["http://b"], lambda _url, _timeout: Boaster()))
    pipeline = Pipeline.open(tmp_path, MemoryEngine(), (NUMBERS,), part=part)
    try:
        wait_for(lambda: "nobody wrote" in part.describe_unknown().message, "being found out")
        with pytest.raises(ClewError, match="nobody wrote"):
            asyncio.run(pipeline.accept(NUMBERS, record(1)))
    finally:
        asyncio.run(pipeline.close())


def test_whether_a_leader_shows_all_is_told_at_once_also_while_it_settles(
    make_node: Callable[[str], Node],
) -> None:
    a, b = make_node("a"), make_node("b")
    a.lead([b.url])
    write_alone(a, record(1))
    a.lead([b.url])
    assert isinstance(a.part, Leader)
    place = Place(None, None, leads=True)  # type: ignore[arg-type]
    place.part = a.part
    with ThreadPoolExecutor(1) as asking:
        with a.part.changed:
            # Each answer to a client says it, in the thread that answers them all.
            assert asking.submit(lambda: place.role).result(DEADLINE_S) == BEGINNING
        b.follow()
        wait_ready(a)
        a.accept(record(2))
        assert place.role == LEADER


def write_alone(leader: Node, body: bytes) -> None:
    """Write a frame that reaches nobody, as one does whose standbys go in that moment; then go."""
    assert leader.part is not None
    number = leader.pipeline._append(NUMBERS.code, body, time.time_ns(), 0)
    wait_for(lambda: leader.part.tell().acked >= number, "being written")  # type: ignore[union-attr]
    leader.close()
