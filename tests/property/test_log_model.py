"""The write-ahead log against a model in memory, whole and hurt at every byte.

The model knows the layout (64 bytes of head, 48 before each payload) and what was written in which
order; it never looks at a file. What it expects of a log that was cut off or hurt at a byte: every
frame that does not contain the byte, and no other.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.store.log.frame import Cut, Split
from clew.store.log.history import History, RecordedBatch
from clew.store.log.options import LogOptions
from clew.store.log.receipt import Group
from clew.store.log.writer import Log
from tests.trying import examples

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S = 60.0
HEAD, BEFORE = 64, 48
KIND = 16


@dataclass
class Written:
    """A frame as the model knows it: `number` is 0 for a control frame."""

    number: int
    payload: bytes
    start: int
    end: int
    segment: int


@dataclass
class Writer:
    """A log and the model of what is in it."""

    folder: Path
    options: LogOptions
    written: list[Written] = field(default_factory=list)
    flushed: int = 0
    cut: int = 0
    batch: RecordedBatch | None = None

    def __post_init__(self) -> None:
        self.acked = 0
        self.changed = threading.Condition()
        self.segment, self.end, self.is_empty = 0, HEAD, True
        self.open()

    def hear(self, group: Group) -> None:
        assert group.failure is None
        with self.changed:
            self.acked = group.last
            self.changed.notify_all()

    def open(self) -> None:
        history = History.read(self.folder)
        self.log = Log.open(
            history, next_number=history.last + 1, settle=self.hear, options=self.options
        )
        self.segment, self.end, self.is_empty = self.segment + 1, HEAD, True

    def reopen(self) -> None:
        self.log.close()
        self.open()

    def note(self, number: int, payload: bytes) -> None:
        size = BEFORE + len(payload)
        if not self.is_empty and self.end + size > self.options.segment_bytes:
            self.segment, self.end = self.segment + 1, HEAD
        self.written.append(Written(number, payload, self.end, self.end + size, self.segment))
        self.end, self.is_empty = self.end + size, False

    def append(self, payload: bytes) -> None:
        number = self.log.append(KIND, payload, received=7, oldest=3)
        self.note(number, payload)
        with self.changed:
            assert self.changed.wait_for(lambda: self.acked >= number, DEADLINE_S)

    @property
    def last(self) -> int:
        return max((frame.number for frame in self.written), default=0)

    def cut_batch(self, size: int) -> None:
        first, last = self.cut + 1, min(self.cut + size, self.last)
        if last < first or self.batch is not None:
            return
        self.log.record_cut(Cut(first, last)).wait()
        self.note(0, Cut(first, last).encode())
        self.cut, self.batch = last, RecordedBatch(first, last)

    def split_batch(self, where: int) -> None:
        if self.batch is None or self.batch.first == self.batch.last:
            return
        first, last = self.batch.ranges("t")[where % len(self.batch.ranges("t"))]
        if first == last:
            return
        split = Split(first, (first + last) // 2, last, "t")
        self.log.record_split(split).wait()
        self.note(0, split.encode())
        self.batch = RecordedBatch(self.batch.first, self.batch.last, (*self.batch.splits, split))

    def flush_batch(self) -> None:
        if self.batch is not None:
            self.flushed, self.batch = self.batch.last, None
            self.log.record_flushed(self.flushed)
            self.note(0, bytes(8))
            self.log.release(self.flushed)

    def records(self) -> dict[int, bytes]:
        return {f.number: f.payload for f in self.written if f.number > self.flushed}


def payloads(history: History) -> dict[int, bytes]:
    found = [(frame.number, payload) for frame, payload in history.read_payloads()]
    assert [number for number, _ in found] == sorted({number for number, _ in found})
    return dict(found)


operations = st.one_of(
    st.tuples(st.just("append"), st.binary(max_size=120)),
    st.tuples(st.just("append"), st.binary(max_size=120)),
    st.tuples(st.just("append"), st.binary(max_size=120)),
    st.tuples(st.just("cut_batch"), st.integers(1, 5)),
    st.tuples(st.just("split_batch"), st.integers(0, 5)),
    st.tuples(st.just("flush_batch")),
    st.tuples(st.just("reopen")),
)


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(operations, max_size=30), segment_bytes=st.integers(100, 600))
def test_any_history_is_read_back_as_it_was_written(
    script: list[tuple[str, bytes | int]],
    segment_bytes: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer = Writer(folder, LogOptions(segment_bytes=segment_bytes))
    for name, *arguments in script:
        getattr(writer, name)(*arguments)
    writer.log.close()
    history = History.read(folder)
    assert payloads(history) == writer.records()
    assert history.batch == writer.batch
    assert (history.flushed, history.last) == (writer.flushed, writer.last)
    assert (history.frames_lost, history.damage) == (0, ())
    assert all((f.kind, f.received, f.oldest) == (KIND, 7, 3) for f in history.frames)


def write_sample(folder: Path) -> tuple[Writer, dict[int, Path]]:
    """Write three files: the first two with three frames each, the last with four and a cut."""
    writer = Writer(folder, LogOptions(segment_bytes=10_000))
    for number in range(1, 11):
        writer.append(bytes([number]) * (5 * number % 23))
        if number in (3, 6):
            writer.reopen()
    writer.cut_batch(4)
    writer.append(b"last")
    writer.log.close()
    return writer, dict(enumerate(sorted(folder.glob("*.log")), 1))


def read_with(folder: Path, files: dict[int, Path], segment: int, content: bytes) -> History:
    """Read a copy of a log in which one file has other content."""
    for path in folder.iterdir():
        path.unlink()
    for number, path in files.items():
        (folder / path.name).write_bytes(content if number == segment else path.read_bytes())
    return History.read(folder)


def test_cut_off_at_any_byte_a_log_gives_every_whole_frame_and_goes_on(tmp_path: Path) -> None:
    writer, files = write_sample(tmp_path / "log")
    copy = tmp_path / "copy"
    copy.mkdir()
    content = files[3].read_bytes()
    for size in range(len(content) + 1):
        history = read_with(copy, files, 3, content[:size])
        whole = [f for f in writer.written if f.segment < 3 or f.end <= size]
        expected = {f.number: f.payload for f in whole if f.number}
        assert payloads(history) == expected, size
        is_cut = any(f.number == 0 for f in whole)
        assert history.batch == (RecordedBatch(1, 4) if is_cut else None), size
        assert (history.frames_lost, history.damage) == (0, ())
        if size % 7 == 0:
            _check_it_goes_on(copy, history, expected)


def _check_it_goes_on(folder: Path, history: History, expected: dict[int, bytes]) -> None:
    settled = threading.Event()
    log = Log.open(history, next_number=history.last + 1, settle=lambda group: settled.set())
    number = log.append(KIND, b"after", received=7, oldest=3)
    assert settled.wait(DEADLINE_S)
    log.close()
    assert payloads(History.read(folder)) == {**expected, number: b"after"}


def test_hurt_at_any_byte_a_log_loses_only_the_frame_that_holds_it(tmp_path: Path) -> None:
    writer, files = write_sample(tmp_path / "log")
    copy = tmp_path / "copy"
    copy.mkdir()
    for segment, path in files.items():
        content = path.read_bytes()
        for at in range(len(content)):
            hurt = bytearray(content)
            hurt[at] ^= 1 << (at % 8)
            history = read_with(copy, files, segment, bytes(hurt))
            holder = next(
                (f for f in writer.written if f.segment == segment and f.start <= at < f.end),
                None,
            )
            expected = {f.number: f.payload for f in writer.written if f.number and f is not holder}
            assert payloads(history) == expected, (segment, at)
            is_tail = holder is writer.written[-1]
            assert bool(history.damage) != is_tail, (segment, at)
            is_record_lost = holder is not None and holder.number != 0 and not is_tail
            assert history.frames_lost == is_record_lost, (segment, at)
            cut_is_hurt = holder is not None and holder.number == 0
            assert history.batch == (None if cut_is_hurt else RecordedBatch(1, 4))


@settings(max_examples=examples(30))
@given(data=st.data())
def test_hurt_in_many_places_a_log_never_gives_a_frame_that_was_not_written(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer, files = write_sample(folder / "log")
    copy = folder / "copy"
    copy.mkdir()
    segment = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[segment].read_bytes())
    places = data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=12)
    )
    for at, value in places:
        content[at] = value
    history = read_with(copy, files, segment, bytes(content))
    unhurt = {
        f.number: f.payload
        for f in writer.written
        if f.segment != segment or not any(f.start <= at < f.end for at, _ in places)
    }
    found = payloads(history)
    written = {f.number: f.payload for f in writer.written}
    assert found.items() <= written.items()
    assert {n: p for n, p in unhurt.items() if n}.items() <= found.items()
