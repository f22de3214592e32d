"""A list of processes, found by the engine, says of each what is found by walking its events."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from clew.twin.events import Event, EventType
from clew.twin.fold import fold
from clew.twin.ingest.judge import NoRegistries
from clew.twin.ingest.record import LogRecord
from clew.twin.ingest.rows import EventRows
from clew.twin.parameters import LIMIT_MAX, ProcessQuery, TraceProcessQuery
from clew.twin.query.process import get_processes
from clew.twin.query.processes import find_processes
from clew.twin.registries.shelf import Shelf
from clew.twin.schema.values import ProcessSchema, RegistrySchema
from clew.twin.state.folding import Known
from clew.twin.state.memory import Memory
from clew.twin.state.selection import Subject
from clew.twin.state.snapshots import Written, write_snapshots
from clew.twin.state.start import Source
from clew.twin.tables import EVENTS, TABLES
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clew.twin import documents as doc

MORNING = 1_700_000_000_000_000_000
SECOND = 1_000_000_000

CHECKOUT = ProcessSchema(
    name="Checkout",
    prefix="checkout",
    phases=["cart", "pay", "ship"],
    transitions={"cart": ["pay"], "pay": ["cart", "ship"]},
    timeout_seconds=4,
)
SHELF = Shelf.of([RegistrySchema(checksum="c1", processes={"Checkout": CHECKOUT})])

_NAMES = ("one", "two", "three", "four")
_TYPES = (*[EventType.PHASE_CHANGE] * 4, *EventType)


@st.composite
def _processes(draw: st.DrawFn) -> list[Event]:
    """Events of processes and objects that share two traces, some doubled, in any order."""
    events = [
        Event(
            at=MORNING + draw(st.integers(0, 9)) * SECOND,
            seq=draw(st.integers(0, 2)),
            event_id=f"e{n}",
            type=draw(st.sampled_from(_TYPES)),
            obj_type=draw(st.sampled_from(["Checkout", "Checkout", "Unknown", "Cart"])),
            obj_id=draw(st.sampled_from(_NAMES)),
            phase=draw(st.sampled_from(["", "cart", "pay", "ship", "lunch"])),
            status=draw(st.sampled_from(["", "", "started", "completed", "failed", "odd"])),
            trace_id=draw(st.sampled_from(["", "t1", "t2"])),
        )
        for n in range(draw(st.integers(0, 40)))
    ]
    plain = [
        replace(each, phase="", status="") if each.obj_type == "Cart" else each for each in events
    ]
    doubled = plain + [each for each in plain if draw(st.booleans())]
    return draw(st.permutations(doubled))


class _House:
    """A store of events that are all in the engine; each example has ids and traces of its own."""

    def __init__(self, engine: ChdbEngine) -> None:
        self.engine = engine
        self._frame = 0
        self.number = itertools.count(1)

    def snapshot(self) -> Snapshot:
        return Snapshot(flushed=self._frame, acked=self._frame)

    def store(self, events: Sequence[Event]) -> None:
        self._frame += 1
        rows = EventRows(NoRegistries())
        for event in events:
            rows.append(_record(event), self._frame)
        batch = rows.finish()
        if batch is not None:
            token = f"frame-{self._frame}"
            self.engine.insert(EVENTS, pa.Table.from_batches([batch]), token=token)


def _record(event: Event) -> LogRecord:
    return LogRecord(
        at=event.at,
        observed=0,
        received=event.at,
        severity=9,
        body="",
        trace_id=event.trace_id,
        span_id="",
        service=event.service,
        texts={
            "trilog.obj.id": event.obj_id,
            "trilog.obj.type": event.obj_type,
            "trilog.event.id": event.event_id,
            "trilog.event.seq": str(event.seq),
            "trilog.event.type": event.type,
            "trilog.process.current_phase": event.phase,
            "trilog.process.status": event.status,
        },
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_House]:
    engine = ChdbEngine(tmp_path_factory.mktemp("processes"))
    engine.create(TABLES)
    yield _House(engine)
    engine.close()


def _shared(summary: doc.ProcessSummary, twin: doc.ProcessTwin) -> list[tuple[object, object]]:
    names = (
        *("type", "id", "trace_id", "status", "phase", "started_at", "ended_at", "last_at"),
        *("duration_ms", "timeout_seconds", "events"),
    )
    return [(getattr(summary, name), getattr(twin, name)) for name in names]


def _get(house: _House, shelf: Shelf, name: str, at: int) -> Sequence[doc.ProcessTwin]:
    """Return the processes of a trace or an id, none where nothing is known."""
    try:
        return get_processes(house, shelf, name, TraceProcessQuery(), at).processes
    except ClewError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        return []


@settings(max_examples=examples(6))
@given(events=_processes(), now=st.integers(0, 20), shelf=st.sampled_from([SHELF, SHELF, Shelf()]))
def test_what_the_engine_lists_is_what_walking_the_events_finds(
    house: _House, events: list[Event], now: int, shelf: Shelf
) -> None:
    number = next(house.number)
    traces = {"": "", "t1": f"{number:031x}a", "t2": f"{number:031x}b"}
    own = [
        replace(each, obj_id=f"{each.obj_id}-{number}", trace_id=traces[each.trace_id])
        for each in events
    ]
    house.store(own)
    at = MORNING + now * SECOND
    listed = find_processes(house, shelf, ProcessQuery(limit=LIMIT_MAX), at).processes
    mine = {(each.type, each.id): each for each in listed if each.id.endswith(f"-{number}")}
    found: dict[tuple[str, str], doc.ProcessTwin] = {}
    for obj_id in {each.obj_id for each in own}:
        found |= {(each.type, each.id): each for each in _get(house, shelf, obj_id, at)}
    there = {
        name: each for name, each in found.items() if each.twin.exists or not each.twin.version
    }
    assert mine.keys() == there.keys()
    for name, summary in mine.items():
        for left, right in _shared(summary, there[name]):
            assert left == right


def test_phases_whose_events_are_gone_are_told_of(house: _House) -> None:
    subject = Subject("Checkout", f"old-{next(house.number)}")
    old, new = (
        Event(
            at=MORNING + at * SECOND,
            seq=at,
            event_id=f"{subject.id}-{at}",
            type=EventType.PHASE_CHANGE,
            obj_type=subject.type,
            obj_id=subject.id,
            phase=phase,
        )
        for at, phase in ((0, "cart"), (9, "pay"))
    )
    house.store([new])
    known = Known(fold([old]), Source(old.event_id, old.at, "", "", ""))
    memory = Memory(house, lambda: MORNING + 20 * SECOND)
    try:
        kept_from = MORNING + 5 * SECOND
        written = Written(subject, known, house.snapshot().flushed, {}, MORNING, kept_from)
        write_snapshots(house.engine, [written], now=MORNING)
        memory.hear_of_written()
        at = MORNING + 10 * SECOND
        (process,) = get_processes(
            memory.store, SHELF, subject.id, TraceProcessQuery(), at
        ).processes
    finally:
        memory.close()
    assert process.duration_ms == 10_000
    assert [each.name for each in process.phases] == ["pay"]
    assert [each.code for each in process.warnings] == ["events_expired"]
