"""What was known of an object at a time is what the events that had come by then make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.store.engine.chdb import ChdbEngine
from clew.twin.fold import Folded, fold
from clew.twin.state import arrivals as arrivals_module
from clew.twin.state.arrivals import fold_arrivals
from clew.twin.state.folding import fold_events, fold_objects, refold
from clew.twin.state.memory import Memory
from clew.twin.state.retention import Retention
from clew.twin.state.selection import Subject
from clew.twin.state.store import RecordedStore
from clew.twin.tables import TABLES
from tests.conformance.twin_house import MORNING, MOSTLY_CHANGES, House, histories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.twin.events import Event

DECEMBER = 1_701_388_800_000_000_000
DAY = 86_400 * 10**9


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    engine = ChdbEngine(tmp_path_factory.mktemp("recorded"))
    engine.create(TABLES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrivals_module, "STRETCH", 2)
        yield House(engine)
    engine.close()


@dataclass(frozen=True)
class Arrival:
    """Events that came together, at a time after `MORNING`, and whether a flush followed."""

    events: list[Event]
    received: int
    is_flushed: bool


def arrivals(
    *, name: str = "e", start: int = MORNING, come: int = MORNING
) -> st.SearchStrategy[Arrival]:
    events = histories(types=MOSTLY_CHANGES, name=name, start=start)
    received = st.integers(-1, 9).map(lambda after: come + after)
    return st.builds(Arrival, events, received, st.sampled_from([True, True, False]))


def known_by(came: list[Arrival], recorded_at: int) -> list[Event]:
    return [event for each in came if each.received <= recorded_at for event in each.events]


def take_in(house: House, arrival: Arrival, subject: Subject) -> None:
    house.take_in(arrival.events, subject, received=arrival.received)
    if arrival.is_flushed:
        house.flush()


@settings(max_examples=10, deadline=None)
@given(
    came=st.lists(arrivals(), min_size=1, max_size=4),
    moments=st.lists(st.integers(-1, 5), min_size=4, max_size=4),
    recorded=st.lists(st.integers(-2, 10), min_size=4, max_size=4),
)
def test_a_state_is_made_of_what_had_come(
    house: House, came: list[Arrival], moments: list[int], recorded: list[int]
) -> None:
    memory = Memory(house, lambda: MORNING + 4, lateness_ns=0, events_min=1)
    subject = Subject("Cart", house.store([]).id)
    so_far: list[Arrival] = []
    try:
        for arrival, after, had_come in zip(came, moments, recorded, strict=False):
            take_in(house, arrival, subject)
            so_far.append(arrival)
            until, time = MORNING + after, MORNING + had_come
            store = RecordedStore(memory.store, time)
            wanted = fold(known_by(so_far, time), until)
            for few in (0, 10**6):
                assert fold_events(store, subject, until, few=few).folded == wanted
            at = house.snapshot()
            together = fold_objects(store, [subject], until, at=at, aliases=lambda _: {})
            assert (together[subject].folded if together else Folded()) == (
                wanted if wanted.version else Folded()
            )
            # What is asked as of now leaves a snapshot, which is of all that came.
            now = refold(memory.store, subject, MORNING + 5, at=house.snapshot(), aliases={})
            memory.note(subject, now, house.snapshot(), {})
            assert memory.settle()
        fixed = MORNING + recorded[0]
        for asked in (
            [(MORNING + after, fixed) for after in moments],
            [(MORNING + after, MORNING + after) for after in moments],
        ):
            found = fold_arrivals(memory.store, subject, asked, at=house.snapshot(), aliases={})
            assert [each.folded for each in found] == [
                fold(known_by(so_far, time), until) for until, time in asked
            ]
    finally:
        house.flush()
        memory.close()


@settings(max_examples=5, deadline=None)
@given(
    november=st.lists(arrivals(name="n", come=DECEMBER), min_size=1, max_size=2),
    december=arrivals(name="d", start=DECEMBER, come=DECEMBER),
    asked=st.lists(st.tuples(st.integers(-1, 5), st.integers(-2, 10)), min_size=2, max_size=2),
)
def test_where_events_are_gone_it_is_told_or_right(
    house: House,
    november: list[Arrival],
    december: Arrival,
    asked: list[tuple[int, int]],
) -> None:
    memory = Memory(house, lambda: DECEMBER + 15 * DAY, lateness_ns=0, events_min=1 << 30)
    retention = Retention(
        memory,
        seconds=10 * 86_400,
        flush=house.flush,
        aliases=lambda _: {},
        now=lambda: DECEMBER + 15 * DAY,
    )
    try:
        subject = Subject("Cart", house.store([]).id)
        for arrival in november:
            take_in(house, arrival, subject)
        house.flush()
        while retention.apply().baselines:
            pass
        take_in(house, december, subject)
        came = [*november, december]
        all_had_come = max(
            (each.received for each in november if fold(each.events).version), default=0
        )
        for start in (MORNING, DECEMBER):
            pairs = [(start + until, DECEMBER + time) for until, time in asked]
            together = fold_arrivals(
                memory.store, subject, sorted(pairs[:1]), at=house.snapshot(), aliases={}
            )
            for (until, time), many in zip(pairs, [*together, None], strict=True):
                known = fold_events(RecordedStore(memory.store, time), subject, until)
                wanted = fold(known_by(came, time), until)
                assert many is None or (many.folded, many.expired) == (known.folded, known.expired)
                if known.expired is None:
                    assert known.folded == wanted
                else:
                    # It is told only where events are gone that the answer hangs on, or may.
                    assert time < all_had_come or until < DECEMBER
    finally:
        house.flush()
        memory.close()
