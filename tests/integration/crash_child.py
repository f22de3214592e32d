"""A process to be killed: the pipeline on the real engine, fed through standard input.

Reads ``<length u32> <request id u64> <body>`` (little-endian), answers ``<request id u64>`` once
the record is acknowledged. Begins with eight zero bytes when it is ready.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from pathlib import Path

from clew.base.errors import ClewError
from clew.store.engine.chdb import ChdbEngine
from clew.store.flusher import FlushOptions
from clew.store.log.options import LogOptions
from clew.store.pipeline import Pipeline, PipelineOptions
from clew.telemetry.tables import TRACES
from tests.integration.span_requests import SPANS

HEAD = struct.Struct("<IQ")
ANSWER = struct.Struct("<Q")

# Small batches and files, so that a kill meets cuts, inserts, rolls and deletions often.
OPTIONS = PipelineOptions(
    flush=FlushOptions(batch_rows=500, interval_s=0.2), log=LogOptions(segment_bytes=100_000)
)


async def serve(pipeline: Pipeline) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    os.write(1, ANSWER.pack(0))
    async with asyncio.TaskGroup() as tasks:
        while head := await reader.read(HEAD.size):
            head += await reader.readexactly(HEAD.size - len(head))
            length, request = HEAD.unpack(head)
            body = await reader.readexactly(length)
            tasks.create_task(answer(pipeline, request, body))


async def answer(pipeline: Pipeline, request: int, body: bytes) -> None:
    while True:
        try:
            await pipeline.accept(SPANS, body)
        except ClewError as error:
            await asyncio.sleep((error.retry_after_ms or 100) / 1000)
        else:
            os.write(1, ANSWER.pack(request))
            return


def main() -> None:
    folder = Path(sys.argv[1])
    engine = ChdbEngine(folder / "engine")
    engine.create([TRACES])
    pipeline = Pipeline.open(folder, engine, (SPANS,), OPTIONS)
    asyncio.run(serve(pipeline))


if __name__ == "__main__":
    main()
