"""Node ids on lease, on both databases, with a clock that is moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, format_time
from clew.lineage.leases.book import KEPT_NS, LeaseBook, choose_node
from clew.lineage.leases.schema import SCHEMA
from clew.lineage.terms import COOLDOWN_NS, LEASE_NS, NODE_MAX, LeaseQuery, NewLease
from clew.store.database.contract import Database, Dialect
from tests.conformance.lease_rows import take_nodes
from tests.conformance.registry_places import PLACES, PostgresPlace, SqlitePlace
from tests.conformance.registry_replay import LeadingPlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clew.lineage.terms import Lease


class Clock:
    """Unix nanoseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.at = 1_800_000_000 * NS_PER_S

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=PLACES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == Dialect.POSTGRES.value:
        server = request.getfixturevalue("postgres_server")
        place: PostgresPlace | SqlitePlace = PostgresPlace(server, server.new_url())
    else:
        place = LeadingPlace(tmp_path)
    yield place.open(SCHEMA)
    place.close()


@pytest.fixture
def book(database: Database, clock: Clock) -> LeaseBook:
    return LeaseBook(database, clock)


def wish(process: object, node_id: int | None = None) -> NewLease:
    return NewLease(process=str(process), host="here", started_at=5, node_id=node_id)


def lease(book: LeaseBook, process: object, node_id: int | None = None) -> Lease:
    return book.lease(wish(process, node_id), "tester").result()


def refusal(book: LeaseBook, process: object, node_id: int | None = None) -> ClewError:
    with pytest.raises(ClewError) as caught:
        lease(book, process, node_id)
    return caught.value


def take_all(database: Database, clock: Clock, *, but: int = 0) -> dict[int, str]:
    return take_nodes(database, clock.at, but=but)


def renew_all(database: Database, clock: Clock) -> None:
    """Renew every lease that was not released."""
    until = {"until": clock.at + LEASE_NS}
    renew = "UPDATE lineage_nodes SET expires_at = :until WHERE released_at IS NULL"
    database.submit(lambda writing: writing.run(renew, until)).result()


def test_each_process_gets_a_node_id_of_its_own(book: LeaseBook, clock: Clock) -> None:
    first, second = lease(book, "a"), lease(book, "b")
    assert [first.node_id, second.node_id] == [1, 2]
    assert first.id != second.id
    assert (first.process, first.host, first.leased_by) == ("a", "here", "tester")
    assert first.expires_at == format_time(clock.at + LEASE_NS)
    assert (first.leased_at, first.free_since) == (format_time(clock.at), None)


def test_a_process_that_asks_again_gets_the_lease_that_it_has(
    book: LeaseBook, clock: Clock
) -> None:
    first = lease(book, "a")
    clock.at += LEASE_NS // 2
    again = lease(book, "a")
    assert (again.id, again.node_id) == (first.id, first.node_id)
    assert again.expires_at == format_time(clock.at + LEASE_NS)
    assert refusal(book, "a", 77).code is ErrorCode.CONFLICT
    # Another process of the same number, which began later, is another one.
    later = NewLease(process="a", host="here", started_at=6)
    assert book.lease(later, "tester").result().node_id == 2


def test_a_node_id_may_be_wished_while_nobody_has_it(book: LeaseBook, clock: Clock) -> None:
    assert lease(book, "a", 500).node_id == 500
    assert refusal(book, "b", 500).code is ErrorCode.CONFLICT
    clock.at += LEASE_NS + COOLDOWN_NS - 1
    assert refusal(book, "b", 500).code is ErrorCode.CONFLICT
    clock.at += 1
    taken = lease(book, "b", 500)
    assert taken.node_id == 500
    assert taken.free_since == format_time(clock.at - COOLDOWN_NS)


def test_a_released_node_id_cools_down_before_anybody_gets_it(
    database: Database, book: LeaseBook, clock: Clock
) -> None:
    held = take_all(database, clock)[9]
    released = book.release(held).result()
    assert released.released_at == format_time(clock.at)
    assert book.release(held).result().released_at == released.released_at
    full = refusal(book, "next")
    assert full.code is ErrorCode.OVERLOADED
    assert full.retry_after_ms == COOLDOWN_NS // 1_000_000
    assert book.count_refused() == {"overloaded": 1}
    clock.at += COOLDOWN_NS - 1
    renew_all(database, clock)
    assert refusal(book, "next").code is ErrorCode.OVERLOADED
    clock.at += 1
    assert lease(book, "next").node_id == 9


def test_what_is_left_first_is_taken_first(
    database: Database, book: LeaseBook, clock: Clock
) -> None:
    held = take_all(database, clock)
    for node_id in (30, 10, 20):
        book.release(held[node_id]).result()
        clock.at += NS_PER_S
    clock.at += COOLDOWN_NS
    renew_all(database, clock)
    assert [lease(book, f"q{n}").node_id for n in range(3)] == [30, 10, 20]


def test_node_ids_that_nobody_had_go_first(
    database: Database, book: LeaseBook, clock: Clock
) -> None:
    take_all(database, clock, but=1)
    clock.at += LEASE_NS + COOLDOWN_NS
    assert lease(book, "next").node_id == NODE_MAX
    assert lease(book, "after").node_id == 1


def test_a_lease_that_is_not_renewed_runs_out_on_the_servers_clock(
    database: Database, book: LeaseBook, clock: Clock
) -> None:
    take_all(database, clock)
    clock.at += LEASE_NS + COOLDOWN_NS - 1
    assert refusal(book, "next").code is ErrorCode.OVERLOADED
    clock.at += 1
    assert lease(book, "next").node_id == 1


def test_a_lease_lasts_while_it_is_renewed(book: LeaseBook, clock: Clock) -> None:
    held = lease(book, "a")
    for _ in range(50):
        clock.at += LEASE_NS - 1
        assert book.renew(held.id).result().expires_at == format_time(clock.at + LEASE_NS)
    assert lease(book, "b").node_id == 2


def test_a_lease_that_ran_out_goes_on_unless_another_has_its_node_id(
    book: LeaseBook, clock: Clock
) -> None:
    held = lease(book, "a")
    clock.at += 10 * LEASE_NS
    assert book.renew(held.id).result().node_id == held.node_id
    clock.at += LEASE_NS + COOLDOWN_NS
    assert lease(book, "b", held.node_id).id != held.id
    for attempt in (book.renew, book.release):
        with pytest.raises(ClewError) as caught:
            attempt(held.id).result()
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_released_lease_is_not_renewed(book: LeaseBook) -> None:
    held = lease(book, "a")
    book.release(held.id).result()
    with pytest.raises(ClewError) as caught:
        book.renew(held.id).result()
    assert caught.value.code is ErrorCode.CONFLICT
    # Nor does the process get it back: its next one is another.
    assert lease(book, "a").node_id != held.node_id


def test_a_server_clock_that_is_set_back_takes_nobodys_lease(book: LeaseBook, clock: Clock) -> None:
    held = lease(book, "a")
    clock.at -= 3600 * NS_PER_S
    assert book.renew(held.id).result().expires_at == held.expires_at
    assert lease(book, "b").node_id != held.node_id


def test_leases_outlive_the_server(database: Database, book: LeaseBook, clock: Clock) -> None:
    held = lease(book, "a")
    again = LeaseBook(database, clock)
    assert again.renew(held.id).result().node_id == held.node_id
    assert lease(again, "b").node_id != held.node_id


def test_it_is_known_who_had_a_node_id(book: LeaseBook, clock: Clock) -> None:
    first = lease(book, "a", 7)
    clock.at += LEASE_NS + COOLDOWN_NS
    second = lease(book, "b", 7)
    clock.at += 1
    second = book.renew(second.id).result()
    lease(book, "c", 8)
    told = book.find(LeaseQuery(node_id=7))
    assert [each.process for each in told.leases] == ["b", "a"]
    assert told.leases[0] == second
    assert told.leases[1].expires_at == first.expires_at
    assert [each.node_id for each in book.find(LeaseQuery()).leases] == [8, 7]
    few = book.find(LeaseQuery(limit=1))
    assert (few.count, few.total, few.truncated) == (1, 2, True)


def test_leases_of_long_ago_are_forgotten_but_for_those_that_last(
    book: LeaseBook, clock: Clock
) -> None:
    lasting = lease(book, "a", 1)
    lease(book, "b", 2)
    clock.at += KEPT_NS
    book.renew(lasting.id).result()
    lease(book, "c", 2)
    clock.at += 1
    lease(book, "d", 3)
    assert book.find(LeaseQuery(node_id=1)).total == 1
    assert [each.process for each in book.find(LeaseQuery(node_id=2)).leases] == ["c"]


@given(
    ends=st.dictionaries(st.integers(1, NODE_MAX), st.integers(0, 100), max_size=30),
    now=st.integers(0, 120),
    wished=st.none() | st.integers(1, NODE_MAX),
)
def test_no_node_id_is_given_out_before_its_time(
    ends: dict[int, int], now: int, wished: int | None
) -> None:
    if wished in ends and now < ends[wished] + 10:
        with pytest.raises(ClewError):
            choose_node(ends, wished, now, 10)
        return
    chosen = choose_node(ends, wished, now, 10)
    assert chosen not in ends or ends[chosen] + 10 <= now
    assert wished in (None, chosen)
