"""What every adapter promises of its rows: there once, whole, and seen at the right moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from clew.store.engine.contract import Engine, Scan, Snapshot
from clew.telemetry.tables import GAUGE, LOGS, TABLES, TRACES
from tests.conformance.engine_places import ADAPTERS, SOME_TABLES, Place
from tests.conformance.engine_rows import DAY_NS, MORNING, rows_of, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from clew.store.table import Column, Table

ALL = Snapshot(flushed=1 << 40, acked=1 << 40)
SPANS = Scan(TRACES, ("Frame", "SpanId", "Timestamp"))


@pytest.fixture(params=ADAPTERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(request.param, tmp_path)
    yield place
    place.remove()


@pytest.fixture
def engine(place: Place) -> Engine:
    return place.open()


def _spans(engine: Engine, snapshot: Snapshot = ALL, scan: Scan = SPANS) -> pa.Table:
    return engine.query("SELECT * FROM @spans", snapshot=snapshot, scans={"spans": scan})


def _count(engine: Engine, table: Table = TRACES) -> int:
    scans = {"rows": Scan(table, ("1 AS one",))}
    answer = engine.query("SELECT count() AS n FROM @rows", snapshot=ALL, scans=scans)
    return int(answer.column("n")[0].as_py())


# --- tokens -------------------------------------------------------------------------------------


def test_a_token_seen_before_adds_nothing_even_after_a_restart(place: Place) -> None:
    engine = place.open()
    rows = rows_of(TRACES, [span(1, n) for n in range(50)])
    engine.insert(TRACES, rows, token="0:1-1")
    engine.insert(TRACES, rows, token="0:1-1")
    assert _count(engine) == 50
    engine = place.open()
    engine.insert(TRACES, rows, token="0:1-1")
    assert _count(engine) == 50


def test_one_token_covers_rows_of_many_days(engine: Engine) -> None:
    days = [span(1, n, Timestamp=MORNING + n * DAY_NS) for n in range(101)]
    for _ in range(2):
        engine.insert(TRACES, rows_of(TRACES, days), token="days")
    assert _count(engine) == 101


def test_the_token_names_the_insert_whatever_it_holds(engine: Engine) -> None:
    engine.insert(TRACES, rows_of(TRACES, [span(1)]), token="same")
    engine.insert(TRACES, rows_of(TRACES, [span(2), span(3)]), token="same")
    engine.insert(TRACES, rows_of(TRACES, [span(1)]), token="other's")
    assert sorted(_spans(engine).column("Frame").to_pylist()) == [1, 1]


def test_an_insert_of_many_chunks_is_one_block(engine: Engine) -> None:
    chunks = [rows_of(TRACES, [span(1, n)]) for n in range(40)]
    for _ in range(2):
        engine.insert(TRACES, pa.concat_tables(chunks), token="chunks")
    assert _count(engine) == 40


def _cut(rows: pa.Table, ends: Iterable[int]) -> pa.Table:
    """Return the same rows in chunks that end where it is said, and at the last row."""
    bounds = pairwise([0, *ends, len(rows)])
    return pa.concat_tables([rows.slice(start, end - start) for start, end in bounds])


def test_a_token_names_one_block_however_the_rows_are_chunked(engine: Engine) -> None:
    # More than the engine reads as one block of its own accord, which is 65 409.
    many = rows_of(TRACES, [span(1, n) for n in range(700)])
    many = pa.concat_tables([many] * 100).combine_chunks()
    in_seven = _cut(many, range(10_000, 70_000, 10_000))
    parts = Scan(TRACES, ("toString(_part) AS _part",))
    for again in (in_seven, in_seven, many, _cut(many, [35_000]), _cut(many, [9, 65_409, 65_536])):
        engine.insert(TRACES, again, token="in seven")
        assert _count(engine) == 70_000
        assert len(set(_spans(engine, scan=parts).column("_part").to_pylist())) == 1
    engine.insert(TRACES, _cut(many, [1]), token="in two")
    engine.insert(TRACES, in_seven, token="in two")
    engine.insert(TRACES, many, token="in two")
    assert _count(engine) == 140_000


def test_no_rows_are_no_insert(engine: Engine) -> None:
    engine.insert(TRACES, TRACES.arrow_schema.empty_table(), token="empty")
    engine.insert(TRACES, rows_of(TRACES, [span(1)]), token="empty")
    assert _count(engine) == 1


# --- stored and hot -----------------------------------------------------------------------------


def _insert_frames(engine: Engine, frames: Mapping[int, pa.Table], through: int) -> None:
    for frame in range(1, through + 1):
        engine.insert(TRACES, frames[frame], token=str(frame))


def test_a_row_is_seen_once_wherever_flushed_and_acked_stand(place: Place) -> None:
    frames = {f: rows_of(TRACES, [span(f, n) for n in range(3)]) for f in range(1, 5)}
    engine = place.open()
    for stored in range(5):
        if stored:
            engine.insert(TRACES, frames[stored], token=str(stored))
        for flushed in range(stored + 1):
            for acked in range(flushed, 5):
                place.flush = partial(_insert_frames, engine, frames, acked)
                hot = [frames[f] for f in range(flushed + 1, 5)]
                snapshot = Snapshot(
                    flushed, acked, {TRACES.name: pa.concat_tables(hot)} if hot else {}
                )
                ids = _spans(engine, snapshot).column("SpanId").to_pylist()
                wanted = [span(f, n)["SpanId"] for f in range(1, acked + 1) for n in range(3)]
                assert sorted(ids) == wanted, (stored, flushed, acked)


def test_rows_after_acked_are_hidden_although_nothing_is_hot(engine: Engine) -> None:
    for frame in (1, 2, 3):
        engine.insert(TRACES, rows_of(TRACES, [span(frame)]), token=str(frame))
    assert sorted(_spans(engine, Snapshot(2, 2)).column("Frame").to_pylist()) == [1, 2]


def test_rows_after_acked_stay_hidden_after_a_restart(place: Place) -> None:
    engine = place.open()
    engine.insert(TRACES, rows_of(TRACES, [span(1), span(7)]), token="t")
    engine = place.open()
    assert engine.newest_frame(SOME_TABLES) == 7
    assert _spans(engine, Snapshot(3, 3)).column("Frame").to_pylist() == [1]


def test_readers_see_each_row_once_while_rows_are_flushed(tmp_path: Path) -> None:
    """A writer acknowledges, flushes and publishes; readers count at whatever moment they meet."""
    place = Place("chdb", tmp_path)
    engine = place.open()
    published = Snapshot(0, 0)
    done = threading.Event()
    wrong: list[tuple[int, int]] = []
    reads = 0

    def read() -> None:
        nonlocal reads
        while not done.is_set():
            snapshot = published
            scans = {"spans": Scan(TRACES, ("Frame",))}
            sql = "SELECT count() AS n, uniqExact(Frame) AS frames FROM @spans"
            answer = engine.query(sql, snapshot=snapshot, scans=scans).to_pylist()[0]
            reads += 1
            if answer != {"n": 20 * snapshot.acked, "frames": snapshot.acked}:
                wrong.append((snapshot.acked, answer["n"]))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for frame in range(1, 31):
            rows = rows_of(TRACES, [span(frame, n) for n in range(20)])
            published = Snapshot(frame - 1, frame, {TRACES.name: rows})
            engine.insert(TRACES, rows, token=str(frame))
            published = Snapshot(frame, frame)
    finally:
        done.set()
        for reader in readers:
            reader.join(60)
    place.remove()
    assert reads > 0
    assert not wrong


class _Interrupting(Mapping[str, object]):
    """Parameters at whose reading, in the middle of a query, something else happens once."""

    def __init__(self, happen: Callable[[], None]) -> None:
        self._happen = [happen]

    def __getitem__(self, key: str) -> object:
        return {"x": 1}[key]

    def __iter__(self) -> Iterator[str]:
        while self._happen:
            self._happen.pop()()
        return iter(["x"])

    def __len__(self) -> int:
        return 1


def test_an_insert_that_begins_during_a_query_is_not_seen(engine: Engine) -> None:
    engine.insert(TRACES, rows_of(TRACES, [span(1)]), token="1")

    def insert() -> None:
        engine.insert(TRACES, rows_of(TRACES, [span(2)]), token="2")

    answer = engine.query(
        "SELECT Frame FROM @spans WHERE {x:UInt8} = 1",
        snapshot=Snapshot(1, 1),
        scans={"spans": SPANS},
        parameters=_Interrupting(insert),
    )
    assert answer.column("Frame").to_pylist() == [1]
    assert _count(engine) == 2


def _sample(column: Column) -> object:
    """A value that its type's default is not."""
    simple: Mapping[str, object] = {
        "String": "naïve 'text' \\ \n\t\u2028",
        "LowCardinality(String)": "word",
        "DateTime64(9)": MORNING + 123_456_789,
        "Map(LowCardinality(String), String)": [("a", "1"), ("b", ""), ("ключ", "=")],
        "Map(LowCardinality(String), LowCardinality(String))": [("a", "1"), ("b", "1")],
        "Bool": True,
        "Float64": -1.5,
        "Int32": -7,
        "UInt8": 255,
        "UInt32": 4_000_000_000,
        "UInt64": (1 << 64) - 1,
    }
    if column.type.startswith("Array("):
        inner = column.type.removeprefix("Array(").removesuffix(")")
        return [simple[inner], simple[inner]]
    return simple[column.type]


def _samples(table: Table) -> list[dict[str, Any]]:
    """A row with something in every column, and rows with little."""
    full = {c.name: _sample(c) for c in table.columns}
    return [{**full, "Frame": 1}, {"Frame": 1}, {**full, "Frame": 1, "ServiceName": "other"}]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_hot_rows_look_like_stored_rows_in_every_column(place: Place, table: Table) -> None:
    """The same rows are read stored and then hot, from a table sliced and in chunks."""
    engine = place.open([table])
    rows = rows_of(table, _samples(table))
    derived = (definition.split()[0] for definition in table.derived)
    computed = (*(m.name for m in table.materialized), *(a.name for a in table.aliases))
    names = (*(f"`{c.name}`" for c in table.columns), *computed, *derived)
    scan = Scan(table, names)
    sql = "SELECT * FROM @rows ORDER BY ServiceName, cityHash64(ResourceAttributes)"
    hot = pa.concat_tables([rows.slice(0, 1), rows.slice(1)])
    place.flush = lambda: engine.insert(table, hot, token="hot")
    as_hot = engine.query(sql, snapshot=Snapshot(0, 1, {table.name: hot}), scans={"rows": scan})
    engine.insert(table, rows, token="hot")
    as_stored = engine.query(sql, snapshot=Snapshot(1, 1), scans={"rows": scan})
    assert as_hot.schema == as_stored.schema
    assert as_hot.num_rows == 3
    assert as_hot.to_pylist() == as_stored.to_pylist()
    for column in table.columns:
        kept = as_stored.column(column.name).cast(rows.schema.field(column.name).type)
        given = rows.column(column.name).to_pylist()
        assert sorted(map(repr, kept.to_pylist())) == sorted(map(repr, given)), column.name


def test_a_star_stands_for_the_inserted_columns_on_both_sides(place: Place) -> None:
    engine = place.open()
    engine.insert(TRACES, rows_of(TRACES, [span(1)]), token="1")
    hot = rows_of(TRACES, [span(2)])
    place.flush = lambda: engine.insert(TRACES, hot, token="2")
    answer = _spans(engine, Snapshot(1, 2, {TRACES.name: hot}), Scan(TRACES, ("*",)))
    assert answer.column_names == [c.name for c in TRACES.columns]
    assert sorted(answer.column("Frame").to_pylist()) == [1, 2]


def test_attributes_are_found_by_item_on_disk_and_in_hot_rows(place: Place) -> None:
    engine = place.open()
    rows = {
        f: rows_of(TRACES, [span(f, n, SpanAttributes=[("user", str(n))]) for n in range(5)])
        for f in (1, 2)
    }
    engine.insert(TRACES, rows[1], token="1")
    place.flush = lambda: engine.insert(TRACES, rows[2], token="2")
    scan = Scan(TRACES, ("Frame",), where="has(SpanAttributeItems, {item:String})")
    answer = engine.query(
        "SELECT Frame FROM @spans ORDER BY Frame",
        snapshot=Snapshot(1, 2, {TRACES.name: rows[2]}),
        scans={"spans": scan},
        parameters={"item": "user=3"},
    )
    assert answer.column("Frame").to_pylist() == [1, 2]


@pytest.mark.parametrize("limit", [1, 10, 700, 10_000])
@pytest.mark.parametrize("direction", ["DESC", "ASC"])
@pytest.mark.parametrize("service", ["s3", "nobody"])
def test_a_limited_scan_finds_its_rows_among_many_hot_ones(
    place: Place, service: str, direction: str, limit: int
) -> None:
    """More hot rows than are read whole, in chunks; the last of them not acknowledged."""
    engine = place.open()
    spans = [
        span(1 + n // 100, n, ServiceName=f"s{n % 7}", SpanAttributes=[("n", str(n))])
        for n in range(5000)
    ]
    engine.insert(TRACES, rows_of(TRACES, spans[:1000]), token="1-10")
    hot = rows_of(TRACES, spans[1000:])
    place.flush = lambda: engine.insert(TRACES, hot, token="11-50")
    chunks = pa.Table.from_batches(hot.to_batches(max_chunksize=900))
    scan = Scan(
        TRACES,
        ("SpanAttributes['n'] AS n", "SpanAttributes", "Timestamp"),
        "ServiceName = {service:String}",
        order_by=f"Timestamp {direction}",
        limit=limit,
    )
    answer = engine.query(
        f"SELECT n FROM @spans ORDER BY Timestamp {direction} LIMIT {limit}",
        snapshot=Snapshot(flushed=10, acked=45, hot={TRACES.name: chunks}),
        scans={"spans": scan},
        parameters={"service": service},
    )
    seen = [n for n in range(4500) if f"s{n % 7}" == service]
    expected = (seen[::-1] if direction == "DESC" else seen)[:limit]
    assert [int(n) for n in answer.column("n").to_pylist()] == expected


def test_several_tables_are_read_in_one_query(place: Place) -> None:
    engine = place.open()
    spans = rows_of(TRACES, [span(2)])
    logs = rows_of(LOGS, [{"Frame": 1, "TraceId": span(2)["TraceId"], "Body": "hello"}])
    engine.insert(LOGS, logs, token="logs")

    def flush() -> None:
        engine.insert(TRACES, spans, token="spans")

    place.flush = flush
    hot_logs = rows_of(LOGS, [{"Frame": 2, "TraceId": span(2)["TraceId"], "Body": "again"}])
    snapshot = Snapshot(1, 2, {TRACES.name: spans, LOGS.name: hot_logs})
    if place.adapter != "chdb":
        engine.insert(LOGS, hot_logs, token="hot logs")
    answer = engine.query(
        "SELECT SpanName, Body FROM @spans AS s JOIN @logs AS l USING (TraceId) ORDER BY Body",
        snapshot=snapshot,
        scans={
            "spans": Scan(TRACES, ("TraceId", "SpanName")),
            "logs": Scan(LOGS, ("TraceId", "Body")),
        },
    )
    assert answer.column("Body").to_pylist() == ["again", "hello"]


# --- order, time, parameters --------------------------------------------------------------------


def test_late_rows_take_their_place_in_time(place: Place) -> None:
    """Newest first over three days, rows arriving in no order, the newest of all still hot."""
    engine = place.open()
    for frame, hour in enumerate((30, 2, 50, 1, 26, 49), start=1):
        time = MORNING + hour * 3_600_000_000_000
        engine.insert(TRACES, rows_of(TRACES, [span(frame, Timestamp=time)]), token=str(frame))
    hot = rows_of(TRACES, [span(7, Timestamp=MORNING + 60 * 3_600_000_000_000)])
    place.flush = lambda: engine.insert(TRACES, hot, token="7")
    newest = Scan(TRACES, ("Frame", "Timestamp"), order_by="Timestamp DESC", limit=4)
    answer = engine.query(
        "SELECT Frame FROM @spans ORDER BY Timestamp DESC LIMIT 4",
        snapshot=Snapshot(6, 7, {TRACES.name: hot}),
        scans={"spans": newest},
    )
    assert answer.column("Frame").to_pylist() == [7, 3, 6, 1]


def test_values_are_bound_as_they_are(engine: Engine) -> None:
    nasty = "it's \\ a\n\ttest {x:String} %s @spans ünï"
    engine.insert(TRACES, rows_of(TRACES, [span(1, StatusMessage=nasty)]), token="1")
    answer = engine.query(
        "SELECT StatusMessage AS m, {list:Array(String)} AS l, {big:UInt64} AS b FROM @spans",
        snapshot=ALL,
        scans={"spans": Scan(TRACES, ("StatusMessage",), where="StatusMessage = {m:String}")},
        parameters={"m": nasty, "list": [nasty, ""], "big": (1 << 64) - 1},
    )
    assert answer.to_pylist() == [{"m": nasty, "l": [nasty, ""], "b": (1 << 64) - 1}]


def test_an_answer_without_rows_still_has_its_columns(engine: Engine) -> None:
    answer = _spans(engine)
    assert answer.num_rows == 0
    assert answer.column_names == ["Frame", "SpanId", "Timestamp"]


def test_the_newest_frame_is_that_of_any_of_the_tables(engine: Engine) -> None:
    assert engine.newest_frame(SOME_TABLES) == 0
    engine.insert(TRACES, rows_of(TRACES, [span(9), span(4)]), token="spans")
    engine.insert(GAUGE, rows_of(GAUGE, [{"Frame": 12}, {"Frame": 3}]), token="points")
    assert engine.newest_frame([TRACES]) == 9
    assert engine.newest_frame(SOME_TABLES) == 12
    assert engine.newest_frame([]) == 0
