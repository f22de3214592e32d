"""The pipeline on the real engine with the real decoders: exactly once, at every moment."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import threading
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan, Snapshot
from clew.store.flusher import FlushOptions
from clew.store.pipeline import Pipeline, PipelineOptions, RecordKind
from clew.store.table import Column, Table
from clew.telemetry.tables import TRACES
from tests.integration.made_up import NumberDecoder, record
from tests.integration.span_requests import SPANS, START_NS, trace_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class ReadingDecoder(NumberDecoder):
    """One row for each number of a record; the text differs, so chunks differ in dictionaries."""

    def finish(self) -> dict[str, pa.RecordBatch]:
        held = self._rows.values()
        rows = sorted((frame, value) for table in held for value, frame in table)
        for table in held:
            table.clear()
        if not rows:
            return {}
        frames, values = zip(*rows, strict=True)
        arrays = [
            pa.array([START_NS] * len(rows), pa.timestamp("ns")),
            pa.array([f"text {value % 5}" for value in values]).dictionary_encode(),
            pa.array(values, pa.uint64()),
            pa.array(frames, pa.uint64()),
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=READINGS.tables[0].arrow_schema)
        return {"readings": batch}


READINGS = RecordKind(
    17,
    "readings",
    (
        Table(
            name="readings",
            time="At",
            columns=(
                Column("At", "DateTime64(9)"),
                Column("Text", "LowCardinality(String)"),
                Column("Value", "UInt64"),
                Column("Frame", "UInt64"),
            ),
            order_by="(At)",
            settings=("non_replicated_deduplication_window=1000",),
        ),
    ),
    ReadingDecoder,
)

READS = int(os.environ.get("CLEW_HOT_READS", "250"))
"""Of each of two readers; `make soak` does more."""

FLUSHES = 5
PATIENCE_S = 60.0
"""More batches are to be seen going, and readers wait so long for that."""

SCANS = {"spans": Scan(TRACES, ("SpanId", "Frame", "SpanAttributes"))}


@asynccontextmanager
async def opened(
    folder: Path, options: PipelineOptions | None = None
) -> AsyncIterator[tuple[Pipeline, ChdbEngine]]:
    engine = ChdbEngine(folder / "engine")
    try:
        engine.create([TRACES, *READINGS.tables])
        pipeline = Pipeline.open(folder, engine, (SPANS, READINGS), options)
        try:
            yield pipeline, engine
        finally:
            await pipeline.close()
    finally:
        engine.close()


def count(engine: ChdbEngine, snapshot: Snapshot) -> tuple[int, int, int]:
    """Return how many spans a reader sees, how many ids they have, and the sum of attributes."""
    sql = (
        "SELECT count() AS rows, uniqExact(SpanId) AS ids,"
        " sum(length(SpanAttributes)) AS attributes FROM @spans"
    )
    (row,) = engine.query(sql, snapshot=snapshot, scans=SCANS).to_pylist()
    return row["rows"], row["ids"], row["attributes"]


@pytest.mark.parametrize(
    ("kind", "column", "reads_each", "writes_per_read"),
    [(READINGS, "Value", READS, 0.6), (SPANS, "SpanId", 60, 4.0)],
)
def test_readers_see_each_acknowledged_row_once_while_batches_are_flushed(
    kind: RecordKind, column: str, reads_each: int, writes_per_read: float, tmp_path: Path
) -> None:
    """Every record is one frame with as many rows as the others, so `acked` says how many.

    Writers keep step with readers: by the clock, a machine that is slow would have more to read
    the slower it is. Readers go on until they have seen several batches go, which takes as long as
    the disk does. Most reads are of a small made-up table: what is tested is the seam between
    hot and stored rows, and reading many young parts of the table of spans is dear.
    """
    rows = 20
    wrong: list[object] = []
    flushed: set[int] = set()
    done = threading.Event()
    reads: deque[None] = deque()
    writes: deque[None] = deque()
    scans = {"rows": Scan(kind.tables[0], (column,))}
    sql = f"SELECT count() AS rows, uniqExact({column}) AS ids FROM @rows"

    def read(pipeline: Pipeline, engine: ChdbEngine) -> None:
        patience = time.monotonic() + PATIENCE_S
        for number in itertools.count():
            is_enough = len(flushed) > FLUSHES or time.monotonic() > patience
            if number >= reads_each and is_enough:
                break
            acked = pipeline.acked
            snapshot = pipeline.snapshot()
            (row,) = engine.query(sql, snapshot=snapshot, scans=scans).to_pylist()
            flushed.add(snapshot.flushed)
            reads.append(None)
            expected = snapshot.acked * rows
            if (row["rows"], row["ids"]) != (expected, expected) or snapshot.acked < acked:
                wrong.append((snapshot.flushed, snapshot.acked, row))

    async def write(pipeline: Pipeline, first: int) -> None:
        while not done.is_set():
            numbers = range(first, first + rows)
            body = trace_request(first, rows) if kind is SPANS else record(*numbers)
            writes.append(None)
            await pipeline.accept(kind, body)
            first += rows
            while len(writes) > (1 + len(reads)) * writes_per_read and not done.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.002)

    async def run() -> None:
        options = PipelineOptions(
            flush=FlushOptions(batch_rows=400, batch_rows_max=1000, interval_s=0.05),
            batches_waiting_max=1000,
        )
        async with opened(tmp_path, options) as (pipeline, engine):
            writers = [asyncio.create_task(write(pipeline, 1 + n * 10_000_000)) for n in range(3)]
            await asyncio.gather(*(asyncio.to_thread(read, pipeline, engine) for _ in range(2)))
            done.set()
            await asyncio.gather(*writers)

    asyncio.run(run())
    assert not wrong
    assert len(flushed) > FLUSHES, "batches were flushed all the while"


@pytest.mark.parametrize("records", [4, 100])
def test_a_batch_in_many_chunks_is_the_same_batch_when_it_comes_back_in_one(
    records: int, tmp_path: Path
) -> None:
    """Readers chunk the rows of the live process; after a crash nobody has read yet.

    The folder is copied at the moment between insert and the note that it is done, which is when a
    crash makes the same batch be inserted twice.
    """
    rows = 2000

    class Copying(ChdbEngine):
        def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
            super().insert(table, rows, token=token)
            if not (tmp_path / "crash").exists():
                shutil.copytree(tmp_path / "log", tmp_path / "crash" / "log")

    async def run() -> None:
        # One batch, of the greatest size there is in the second case.
        lazy = PipelineOptions(flush=FlushOptions(batch_rows=10**9, interval_s=1000.0))
        pipeline = Pipeline.open(tmp_path, engine, (SPANS,), lazy)
        for number in range(records):
            await pipeline.accept(SPANS, trace_request(1 + number * rows, rows, step_ns=10**7))
            chunks = pipeline.snapshot().hot["otel_traces"].column("SpanId").num_chunks
            assert chunks <= 20
        await pipeline.close()
        again = Pipeline.open(tmp_path / "crash", engine, (SPANS,), lazy)
        await again.close()
        total = records * rows
        assert count(engine, Snapshot(records, records)) == (total, total, 3 * total)

    engine = Copying(tmp_path / "engine")
    try:
        engine.create([TRACES])
        asyncio.run(run())
    finally:
        engine.close()


def test_a_record_whose_rows_lie_on_many_days_is_stored(tmp_path: Path) -> None:
    days = 150

    async def run() -> None:
        async with opened(tmp_path) as (pipeline, engine):
            body = trace_request(1, days, step_ns=-86_400 * 10**9)
            assert (await pipeline.accept(SPANS, body)).accepted == days
            await asyncio.to_thread(pipeline.flush)
            assert pipeline.status().refused_frames == 0
            assert count(engine, pipeline.snapshot())[0] == days

    asyncio.run(run())
