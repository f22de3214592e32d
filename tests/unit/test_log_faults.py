"""The write-ahead log when the disk, the folder or the files are not as they should be."""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.log.frame import Cut
from clew.store.log.history import History
from clew.store.log.options import LogOptions
from clew.store.log.receipt import Group
from clew.store.log.segment import SegmentHeader
from clew.store.log.writer import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE_S = 60.0
KIND = 16
LIMIT = 8192


class Acks:
    """Hears what the log settles, and lets a test wait for it."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self._changed = threading.Condition()

    def __call__(self, group: Group) -> None:
        with self._changed:
            self.groups.append(group)
            self._changed.notify_all()

    def of(self, number: int) -> Group:
        def settled() -> list[Group]:
            return [g for g in self.groups if g.first <= number <= g.last]

        with self._changed:
            assert self._changed.wait_for(settled, DEADLINE_S)
            return settled()[0]


@pytest.fixture
def limit_files() -> Iterator[Callable[[int], None]]:
    """Let no file of this process grow past a size: the kernel refuses the write with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))

    yield limit
    limit(0)


def open_log(folder: Path, acks: Acks, **options: object) -> Log:
    history = History.read(folder)
    chosen = LogOptions(**options)  # type: ignore[arg-type]
    return Log.open(history, next_number=history.last + 1, settle=acks, options=chosen)


def append(log: Log, payload: bytes) -> int:
    return log.append(KIND, payload, received=1, oldest=1)


def numbers(history: History) -> list[int]:
    return [frame.number for frame in history.frames]


def fill(folder: Path, count: int) -> Path:
    """Write a log of one file with so many frames; return the file."""
    acks = Acks()
    log = open_log(folder, acks)
    for _ in range(count):
        append(log, b"x" * 100)
    log.close()
    (path,) = folder.glob("*.log")
    return path


def test_a_write_that_fails_is_undone_and_said_and_later_ones_succeed_by_themselves(
    tmp_path: Path, limit_files: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    acks = Acks()
    log = open_log(tmp_path, acks, probe_s=0.01)
    assert acks.of(append(log, b"a" * 1000)).failure is None
    limit_files(LIMIT)
    with caplog.at_level(logging.ERROR):
        failed = acks.of(append(log, b"b" * LIMIT))
    assert failed.failure is not None
    assert failed.failure.code is ErrorCode.UNAVAILABLE
    assert failed.failure.retry_after_ms
    assert str(tmp_path) in (failed.failure.hint or "")
    assert "bytes free" in (failed.failure.hint or "")
    assert log.failure is not None
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    # What fits is taken: the file was cut back to its last whole frame.
    assert acks.of(append(log, b"c" * 1000)).failure is None
    assert log.failure is None
    limit_files(0)
    assert acks.of(append(log, b"d" * LIMIT)).failure is None
    history = History.read(tmp_path)
    assert numbers(history) == [1, 3, 4], "the number of the failed frame is not used again"
    assert history.frames_lost == 0
    log.close()


def test_a_log_that_could_not_be_written_finds_out_by_itself_when_it_can(
    tmp_path: Path, limit_files: Callable[[int], None]
) -> None:
    acks = Acks()
    log = open_log(tmp_path, acks, probe_s=0.01)
    limit_files(LIMIT)
    assert acks.of(append(log, b"b" * LIMIT)).failure is not None
    limit_files(0)
    recovered = threading.Event()
    deadline = threading.Timer(DEADLINE_S, recovered.set)
    deadline.start()
    while log.failure is not None and not recovered.wait(0.005):
        pass
    deadline.cancel()
    assert log.failure is None
    log.close()


def test_control_frames_that_cannot_be_written_fail_their_waiter(
    tmp_path: Path, limit_files: Callable[[int], None]
) -> None:
    acks = Acks()
    log = open_log(tmp_path, acks)
    append(log, b"x")
    acks.of(1)
    limit_files(100)
    with pytest.raises(ClewError) as error:
        log.record_cut(Cut(1, 1)).wait()
    assert error.value.code is ErrorCode.UNAVAILABLE
    limit_files(0)
    log.record_cut(Cut(1, 1)).wait()
    log.close()


def test_after_a_failed_sync_the_file_is_left_and_what_was_not_synced_never_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acks = Acks()
    log = open_log(tmp_path, acks)
    assert acks.of(append(log, b"a")).failure is None
    sync = os.fdatasync

    def fail_once(descriptor: int) -> None:
        monkeypatch.setattr(os, "fdatasync", sync)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def refuse(_descriptor: int, _size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    # The worst case: not even cutting the bytes off works, so they stay in the file.
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refuse)
        monkeypatch.setattr(os, "fdatasync", fail_once)
        assert acks.of(append(log, b"b")).failure is not None
    assert acks.of(append(log, b"c")).failure is None
    log.close()
    first, _ = sorted(tmp_path.glob("*.log"))
    assert first.stat().st_size == 64 + 2 * 49, "the failed frame still lies there"
    history = History.read(tmp_path)
    assert numbers(history) == [1, 3]
    assert (history.frames_lost, history.damage) == (0, ())


def test_a_fault_of_ours_in_the_writer_fails_everyone_who_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    acks = Acks()
    log = open_log(tmp_path, acks)

    def break_down(_descriptor: int) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(os, "fdatasync", break_down)
    failure = acks.of(append(log, b"a")).failure
    assert failure is not None
    assert failure.code is ErrorCode.INTERNAL
    assert "the log's writer stopped" in caplog.text
    with pytest.raises(ClewError):
        log.check_room(1)
    log.close()


def test_a_torn_end_is_cut_off_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = fill(tmp_path, 3)
    os.truncate(path, path.stat().st_size - 1)
    with caplog.at_level(logging.WARNING):
        history = History.read(tmp_path)
    assert numbers(history) == [1, 2]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert path.stat().st_size == 64 + 2 * 148
    caplog.clear()
    assert numbers(History.read(tmp_path)) == [1, 2]
    assert not caplog.records, "it was cut off once and for all"


def test_damage_in_the_middle_costs_its_own_frame_and_the_file_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = fill(tmp_path, 3)
    with path.open("r+b") as file:
        file.seek(64 + 148 + 60)
        file.write(b"\0")
    with caplog.at_level(logging.ERROR):
        history = History.read(tmp_path)
    assert numbers(history) == [1, 3]
    assert (history.frames_lost, len(history.damage)) == (1, 1)
    assert "damaged" in caplog.text
    acks = Acks()
    log = Log.open(history, next_number=4, settle=acks)
    log.release(3)
    log.close()
    assert [p.name for p in tmp_path.glob("*.damaged")] == [path.stem + ".damaged"]


def test_a_bad_end_of_a_file_that_is_not_the_last_is_damage(tmp_path: Path) -> None:
    path = fill(tmp_path, 3)
    acks = Acks()
    log = open_log(tmp_path, acks)
    append(log, b"y")
    log.close()
    os.truncate(path, path.stat().st_size - 1)
    history = History.read(tmp_path)
    assert numbers(history) == [1, 2, 4]
    assert history.frames_lost == 1


def test_a_missing_file_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        log = open_log(tmp_path, Acks())
        append(log, b"y")
        log.close()
    _, middle, _ = sorted(tmp_path.glob("*.log"))
    middle.unlink()
    with caplog.at_level(logging.ERROR):
        history = History.read(tmp_path)
    assert numbers(history) == [1, 3]
    assert history.frames_lost == 1
    assert "missing" in caplog.text


def test_a_file_whose_making_was_interrupted_is_removed(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    log = open_log(tmp_path, Acks())
    log.close()
    *_, unborn = sorted(tmp_path.glob("*.log"))
    for size in (0, 1, 63):
        os.truncate(unborn, size)
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path, copy)
        history = History.read(copy)
        assert (numbers(history), history.damage) == ([1, 2], ())
        assert not (copy / unborn.name).exists()
        shutil.rmtree(copy)


def test_frames_are_read_even_when_the_head_of_their_file_is_lost(tmp_path: Path) -> None:
    path = fill(tmp_path, 3)
    with path.open("r+b") as file:
        file.write(bytes(64))
    history = History.read(tmp_path)
    assert numbers(history) == [1, 2, 3]
    assert (history.frames_lost, len(history.damage)) == (0, 1)


def test_the_files_of_two_logs_in_one_folder_are_refused(tmp_path: Path) -> None:
    path = fill(tmp_path / "a", 1)
    fill(tmp_path / "b", 1)
    shutil.copy(path, tmp_path / "b")
    with pytest.raises(ClewError) as error:
        History.read(tmp_path / "b")
    assert error.value.code is ErrorCode.CONFLICT


def test_a_log_of_a_newer_program_is_refused_untouched(tmp_path: Path) -> None:
    path = fill(tmp_path, 1)
    content = path.read_bytes()
    head = SegmentHeader.parse(memoryview(content))
    assert head is not None
    newer = SegmentHeader(head.log_id, head.epoch, head.ordinal, head.first, 0, 0, version=2)
    path.write_bytes(newer.encode() + content[64:])
    with pytest.raises(ClewError) as error:
        History.read(tmp_path)
    assert error.value.code is ErrorCode.UNSUPPORTED
    assert path.read_bytes()[64:] == content[64:]


def test_a_payload_cannot_pass_for_frames_when_it_is_damaged(tmp_path: Path) -> None:
    """A client sends the image of a log; its own frame is damaged; nothing of the image appears."""
    image = fill(tmp_path / "a", 5).read_bytes()
    acks = Acks()
    log = open_log(tmp_path / "b", acks)
    append(log, b"first")
    append(log, image)
    append(log, b"third")
    log.close()
    (path,) = (tmp_path / "b").glob("*.log")
    at = path.read_bytes().index(image)
    for hurt in (at - 48, at - 30, at + 3):
        content = bytearray(path.read_bytes())
        content[hurt] ^= 1
        copy = tmp_path / f"c{hurt}"
        copy.mkdir()
        (copy / path.name).write_bytes(content)
        history = History.read(copy)
        assert numbers(history) == [1, 3]
        assert history.frames_lost == 1


@pytest.mark.parametrize("end", [Log.give_up_waiting, Log.close])
def test_nothing_is_written_behind_what_a_shared_log_gave_up(
    end: Callable[[Log], None], tmp_path: Path, limit_files: Callable[[int], None]
) -> None:
    acks = Acks()
    log = open_log(tmp_path, acks, is_shared=True, probe_s=0.01)
    append(log, b"first")
    assert acks.of(1).failure is None
    limit_files(LIMIT)
    append(log, bytes(LIMIT))
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while log.failure is None:
        assert time.monotonic() < deadline
        pause.wait(0.001)
    # Others would take a log that has the third frame for one that has the second.
    append(log, b"third")
    end(log)
    assert acks.of(2).failure is not None
    assert acks.of(3).failure is not None
    limit_files(0)
    log.close()
    history = History.read(tmp_path)
    assert (numbers(history), history.last) == ([1], 1)
