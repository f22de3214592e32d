"""What SQL of users gives: every acknowledged row, within limits, as documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.query.sql import EXAMPLES, get_sql_schema, run_sql
from clew.testing.requests import ids_of, logs_request, metrics_request, spans_request
from tests.conformance.ingested import AT, IngestedStore

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestedStore]:
    store = IngestedStore(tmp_path_factory.mktemp("sql"))
    ids = [ids_of(number) for number in range(1, 201)]
    store.add(
        Signal.TRACES, spans_request("shop", ids, start_ns=AT, attributes={"http.route": "/pay"})
    )
    logs = logs_request("shop", ["paid"], time_ns=AT)
    record = logs.resource_logs[0].scope_logs[0].log_records[0]
    record.trace_id, record.span_id = ids[0]
    store.add(Signal.LOGS, logs)
    store.add(Signal.METRICS, metrics_request("shop", "queue", [1, 2], time_ns=AT))
    yield store
    store.close()


def test_a_statement_sees_rows_that_were_still_hot(store: IngestedStore) -> None:
    store.add(Signal.LOGS, logs_request("late", ["just now"], time_ns=AT))
    answer = run_sql(store, "SELECT Body FROM otel_logs WHERE ServiceName = 'late'", 100)
    assert answer.rows == [{"Body": "just now"}]
    assert (answer.count, answer.total, answer.at_least, answer.truncated) == (1, 1, None, False)


def test_columns_carry_name_and_type_and_large_integers_are_text(store: IngestedStore) -> None:
    answer = run_sql(store, "SELECT 1 AS one, toUInt64(9007199254740993) AS large", 100)
    assert [(column.name, column.type) for column in answer.columns] == [
        ("one", "UInt8"),
        ("large", "UInt64"),
    ]
    assert answer.rows == [{"one": 1, "large": "9007199254740993"}]


@pytest.mark.parametrize("limit", [1, 99, 100, 101, 199])
def test_rows_past_the_limit_are_cut_and_it_is_said_that_there_are_more(
    store: IngestedStore, limit: int
) -> None:
    answer = run_sql(store, "SELECT SpanId FROM otel_traces ORDER BY SpanId", limit)
    assert [row["SpanId"] for row in answer.rows] == [f"{n:016x}" for n in range(1, limit + 1)]
    assert (answer.count, answer.total, answer.truncated) == (limit, None, True)
    assert answer.at_least == limit + 1


def test_as_many_rows_as_the_limit_are_all(store: IngestedStore) -> None:
    answer = run_sql(store, "SELECT SpanId FROM otel_traces", 200)
    assert (answer.count, answer.total, answer.truncated) == (200, 200, False)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_limit_out_of_bounds_is_refused(store: IngestedStore, limit: int) -> None:
    with pytest.raises(ClewError) as refused:
        run_sql(store, "SELECT 1", limit)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELEC 1", ErrorCode.INVALID_ARGUMENT),
        ("SELECT NoSuchColumn FROM otel_logs", ErrorCode.INVALID_ARGUMENT),
        ("DROP TABLE otel_logs", ErrorCode.FORBIDDEN),
        ("SELECT * FROM system.tables", ErrorCode.FORBIDDEN),
    ],
)
def test_what_does_not_run_or_is_not_allowed_is_said_so(
    store: IngestedStore, statement: str, code: ErrorCode
) -> None:
    with pytest.raises(ClewError) as refused:
        run_sql(store, statement, 100)
    assert refused.value.code is code


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_runs_and_finds_something(store: IngestedStore, example: str) -> None:
    # The records of this store are not of the last hour.
    statement = example.replace("Timestamp > now() - INTERVAL 1 HOUR", "1")
    assert run_sql(store, statement, 100).rows
    run_sql(store, example, 100)


def test_the_schema_names_columns_that_can_be_selected(store: IngestedStore) -> None:
    schema = get_sql_schema()
    assert (schema.count, schema.total, schema.truncated) == (7, 7, False)
    assert schema.examples == list(EXAMPLES)
    for table in schema.tables:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        answer = run_sql(store, f"SELECT {names} FROM {table.name}", 1)
        assert [column.name for column in answer.columns] == [c.name for c in table.columns]
