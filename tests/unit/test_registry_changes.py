"""A registry that tells the log what it commits, and one that does what a log tells."""

from __future__ import annotations

import contextlib
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.changes import ChangesDraft, Mark, decode_changes
from clew.store.database.contract import OutcomeUnknownError, Schema, Step, Transaction
from clew.store.database.recording import PAYLOAD_BYTES, WRITE_BYTES_MAX
from clew.store.database.sqlite import FILE_NAME, DatabaseOptions, SqliteDatabase
from clew.store.database.writer import WriterOptions
from tests.conformance.registry_replay import MemoryLog, dump
from tests.conformance.registry_writes import DEADLINE_S, Gate, error_of, put, result

NOTES = Schema(
    "notes",
    (
        Step(
            1,
            "notes",
            (
                (
                    "CREATE TABLE notes (number INTEGER PRIMARY KEY AUTOINCREMENT,"
                    " name TEXT UNIQUE, text TEXT)"
                ),
            ),
        ),
    ),
)
COLOURED = Schema(
    "notes",
    (*NOTES.steps, Step(2, "colours", ("ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'no'",))),
)


@dataclass
class Group:
    """Registries in folders of their own, and the log of the one that leads."""

    folder: Path
    log: MemoryLog = field(default_factory=MemoryLog)
    opened: list[SqliteDatabase] = field(default_factory=list)

    def open(self, name: str, *schemas: Schema, is_alone: bool = False) -> SqliteDatabase:
        options = DatabaseOptions(writer=WriterOptions(probe_s=0.01))
        changes = None if is_alone else self.log.after
        database = SqliteDatabase.open(
            self.folder / name, schemas or [NOTES], options, changes=changes
        )
        self.opened.append(database)
        return database

    def lead(self, name: str = "leader", *schemas: Schema) -> SqliteDatabase:
        database = self.open(name, *schemas)
        database.lead(self.log.record)
        return database

    def replay(self, database: SqliteDatabase) -> None:
        for change in list(self.log.changes):
            result(database.apply(*change))


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    made = Group(tmp_path)
    yield made
    for database in made.opened:
        database.close()


def names(database: SqliteDatabase) -> list[str]:
    rows = database.read(lambda reading: reading.rows("SELECT name FROM notes ORDER BY number"))
    return [row["name"] for row in rows]


def statements(payload: bytes) -> list[object]:
    return [row[0] for each in decode_changes(payload).statements for row in each.rows]


def test_what_a_leader_commits_another_registry_holds_when_it_is_told(group: Group) -> None:
    leader, follower = group.lead(), group.open("follower")
    for number in range(5):
        result(leader.submit(put(f"n{number}")))
    group.replay(follower)
    assert names(follower) == [f"n{number}" for number in range(5)]
    assert follower.applied() == leader.applied() == group.log.changes[-1][0]
    follower.check()


def test_a_write_that_was_undone_is_not_told(group: Group) -> None:
    leader = group.lead()

    def half(writing: Transaction) -> None:
        put("half")(writing)
        raise ValueError("half way")

    gate = Gate(leader)
    first, wrong, last = (leader.submit(work) for work in (put("a"), half, put("b")))
    twice = leader.submit(put("a"))
    gate.open()
    result(first)
    result(last)
    assert isinstance(wrong.exception(DEADLINE_S), ValueError)
    assert error_of(twice).code is ErrorCode.INTERNAL
    told = [name for _, payload in group.log.changes for name in statements(payload)]
    assert told == ["a", "b"]


def test_what_changes_nothing_is_not_told(group: Group) -> None:
    leader = group.lead()
    result(leader.submit(lambda writing: writing.rows("SELECT name FROM notes")))
    result(leader.submit(lambda writing: writing.run("DELETE FROM notes WHERE name = 'none'")))
    assert not group.log.changes


def test_a_number_that_a_row_did_not_get_is_used_up_everywhere(group: Group) -> None:
    leader, follower = group.lead(), group.open("follower")
    again = "INSERT INTO notes (name) VALUES ('one') ON CONFLICT (name) DO NOTHING RETURNING number"
    for sql in (again, again, "INSERT INTO notes (name) VALUES ('two')"):
        result(leader.submit(lambda writing, sql=sql: writing.rows(sql)))  # type: ignore[misc]
    group.replay(follower)
    leader.close()
    follower.close()
    assert dump(leader.path) == dump(follower.path)


def test_what_the_log_does_not_take_has_not_happened(group: Group) -> None:
    leader = group.open("leader")
    answers: list[Future[int] | None] = []

    def record(payload: bytes) -> Future[int]:
        if not answers:
            return group.log.record(payload)
        answers.pop()
        raise ClewError(ErrorCode.UNAVAILABLE, "no standby is there", hint="start one")

    leader.lead(record)
    answers.append(None)
    error = error_of(leader.submit(put("lost")))
    assert (error.code, error.message) == (ErrorCode.UNAVAILABLE, "no standby is there")
    assert not isinstance(error, OutcomeUnknownError)
    leader.check()
    result(leader.submit(put("kept")))
    assert names(leader) == ["kept"]


@dataclass
class SilentLog:
    """A log that does not say yet whether it has what it was given."""

    given: list[bytes] = field(default_factory=list)
    future: Future[int] = field(default_factory=Future)

    def record(self, payload: bytes) -> Future[int]:
        self.given.append(payload)
        if len(self.given) == 1:
            self.future.set_exception(
                OutcomeUnknownError(ErrorCode.UNAVAILABLE, "the standbys do not answer")
            )
            return self.future
        told: Future[int] = Future()
        told.set_result(7 + len(self.given))
        return told


def test_nothing_is_written_before_it_is_known_whether_the_last_change_is(group: Group) -> None:
    leader, log = group.open("leader"), SilentLog()
    leader.lead(log.record)
    heard = threading.Event()
    leader.watch(["notes"], heard.set)
    assert isinstance(error_of(leader.submit(put("doubtful"))), OutcomeUnknownError)
    refused = error_of(leader.submit(put("later")))
    assert refused.code is ErrorCode.UNAVAILABLE
    with pytest.raises(ClewError, match="waits for the other servers"):
        leader.check()
    assert names(leader) == []
    # The standbys are back: the change is acknowledged after all, and told once more by mistake.
    result(leader.apply(5, log.given[0]))
    result(leader.apply(5, log.given[0]))
    assert heard.is_set()
    result(leader.submit(put("next")))
    assert names(leader) == ["doubtful", "next"]
    leader.check()


def test_a_new_leader_writes_when_the_tail_of_its_log_is_acknowledged(group: Group) -> None:
    former, follower = group.lead("former"), group.open("leader")
    for name in ("a", "b", "c"):
        result(former.submit(put(name)))
    first, *tail = group.log.changes
    result(follower.apply(*first))
    follower.lead(group.log.record, tail)
    assert error_of(follower.submit(put("early"))).code is ErrorCode.UNAVAILABLE
    # One is acknowledged, and there is still the other.
    assert "waits for the other servers" in str(follower.apply(*tail[0]).exception(DEADLINE_S))
    assert names(follower) == ["a", "b"]
    assert error_of(follower.submit(put("early"))).code is ErrorCode.UNAVAILABLE
    result(follower.apply(*tail[1]))
    result(follower.submit(put("mine")))
    assert names(follower) == ["a", "b", "c", "mine"]
    follower.check()


def test_a_log_that_begins_anew_is_noticed(group: Group) -> None:
    leader = group.lead()
    for name in ("a", "b"):
        result(leader.submit(put(name)))
    group.log.changes.clear()
    error = error_of(leader.submit(put("c")))
    assert error.code is ErrorCode.CONFLICT
    assert "is at 6" in error.message
    assert names(leader) == ["a", "b"]


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_recorded_and_not_committed_is_applied_when_the_disk_takes_it(
    group: Group,
) -> None:
    leader = group.open("leader")
    limits = contextlib.ExitStack()

    def record(payload: bytes) -> Future[int]:
        if len(group.log.changes) == 1:
            # Between the log and COMMIT the disk fills up.
            wal = leader.path.with_name(f"{FILE_NAME}-wal")
            limits.enter_context(full_disk(wal.stat().st_size))
        return group.log.record(payload)

    leader.lead(record)
    result(leader.submit(put("before")))
    with limits:
        error = error_of(leader.submit(put("recorded")))
        assert isinstance(error, OutcomeUnknownError)
        assert names(leader) == ["before"]
        with pytest.raises(ClewError, match="the registry"):
            leader.check()
    assert result(leader.submit(put("after"))) == "after"
    assert names(leader) == ["before", "recorded", "after"]
    assert leader.applied() == group.log.changes[-1][0]
    follower = group.open("follower")
    assert names(follower) == names(leader)


def test_a_group_too_large_for_one_payload_is_cut_between_writes(group: Group) -> None:
    leader = group.lead()
    text = "x" * (PAYLOAD_BYTES // 2)
    gate = Gate(leader)
    futures = [leader.submit(put(f"n{number}", text)) for number in range(5)]
    gate.open()
    assert [result(future) for future in futures] == [f"n{number}" for number in range(5)]
    sizes = [len(payload) for _, payload in group.log.changes]
    assert len(sizes) == 3
    assert max(sizes) < 2 * PAYLOAD_BYTES
    assert [len(statements(payload)) for _, payload in group.log.changes] == [2, 2, 1]


def test_a_write_that_no_frame_holds_is_refused_alone(group: Group) -> None:
    leader = group.lead()
    gate = Gate(leader)
    huge = leader.submit(put("huge", "x" * (WRITE_BYTES_MAX + 1)))
    small = leader.submit(put("small"))
    gate.open()
    assert error_of(huge).code is ErrorCode.TOO_LARGE
    assert result(small) == "small"
    assert names(leader) == ["small"]


def test_who_follows_takes_no_writes(group: Group) -> None:
    follower = group.open("follower")
    with pytest.raises(ClewError, match="takes no writes") as refused:
        follower.submit(put("mine"))
    assert refused.value.code is ErrorCode.CONFLICT
    follower.check()


def test_watchers_hear_of_their_tables_after_the_change_is_there(group: Group) -> None:
    leader, follower = group.lead(), group.open("follower")
    seen: list[list[str]] = []
    follower.watch(["notes", "others"], lambda: seen.append(names(follower)))
    follower.watch(["others"], lambda: seen.append(["not for them"]))
    for name in ("a", "b"):
        result(leader.submit(put(name)))
    group.replay(follower)
    assert seen == [["a"], ["a", "b"]]


def lose_one(log: MemoryLog) -> str:
    del log.changes[1]
    return "follows change 6, and this registry is at 3"


def damage_one(log: MemoryLog) -> str:
    number, payload = log.changes[1]
    log.changes[1] = (number, payload[:-1])
    return "cannot be read"


def contradict(log: MemoryLog) -> str:
    draft = ChangesDraft()
    draft.add("INSERT INTO notes (name) VALUES (:n)", [{"n": "n0"}])
    draft.keep()
    log.changes[1] = (6, draft.encode(Mark(3, ""), "notes=1"))
    return "does not fit the registry that is here"


@pytest.mark.parametrize("spoil", [lose_one, damage_one, contradict])
def test_a_change_that_does_not_fit_ends_it_and_those_before_it_stay(
    group: Group, spoil: Callable[[MemoryLog], str]
) -> None:
    leader, follower = group.lead(), group.open("follower")
    for number in range(4):
        result(leader.submit(put(f"n{number}")))
    said = spoil(group.log)
    applying = [follower.apply(*change) for change in group.log.changes]
    assert said in str(applying[-1].exception(DEADLINE_S))
    assert said in str(follower.apply(99, b"").exception(DEADLINE_S))
    assert names(follower) == ["n0"]
    with pytest.raises(ClewError, match=said):
        follower.check()
    # It is so after a restart, too.
    follower.close()
    with pytest.raises(ClewError, match=said):
        group.open("follower")


def test_servers_with_other_tables_are_told_which(group: Group) -> None:
    leader, follower = group.lead("leader", COLOURED), group.open("follower", NOTES)
    result(leader.submit(put("a")))
    error = error_of(follower.apply(*group.log.changes[0]))
    assert error.code is ErrorCode.UNSUPPORTED
    assert "notes is at step 2 there and 1 here" in error.message


def test_changes_of_before_an_upgrade_are_applied_before_it(group: Group) -> None:
    leader, follower = group.lead("leader", NOTES), group.open("follower", NOTES)
    result(leader.submit(put("a")))
    group.replay(follower)
    # Recorded, and not applied when both ended and were upgraded.
    result(leader.submit(put("b")))
    follower.close()
    assert names(group.open("follower", COLOURED)) == ["a", "b"]


def test_a_new_registry_is_filled_from_the_log_when_it_is_opened(group: Group) -> None:
    leader = group.lead()
    for number in range(200):
        result(leader.submit(put(f"n{number}")))
    assert names(group.open("follower")) == names(leader)


def test_a_registry_that_went_its_own_way_is_another(group: Group) -> None:
    leader, follower = group.lead(), group.open("follower")
    result(leader.submit(put("a")))
    group.replay(follower)
    assert (leader.origin(), follower.origin()) == ("", "")
    leader.close()
    alone = group.open("leader", is_alone=True)
    result(alone.submit(put("unheard")))
    alone.close()
    leader = group.lead()
    assert leader.origin() != ""
    assert leader.applied() == 3
    result(leader.submit(put("b")))
    error = error_of(follower.apply(*group.log.changes[-1]))
    assert error.code is ErrorCode.CONFLICT
    assert "continues another registry" in error.message


def test_a_registry_that_is_only_read_alone_is_the_same(group: Group) -> None:
    leader = group.lead()
    result(leader.submit(put("a")))
    leader.close()
    alone = group.open("leader", is_alone=True)
    assert names(alone) == ["a"]
    assert error_of(alone.submit(put("a"))).code is ErrorCode.INTERNAL
    alone.close()
    assert group.open("leader").origin() == ""


def test_who_leaves_a_group_finds_out_that_the_log_may_have_more(group: Group) -> None:
    assert not SqliteDatabase.was_shared(group.folder / "leader")
    group.open("leader", is_alone=True).close()
    assert not SqliteDatabase.was_shared(group.folder / "leader")
    leader = group.lead()
    result(leader.submit(put("a")))
    leader.close()
    assert SqliteDatabase.was_shared(group.folder / "leader")
    # Once it was settled it goes on alone, with what the log had.
    group.open("leader").close()
    alone = group.open("leader", is_alone=True)
    result(alone.submit(put("b")))
    assert names(alone) == ["a", "b"]


def test_a_registry_that_was_alone_goes_on_in_a_group_by_its_copy(group: Group) -> None:
    alone = group.open("leader", is_alone=True)
    result(alone.submit(put("old")))
    alone.close()
    leader = group.lead()
    (group.folder / "follower").mkdir()
    assert leader.copy_to(group.folder / "follower" / FILE_NAME) == 0
    result(leader.submit(put("new")))
    follower = group.open("follower")
    assert names(follower) == ["old", "new"]
    assert follower.origin() == leader.origin()


def test_a_copy_of_a_busy_registry_is_one_moment_of_it(group: Group) -> None:
    leader = group.lead()
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            result(leader.submit(put(f"n{number}", "x" * 5000)))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_number in range(5):
            folder = group.folder / f"copy{round_number}"
            folder.mkdir()
            number = leader.copy_to(folder / FILE_NAME)
            copied = group.open(folder.name, NOTES)
            # What the copy lacked came from the log when it was opened.
            assert copied.applied() >= number
            assert names(copied) == [f"n{each}" for each in range(copied.applied() // 3)]
    finally:
        stop.set()
        writer.join()


def test_a_change_that_finds_many_waiting_is_taken_with_them_and_is_no_lost_write(
    group: Group, tmp_path: Path
) -> None:
    result(group.lead().submit(put("a")))
    options = DatabaseOptions(writer=WriterOptions(queue_max=0))
    full = SqliteDatabase.open(tmp_path / "full", [NOTES], options, changes=group.log.after)
    try:
        for change in group.log.changes:
            full.apply(*change)
        assert full.status().shed == 0
    finally:
        full.close()
