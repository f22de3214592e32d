"""What every adapter promises of a store over time: versions, retention, walls, errors, ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Engine, QueryLimits, Scan, Snapshot
from clew.store.engine.migration import Migration, add_column, add_index
from clew.store.table import Column, Table
from clew.telemetry.tables import LOGS, TABLES, TRACES
from tests.conformance.engine_places import ADAPTERS, Place
from tests.conformance.engine_rows import DAY_NS, MORNING, rows_of, span

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = Snapshot(flushed=1 << 40, acked=1 << 40)
NO_LIMITS = QueryLimits()
DAY_SECONDS = 86_400
DEADLINE_SECONDS = 60.0


@pytest.fixture(params=ADAPTERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(request.param, tmp_path)
    yield place
    place.remove()


def _column(engine: Engine, table: Table, column: str) -> list[object]:
    scans = {"rows": Scan(table, (f"{column} AS c",))}
    answer = engine.query("SELECT c FROM @rows ORDER BY c", snapshot=ALL, scans=scans)
    values: list[object] = answer.column("c").to_pylist()
    return values


# --- versions -----------------------------------------------------------------------------------

OLD = Table(
    name="things",
    time="At",
    columns=(Column("At", "DateTime64(9)"), Column("Name", "String"), Column("Frame", "UInt64")),
    order_by="(At)",
    settings=TRACES.settings,
)
NEW = replace(OLD, columns=(*OLD.columns, Column("Colour", "LowCardinality(String)")))
COLOURED = Migration(2, add_column(NEW, "Colour"))
INDEXED = replace(NEW, indexes=("INDEX idx_name Name TYPE bloom_filter(0.01) GRANULARITY 1",))
WITH_INDEX = Migration(3, add_index(INDEXED, "idx_name"))


def test_an_old_store_gets_the_new_column_and_keeps_its_rows(place: Place) -> None:
    engine = place.open([OLD])
    engine.insert(OLD, rows_of(OLD, [{"Name": "a", "Frame": 1}]), token="1")
    engine = place.open([NEW], [COLOURED])
    engine.insert(NEW, rows_of(NEW, [{"Name": "b", "Colour": "red", "Frame": 2}]), token="2")
    assert _column(engine, NEW, "concat(Name, Colour)") == ["a", "bred"]
    engine = place.open([NEW], [COLOURED])
    assert _column(engine, NEW, "Colour") == ["", "red"]


def test_an_index_is_built_for_the_rows_there_are(place: Place) -> None:
    engine = place.open([OLD])
    rows = [{"Name": f"n{n}", "Frame": 1} for n in range(100)]
    engine.insert(OLD, rows_of(OLD, rows), token="1")
    engine = place.open([INDEXED], [COLOURED, WITH_INDEX])
    plan = engine.query_untrusted(
        "EXPLAIN indexes = 1 SELECT count() FROM things WHERE Name = 'absent'", limits=NO_LIMITS
    )
    text = " ".join(" ".join(str(row["explain"]).split()) for row in plan.rows)
    assert "idx_name" in text
    assert "Granules: 0/1" in text


def test_a_step_that_a_crash_left_unnoted_runs_again(place: Place) -> None:
    engine = place.open([OLD])
    engine.query_untrusted("SELECT 1", limits=NO_LIMITS)
    place.open([OLD], [Migration(2, add_column(NEW, "Colour"))])
    # The column is there, and the version is taken back to what it was before the step.
    engine = place.open([OLD], [COLOURED])
    with engine._clients.borrow() as client:  # type: ignore[attr-defined]
        client.command(
            "ALTER TABLE clew_schema DELETE WHERE version = 2 SETTINGS mutations_sync = 2"
        )
    engine = place.open([NEW], [COLOURED])
    assert _column(engine, NEW, "Colour") == []


def test_a_store_of_a_newer_program_is_not_touched(place: Place) -> None:
    place.open([NEW], [COLOURED])
    with pytest.raises(ClewError, match="schema version 2, this program knows up to 1") as caught:
        place.open([OLD])
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert caught.value.hint


def test_a_step_that_was_changed_after_its_release_is_noticed(place: Place) -> None:
    place.open([NEW], [COLOURED])
    with pytest.raises(ClewError, match="schema version 2 of the store is not the one"):
        place.open([NEW], [Migration(2, (*COLOURED.statements, "SELECT 1"))])


def test_a_column_declared_without_a_step_is_named(place: Place) -> None:
    place.open([OLD])
    with pytest.raises(ClewError, match=r"things does not have the columns Colour Low") as caught:
        place.open([NEW])
    assert caught.value.code is ErrorCode.UNSUPPORTED


# --- retention ----------------------------------------------------------------------------------


def test_rows_past_their_retention_go_and_others_stay(place: Place) -> None:
    engine = place.open([TRACES])
    today = time.time_ns()
    days = [span(age, Timestamp=today - age * DAY_SECONDS * 10**9) for age in (0, 1, 8, 30)]
    engine.insert(TRACES, rows_of(TRACES, days), token="1")
    engine.retain([(TRACES, 40 * DAY_SECONDS)])
    engine.retain([(TRACES, 5 * DAY_SECONDS)])
    engine.retain([(TRACES, 5 * DAY_SECONDS)])
    deadline = time.monotonic() + DEADLINE_SECONDS
    while _column(engine, TRACES, "Frame") != [0, 1]:
        assert time.monotonic() < deadline
        with engine._clients.borrow() as client:  # type: ignore[attr-defined]
            client.command(f"OPTIMIZE TABLE {TRACES.name} FINAL")


def test_rows_without_retention_stay(place: Place) -> None:
    engine = place.open([LOGS])
    engine.retain([(LOGS, DAY_SECONDS)])
    engine.retain([(LOGS, None)])
    engine.retain([(LOGS, None)])
    engine.insert(LOGS, rows_of(LOGS, [{"Timestamp": 10**18, "Frame": 1}]), token="1")
    with engine._clients.borrow() as client:  # type: ignore[attr-defined]
        client.command(f"OPTIMIZE TABLE {LOGS.name} FINAL")
    assert _column(engine, LOGS, "Frame") == [1]


def test_a_table_is_made_with_its_retention_and_keeps_it_when_it_exists(place: Place) -> None:
    engine = place.open([])
    engine.create([LOGS], {LOGS.name: DAY_SECONDS})
    engine.create([LOGS], {LOGS.name: None})
    engine.insert(LOGS, rows_of(LOGS, [{"Timestamp": 10**18, "Frame": 1}]), token="1")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while _column(engine, LOGS, "Frame"):
        assert time.monotonic() < deadline
        with engine._clients.borrow() as client:  # type: ignore[attr-defined]
            client.command(f"OPTIMIZE TABLE {LOGS.name} FINAL")


def test_a_retention_that_would_drop_everything_is_left_out_where_a_table_is_made(
    place: Place,
) -> None:
    engine = place.open([])
    engine.create([LOGS], {LOGS.name: 0})
    engine.insert(LOGS, rows_of(LOGS, [{"Timestamp": 10**18, "Frame": 1}]), token="1")
    with engine._clients.borrow() as client:  # type: ignore[attr-defined]
        client.command(f"OPTIMIZE TABLE {LOGS.name} FINAL")
    assert _column(engine, LOGS, "Frame") == [1]


@pytest.mark.parametrize("partition", ["day", "month"])
def test_whole_partitions_before_a_moment_go_at_once(
    place: Place, partition: Literal["day", "month"]
) -> None:
    table = replace(TRACES, partition=partition)
    engine = place.open([table])
    days = [span(n, Timestamp=MORNING - n * DAY_NS) for n in (0, 1, 2, 40)]
    engine.insert(table, rows_of(table, days), token="1")
    noon = MORNING + DAY_NS // 2
    assert engine.drop_before(table, noon) == {"day": 3, "month": 2}[partition]
    assert _column(engine, table, "Frame") == [0]
    assert engine.drop_before(table, noon) == 0
    assert engine.drop_before(table, table.start_partition(noon) + 10**9) == 0
    assert _column(engine, table, "Frame") == [0]


@pytest.mark.parametrize("seconds", [0, -1, 100 * 366 * DAY_SECONDS])
def test_a_retention_that_would_drop_everything_is_refused(place: Place, seconds: int) -> None:
    engine = place.open([TRACES])
    with pytest.raises(ClewError, match="rows are kept for") as caught:
        engine.retain([(TRACES, seconds)])
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT


# --- walls and errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "limits", "code"),
    [
        (
            "SELECT sum(sipHash64(number)) FROM numbers(10000000000)",
            {"time_ms_max": 200},
            "timeout",
        ),
        (
            "SELECT groupArray(number) FROM numbers(100000000)",
            {"memory_bytes_max": 50_000_000},
            "too_large",
        ),
        ("SELECT number FROM numbers(1000)", {"rows_max": 999}, "too_large"),
        ("SELEC 1", {}, "invalid_argument"),
        ("SELECT nothing_of_that_name", {}, "invalid_argument"),
        ("SELECT match('a', '(')", {}, "invalid_argument"),
        ("SELECT count() FROM otel.no_such_table", {}, "invalid_argument"),
        ("SELECT throwIf(1)", {}, "internal"),
    ],
)
def test_a_wall_or_a_mistake_is_said_in_our_words(
    place: Place, sql: str, limits: dict[str, int], code: str
) -> None:
    engine = place.open([TRACES])
    with pytest.raises(ClewError) as caught:
        engine.query(sql, snapshot=ALL, scans={}, limits=QueryLimits(**limits))
    error = caught.value
    assert error.code == code
    assert len(error.message) < 500
    for inside in ("DB::Exception", "Code:", "version", str(place.folder), "Stack", "\n"):
        assert inside not in error.message
    assert engine.query("SELECT 1 AS one", snapshot=ALL, scans={}).to_pylist() == [{"one": 1}]


def test_what_a_failed_query_wrote_is_not_in_the_next_answer(place: Place) -> None:
    """The embedded engine would put it there; every client is used here more than once."""
    engine = place.open([TRACES])
    for _ in range(3):
        with pytest.raises(ClewError):
            engine.query(
                "SELECT number, throwIf(number = 90000) FROM numbers(100000)",
                snapshot=ALL,
                scans={},
                limits=QueryLimits(time_ms_max=60_000),
            )
        answer = engine.query("SELECT 'mine' AS text", snapshot=ALL, scans={})
        assert answer.to_pylist() == [{"text": "mine"}]
        with pytest.raises(ClewError):
            engine.query_untrusted(
                "SELECT number, intDiv(1, number - 90000) FROM numbers(100000)",
                limits=QueryLimits(rows_max=200_000),
            )
        rows = engine.query_untrusted("SELECT 'mine' AS text", limits=QueryLimits(rows_max=200_000))
        assert rows.rows == [{"text": "mine"}]


def test_limits_are_those_of_the_query_they_came_with(place: Place) -> None:
    engine = place.open([TRACES])
    sql = "SELECT number FROM numbers(10)"
    limits = QueryLimits(time_ms_max=60_000, memory_bytes_max=1 << 30, rows_max=10)
    assert engine.query(sql, snapshot=ALL, scans={}, limits=limits).num_rows == 10
    sql = "SELECT number FROM numbers(1000)"
    assert engine.query(sql, snapshot=ALL, scans={}).num_rows == 1000


# --- ends ---------------------------------------------------------------------------------------


def test_a_closed_engine_says_so_and_its_place_can_be_opened_again(place: Place) -> None:
    engine = place.open([TRACES])
    engine.insert(TRACES, rows_of(TRACES, [span(1)]), token="1")
    engine.check()
    engine.query_untrusted("SELECT 1", limits=NO_LIMITS)
    place.close()
    engine.close()
    for call in (engine.check, lambda: engine.query_untrusted("SELECT 1", limits=NO_LIMITS)):
        with pytest.raises(ClewError) as caught:
            call()
        assert caught.value.code is ErrorCode.UNAVAILABLE
    assert _column(place.open([TRACES]), TRACES, "Frame") == [1]


OPEN = """
import os, pathlib, sys
from clew.base.errors import ClewError
from clew.store.engine.chdb import ChdbEngine
try:
    ChdbEngine(pathlib.Path(sys.argv[1]))
except ClewError as error:
    print(error.code, error.hint, flush=True)
os._exit(0)
"""


def test_a_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    engine = ChdbEngine(tmp_path)
    engine.create(TABLES)
    other = subprocess.run(
        [sys.executable, "-c", OPEN, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    engine.check()
    engine.close()
    assert other.stdout.startswith("unavailable another process may have it open"), other.stderr


def test_a_process_has_one_folder_at_a_time(tmp_path: Path) -> None:
    engine = ChdbEngine(tmp_path / "one")
    with pytest.raises(ClewError, match="this process has another store open") as caught:
        ChdbEngine(tmp_path / "two")
    assert caught.value.code is ErrorCode.UNAVAILABLE
    engine.close()
    ChdbEngine(tmp_path / "two").close()


def test_a_failing_query_ends_its_client_and_not_the_embedded_engine(tmp_path: Path) -> None:
    engine = ChdbEngine(tmp_path)
    engine.create([])

    def fail() -> None:
        with pytest.raises(ClewError, match="on purpose"):
            engine.query("SELECT throwIf(1, 'on purpose')", snapshot=ALL, scans={})

    fail()
    threads = len(list(Path("/proc/self/task").iterdir()))
    for _ in range(10):
        fail()
    # An engine that begins again leaves five threads of the one before.
    assert len(list(Path("/proc/self/task").iterdir())) < threads + 10
    engine.close()


def test_the_bounds_of_the_embedded_engine_are_in_force(tmp_path: Path) -> None:
    engine = ChdbEngine(tmp_path)
    engine.create([])
    answer = engine.query(
        "SELECT name, value FROM system.server_settings WHERE name IN {names:Array(String)}",
        snapshot=ALL,
        scans={},
        parameters={
            "names": ["mark_cache_size", "background_pool_size", "max_server_memory_usage"]
        },
    )
    settings = {row["name"]: int(row["value"]) for row in answer.to_pylist()}
    zone = engine.query("SELECT timezone() AS zone", snapshot=ALL, scans={}).to_pylist()
    for path in tmp_path.glob("*.xml"):
        assert path.stat().st_mode & 0o077 == 0
    for forbidden in (
        "SELECT * FROM file('/etc/passwd')",
        "SELECT * FROM url('http://127.0.0.1:9')",
        "SELECT * FROM remote('127.0.0.1', 'otel', 'otel_traces')",
        "SELECT * FROM default.`/etc/passwd`",
        "CREATE DATABASE other",
        "CREATE TABLE otel.leak (line String) ENGINE = File(LineAsString, '/etc/passwd')",
    ):
        with pytest.raises(ClewError, match="privileges") as caught:
            engine.query(forbidden, snapshot=ALL, scans={})
        assert caught.value.code is ErrorCode.FORBIDDEN
    engine.close()
    assert settings["mark_cache_size"] == 256 << 20
    assert settings["background_pool_size"] == 2
    assert 1 << 28 < settings["max_server_memory_usage"] <= 4 << 30
    assert zone == [{"zone": "UTC"}]
