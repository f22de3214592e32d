"""What was known of an object at a time is what the events that had come by then make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from clew.base.errors import ClewError
from clew.base.times import format_time
from clew.store.engine.chdb import ChdbEngine
from clew.twin.events import Event, EventType
from clew.twin.fold import Folded, fold
from clew.twin.parameters import (
    DifferenceQuery,
    GraphQuery,
    HistoryQuery,
    InstantsQuery,
    StateQuery,
    StatesQuery,
    TimelineQuery,
)
from clew.twin.registries.shelf import Shelf
from clew.twin.schema.values import FieldSchema, FieldType, ObjectSchema, RegistrySchema
from clew.twin.service import StoredTwins
from clew.twin.state import arrivals as arrivals_module
from clew.twin.state.arrivals import fold_arrivals
from clew.twin.state.folding import fold_events, fold_objects, refold
from clew.twin.state.memory import Memory
from clew.twin.state.retention import Retention
from clew.twin.state.selection import Subject
from clew.twin.state.store import RecordedStore
from clew.twin.tables import TABLES
from tests.conformance.twin_house import MORNING, MOSTLY_CHANGES, House, histories
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.twin.documents import TwinState

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


@settings(max_examples=examples(7))
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
            [(MORNING + after, MORNING + after) for after in range(-1, 11)],
        ):
            found = fold_arrivals(memory.store, subject, asked, at=house.snapshot(), aliases={})
            assert [each.folded for each in found] == [
                fold(known_by(so_far, time), until) for until, time in asked
            ]
    finally:
        house.flush()
        memory.close()


@settings(max_examples=examples(4))
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


def named(at: int, seq: int, **patch: Any) -> Event:
    return Event(
        at=MORNING + at,
        seq=seq,
        event_id=f"e{at}",
        type=EventType.STATE_CHANGE,
        obj_type="Cart",
        obj_id="",
        patch=patch,
    )


def when(after: int) -> str:
    return format_time(MORNING + after)


@pytest.fixture(scope="module")
def twins(house: House) -> StoredTwins:
    owner = FieldSchema(name="owner", type=FieldType.REFERENCE, ref_type="Owner")
    kind = ObjectSchema(name="Cart", prefix="cart", fields={"owner": owner})
    shelf = Shelf.of([RegistrySchema(checksum="c1", objects={"Cart": kind})])
    return StoredTwins(house, _Shelved(shelf), lambda: MORNING + 100)


@dataclass(frozen=True)
class _Shelved:
    shelf: Shelf


def test_every_question_about_an_object_may_be_about_what_was_known(
    house: House, twins: StoredTwins
) -> None:
    owner = house.store([named(0, 1, name="Ann")], Subject("Owner", "ann"), received=MORNING + 50)
    cart = house.store([named(10, 2, a=1, owner="ann")], received=MORNING + 11)
    house.store([named(20, 3, a=3)], cart, received=MORNING + 21)
    # It happened before that, and was heard of after it; then all three were sent again.
    house.store([named(15, 4, a=2, b=1)], cart, received=MORNING + 30)
    again = [named(10, 2, a=1, owner="ann"), named(20, 3, a=3), named(15, 4, a=2, b=1)]
    house.take_in(again, cart, received=MORNING + 60)
    name = (cart.type, cart.id)

    def state(at: str, recorded_at: str | None = None) -> TwinState:
        return twins.get_state(*name, StateQuery(at=at, recorded_at=recorded_at))

    assert state(at=when(16)).state == {"a": 2, "b": 1, "owner": "ann"}
    then = state(at=when(16), recorded_at="then")
    assert (then.state, then.recorded_at) == ({"a": 1, "owner": "ann"}, when(16))
    assert state(at="event:e20", recorded_at=when(29)).version == 2
    # What was known early of a later moment: nothing else than of its own.
    assert state(at=when(90), recorded_at=when(12)).state == {"a": 1, "owner": "ann"}
    unheard = state(at=when(16), recorded_at=when(10))
    assert (unheard.exists, [each.code for each in unheard.warnings]) == (
        False,
        ["before_first_arrival"],
    )
    early = state(at=when(9), recorded_at=when(40))
    assert [each.code for each in early.warnings] == ["before_first_event"]

    both = StatesQuery(objects=[name, ("Owner", owner.id)], at=when(20), recorded_at=when(25))
    assert [each.exists for each in twins.get_states(both).states] == [True, False]
    graph = twins.get_graph(*name, GraphQuery(at=when(20), recorded_at=when(25)))
    assert [each.is_dangling for each in graph.references] == [True]
    assert graph.recorded_at == when(25)
    steps = InstantsQuery(at=[when(16), when(31), when(5), "event:e20"], recorded_at="then")
    instants = twins.get_instants(*name, steps).states
    assert [each.version for each in instants] == [1, 3, 0, 1]
    assert [each.code for each in instants[2].warnings] == ["before_first_arrival"]

    timeline = TimelineQuery(recorded_at=when(29), limit=1)
    first = twins.find_events(*name, timeline)
    second = twins.find_events(*name, structs.replace(timeline, next=first.next))
    assert [each.event_id for each in (*first.events, *second.events)] == ["e10", "e20"]
    assert (first.total, second.next, second.recorded_at) == (2, None, when(29))
    # What came again is shown as it came first.
    assert {each.received_at for each in (*first.events, *second.events)} == {when(11), when(21)}

    history = twins.find_values(*name, "a", HistoryQuery(recorded_at=when(29)))
    assert [each.value for each in history.values] == [1, 3]
    difference = DifferenceQuery(from_=when(16), to=when(31), recorded_at="then")
    changed = twins.compare(*name, difference)
    assert (changed.versions, changed.added) == (2, {"b": 1})
    assert (changed.from_recorded_at, changed.to_recorded_at) == (when(16), when(31))
    at_once = twins.compare(*name, structs.replace(difference, recorded_at=when(31)))
    assert (at_once.versions, at_once.added) == (1, {})
    house.flush()


def test_a_recorded_time_is_a_time_or_then_where_there_is_a_moment(
    house: House, twins: StoredTwins
) -> None:
    cart = house.store([named(0, 1, a=1)])
    with pytest.raises(ClewError, match="a list is of no moment"):
        twins.find_events(cart.type, cart.id, TimelineQuery(recorded_at="then"))
    with pytest.raises(ClewError, match="not a time") as refusal:
        twins.get_state(cart.type, cart.id, StateQuery(recorded_at="event:e0"))
    assert "or write then" in (refusal.value.hint or "")
    with pytest.raises(ClewError, match="nothing is known"):
        twins.get_state(cart.type, "nobody", StateQuery(recorded_at="then"))
