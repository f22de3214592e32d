"""The state that the engine finds is the one that the definition gives, for any events."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from clew.twin.events import Event, EventType
from clew.twin.fold import Folded, fold
from clew.twin.ingest.judge import NoRegistries
from clew.twin.ingest.record import LogRecord
from clew.twin.ingest.rows import EventRows
from clew.twin.query.folding import fold_events, fold_objects
from clew.twin.query.memory import Memory
from clew.twin.query.rows import rename
from clew.twin.query.selection import Subject
from clew.twin.tables import EVENTS, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

import msgspec
import pyarrow as pa

MORNING = 1_700_000_000_000_000_000

_MOSTLY_CHANGES = (*[EventType.STATE_CHANGE] * 4, *EventType)

_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(st.integers(0, 9), max_size=2),
)
_patches = st.dictionaries(st.sampled_from("abc"), _values, max_size=3)


@st.composite
def _histories(draw: st.DrawFn, *, types: Sequence[EventType] = tuple(EventType)) -> list[Event]:
    """Events of one object that share times and counts, some of them doubled, in any order."""
    events = [
        Event(
            at=MORNING + draw(st.integers(0, 4)),
            seq=draw(st.integers(0, 2)),
            event_id=f"e{n}",
            type=draw(st.sampled_from(list(types))),
            obj_type="Cart",
            obj_id="",
            patch=draw(_patches),
            phase=draw(st.sampled_from(["", "pay", "pack"])),
        )
        for n in range(draw(st.integers(0, 8)))
    ]
    doubled = events + [each for each in events if draw(st.booleans())]
    return draw(st.permutations(doubled))


class _House:
    """A store of events that are all in the engine."""

    def __init__(self, engine: ChdbEngine) -> None:
        self.engine = engine
        self._frame = 0
        self._names = (f"o{n}" for n in itertools.count())

    def snapshot(self) -> Snapshot:
        return Snapshot(flushed=self._frame, acked=self._frame)

    def store(self, events: Sequence[Event], subject: Subject | None = None) -> Subject:
        """Store events in a frame of their own, of a new object unless one is named."""
        if subject is None:
            subject = Subject("Cart", next(self._names))
        self._frame += 1
        rows = EventRows(NoRegistries())
        for event in events:
            rows.append(_record(event, subject), self._frame)
        batch = rows.finish()
        if batch is not None:
            token = f"frame-{self._frame}"
            self.engine.insert(EVENTS, pa.Table.from_batches([batch]), token=token)
        return subject


def _record(event: Event, subject: Subject) -> LogRecord:
    texts: dict[str, str] = {
        "trilog.obj.id": subject.id,
        "trilog.obj.type": subject.type,
        "trilog.event.id": event.event_id,
        "trilog.event.seq": str(event.seq),
        "trilog.event.type": event.type,
        "trilog.process.current_phase": event.phase,
    }
    literals: dict[str, str] = {}
    nulls = [name for name, value in event.patch.items() if value is None]
    if nulls:
        literals["trilog.obj.nulls"] = msgspec.json.encode(nulls).decode()
    for name, value in event.patch.items():
        if value is not None:
            key = f"cart.{name}"
            texts[key] = value if isinstance(value, str) else ""
            if not isinstance(value, str):
                literals[key] = msgspec.json.encode(value).decode()
    return LogRecord(
        at=event.at,
        observed=0,
        received=event.at,
        severity=9,
        body="",
        trace_id="",
        span_id="",
        service="shop",
        texts=texts,
        literals=literals,
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_House]:
    engine = ChdbEngine(tmp_path_factory.mktemp("fold"))
    engine.create(TABLES)
    yield _House(engine)
    engine.close()


@settings(max_examples=60, deadline=None)
@given(events=_histories(), until=st.integers(-1, 5))
def test_any_events_give_the_state_of_the_definition(
    house: _House, events: list[Event], until: int
) -> None:
    subject = house.store(events)
    known = fold_events(house, subject, MORNING + until, few=0)
    assert known.folded == fold(events, MORNING + until)


@settings(max_examples=60, deadline=None)
@given(
    events=_histories(
        types=(
            EventType.STATE_CHANGE,
            EventType.PHASE_CHANGE,
            EventType.SNAPSHOT,
            EventType.ACTION,
        )
    )
)
def test_the_engine_alone_gives_it_where_nothing_was_deleted(
    house: _House, events: list[Event]
) -> None:
    subject = house.store(events)
    known = fold_events(house, subject, few=0)
    assert known.folded == fold(events)
    assert (known.source is None) == (known.folded.last is None)


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(_histories(types=_MOSTLY_CHANGES), min_size=1, max_size=4),
    moments=st.lists(st.integers(-1, 5), min_size=4, max_size=4),
    aliases=st.sampled_from([{}, {}, {"a": "b"}]),
)
def test_snapshots_between_late_events_change_no_answer(
    house: _House, batches: list[list[Event]], moments: list[int], aliases: dict[str, str]
) -> None:
    memory = Memory(house, lambda: MORNING + 3, lateness_ns=0, events_min=1)
    try:
        subject = Subject("Cart", house.store([]).id)
        said: list[Event] = []
        for batch, until in zip(batches, moments, strict=False):
            house.store(batch, subject)
            said.extend(batch)
            wanted = fold(_renamed(said, aliases), MORNING + until)
            for few in (0, 10**6):
                known = fold_events(
                    memory.store, subject, MORNING + until, aliases=aliases, few=few
                )
                assert known.folded == wanted
                assert (known.source and known.source.event_id) == (
                    wanted.last and wanted.last.event_id
                )
                assert memory.settle()
            together = fold_objects(
                memory.store,
                [subject],
                MORNING + until,
                at=house.snapshot(),
                aliases=lambda _: aliases,
            )
            assert (together[subject].folded if together else Folded()).state == wanted.state
    finally:
        memory.close()


def _renamed(events: list[Event], aliases: dict[str, str]) -> list[Event]:
    return [replace(each, patch=rename(dict(each.patch), aliases)) for each in events]


def test_a_field_is_known_by_its_former_names(house: _House) -> None:
    events = [
        Event(
            at=MORNING + n,
            seq=n,
            event_id=f"e{n}",
            type=EventType.STATE_CHANGE,
            obj_type="Cart",
            obj_id="",
            patch=patch,
        )
        for n, patch in enumerate([{"old": 1}, {"new": 2}, {"old": 3}, {"old": 4, "new": 5}])
    ]
    subject = house.store(events)
    for few in (0, 100):
        for until, value in enumerate([1, 2, 3, 5]):
            known = fold_events(house, subject, MORNING + until, aliases={"old": "new"}, few=few)
            assert known.folded.state == {"new": value}


def test_the_same_events_in_any_order_give_the_same_bytes(house: _House) -> None:
    changes: list[Any] = [
        Event(
            at=MORNING + n % 7,
            seq=n,
            event_id=f"e{n}",
            type=EventType.STATE_CHANGE,
            obj_type="Cart",
            obj_id="",
            patch={"abc"[n % 3]: n},
        )
        for n in range(50)
    ]
    forward = fold_events(house, house.store(changes), few=0).folded
    backward = fold_events(house, house.store([*reversed(changes), *changes]), few=10**6).folded
    assert forward == backward == fold(changes)
