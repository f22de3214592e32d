"""Commits of the registry travel in the log: in its order, each once, and kept until applied."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.flusher import FlushOptions
from clew.store.log.history import History
from clew.store.log.options import LogOptions
from clew.store.pipeline import Pipeline, PipelineOptions
from tests.integration.made_up import NUMBERS, MemoryEngine, record, seen

if TYPE_CHECKING:
    from pathlib import Path

LAZY = PipelineOptions(flush=FlushOptions(interval_s=1000.0), log=LogOptions(segment_bytes=1000))
DEADLINE_S = 60.0


class Book:
    """A registry that is a list, and may lag behind what it was told."""

    def __init__(self, through: int = 0) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self.through = through

    def apply(self, number: int, payload: bytes) -> None:
        if number > self.through:
            self.entries.append((number, payload))
            self.through = number

    def applied(self) -> int:
        return self.through


def test_commits_are_numbered_with_the_records_and_have_no_rows(tmp_path: Path) -> None:
    async def run() -> None:
        engine, book = MemoryEngine(), Book()
        pipeline = Pipeline.open(tmp_path, engine, (NUMBERS,), LAZY, changes=book)
        assert pipeline.record(b"one").result(DEADLINE_S) == 1
        await pipeline.accept(NUMBERS, record(7))
        assert await asyncio.to_thread(pipeline.record(b"two").result, DEADLINE_S) == 3
        assert list(seen(pipeline.snapshot(), engine)) == [7]
        await asyncio.to_thread(pipeline.flush)
        assert book.entries == [], "whoever recorded them has them"
        await pipeline.close()
        with pytest.raises(ClewError) as closed:
            pipeline.record(b"late").result(DEADLINE_S)
        assert closed.value.code is ErrorCode.UNAVAILABLE

    asyncio.run(run())


def test_a_log_that_is_read_back_brings_the_registry_what_it_lacks(tmp_path: Path) -> None:
    async def run() -> None:
        engine, book = MemoryEngine(), Book()
        pipeline = Pipeline.open(tmp_path, engine, (NUMBERS,), LAZY, changes=book)
        for payload in (b"one", b"two", b"three"):
            await asyncio.to_thread(pipeline.record(payload).result, DEADLINE_S)
            await pipeline.accept(NUMBERS, record(1))
        await pipeline.close()
        assert [(f.number, f.epoch) for f in History.read(tmp_path / "log").changes] == [
            (1, 1),
            (3, 1),
            (5, 1),
        ]
        book = Book(through=1)
        pipeline = Pipeline.open(tmp_path, engine, (NUMBERS,), LAZY, changes=book)
        assert book.entries == [(3, b"two"), (5, b"three")]
        assert pipeline.record(b"four").result(DEADLINE_S) == 7
        await pipeline.close()

    asyncio.run(run())


def test_a_file_stays_while_the_registry_lacks_a_commit_in_it(tmp_path: Path) -> None:
    async def run() -> None:
        engine, book = MemoryEngine(), Book()
        pipeline = Pipeline.open(tmp_path, engine, (NUMBERS,), LAZY, changes=book)
        for number in range(1, 6):
            await asyncio.to_thread(pipeline.record(b"x" * 900).result, DEADLINE_S)
            await pipeline.accept(NUMBERS, record(number))
        await asyncio.to_thread(pipeline.flush)
        assert [f.number for f in History.read(tmp_path / "log").changes] == [1, 3, 5, 7, 9]
        book.through = 6
        await pipeline.accept(NUMBERS, record(6))
        await asyncio.to_thread(pipeline.flush)
        kept = [f.number for f in History.read(tmp_path / "log").changes]
        assert kept == [7, 9]
        await pipeline.close()

    asyncio.run(run())
