"""What happens to whoever writes link sets: as the guide's table says, and counted by that name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.lineage import LinkPublisher, LinkRing, TraceIdGenerator, TraceLinkPublisher
from clew.lineage.generator import GeneratorStatistics
from clew.lineage.leases.book import LeaseBook
from clew.lineage.leases.schema import SCHEMA
from clew.lineage.leasing import check_clock
from clew.lineage.logs import LogLinkPublisher
from clew.lineage.publisher import PublisherStatistics
from clew.lineage.terms import Lease, NewLease
from clew.store.database.sqlite import SqliteDatabase
from tests.conformance.lease_rows import take_nodes
from tests.emitted import Emitted
from tests.guides import read_table

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "provenance.md"

NODE_ID = 47

HOUR_MS = 3_600_000

NOW_MS = 1_800_000_000_000

NOTHING = "-"
"""What the table says where nothing is counted, as whoever asks is told."""


def counted_by_publisher(told: PublisherStatistics) -> set[str]:
    """Return what a publisher has counted, but for what went out."""
    dropped = {str(reason) for reason, count in told.dropped.items() if count}
    left_out = {name for name in ("untraced_parents", "duplicate_parents") if getattr(told, name)}
    return dropped | left_out


def counted_by_generator(told: GeneratorStatistics) -> set[str]:
    found = {str(reason) for reason, count in told.no_id.items() if count}
    return found | ({"clock_behind_ms"} if told.clock_behind_ms else set())


@dataclass(frozen=True)
class Said:
    """What a publisher is given, and whether it goes out."""

    trace_id: Any
    parents: Any
    seq: Any = 1
    goes_out: bool = False
    max_parents: int = 8

    def __call__(self, folder: Path) -> set[str]:
        ring = TraceLinkPublisher(LinkRing(8, max_parents=self.max_parents), stream_id=7)
        logs = LogLinkPublisher(
            stream_id=7, max_parents=self.max_parents, provider=Emitted().provider
        )
        ways: tuple[LinkPublisher, ...] = (ring, logs)
        for way in ways:
            assert way.emit(self.seq, self.trace_id, self.parents) is self.goes_out
        first, second = (counted_by_publisher(way.statistics()) for way in ways)
        assert first == second
        return first


def find_no_room(_folder: Path) -> set[str]:
    publisher = TraceLinkPublisher(LinkRing(1), stream_id=7)
    assert publisher.emit(1, 3, [1, 2])
    assert not publisher.emit(2, 4, [1, 2])
    return counted_by_publisher(publisher.statistics())


@dataclass
class Hand:
    """A clock that is set by hand, in Unix milliseconds."""

    at: int = NOW_MS

    def __call__(self) -> int:
        return self.at


def use_up_a_millisecond(_folder: Path) -> set[str]:
    generator = TraceIdGenerator(NODE_ID, clock=Hand())
    ids = [generator.next() for _ in range(4096)]
    assert len(set(ids)) == 4096
    assert generator.next() == 0
    return counted_by_generator(generator.statistics())


def set_the_clock_back(_folder: Path) -> set[str]:
    clock = Hand()
    generator = TraceIdGenerator(NODE_ID, clock=clock)
    before = [generator.next() for _ in range(3)]
    clock.at -= HOUR_MS
    after = [generator.next() for _ in range(3)]
    told = generator.statistics()
    assert before + after == sorted({*before, *after})
    assert told.clock_behind_ms == HOUR_MS
    clock.at += HOUR_MS + 1
    assert generator.next() > after[-1]
    assert generator.statistics().clock_behind_ms == 0
    return counted_by_generator(told)


def start_with_the_clock_behind(_folder: Path) -> set[str]:
    moment = format_time(NOW_MS * 1_000_000)
    lease = Lease(
        id="x",
        node_id=NODE_ID,
        process="p",
        host="h",
        started_at=moment,
        leased_at=moment,
        leased_by="t",
        expires_at=moment,
        free_since=moment,
    )
    with pytest.raises(ClewError, match="3600 s behind the last id of node 47") as refused:
        check_clock(lease, (NOW_MS - HOUR_MS) * 1_000_000)
    assert refused.value.code is ErrorCode.CONFLICT
    return set()


def lease_what_nobody_has_left(folder: Path) -> set[str]:
    with closing(SqliteDatabase.open(folder, [SCHEMA])) as database:
        now = NOW_MS * 1_000_000
        book = LeaseBook(database, lambda: now)
        take_nodes(database, now)
        with pytest.raises(ClewError) as refused:
            book.lease(NewLease(process="next", host="h", started_at=1), "t").result()
        assert refused.value.code is ErrorCode.OVERLOADED
        assert refused.value.retry_after_ms
        return set(book.count_refused())


def end_the_lease(_folder: Path) -> set[str]:
    generator = TraceIdGenerator(NODE_ID)
    generator.revoke()
    assert generator.next() == 0
    told = counted_by_generator(generator.statistics())
    generator.renew(NODE_ID)
    assert generator.next()
    return told


def fork(_folder: Path) -> set[str]:
    generator = TraceIdGenerator(NODE_ID + 1)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of the tests may run in it, whatever happens.
        try:
            said = "given" if generator.next() else ""
            said += ",".join(counted_by_generator(generator.statistics()))
            generator.renew(NODE_ID + 2)
            os.write(write_end, (said if generator.next() else "not renewed").encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as told:
        found = set(told.read().split(","))
    os.waitpid(child, 0)
    return found


CASES: Mapping[str, Callable[[Path], set[str]]] = {
    "an input with the id 0": Said(3, [1, 0], goes_out=True),
    "an input twice": Said(3, [1, 2, 1], goes_out=True),
    "no input that was traced": Said(3, []),
    "the output among its inputs": Said(3, [1, 3]),
    "an output with the id 0": Said(0, [1, 2]),
    "more inputs than `max_parents`": Said(9, [1, 2, 3], max_parents=2),
    "a number that does not fit its field": Said(3, [1, 2], seq=2**64),
    "what are no numbers": Said(3, object()),
    "nobody takes what it tells": find_no_room,
    "the ids of a millisecond are used up": use_up_a_millisecond,
    "the clock is set back by an hour": set_the_clock_back,
    "the clock is set back before it starts": start_with_the_clock_behind,
    "every node id is leased": lease_what_nobody_has_left,
    "the lease of its node id ends": end_the_lease,
    "it is forked": fork,
}

TABLE = read_table(GUIDE, "what happens to a writer")


def test_the_table_tells_of_every_case() -> None:
    assert [row["what happens to a writer"] for row in TABLE] == list(CASES)


@pytest.mark.parametrize("row", TABLE, ids=[row["what happens to a writer"] for row in TABLE])
def test_what_happens_to_a_writer_is_counted_as_the_table_says(
    row: dict[str, str], tmp_path: Path
) -> None:
    said = row["counted as"]
    expected = set() if said == NOTHING else {said.strip("`")}
    assert CASES[row["what happens to a writer"]](tmp_path) == expected
