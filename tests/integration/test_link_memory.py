"""Nothing grows: neither ids nor link sets leave anything behind, however many there are.

`make soak` does so a million times; here it is fewer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

EMITS = int(os.environ.get("CLEW_LINK_EMITS", "20000"))
SECONDS_MAX = 600.0
"""Of the full size, on a busy machine."""

TRACED_BYTES_MAX = 4096
"""What may be there afterwards and was not before: the interpreter's own free lists come and go, by
some hundred bytes. A byte for each of a thousand emits would already be more."""

BLOCKS_MAX = 1024
"""Likewise in blocks of the allocator, some two hundred of which are there whatever the number."""

RSS_BYTES_MAX = 1 << 20
"""Likewise in memory of the process, which is counted in pages, 256 of them."""

PROGRAM = """
    import gc, json, sys, tracemalloc
    from clew.lineage import DatagramReceiver, LinkRing, TraceIdGenerator
    from clew.lineage import TraceLinkPoller, TraceLinkPublisher

    emits, way = int(sys.argv[1]), sys.argv[2]
    generator = TraceIdGenerator(7)
    # Slots enough for what comes between two looks, and few enough to be used many times over.
    if way == "ring":
        source = LinkRing(256, max_parents=8)
        publisher = TraceLinkPublisher(source, stream_id=7, epoch=9)
    else:
        source = DatagramReceiver("127.0.0.1:0")
        publisher = TraceLinkPublisher(
            str(source.address), stream_id=7, epoch=9, slots=256, max_parents=8
        )
    poller = TraceLinkPoller(source)

    calls = 0

    def emit(count):
        global calls
        seq = 0
        while seq < count:
            for _ in range(128):
                one, two = generator.next(), generator.next()
                publisher.emit(seq, generator.next(), (one, two))
                publisher.emit(seq, generator.next(), (one, two, 0, two))
                publisher.describe(seq, one)
                seq += 2
                calls += 3
            poller.poll(1024, timeout_s=0.001)
            # The sender's thread may wait long for its turn, so what it has is waited for.
            while publisher.statistics().waiting:
                poller.poll(1024, timeout_s=0.001)

    def resident():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096

    emit(4096)
    gc.collect(); gc.disable()
    blocks, before = sys.getallocatedblocks(), resident()
    emit(emits)
    found = {"blocks": sys.getallocatedblocks() - blocks, "resident": resident() - before}
    tracemalloc.start()
    emit(1024)
    traced = tracemalloc.get_traced_memory()[0]
    emit(min(emits, 5_000))
    found["traced"] = tracemalloc.get_traced_memory()[0] - traced
    tracemalloc.stop()
    publisher.close()
    told = publisher.statistics()
    found["calls"] = calls
    found["accepted"] = told.accepted
    taken = told.sent + told.waiting if way == "datagrams" else told.accepted
    found["told"] = taken + sum(told.dropped.values())
    print(json.dumps(found))
"""


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells of its pages")
@pytest.mark.parametrize("way", ["ring", "datagrams"])
def test_nothing_grows_with_the_number_of_sets(way: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(EMITS), way],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["accepted"] > EMITS // 2, found
    assert found["told"] == found["calls"], "what became of each is known"
    assert found["blocks"] <= BLOCKS_MAX, found
    assert found["traced"] <= TRACED_BYTES_MAX, found
    assert found["resident"] <= RSS_BYTES_MAX, found
