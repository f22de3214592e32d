"""Records go through log, memory and engine: each seen at once, each stored once."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.decoder import DecoderFullError, MalformedRecordError
from clew.store.flusher import FlushOptions
from clew.store.pipeline import OLDEST_MIN_NS, Pipeline, PipelineOptions, RecordKind
from tests.integration.made_up import NUMBERS, WORDS, MemoryEngine, NumberDecoder, record, seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from clew.store.decoder import Decoded
    from clew.store.engine.contract import Snapshot

KINDS = (NUMBERS, WORDS)

# Nothing is flushed unless a test asks for it.
LAZY = PipelineOptions(flush=FlushOptions(interval_s=1000.0))


@asynccontextmanager
async def opened(
    folder: Path, engine: MemoryEngine, options: PipelineOptions = LAZY
) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline.open(folder, engine, KINDS, options)
    try:
        yield pipeline
    finally:
        await pipeline.close()


async def flush(pipeline: Pipeline) -> None:
    await asyncio.to_thread(pipeline.flush)


def test_a_record_is_seen_as_soon_as_it_is_accepted(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine) as pipeline:
            assert seen(pipeline.snapshot(), engine) == Counter()
            decoded = await pipeline.accept(NUMBERS, record(1, 2, 3, -4))
            assert (decoded.accepted, decoded.rejected) == (3, {"negative": 1})
            assert seen(pipeline.snapshot(), engine) == Counter([1, 2, 3])
            await flush(pipeline)
            assert pipeline.snapshot().hot == {}
            assert seen(pipeline.snapshot(), engine) == Counter([1, 2, 3])
            await pipeline.accept(NUMBERS, record(1))
            assert seen(pipeline.snapshot(), engine) == Counter([1, 1, 2, 3])

    asyncio.run(run())


def test_a_snapshot_stays_as_it_was_whatever_comes_after(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine) as pipeline:
            await pipeline.accept(NUMBERS, record(1, 2))
            before = pipeline.snapshot()
            await pipeline.accept(NUMBERS, record(3))
            await flush(pipeline)
            await pipeline.accept(NUMBERS, record(4))
            assert seen(before, engine) == Counter([1, 2])
            assert pipeline.snapshot() is not before

    asyncio.run(run())


def test_what_is_malformed_or_refused_whole_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine) as pipeline:
            size = pipeline.status().log_bytes
            with pytest.raises(MalformedRecordError):
                await pipeline.accept(NUMBERS, b"no json")
            refused = await pipeline.accept(NUMBERS, record(-1, -2))
            assert (refused.accepted, refused.rejected) == (0, {"negative": 2})
            status = pipeline.status()
            assert (status.log_bytes, status.acked, status.hot_rows) == (size, 0, 0)
            numbers = status.kinds["numbers"]
            assert (numbers.records, numbers.rows, numbers.malformed) == (0, 0, 1)
            assert numbers.rejected == {"negative": 2}
            assert numbers.last_accepted_at is None

    asyncio.run(run())


def test_records_of_every_size_and_kind_keep_the_order_of_their_frames(tmp_path: Path) -> None:
    """Large ones are decoded in another thread and get their number when they come back."""

    async def run() -> None:
        engine = MemoryEngine()
        options = replace(LAZY, decode_inline_bytes_max=40)
        async with opened(tmp_path, engine, options) as pipeline:
            sizes = [1, 30, 2, 50, 1, 1, 90, 3]
            bodies = [record(*range(100 * i, 100 * i + n)) for i, n in enumerate(sizes)]
            accepted = await asyncio.gather(
                *(pipeline.accept(NUMBERS if i % 3 else WORDS, b) for i, b in enumerate(bodies))
            )
            assert [decoded.accepted for decoded in accepted] == sizes
            hot = pipeline.snapshot().hot
            for table in hot.values():
                frames = table.column("Frame").to_pylist()
                assert frames == sorted(frames)
            values = {
                v: f
                for t in hot.values()
                for v, f in zip(
                    t.column("Value").to_pylist(), t.column("Frame").to_pylist(), strict=True
                )
            }
            by_record = [
                {values[v] for v in range(100 * i, 100 * i + n)} for i, n in enumerate(sizes)
            ]
            assert all(len(frames) == 1 for frames in by_record)
            assert {f for frames in by_record for f in frames} == set(range(1, len(sizes) + 1))

    asyncio.run(run())


def test_a_full_decoder_is_emptied_and_what_fits_into_no_decoder_is_too_large(
    tmp_path: Path,
) -> None:
    class Small(NumberDecoder):
        def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
            if self.rows() + body.count(b",") >= 5:
                raise DecoderFullError
            return super().append(body, frame=frame, received=received, oldest=oldest)

    small = replace(NUMBERS, open_decoder=Small)

    async def run() -> None:
        engine = MemoryEngine()
        for name, inline_max in (("inline", 1000), ("apart", 1)):
            options = replace(LAZY, decode_inline_bytes_max=inline_max)
            pipeline = Pipeline.open(tmp_path / name, engine, (small,), options)
            for number in range(4):
                await pipeline.accept(small, record(*range(3 * number, 3 * number + 3)))
            with pytest.raises(ClewError) as error:
                await pipeline.accept(small, record(*range(100, 106)))
            assert error.value.code is ErrorCode.TOO_LARGE
            await pipeline.close()
        assert engine.values() == Counter([*range(12), *range(12)])

    asyncio.run(run())


def test_rows_that_take_too_much_memory_are_refused_however_few(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine, replace(LAZY, hot_bytes_max=100)) as pipeline:
            await pipeline.accept(NUMBERS, record(*range(20)))
            pipeline.snapshot()
            with pytest.raises(ClewError) as error:
                await pipeline.accept(NUMBERS, record(20))
            assert error.value.code is ErrorCode.OVERLOADED
            await flush(pipeline)
            await pipeline.accept(NUMBERS, record(20))

    asyncio.run(run())


def test_time_bounds_come_with_the_call_and_are_the_same_when_decoded_again(
    tmp_path: Path,
) -> None:
    calls: list[tuple[int, int, int]] = []

    class Listening(NumberDecoder):
        def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
            calls.append((frame, received, oldest))
            return super().append(body, frame=frame, received=received, oldest=oldest)

    month_s, now_s = 30 * 86_400, 1_790_000_000
    kept = RecordKind(20, "numbers", NUMBERS.tables, Listening, retention_seconds=month_s)
    for_ever = replace(WORDS, open_decoder=Listening, tables=())
    options = replace(LAZY, clock=lambda: now_s * 10**9)

    async def run() -> None:
        engine = MemoryEngine()
        pipeline = Pipeline.open(tmp_path / "a", engine, (kept, for_ever), options)
        await pipeline.accept(kept, record(1))
        await pipeline.accept(for_ever, b"[]")
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        again = Pipeline.open(tmp_path / "b", engine, (kept, for_ever))
        await again.close()
        await pipeline.close()

    asyncio.run(run())
    first = (1, now_s * 10**9, (now_s - month_s) * 10**9)
    assert calls == [first, (2, now_s * 10**9, OLDEST_MIN_NS), first]


def test_a_record_is_prepared_before_it_is_decoded_and_again_before_it_is_read_back(
    tmp_path: Path,
) -> None:
    steps: list[object] = []

    def prepare(bodies: Sequence[bytes], snapshot: Callable[[], Snapshot]) -> None:
        steps.append((list(bodies), seen(snapshot(), engine)))

    class Listening(NumberDecoder):
        def append(self, body: bytes, *, frame: int, received: int, oldest: int) -> Decoded:
            steps.append(body)
            return super().append(body, frame=frame, received=received, oldest=oldest)

    kind = replace(NUMBERS, open_decoder=Listening, prepare=prepare)
    engine = MemoryEngine()

    async def run() -> None:
        pipeline = Pipeline.open(tmp_path / "a", engine, (kind, WORDS), LAZY)
        await pipeline.accept(kind, record(1))
        await flush(pipeline)
        await pipeline.accept(kind, record(2))
        await pipeline.accept(WORDS, record(3))
        await pipeline.accept(kind, record(4))
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        lived = steps.copy()
        steps.clear()
        again = Pipeline.open(tmp_path / "b", engine, (kind, WORDS), LAZY)
        await again.close()
        await pipeline.close()
        one, two, four = record(1), record(2), record(4)
        assert lived == [
            *(([one], Counter()), one),
            *(([two], Counter({1: 1})), two),
            *(([four], Counter({1: 1, 2: 1})), four),
        ]
        # What comes after the snapshot is decoded in its turn.
        assert steps == [([two, four], Counter({1: 1})), two, four]

    asyncio.run(run())


def test_a_batch_is_inserted_table_by_table_under_a_token_that_names_it(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine) as pipeline:
            (path,) = (tmp_path / "log").glob("*.log")
            log_id = path.stem[-32:]
            for number in range(1, 6):
                await pipeline.accept(NUMBERS, record(number))
            await pipeline.accept(WORDS, record(6))
            await flush(pipeline)
            await pipeline.accept(NUMBERS, record(7))
            await flush(pipeline)
            assert engine.inserts == [
                ("evens", f"{log_id}:1-6"),
                ("odds", f"{log_id}:1-6"),
                ("texts", f"{log_id}:1-6"),
                ("odds", f"{log_id}:7-7"),
            ]

    asyncio.run(run())


def test_rows_are_flushed_unasked_when_they_are_many_or_old(tmp_path: Path) -> None:
    async def run() -> None:
        for name, options in {
            "wide": FlushOptions(batch_arrow_bytes_max=1, interval_s=0.01),
            "many": FlushOptions(batch_rows=10, interval_s=1000.0),
            "large": FlushOptions(batch_bytes=50, interval_s=1000.0),
            "old": FlushOptions(interval_s=0.01),
        }.items():
            engine = MemoryEngine()
            async with opened(tmp_path / name, engine, replace(LAZY, flush=options)) as pipeline:
                await pipeline.accept(NUMBERS, record(*range(10)))
                await pipeline.accept(NUMBERS, record(*range(10, 20)))
                await asyncio.to_thread(engine.wait_for_rows, 20)

    asyncio.run(run())


def test_few_rows_that_follow_on_few_wait_for_more(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        flush = FlushOptions(interval_s=0.01, few_rows=10, few_intervals=100_000)
        async with opened(tmp_path, engine, replace(LAZY, flush=flush)) as pipeline:
            await pipeline.accept(NUMBERS, record(2))
            await asyncio.to_thread(engine.wait_for_rows, 1)
            await pipeline.accept(NUMBERS, record(4))
            await pipeline.accept(NUMBERS, record(*range(0, 18, 2)))
            await asyncio.to_thread(engine.wait_for_rows, 11)
            assert len(engine.inserts) == 2, "the row alone waited"

    asyncio.run(run())


def test_a_batch_that_the_engine_holds_up_grows_to_its_bound_and_no_further(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        held = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold(_table: str, _token: str) -> None:
            asyncio.run_coroutine_threadsafe(held.wait(), loop).result()

        engine.before_insert = hold
        options = FlushOptions(batch_rows=10, batch_rows_max=25, interval_s=1000.0)
        async with opened(tmp_path, engine, replace(LAZY, flush=options)) as pipeline:
            for number in range(0, 20, 2):
                await pipeline.accept(NUMBERS, record(number))
            await asyncio.to_thread(engine.wait_for, lambda: len(engine.inserts) == 1)
            for number in range(20, 90, 2):
                await pipeline.accept(NUMBERS, record(number))
            held.set()
            await flush(pipeline)
            ranges = [token.partition(":")[2] for _, token in engine.inserts]
            assert ranges == ["1-10", "11-35", "36-45"]

    asyncio.run(run())


def test_a_batch_ends_where_its_rows_would_outgrow_an_arrow_column(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        # Two rows of 16 bytes, all even, fit.
        options = replace(LAZY.flush, batch_arrow_bytes_max=40)
        async with opened(tmp_path, engine, replace(LAZY, flush=options)) as pipeline:
            for number in range(5):
                await pipeline.accept(NUMBERS, record(2 * number))
                pipeline.snapshot()
            await flush(pipeline)
            ranges = [token.partition(":")[2] for _, token in engine.inserts]
            assert ranges == ["1-2", "3-4", "5-5"]

    asyncio.run(run())


def test_waiting_for_the_next_record_ends_with_it_or_with_the_time(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine) as pipeline:
            assert await pipeline.wait_acked(0, timeout_s=0.001) == 0
            waiting = [asyncio.create_task(pipeline.wait_acked(0, 60.0)) for _ in range(3)]
            given_up = asyncio.create_task(pipeline.wait_acked(0, 60.0))
            await asyncio.sleep(0)
            given_up.cancel()
            await pipeline.accept(NUMBERS, record(1))
            assert await asyncio.gather(*waiting) == [1, 1, 1]
            assert await pipeline.wait_acked(0, 60.0) == 1
            last = asyncio.create_task(pipeline.wait_acked(1, 60.0))
            await asyncio.sleep(0)
        assert await last == 1, "closing ends the wait"

    asyncio.run(run())


def test_a_caller_who_goes_away_does_no_harm(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine) as pipeline:
            gone = asyncio.create_task(pipeline.accept(NUMBERS, record(1)))
            await asyncio.sleep(0)
            gone.cancel()
            await pipeline.accept(NUMBERS, record(2))
            assert seen(pipeline.snapshot(), engine) == Counter([1, 2])

    asyncio.run(run())


def test_closing_waits_for_what_is_under_way_and_takes_nothing_more(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        pipeline = Pipeline.open(tmp_path, engine, KINDS, LAZY)
        under_way = [
            asyncio.create_task(pipeline.accept(NUMBERS, record(number))) for number in range(50)
        ]
        await asyncio.sleep(0)
        await pipeline.close()
        await asyncio.gather(*under_way)
        assert engine.values() == Counter(range(50))
        with pytest.raises(ClewError) as error:
            await pipeline.accept(NUMBERS, record(1))
        assert error.value.code is ErrorCode.UNAVAILABLE
        await pipeline.close()
        await Pipeline.open(tmp_path, engine, KINDS, LAZY).close()

    asyncio.run(run())


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        async with opened(tmp_path, engine):
            with pytest.raises(ClewError) as error:
                Pipeline.open(tmp_path, engine, KINDS)
            assert error.value.code is ErrorCode.CONFLICT

    asyncio.run(run())


def test_kinds_that_could_not_be_told_apart_are_a_mistake(tmp_path: Path) -> None:
    for kinds in (
        (NUMBERS, replace(WORDS, name=NUMBERS.name)),
        (NUMBERS, replace(WORDS, code=20)),
        (replace(NUMBERS, code=15),),
    ):
        with pytest.raises(ValueError, match=r"kinds|codes"):
            Pipeline.open(tmp_path, MemoryEngine(), kinds)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_insert_every_record_is_there_once(seed: int, tmp_path: Path) -> None:
    """Folder and engine are copied before and after every insert, while records come in.

    Each pair of copies is what a crash at that moment would have left. The engine checks that a
    token it knows comes with the rows it came with before.
    """
    chance = random.Random(seed)
    numbers = itertools.count()
    acked: set[int] = set()
    crashes: list[tuple[Path, MemoryEngine, set[int]]] = []

    async def accept(pipeline: Pipeline) -> None:
        body = [next(numbers) for _ in range(chance.randrange(1, 20))]
        await pipeline.accept(NUMBERS, record(*body))
        acked.update(body)

    async def run() -> None:
        engine = MemoryEngine()

        def crash(_table: str, _token: str) -> None:
            survived, left = acked.copy(), engine.copy()
            target = tmp_path / f"copy{len(crashes)}"
            shutil.copytree(tmp_path / "live", target)
            crashes.append((target, left, survived))

        engine.before_insert = engine.after_insert = crash
        options = PipelineOptions(
            flush=FlushOptions(batch_rows=12, batch_rows_max=20, interval_s=1000.0),
            batches_waiting_max=1000,
            decode_inline_bytes_max=60,
        )
        async with opened(tmp_path / "live", engine, options) as pipeline:
            for _ in range(12):
                await asyncio.gather(*(accept(pipeline) for _ in range(chance.randrange(1, 6))))
                if chance.random() < 0.3:
                    await flush(pipeline)
                assert seen(pipeline.snapshot(), engine) == Counter(acked)
        assert engine.values() == Counter(acked)
        for folder, left, survived in crashes:
            async with opened(folder, left) as pipeline:
                found = seen(pipeline.snapshot(), left)
                assert Counter(survived) <= found <= Counter(acked)
                await pipeline.accept(NUMBERS, record(1_000_000))
            assert left.values() == found + Counter([1_000_000])

    asyncio.run(run())
    assert len(crashes) > 10
