"""The state that the engine finds is the one that the definition gives, for any events."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.store.engine.chdb import ChdbEngine
from clew.twin.events import Event, EventType, Order
from clew.twin.fold import Folded, fold
from clew.twin.state import reading
from clew.twin.state.folding import fold_events, fold_moments, fold_objects, refold
from clew.twin.state.memory import Memory
from clew.twin.state.rows import rename
from clew.twin.state.selection import Subject
from clew.twin.tables import TABLES
from tests.conformance.twin_house import MORNING, MOSTLY_CHANGES, House, histories
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    engine = ChdbEngine(tmp_path_factory.mktemp("fold"))
    engine.create(TABLES)
    with pytest.MonkeyPatch.context() as patch:
        # Difficult events are folded in stretches; here of two events each.
        patch.setattr(reading, "STRETCH_EVENTS", 2)
        yield House(engine)
    engine.close()


@settings(max_examples=examples(15))
@given(events=histories(), until=st.integers(-1, 5))
def test_any_events_give_the_state_of_the_definition(
    house: House, events: list[Event], until: int
) -> None:
    subject = house.store(events)
    known = fold_events(house, subject, MORNING + until, few=0)
    assert known.folded == fold(events, MORNING + until)


@settings(max_examples=examples(15))
@given(
    events=histories(
        types=(
            EventType.STATE_CHANGE,
            EventType.PHASE_CHANGE,
            EventType.SNAPSHOT,
            EventType.ACTION,
        )
    )
)
def test_the_engine_alone_gives_it_where_nothing_was_deleted(
    house: House, events: list[Event]
) -> None:
    subject = house.store(events)
    known = fold_events(house, subject, few=0)
    assert known.folded == fold(events)
    assert (known.source is None) == (known.folded.last is None)


@settings(max_examples=examples(8))
@given(
    batches=st.lists(histories(types=MOSTLY_CHANGES), min_size=1, max_size=4),
    moments=st.lists(st.integers(-1, 5), min_size=4, max_size=4),
    aliases=st.sampled_from([{}, {}, {"a": "b"}]),
)
def test_snapshots_between_late_events_change_no_answer(
    house: House, batches: list[list[Event]], moments: list[int], aliases: dict[str, str]
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
                known = refold(
                    memory.store,
                    subject,
                    MORNING + until,
                    at=house.snapshot(),
                    aliases=aliases,
                    few=few,
                )
                assert known.folded == wanted
                assert (known.source and known.source.event_id) == (
                    wanted.last and wanted.last.event_id
                )
                memory.note(subject, known, house.snapshot(), aliases)
                assert memory.settle()
            for _ in range(2):
                # The second time it is answered from the course.
                known = fold_events(memory.store, subject, MORNING + until, aliases=aliases)
                assert known.folded == wanted
                assert (known.source and known.source.event_id) == (
                    wanted.last and wanted.last.event_id
                )
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


@settings(max_examples=examples(8))
@given(
    events=histories(types=MOSTLY_CHANGES),
    moments=st.lists(
        st.one_of(
            st.integers(MORNING - 1, MORNING + 5),
            st.builds(
                Order,
                st.integers(MORNING, MORNING + 4),
                st.integers(0, 2),
                st.sampled_from(["e0", "e3", "z"]),
            ),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_each_of_many_moments_goes_on_from_the_one_before_it(
    house: House, events: list[Event], moments: list[Order | int]
) -> None:
    subject = house.store(events)
    # A store that remembers nothing has no courses: as for an object with too many events.
    known = fold_moments(house, subject, moments, at=house.snapshot(), aliases={})
    assert [each.folded for each in known] == [fold(events, moment) for moment in moments]


def test_objects_of_any_name_are_found_together(house: House) -> None:
    names = ["'", '"', "\\", "a\nb\t", "\x01", "é€😀", "{x:String}", "%s", "[]", " "]
    subjects = [Subject(kind, name) for kind in ("Cart", "Ca'rt\\") for name in names]
    for number, subject in enumerate(subjects):
        house.store([_change(MORNING, 1, n=number)], subject)
    known = fold_objects(house, subjects, at=house.snapshot(), aliases=lambda _: {})
    values = [list(known[each].folded.state.values()) for each in subjects]
    assert values == [[number] for number in range(len(subjects))]


def _change(at: int, seq: int, **patch: Any) -> Event:
    return Event(
        at=at,
        seq=seq,
        event_id=f"e{at}-{seq}",
        type=EventType.STATE_CHANGE,
        obj_type="Cart",
        obj_id="",
        patch=patch,
    )


def test_a_field_is_known_by_its_former_names(house: House) -> None:
    patches: list[dict[str, Any]] = [{"old": 1}, {"new": 2}, {"old": 3}, {"old": 4, "new": 5}]
    events = [_change(MORNING + n, n, **patch) for n, patch in enumerate(patches)]
    subject = house.store(events)
    for few in (0, 100):
        for until, value in enumerate([1, 2, 3, 5]):
            known = fold_events(house, subject, MORNING + until, aliases={"old": "new"}, few=few)
            assert known.folded.state == {"new": value}


def test_the_same_events_in_any_order_give_the_same_bytes(house: House) -> None:
    changes = [_change(MORNING + n % 7, n, **{"abc"[n % 3]: n}) for n in range(50)]
    forward = fold_events(house, house.store(changes), few=0).folded
    backward = fold_events(house, house.store([*reversed(changes), *changes]), few=10**6).folded
    assert forward == backward == fold(changes)
