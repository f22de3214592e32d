"""What is done with operations and errors, and how versions that met are settled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from clew.base.times import NS_PER_S
from clew.team import (
    ConflictStrategy,
    Member,
    Role,
    SharedSession,
    SyncableEntity,
    SyncOperationType,
    resolve_conflict,
    utc_now,
)
from clew.team.entities.codec import encode_entity
from clew.team.errors import (
    AuthError,
    ConflictError,
    DeniedError,
    MfaRequiredError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SyncError,
    ValidationError,
)
from clew.team.merging.backoff import (
    BASE_NS,
    CAP_NS,
    RETRY_AFTER_NS_MAX,
    backoff_ns,
    next_attempt_at,
)
from clew.team.merging.compaction import EARLIER_MAX, join
from clew.team.merging.operation import Operation
from clew.team.merging.recall import Recalled, recall
from clew.team.merging.settlement import Side, Winner, settle
from clew.team.merging.turn import turn_of
from clew.team.merging.verdict import REASON_CHARS_MAX, VerdictKind, judge
from clew.team.trailbase.contract import Remote

CREATE, UPDATE, DELETE = SyncOperationType
STRATEGIES = list(ConflictStrategy)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass
class Note(SyncableEntity):
    local_id: str
    text: str
    colour: str = "none"
    remote_id: str | None = None
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        return "notes"

    def merge_with(self, remote: Note) -> Note:
        return replace(self, text=f"{self.text} & {remote.text}")


def operation(kind: SyncOperationType, op_id: str = "", **more: object) -> Operation:
    made = Operation(op_id or f"{kind}-id", "a", "notes", "n", kind, f'"{op_id}"', 7)
    return replace(made, **more)  # type: ignore[arg-type]


def remote(version: int, op_id: str | None = "other", **more: object) -> Remote:
    made = Remote("r", {"text": "there"}, version, 9, 5, op_id)
    return replace(made, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        (CREATE, UPDATE, CREATE),
        (CREATE, DELETE, None),
        (UPDATE, UPDATE, UPDATE),
        (UPDATE, DELETE, DELETE),
        (DELETE, CREATE, UPDATE),
        (DELETE, UPDATE, UPDATE),
        (DELETE, DELETE, DELETE),
        (CREATE, CREATE, CREATE),
        (UPDATE, CREATE, UPDATE),
    ],
)
def test_two_operations_of_one_entity_come_to_one(
    first: SyncOperationType, second: SyncOperationType, joined: SyncOperationType | None
) -> None:
    earlier, later = operation(first, "1", created_at=3), operation(second, "2", created_at=4)
    found = join(replace(earlier, retry_count=4, last_error="no"), later)
    if joined is None:
        assert found is None
    else:
        assert found == replace(later, operation=joined, created_at=3)


def test_a_create_that_may_have_arrived_is_deleted_there_too() -> None:
    found = join(operation(CREATE, "1", attempted=True), operation(DELETE, "2"))
    assert found is not None
    assert (found.operation, found.earlier) == (DELETE, ("1",))
    assert not found.attempted
    # It is still known when it is changed once more, and created again.
    again = join(found, operation(CREATE, "3"))
    assert again is not None
    assert (again.operation, again.earlier) == (UPDATE, ("1",))
    gone = join(replace(operation(CREATE, "3"), earlier=("1",)), operation(DELETE, "4"))
    assert gone is not None
    assert gone.operation is DELETE


def test_an_operation_remembers_so_many_and_the_last_ones() -> None:
    found: Operation | None = operation(CREATE, "0", attempted=True)
    for number in range(1, 30):
        assert found is not None
        found = join(found, operation(UPDATE, str(number)))
        assert found is not None
        found = replace(found, attempted=True)
    assert found is not None
    assert found.earlier == tuple(str(n) for n in range(29 - EARLIER_MAX, 29))


def test_to_erase_is_not_forgotten_while_something_is_deleted_and_is_once_it_is_not() -> None:
    erased = operation(DELETE, "1", erase=True)
    assert join(erased, operation(DELETE, "2")) == replace(operation(DELETE, "2"), erase=True)
    back = join(erased, operation(UPDATE, "2"))
    assert back is not None
    assert not back.erase


@pytest.mark.parametrize("failures", range(1, 40))
def test_the_wait_doubles_up_to_five_minutes_and_is_left_to_chance(failures: int) -> None:
    most = min(CAP_NS, BASE_NS * 2 ** (failures - 1))
    assert backoff_ns(failures, lambda: 0.0) == 0
    assert backoff_ns(failures, lambda: 0.5) == most // 2
    assert backoff_ns(failures, lambda: 0.999_999) < most
    assert CAP_NS == 300 * NS_PER_S


def test_what_the_server_says_is_when_to_try_again() -> None:
    assert next_attempt_at(100, 3, 7 * NS_PER_S, lambda: 0.9) == 100 + 7 * NS_PER_S
    assert next_attempt_at(100, 3, 0, lambda: 0.9) == 100
    assert next_attempt_at(100, 3, -5, lambda: 0.9) == 100
    assert next_attempt_at(0, 1, 10**30, lambda: 0.9) == RETRY_AFTER_NS_MAX
    assert backoff_ns(0, lambda: 0.9) == 0


@pytest.mark.parametrize(
    ("error", "kind", "attempted", "retry_after_ns"),
    [
        (NetworkError("gone"), VerdictKind.OFFLINE, True, None),
        (NetworkError("gone", may_have_happened=False), VerdictKind.OFFLINE, False, None),
        (ServerError("500", status=500), VerdictKind.RETRY, True, None),
        (ServerError("503", retry_after_ms=2000), VerdictKind.DELAY, True, 2 * NS_PER_S),
        (ServerError("502", status=502), VerdictKind.DELAY, True, None),
        (RateLimitError("429"), VerdictKind.DELAY, False, None),
        (RateLimitError("429", retry_after_ms=1), VerdictKind.DELAY, False, 1_000_000),
        (AuthError("who"), VerdictKind.PAUSE, False, None),
        (MfaRequiredError("code", token="secret"), VerdictKind.PAUSE, False, None),
        (DeniedError("no"), VerdictKind.ASIDE, False, None),
        (ValidationError("wrong"), VerdictKind.ASIDE, False, None),
        (NotFoundError("where"), VerdictKind.ASIDE, False, None),
        (SyncError("what"), VerdictKind.ASIDE, False, None),
        (ConflictError("both"), VerdictKind.CONFLICT, False, None),
        (RuntimeError("said a secret"), VerdictKind.RETRY, True, None),
    ],
)
def test_an_error_means_one_thing(
    error: Exception, kind: VerdictKind, attempted: bool, retry_after_ns: int | None
) -> None:
    verdict = judge(error)
    assert (verdict.kind, verdict.attempted) == (kind, attempted)
    assert verdict.retry_after_ns == retry_after_ns
    assert "secret" not in verdict.reason


def test_a_reason_has_an_end() -> None:
    assert len(judge(DeniedError("x" * 10_000)).reason) == REASON_CHARS_MAX


def test_what_others_refer_to_goes_first_and_is_deleted_last() -> None:
    order = ["teams", "members", "invites", "shared_sessions", "comments"]
    for kind in (CREATE, UPDATE):
        turns = [turn_of(each, kind) for each in order]
        assert turns == sorted(set(turns))
    deletions = [turn_of(each, DELETE) for each in order]
    assert deletions == sorted(deletions, reverse=True)
    assert turn_of("anything", CREATE) == turn_of("comments", CREATE) < min(deletions)


@pytest.mark.parametrize(
    ("sent", "version", "found", "what", "then"),
    [
        (operation(CREATE, "1"), 0, None, Recalled.NOT_DONE, CREATE),
        (operation(UPDATE, "1"), 0, None, Recalled.NOT_DONE, CREATE),
        (operation(UPDATE, "1"), 3, None, Recalled.NOT_DONE, UPDATE),
        (operation(DELETE, "1"), 3, None, Recalled.DONE, DELETE),
        (operation(CREATE, "1"), 0, remote(1, "1"), Recalled.DONE, CREATE),
        (operation(UPDATE, "2", earlier=("1",)), 3, remote(4, "1"), Recalled.EARLIER, UPDATE),
        (operation(CREATE, "2", earlier=("1",)), 0, remote(1, "1"), Recalled.EARLIER, UPDATE),
        (operation(DELETE, "2", earlier=("1",)), 0, remote(1, "1"), Recalled.EARLIER, DELETE),
        (operation(UPDATE, "1"), 3, remote(3), Recalled.NOT_DONE, UPDATE),
        (operation(UPDATE, "1"), 3, remote(4), Recalled.CONFLICT, UPDATE),
        (operation(CREATE, "1"), 0, remote(1), Recalled.CONFLICT, UPDATE),
        (operation(UPDATE, "1"), 0, remote(0, None), Recalled.CONFLICT, UPDATE),
    ],
)
def test_the_record_says_what_became_of_an_operation(
    sent: Operation,
    version: int,
    found: Remote | None,
    what: Recalled,
    then: SyncOperationType,
) -> None:
    told = recall(replace(sent, attempted=True), version, found)
    assert (told.what, told.operation.operation) == (what, then)
    if what in {Recalled.EARLIER, Recalled.CONFLICT}:
        assert (told.operation.attempted, told.operation.earlier) == (False, ())


def test_the_documented_strategies() -> None:
    here = Note("n", "here", last_modified=NOON)
    there = Note("n", "there", last_modified=NOON + timedelta(seconds=1))
    assert resolve_conflict(here, there, ConflictStrategy.LAST_WRITE_WINS) is there
    assert resolve_conflict(there, here) is there
    tied = replace(there, last_modified=NOON)
    assert resolve_conflict(here, tied) is tied
    assert resolve_conflict(here, there, ConflictStrategy.LOCAL_WINS) is here
    assert resolve_conflict(here, there, ConflictStrategy.REMOTE_WINS) is there
    merged = resolve_conflict(here, there, ConflictStrategy.CUSTOM_MERGE)
    assert merged.text == "here & there"


def test_a_custom_merge_has_three_sides_where_the_base_is_known() -> None:
    base = Note("n", "base", last_modified=NOON)
    here = replace(base, text="here")
    there = replace(base, colour="red")
    merged = resolve_conflict(here, there, ConflictStrategy.CUSTOM_MERGE, base)
    assert (merged.text, merged.colour) == ("here", "red")
    both = replace(there, text="there")
    merged = resolve_conflict(here, both, ConflictStrategy.CUSTOM_MERGE, base)
    assert (merged.text, merged.colour) == ("here & there", "red")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_role_is_the_servers_whatever_the_strategy(strategy: ConflictStrategy) -> None:
    base = Member(local_id="m", team_id="t", user_id="u", email="a@b", last_modified=NOON)
    here = replace(base, role=Role.OWNER, last_modified=NOON + timedelta(hours=1))
    there = replace(base, role=Role.ADMIN, display_name="There")
    for known in (None, base):
        assert resolve_conflict(here, there, strategy, known).role is Role.ADMIN
    assert here.role is Role.OWNER


def side(at: int = 0, **document: object) -> Side:
    return Side(dict(document), at)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_where_one_side_alone_changed_there_is_no_conflict(strategy: ConflictStrategy) -> None:
    base = {"text": "base", "last_modified": "then"}
    changed, same = side(1, text="new", last_modified="now"), side(9, text="base")
    settled = settle(None, strategy, base, changed, same)
    assert (settled.winner, settled.must_send, settled.is_conflict) == (Winner.LOCAL, True, False)
    settled = settle(None, strategy, base, same, changed)
    assert (settled.winner, settled.must_send, settled.is_conflict) == (Winner.REMOTE, False, False)
    settled = settle(None, strategy, base, changed, replace(changed, at=3))
    assert (settled.must_send, settled.is_conflict) == (False, False)


@pytest.mark.parametrize(
    ("strategy", "local_at", "text", "lost"),
    [
        (ConflictStrategy.LAST_WRITE_WINS, 9_000, "here", ("text",)),
        (ConflictStrategy.LAST_WRITE_WINS, 5_000, "there", ("colour", "text")),
        (ConflictStrategy.LOCAL_WINS, 0, "here", ("text",)),
        (ConflictStrategy.REMOTE_WINS, 9_000, "there", ("colour", "text")),
    ],
)
@pytest.mark.parametrize("kind", [None, Note])
def test_the_winner_takes_all_and_what_is_lost_is_named(
    kind: type[Note] | None,
    strategy: ConflictStrategy,
    local_at: int,
    text: str,
    lost: tuple[str, ...],
) -> None:
    base = {"text": "base", "colour": "none", "last_modified": "2026-11-21T12:00:00Z"}
    local = Side({**base, "text": "here", "colour": "red"}, local_at)
    settled = settle(kind, strategy, base, local, Side({**base, "text": "there"}, 5_000))
    assert settled.document["text"] == text
    assert settled.lost == lost
    assert settled.is_conflict
    assert settled.must_send is (text == "here")


def test_a_merge_of_different_fields_loses_nothing_and_is_no_conflict() -> None:
    base = {"text": "base", "colour": "none", "last_modified": "2026-11-21T12:00:00Z"}
    for kind in (None, Note):
        settled = settle(
            kind,
            ConflictStrategy.CUSTOM_MERGE,
            base,
            Side({**base, "text": "here"}, 1),
            Side({**base, "colour": "red", "newer": [1]}, 2),
        )
        assert settled.document["text"] == "here"
        assert (settled.document["colour"], settled.document["newer"]) == ("red", [1])
        assert (settled.winner, settled.must_send) == (Winner.MERGED, True)
        assert not settled.is_conflict


def test_a_role_that_was_given_here_is_named_as_lost() -> None:
    base = Member(local_id="m", team_id="t", user_id="u", email="a@b", last_modified=NOON)
    here, there = replace(base, role=Role.OWNER), replace(base, display_name="There")
    settled = settle(
        Member,
        ConflictStrategy.LOCAL_WINS,
        encode_entity(base),
        Side(encode_entity(here), 9),
        Side(encode_entity(there), 1),
    )
    assert settled.document["role"] == "member"
    assert "role" in settled.lost


def test_a_document_that_is_not_understood_is_merged_by_its_fields() -> None:
    base = {"title": "base", "start_time": "whenever"}
    settled = settle(
        SharedSession,
        ConflictStrategy.CUSTOM_MERGE,
        base,
        Side({**base, "title": "here"}, 1),
        Side({**base, "mood": "blue"}, 2),
    )
    assert settled.document == {"title": "here", "start_time": "whenever", "mood": "blue"}


DELETED = Side({"text": "base"}, 5_000, deleted=True)
ERASED = replace(DELETED, erased=True)
CHANGED = Side({"text": "changed"}, 7_000)
BASE = {"text": "base"}


@pytest.mark.parametrize(
    ("strategy", "deletion_at", "is_local", "is_deleted"),
    [
        (ConflictStrategy.LAST_WRITE_WINS, 9_000, True, True),
        (ConflictStrategy.LAST_WRITE_WINS, 5_000, True, False),
        (ConflictStrategy.LAST_WRITE_WINS, 7_000, True, False),
        (ConflictStrategy.LAST_WRITE_WINS, 7_000, False, True),
        (ConflictStrategy.LAST_WRITE_WINS, 5_000, False, False),
        (ConflictStrategy.LOCAL_WINS, 0, True, True),
        (ConflictStrategy.LOCAL_WINS, 9_000, False, False),
        (ConflictStrategy.REMOTE_WINS, 9_000, True, False),
        (ConflictStrategy.REMOTE_WINS, 0, False, True),
        (ConflictStrategy.CUSTOM_MERGE, 9_000, True, False),
        (ConflictStrategy.CUSTOM_MERGE, 9_000, False, False),
    ],
)
def test_a_deletion_that_meets_a_change_is_decided_by_the_strategy_and_listed(
    strategy: ConflictStrategy, deletion_at: int, is_local: bool, is_deleted: bool
) -> None:
    deleted = replace(DELETED, at=deletion_at)
    sides = (deleted, CHANGED) if is_local else (CHANGED, deleted)
    settled = settle(None, strategy, BASE, *sides)
    assert settled.deleted is is_deleted
    assert settled.is_conflict
    assert settled.must_send is (is_deleted is is_local)
    if not is_deleted:
        assert settled.document == CHANGED.document


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_somebody_stopped_sharing_is_never_brought_back(strategy: ConflictStrategy) -> None:
    later = replace(CHANGED, at=10**9)
    for sides in ((ERASED, later), (later, ERASED)):
        settled = settle(None, strategy, BASE, *sides)
        assert (settled.deleted, settled.erased) == (True, True)
        assert settled.is_conflict
    # And a deletion on the server that erased nothing is made one that does.
    settled = settle(None, strategy, BASE, ERASED, DELETED)
    assert (settled.must_send, settled.erased, settled.is_conflict) == (True, True, False)
    assert not settle(None, strategy, BASE, DELETED, ERASED).must_send


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_deletion_of_what_nobody_changed_is_no_conflict(strategy: ConflictStrategy) -> None:
    same = Side(dict(BASE), 10**9)
    settled = settle(None, strategy, BASE, DELETED, same)
    assert (settled.deleted, settled.must_send, settled.is_conflict) == (True, True, False)
    settled = settle(None, strategy, BASE, same, DELETED)
    assert (settled.deleted, settled.must_send, settled.is_conflict) == (True, False, False)
