"""What comes from the server meets what is here: pages, lost answers, conflicts. Both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.store.database.contract import Dialect
from clew.team import Comment, ConflictStrategy, SyncStatus
from clew.team.ledger import conflicts
from clew.team.ledger.rows import Account, Claim, Conflict, Reconciled, Take
from clew.team.ledger.schema import SCHEMA
from clew.team.merging.recall import Recalled
from clew.team.merging.settlement import Winner
from clew.team.merging.verdict import Verdict, VerdictKind
from clew.team.sessions.schema import SCHEMA as SESSIONS
from clew.team.trailbase.contract import Remote
from tests.conformance.registry_places import PLACES, PostgresPlace, SqlitePlace
from tests.conformance.registry_replay import LeadingPlace
from tests.conformance.team_ledgers import (
    CREATE,
    DELETE,
    TEAM,
    UPDATE,
    Book,
    answer_to,
    buried,
    changed,
    done,
)

LWW, LOCAL, REMOTE, MERGE = ConflictStrategy
LOST = Verdict(VerdictKind.OFFLINE, "the answer was lost", attempted=True)
OFFLINE = Verdict(VerdictKind.OFFLINE, "no network")


@pytest.fixture(params=PLACES)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    if request.param == Dialect.POSTGRES.value:
        server = request.getfixturevalue("postgres_server")
        place: PostgresPlace | SqlitePlace = PostgresPlace(server, server.new_url())
    else:
        place = LeadingPlace(tmp_path)
    yield Book(place.open(SESSIONS, SCHEMA))
    place.close()


def pull(
    book: Book, *records: Remote, cursor: int | None = None, strategy: ConflictStrategy = LWW
) -> tuple[tuple[str, ...], tuple[Conflict, ...]]:
    applied = done(book.ledger.apply_page(book.arrival(strategy=strategy), records, cursor))
    return applied.changed, applied.conflicts


def reconcile(book: Book, claimed: Claim, record: Remote | None) -> Reconciled:
    return done(book.ledger.reconcile(claimed, record))


def a_record(book: Book, body: str = "theirs", **more: object) -> Remote:
    document = {"team_id": TEAM, "author": "bob", "body": body, "trace_id": "2" * 32}
    made = Remote(book.new_id(), document, 1, 7, 5 * NS_PER_S, "other-1")
    return replace(made, **more)  # type: ignore[arg-type]


def edited(book: Book, said: Comment, body: str, at: int) -> None:
    book.write(replace(said, body=body), UPDATE, at=at)


def test_a_page_and_its_cursor_are_kept_at_once(desk: Book) -> None:
    one, two = a_record(desk), a_record(desk)
    assert desk.ledger.get_cursor("a", TEAM, "comments") == 0
    assert pull(desk, one, two, cursor=8) == ((one.remote_id, two.remote_id), ())
    assert desk.ledger.get_cursor("a", TEAM, "comments") == 8
    assert desk.ledger.get_cursor("b", TEAM, "comments") == 0
    rows = desk.ledger.find_entities("a", "comments", TEAM)
    assert [row.remote_id for row in rows] == [one.remote_id, two.remote_id]
    assert {row.status for row in rows} == {SyncStatus.SYNCED}
    entity = rows[0].as_entity(Comment)
    assert (entity.local_id, entity.remote_id, entity.author) == (
        one.remote_id,
        one.remote_id,
        "bob",
    )
    # Nothing of it is sent back.
    assert desk.claim() == []


@pytest.mark.parametrize("order", [order for order in permutations(range(3)) if order[0] != 2])
def test_records_may_come_again_late_and_in_any_order(
    desk: Book, order: tuple[int, int, int]
) -> None:
    first = a_record(desk)
    second = changed(first, {"body": "second"})
    history = [first, second, buried(second)]
    for number in (*order, *order):
        pull(desk, history[number])
    row = desk.ledger.find_entity("a", "comments", first.remote_id)
    assert row is not None
    assert (row.version, row.deleted) == (3, True)


def test_a_tombstone_of_what_was_never_seen_is_nothing(desk: Book) -> None:
    gone = buried(a_record(desk))
    assert pull(desk, gone) == ((), ())
    assert desk.ledger.find_entity("a", "comments", gone.remote_id) is None


def test_ones_own_change_that_comes_back_changes_nothing(desk: Book) -> None:
    said = desk.comment("mine")
    answer = desk.synced(said)
    assert pull(desk, answer) == ((), ())
    edited(desk, said, "newer", at=0)
    assert pull(desk, replace(answer, seq=500)) == ((), ())
    row = desk.row(said)
    assert (row.document["body"], row.seq, row.status) == ("newer", 500, SyncStatus.PENDING)


def test_an_answer_that_comes_with_a_pull_first_is_an_answer(desk: Book) -> None:
    said = desk.comment("mine")
    desk.write(said, CREATE)
    claimed = desk.claim_one()
    answer = answer_to(claimed)
    pull(desk, answer)
    assert desk.ledger.stats("a").pending == 0
    done(desk.ledger.finish([(claimed, answer)]))
    assert (desk.row(said).version, desk.row(said).status) == (1, SyncStatus.SYNCED)
    # Also where the answer itself was lost.
    edited(desk, said, "two", at=0)
    claimed = desk.claim_one()
    done(desk.ledger.finish([(claimed, LOST)]))
    pull(desk, answer_to(claimed))
    assert (desk.pending(), desk.row(said).version) == ([], 2)
    # And where something was written on top.
    edited(desk, said, "three", at=0)
    claimed = desk.claim_one()
    edited(desk, said, "four", at=0)
    done(desk.ledger.finish([(claimed, LOST)]))
    assert pull(desk, answer_to(claimed)) == ((), ())
    sending = desk.claim_one().as_sending()
    assert (sending.version, sending.document["body"]) == (3, "four")


def test_what_others_changed_is_taken_where_nothing_waits(desk: Book) -> None:
    said = desk.comment("mine")
    answer = desk.synced(said)
    theirs = changed(answer, {"body": "theirs"})
    assert pull(desk, theirs) == ((said.local_id,), ())
    row = desk.row(said)
    assert (row.document["body"], row.version, row.status) == ("theirs", 2, SyncStatus.SYNCED)
    assert pull(desk, buried(theirs)) == ((said.local_id,), ())
    assert desk.row(said).deleted
    back = changed(buried(theirs), {"body": "back"}, deleted=False)
    assert pull(desk, back) == ((said.local_id,), ())
    assert not desk.row(said).deleted


def test_the_later_change_wins_and_the_other_is_listed(desk: Book) -> None:
    one, two = desk.comment("one"), desk.comment("two")
    first, second = desk.synced(one), desk.synced(two)
    theirs = changed(first, {"body": "theirs"})
    edited(desk, one, "later", at=theirs.updated_at + NS_PER_S)
    edited(desk, two, "earlier", at=theirs.updated_at - NS_PER_S)
    _, conflicts = pull(desk, theirs, changed(second, {"body": "theirs"}))
    assert [each.winner for each in conflicts] == [Winner.LOCAL, Winner.REMOTE]
    assert [each.fields for each in conflicts] == [("body",), ("body",)]
    (queued,) = desk.pending()
    assert queued.entity_id == one.local_id
    sending = desk.claim_one().as_sending()
    assert (sending.version, sending.document["body"]) == (2, "later")
    row = desk.row(two)
    assert (row.document["body"], row.version, row.status) == ("theirs", 2, SyncStatus.SYNCED)
    listed = desk.ledger.find_conflicts("a")
    # Of one moment, in any order, which stays.
    assert sorted(each.conflict_id for each in listed) == sorted(
        each.conflict_id for each in conflicts
    )
    assert desk.ledger.count_conflicts("a") == 2
    assert desk.ledger.find_conflicts("a", before=listed[0].conflict_id) == listed[1:]
    assert desk.ledger.find_conflicts("b") == []
    lost = conflicts[1]
    assert (lost.local or {})["body"] == "earlier"
    assert (lost.base or {})["body"] == "two"


def test_a_tie_is_the_servers(desk: Book) -> None:
    said = desk.comment("mine")
    theirs = changed(desk.synced(said), {"body": "theirs"})
    edited(desk, said, "tied", at=theirs.updated_at)
    pull(desk, theirs)
    assert desk.row(said).document["body"] == "theirs"


@pytest.mark.parametrize(
    ("strategy", "body"), [(LOCAL, "mine"), (REMOTE, "theirs"), (LWW, "theirs"), (MERGE, "theirs")]
)
def test_each_strategy_decides_a_conflict(
    desk: Book, strategy: ConflictStrategy, body: str
) -> None:
    said = desk.comment("base")
    theirs = changed(desk.synced(said), {"body": "theirs", "author": "bob"})
    edited(desk, said, "mine", at=0)
    _, (conflict,) = pull(desk, theirs, strategy=strategy)
    assert conflict.strategy is strategy
    row = desk.row(said)
    assert row.document["body"] == body
    assert row.status is (SyncStatus.SYNCED if body == "theirs" else SyncStatus.PENDING)


def test_changes_of_different_fields_are_merged_and_no_conflict(desk: Book) -> None:
    said = desk.comment("base")
    theirs = changed(desk.synced(said), {"author": "Ada L.", "mood": "newer clew"})
    edited(desk, said, "mine", at=0)
    assert pull(desk, theirs, strategy=MERGE) == ((said.local_id,), ())
    document = desk.claim_one().as_sending().document
    assert (document["body"], document["author"], document["mood"]) == (
        "mine",
        "Ada L.",
        "newer clew",
    )
    # And what this clew does not know stays when it writes.
    row = desk.row(said)
    desk.write(replace(row.as_entity(Comment), body="again"))
    assert desk.row(said).document["mood"] == "newer clew"


def test_a_conflict_while_ours_is_on_its_way_is_settled_and_ours_does_not_come_back(
    desk: Book,
) -> None:
    said = desk.comment("base")
    theirs = changed(desk.synced(said), {"body": "theirs"})
    edited(desk, said, "mine", at=0)
    claimed = desk.claim_one()
    _, (conflict,) = pull(desk, theirs)
    assert conflict.winner is Winner.REMOTE
    assert desk.row(said).status is SyncStatus.PENDING
    done(desk.ledger.finish([(claimed, OFFLINE)]))
    assert desk.pending() == []
    row = desk.row(said)
    assert (row.document["body"], row.status) == ("theirs", SyncStatus.SYNCED)
    # Where ours wins it is sent again, over what they made.
    again = changed(theirs, {"body": "theirs again"})
    edited(desk, said, "mine again", at=again.updated_at + 1_000_000)
    claimed = desk.claim_one()
    pull(desk, again)
    done(desk.ledger.finish([(claimed, OFFLINE)]))
    sending = desk.claim_one().as_sending()
    assert (sending.version, sending.document["body"]) == (3, "mine again")


def test_ours_that_was_carried_out_before_theirs_is_only_done(desk: Book) -> None:
    said = desk.comment("base")
    desk.synced(said)
    edited(desk, said, "mine", at=0)
    claimed = desk.claim_one()
    answer = answer_to(claimed)
    theirs = changed(answer, {"body": "theirs, after mine"})
    pull(desk, theirs)
    done(desk.ledger.finish([(claimed, answer)]))
    row = desk.row(said)
    assert (row.version, row.document["body"], row.status) == (
        3,
        "theirs, after mine",
        SyncStatus.SYNCED,
    )
    assert desk.pending() == []


def test_an_operation_of_which_nobody_heard_is_asked_for(desk: Book) -> None:
    said = desk.comment("mine")
    desk.write(said, CREATE)
    done(desk.ledger.finish([(desk.claim_one(), LOST)]))
    claimed = desk.claim_one()
    assert claimed.operation.attempted
    # It never arrived: it is sent.
    told = reconcile(desk, claimed, None)
    assert (told.what, told.to_send) == (Recalled.NOT_DONE, claimed)
    assert desk.claim() == []
    done(desk.ledger.finish([(claimed, LOST)]))
    claimed = desk.claim_one()
    # It arrived.
    assert reconcile(desk, claimed, answer_to(claimed)) == Reconciled(Recalled.DONE)
    assert (desk.row(said).version, desk.pending()) == (1, [])


def test_a_change_of_what_never_arrived_is_a_create_again(desk: Book) -> None:
    said = desk.comment("one")
    desk.write(said, CREATE)
    done(desk.ledger.finish([(desk.claim_one(), LOST)]))
    desk.write(said, DELETE)
    desk.write(replace(said, body="two"), CREATE)
    claimed = desk.claim_one()
    assert (claimed.operation.operation, claimed.operation.is_doubtful) == (UPDATE, True)
    to_send = reconcile(desk, claimed, None).to_send
    assert to_send is not None
    assert to_send.as_sending().operation is CREATE
    done(desk.ledger.take_back("a"))
    assert desk.claim_one().operation.operation is CREATE


def test_an_earlier_one_that_arrived_is_what_the_next_is_made_from(desk: Book) -> None:
    said = desk.comment("one")
    desk.write(said, CREATE)
    first = desk.claim_one()
    edited(desk, said, "two", at=0)
    done(desk.ledger.finish([(first, LOST)]))
    claimed = desk.claim_one()
    assert claimed.operation.operation is CREATE
    assert reconcile(desk, claimed, answer_to(first)) == Reconciled(Recalled.EARLIER)
    sending = desk.claim_one().as_sending()
    assert (sending.operation, sending.version, sending.document["body"]) == (UPDATE, 1, "two")
    assert desk.ledger.count_conflicts("a") == 0


def test_a_create_that_arrives_after_its_deletion_was_decided_is_taken_away(desk: Book) -> None:
    said = desk.comment("secret")
    desk.write(said, CREATE)
    late = desk.claim_one()
    done(desk.ledger.finish([(late, LOST)]))
    desk.write(said, DELETE, erase=True)
    assert reconcile(desk, desk.claim_one(), None) == Reconciled(Recalled.DONE)
    assert (desk.pending(), desk.row(said).deleted) == ([], True)
    assert pull(desk, answer_to(late)) == ((), ())
    claimed = desk.claim_one()
    sending = claimed.as_sending()
    assert (sending.operation, sending.version, sending.erase) == (DELETE, 1, True)
    desk.confirm(claimed)
    assert (desk.row(said).deleted, desk.row(said).version) == (True, 2)


@pytest.mark.parametrize("is_written", [True, False])
def test_what_came_while_a_deletion_of_nothing_was_on_its_way_stays_what_it_is(
    desk: Book, is_written: bool
) -> None:
    said = desk.comment("one")
    desk.write(said, CREATE)
    done(desk.ledger.finish([(desk.claim_one(), LOST)]))
    desk.write(said, DELETE)
    claimed = desk.claim_one()
    desk.write(said, UPDATE if is_written else DELETE)
    assert reconcile(desk, claimed, None) == Reconciled(Recalled.DONE)
    assert [each.operation for each in desk.pending()] == ([CREATE] if is_written else [])
    assert desk.row(said).deleted is not is_written


def test_what_is_written_again_while_an_earlier_one_may_arrive_asks_first(desk: Book) -> None:
    said = desk.comment("one")
    desk.write(said, CREATE)
    late = desk.claim_one()
    done(desk.ledger.finish([(late, LOST)]))
    desk.write(said, DELETE)
    reconcile(desk, desk.claim_one(), None)
    desk.write(replace(said, body="two"), CREATE)
    claimed = desk.claim_one()
    assert claimed.operation.is_doubtful
    assert reconcile(desk, claimed, answer_to(late)) == Reconciled(Recalled.EARLIER)
    sending = desk.claim_one().as_sending()
    assert (sending.operation, sending.version, sending.document["body"]) == (UPDATE, 1, "two")
    assert desk.ledger.count_conflicts("a") == 0


def test_a_pull_may_bring_an_earlier_one_while_the_next_is_on_its_way(desk: Book) -> None:
    said = desk.comment("one")
    desk.synced(said)
    edited(desk, said, "two", at=0)
    lost = desk.claim_one()
    edited(desk, said, "three", at=0)
    done(desk.ledger.finish([(lost, LOST)]))
    claimed = desk.claim_one()
    assert pull(desk, answer_to(lost)) == ((), ())
    assert reconcile(desk, claimed, answer_to(lost)) == Reconciled(Recalled.EARLIER)
    sending = desk.claim_one().as_sending()
    assert (sending.version, sending.document["body"]) == (2, "three")


def test_what_met_a_conflict_is_settled_with_the_record(desk: Book) -> None:
    said = desk.comment("base")
    theirs = changed(desk.synced(said), {"body": "theirs"})
    edited(desk, said, "mine", at=theirs.updated_at + NS_PER_S)
    claimed = desk.claim_one()
    told = reconcile(desk, claimed, theirs)
    assert (told.what, told.to_send) == (Recalled.CONFLICT, None)
    assert told.conflict is not None
    assert told.conflict.winner is Winner.LOCAL
    claimed = desk.claim_one()
    assert not claimed.operation.attempted
    sending = claimed.as_sending()
    assert (sending.version, sending.document["body"]) == (2, "mine")
    # The same record by a pull, after that, is known.
    assert pull(desk, theirs) == ((), ())


def test_a_deletion_of_what_is_gone_is_done(desk: Book) -> None:
    said = desk.comment()
    desk.synced(said)
    desk.write(said, DELETE)
    claimed = desk.claim_one()
    assert reconcile(desk, claimed, None) == Reconciled(Recalled.DONE)
    row = desk.row(said)
    assert (row.deleted, row.status, desk.pending()) == (True, SyncStatus.SYNCED, [])


@pytest.mark.parametrize("strategy", list(ConflictStrategy))
def test_what_was_unshared_stays_so_whatever_others_changed(
    desk: Book, strategy: ConflictStrategy
) -> None:
    said = desk.comment("secret")
    theirs = changed(desk.synced(said), {"body": "theirs"})
    desk.write(said, DELETE, at=0, erase=True)
    _, (conflict,) = pull(desk, theirs, strategy=strategy)
    assert (conflict.local, conflict.outcome) == (None, None)
    sending = desk.claim_one().as_sending()
    assert (sending.operation, sending.version, sending.erase) == (DELETE, 2, True)
    # And what others took away is not brought back by a change of ours.
    other = desk.comment("shared")
    gone = buried(desk.synced(other), erased=True, document={})
    edited(desk, other, "mine", at=gone.updated_at + NS_PER_S)
    _, (conflict,) = pull(desk, gone, strategy=strategy)
    assert conflict.remote is None
    assert desk.row(other).deleted
    assert desk.pending() == []
    # Nothing of what they took away is left here but what was written here.
    kept = desk.ledger.get_conflict("a", conflict.conflict_id)
    assert (kept.base, kept.outcome, (kept.local or {})["body"]) == (None, None, "mine")
    assert desk.row(other).document == {}


def test_a_conflict_is_decided_by_hand_and_may_be_decided_again(desk: Book) -> None:
    said = desk.comment("base")
    theirs = changed(desk.synced(said), {"body": "theirs"})
    edited(desk, said, "mine", at=0)
    _, (conflict,) = pull(desk, theirs)
    number = conflict.conflict_id
    kept = done(desk.ledger.resolve("a", number, Take.OUTCOME))
    assert kept.resolution is Take.OUTCOME
    assert (desk.ledger.find_conflicts("a"), desk.pending()) == ([], [])
    assert desk.ledger.find_conflicts("a", with_resolved=True) == [kept]
    done(desk.ledger.resolve("a", number, Take.LOCAL))
    claimed = desk.claim_one()
    sending = claimed.as_sending()
    assert (sending.version, sending.document["body"]) == (2, "mine")
    desk.confirm(claimed)
    done(desk.ledger.resolve("a", number, Take.MERGED, {**sending.document, "body": "both"}))
    assert desk.claim_one().as_sending().document["body"] == "both"
    assert desk.ledger.get_conflict("a", number).resolution is Take.MERGED


def test_a_deletion_that_lost_or_won_can_be_turned_round(desk: Book) -> None:
    said = desk.comment("base")
    theirs = changed(desk.synced(said), {"body": "theirs"})
    desk.write(said, DELETE, at=0)
    _, (conflict,) = pull(desk, theirs)
    assert not desk.row(said).deleted
    done(desk.ledger.resolve("a", conflict.conflict_id, Take.LOCAL))
    assert desk.row(said).deleted
    assert desk.claim_one().as_sending().operation is DELETE
    done(desk.ledger.take_back("a"))
    done(desk.ledger.resolve("a", conflict.conflict_id, Take.REMOTE))
    assert not desk.row(said).deleted
    assert desk.claim_one().as_sending().operation is UPDATE


def test_what_cannot_be_decided_says_why(desk: Book) -> None:
    said = desk.comment("base")
    theirs = changed(desk.synced(said), {"body": "theirs"})
    edited(desk, said, "mine", at=0)
    _, (conflict,) = pull(desk, theirs)
    with pytest.raises(ClewError) as refused:
        done(desk.ledger.resolve("a", conflict.conflict_id, Take.MERGED))
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    for account, number in (("b", conflict.conflict_id), ("a", "nothing")):
        with pytest.raises(ClewError) as refused:
            done(desk.ledger.resolve(account, number, Take.LOCAL))
        assert refused.value.code is ErrorCode.NOT_FOUND


def test_what_is_absent_from_a_whole_pull_is_gone_and_what_was_never_sent_is_not(
    desk: Book,
) -> None:
    stays, goes, edited_too, new = (desk.comment(str(number)) for number in range(4))
    for each in (stays, goes, edited_too):
        desk.synced(each)
    edited(desk, edited_too, "mine", at=10**19 // 2)
    desk.write(new, CREATE)
    applied = done(desk.ledger.drop_absent(desk.arrival(), {stays.local_id}))
    assert set(applied.changed) == {goes.local_id, edited_too.local_id}
    assert [each.local_id for each in applied.conflicts] == [edited_too.local_id]
    assert [desk.row(each).deleted for each in (stays, goes, edited_too, new)] == [
        False,
        True,
        True,
        False,
    ]
    assert [each.entity_id for each in desk.pending()] == [new.local_id]


def test_a_server_without_versions_is_told_by_what_it_says(desk: Book) -> None:
    def plain(record: Remote) -> Remote:
        return replace(record, version=0, seq=0, op_id=None)

    said = desk.comment("mine")
    desk.write(said, CREATE)
    claimed = desk.claim_one()
    answer = plain(answer_to(claimed))
    done(desk.ledger.finish([(claimed, answer)]))
    assert pull(desk, answer) == ((), ())
    theirs = plain(changed(answer, {"body": "theirs"}))
    assert pull(desk, theirs) == ((said.local_id,), ())
    edited(desk, said, "mine again", at=theirs.updated_at + NS_PER_S)
    assert pull(desk, theirs) == ((), ())
    _, (conflict,) = pull(desk, plain(changed(theirs, {"body": "theirs again"})))
    assert conflict.winner is Winner.REMOTE
    assert desk.row(said).document["body"] == "theirs again"


def test_an_entity_of_an_unknown_kind_is_kept_and_merged_by_its_fields(desk: Book) -> None:
    record = Remote(desk.new_id(), {"a": 1, "b": 1, "team_id": TEAM}, 1, 1, NS_PER_S, "o")
    arrival = desk.arrival("inventions", MERGE)
    done(desk.ledger.apply_page(arrival, [record], 1))
    done(desk.ledger.apply_page(arrival, [changed(record, {"a": 2})], 2))
    row = desk.ledger.find_entity("a", "inventions", record.remote_id)
    assert row is not None
    assert row.document == {"a": 2, "b": 1, "team_id": TEAM}


def test_old_tombstones_are_forgotten(desk: Book) -> None:
    from clew.team.ledger.entities import forget_tombstones

    said, kept = desk.comment(), desk.comment()
    gone = buried(desk.synced(said))
    desk.synced(kept)
    pull(desk, gone)

    def forget(before: int) -> int:
        return done(desk.database.submit(lambda writing: forget_tombstones(writing, "a", before)))

    assert forget(gone.updated_at) == 0
    assert forget(gone.updated_at + 1) == 1
    assert (desk.find(said), desk.find(kept) is None) == (None, False)


def test_conflicts_that_nobody_looks_at_have_a_bound_and_what_goes_is_counted(
    desk: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflicts, "OPEN_MAX", 2)
    done(desk.ledger.connect(Account("a", "https://team.example", "u", desk.clock.at)))
    met: list[str] = []
    for number in range(5):
        said = desk.comment(f"mine {number}")
        record = desk.synced(said)
        edited(desk, said, f"mine again {number}", at=record.updated_at)
        desk.clock.pass_s(1)
        _, (conflict,) = pull(desk, changed(record, {"body": f"theirs {number}"}))
        met.append(conflict.conflict_id)
        if number == 0:
            done(desk.ledger.resolve("a", conflict.conflict_id, Take.OUTCOME))
    open_ones = [each.conflict_id for each in desk.ledger.find_conflicts("a")]
    assert open_ones == [met[4], met[3]]
    assert desk.ledger.count_dropped_conflicts("a") == 2
    # What somebody decided is an audit, and none of these.
    assert desk.ledger.get_conflict("a", met[0]).resolution is Take.OUTCOME


def test_what_was_made_anew_after_its_tombstone_went_is_taken_and_what_comes_late_is_not(
    desk: Book,
) -> None:
    record = a_record(desk)
    pull(desk, record)
    gone = buried(record, erased=True, document={})
    pull(desk, gone)
    assert pull(desk, record) == ((), ())
    anew = replace(record, seq=gone.seq + 1)
    assert pull(desk, anew) == ((record.remote_id,), ())
    (row,) = desk.ledger.find_entities("a", "comments", TEAM)
    assert (row.version, row.deleted, row.base) == (record.version, False, record.document)
    assert desk.pending() == []


def test_what_is_gone_there_does_not_come_back_when_its_deletion_here_is_given_up(
    desk: Book,
) -> None:
    said = desk.comment()
    desk.synced(said)
    desk.write(said, DELETE)
    aside = Verdict(VerdictKind.ASIDE, "the server has no such record")
    done(desk.ledger.finish([(desk.claim_one(), aside)]))
    done(desk.ledger.drop_absent(desk.arrival(), ()))
    done(desk.ledger.clear_failed("a"))
    assert desk.ledger.find_entities("a", "comments", TEAM) == []
    assert desk.ledger.find_conflicts("a") == []
