"""The registry in a file: what it leaves on disk, what it makes of damage, of full disks and locks.

What every registry database promises is tried in `tests/conformance/test_database_contract.py`.
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import Schema, Step
from clew.store.database.sqlite import FILE_NAME, DatabaseOptions, SqliteDatabase
from clew.store.database.writer import WriterOptions
from tests.conformance.registry_writes import DEADLINE_S, Gate, error_of, put, result

FIRST = Step(1, "notes", ("CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT)",))
SECOND = Step(
    2,
    "notes have a colour",
    (
        "ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'none'",
        "UPDATE notes SET colour = 'old'",
    ),
)
NOTES = Schema("notes", (FIRST,))

Open = Callable[..., SqliteDatabase]


@pytest.fixture
def open_database(tmp_path: Path) -> Iterator[Open]:
    opened: list[SqliteDatabase] = []

    def open_next(*schemas: Schema, **options: object) -> SqliteDatabase:
        chosen = DatabaseOptions(**options)  # type: ignore[arg-type]
        opened.append(SqliteDatabase.open(tmp_path, schemas or (NOTES,), chosen))
        return opened[-1]

    yield open_next
    for database in opened:
        database.close()


def names(database: SqliteDatabase) -> list[str]:
    rows = database.read(lambda reading: reading.rows("SELECT name FROM notes ORDER BY rowid"))
    return [row["name"] for row in rows]


def count_commits(database: SqliteDatabase) -> int:
    """Return how many commits the log holds, by its frames' own marks (SQLite's file format)."""
    log = database.path.with_name(f"{FILE_NAME}-wal").read_bytes()
    frame_bytes = 24 + 4096
    frames = range(32, len(log) - frame_bytes + 1, frame_bytes)
    return sum(log[at + 4 : at + 8] != bytes(4) for at in frames)


def test_what_was_written_is_there_when_it_is_opened_again(open_database: Open) -> None:
    database = open_database()
    result(database.submit(put("kept")))
    database.close()
    database.close()
    assert not (database.path.parent / f"{FILE_NAME}-wal").exists()
    assert names(open_database()) == ["kept"]


def test_every_file_is_the_owners_alone(open_database: Open) -> None:
    database = open_database()
    result(database.submit(put("secret")))
    files = sorted(database.path.parent.glob(f"{FILE_NAME}*"))
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    database.close()
    database.path.chmod(0o644)
    assert stat.S_IMODE(open_database().path.stat().st_mode) == 0o600


def test_writes_that_wait_are_committed_together_and_each_gets_its_own_answer(
    open_database: Open,
) -> None:
    database = open_database()
    gate = Gate(database)
    before = count_commits(database)
    futures = [database.submit(put(f"n{number}")) for number in range(50)]
    wrong = database.submit(put("n7"))
    after = database.submit(put("after"))
    assert not any(future.done() for future in (*futures, wrong, after))
    gate.open()
    assert [result(future) for future in futures] == [f"n{number}" for number in range(50)]
    assert error_of(wrong).code is ErrorCode.INTERNAL
    assert result(after) == "after"
    # The gate itself changed nothing, so its commit left no mark.
    assert count_commits(database) == before + 1
    assert names(database) == [*(f"n{number}" for number in range(50)), "after"]


@pytest.mark.parametrize("older", [[NOTES], []])
def test_a_registry_of_a_newer_program_is_refused_and_untouched(
    open_database: Open, tmp_path: Path, older: list[Schema]
) -> None:
    database = open_database(Schema("notes", (FIRST, SECOND)))
    result(database.submit(put("kept")))
    database.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(ClewError) as caught:
        SqliteDatabase.open(tmp_path, older)
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert "newer" in caught.value.message
    assert caught.value.hint
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_the_database_of_another_program_is_refused(open_database: Open, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("CREATE TABLE theirs (x)")
    other.commit()
    other.close()
    with pytest.raises(ClewError) as caught:
        open_database()
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_a_file_that_is_no_database_is_told_as_damaged(open_database: Open, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"this is not what it was" * 1000)
    with pytest.raises(ClewError) as caught:
        open_database()
    assert caught.value.code is ErrorCode.UNAVAILABLE
    assert "damaged" in caught.value.message


def test_a_damaged_page_is_told_and_does_not_end_the_writer(
    open_database: Open, tmp_path: Path
) -> None:
    database = open_database()
    for number in range(300):
        database.submit(put(f"n{number}", "x" * 200))
    database.close()
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    content[3 * 4096 :] = b"\xee" * (len(content) - 3 * 4096)
    (tmp_path / FILE_NAME).write_bytes(content)
    database = open_database()
    with pytest.raises(ClewError) as caught:
        names(database)
    assert caught.value.code is ErrorCode.UNAVAILABLE
    for _ in range(2):
        assert error_of(database.submit(put("more"))).code is ErrorCode.UNAVAILABLE


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClewError) as caught:
        SqliteDatabase.open(tmp_path / "file", [NOTES])
    assert caught.value.hint


def test_a_full_registry_refuses_and_goes_on_when_there_is_room(open_database: Open) -> None:
    database = open_database(bytes_max=30 * 4096, writer=WriterOptions(probe_s=0.01))
    outcomes = [database.submit(put(f"n{number}", "x" * 20_000)) for number in range(10)]
    failures = [error for each in outcomes if (error := each.exception(DEADLINE_S))]
    assert 0 < len(failures) < 10
    assert all(isinstance(e, ClewError) and e.code is ErrorCode.UNAVAILABLE for e in failures)
    kept = [each.result() for each in outcomes if each.exception() is None]
    assert names(database) == kept
    result(database.submit(lambda writing: writing.run("DELETE FROM notes")))
    assert result(database.submit(put("again", "x" * 20_000))) == "again"
    database.check()


def test_a_disk_that_takes_nothing_fails_the_write_and_is_noticed_when_it_does_again(
    open_database: Open,
) -> None:
    database = open_database(writer=WriterOptions(probe_s=0.01))
    result(database.submit(put("before")))
    wal = database.path.with_name(f"{FILE_NAME}-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, hard))
    try:
        assert error_of(database.submit(put("lost"))).code is ErrorCode.UNAVAILABLE
        with pytest.raises(ClewError) as caught:
            database.check()
        assert caught.value.code is ErrorCode.UNAVAILABLE
        assert names(database) == ["before"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    healed = threading.Event()
    deadline = time.monotonic() + DEADLINE_S
    while not healed.is_set():
        try:
            database.check()
        except ClewError:
            assert time.monotonic() < deadline
            healed.wait(0.01)
        else:
            healed.set()
    result(database.submit(put("after")))
    database.close()
    assert names(open_database()) == ["before", "after"]


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO notes VALUES ('theirs', '')")
print("held", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
"""


def test_another_process_that_writes_is_waited_for_then_told_of(open_database: Open) -> None:
    database = open_database(lock_s=0.1)
    result(database.submit(put("before")))
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        refused = error_of(database.submit(put("refused")))
        assert refused.code is ErrorCode.UNAVAILABLE
        assert "another process" in refused.message
        # Readers wait for nobody.
        assert names(database) == ["before"]
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.wait(DEADLINE_S) == 0
    assert result(database.submit(put("after"))) == "after"
    assert names(database) == ["before", "theirs", "after"]


@pytest.mark.parametrize("place", [26, 32 + 3, 32 + 24 + 100, 0.5])
def test_a_log_that_is_damaged_in_its_middle_is_kept_and_told(
    open_database: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, place: float
) -> None:
    database = open_database()
    for number in range(10):
        result(database.submit(put(f"n{number}")))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        shutil.copyfile(tmp_path / name, crashed / name)
    everything = names(database)
    wal = crashed / f"{FILE_NAME}-wal"
    content = bytearray(wal.read_bytes())
    at = int(place) or int(len(content) * place)
    content[at] ^= 0xFF
    wal.write_bytes(content)
    wal.chmod(0o600)
    try:
        opened = SqliteDatabase.open(crashed, [NOTES])
        kept = names(opened)
        opened.close()
    finally:
        said = caplog.text
    assert kept == everything[: len(kept)] != everything
    assert "commits are lost" in said
    damaged = crashed / f"{FILE_NAME}-wal.damaged"
    assert damaged.read_bytes() == content
    assert stat.S_IMODE(damaged.stat().st_mode) == 0o600


def test_a_log_that_is_torn_anywhere_loses_its_end_and_nothing_before(
    open_database: Open, tmp_path: Path
) -> None:
    database = open_database()
    for number in range(30):
        result(database.submit(put(f"n{number:02}", "x" * 50)))
    # The files as a crash would leave them.
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        shutil.copyfile(tmp_path / name, crashed / name)
    everything = names(database)
    database.close()
    wal = (crashed / f"{FILE_NAME}-wal").read_bytes()
    main = (crashed / FILE_NAME).read_bytes()
    before = 0
    for end in (*range(0, len(wal), len(wal) // 40 + 1), len(wal)):
        torn = tmp_path / f"torn-{end}"
        torn.mkdir()
        (torn / FILE_NAME).write_bytes(main)
        # A sector that never reached the disk holds whatever it held before.
        (torn / f"{FILE_NAME}-wal").write_bytes(wal[:end] + os.urandom(512))
        opened = SqliteDatabase.open(torn, [NOTES])
        kept = names(opened)
        assert kept == everything[: len(kept)]
        # The end of a log is where a crash leaves it; nothing acknowledged is missing from it.
        assert not list(torn.glob("*.damaged"))
        assert len(kept) >= before
        before = len(kept)
        result(opened.submit(put("more")))
        assert opened.read(lambda r: r.rows("PRAGMA integrity_check")) == [
            {"integrity_check": "ok"}
        ]
        opened.close()
    assert before == 30
