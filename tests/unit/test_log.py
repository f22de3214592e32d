"""The write-ahead log: frames go in, come back equal, and stay within their bounds."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.log.frame import PAYLOAD_BYTES_MAX, Cut, Split
from clew.store.log.history import History, RecordedBatch, find_frame, read_payload
from clew.store.log.options import LogOptions
from clew.store.log.receipt import Group
from clew.store.log.writer import Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE_S = 60.0
KIND = 16


class Acks:
    """Hears what the log settles, and lets a test wait for it."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self._changed = threading.Condition()

    def __call__(self, group: Group) -> None:
        with self._changed:
            self.groups.append(group)
            self._changed.notify_all()

    def wait(self, number: int) -> Group:
        def settled() -> Group | None:
            return next((g for g in self.groups if g.first <= number <= g.last), None)

        with self._changed:
            assert self._changed.wait_for(lambda: settled() is not None, DEADLINE_S)
        group = settled()
        assert group is not None
        return group


@pytest.fixture
def acks() -> Acks:
    return Acks()


@pytest.fixture
def open_log(tmp_path: Path, acks: Acks) -> Callable[..., Log]:
    def open_next(**options: object) -> Log:
        history = History.read(tmp_path)
        chosen = LogOptions(**options)  # type: ignore[arg-type]
        return Log.open(history, next_number=history.last + 1, settle=acks, options=chosen)

    return open_next


def append(log: Log, payload: bytes) -> int:
    return log.append(KIND, payload, received=1_000 + len(payload), oldest=10)


def payloads(history: History) -> dict[int, bytes]:
    return {frame.number: payload for frame, payload in history.read_payloads()}


def test_what_was_acknowledged_comes_back_with_all_that_was_said_of_it(
    open_log: Callable[..., Log], acks: Acks, tmp_path: Path
) -> None:
    log = open_log()
    sent = {append(log, payload): payload for payload in (b"one", b"", b"three" * 1000)}
    assert acks.wait(3).failure is None
    # Not closed: the file is read as a crash would leave it.
    history = History.read(tmp_path)
    assert payloads(history) == sent == {1: b"one", 2: b"", 3: b"three" * 1000}
    assert [(f.kind, f.received, f.oldest, f.epoch) for f in history.frames] == [
        (KIND, 1003, 10, 1),
        (KIND, 1000, 10, 1),
        (KIND, 6000, 10, 1),
    ]
    log.close()


def test_numbers_go_on_and_the_epoch_rises_when_a_log_is_opened_again(
    open_log: Callable[..., Log], tmp_path: Path
) -> None:
    for epoch in (1, 2, 3):
        log = open_log()
        assert (log.epoch, append(log, b"x")) == (epoch, epoch)
        log.close()
    history = History.read(tmp_path)
    assert [(f.number, f.epoch) for f in history.frames] == [(1, 1), (2, 2), (3, 3)]
    assert len({f.path.name[-36:] for f in history.frames}) == 1, "one id for the whole log"


def test_frames_that_gather_while_the_disk_is_busy_are_synced_together(
    open_log: Callable[..., Log], acks: Acks, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_sync_began, go_on = threading.Event(), threading.Event()
    sync = os.fdatasync

    def slow_sync(descriptor: int) -> None:
        first_sync_began.set()
        go_on.wait(DEADLINE_S)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow_sync)
    log = open_log()
    append(log, b"alone")
    assert first_sync_began.wait(DEADLINE_S)
    for _ in range(50):
        append(log, b"together")
    go_on.set()
    assert acks.wait(1) == Group(1, 1)
    assert acks.wait(51) == Group(2, 51)
    log.close()


def test_a_cut_and_its_splits_come_back_as_the_batch_that_is_open(
    open_log: Callable[..., Log], tmp_path: Path
) -> None:
    log = open_log()
    for _ in range(9):
        append(log, b"row")
    log.record_cut(Cut(1, 6)).wait()
    log.record_split(Split(1, 3, 6, "t")).wait()
    log.record_split(Split(4, 4, 6, "t")).wait()
    history = History.read(tmp_path)
    assert history.batch is not None
    assert (history.batch.first, history.batch.last) == (1, 6)
    assert history.batch.ranges("t") == [(1, 3), (4, 4), (5, 6)]
    assert history.batch.ranges("u") == [(1, 6)]
    assert [f.number for f in history.frames] == list(range(1, 10))
    log.close()


def test_a_flushed_batch_is_forgotten_and_so_is_one_before_a_later_cut(
    open_log: Callable[..., Log], tmp_path: Path
) -> None:
    log = open_log()
    for _ in range(9):
        append(log, b"row")
    log.record_cut(Cut(1, 3)).wait()
    log.record_cut(Cut(4, 6)).wait()
    history = History.read(tmp_path)
    assert (history.flushed, history.batch) == (3, RecordedBatch(4, 6))
    log.record_flushed(6)
    log.close()
    history = History.read(tmp_path)
    assert (history.flushed, history.batch) == (6, None)
    assert [f.number for f in history.frames] == [7, 8, 9]


def test_files_roll_and_go_when_all_their_frames_are_flushed(
    open_log: Callable[..., Log], acks: Acks, tmp_path: Path
) -> None:
    log = open_log(segment_bytes=1000)
    for number in range(1, 11):
        append(log, b"x" * 400)
        acks.wait(number)
    names = sorted(path.name[:20] for path in tmp_path.glob("*.log"))
    assert names == [f"{first:020d}" for first in (1, 3, 5, 7, 9)]
    log.release(5)
    names = sorted(path.name[:20] for path in tmp_path.glob("*.log"))
    assert names == [f"{first:020d}" for first in (5, 7, 9)]
    history = History.read(tmp_path)
    assert (history.flushed, history.last) == (4, 10)
    log.close()


def test_an_opened_log_whose_frames_are_all_flushed_keeps_one_file(
    open_log: Callable[..., Log], tmp_path: Path
) -> None:
    for _ in range(5):
        log = open_log()
        number = append(log, b"x")
        log.record_cut(Cut(number, number)).wait()
        log.record_flushed(number)
        log.close()
        assert len(list(tmp_path.glob("*.log"))) == 1
    assert History.read(tmp_path).last == 5


def test_a_full_queue_and_a_full_log_are_refused_with_a_time_to_wait(
    open_log: Callable[..., Log], acks: Acks
) -> None:
    log = open_log(bytes_max=2000, queue_bytes_max=10_000)
    append(log, b"x" * 1000)
    acks.wait(1)
    with pytest.raises(ClewError) as full:
        log.check_room(1000)
    assert full.value.code is ErrorCode.OVERLOADED
    assert full.value.retry_after_ms
    log.check_room(100)
    log.close()
    log = open_log(queue_frames_max=0)
    with pytest.raises(ClewError) as busy:
        log.check_room(1)
    assert busy.value.code is ErrorCode.OVERLOADED
    assert busy.value.retry_after_ms
    log.close()


def test_a_log_that_is_bounded_below_one_file_has_room_again_once_the_engine_has_its_frames(
    open_log: Callable[..., Log], acks: Acks
) -> None:
    log = open_log(bytes_max=8000)
    for _ in range(20):
        log.check_room(500)
        number = append(log, b"x" * 500)
        acks.wait(number)
        log.release(number)
    log.close()


def test_a_record_that_no_frame_can_hold_is_too_large(open_log: Callable[..., Log]) -> None:
    log = open_log()
    log.check_room(PAYLOAD_BYTES_MAX)
    with pytest.raises(ClewError) as error:
        log.check_room(PAYLOAD_BYTES_MAX + 1)
    assert error.value.code is ErrorCode.TOO_LARGE
    log.close()


def test_a_closed_log_writes_what_was_queued_and_takes_nothing_more(
    open_log: Callable[..., Log], tmp_path: Path
) -> None:
    log = open_log()
    for _ in range(100):
        append(log, b"x")
    log.close()
    log.close()
    assert History.read(tmp_path).last == 100
    with pytest.raises(ClewError) as error:
        append(log, b"y")
    assert error.value.code is ErrorCode.UNAVAILABLE


def test_one_frame_is_found_again_while_the_log_is_written(
    open_log: Callable[..., Log], acks: Acks, tmp_path: Path
) -> None:
    log = open_log(segment_bytes=500)
    for number in range(1, 20):
        append(log, b"%d" % number)
        acks.wait(number)
    frame = find_frame(tmp_path, 11)
    assert frame is not None
    assert read_payload(frame) == b"11"
    assert find_frame(tmp_path, 20) is None
    log.close()
