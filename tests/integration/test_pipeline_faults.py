"""The pipeline when the engine, the disk or a record is not as it should be."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import shutil
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.flusher import FlushOptions
from clew.store.log.options import LogOptions
from clew.store.pipeline import Pipeline, PipelineOptions
from tests.integration.made_up import NUMBERS, WORDS, MemoryEngine, record, seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

KINDS = (NUMBERS, WORDS)
LAZY = PipelineOptions(flush=FlushOptions(interval_s=1000.0, retry_min_s=0.002, retry_max_s=0.01))
DOWN = ClewError(ErrorCode.UNAVAILABLE, "the engine is away")


@asynccontextmanager
async def opened(
    folder: Path, engine: MemoryEngine, options: PipelineOptions = LAZY
) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline.open(folder, engine, KINDS, options)
    try:
        yield pipeline
    finally:
        await pipeline.close()


@pytest.fixture
def limit_files() -> Iterator[Callable[[int], None]]:
    """Let no file of this process grow past a size: the kernel refuses the write with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))

    yield limit
    limit(0)


async def flush(pipeline: Pipeline, timeout_s: float = 30.0) -> None:
    await asyncio.to_thread(pipeline.flush, timeout_s)


def fail(error: Exception) -> Callable[[str, str], None]:
    def insert(_table: str, _token: str) -> None:
        raise error

    return insert


def succeed(_table: str, _token: str) -> None:
    return


def refuse_values(*poison: int) -> Callable[[str, set[int]], Exception | None]:
    def refuses(_table: str, values: set[int]) -> Exception | None:
        if values & set(poison):
            return ClewError(ErrorCode.INTERNAL, "cannot convert the value")
        return None

    return refuses


def test_while_the_engine_is_away_records_are_taken_and_seen_until_too_many_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        engine.before_insert = fail(DOWN)
        options = replace(LAZY, flush=replace(LAZY.flush, batch_rows=10, batch_rows_max=20))
        async with opened(tmp_path, engine, options) as pipeline:
            taken = 0
            with caplog.at_level(logging.WARNING):
                while True:
                    try:
                        await pipeline.accept(NUMBERS, record(taken))
                    except ClewError as error:
                        overloaded = error
                        break
                    taken += 1
                    assert seen(pipeline.snapshot(), engine).total() == taken
                with pytest.raises(ClewError) as late:
                    await flush(pipeline, 0.3)
            assert overloaded.code is ErrorCode.OVERLOADED
            assert overloaded.retry_after_ms
            assert 40 <= taken <= 60, "three full batches, the one that fills, the one in hand"
            assert late.value.code is ErrorCode.UNAVAILABLE
            assert "the engine is away" in late.value.message
            status = pipeline.status()
            assert status.kinds["numbers"].shed == 1
            assert status.kinds["numbers"].records == taken
            assert status.last_error == "the engine is away"
            assert status.batches_waiting >= 4
            assert [r.levelname for r in caplog.records] == ["WARNING"], "said once"
            engine.before_insert = succeed
            await flush(pipeline)
            assert pipeline.status().last_error is None
            await pipeline.accept(NUMBERS, record(taken))
            assert seen(pipeline.snapshot(), engine) == Counter(range(taken + 1))
        assert engine.values() == Counter(range(taken + 1))

    asyncio.run(run())


def test_closed_while_the_engine_is_away_the_log_keeps_everything(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        engine.before_insert = fail(DOWN)
        options = replace(LAZY, close_timeout_s=0.05)
        pipeline = Pipeline.open(tmp_path, engine, KINDS, options)
        for number in range(20):
            await pipeline.accept(NUMBERS, record(number))
        await pipeline.close()
        assert engine.values() == Counter()
        engine.before_insert = succeed
        async with opened(tmp_path, engine) as pipeline:
            assert seen(pipeline.snapshot(), engine) == Counter(range(20))
        assert engine.values() == Counter(range(20))

    asyncio.run(run())


def test_a_record_that_the_engine_refuses_is_found_and_kept_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        engine.refuses = refuse_values(14)
        async with opened(tmp_path, engine) as pipeline:
            for number in range(0, 40, 2):
                await pipeline.accept(NUMBERS, record(number, number + 1))
            with caplog.at_level(logging.ERROR):
                await flush(pipeline)
            status = pipeline.status()
            assert (status.refused_frames, status.last_error) == (1, None)
            expected = Counter(range(40)) - Counter([14])
            assert seen(pipeline.snapshot(), engine) == expected
        assert engine.values() == expected, "its odd number went into the other table"
        refused = tmp_path / "refused"
        assert (refused / f"{8:020d}.bin").read_bytes() == record(14, 15)
        reason = json.loads((refused / f"{8:020d}.evens.json").read_text())
        assert (reason["frame"], reason["table"]) == ("8", "evens")
        assert "cannot convert the value" in reason["reason"]
        assert [r.levelname for r in caplog.records] == ["ERROR"]
        async with opened(tmp_path, engine) as pipeline:
            assert pipeline.status().refused_frames == 1, "known after a restart, too"
            assert seen(pipeline.snapshot(), engine) == expected

    asyncio.run(run())


def test_killed_while_it_looks_for_a_refused_record_nothing_is_stored_twice(
    tmp_path: Path,
) -> None:
    """After every insert that succeeded, folder and engine are copied and opened again."""
    crashes: list[tuple[Path, MemoryEngine]] = []
    cured: list[tuple[Path, MemoryEngine]] = []

    async def run() -> None:
        engine = MemoryEngine()
        engine.refuses = refuse_values(4, 25)

        def crash(_table: str, _token: str) -> None:
            target = tmp_path / f"copy{len(crashes)}"
            shutil.copytree(tmp_path / "live", target)
            crashes.append((target, engine.copy()))
            shutil.copytree(target, tmp_path / f"cured{len(crashes)}")
            cured.append((tmp_path / f"cured{len(crashes)}", engine.copy()))

        engine.after_insert = crash
        async with opened(tmp_path / "live", engine) as pipeline:
            for number in range(0, 40, 2):
                await pipeline.accept(NUMBERS, record(number, number + 1))
            await flush(pipeline)
        expected = Counter(range(40)) - Counter([4, 25])
        assert engine.values() == expected
        for folder, left in crashes:
            left.refuses = engine.refuses
            async with opened(folder, left) as pipeline:
                assert seen(pipeline.snapshot(), left) == Counter(range(40))
                await flush(pipeline)
                assert pipeline.status().refused_frames == 2
            assert left.values() == expected
        for folder, left in cured:
            async with opened(folder, left) as pipeline:
                await flush(pipeline)
            assert left.values() == Counter(range(40)), "the halves keep their tokens"

    asyncio.run(run())
    assert len(crashes) > 5


def test_a_full_disk_refuses_records_shows_none_of_them_and_comes_back_by_itself(
    tmp_path: Path, limit_files: Callable[[int], None]
) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        options = replace(LAZY, log=LogOptions(probe_s=0.01))
        async with opened(tmp_path, engine, options) as pipeline:
            await pipeline.accept(NUMBERS, record(1, 2))
            limit_files(4096)
            large = [record(*range(10 * i, 10 * i + 1000)) for i in range(3)]
            failures = await asyncio.gather(
                *(pipeline.accept(NUMBERS, body) for body in large), return_exceptions=True
            )
            for failure in failures:
                assert isinstance(failure, ClewError)
                assert failure.code is ErrorCode.UNAVAILABLE
                assert str(tmp_path) in (failure.hint or "")
            assert seen(pipeline.snapshot(), engine) == Counter([1, 2]), "reads go on"
            status = pipeline.status()
            assert (status.writable, status.kinds["numbers"].failed) == (False, 3)
            assert status.last_error is not None
            assert status.hot_rows == 2
            # What still fits is taken, and what failed before it does not come with it.
            await pipeline.accept(NUMBERS, record(3))
            assert pipeline.status().writable
            assert seen(pipeline.snapshot(), engine) == Counter([1, 2, 3])
            limit_files(0)
            await pipeline.accept(NUMBERS, large[0])
            await flush(pipeline)
            expected = Counter([1, 2, 3]) + Counter(range(1000))
            assert seen(pipeline.snapshot(), engine) == expected
        assert engine.values() == expected

    asyncio.run(run())


def test_a_disk_that_fills_up_before_a_cut_holds_the_batch_back_and_no_more(
    tmp_path: Path, limit_files: Callable[[int], None]
) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine) as pipeline:
            await pipeline.accept(NUMBERS, record(1, 2))
            limit_files(pipeline.status().log_bytes)
            with pytest.raises(ClewError):
                await flush(pipeline, 0.2)
            assert engine.inserts == []
            assert seen(pipeline.snapshot(), engine) == Counter([1, 2])
            limit_files(0)
            await flush(pipeline)
            assert engine.values() == Counter([1, 2])

    asyncio.run(run())


def test_an_end_of_the_log_that_was_lost_brings_no_row_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk lied: the engine has batches that the log, cut off at any place, forgot."""

    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path / "live", engine) as pipeline:
            for number in range(0, 12, 2):
                await pipeline.accept(NUMBERS, record(number, number + 1))
                if number in (4, 8):
                    await flush(pipeline)
        (path,) = (tmp_path / "live" / "log").glob("*.log")
        content = path.read_bytes()
        for size in range(64, len(content), 13):
            folder = tmp_path / f"cut{size}"
            (folder / "log").mkdir(parents=True)
            (folder / "log" / path.name).write_bytes(content[:size])
            left = engine.copy()
            async with opened(folder, left) as pipeline:
                await flush(pipeline)
                assert seen(pipeline.snapshot(), left) == Counter(range(12)), size
                await pipeline.accept(NUMBERS, record(100))
            assert left.values() == Counter([*range(12), 100]), size

    asyncio.run(run())


def test_damage_is_counted_and_what_is_left_goes_its_way(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        engine.before_insert = fail(DOWN)
        options = replace(LAZY, close_timeout_s=0.01)
        pipeline = Pipeline.open(tmp_path, engine, KINDS, options)
        for number in range(5):
            await pipeline.accept(NUMBERS, record(number))
        await pipeline.close()
        (path,) = (tmp_path / "log").glob("*.log")
        content = bytearray(path.read_bytes())
        content[content.index(record(2))] ^= 1
        path.write_bytes(content)
        engine.before_insert = succeed
        async with opened(tmp_path, engine) as pipeline:
            assert pipeline.status().damaged_frames == 1
            await flush(pipeline)
        assert engine.values() == Counter([0, 1, 3, 4])
        assert len(list((tmp_path / "log").glob("*.damaged"))) == 1

    asyncio.run(run())


def test_a_record_of_a_kind_that_is_gone_is_kept_aside(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        engine.before_insert = fail(DOWN)
        options = replace(LAZY, close_timeout_s=0.01)
        pipeline = Pipeline.open(tmp_path, engine, KINDS, options)
        await pipeline.accept(NUMBERS, record(1))
        await pipeline.accept(WORDS, record(2))
        await pipeline.close()
        engine.before_insert = succeed
        pipeline = Pipeline.open(tmp_path, engine, (NUMBERS,), LAZY)
        assert pipeline.status().refused_frames == 1
        await pipeline.close()
        assert engine.values() == Counter([1])
        assert (tmp_path / "refused" / f"{2:020d}.bin").read_bytes() == record(2)

    asyncio.run(run())


def test_a_lost_log_folder_starts_a_new_log_after_the_engines_newest_frame(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path / "first", engine) as pipeline:
            for number in range(5):
                await pipeline.accept(NUMBERS, record(number))
        async with opened(tmp_path / "second", engine) as pipeline:
            assert seen(pipeline.snapshot(), engine) == Counter(range(5))
            await pipeline.accept(NUMBERS, record(5))
            assert pipeline.acked == 6
            await flush(pipeline)
            assert seen(pipeline.snapshot(), engine) == Counter(range(6))

    asyncio.run(run())


def test_a_folder_that_cannot_be_written_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    for _ in range(2):
        with pytest.raises(ClewError) as error:
            Pipeline.open(tmp_path, MemoryEngine(), KINDS)
        assert error.value.code is ErrorCode.UNAVAILABLE
        assert str(tmp_path) in error.value.message
