"""A query tier over records spread at random answers what one server with all of them answers."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clew.app.configuration.load import load
from clew.app.store import REGISTRY, STORED, declare_kinds
from clew.base.errors import ClewError, ErrorCode
from clew.lineage.ingest.told import LinkTally
from clew.lineage.parameters import ItemQuery, LineageQuery, PathQuery
from clew.lineage.service import StoredLineages
from clew.store.database.sqlite import SqliteDatabase
from clew.store.engine.contract import QueryLimits
from clew.store.engine.gathered import scans_of
from clew.store.engine.untrusted import CONCURRENT_MAX
from clew.store.table import Table
from clew.telemetry.analytics import parameters as look
from clew.telemetry.analytics.service import TelemetryAnalytics
from clew.telemetry.genai.parameters import AgentQuery, ConversationQuery, TranscriptQuery
from clew.telemetry.genai.prices import PriceBook
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.json_codec import parse_request
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query import parameters as ask
from clew.telemetry.query.service import TelemetryQuery
from clew.twin import documents as doc
from clew.twin import parameters as twin
from clew.twin.events import Order
from clew.twin.fold import Folded
from clew.twin.ingest.judge import ReferencePolicy
from clew.twin.registries.book import RegistryBook
from clew.twin.service import StoredTwins
from clew.twin.state.memory import Memory
from clew.twin.state.selection import Subject
from clew.twin.state.snapshots import Written, write_snapshots
from clew.twin.state.start import Known, Source
from tests.cumulative_data import make_cumulative, spread
from tests.integration.fingerprints import request_of, state_change
from tests.property.test_lineage_walk import Nobody
from tests.sharded_data import (
    Piece,
    compared,
    divide,
    make_change,
    make_pieces,
    scatter,
    trace_id,
)
from tests.tier_model import SHARDS, TierModel, View, open_model
from tests.trying import examples

TRACES: Final = 24
ALWAYS: Final = ("anomalies", "topology")
"""What takes the most steps, of which each could differ."""

ASKED: Final = 5
"""Further questions of one example, of 0.1 to 2 s of CPU each: a statement is asked of the whole,
of each shard, and once more of what those said."""

SEEDS: Final = st.integers(0, 2**32 - 1)


@dataclass(frozen=True, slots=True)
class Services:
    """What answers over one view of the store."""

    telemetry: TelemetryQuery
    analytics: TelemetryAnalytics
    genai: TelemetryGenAi
    twins: StoredTwins
    lineages: StoredLineages


@dataclass(frozen=True, slots=True)
class Town:
    """A store whole and in shards, what decodes records for it, and the time that it is there."""

    model: TierModel
    kinds: Mapping[Signal, Any]
    serve: Callable[[View], Services]
    remembering: StoredTwins
    now: int

    # Made anew for each question: what is remembered of one fill is not so of the next.

    @property
    def whole(self) -> Services:
        """What answers over all rows."""
        return self.serve(self.model.whole)

    @property
    def tier(self) -> Services:
        """What answers over shards."""
        return self.serve(self.model.tier)

    @property
    def start(self) -> int:
        return (self.now // 10**9 - 1200) * 10**9

    def decode(self, pieces: list[Piece], first: int) -> dict[str, list[pa.RecordBatch]]:
        """Return the rows of requests by table; their frames are numbered from `first`."""
        decoders = {signal: kind.open_decoder() for signal, kind in self.kinds.items()}
        for frame, piece in enumerate(pieces, start=first):
            signal = Signal(piece.path.rpartition("/")[2])
            body = parse_request(signal, json.dumps(piece.body).encode())
            decoded = decoders[signal].append(body, frame=frame, received=self.now, oldest=0)
            assert not decoded.rejected
        rows: dict[str, list[pa.RecordBatch]] = {}
        for decoder in decoders.values():
            for table, batch in decoder.finish().items():
                rows.setdefault(table, []).append(batch)
        return rows

    def spread(self, seed: int, shards: int) -> None:
        """Fill the store with random records, divided at random."""
        pieces = make_pieces(seed, self.start, TRACES) + make_change(seed, self.start)
        # Whole requests, or each record by itself: traces lie in one shard, or in all.
        chance = random.Random(seed)
        pieces = scatter(pieces) if chance.random() < 0.5 else pieces
        parts = divide(pieces, shards, seed)
        self.model.hold([self.decode(part, 1) for part in parts])


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("tier")
    now = time.time_ns()
    database = SqliteDatabase.open(folder, REGISTRY)
    book = RegistryBook.open(database, lambda: now, None, ReferencePolicy.OFF)
    configuration = load({}, environ={}, folder=folder).configuration
    kinds = declare_kinds(configuration, book, None, LinkTally())
    model = open_model(folder / "engine", STORED)

    def serve(view: View) -> Services:
        def clock() -> int:
            return now

        genai = TelemetryGenAi(view, clock, PriceBook())
        return Services(
            TelemetryQuery(view, clock),
            TelemetryAnalytics(view, clock, genai),
            genai,
            StoredTwins(view, book, clock),
            StoredLineages(view, Nobody(), dict, clock),
        )

    # As a tier has it: what was written down of objects is looked for.
    remembering = StoredTwins(Memory(model.tier, lambda: now).store, book, lambda: now)
    yield Town(model, kinds, serve, remembering, now)
    model.engine.close()
    database.close()


def window(town: Town) -> dict[str, Any]:
    seconds = town.start // 10**9
    return {"start": str(seconds), "end": str(seconds + 700)}


def halves(town: Town) -> dict[str, Any]:
    seconds = town.start // 10**9
    return {
        "start": str(seconds + 300),
        "end": str(seconds + 700),
        "baseline_start": str(seconds),
        "baseline_end": str(seconds + 300),
    }


Question = Callable[[Services, Town], object]


def series(name: str, aggregate: str) -> Question:
    return lambda on, town: on.telemetry.query_series(
        ask.SeriesQuery(
            **window(town),
            name=name,
            aggregate=aggregate,  # type: ignore[arg-type]
            step="60s",
            by=["http.route", "service"],
        )
    )


def attributes(signal: Any, **also: Any) -> Question:
    return lambda on, town: on.telemetry.list_attributes(
        ask.AttributeQuery(**window(town), signal=signal, **also)
    )


QUESTIONS: Final[Mapping[str, Question]] = {
    "spans": lambda on, town: on.telemetry.find_spans(
        ask.SpanQuery(**window(town), limit=500, count="exact")
    ),
    "failed spans": lambda on, town: on.telemetry.find_spans(
        ask.SpanQuery(**window(town), status="error", q="duration > 2ms or tenant = t1")
    ),
    "traces": lambda on, town: on.telemetry.find_traces(ask.SpanQuery(**window(town), limit=50)),
    "trace": lambda on, _: on.telemetry.get_trace(trace_id(4), typed=True),
    "logs": lambda on, town: on.telemetry.find_logs(
        ask.LogQuery(**window(town), limit=500, min_severity="warn", count="exact")
    ),
    "metrics": lambda on, town: on.telemetry.find_metrics(
        ask.MetricQuery(**window(town), limit=500)
    ),
    "metric": lambda on, town: on.telemetry.get_metric(
        "orders", ask.MetricParameters(**window(town))
    ),
    "a gauge": series("queue.length", "last"),
    "a median": series("queue.length", "p50"),
    "a maximum": series("queue.length", "max"),
    "a sum": series("orders", "sum"),
    "a rate": series("orders", "rate"),
    "a histogram": series("http.server.duration", "p95"),
    "services": lambda on, town: on.telemetry.list_services(ask.ServiceQuery(**window(town))),
    "operations": lambda on, town: on.telemetry.list_operations(
        ask.OperationQuery(**window(town), service="pay")
    ),
    "names": lambda on, _: (
        on.telemetry.name_services(),
        on.telemetry.name_operations("pay"),
        on.telemetry.suggest_services("shpo"),
        on.telemetry.suggest_attributes("tennant"),
    ),
    "attributes of spans": attributes("traces"),
    "attributes of logs": attributes("logs", prefix="t"),
    "attributes of metrics": attributes("metrics", service="pay"),
    "values": lambda on, town: on.telemetry.list_attribute_values(
        "tenant", ask.AttributeQuery(**window(town))
    ),
    "summary": lambda on, town: on.analytics.summarize(look.SummaryQuery(**window(town))),
    "density": lambda on, town: on.analytics.count_over_time(look.DensityQuery(**window(town))),
    "topology": lambda on, town: on.analytics.map_topology(look.TopologyQuery(**window(town))),
    "topology of one": lambda on, town: on.analytics.map_topology(
        look.TopologyQuery(**window(town), service="pay")
    ),
    "anomalies": lambda on, town: on.analytics.find_anomalies(look.AnomalyQuery(**halves(town))),
    "diff": lambda on, town: on.analytics.diff(look.DiffQuery(**halves(town))),
    "diff of two sets": lambda on, town: on.analytics.diff(
        look.DiffQuery(**halves(town), against="rest", bad="service = rates")
    ),
    "patterns": lambda on, town: on.analytics.list_patterns(look.PatternQuery(**window(town))),
    "conversations": lambda on, town: on.genai.list_conversations(
        ConversationQuery(**window(town))
    ),
    "conversations of one": lambda on, town: on.genai.list_conversations(
        ConversationQuery(**window(town), agent="scout", limit=2)
    ),
    "agents": lambda on, town: on.genai.list_agents(AgentQuery(**window(town))),
    "agents of one": lambda on, town: on.genai.list_agents(
        AgentQuery(**window(town), service="planner")
    ),
    "transcript": lambda on, _: on.genai.get_transcript("c3", TranscriptQuery()),
    "objects": lambda on, _: on.twins.find_objects(twin.ObjectQuery()),
    "an object": lambda on, _: on.twins.get_state("cart", "cart_2", twin.StateQuery()),
    "an object then": lambda on, town: on.twins.get_state(
        "cart", "cart_0", twin.StateQuery(at=str(town.start // 10**9 + 2))
    ),
    "events": lambda on, _: on.twins.find_events("cart", "cart_2", twin.TimelineQuery()),
    "values of a field": lambda on, _: on.twins.find_values(
        "cart", "cart_2", "items", twin.HistoryQuery()
    ),
    "touched": lambda on, _: on.twins.find_touched(trace_id(4), twin.TouchedQuery()),
    "processes": lambda on, _: on.twins.find_processes(twin.ProcessQuery()),
    "causes": lambda on, _: on.lineages.get_lineage("1004", LineageQuery()),
    "effects": lambda on, _: on.lineages.get_lineage("1000", LineageQuery(direction="down")),
    "path": lambda on, _: on.lineages.find_path(PathQuery(from_="1004", to="1000")),
    "items": lambda on, _: on.lineages.find_items(ItemQuery(trace_id="1004")),
}


@settings(
    max_examples=examples(3),
    # What is drawn is a seed: no smaller one is any simpler.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(
    seed=SEEDS,
    shards=st.integers(1, SHARDS),
    asked=st.permutations(sorted({*QUESTIONS} - {*ALWAYS})).map(lambda names: names[:ASKED]),
)
def test_a_tier_says_what_one_server_says(
    town: Town, seed: int, shards: int, asked: list[str]
) -> None:
    town.spread(seed, shards)
    for name in (*ALWAYS, *asked):
        question = QUESTIONS[name]
        assert said(question, town.tier, town) == said(question, town.whole, town), name


def said(question: Question, on: Services, town: Town) -> Any:
    """Return an answer as it would be told, or the error."""
    try:
        answer = question(on, town)
    except ClewError as error:
        return error.code, error.message
    return compared(json.loads(msgspec.json.encode(answer)))


COUNTED: Final = {
    "calls": ("rate",),
    "time": ("p95", "sum", "min", "rate"),
    "size": ("p50", "avg", "max", "count"),
}
"""Metrics of `make_cumulative`, and what each is asked for."""


@settings(
    # Two statements of each kind, each of which is asked of every side: four seconds of CPU.
    max_examples=examples(1),
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(
    seed=SEEDS,
    shards=st.integers(2, SHARDS),
    aggregates=st.tuples(*map(st.sampled_from, COUNTED.values())),
    by=st.sampled_from(([], ["service"], ["route", "service"])),
    # So that some of what is looked back to lies before the range.
    seconds=st.integers(0, 200),
)
def test_what_series_add_up_to_over_shards_is_what_it_is_on_one_server(
    town: Town, seed: int, shards: int, aggregates: tuple[str, ...], by: list[str], seconds: int
) -> None:
    parts = spread(seed, make_cumulative(seed, town.start), shards)
    town.model.hold([town.decode(part, 1) for part in parts])
    begin = town.start // 10**9 + seconds
    for name, aggregate in zip(COUNTED, aggregates, strict=True):
        query = ask.SeriesQuery(
            start=str(begin),
            end=str(begin + 420),
            name=name,
            aggregate=aggregate,  # type: ignore[arg-type]
            step="60s",
            by=by,
        )

        def series_of(on: Services, _: Town, query: ask.SeriesQuery = query) -> object:
            return on.telemetry.query_series(query)

        assert said(series_of, town.tier, town) == said(series_of, town.whole, town), name


STATEMENTS: Final = (
    "SELECT ServiceName, count() AS n, max(Duration) FROM otel_traces GROUP BY 1 ORDER BY 1",
    "SELECT uniqExact(TraceId), quantilesExact(0.5, 0.99)(Duration) FROM otel_traces",
    "SELECT SpanId, Duration FROM otel_traces WHERE ServiceName = 'pay' ORDER BY 2, 1 LIMIT 5",
    (
        "SELECT t.ServiceName, count() FROM otel_traces AS t JOIN otel_logs AS l"
        " ON l.TraceId = t.TraceId GROUP BY 1 ORDER BY 1"
    ),
    "SELECT MetricName, sum(Count) FROM otel_metrics_histogram GROUP BY MetricName",
)


@settings(
    max_examples=examples(2),
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(seed=SEEDS, shards=st.integers(2, SHARDS), statement=st.sampled_from(STATEMENTS))
def test_sql_over_shards_is_sql_over_one(
    town: Town, seed: int, shards: int, statement: str
) -> None:
    limits = QueryLimits(time_ms_max=30_000, rows_max=1000)
    rows = []
    for number in (shards, 1):
        town.spread(seed, number)
        answer = town.model.engine.query_untrusted(statement, limits=limits)
        rows.append([dict(row) for row in answer.rows])
    assert rows[0] == rows[1]
    assert rows[0]


PATIENT_S: Final = 60.0
COUNT: Final = "SELECT count() AS n FROM otel_traces"
LIMITS: Final = QueryLimits(time_ms_max=30_000, rows_max=1000)


def count_spans(town: Town, statement: str = COUNT) -> object:
    return town.model.engine.query_untrusted(statement, limits=LIMITS).rows[0]["n"]


@pytest.mark.parametrize(
    ("statement", "limits", "code"),
    [
        (
            "SELECT count() AS n FROM otel_traces, numbers(1000000000000) AS m",
            QueryLimits(time_ms_max=300),
            ErrorCode.TIMEOUT,
        ),
        (
            "SELECT groupArray(t.SpanAttributes) FROM otel_traces AS t, numbers(1000000) AS m",
            QueryLimits(time_ms_max=30_000, memory_bytes_max=1 << 23),
            ErrorCode.TOO_LARGE,
        ),
        ("SELECT nothing FROM otel_traces", LIMITS, ErrorCode.INVALID_ARGUMENT),
    ],
    ids=["too long", "too much", "wrong"],
)
def test_rows_of_a_statement_are_gone_however_it_ends(
    town: Town, statement: str, limits: QueryLimits, code: ErrorCode
) -> None:
    engine = town.model.engine
    town.spread(3, 2)
    assert count_spans(town)
    with pytest.raises(ClewError) as told:
        engine.query_untrusted(statement, limits=limits)
    assert told.value.code is code
    town.model.hold([])
    # Whether it names its table alone, or the database too.
    assert count_spans(town) == count_spans(town, COUNT.replace("otel_traces", "otel.otel_traces"))
    assert count_spans(town) == 0
    assert sum(size.rows for size in engine.measure(town.model.tables)) == 0


def test_a_statement_sees_the_rows_that_were_gathered_for_it_and_no_others(town: Town) -> None:
    town.spread(3, 1)
    expected = count_spans(town)
    seen: list[object] = []
    place = town.model.places.here["s0"]

    def ask_between() -> None:
        place.before_scans = lambda: None
        seen.extend((count_spans(town), count_spans(town, "SELECT 7 AS n")))

    place.before_scans = ask_between
    assert count_spans(town) == expected
    assert seen == [expected, 7]


def test_no_more_statements_gather_rows_at_once_than_run_at_once(town: Town) -> None:
    town.spread(3, 1)
    place = town.model.places.here["s0"]
    gathering, go_on = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        gathering.release()
        assert go_on.wait(PATIENT_S)

    place.before_scans = hold
    try:
        with ThreadPoolExecutor(CONCURRENT_MAX) as threads:
            begun = [threads.submit(count_spans, town) for _ in range(CONCURRENT_MAX)]
            try:
                for _ in begun:
                    assert gathering.acquire(timeout=PATIENT_S)
                with pytest.raises(ClewError, match="statements are running already") as told:
                    count_spans(town)
            finally:
                go_on.set()
            assert len({each.result() for each in begun}) == 1
    finally:
        place.before_scans = lambda: None
    assert (told.value.code, told.value.retry_after_ms) == (ErrorCode.OVERLOADED, 1000)
    assert not gathering.acquire(blocking=False)


@pytest.mark.parametrize(
    "statement",
    [
        # Without its database the name would be that of what WITH gives.
        "WITH otel_traces AS (SELECT 1) SELECT * FROM otel.otel_traces",
        "SELECT otel.otel_traces FROM (SELECT 1 AS otel_logs) AS otel, otel.otel_traces AS t",
    ],
)
def test_a_name_that_means_another_thing_without_its_database_is_refused(
    town: Town, statement: str
) -> None:
    with pytest.raises(ClewError) as told:
        town.model.engine.query_untrusted(statement, limits=LIMITS)
    assert told.value.code is ErrorCode.INVALID_ARGUMENT


DAY: Final = 86_400 * 10**9


class Kept:
    """An engine that keeps the rows of snapshots in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, list[pa.RecordBatch]] = {}

    def insert(self, table: Table, rows: pa.Table, *, token: str) -> None:
        assert token
        self.rows.setdefault(table.name, []).extend(rows.to_batches())


def baseline(town: Town, at: int, kept_from: int, **state: int) -> dict[str, list[pa.RecordBatch]]:
    """Return the rows of a shard whose events of an object are gone: what they came to."""
    place = Order(at, 0, f"gone-{at}")
    folded = Folded(exists=True, state=dict(state), version=2, created_at=at, last=place)
    known = Known(folded, Source(place.event_id, at, "", "", ""))
    subject = Subject("ShoppingCart", "apart")
    kept = Kept()
    written = Written(subject, known, 7, {}, at, kept_from=kept_from, first_at=at, service="shop")
    write_snapshots(kept, [written], now=town.now)  # type: ignore[arg-type]
    return kept.rows


def change(town: Town, at: int, frame: int, **state: int) -> dict[str, list[pa.RecordBatch]]:
    """Return the rows of a shard that has one event of that object."""
    decoder = town.kinds[Signal.LOGS].open_decoder()
    record = state_change("apart", at, 0, **state)
    decoder.append(request_of([record]), frame=frame, received=town.now, oldest=0)
    return {table: [batch] for table, batch in decoder.finish().items()}


def both(*parts: dict[str, list[pa.RecordBatch]]) -> dict[str, list[pa.RecordBatch]]:
    tables = set(chain(*parts))
    return {name: [row for part in parts for row in part.get(name, [])] for name in tables}


@pytest.mark.parametrize("first", [0, 1])
def test_what_stands_for_events_that_are_gone_is_told_where_shards_have_a_part_each(
    town: Town, first: int
) -> None:
    kept_from = town.now - 30 * DAY
    old, older, new = kept_from - DAY, kept_from - 2 * DAY, town.now - DAY
    here = both(baseline(town, old, kept_from, a=1, b=1), change(town, new, 9, d=4))

    def ask_state(there: dict[str, list[pa.RecordBatch]]) -> doc.TwinState:
        town.model.hold([here, there] if first == 0 else [there, here])
        alone = town.remembering.get_state("ShoppingCart", "apart", twin.StateQuery())
        asked = twin.StatesQuery(objects=[("ShoppingCart", "apart")])
        (together,) = town.remembering.get_states(asked).states
        assert (together.state, together.warnings) == (alone.state, alone.warnings)
        return alone

    apart = ask_state(baseline(town, older, kept_from, b=2, c=3))
    assert apart.state == {"a": 1, "b": 1, "c": 3, "d": 4}
    assert (apart.version, [each.code for each in apart.warnings]) == (5, ["events_apart"])
    # A shard that keeps its events for longer: those cannot be put among what is gone.
    kept = ask_state(change(town, older, 3, b=2, c=3))
    assert kept.state == {"a": 1, "b": 1, "d": 4}
    assert [each.code for each in kept.warnings] == ["events_expired"]
    # Events of the time that is kept count wherever they are.
    fresh = ask_state(change(town, new + 1, 3, c=3))
    assert (fresh.state, fresh.warnings) == ({"a": 1, "b": 1, "c": 3, "d": 4}, [])


@pytest.mark.parametrize(
    ("clauses", "where", "limit"),
    [
        ("WHERE Duration > 1 LIMIT 5", "Duration > 1", 5),
        # One row in ten of one row in ten would be left.
        ("WHERE rand() % 10 = 0", "1", None),
        ("WHERE Duration > 1 AND generateUUIDv4() != generateUUIDv4(1)", "1", None),
        ("WHERE Duration > 1 ORDER BY rand(Duration) LIMIT 5", "Duration > 1", None),
        # Shards have frames of their own.
        ("ORDER BY Frame DESC LIMIT 5", "1", 5),
        ("ORDER BY Frame % 7 LIMIT 5", "1", None),
    ],
)
def test_what_another_server_may_see_otherwise_is_decided_here(
    town: Town, clauses: str, where: str, limit: int | None
) -> None:
    engine = town.model.engine
    tables = {table.name: table for table in town.model.tables}
    ((tree, text),) = engine.parse([f"SELECT Duration FROM otel_traces {clauses}"])
    scan = scans_of(tree, text, tables, engine.parse)["otel_traces"]
    assert (scan.where, scan.limit) == (where, limit)
