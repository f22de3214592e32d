"""What every registry database promises, whichever keeps the rows."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import (
    Database,
    Reading,
    Schema,
    Step,
    Transaction,
    Value,
    among,
)
from clew.store.database.readers import ReaderOptions
from clew.store.database.writer import WriterOptions
from tests.conformance.registry_places import PLACES, Place, PostgresPlace, SqlitePlace
from tests.conformance.registry_replay import LeadingPlace
from tests.conformance.registry_writes import DEADLINE_S, Gate, error_of, put, result
from tests.integration.wire import wait_until

FIRST = Step(
    1,
    "notes",
    ("CREATE TABLE notes (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, text TEXT)",),
)
SECOND = Step(
    2,
    "notes have a colour",
    (
        "ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'none'",
        "UPDATE notes SET colour = 'old'",
    ),
)
NOTES = Schema("notes", (FIRST,))
VALUES = Schema(
    "values",
    (
        Step(
            1,
            "one of each",
            (
                (
                    "CREATE TABLE kept (id INTEGER NOT NULL PRIMARY KEY, count INTEGER,"
                    " share REAL, word TEXT, bytes BLOB) STRICT"
                ),
            ),
        ),
    ),
)
COUNTERS = Schema(
    "counters",
    (
        Step(
            1,
            "counters",
            (
                (
                    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)"
                    " WITHOUT ROWID"
                ),
            ),
        ),
    ),
)


@pytest.fixture(params=[*PLACES, "leading"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    chosen: Place
    if request.param == "sqlite":
        chosen = SqlitePlace(tmp_path)
    elif request.param == "leading":
        chosen = LeadingPlace(tmp_path)
    else:
        server = request.getfixturevalue("postgres_server")
        chosen = PostgresPlace(server, server.new_url())
    yield chosen
    chosen.close()


def names(database: Database) -> list[str]:
    rows = database.read(lambda reading: reading.rows("SELECT name FROM notes ORDER BY number"))
    return [row["name"] for row in rows]


def test_a_write_is_seen_by_the_reading_after_its_answer(place: Place) -> None:
    database = place.open(NOTES)
    for number in range(20):
        assert result(database.submit(put(f"n{number}"))) == f"n{number}"
        assert names(database)[-1] == f"n{number}"
    database.check()


def test_what_was_written_is_there_when_it_is_opened_again(place: Place) -> None:
    database = place.open(NOTES)
    result(database.submit(put("kept")))
    database.close()
    database.close()
    assert names(place.open(NOTES)) == ["kept"]


def test_writes_that_wait_are_committed_together_and_each_gets_its_own_answer(
    place: Place,
) -> None:
    database = place.open(NOTES)
    gate = Gate(database)
    before = database.status()
    futures = [database.submit(put(f"n{number}")) for number in range(50)]
    wrong = database.submit(put("n7"))
    after = database.submit(put("after"))
    assert database.status().queued == 52
    gate.open()
    assert [result(future) for future in futures] == [f"n{number}" for number in range(50)]
    assert error_of(wrong).code is ErrorCode.INTERNAL
    assert result(after) == "after"
    assert names(database) == [*(f"n{number}" for number in range(50)), "after"]
    status = database.status()
    assert status.commits == before.commits + 2
    assert (status.last_group, status.queued, status.failed_writes) == (52, 0, 1)
    assert (status.writes, status.failure) == (before.writes + 53, None)
    assert status.commit_seconds > before.commit_seconds


def test_a_write_that_raises_is_undone_whole_and_alone(place: Place) -> None:
    database = place.open(NOTES)

    def half(writing: Transaction) -> str:
        put("half")(writing)
        assert writing.rows("SELECT name FROM notes WHERE name = 'half'") == [{"name": "half"}]
        raise ValueError("half way")

    def wrong(writing: Transaction) -> str:
        put("wrong")(writing)
        writing.rows("SELECT nothing FROM nowhere")
        return "never"

    def nothing(_writing: Transaction) -> str:
        raise KeyError("before anything was done")

    def later(writing: Transaction) -> list[str]:
        return [row["name"] for row in writing.rows("SELECT name FROM notes ORDER BY number")]

    gate = Gate(database)
    first, bad, worse, idle, last, seen = (
        database.submit(put("first")),
        database.submit(half),
        database.submit(wrong),
        database.submit(nothing),
        database.submit(put("last")),
        database.submit(later),
    )
    gate.open()
    assert (result(first), result(last)) == ("first", "last")
    assert isinstance(bad.exception(DEADLINE_S), ValueError)
    assert isinstance(idle.exception(DEADLINE_S), KeyError)
    assert error_of(worse).code is ErrorCode.INTERNAL
    assert result(seen) == ["first", "last"]
    assert names(database) == ["first", "last"]


def test_a_write_taken_back_in_time_never_happens(place: Place) -> None:
    database = place.open(NOTES)
    gate = Gate(database)
    taken_back, kept = database.submit(put("back")), database.submit(put("kept"))
    assert taken_back.cancel()
    gate.open()
    result(kept)
    assert names(database) == ["kept"]


def test_a_full_queue_says_when_to_come_again(place: Place) -> None:
    database = place.open(NOTES, writer=WriterOptions(queue_max=3))
    gate = Gate(database)
    waiting = [database.submit(put(f"n{number}")) for number in range(3)]
    with pytest.raises(ClewError) as caught:
        database.submit(put("too much"))
    assert caught.value.code is ErrorCode.OVERLOADED
    assert caught.value.retry_after_ms
    assert database.status().shed == 1
    gate.open()
    assert [result(future) for future in waiting] == ["n0", "n1", "n2"]
    assert result(database.submit(put("again"))) == "again"


def test_closing_writes_what_is_queued_and_takes_nothing_more(place: Place) -> None:
    database = place.open(NOTES)
    gate = Gate(database)
    futures = [database.submit(put(f"n{number}")) for number in range(5)]
    closing = threading.Thread(target=database.close)
    closing.start()
    gate.open()
    closing.join(DEADLINE_S)
    assert [result(future) for future in futures] == [f"n{number}" for number in range(5)]
    with pytest.raises(ClewError) as caught:
        database.submit(put("late"))
    assert caught.value.code is ErrorCode.UNAVAILABLE
    with pytest.raises(ClewError):
        names(database)
    assert len(names(place.open(NOTES))) == 5


def test_a_reading_sees_one_moment_while_others_write(place: Place) -> None:
    database = place.open(NOTES)
    result(database.submit(put("before")))

    def look_twice(reading: Reading) -> tuple[int, int]:
        first = len(reading.rows("SELECT name FROM notes"))
        result(database.submit(put("meanwhile")))
        return first, len(reading.rows("SELECT name FROM notes"))

    assert database.read(look_twice) == (1, 1)
    assert names(database) == ["before", "meanwhile"]


def test_a_reading_cannot_write(place: Place) -> None:
    database = place.open(NOTES)
    with pytest.raises(ClewError) as caught:
        database.read(lambda reading: reading.rows("DELETE FROM notes RETURNING name"))
    assert caught.value.code is ErrorCode.FORBIDDEN
    assert names(database) == []


def test_a_reading_without_end_is_ended(place: Place) -> None:
    database = place.open(NOTES, readers=ReaderOptions(read_s=0.2))
    endless = (
        "WITH RECURSIVE all_of(n) AS (SELECT 1 UNION ALL SELECT 1 FROM all_of)"
        " SELECT count(*) AS n FROM all_of"
    )
    with pytest.raises(ClewError) as caught:
        database.read(lambda reading: reading.rows(endless))
    assert caught.value.code is ErrorCode.TIMEOUT

    def are_others_answered() -> bool:
        # One of them is ended as well where the machine holds it up for as long.
        try:
            found = names(database)
        except ClewError as error:
            if error.code is not ErrorCode.TIMEOUT:
                raise
            return False
        return found == []

    wait_until(are_others_answered, "readings are answered")


def test_more_readers_than_connections_are_told_to_wait(place: Place) -> None:
    database = place.open(NOTES, readers=ReaderOptions(count_max=1, wait_s=0.05))
    with pytest.raises(ClewError) as caught:
        database.read(lambda _: names(database))
    assert caught.value.code is ErrorCode.OVERLOADED
    assert caught.value.retry_after_ms
    assert names(database) == []


def test_a_schema_goes_on_where_it_ended_and_keeps_what_is_there(place: Place) -> None:
    database = place.open(NOTES)
    result(database.submit(put("old")))
    database.close()
    again = place.open(Schema("notes", (FIRST, SECOND)), COUNTERS)
    assert again.read(lambda reading: reading.rows("SELECT name, colour FROM notes")) == [
        {"name": "old", "colour": "old"}
    ]
    assert again.read(lambda reading: reading.rows("SELECT * FROM counters")) == []


def test_a_step_that_fails_leaves_nothing_of_itself(place: Place) -> None:
    place.open(NOTES).close()
    broken = Step(2, "half", ("CREATE TABLE more (x INTEGER)", "CREATE NONSENSE"))
    with pytest.raises(ClewError) as caught:
        place.open(Schema("notes", (FIRST, broken)))
    assert caught.value.code is ErrorCode.UNSUPPORTED
    database = place.open(Schema("notes", (FIRST, SECOND)))
    with pytest.raises(ClewError):
        database.read(lambda reading: reading.rows("SELECT * FROM more"))
    assert names(database) == []


def test_a_registry_of_a_newer_program_is_refused_and_untouched(place: Place) -> None:
    place.open(Schema("notes", (FIRST, SECOND))).close()
    for older in (NOTES, COUNTERS):
        with pytest.raises(ClewError, match="newer clew") as caught:
            place.open(older)
        assert caught.value.code is ErrorCode.UNSUPPORTED
    assert names(place.open(Schema("notes", (FIRST, SECOND)))) == []


def test_the_database_of_another_program_is_refused(place: Place) -> None:
    place.strange("CREATE TABLE theirs (x INTEGER)")
    with pytest.raises(ClewError, match="another program") as caught:
        place.open(NOTES)
    assert caught.value.code is ErrorCode.UNSUPPORTED


def test_every_value_comes_back_as_it_was(place: Place) -> None:
    database = place.open(VALUES)
    kept: list[dict[str, Value]] = [
        {"count": None, "share": None, "word": None, "bytes": None},
        {"count": 2**63 - 1, "share": 0.1, "word": "", "bytes": b""},
        {"count": -(2**63), "share": -1e300, "word": "':x' é 数据 \U0001f600", "bytes": b"\0\xff"},
        {"count": 0, "share": 5e-324, "word": "a\n\\b;--", "bytes": bytes(range(256))},
    ]
    rows = [{"id": number, **each} for number, each in enumerate(kept)]
    insert = "INSERT INTO kept VALUES (:id, :count, :share, :word, :bytes)"
    assert result(database.submit(lambda writing: writing.run_many(insert, rows))) == len(rows)
    assert database.read(lambda reading: reading.rows("SELECT * FROM kept ORDER BY id")) == rows
    sums = database.read(
        lambda reading: reading.rows("SELECT sum(count) AS s, count(*) AS n FROM kept WHERE id < 3")
    )
    assert sums == [{"s": -1, "n": 3}]
    assert isinstance(sums[0]["s"], int)


def test_many_are_run_at_once_and_only_changes_are_counted(place: Place) -> None:
    database = place.open(NOTES)
    insert = "INSERT INTO notes (name, text) VALUES (:n, :t) ON CONFLICT (name) DO NOTHING"
    some: list[dict[str, Value]] = [{"n": f"n{n}", "t": str(n)} for n in range(500)]

    def work(writing: Transaction) -> list[int]:
        return [
            writing.run_many(insert, []),
            writing.run_many(insert, some),
            writing.run_many(insert, [*some, {"n": "one more", "t": ""}]),
            writing.run_many("UPDATE notes SET text = :t WHERE name = :n", some[:3]),
            writing.run_many("DELETE FROM notes WHERE name = :n", [{"n": "n1"}, {"n": "nobody"}]),
            writing.run("UPDATE notes SET text = 'all'"),
            writing.run("DELETE FROM notes WHERE name = :n", {"n": "nobody"}),
        ]

    assert result(database.submit(work)) == [0, 500, 1, 3, 1, 500, 0]
    assert len(names(database)) == 500


def test_one_parameter_may_hold_a_list_and_be_named_twice(place: Place) -> None:
    database = place.open(NOTES)
    for name in ("a", "b", "c'd", "e"):
        result(database.submit(put(name, name)))
    asked: dict[str, Value] = {"names": json.dumps(["a", "c'd", "nobody"]), "least": "b"}
    found = database.read(
        lambda reading: reading.rows(
            f"SELECT name, ':least' AS text FROM notes WHERE name {among('names', reading.dialect)}"
            " AND name >= :least AND text >= :least -- :nothing\n ORDER BY name /* :neither */",
            asked,
        )
    )
    assert found == [{"name": "c'd", "text": ":least"}]


def test_texts_are_sorted_and_compared_by_their_bytes(place: Place) -> None:
    database = place.open(NOTES)
    words = ["a", "B", "a b", "ab", "Ä", "é", "_", "a-b", "\U0001f600", "\uffee", "1", "10", "2"]
    result(database.submit(lambda w: [put(word)(w) for word in words]))
    found = database.read(lambda reading: reading.rows("SELECT name FROM notes ORDER BY name"))
    assert [row["name"] for row in found] == sorted(words)
    over = "SELECT count(*) AS n FROM notes WHERE name >= :low AND name < :high"
    bounds: dict[str, Value] = {"low": "a", "high": "b"}
    assert database.read(lambda reading: reading.rows(over, bounds)) == [{"n": 4}]


def test_a_reading_on_an_event_loop_waits_and_answers(place: Place) -> None:
    database = place.open(NOTES)
    result(database.submit(put("here")))

    async def read() -> list[str]:
        return names(database)

    assert asyncio.run(read()) == ["here"]


def test_callers_of_many_threads_lose_no_update_and_see_what_they_wrote(place: Place) -> None:
    # Twice as many as may read at once: none is sent away, however long the others take.
    patient = ReaderOptions(wait_s=DEADLINE_S, read_s=DEADLINE_S)
    database = place.open(COUNTERS, readers=patient)
    threads, each = 16, 25
    reset = "INSERT INTO counters VALUES ('shared', 0)"
    result(database.submit(lambda writing: writing.run(reset)))

    def raise_it(writing: Transaction) -> int:
        (row,) = writing.rows("SELECT value FROM counters WHERE name = 'shared'")
        changed = writing.run(
            "UPDATE counters SET value = :new WHERE name = 'shared' AND value = :old",
            {"new": row["value"] + 1, "old": row["value"]},
        )
        assert changed == 1
        return int(row["value"]) + 1

    def fail(writing: Transaction) -> int:
        raise_it(writing)
        raise ValueError("poison")

    def value(reading: Reading) -> int:
        (row,) = reading.rows("SELECT value FROM counters WHERE name = 'shared'")
        return int(row["value"])

    def caller(number: int) -> list[int]:
        seen = []
        for turn in range(each):
            if (number + turn) % 5 == 0:
                assert isinstance(database.submit(fail).exception(DEADLINE_S), ValueError)
            seen.append(result(database.submit(raise_it)))
            assert database.read(value) >= seen[-1]
        return seen

    with ThreadPoolExecutor(threads) as pool:
        told = [number for seen in pool.map(caller, range(threads)) for number in seen]
    assert sorted(told) == list(range(1, threads * each + 1))
    assert database.read(value) == threads * each
    # A group of more than one is what all this is for.
    assert database.status().commits < database.status().writes


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_ended_is_not_ready_and_says_so_to_everyone(place: Place) -> None:
    database = place.open(NOTES)
    database.check()

    def end(_writing: Transaction) -> str:
        raise SystemExit

    gate = Gate(database)
    ending, behind = database.submit(end), database.submit(put("behind"))
    gate.open()
    for future in (ending, behind):
        assert error_of(future).code is ErrorCode.INTERNAL
    with pytest.raises(ClewError, match="writer has ended"):
        database.check()
    with pytest.raises(ClewError, match="writer has ended"):
        database.submit(put("later"))
    assert database.status().failure == "the registry's writer has ended"
    assert names(database) == []
