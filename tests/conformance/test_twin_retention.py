"""Events go after a time; what they came to stays, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan
from clew.twin.events import Event, EventType, Order
from clew.twin.fold import fold
from clew.twin.ingest.presence import read_standings
from clew.twin.query.states import First, find_first
from clew.twin.state.folding import fold_events, fold_objects
from clew.twin.state.memory import Memory
from clew.twin.state.retention import Retention, Taken
from clew.twin.state.selection import Subject
from clew.twin.tables import EVENTS, SNAPSHOTS, TABLES
from tests.conformance.twin_house import MORNING, MOSTLY_CHANGES, House, histories
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.store.table import Table

DAY = 86_400 * 10**9
DECEMBER = 1_701_388_800_000_000_000
JANUARY = DECEMBER + 31 * DAY
KEPT_SECONDS = 10 * 86_400


class _Faulty:
    """An engine that fails where it is told to. It stands for a kill at that point."""

    def __init__(self, engine: ChdbEngine) -> None:
        self._engine = engine
        self.inserts_left = 1 << 30
        self.may_drop = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def insert(self, table: Table, rows: Any, *, token: str) -> None:
        if table is SNAPSHOTS:
            if not self.inserts_left:
                raise ClewError(ErrorCode.UNAVAILABLE, "killed")
            self.inserts_left -= 1
        self._engine.insert(table, rows, token=token)

    def drop_before(self, table: Table, at: int) -> int:
        if not self.may_drop:
            raise ClewError(ErrorCode.UNAVAILABLE, "killed")
        return self._engine.drop_before(table, at)


class _Keeper:
    """A house whose events go, and the hour that its clock shows."""

    def __init__(self, engine: ChdbEngine) -> None:
        self.engine = _Faulty(engine)
        self.house = House(self.engine)  # type: ignore[arg-type]
        self.now = DECEMBER + 15 * DAY
        self.memory = Memory(self.house, lambda: self.now, lateness_ns=0, events_min=1 << 30)
        self.retention = Retention(
            self.memory,
            seconds=KEPT_SECONDS,
            flush=lambda: None,
            aliases=lambda _: {},
            now=lambda: self.now,
        )

    def take(self, now: int) -> Taken:
        """Do what two rounds do: the first writes baselines, the second drops."""
        self.now = now
        first = self.retention.apply()
        assert not (first.baselines and first.partitions)
        return Taken(
            first.kept_from, first.baselines, first.partitions or self.retention.apply().partitions
        )

    def count(self, table: Table, subject: Subject) -> int:
        rows = self.engine.query(
            "SELECT count() AS n FROM @rows",
            snapshot=self.house.snapshot(),
            scans={
                "rows": Scan(table, ("Frame",), "ObjType = {type:String} AND ObjId = {id:String}")
            },
            parameters={"type": subject.type, "id": subject.id},
        )
        return int(rows["n"][0].as_py())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    engine = ChdbEngine(tmp_path_factory.mktemp("retention"))
    engine.create(TABLES)
    yield engine
    engine.close()


@pytest.fixture
def keeper(engine: ChdbEngine) -> Iterator[_Keeper]:
    with engine._clients.borrow() as client:
        for table in TABLES:
            client.command(f"TRUNCATE TABLE {table.name}")
    keeper = _Keeper(engine)
    yield keeper
    keeper.memory.close()


@pytest.fixture(scope="module")
def long_keeper(engine: ChdbEngine) -> Iterator[_Keeper]:
    keeper = _Keeper(engine)
    yield keeper
    keeper.memory.close()


def change(at: int, seq: int, **patch: Any) -> Event:
    return Event(
        at=at,
        seq=seq,
        event_id=f"e{at}-{seq}",
        type=EventType.STATE_CHANGE,
        obj_type="Cart",
        obj_id="",
        patch=patch,
    )


@settings(max_examples=examples(6))
@given(
    november=histories(types=MOSTLY_CHANGES, name="n"),
    december=histories(types=MOSTLY_CHANGES, start=DECEMBER, name="d"),
    january=histories(types=MOSTLY_CHANGES, start=JANUARY, name="j"),
    until=st.integers(0, 5),
    late=st.booleans(),
)
def test_a_state_is_the_same_after_its_events_are_gone(
    long_keeper: _Keeper,
    november: list[Event],
    december: list[Event],
    january: list[Event],
    until: int,
    late: bool,
) -> None:
    keeper = long_keeper
    subject = keeper.house.store(november)
    if late:
        # What comes for a time that is still kept is no matter, whenever it comes.
        keeper.take(DECEMBER + 15 * DAY)
    keeper.house.store(december, subject)
    if not late:
        keeper.take(DECEMBER + 15 * DAY)
    keeper.house.store(january, subject)
    for round_start in (DECEMBER, JANUARY):
        said = [*november, *december, *january]
        moments = (
            (DECEMBER + until, JANUARY + until) if round_start == DECEMBER else (JANUARY + until,)
        )
        for moment in moments:
            wanted = fold(said, moment)
            for few in (0, 10**6):
                known = fold_events(keeper.memory.store, subject, moment, few=few)
                assert known.folded == wanted
                assert known.expired is None
            together = fold_objects(
                keeper.memory.store,
                [subject],
                moment,
                at=keeper.house.snapshot(),
                aliases=lambda _: {},
            )
            assert (subject in together) == bool(wanted.version)
            assert not together or together[subject].folded == wanted
        keeper.take(JANUARY + 15 * DAY)
    changed = any(fold([each]).version for each in [*november, *december])
    assert keeper.count(EVENTS, subject) == len(january)
    assert bool(keeper.count(SNAPSHOTS, subject)) == changed


def test_a_moment_before_what_is_kept_is_told_from_one_before_the_first_event(
    keeper: _Keeper,
) -> None:
    store = keeper.memory.store
    subject = keeper.house.store([change(MORNING, 1, a=1), change(MORNING + 10, 2, a=2)])
    assert keeper.take(DECEMBER + 15 * DAY) == Taken(DECEMBER, 1, 1)
    assert keeper.count(EVENTS, subject) == 0
    for moment in (MORNING + 10, MORNING + 11, DECEMBER, Order(MORNING + 10, 2, "z"), None):
        known = fold_events(store, subject, moment)
        assert (known.folded.state, known.folded.version, known.expired) == ({"a": 2}, 2, None)
        assert known.source is not None
        assert known.source.event_id == f"e{MORNING + 10}-2"
    for moment in (MORNING + 9, MORNING - 5, Order(MORNING + 10, 1, "z")):
        known = fold_events(store, subject, moment)
        assert (known.folded.version, known.expired) == (0, DECEMBER)
    assert find_first(store, keeper.house.snapshot(), subject) == First(MORNING)


def test_an_event_that_comes_after_those_of_its_time_are_gone_is_told_of(keeper: _Keeper) -> None:
    store = keeper.memory.store
    subject = keeper.house.store([change(MORNING, 1, a=1)])
    keeper.take(DECEMBER + 15 * DAY)
    keeper.house.store([change(MORNING + 5, 2, a=7), change(JANUARY, 3, b=1)], subject)
    for few in (0, 10**6):
        folded = fold_events(store, subject, few=few).folded
        assert folded.state == {"a": 1, "b": 1}
        assert [each.code for each in folded.remarks] == ["events_expired"]
    (known,) = fold_objects(
        store, [subject], at=keeper.house.snapshot(), aliases=lambda _: {}
    ).values()
    assert [each.code for each in known.folded.remarks] == ["events_expired"]
    keeper.take(DECEMBER + 15 * DAY)
    assert keeper.count(SNAPSHOTS, subject) == 1
    assert fold_events(store, subject).folded.state == {"a": 1, "b": 1}


def test_what_was_there_when_its_events_went_is_there_for_references(keeper: _Keeper) -> None:
    alive = keeper.house.store([change(MORNING, 1, a=1)])
    end = replace(change(MORNING + 1, 2), type=EventType.DELETED)
    deleted = keeper.house.store([change(MORNING, 1, a=1), end])
    back = keeper.house.store([change(MORNING, 1, a=1), end])
    keeper.take(DECEMBER + 15 * DAY)
    assert keeper.count(EVENTS, alive) == keeper.count(EVENTS, deleted) == 0
    # A creation that is late for what is gone begins nothing; one after it does.
    again = replace(change(MORNING + 5, 3), type=EventType.CREATED)
    keeper.house.store([again], deleted)
    keeper.house.store([replace(again, at=JANUARY)], back)
    subjects = [alive, deleted, back, Subject("Cart", "nobody")]
    found = read_standings(keeper.engine, keeper.house.snapshot(), subjects)
    assert {each: standing.exists for each, standing in found.items()} == {
        alive: True,
        deleted: False,
        back: True,
    }


def test_a_late_event_of_an_object_without_a_baseline_is_kept_in_one(keeper: _Keeper) -> None:
    keeper.take(DECEMBER + 15 * DAY)
    subject = keeper.house.store([change(MORNING, 1, a=1)])
    keeper.take(DECEMBER + 15 * DAY)
    assert keeper.count(EVENTS, subject) == 0
    assert fold_events(keeper.memory.store, subject).folded.state == {"a": 1}


def test_nothing_is_lost_when_it_is_killed_before_events_are_dropped(keeper: _Keeper) -> None:
    subject = keeper.house.store([change(MORNING, 1, a=1), change(JANUARY, 2, b=1)])
    keeper.engine.may_drop = False
    with pytest.raises(ClewError, match="killed"):
        keeper.take(DECEMBER + 15 * DAY)
    assert keeper.count(EVENTS, subject) == 2
    assert fold_events(keeper.memory.store, subject).folded.version == 2
    keeper.engine.may_drop = True
    assert keeper.take(DECEMBER + 15 * DAY) == Taken(DECEMBER, 0, 1)
    assert keeper.count(EVENTS, subject) == 1
    folded = fold_events(keeper.memory.store, subject).folded
    assert (folded.state, folded.version) == ({"a": 1, "b": 1}, 2)


def test_nothing_is_lost_when_it_is_killed_between_two_baselines(
    keeper: _Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clew.twin.state.retention.WRITTEN_AT_ONCE", 2)
    monkeypatch.setattr("clew.twin.state.retention.OBJECTS_AT_ONCE", 3)
    subjects = [keeper.house.store([change(MORNING, n, a=n)]) for n in range(7)]
    keeper.engine.inserts_left = 2
    with pytest.raises(ClewError, match="killed"):
        keeper.take(DECEMBER + 15 * DAY)
    assert [keeper.count(EVENTS, each) for each in subjects] == [1] * 7
    keeper.engine.inserts_left = 1 << 30
    assert keeper.take(DECEMBER + 15 * DAY) == Taken(DECEMBER, 4, 1)
    assert [keeper.count(EVENTS, each) for each in subjects] == [0] * 7
    states = [fold_events(keeper.memory.store, each).folded.state for each in subjects]
    assert states == [{"a": n} for n in range(7)]


def test_a_field_that_is_renamed_after_its_events_went_is_known_by_its_new_name(
    keeper: _Keeper,
) -> None:
    subject = keeper.house.store([change(MORNING, 1, old=1)])
    keeper.take(DECEMBER + 15 * DAY)
    known = fold_events(keeper.memory.store, subject, aliases={"old": "new"})
    assert known.folded.state == {"new": 1}


def test_what_is_said_of_events_that_went_is_still_said(keeper: _Keeper) -> None:
    born = replace(change(MORNING, 1, a=1), type=EventType.CREATED)
    again = replace(change(MORNING + 1, 2, b=1), type=EventType.CREATED)
    subject = keeper.house.store([born, again])
    keeper.take(DECEMBER + 15 * DAY)
    folded = fold_events(keeper.memory.store, subject).folded
    assert folded == fold([born, again])
    assert [each.code for each in folded.remarks] == ["created_again"]
