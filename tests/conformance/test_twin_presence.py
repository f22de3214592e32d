"""Whether an object is there is what the definition says, however its events were learnt of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from clew.twin.fold import fold
from clew.twin.ingest.presence import PAUSE_S, Presence
from clew.twin.state.selection import Subject
from clew.twin.tables import TABLES
from tests.conformance.twin_house import House, histories
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clew.twin.events import Event


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    engine = ChdbEngine(tmp_path_factory.mktemp("presence"))
    engine.create(TABLES)
    yield House(engine)
    engine.close()


def is_there(events: list[Event]) -> bool:
    """Return what the definition says: told of, and no deletion is the end of it."""
    folded = fold(events)
    return bool(events) and (folded.exists or not folded.version)


def tell(presence: Presence, subject: Subject, events: Iterable[Event]) -> None:
    for event in events:
        presence.tell(subject, event.type, event.order)


@settings(max_examples=examples(20))
@given(events=histories(), cuts=st.tuples(st.integers(0, 16), st.integers(0, 16)))
def test_what_is_stored_and_what_is_told_are_one_whatever_comes_first(
    house: House, events: list[Event], cuts: tuple[int, int]
) -> None:
    first, second = sorted(cuts)
    subject = house.store(events[:first])
    presence = Presence()
    presence.connect(house.engine)
    tell(presence, subject, events[first:second])
    assert presence.exists(subject) is None
    presence.ask([subject], house.snapshot)
    assert presence.exists(subject) == is_there(events[:second])
    tell(presence, subject, events[second:])
    assert presence.exists(subject) == is_there(events)


def test_the_store_is_asked_once_and_only_for_what_is_unknown(house: House) -> None:
    asked = []

    def snapshot() -> Snapshot:
        asked.append(house.frame)
        return house.snapshot()

    presence = Presence()
    presence.connect(house.engine)
    for _ in range(2):
        presence.ask([Subject("Cart", "once"), Subject("Cart", "never")], snapshot)
    assert len(asked) == 1
    assert presence.exists(Subject("Cart", "once")) is False


def test_what_was_not_named_for_longest_is_forgotten_and_so_unknown(house: House) -> None:
    presence = Presence(remembered_max=2)
    presence.connect(house.engine)
    subjects = [Subject("Cart", f"bound{n}") for n in range(3)]
    for each in subjects:
        presence.ask([each], house.snapshot)
    # Nothing goes while a log is read back.
    assert [presence.exists(each) for each in subjects] == [False, False, False]
    presence.ask(subjects[:1], house.snapshot)
    presence.begin_forgetting()
    assert [presence.exists(each) for each in subjects] == [False, None, False]


def test_an_engine_that_fails_makes_nothing_known_and_is_left_alone_for_a_while(
    house: House,
) -> None:
    def fail() -> Snapshot:
        raise ClewError(ErrorCode.UNAVAILABLE, "the store is away")

    now = 100.0
    presence = Presence(clock=lambda: now)
    presence.connect(house.engine)
    subject = Subject("Cart", "failing")
    presence.ask([subject], fail)
    assert presence.exists(subject) is None
    presence.ask([subject], house.snapshot)
    assert presence.exists(subject) is None
    now += PAUSE_S
    presence.ask([subject], house.snapshot)
    assert presence.exists(subject) is False
