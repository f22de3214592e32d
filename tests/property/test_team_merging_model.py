"""Merging and compaction against plain models of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clew.team import (
    ConflictStrategy,
    Member,
    Role,
    SharedSession,
    SyncableEntity,
    SyncOperationType,
    resolve_conflict,
)
from clew.team.entities.codec import (
    decode_document,
    decode_entity,
    encode_document,
    encode_entity,
    update_document,
)
from clew.team.merging.backoff import BASE_NS, CAP_NS, backoff_ns
from clew.team.merging.compaction import join
from clew.team.merging.operation import Operation
from clew.team.merging.settlement import Side, Winner, settle
from clew.team.merging.threeway import merge_documents

CREATE, UPDATE, DELETE = SyncOperationType

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

names = st.sampled_from("abcde")
values = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["x", "y"]))
documents = st.dictionaries(names, values)
times = st.integers(0, 5).map(lambda n: n * 1000)
moments = st.integers(0, 5).map(lambda n: EPOCH + timedelta(seconds=n))
strategies = st.sampled_from(ConflictStrategy)


@dataclass
class Card(SyncableEntity):
    local_id: str = "c"
    front: str = ""
    back: str = ""
    count: int = 0
    remote_id: str | None = None
    last_modified: datetime = field(default=EPOCH)

    @classmethod
    def entity_type(cls) -> str:
        return "cards"


cards = st.builds(
    Card,
    front=st.sampled_from("xyz"),
    back=st.sampled_from("xyz"),
    count=st.integers(0, 2),
    last_modified=moments,
)

roles = st.sampled_from(Role)
members = st.builds(
    Member,
    local_id=st.just("m"),
    team_id=st.just("t"),
    user_id=st.just("u"),
    email=st.just("a@b"),
    role=roles,
    display_name=st.one_of(st.none(), st.sampled_from("xy")),
    last_modified=moments,
)


# What a server becomes by operations, carried out one after the other.


@dataclass(frozen=True)
class Record:
    """None of `text` is a tombstone, no record at all nothing."""

    text: str | None


def carry_out(record: Record | None, operation: Operation) -> Record | None:
    match operation.operation:
        case SyncOperationType.CREATE:
            assert record is None, "the server has it already"
            return Record(operation.payload)
        case SyncOperationType.UPDATE:
            assert record is not None, "the server has nothing to change"
            return Record(operation.payload)
        case SyncOperationType.DELETE:
            assert record is not None, "the server has nothing to delete"
            return Record(None)


def as_seen(record: Record | None) -> str | None:
    """What is left to see: what never was and what is deleted look the same."""
    return None if record is None else record.text


def operations(kinds: list[bool], is_there: bool) -> list[Operation]:
    """What somebody does to one entity: true writes it, false deletes it; never deletes nothing."""
    was_there = live = is_there
    done: list[Operation] = []
    for number, writes in enumerate(kinds):
        if writes:
            kind = UPDATE if was_there else CREATE
        elif live:
            kind = DELETE
        else:
            continue
        was_there, live = True, writes
        done.append(Operation(f"op{number}", "a", "cards", "c", kind, f"text{number}", number))
    return done


def join_all(waiting: list[Operation]) -> Operation | None:
    """The queue: each is joined to what waits, and is a create again where nothing does."""

    def step(queued: Operation | None, operation: Operation) -> Operation | None:
        if queued is None:
            # What was created and deleted before it was sent is created anew.
            is_first = any(each.operation is CREATE for each in waiting)
            return replace(operation, operation=CREATE) if is_first else operation
        return join(queued, operation)

    return reduce(step, waiting, None)


@given(st.lists(st.booleans(), max_size=8), st.booleans())
def test_one_operation_does_to_the_server_what_all_of_them_do(
    kinds: list[bool], is_there: bool
) -> None:
    before = Record("before") if is_there else None
    waiting = operations(kinds, is_there)
    after_all = reduce(carry_out, waiting, before)
    joined = join_all(waiting)
    after_one = before if joined is None else carry_out(before, joined)
    assert as_seen(after_one) == as_seen(after_all)
    # What nobody heard of needs nothing to be sent once it is gone.
    if not is_there and as_seen(after_all) is None:
        assert joined is None


@given(st.lists(st.booleans(), min_size=2, max_size=8), st.booleans(), st.booleans())
def test_what_may_have_arrived_is_remembered_and_ends_the_same(
    kinds: list[bool], is_there: bool, has_arrived: bool
) -> None:
    before = Record("before") if is_there else None
    waiting = operations(kinds, is_there)
    if len(waiting) < 2:
        return
    first = replace(waiting[0], attempted=True)
    joined = first
    for operation in waiting[1:]:
        both = join(joined, operation)
        assert both is not None, "nobody may forget what the server may have"
        joined = both
    assert first.op_id in joined.earlier
    on_server = carry_out(before, waiting[0]) if has_arrived else before
    # Its sender asks first: what is there is changed, what is not there is made, or left alone.
    if on_server is None:
        joined = replace(joined, operation=CREATE) if joined.operation is not DELETE else joined
    elif joined.operation is CREATE:
        joined = replace(joined, operation=UPDATE)
    skips = on_server is None and joined.operation is DELETE
    after = on_server if skips else carry_out(on_server, joined)
    assert as_seen(after) == as_seen(reduce(carry_out, waiting, before))


# Merging.


@given(documents, documents, documents, st.booleans())
def test_each_field_of_a_merge_is_decided_for_itself(
    base: dict[str, Any], local: dict[str, Any], remote: dict[str, Any], local_wins: bool
) -> None:
    merged = merge_documents(base, local, remote, local_wins=local_wins)

    def said(document: dict[str, Any], name: str) -> object:
        return (name in document, document.get(name))

    for name in "abcde":
        before, ours, theirs = (said(each, name) for each in (base, local, remote))
        if ours == before:
            expected = theirs
        elif theirs == before or local_wins:
            expected = ours
        else:
            expected = theirs
        assert said(merged, name) == expected


@given(cards, cards, cards)
def test_a_merge_of_entities_takes_each_change_and_the_later_of_two(
    base: Card, local: Card, remote: Card
) -> None:
    copies = replace(base), replace(local), replace(remote)
    merged = local.merge_from(base, remote)
    later = local if local.last_modified > remote.last_modified else remote
    for name in ("front", "back", "count"):
        before, ours, theirs = (getattr(each, name) for each in (base, local, remote))
        changed_by = [side for side in (ours, theirs) if side != before]
        match len(changed_by):
            case 0:
                expected = before
            case 1:
                expected = changed_by[0]
            case _:
                expected = getattr(later, name)
        assert getattr(merged, name) == expected
    assert merged.last_modified == later.last_modified
    assert copies == (base, local, remote), "neither side is changed"


@given(cards, cards, strategies)
def test_a_decision_is_one_of_the_sides_unless_they_are_merged(
    local: Card, remote: Card, strategy: ConflictStrategy
) -> None:
    chosen = resolve_conflict(local, remote, strategy)
    match strategy:
        case ConflictStrategy.LOCAL_WINS:
            assert chosen is local
        case ConflictStrategy.REMOTE_WINS:
            assert chosen is remote
        case _:
            assert chosen is (local if local.last_modified > remote.last_modified else remote)


@given(cards, cards)
def test_the_last_write_is_the_same_on_both_machines(one: Card, other: Card) -> None:
    if one.last_modified != other.last_modified:
        assert resolve_conflict(one, other) == resolve_conflict(other, one)


@given(members, members, st.one_of(st.none(), members), strategies)
def test_a_role_is_never_decided_here(
    local: Member, remote: Member, base: Member | None, strategy: ConflictStrategy
) -> None:
    assert resolve_conflict(local, remote, strategy, base).role is remote.role


sides = st.builds(Side, document=documents, at=times, deleted=st.booleans())


@given(st.one_of(st.none(), documents), sides, sides, st.booleans(), st.booleans(), strategies)
def test_nothing_is_lost_without_being_told(
    base: dict[str, Any] | None,
    local: Side,
    remote: Side,
    local_erased: bool,
    remote_erased: bool,
    strategy: ConflictStrategy,
) -> None:
    local = replace(local, erased=local.deleted and local_erased)
    remote = replace(remote, erased=remote.deleted and remote_erased)
    settled = settle(None, strategy, base, local, remote)
    missing = object()
    for side in (local, remote):
        if side.deleted:
            continue
        for name in "abcde":
            before = missing if base is None else base.get(name, missing)
            now = side.document.get(name, missing)
            if now == before or (base is None and now is missing):
                continue
            if settled.deleted:
                assert settled.deletion_met_change
            elif settled.document.get(name, missing) != now:
                assert name in settled.lost
    # The server is told exactly where it has something else.
    is_other = settled.deleted != remote.deleted or (
        not settled.deleted and settled.document != remote.document
    )
    assert settled.must_send == (is_other or (settled.erased and not remote.erased))
    # What was erased stays so.
    if local.erased or remote.erased:
        assert settled.deleted
        assert settled.erased
    if settled.winner is Winner.LOCAL:
        assert (settled.document, settled.deleted) == (local.document, local.deleted)


@given(documents, sides, strategies)
def test_who_changed_nothing_has_no_say(
    base: dict[str, Any], other: Side, strategy: ConflictStrategy
) -> None:
    same = Side(dict(base), 10**9)
    for settled in (
        settle(None, strategy, base, same, other),
        settle(None, strategy, base, other, same),
    ):
        assert settled.deleted == other.deleted
        assert not settled.lost
        assert not settled.deletion_met_change
        if not settled.deleted:
            assert settled.document == other.document


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_longer_than_its_bound(failures: int, chance: float) -> None:
    wait = backoff_ns(failures, lambda: chance)
    assert 0 <= wait <= CAP_NS
    assert wait <= BASE_NS * 2 ** (failures - 1)
    assert backoff_ns(failures + 1, lambda: chance) >= wait


# Documents.

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=10,
)
at_any_time = st.integers(0, 2**62 // 1000).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
sessions = st.builds(
    SharedSession,
    local_id=texts,
    team_id=texts,
    user_id=texts,
    session_id=texts,
    start_time=at_any_time,
    planned_duration_minutes=st.integers(1, 480),
    end_time=st.one_of(st.none(), at_any_time),
    completed=st.booleans(),
    title=texts,
    notes=st.lists(st.dictionaries(texts, plain, max_size=3), max_size=3),
    last_modified=at_any_time,
)


@given(sessions, st.dictionaries(texts, plain, max_size=3))
def test_an_entity_comes_back_from_its_document_and_keeps_what_it_does_not_know(
    session: SharedSession, beyond: dict[str, Any]
) -> None:
    known = encode_entity(session)
    document = {**beyond, **known}
    text = encode_document(document)
    read = decode_document(text)
    assert read == document
    back = decode_entity(
        SharedSession, read, local_id=session.local_id, remote_id=session.remote_id
    )
    assert back == session
    assert update_document(back, read) == document
