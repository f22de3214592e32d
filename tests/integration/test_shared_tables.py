"""Kinds of record that share a table: each row seen at once, stored once, in one order."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from clew.store.flusher import FlushOptions
from clew.store.pipeline import Pipeline, PipelineOptions, RecordKind
from tests.integration.made_up import (
    EVENS,
    NUMBERS,
    ODDS,
    MemoryEngine,
    NumberDecoder,
    record,
    seen,
)

if TYPE_CHECKING:
    from pathlib import Path

OTHERS = RecordKind(22, "others", (ODDS, EVENS), NumberDecoder)

# Nothing is flushed unless a test asks for it.
LAZY = PipelineOptions(flush=FlushOptions(interval_s=1000.0))


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_kinds_that_share_tables_are_each_there_once(tmp_path: Path, seed: int) -> None:
    """Also after a crash in the middle of a batch, whose rows come again under its token."""
    chosen = random.Random(seed)
    kinds = (NUMBERS, OTHERS)
    # Large records are decoded in another thread, and come as chunks of their own.
    options = replace(LAZY, decode_inline_bytes_max=chosen.choice((10, 1000)))

    async def run() -> None:
        engine = MemoryEngine()
        folder, wanted = tmp_path / "data", Counter[int]()
        pipeline = Pipeline.open(folder, engine, kinds, options)
        for number in range(60):
            values = [number * 10 + each for each in range(chosen.randrange(1, 4))]
            await pipeline.accept(chosen.choice(kinds), record(*values))
            wanted.update(values)
            if chosen.random() < 0.5:
                assert seen(pipeline.snapshot(), engine) == wanted
            if chosen.random() < 0.1:
                await asyncio.to_thread(pipeline.flush)
        # A process that dies now leaves this behind.
        shutil.copytree(folder, tmp_path / "left", ignore=shutil.ignore_patterns("*lock*"))
        left = engine.copy()
        await asyncio.to_thread(pipeline.flush)
        assert engine.values() == wanted
        await pipeline.close()
        again = Pipeline.open(tmp_path / "left", left, kinds, options)
        assert seen(again.snapshot(), left) == wanted
        await asyncio.to_thread(again.flush)
        assert left.values() == wanted
        await again.close()

    asyncio.run(run())


def test_a_batch_comes_again_in_the_same_order_however_its_rows_were_sealed(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        engine = MemoryEngine()
        folder = tmp_path / "data"
        pipeline = Pipeline.open(folder, engine, (NUMBERS, OTHERS), LAZY)
        for number in range(40):
            await pipeline.accept((NUMBERS, OTHERS)[number % 2], record(2 * number))
            if number in {7, 8, 21}:
                pipeline.snapshot()

        def die(table: str, _token: str) -> None:
            if table == EVENS.name:
                engine.after_insert = lambda *_: None
                shutil.copytree(folder, tmp_path / "left", ignore=shutil.ignore_patterns("*lock*"))

        engine.after_insert = die
        await asyncio.to_thread(pipeline.flush)
        left = engine.copy()
        await pipeline.close()
        # The engine refuses a token that comes with other rows, or with the same in another order.
        again = Pipeline.open(tmp_path / "left", left, (NUMBERS, OTHERS), LAZY)
        await asyncio.to_thread(again.flush)
        assert left.values() == Counter(range(0, 80, 2))
        await again.close()

    asyncio.run(run())
