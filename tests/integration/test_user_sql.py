"""Statements that users write, against a real engine: they work, and their values arrive whole."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine import untrusted
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import QueryLimits, UntrustedAnswer
from clew.store.engine.guard import STATEMENT_BYTES_MAX
from clew.store.engine.schema import as_text, describe
from clew.telemetry.tables import GAUGE, LOGS, TABLES, TRACES
from tests.conformance.engine_rows import MORNING, rows_of, span

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = QueryLimits(time_ms_max=20_000, memory_bytes_max=1 << 30, rows_max=100)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    engine = ChdbEngine(tmp_path_factory.mktemp("user"))
    engine.create(TABLES)
    spans = [
        span(
            1,
            n,
            ServiceName=("shop", "bank", "post")[n % 3],
            SpanName="pay" if n % 2 else "list",
            Duration=n * 1_000_000,
            StatusCode="Error" if n == 5 else "Ok",
            SpanAttributes=[("user", str(n % 4)), ("http.route", "/a")],
            **{"Events.Timestamp": [MORNING], "Events.Name": ["log"], "Events.Attributes": [[]]},
        )
        for n in range(12)
    ]
    engine.insert(TRACES, rows_of(TRACES, spans), token="spans")
    logs = [
        {"Timestamp": MORNING + n, "TraceId": span(1)["TraceId"], "Body": f"line {n}", "Frame": 1}
        for n in range(3)
    ]
    engine.insert(LOGS, rows_of(LOGS, logs), token="logs")
    points = [{"MetricName": "cpu", "Value": n / 2, "Frame": 1} for n in range(4)]
    engine.insert(GAUGE, rows_of(GAUGE, points), token="points")
    yield engine
    engine.close()


def _ask(engine: ChdbEngine, sql: str, limits: QueryLimits = LIMITS) -> UntrustedAnswer:
    return engine.query_untrusted(sql, limits=limits)


def _values(engine: ChdbEngine, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in _ask(engine, sql).rows]


BY_SERVICE = (
    "SELECT ServiceName, count() FROM otel_traces GROUP BY ServiceName ORDER BY ServiceName"
)

WORKING: list[tuple[str, list[tuple[Any, ...]]]] = [
    ("SELECT count() FROM otel_traces", [(12,)]),
    ("select COUNT(*) from otel.otel_traces;", [(12,)]),
    (BY_SERVICE, [("bank", 4), ("post", 4), ("shop", 4)]),
    ("SELECT countIf(StatusCode = 'Error'), max(Duration) FROM otel_traces", [(1, 11_000_000)]),
    ("SELECT SpanName FROM otel_traces ORDER BY Timestamp DESC LIMIT 1", [("pay",)]),
    ("SELECT SpanAttributes['user'] AS u FROM otel_traces WHERE Duration = 3000000", [("3",)]),
    ("SELECT count() FROM otel_traces WHERE has(SpanAttributeItems, 'user=2')", [(3,)]),
    ("SELECT count() FROM otel_traces WHERE SpanAttributes['user'] = '2'", [(3,)]),
    ("SELECT uniqExact(SpanId), any(TraceId) FROM otel_traces", [(12, span(1)["TraceId"])]),
    ("WITH 2 AS k SELECT k + 1 AS next", [(3,)]),
    (
        (
            "WITH e AS (SELECT SpanId FROM otel_traces WHERE StatusCode = 'Error')"
            " SELECT count() FROM e"
        ),
        [(1,)],
    ),
    (
        (
            "WITH e AS (SELECT TraceId FROM otel_traces) SELECT count() FROM"
            " otel_logs WHERE TraceId IN e"
        ),
        [(3,)],
    ),
    ("SELECT count() FROM otel_logs WHERE TraceId IN (SELECT TraceId FROM otel_traces)", [(3,)]),
    ("SELECT count() FROM otel_logs l JOIN otel_traces t ON l.TraceId = t.TraceId", [(36,)]),
    ("SELECT count() FROM otel_logs AS l, otel_traces AS t WHERE l.TraceId = t.TraceId", [(36,)]),
    ("SELECT 1 UNION ALL SELECT 1", [(1,), (1,)]),
    ("SELECT 1 INTERSECT SELECT 1", [(1,)]),
    ("SELECT n FROM (SELECT number AS n FROM numbers(3)) ORDER BY n DESC", [(2,), (1,), (0,)]),
    (
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 4)"
            " SELECT sum(n) FROM r"
        ),
        [(10,)],
    ),
    (
        (
            "SELECT row_number() OVER (PARTITION BY ServiceName ORDER BY Duration DESC) AS r,"
            " Duration FROM otel_traces QUALIFY r = 1 ORDER BY Duration"
        ),
        [(1, 9_000_000), (1, 10_000_000), (1, 11_000_000)],
    ),
    ("SELECT count() FROM otel_traces ARRAY JOIN `Events.Name` AS e WHERE e = 'log'", [(12,)]),
    ("SELECT arrayMap(x -> x * 2, [1, 2])", [([2, 4],)]),
    ("SELECT arrayMap(upper, ['a'])", [(["A"],)]),
    ("WITH (x -> x + 1) AS f SELECT arrayMap(f, [1])", [([2],)]),
    ("SELECT toDate(min(Timestamp)) FROM otel_traces", [("2026-10-01",)]),
    (
        (
            "SELECT toStartOfInterval(Timestamp, INTERVAL 1 HOUR) AS h, count()"
            " FROM otel_traces GROUP BY h"
        ),
        [("2026-10-01T00:00:00Z", 12)],
    ),
    (
        "SELECT sum(Value), avgOrNull(Value) FROM otel_metrics_gauge WHERE MetricName = 'cpu'",
        [(3, 0.75)],
    ),
    ("SELECT max(TimestampTime) FROM otel_logs", [("2026-10-01T00:00:00Z",)]),
    ("SELECT CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END, if(1, 2, 3), 1 ? 2 : 3", [("b", 2, 2)]),
    ("SELECT 'file(''x''); DROP TABLE t' -- and a comment", [("file('x'); DROP TABLE t",)]),
    ("SELECT file AS version FROM (SELECT 'a' AS file) WHERE length(file) = 1", [("a",)]),
    ("SELECT extract(Body, '[0-9]+') FROM otel_logs WHERE Body LIKE '%2'", [("2",)]),
    ("SELECT JSONExtractString('{\"a\": \"b\"}', 'a'), '{\"a\":1}'::JSON.a", [("b", 1)]),
    ("FROM otel_logs SELECT count()", [(3,)]),
    (
        "SELECT ServiceName, count() FROM otel_traces GROUP BY ALL ORDER BY ALL LIMIT 1",
        [("bank", 4)],
    ),
    ("SELECT count() FROM otel_traces PREWHERE Duration > 5e6 WHERE SpanName = 'pay'", [(3,)]),
]


@pytest.mark.parametrize(("sql", "rows"), WORKING, ids=[sql for sql, _ in WORKING])
def test_an_ordinary_statement_works(
    engine: ChdbEngine, sql: str, rows: list[tuple[Any, ...]]
) -> None:
    assert _values(engine, sql) == rows


def test_every_column_can_be_read(engine: ChdbEngine) -> None:
    for table in TABLES:
        names = [c.name for c in _ask(engine, f"SELECT * FROM {table.name}").columns]
        assert names[: len(table.columns)] == [c.name for c in table.columns]


VALUES = [
    ("toDateTime64('2026-01-02 03:04:05.123456789', 9)", "2026-01-02T03:04:05.123456789Z"),
    ("toDateTime64('2026-01-02 03:04:05', 3, 'Asia/Tokyo')", "2026-01-01T18:04:05.000Z"),
    ("toDateTime('2026-01-02 03:04:05')", "2026-01-02T03:04:05Z"),
    ("toDate('2026-01-02')", "2026-01-02"),
    ("9007199254740992", 9007199254740992),
    ("9007199254740993", "9007199254740993"),
    ("-9007199254740993", "-9007199254740993"),
    ("toUInt256(2) * 18446744073709551615", "36893488147419103230"),
    ("toDecimal128('1.50', 2)", "1.5"),
    ("0.1", 0.1),
    ("1e300", 1e300),
    ("nan", "nan"),
    ("-inf", "-inf"),
    ("toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
    ("toIPv4('10.0.0.1')", "10.0.0.1"),
    ("toIPv6('::1')", "::1"),
    ("true", True),
    ("NULL", None),
    ("'naïve \u2028 \u0085 \"q\" \\n'", 'naïve \u2028 \u0085 "q" \n'),
    ("unhex('61ff62')", "a\ufffdb"),
    ("map('a', 18446744073709551615)", {"a": "18446744073709551615"}),
    ("(1, 'a', [NULL, 2])", [1, "a", [None, 2]]),
    ("CAST((1, 2), 'Tuple(a UInt8, b UInt8)')", {"a": 1, "b": 2}),
    ("CAST('b', 'Enum8(\\'a\\' = 1, \\'b\\' = 2)')", "b"),
    ("toLowCardinality('x')", "x"),
]


@pytest.mark.parametrize(("sql", "value"), VALUES, ids=[sql for sql, _ in VALUES])
def test_a_value_arrives_whole(engine: ChdbEngine, sql: str, value: object) -> None:
    answer = _ask(engine, f"SELECT {sql} AS v")
    assert list(answer.rows) == [{"v": value}]
    json.dumps(list(answer.rows), allow_nan=False)


def test_columns_have_types_and_names_of_their_own(engine: ChdbEngine) -> None:
    answer = _ask(engine, "SELECT 1, 1, 'a' AS `1_2`, Timestamp FROM otel_traces LIMIT 1")
    assert [(c.name, c.type) for c in answer.columns] == [
        ("1", "UInt8"),
        ("1_2", "UInt8"),
        ("1_2_2", "String"),
        ("Timestamp", "DateTime64(9)"),
    ]
    assert len(answer.rows[0]) == 4


@pytest.mark.parametrize("tail", ["", " ORDER BY number", " LIMIT 1000", " UNION ALL SELECT 1"])
def test_an_answer_says_that_there_is_more(engine: ChdbEngine, tail: str) -> None:
    answer = _ask(engine, f"SELECT number FROM numbers(500000){tail}")
    assert len(answer.rows) == LIMITS.rows_max
    assert answer.truncated


def test_an_answer_of_just_so_many_rows_is_whole(engine: ChdbEngine) -> None:
    answer = _ask(engine, f"SELECT number FROM numbers({LIMITS.rows_max})")
    assert len(answer.rows) == LIMITS.rows_max
    assert not answer.truncated
    assert not _ask(engine, "SELECT 1 WHERE 0").rows


def test_an_empty_answer_has_its_columns(engine: ChdbEngine) -> None:
    answer = _ask(engine, "SELECT SpanName FROM otel_traces WHERE SpanName = 'never'")
    assert [c.name for c in answer.columns] == ["SpanName"]
    assert not answer.truncated


def test_a_plan_can_be_asked_for(engine: ChdbEngine) -> None:
    plan = _values(
        engine, "EXPLAIN indexes = 1 SELECT count() FROM otel_traces WHERE TraceId = 'x'"
    )
    assert any("idx_trace_id" in line for (line,) in plan)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM otel_traces", "unknown expression identifier `nope`"),
        ("SELECT toUInt8('x')", "annot parse"),
        ("SELECT 1 + 'a'", "llegal types"),
        ("SELECT SpanName, count() FROM otel_traces", "not under aggregate"),
    ],
)
def test_a_mistake_is_explained(engine: ChdbEngine, sql: str, message: str) -> None:
    with pytest.raises(ClewError) as caught:
        _ask(engine, sql)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert message in caught.value.message


def test_too_long_a_statement_is_refused_unparsed(engine: ChdbEngine) -> None:
    with pytest.raises(ClewError) as caught:
        _ask(engine, f"SELECT '{'x' * STATEMENT_BYTES_MAX}'")
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_too_much_text_in_an_answer_is_refused(engine: ChdbEngine) -> None:
    with pytest.raises(ClewError) as caught:
        _ask(engine, "SELECT repeat('x', 1000000) FROM numbers(90)")
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_more_statements_than_may_run_at_once_are_told_to_wait(
    engine: ChdbEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others hold every turn, for as long as it takes to see that one more finds none."""
    monkeypatch.setattr(untrusted, "WAIT_SECONDS", 0.1)
    turns = engine._untrusted._turns
    with ExitStack() as held:
        for _ in range(untrusted.CONCURRENT_MAX):
            held.enter_context(turns)
        with pytest.raises(ClewError) as caught:
            _ask(engine, "SELECT 1")
        assert caught.value.code is ErrorCode.OVERLOADED
    assert _values(engine, "SELECT 1") == [(1,)]
    # A statement that is ended by its time limit gives its turn back as well.
    limits = QueryLimits(time_ms_max=200, memory_bytes_max=1 << 28, rows_max=1)
    with pytest.raises(ClewError) as caught:
        _ask(engine, "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)", limits)
    assert caught.value.code is ErrorCode.TIMEOUT
    assert turns._value == untrusted.CONCURRENT_MAX


def test_the_schema_names_every_column_with_its_type() -> None:
    text = as_text(describe(TABLES))
    for table in TABLES:
        assert f"CREATE TABLE {table.name} (" in text
    assert "    SpanAttributes Map(LowCardinality(String), String)," in text
    assert '    "Events.Name" Array(LowCardinality(String)),' in text
    assert "    SpanAttributeItems Array(String)," in text
    assert "    TimestampTime DateTime," in text
