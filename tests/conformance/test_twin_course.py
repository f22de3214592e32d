"""An object that is asked about again and again is answered from memory, and the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from clew.twin.events import Event, EventType, Order
from clew.twin.fold import fold
from clew.twin.state import course as course_module
from clew.twin.state import courses as courses_module
from clew.twin.state.courses import Courses
from clew.twin.state.selection import Subject
from clew.twin.tables import TABLES
from tests.conformance.twin_house import MORNING, MOSTLY_CHANGES, House, histories
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    engine = ChdbEngine(tmp_path_factory.mktemp("course"))
    engine.create(TABLES)
    yield House(engine)
    engine.close()


@pytest.fixture(autouse=True, scope="module")
def stretch() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course_module, "STRETCH", 3)
        yield


@settings(max_examples=examples(10))
@given(
    batches=st.lists(
        st.tuples(histories(types=MOSTLY_CHANGES), st.integers(0, 3)), min_size=1, max_size=3
    ),
    moments=st.lists(st.integers(-1, 8), min_size=1, max_size=4),
    place=st.tuples(st.integers(0, 4), st.integers(0, 2), st.sampled_from("ez")),
)
def test_every_moment_of_a_course_is_that_of_the_definition(
    house: House,
    batches: list[tuple[list[Event], int]],
    moments: list[int],
    place: tuple[int, int, str],
) -> None:
    courses = Courses()
    subject = Subject("Cart", house.store([]).id)
    said: list[Event] = []
    for events, later in batches:
        moved = [_later(each, later) for each in events]
        house.store(moved, subject)
        said.extend(moved)
        untils: list[int | Order | None] = [None, *(MORNING + each for each in moments)]
        untils.append(Order(MORNING + place[0], place[1], place[2]))
        for until in untils:
            known = courses.fold(house, house.snapshot(), subject, until, {}, at_once=True)
            # What cannot simply go on, or contradicts itself, is left to others.
            if known is not None:
                wanted = fold(said, until)
                assert known.folded == wanted
                assert (known.source and known.source.event_id) == (
                    wanted.last and wanted.last.event_id
                )


def _later(event: Event, by: int) -> Event:
    return Event(
        at=event.at + by,
        seq=event.seq,
        event_id=f"{event.event_id}-{by}",
        type=event.type,
        obj_type=event.obj_type,
        obj_id="",
        patch=event.patch,
        phase=event.phase,
    )


def changes(count: int, start: int = 0) -> Sequence[Event]:
    return [
        Event(
            at=MORNING + n,
            seq=n,
            event_id=f"e{n}",
            type=EventType.STATE_CHANGE,
            obj_type="Cart",
            obj_id="",
            patch={"n": n},
        )
        for n in range(start, start + count)
    ]


def test_the_first_question_reads_no_course_and_later_ones_ask_nothing(house: House) -> None:
    subject = house.store(changes(10))
    courses = Courses()
    assert courses.fold(house, house.snapshot(), subject, None, {}) is None
    assert courses.fold(house, house.snapshot(), subject, None, {}) is not None
    asleep = _Asleep(house)
    known = courses.fold(asleep, house.snapshot(), subject, MORNING + 4, {})
    assert known is not None
    assert known.folded.state == {"n": 4}
    # Frames without a row of the object change nothing.
    acked = house.frame + 7
    snapshot = Snapshot(flushed=house.frame, acked=acked, hot={})
    assert courses.fold(asleep, snapshot, subject, None, {}) is not None


class _Asleep:
    """A house whose engine must not be asked."""

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def engine(self) -> ChdbEngine:
        raise AssertionError("the engine was asked")

    def snapshot(self) -> Snapshot:
        return self._house.snapshot()


def test_an_older_moment_of_the_store_sees_nothing_of_later_ones(house: House) -> None:
    subject = house.store(changes(3))
    before = house.snapshot()
    house.store(changes(3, start=3), subject)
    courses = Courses()
    assert courses.fold(house, house.snapshot(), subject, None, {}, at_once=True) is not None
    assert courses.fold(house, before, subject, None, {}) is None


def test_a_course_that_is_too_large_is_not_read_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courses_module, "COURSE_EVENTS_MAX", 5)
    subject = house.store(changes(6))
    courses = Courses()
    assert courses.fold(house, house.snapshot(), subject, None, {}, at_once=True) is None
    assert courses.fold(_Asleep(house), house.snapshot(), subject, None, {}) is None


def test_courses_make_room_for_one_another(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courses_module, "EVENTS_MAX", 25)
    subjects = [house.store(changes(10)) for _ in range(3)]
    courses = Courses()
    for subject in subjects:
        assert courses.fold(house, house.snapshot(), subject, None, {}, at_once=True) is not None
    asleep = _Asleep(house)
    for subject in subjects[1:]:
        assert courses.fold(asleep, house.snapshot(), subject, None, {}) is not None
    assert courses.fold(asleep, house.snapshot(), subjects[0], None, {}) is None
