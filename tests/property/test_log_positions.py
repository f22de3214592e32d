"""Where two logs part, frames on their way, and logs that are cut off, against plain lists."""

from __future__ import annotations

import asyncio
import shutil
import threading
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.store.decoder import Decoded
from clew.store.log.cutting import INTENT_NAME, cut_off
from clew.store.log.frame import Cut
from clew.store.log.history import History
from clew.store.log.options import LogOptions
from clew.store.log.receipt import Group
from clew.store.log.writer import Log
from clew.store.replication.position import (
    Position,
    encode_starts,
    find_common,
    parse_starts,
)
from clew.store.replication.reader import LogReader
from clew.store.replication.resends import Resends
from clew.store.replication.said import Shipment
from clew.store.replication.wire import (
    EPOCH_HEADER,
    NODE_HEADER,
    Record,
    encode_records,
    parse_records,
)
from tests.trying import examples

if TYPE_CHECKING:
    from clew.store.replication.standing import Starts

DEADLINE_S = 60.0

lengths = st.lists(st.integers(1, 4), max_size=5)


def epochs_of(counts: list[int], first_epoch: int, step: int) -> list[int]:
    """Return the epoch of each frame, one leadership after another."""
    return [first_epoch + step * at for at, count in enumerate(counts) for _ in range(count)]


def position_of(epochs: list[int]) -> Position:
    starts: dict[int, int] = {}
    for number, epoch in enumerate(epochs, 1):
        starts.setdefault(epoch, number)
    return Position(tuple(starts.items()), len(epochs))


@given(shared=lengths, kept=st.integers(0, 20), ours=lengths, theirs=lengths)
def test_two_logs_are_the_same_up_to_where_the_lists_of_their_frames_part(
    shared: list[int], kept: int, ours: list[int], theirs: list[int]
) -> None:
    base = epochs_of(shared, 1, 1)
    # Leaderships after the parting are of either one or the other, and larger than all before.
    here = base + epochs_of(ours, 100, 2)
    there = base[:kept] + epochs_of(theirs, 101, 2)
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(here, there, strict=False))))
    expected = same if same or not here else None
    assert find_common(position_of(here), position_of(there)) == expected


def test_an_epoch_that_begins_with_another_number_is_of_another_server() -> None:
    ours = Position(((1, 1), (2, 149)), 149)
    assert find_common(ours, Position(((1, 1), (2, 151), (3, 152)), 160)) == 148
    assert find_common(ours, Position(((1, 1), (2, 149), (3, 152)), 160)) == 149
    # Noted, and nothing of it on the disk yet.
    assert find_common(Position(((1, 1), (4, 30)), 20), Position(((1, 1), (3, 26)), 40)) == 20


@given(shared=lengths)
def test_epochs_go_through_a_header_and_each_frame_has_one(shared: list[int]) -> None:
    epochs = epochs_of(shared, 3, 2)
    position = position_of(epochs)
    assert parse_starts(encode_starts(position.starts)) == position.starts
    assert [position.epoch_at(number) for number in range(1, len(epochs) + 1)] == epochs
    assert position.epoch_at(0) is None


@pytest.mark.parametrize("text", ["x", "1", "1:2:3", "2:1,1:5", "1:5,2:5", "1:2,", "-1:1", "1:0"])
def test_what_is_no_list_of_epochs_is_refused(text: str) -> None:
    with pytest.raises(ClewError):
        parse_starts(text)


bodies = st.lists(st.binary(max_size=60), min_size=1, max_size=6)


def records_of(payloads: list[bytes]) -> list[Record]:
    return [Record(2 * n + 1, 7, 16 + n, 5, 3, body) for n, body in enumerate(payloads)]


@given(payloads=bodies)
def test_frames_arrive_as_they_were_sent(payloads: list[bytes]) -> None:
    records = records_of(payloads)
    assert parse_records(encode_records(records)) == records


@given(payloads=bodies, data=st.data())
def test_frames_that_were_torn_or_hurt_on_the_way_are_refused(
    payloads: list[bytes], data: st.DataObject
) -> None:
    records = records_of(payloads)
    body = encode_records(records)
    hurt = bytearray(body)
    at = data.draw(st.integers(0, len(body) - 1))
    hurt[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ClewError) as refused:
        parse_records(bytes(hurt))
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    size = data.draw(st.integers(1, len(body) - 1))
    try:
        found = parse_records(body[:size])
    except ClewError:
        return
    assert found == records[: len(found)], "torn between two frames"


def write_log(folder: Path, payloads: list[bytes], cut: int) -> None:
    """Write frames into small files, the first `cut` of them a batch that is told of at the end."""
    settled = threading.Condition()
    acked = 0

    def hear(group: Group) -> None:
        nonlocal acked
        with settled:
            acked = group.last
            settled.notify_all()

    log = Log.open(
        History.read(folder),
        next_number=1,
        settle=hear,
        options=LogOptions(segment_bytes=300, is_shared=True, kept_bytes_max=1 << 20),
    )
    for payload in payloads:
        number = log.append(16, payload, received=1, oldest=1)
        with settled:
            assert settled.wait_for(lambda number=number: acked >= number, DEADLINE_S)  # type: ignore[misc]
    if cut:
        log.record_cut(Cut(1, cut)).wait()
    log.note_acked(cut)
    log.close()


def read_log(folder: Path, log_id: bytes) -> list[bytes]:
    reader = LogReader(folder, log_id)
    try:
        return [record.payload for record in reader.read(0, bytes_max=1 << 20) or []]
    finally:
        reader.close()


@settings(max_examples=examples(25))
@given(payloads=st.lists(st.binary(max_size=150), min_size=1, max_size=12), data=st.data())
def test_a_log_that_is_cut_off_keeps_what_is_before_and_what_was_said_of_it(
    payloads: list[bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    cut = data.draw(st.integers(0, len(payloads)))
    after = data.draw(st.integers(cut, len(payloads)))
    write_log(folder, payloads, cut)
    stopped = folder.with_name(folder.name + "-stopped")
    shutil.copytree(folder, stopped)
    cut_off(folder, after)
    # What an interruption leaves at the latest is the word of what is to be done.
    (stopped / INTENT_NAME).write_text(str(after))
    for each in (folder, stopped):
        history = History.read(each)
        assert read_log(each, history.log_id) == payloads[:after]
        assert history.last == after
        assert (history.batch.last if history.batch else 0) == cut
        assert history.damage == ()
        assert not (each / INTENT_NAME).exists()


def test_a_cut_that_is_interrupted_anywhere_is_finished_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = [bytes([n]) * 120 for n in range(10)]
    unlink = Path.unlink
    for allowed in range(12):
        folder = tmp_path / str(allowed)
        write_log(folder, payloads, 2)
        left = allowed

        def fail_later(path: Path, missing_ok: bool = False) -> None:
            nonlocal left
            if left == 0:
                raise OSError(5, "cut")
            left -= 1
            unlink(path, missing_ok=missing_ok)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", fail_later)
            try:
                cut_off(folder, 4)
            except OSError:
                assert (folder / INTENT_NAME).exists()
        history = History.read(folder)
        assert read_log(folder, history.log_id) == payloads[:4]
        assert history.batch is not None
        assert history.batch.last == 2


@pytest.mark.parametrize("epoch", ["-1", "4294967296", "1_0", "\u0661", "", "x" * 500])
def test_an_epoch_that_no_frame_has_room_for_is_refused(epoch: str) -> None:
    with pytest.raises(ClewError) as refused:
        Shipment.parse({EPOCH_HEADER: epoch, NODE_HEADER: "a"})
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    assert len(refused.value.message) < 200


def test_what_is_cut_off_was_acknowledged_by_nobody(tmp_path: Path) -> None:
    settled = threading.Semaphore(0)

    def hear(group: Group) -> None:
        settled.release(group.last - group.first + 1)

    log = Log.open(
        History.read(tmp_path), next_number=1, settle=hear, options=LogOptions(is_shared=True)
    )

    def append(count: int) -> None:
        for _ in range(count):
            log.append(16, b"x", received=1, oldest=1)
            assert settled.acquire(timeout=DEADLINE_S)

    append(5)
    log.note_acked(5)
    log.cut_off(3)
    append(2)
    log.close()
    history = History.read(tmp_path)
    assert (history.last, history.acked) == (5, 3)


def test_of_a_long_log_the_newest_bodies_are_known_when_they_are_sent_again(
    tmp_path: Path,
) -> None:
    payloads = [bytes([n]) * 120 for n in range(12)]
    write_log(tmp_path, payloads, 0)
    history = History.read(tmp_path)
    resends = Resends(1.0, lambda: ClewError(ErrorCode.UNAVAILABLE, "unknown"))
    resends.remember_tail(tmp_path, history.log_id, history.last, 1, bytes_max=500)

    async def send(payload: bytes) -> int | None:
        async def take() -> tuple[Decoded, asyncio.Future[int] | None]:
            return Decoded(1), None

        async def wait(after: int, _timeout_s: float) -> int:
            return after + 1

        return (await resends.once(16, payload, take, wait))[1]

    assert asyncio.run(send(payloads[-1])) == 12
    assert asyncio.run(send(payloads[-2])) == 11
    assert asyncio.run(send(payloads[0])) is None, "it is taken in as one that nobody sent before"


def test_starts_are_values() -> None:
    starts: Starts = ((1, 1), (4, 9))
    assert Position(starts, 12).end_of(1) == 8
    assert Position(starts, 12).end_of(4) == 12
    assert Position(starts, 8).end_of(4) is None, "nothing was written in it yet"
