"""The queue, what is on its way, and accounts: on both databases, with a clock that is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, format_time
from clew.store.database.contract import Dialect, Reading
from clew.team import SyncStatus
from clew.team.errors import ValidationError
from clew.team.ledger.flight import CLAIM_MAX, LEASE_NS
from clew.team.ledger.queue import LocalWrite
from clew.team.ledger.rounds import ROUNDS_KEPT
from clew.team.ledger.rows import Account, Round, RoundOutcome, account_id_of
from clew.team.ledger.schema import SCHEMA
from clew.team.merging.backoff import BASE_NS, TRIES_MAX
from clew.team.merging.verdict import Verdict, VerdictKind
from clew.team.sessions.schema import SCHEMA as SESSIONS
from tests.conformance.registry_places import PLACES, PostgresPlace, SqlitePlace
from tests.conformance.registry_replay import LeadingPlace
from tests.conformance.team_ledgers import CREATE, DELETE, TEAM, UPDATE, Book, answer_to, done

OFFLINE = Verdict(VerdictKind.OFFLINE, "no network")
LOST = Verdict(VerdictKind.OFFLINE, "the answer was lost", attempted=True)
REFUSED = Verdict(VerdictKind.ASIDE, "the server refuses")
BROKEN = Verdict(VerdictKind.RETRY, "the server is broken", attempted=True)


@pytest.fixture(params=PLACES)
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    if request.param == Dialect.POSTGRES.value:
        server = request.getfixturevalue("postgres_server")
        place: PostgresPlace | SqlitePlace = PostgresPlace(server, server.new_url())
    else:
        place = LeadingPlace(tmp_path)
    yield Book(place.open(SESSIONS, SCHEMA))
    place.close()


def test_a_write_is_the_entity_and_its_operation(book: Book) -> None:
    said = book.comment("found it")
    queued = book.write(said, CREATE)
    row = book.row(said)
    assert queued is not None
    assert (queued.operation, queued.entity_id) == (CREATE, said.local_id)
    assert (row.document["body"], row.status, row.version) == ("found it", SyncStatus.PENDING, 0)
    assert (row.remote_id, row.team_id, row.base) == (said.local_id, TEAM, None)
    assert book.pending() == [queued]
    stats = book.ledger.stats("a")
    assert (stats.pending, stats.failed, stats.in_flight) == (1, 0, 0)
    assert stats.oldest_pending == queued.created_at


def test_what_is_not_valid_is_neither_kept_nor_queued(book: Book) -> None:
    empty, huge = book.comment(" "), book.comment("x")
    with pytest.raises(ValidationError):
        book.write(empty, CREATE)
    session = book.session(notes=[{"body": "x" * 200_000}])
    with pytest.raises(ValidationError):
        book.write(session, CREATE)
    assert (book.find(empty), book.find(huge), book.find(session)) == (None, None, None)
    assert book.pending() == []


def test_one_operation_waits_for_an_entity_however_often_it_is_written(book: Book) -> None:
    said = book.comment("one")
    first = book.write(said, CREATE)
    assert first is not None
    for body in ("two", "three"):
        book.write(replace(said, body=body))
    (queued,) = book.pending()
    assert (queued.operation, queued.created_at) == (CREATE, first.created_at)
    assert book.claim_one().as_sending().document["body"] == "three"


def test_what_is_deleted_before_it_was_sent_is_nothing(book: Book) -> None:
    said = book.comment()
    book.write(said, CREATE)
    assert book.write(said, DELETE) is None
    assert (book.pending(), book.find(said)) == ([], None)
    # Nor is what nobody ever wrote.
    assert book.write(book.comment(), DELETE) is None
    assert book.pending() == []


def test_an_operation_that_cannot_be_is_set_right(book: Book) -> None:
    said = book.comment()
    queued = book.write(said, UPDATE)
    assert queued is not None
    assert queued.operation is CREATE
    book.confirm(book.claim_one())
    queued = book.write(said, CREATE)
    assert queued is not None
    assert queued.operation is UPDATE
    known = book.comment(remote_id=book.new_id())
    queued = book.write(known, CREATE)
    assert queued is not None
    assert queued.operation is UPDATE
    assert book.row(known).remote_id == known.remote_id


def test_an_entity_with_an_id_that_is_no_uuid_gets_one_for_the_server(book: Book) -> None:
    said = book.comment(local_id="local-comment-123")
    book.write(said, CREATE)
    claimed = book.claim_one()
    assert claimed.as_sending().remote_id != "local-comment-123"
    book.confirm(claimed)
    book.write(said, UPDATE)
    assert book.claim_one().as_sending().remote_id == claimed.entity.remote_id


def test_a_claim_is_the_first_fifty_and_a_second_one_the_next(book: Book) -> None:
    writes = [book.write(book.comment(str(number)), CREATE) for number in range(CLAIM_MAX + 3)]
    first = book.claim()
    assert [each.operation for each in first] == writes[:CLAIM_MAX]
    assert [each.operation for each in book.claim()] == writes[CLAIM_MAX:]
    assert book.claim() == []
    stats = book.ledger.stats("a")
    assert (stats.pending, stats.in_flight) == (CLAIM_MAX + 3, CLAIM_MAX + 3)


def test_what_others_refer_to_is_sent_first(book: Book) -> None:
    for entity in (book.comment(), book.session(), book.team(local_id=book.new_id())):
        book.write(entity, CREATE)
    types = [each.operation.entity_type for each in book.claim()]
    assert types == ["teams", "shared_sessions", "comments"]


def test_what_is_of_a_new_team_waits_until_the_server_knows_the_team(book: Book) -> None:
    said = book.comment()
    book.write(said, CREATE)
    book.write(book.team(), CREATE)
    claimed = book.claim_one()
    assert claimed.operation.entity_type == "teams"
    assert book.claim() == []
    done(book.ledger.finish([(claimed, REFUSED)]))
    assert book.claim() == []
    done(book.ledger.retry_failed("a"))
    book.confirm(book.claim_one())
    assert book.claim_one().operation.entity_id == said.local_id


def test_what_is_confirmed_is_what_the_server_made_of_it(book: Book) -> None:
    said = book.comment("mine")
    book.write(said, CREATE)
    claimed = book.claim_one()
    answer = answer_to(claimed, document={**claimed.as_sending().document, "author": "Ada L."})
    done(book.ledger.finish([(claimed, answer)]))
    row = book.row(said)
    assert (row.version, row.seq, row.status) == (1, 100, SyncStatus.SYNCED)
    assert row.document == row.base == answer.document
    assert row.updated_at == answer.updated_at
    assert book.ledger.stats("a").pending == 0


def test_what_is_written_while_another_is_on_its_way_waits_and_keeps(book: Book) -> None:
    said = book.comment("one")
    book.write(said, CREATE)
    claimed = book.claim_one()
    queued = book.write(replace(said, body="two"))
    assert queued is not None
    assert queued.operation is UPDATE
    assert book.claim() == []
    assert claimed.as_sending().document["body"] == "one"
    answer = answer_to(claimed, document={**claimed.as_sending().document, "author": "Ada L."})
    done(book.ledger.finish([(claimed, answer)]))
    row = book.row(said)
    # What the server changed is taken over, what was written here stays.
    assert (row.document["body"], row.document["author"]) == ("two", "Ada L.")
    assert (row.status, row.base) == (SyncStatus.PENDING, dict(answer.document))
    sending = book.claim_one().as_sending()
    assert (sending.operation, sending.version) == (UPDATE, 1)
    assert (sending.document["body"], sending.document["author"]) == ("two", "Ada L.")


def test_what_did_not_go_is_joined_to_what_was_written_meanwhile(book: Book) -> None:
    said = book.comment("one")
    book.write(said, CREATE)
    claimed = book.claim_one()
    book.write(replace(said, body="two"))
    done(book.ledger.finish([(claimed, OFFLINE)]))
    (queued,) = book.pending()
    assert (queued.operation, queued.attempted, queued.earlier) == (CREATE, False, ())
    assert book.claim_one().as_sending().document["body"] == "two"


def test_what_is_deleted_while_its_create_is_on_its_way_is_deleted_there(book: Book) -> None:
    said = book.comment()
    book.write(said, CREATE)
    claimed = book.claim_one()
    queued = book.write(said, DELETE)
    assert queued is not None
    assert queued.operation is DELETE
    book.confirm(claimed)
    assert book.row(said).deleted
    sending = book.claim_one().as_sending()
    assert (sending.operation, sending.version) == (DELETE, 1)
    # Where the create never went, there is nothing to delete.
    other = book.comment()
    book.write(other, CREATE)
    claimed = book.claim_one()
    book.write(other, DELETE)
    done(book.ledger.finish([(claimed, OFFLINE)]))
    assert book.find(other) is None
    # And where nobody knows, it is asked for.
    third = book.comment()
    book.write(third, CREATE)
    claimed = book.claim_one()
    book.write(third, DELETE)
    done(book.ledger.finish([(claimed, LOST)]))
    again = book.claim_one()
    assert (again.operation.operation, again.operation.earlier) == (
        DELETE,
        (claimed.operation.op_id,),
    )


def test_what_is_written_again_after_its_deletion_changes_the_tombstone(book: Book) -> None:
    said = book.comment()
    book.synced(said)
    book.write(said, DELETE, erase=True)
    claimed = book.claim_one()
    assert claimed.as_sending().erase
    queued = book.write(replace(said, body="again"), CREATE)
    assert queued is not None
    assert queued.operation is UPDATE
    book.confirm(claimed)
    assert not book.row(said).deleted
    sending = book.claim_one().as_sending()
    assert (sending.operation, sending.version, sending.document["body"]) == (UPDATE, 2, "again")
    # All of it, though the server had erased what was there.
    assert sending.document["author"] == "ada"


def test_a_network_that_is_not_there_costs_nothing(book: Book) -> None:
    book.write(book.comment(), CREATE)
    for _ in range(3 * TRIES_MAX):
        done(book.ledger.finish([(book.claim_one(), OFFLINE)]))
    (queued,) = book.pending()
    assert (queued.retry_count, queued.attempted) == (0, False)
    assert queued.last_error == "no network"


def test_five_answers_of_no_set_an_operation_aside_and_block_no_other(book: Book) -> None:
    poison, said = book.comment("poison"), book.comment("good")
    book.write(poison, CREATE)
    waits = []
    for number in range(1, TRIES_MAX + 1):
        done(book.ledger.finish([(book.claim_one(), BROKEN)]))
        assert book.claim() == []
        wait = BASE_NS * 2 ** (number - 1) // 2
        waits.append(wait)
        if number < TRIES_MAX:
            (queued,) = book.pending()
            assert (queued.retry_count, queued.next_attempt_at) == (number, book.clock.at + wait)
        book.clock.at += wait - 1
        assert book.claim() == []
        book.clock.at += 1
    (aside,) = book.ledger.find_failed("a")
    assert (aside.retry_count, aside.last_error) == (TRIES_MAX, "the server is broken")
    assert aside.attempted
    assert book.row(poison).status is SyncStatus.FAILED
    stats = book.ledger.stats("a")
    assert (stats.pending, stats.failed) == (0, 1)
    book.write(said, CREATE)
    assert book.claim_one().operation.entity_id == said.local_id


def test_what_is_refused_is_set_aside_at_once_and_begins_anew_when_it_is_changed(
    book: Book,
) -> None:
    said = book.comment("one")
    book.write(said, CREATE)
    done(book.ledger.finish([(book.claim_one(), REFUSED)]))
    assert book.claim() == []
    assert book.ledger.stats("a").failed == 1
    queued = book.write(replace(said, body="two"))
    assert queued is not None
    assert (queued.operation, queued.retry_count) == (CREATE, 0)
    assert book.ledger.stats("a").failed == 0
    assert book.claim_one().as_sending().document["body"] == "two"
    assert book.row(said).status is SyncStatus.PENDING


def test_what_was_set_aside_is_tried_again_or_given_up(book: Book) -> None:
    known, new = book.comment("known"), book.comment("new")
    book.synced(known)
    for entity in (replace(known, body="changed"), new):
        book.write(entity)
    failed = book.claim()
    done(book.ledger.finish([(each, REFUSED) for each in failed]))
    assert done(book.ledger.retry_failed("a")) == 2
    assert done(book.ledger.retry_failed("a")) == 0
    assert book.row(known).status is SyncStatus.PENDING
    done(book.ledger.finish([(each, REFUSED) for each in book.claim()]))
    one = next(each for each in book.ledger.find_failed("a") if each.entity_id == new.local_id)
    assert done(book.ledger.clear_failed("a", one.op_id)) == 1
    assert book.find(new) is None
    assert done(book.ledger.clear_failed("a")) == 1
    # What the server has is what it was before.
    row = book.row(known)
    assert (row.document["body"], row.status) == ("known", SyncStatus.SYNCED)
    assert book.ledger.stats("a") == replace(
        book.ledger.stats("a"), pending=0, failed=0, oldest_pending=None
    )


def test_a_deletion_that_is_given_up_leaves_the_entity(book: Book) -> None:
    said = book.comment("known")
    book.synced(said)
    book.write(said, DELETE)
    done(book.ledger.finish([(book.claim_one(), REFUSED)]))
    assert done(book.ledger.clear_failed("a")) == 1
    row = book.row(said)
    assert (row.deleted, row.document["body"], row.status) == (False, "known", SyncStatus.SYNCED)


def test_claims_of_a_dead_process_return_as_attempted(book: Book) -> None:
    said = book.comment()
    book.write(said, CREATE)
    dead = book.claim_one()
    assert not dead.operation.attempted
    book.clock.at += LEASE_NS - 1
    assert book.claim() == []
    book.clock.at += 1
    again = book.claim_one()
    assert again.operation == replace(dead.operation, attempted=True)
    # At once, where it is known that it is dead.
    assert done(book.ledger.take_back("a")) == 1
    assert book.claim_one().operation.attempted


def test_a_lease_that_is_extended_lasts(book: Book) -> None:
    book.write(book.comment(), CREATE)
    claimed = book.claim_one()
    book.clock.at += LEASE_NS - 1
    assert done(book.ledger.extend(claimed.claim_id)) == 1
    book.clock.at += LEASE_NS - 1
    assert book.claim() == []
    book.confirm(claimed)
    assert done(book.ledger.extend(claimed.claim_id)) == 0


def test_an_answer_may_come_late_and_twice(book: Book) -> None:
    said = book.comment("one")
    book.write(said, CREATE)
    claimed = book.claim_one()
    book.clock.at += LEASE_NS
    done(book.ledger.take_back("a"))
    for _ in range(2):
        book.confirm(claimed)
        assert book.ledger.stats("a").pending == 0
        assert (book.row(said).version, book.row(said).status) == (1, SyncStatus.SYNCED)
    # And after something was written on top of it.
    book.write(replace(said, body="two"))
    claimed = book.claim_one()
    book.write(replace(said, body="three"))
    done(book.ledger.take_back("a"))
    (queued,) = book.pending()
    assert queued.earlier == (claimed.operation.op_id,)
    for _ in range(2):
        book.confirm(claimed)
        (queued,) = book.pending()
        assert (queued.operation, queued.earlier) == (UPDATE, ())
        assert book.row(said).version == 2
    sending = book.claim_one().as_sending()
    assert (sending.version, sending.document["body"]) == (2, "three")


def test_a_verdict_that_comes_late_changes_nothing(book: Book) -> None:
    book.write(book.comment(), CREATE)
    claimed = book.claim_one()
    book.confirm(claimed)
    done(book.ledger.finish([(claimed, REFUSED)]))
    assert book.ledger.stats("a").failed == 0


def test_a_claim_that_ran_out_has_no_say_in_what_another_holds(book: Book) -> None:
    said = book.comment("one")
    book.write(said, CREATE)
    stale = book.claim_one()
    book.clock.at += LEASE_NS
    held = book.claim_one()
    for verdict in (OFFLINE, REFUSED, BROKEN):
        done(book.ledger.finish([(stale, verdict)]))
        assert book.ledger.stats("a").in_flight == 1
    told = done(book.ledger.reconcile(stale, None))
    assert told.to_send is None
    assert done(book.ledger.reconcile(held, None)).to_send == held
    # What it did is done all the same.
    book.confirm(stale)
    assert book.ledger.stats("a").pending == 0
    done(book.ledger.finish([(held, OFFLINE)]))
    assert (book.pending(), book.row(said).version) == ([], 1)


def account(book: Book, user: str = "u") -> Account:
    url = "https://team.example"
    return Account(account_id_of(url, user), url, user, book.clock.at, email=f"{user}@b.example")


def test_accounts_are_a_server_and_a_user(book: Book) -> None:
    assert account_id_of("https://a/", "u") == account_id_of("https://a", "u")
    assert (
        len({account_id_of(url, user) for url in ("https://a", "https://b") for user in "uv"}) == 4
    )
    one, two = account(book, "one"), account(book, "two")
    for each in (one, two):
        done(book.ledger.connect(each))
    assert [each.user_id for each in book.ledger.find_accounts()] == ["two", "one"]
    assert done(book.ledger.choose_account(one.account_id))
    assert not done(book.ledger.choose_account("nobody"))
    done(book.ledger.choose_account(one.account_id))
    done(book.ledger.choose_team(one.account_id, TEAM))
    done(book.ledger.keep_clock(one.account_id, -5))
    current = book.ledger.find_accounts()[0]
    assert current == replace(one, is_current=True, team_id=TEAM, clock_offset_ns=-5)
    # Connecting again keeps the team that was chosen.
    done(book.ledger.connect(replace(one, connected_at=book.clock.at + 5)))
    found = book.ledger.find_account(one.account_id)
    assert found is not None
    assert (found.team_id, found.connected_at) == (TEAM, book.clock.at + 5)


def test_nothing_of_one_account_is_ever_anothers(book: Book) -> None:
    other = book.other("b")
    said = book.comment("a's")
    book.write(said, CREATE)
    other.write(replace(said, body="b's"), CREATE)
    (claimed,) = other.claim()
    assert claimed.as_sending().document["body"] == "b's"
    other.confirm(claimed)
    assert (book.row(said).version, other.row(said).version) == (0, 1)
    done(book.ledger.finish([(book.claim_one(), REFUSED)]))
    assert done(book.ledger.retry_failed("b")) == 0
    assert done(book.ledger.clear_failed("b")) == 0
    assert book.ledger.stats("a").failed == 1
    done(book.ledger.forget_account("a"))
    assert (book.find(said), book.ledger.stats("a").failed) == (None, 0)
    assert other.row(said).document["body"] == "b's"


def test_a_paused_account_sends_nothing_until_it_is_time(book: Book) -> None:
    mine = account(book)
    ours = book.other(mine.account_id)
    done(book.ledger.connect(mine))
    ours.write(book.comment(), CREATE)
    ours.write(book.comment(), CREATE)
    claimed = ours.claim()
    slow = Verdict(VerdictKind.DELAY, "too many requests", retry_after_ns=60 * NS_PER_S)
    done(book.ledger.finish([(claimed[0], slow), (claimed[1], OFFLINE)]))
    assert ours.claim() == []
    book.clock.pass_s(59)
    assert ours.claim() == []
    book.clock.pass_s(1)
    claimed = ours.claim()
    assert [each.operation.retry_count for each in claimed] == [0, 0]
    # Who is not known waits for a login.
    lost = Verdict(VerdictKind.PAUSE, "who are you")
    done(book.ledger.finish([(each, lost) for each in claimed]))
    done(book.ledger.pause(mine.account_id, "too many requests", book.clock.at + 1))
    book.clock.pass_s(10**6)
    assert ours.claim() == []
    found = book.ledger.find_account(mine.account_id)
    assert found is not None
    assert (found.pause_reason, found.paused_until) == ("login", None)
    done(book.ledger.connect(mine))
    assert len(ours.claim()) == 2


def test_a_pause_can_be_ended_and_a_shorter_one_does_not_shorten_it(book: Book) -> None:
    mine = account(book)
    ours = book.other(mine.account_id)
    done(book.ledger.connect(mine))
    ours.write(book.comment(), CREATE)
    done(book.ledger.pause(mine.account_id, "slow", book.clock.at + 100))
    done(book.ledger.pause(mine.account_id, "slow", book.clock.at + 10))
    book.clock.at += 50
    assert ours.claim() == []
    done(book.ledger.resume(mine.account_id))
    assert len(ours.claim()) == 1


def test_nothing_is_shared_without_consent(book: Book) -> None:
    said = book.comment()
    write = LocalWrite("a", said, CREATE)
    with pytest.raises(ClewError) as refused:
        done(book.ledger.write(write))
    assert refused.value.code is ErrorCode.FORBIDDEN
    assert (book.find(said), book.pending()) == (None, [])
    done(book.ledger.give_consent("a", TEAM, "comments"))
    done(book.ledger.give_consent("a", TEAM, "comments"))
    assert book.ledger.find_consents("a", TEAM) == {"comments"}
    assert book.ledger.find_consents("b", TEAM) == frozenset()
    assert done(book.ledger.write(write)) == book.pending()[0]


def test_what_was_not_sent_when_consent_is_withdrawn_never_is(book: Book) -> None:
    shared, new, flying, lost = (book.comment(name) for name in ("old", "new", "flying", "lost"))
    book.synced(shared)
    for each in (flying, lost):
        book.write(each, CREATE)
    one, two = book.claim()
    done(book.ledger.finish([(two, LOST)]))
    book.write(replace(shared, body="changed"))
    book.write(new, CREATE)
    assert done(book.ledger.withdraw_consent("a", TEAM, "comments")) == 3
    assert book.find(new) is None
    row = book.row(shared)
    assert (row.document["body"], row.status) == ("old", SyncStatus.SYNCED)
    # What was on its way does not come back; what may have arrived is taken away again.
    done(book.ledger.finish([(one, OFFLINE)]))
    assert book.find(flying) is None
    sending = book.claim_one().as_sending()
    assert (sending.operation, sending.remote_id, sending.erase) == (DELETE, lost.local_id, True)
    # And what is shared can be deleted without anybody's agreeing.
    assert done(book.ledger.write(LocalWrite("a", shared, DELETE, erase=True))) is not None
    assert done(book.ledger.withdraw_consent("a", TEAM, "comments")) == 0
    assert book.claim_one().as_sending().erase


def test_a_shared_session_stands_in_the_documented_table(book: Book) -> None:
    done(
        book.database.submit(
            lambda writing: writing.run(
                "INSERT INTO sessions (id, owner, kind, title, started_at, active_at)"
                " VALUES ('here', 'u', 'own', 't', 1, 1)"
            )
        )
    )
    mine, theirs = book.session("here", completed=True), book.session("elsewhere")
    for each in (mine, theirs):
        book.write(each, CREATE)

    def rows() -> list[dict[str, object]]:
        return book.database.read(
            lambda reading: reading.rows("SELECT * FROM shared_sessions ORDER BY id")
        )

    (row,) = rows()
    assert (row["id"], row["local_session_id"], row["sync_status"]) == (
        mine.local_id,
        "here",
        "pending",
    )
    assert (row["completed"], row["remote_session_id"]) == (1, None)
    assert row["start_time"] == "2026-11-21T12:00:00.000000000Z"
    claimed = {each.operation.entity_id: each for each in book.claim()}
    book.confirm(claimed[mine.local_id])
    (row,) = rows()
    assert (row["sync_status"], row["remote_session_id"]) == ("synced", mine.local_id)
    book.write(replace(mine, title="new"))
    done(book.ledger.finish([(book.claim_one(), REFUSED)]))
    (row,) = rows()
    assert row["sync_status"] == "failed"
    assert done(book.ledger.retry_failed("a")) == 1
    book.write(mine, DELETE, erase=True)
    assert rows() == []


DOCUMENTED = {
    "team_connection": {
        "id": "TEXT",
        "server_url": "TEXT",
        "team_id": "TEXT",
        "user_id": "TEXT",
        "api_key": "TEXT",
        "connected_at": "INTEGER",
    },
    "shared_sessions": {
        "id": "TEXT",
        "local_session_id": "TEXT",
        "remote_session_id": "TEXT",
        "team_id": "TEXT",
        "user_id": "TEXT",
        "start_time": "TEXT",
        "end_time": "TEXT",
        "planned_duration_minutes": "INTEGER",
        "actual_duration_seconds": "INTEGER",
        "completed": "BOOLEAN",
        "shared_at": "INTEGER",
        "last_modified": "TEXT",
        "sync_status": "TEXT",
    },
    "sync_queue": {
        "id": "TEXT",
        "entity_type": "TEXT",
        "entity_id": "TEXT",
        "operation": "TEXT",
        "payload": "TEXT",
        "created_at": "TEXT",
        "retry_count": "INTEGER",
        "last_error": "TEXT",
    },
}


def test_the_documented_tables_have_the_documented_columns(tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path)
    database = place.open(SESSIONS, SCHEMA)
    for table, columns in DOCUMENTED.items():
        pragma = f"PRAGMA table_info({table})"

        def look(reading: Reading, pragma: str = pragma) -> list[dict[str, Any]]:
            return reading.rows(pragma)

        found = database.read(look)
        names = {row["name"]: row["type"] for row in found}
        assert list(names.items())[: len(columns)] == list(columns.items())
    place.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE team_connection SET api_key = 'secret'",
        "UPDATE sync_queue SET operation = '\"create\"'",
        "UPDATE synced_entities SET status = 'unknown'",
        "UPDATE sync_queue SET payload = NULL",
        (
            "INSERT INTO sync_queue (id, entity_type, entity_id, operation, payload, created_at,"
            " account_id, team_id, turn) SELECT 'new', entity_type, entity_id, operation, payload,"
            " created_at, account_id, team_id, turn FROM sync_queue"
        ),
        (
            "INSERT INTO shared_sessions (id, local_session_id, team_id, user_id, start_time,"
            " planned_duration_minutes, shared_at, last_modified, account_id)"
            " VALUES ('1', 'nowhere', 't', 'u', '', 1, 1, '', 'a')"
        ),
    ],
)
def test_the_tables_refuse_what_must_not_be(book: Book, statement: str) -> None:
    done(book.ledger.connect(account(book)))
    book.write(book.comment(), CREATE)
    with pytest.raises(ClewError):
        done(book.database.submit(lambda writing: writing.run(statement)))


def test_rounds_are_remembered_and_the_oldest_forgotten(book: Book) -> None:
    def note(writing: object) -> None:
        from clew.team.ledger.rounds import keep_round

        for number in range(ROUNDS_KEPT + 5):
            at = book.clock.at + number * NS_PER_S
            kept = Round(at, at + 1, RoundOutcome.DONE, sent=number)
            keep_round(writing, "a", kept)  # type: ignore[arg-type]

    done(book.database.submit(note))
    done(book.ledger.keep_round("b", Round(1, 2, RoundOutcome.OFFLINE, error="no network")))
    found = book.ledger.find_rounds("a", limit=10_000)
    assert [each.sent for each in found] == list(range(ROUNDS_KEPT + 4, 4, -1))
    assert book.ledger.find_rounds("b") == [Round(1, 2, RoundOutcome.OFFLINE, error="no network")]


def test_times_of_the_queue_are_text_that_sorts(book: Book) -> None:
    queued = book.write(book.comment(), CREATE)
    assert queued is not None
    (row,) = book.database.read(lambda reading: reading.rows("SELECT created_at FROM sync_queue"))
    assert row["created_at"] == format_time(queued.created_at)


def test_what_was_queued_before_anybody_connected_is_taken_over(book: Book) -> None:
    before = book.other("local")
    fresh, both, gone = before.comment("fresh"), before.comment("said here"), before.comment("no")
    book.synced(replace(both, body="said before"))
    failed = before.comment("failed")
    for said in (fresh, both, failed):
        before.write(said, CREATE)
    before.write(gone, CREATE)
    before.write(gone, DELETE)
    claimed = next(c for c in before.claim() if c.operation.entity_id == failed.local_id)
    done(before.ledger.finish([(claimed, REFUSED)]))
    done(before.ledger.take_back("local"))

    assert done(book.ledger.adopt("local", "a")) == 3
    waits = {each.entity_id: each for each in book.pending()}
    assert {waits[each.local_id].operation for each in (fresh, failed)} == {CREATE}
    assert waits[both.local_id].operation is UPDATE
    assert (book.row(both).document["body"], book.row(both).version) == ("said here", 1)
    assert book.ledger.stats("a").failed == 0
    assert before.ledger.stats("local").pending == 0
    assert [before.find(each) for each in (fresh, both, failed, gone)] == [None] * 4
    assert done(book.ledger.adopt("local", "a")) == 0
    assert {each.operation.entity_id for each in book.claim()} == set(waits)


def test_a_round_forgets_tombstones_of_which_nothing_can_come_any_more(book: Book) -> None:
    said, kept = book.comment(), book.comment()
    book.synced(said)
    book.synced(kept)
    book.write(said, DELETE)
    book.confirm(book.claim_one(), updated_at=book.clock.at, deleted=True)

    def end_a_round(outcome: RoundOutcome = RoundOutcome.DONE) -> bool:
        done(book.ledger.keep_round("a", Round(book.clock.at, book.clock.at, outcome)))
        return book.find(said) is not None

    assert end_a_round()
    book.clock.pass_s(359 * 86_400)
    assert end_a_round()
    book.clock.pass_s(2 * 86_400)
    assert end_a_round(RoundOutcome.OFFLINE)
    assert not end_a_round()
    assert book.find(kept) is not None
