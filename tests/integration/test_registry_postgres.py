"""The registry on PostgreSQL when the server, the way to it, or another server gets in between."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import OutcomeUnknownError, Schema, Step, Transaction
from clew.store.database.writer import WriterOptions
from tests.integration.postgres_wire import Cut, Wire

if TYPE_CHECKING:
    from clew.store.database.postgres.database import PostgresDatabase
    from clew.testing.postgres import PostgresProcess

DEADLINE_S = 100.0
NOTES = Schema(
    "notes",
    (
        Step(
            1,
            "notes",
            ("CREATE TABLE notes (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)",),
        ),
    ),
)
BACKEND = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
    " AND objid = (hashtext(current_schema())::bigint & 4294967295)::oid"
)

Open = Callable[..., "PostgresDatabase"]


@pytest.fixture
def url(postgres_server: PostgresProcess) -> str:
    return postgres_server.new_url()


@pytest.fixture
def open_database() -> Iterator[Open]:
    from clew.store.database.postgres.database import PostgresDatabase, PostgresOptions

    opened: list[PostgresDatabase] = []

    def open_next(url: str, **options: Any) -> PostgresDatabase:
        opened.append(PostgresDatabase.open(url, [NOTES], PostgresOptions(**options)))
        return opened[-1]

    yield open_next
    for database in opened:
        database.close()


@pytest.fixture
def wire(postgres_server: PostgresProcess) -> Iterator[tuple[Wire, str]]:
    """A wire, and the address of a registry behind it."""
    with tempfile.TemporaryDirectory(prefix="clew-wire-") as folder:
        wire = Wire(Path(folder), postgres_server.folder)
        behind = postgres_server.new_url()
        yield wire, behind.replace(str(postgres_server.folder), folder)
        wire.close()


def put(name: str) -> Callable[[Transaction], str]:
    def work(writing: Transaction) -> str:
        writing.run("INSERT INTO notes (name) VALUES (:n)", {"n": name})
        return name

    return work


def names(database: PostgresDatabase) -> list[str]:
    rows = database.read(lambda reading: reading.rows("SELECT name FROM notes ORDER BY number"))
    return [row["name"] for row in rows]


def result(future: Future[Any]) -> Any:
    return future.result(DEADLINE_S)


def end_writer(server: PostgresProcess, url: str) -> None:
    """End the session that writes, as an administrator would, and wait until it is gone."""
    server.execute(f"SELECT pg_terminate_backend(pid, 100000) FROM ({BACKEND}) AS b", url=url)


def refusal(future: Future[Any]) -> ClewError:
    error = future.exception(DEADLINE_S)
    assert isinstance(error, ClewError), error
    return error


def test_a_session_that_was_ended_while_idle_is_replaced_unseen(
    postgres_server: PostgresProcess, url: str, open_database: Open
) -> None:
    database = open_database(url)
    result(database.submit(put("before")))
    names(database)
    postgres_server.execute(
        "SELECT pg_terminate_backend(pid, 100000) FROM pg_stat_activity"
        " WHERE application_name LIKE 'clew %'"
    )
    assert names(database) == ["before"]
    assert result(database.submit(put("after"))) == "after"
    assert names(database) == ["before", "after"]
    assert database.status().reconnections == 1
    database.check()


def test_a_session_that_is_ended_in_the_middle_of_a_group_loses_and_doubles_nothing(
    postgres_server: PostgresProcess, url: str, open_database: Open
) -> None:
    database = open_database(url)
    is_first = [True]

    def shot(writing: Transaction) -> str:
        put("shot")(writing)
        if is_first.pop() if is_first else False:
            end_writer(postgres_server, url)
        return put("behind the shot")(writing)

    entered, opened = threading.Event(), threading.Event()

    def wait(_writing: Transaction) -> bool:
        entered.set()
        return opened.wait(DEADLINE_S)

    gate = database.submit(wait)
    assert entered.wait(DEADLINE_S)
    futures = [database.submit(put("one")), database.submit(shot), database.submit(put("two"))]
    opened.set()
    assert result(gate)
    assert [result(future) for future in futures] == ["one", "behind the shot", "two"]
    assert names(database) == ["one", "shot", "behind the shot", "two"]


def test_a_write_that_always_ends_its_session_is_given_up(
    postgres_server: PostgresProcess, url: str, open_database: Open
) -> None:
    database = open_database(url)

    def poison(writing: Transaction) -> str:
        end_writer(postgres_server, url)
        return put("poison")(writing)

    error = refusal(database.submit(poison))
    assert error.code is ErrorCode.UNAVAILABLE
    assert not isinstance(error, OutcomeUnknownError)
    assert error.retry_after_ms
    assert result(database.submit(put("next"))) == "next"
    assert names(database) == ["next"]


@pytest.mark.parametrize("cut", [Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT])
def test_a_commit_whose_answer_is_lost_is_found_out_about(
    wire: tuple[Wire, str], open_database: Open, cut: Cut
) -> None:
    cutter, behind = wire
    database = open_database(behind)
    runs: list[str] = []

    def counted(writing: Transaction) -> str:
        runs.append("run")
        return put("once")(writing)

    cutter.cut = cut
    assert result(database.submit(counted)) == "once"
    assert cutter.cut is Cut.NEVER
    # A commit that is there is not made again; one that is not is.
    assert len(runs) == (2 if cut is Cut.BEFORE_COMMIT else 1)
    assert result(database.submit(put("then"))) == "then"
    assert names(database) == ["once", "then"]
    assert database.status().reconnections == 1


@pytest.mark.parametrize("cut", [Cut.BEFORE_COMMIT, Cut.AFTER_COMMIT])
def test_a_commit_that_nobody_can_ask_about_is_told_as_unknown(
    wire: tuple[Wire, str], open_database: Open, cut: Cut
) -> None:
    cutter, behind = wire
    database = open_database(behind, resolve_s=0.1, writer=WriterOptions(probe_s=0.05))
    names(database)
    cutter.cut, cutter.stays_down = cut, True
    error = refusal(database.submit(put("perhaps")))
    assert isinstance(error, OutcomeUnknownError)
    assert error.code is ErrorCode.UNAVAILABLE
    with pytest.raises(ClewError):
        database.check()
    refused = refusal(database.submit(put("refused")))
    assert refused.code is ErrorCode.UNAVAILABLE
    assert not isinstance(refused, OutcomeUnknownError)

    cutter.is_down = cutter.stays_down = False
    deadline = threading.Event()
    for _ in range(1200):
        if database.status().failure is None:
            break
        deadline.wait(0.05)
    assert database.status().failure is None
    database.check()
    assert result(database.submit(put("then"))) == "then"
    assert names(database) == (["perhaps"] if cut is Cut.AFTER_COMMIT else []) + ["then"]


def test_a_second_server_is_kept_out_while_the_first_lives(
    postgres_server: PostgresProcess, url: str, open_database: Open
) -> None:
    first = open_database(url)
    with pytest.raises(ClewError, match="belongs to another server") as caught:
        open_database(url, lock_s=0.1)
    assert caught.value.code is ErrorCode.CONFLICT
    assert "schema" in (caught.value.hint or "")
    # Another schema is another registry.
    open_database(postgres_server.new_url())
    result(first.submit(put("undisturbed")))
    first.close()
    assert names(open_database(url)) == ["undisturbed"]


def test_a_server_whose_registry_was_taken_does_not_go_on(
    postgres_server: PostgresProcess, url: str, open_database: Open
) -> None:
    first = open_database(url, lock_s=0.1)
    result(first.submit(put("first")))
    end_writer(postgres_server, url)
    second = open_database(url)
    result(second.submit(put("second")))
    with pytest.raises(ClewError, match="another server"):
        first.check()
    assert refusal(first.submit(put("stale"))).code is ErrorCode.CONFLICT
    second.close()
    # Also when the other one has gone: what is in memory is not what is in the tables any more.
    assert refusal(first.submit(put("stale"))).code is ErrorCode.CONFLICT
    assert names(first) == ["first", "second"]


def test_a_registry_that_was_put_back_is_noticed(
    postgres_server: PostgresProcess, url: str, open_database: Open
) -> None:
    database = open_database(url)
    for name in ("one", "two"):
        result(database.submit(put(name)))
    end_writer(postgres_server, url)
    postgres_server.execute("UPDATE registry_state SET commits = commits - 1", url=url)
    assert refusal(database.submit(put("three"))).code is ErrorCode.CONFLICT
    assert names(database) == ["one", "two"]


def test_a_refusal_that_a_write_overlooks_undoes_the_write_alone(
    url: str, open_database: Open
) -> None:
    database = open_database(url)

    def careless(writing: Transaction) -> str:
        put("careless")(writing)
        for _ in range(2):
            with pytest.raises(Exception, match="nowhere"):
                writing.rows("SELECT * FROM nowhere")
        return "as if nothing were"

    futures = [database.submit(work) for work in (put("one"), careless, put("two"))]
    assert (result(futures[0]), result(futures[2])) == ("one", "two")
    assert refusal(futures[1]).code is ErrorCode.INTERNAL
    assert names(database) == ["one", "two"]


def test_a_text_with_a_zero_is_refused_alone(url: str, open_database: Open) -> None:
    database = open_database(url)
    error = refusal(database.submit(put("a\0b")))
    assert error.code is ErrorCode.INVALID_ARGUMENT
    assert result(database.submit(put("next"))) == "next"


def test_what_is_wrong_with_an_address_is_said_without_its_password(
    postgres_server: PostgresProcess, open_database: Open
) -> None:
    server = postgres_server
    server.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    rules = server.folder / "data" / "pg_hba.conf"
    rules.write_text(f"local all locked scram-sha-256\n{rules.read_text()}")
    server.execute("SELECT pg_reload_conf()")
    folder = str(server.folder)
    cases = [
        (server.url(user="locked:secret"), ErrorCode.FORBIDDEN, "password"),
        (server.url(database="nowhere", password="secret"), ErrorCode.NOT_FOUND, "createdb"),
        (server.url(search_path="nowhere"), ErrorCode.NOT_FOUND, "schema"),
        (server.url(user="locked:right"), ErrorCode.FORBIDDEN, "owner"),
        (f"postgresql://a:secret@/x?host={folder}/none", ErrorCode.UNAVAILABLE, "start"),
        ("postgresql://a:secret@127.0.0.1:1/x", ErrorCode.UNAVAILABLE, "start"),
        ("postgresql://a:secret@127.0.0.1:x/x", ErrorCode.INVALID_ARGUMENT, "postgresql://"),
        (f"postgresql://a:secret@/x?sslmode=much&host={folder}", ErrorCode.INVALID_ARGUMENT, ""),
        (server.url(no_such_setting="1"), ErrorCode.INVALID_ARGUMENT, ""),
    ]
    for address, code, hint in cases:
        with pytest.raises(ClewError) as caught:
            open_database(address)
        said = f"{caught.value.message} {caught.value.hint}"
        assert caught.value.code is code, (address, said)
        assert hint in (caught.value.hint or ""), (address, said)
        assert "secret" not in said


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_server_killed_under_load_loses_and_doubles_nothing_acknowledged(
    postgres_server: PostgresProcess, url: str, open_database: Open
) -> None:
    database = open_database(url, writer=WriterOptions(probe_s=0.05))
    acked: list[str] = []
    unknown: list[str] = []
    refused: set[ErrorCode] = set()
    over = threading.Event()

    def write(thread: int) -> None:
        number = 0
        while not over.is_set():
            name = f"{thread}-{number}"
            number += 1
            try:
                acked.append(result(database.submit(put(name))))
            except OutcomeUnknownError:
                unknown.append(name)
            except ClewError as error:
                refused.add(error.code)
                # Not hot while the server is away.
                over.wait(0.01)

    threads = [threading.Thread(target=write, args=(each,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for kills_left in (3, 2, 1, 0):
        seen = len(acked)
        # It syncs what is its own before it is back.
        patience = time.monotonic() + DEADLINE_S
        while len(acked) <= seen + 20 and time.monotonic() < patience:
            over.wait(0.05)
        assert len(acked) > seen + 20
        # The server ends all sessions and recovers when one of its processes is killed.
        pids = database.read(lambda reading: reading.rows(BACKEND))
        for row in pids if kills_left else []:
            os.kill(row["pid"], signal.SIGKILL)
    over.set()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert refused <= {ErrorCode.UNAVAILABLE}
    kept = Counter(names(database))
    assert set(acked) <= set(kept)
    assert set(kept.values()) == {1}
    assert set(kept) <= set(acked) | set(unknown)
