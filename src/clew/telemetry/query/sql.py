"""SQL of users over the real tables: read-only, walled in, and answered as a document."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from clew.store.engine.contract import QueryLimits
from clew.store.engine.schema import describe
from clew.telemetry import documents as doc
from clew.telemetry.query.parameters import LIMIT_MAX
from clew.telemetry.query.slices import check_limit
from clew.telemetry.tables import TABLES

if TYPE_CHECKING:
    from clew.telemetry.query.store import Store

TIME_MS_MAX: Final = 10_000
"""What a person waits for, and a scan of all columns of some million rows on two cores."""

MEMORY_BYTES_MAX: Final = 1_000_000_000
"""Room for a GROUP BY of millions of keys, and a small part of a laptop."""

_ROWS_STEPS: Final = (100, 1_000, LIMIT_MAX)
"""The engine keeps connections for a few sets of limits, so a limit is rounded up to one of these
and the answer is cut here."""

EXAMPLES: Final = (
    # Where the time goes.
    (
        "SELECT ServiceName, SpanName, count() AS spans, quantile(0.95)(Duration) / 1e6 AS p95_ms"
        " FROM otel_traces WHERE Timestamp > now() - INTERVAL 1 HOUR"
        " GROUP BY ServiceName, SpanName ORDER BY p95_ms DESC LIMIT 20"
    ),
    # What fails, minute by minute.
    (
        "SELECT toStartOfMinute(Timestamp) AS minute, ServiceName,"
        " countIf(StatusCode = 'Error') AS errors, count() AS spans"
        " FROM otel_traces GROUP BY minute, ServiceName ORDER BY minute DESC, errors DESC LIMIT 100"
    ),
    # One attribute; a key that a span lacks reads as the empty text.
    (
        "SELECT SpanAttributes['http.route'] AS route, count() AS spans,"
        " max(Duration) / 1e6 AS max_ms FROM otel_traces"
        " WHERE mapContains(SpanAttributes, 'http.route')"
        " GROUP BY route ORDER BY spans DESC LIMIT 20"
    ),
    # The slowest spans that wrote a log record, and what it said.
    (
        "SELECT t.Timestamp, t.ServiceName, t.SpanName, t.Duration / 1e6 AS ms,"
        " l.SeverityText, l.Body FROM otel_traces AS t"
        " JOIN otel_logs AS l ON l.TraceId = t.TraceId AND l.SpanId = t.SpanId"
        " ORDER BY t.Duration DESC LIMIT 20"
    ),
    # A gauge over time.
    (
        "SELECT toStartOfMinute(TimeUnix) AS minute, MetricName, avg(Value) AS mean"
        " FROM otel_metrics_gauge GROUP BY minute, MetricName ORDER BY minute DESC, MetricName"
        " LIMIT 100"
    ),
)
"""Statements to start from, one for each kind of question. They run as they are."""


def run_sql(store: Store, statement: str, limit: int) -> doc.SqlAnswer:
    """Return the first `limit` rows of a statement; it sees every record acknowledged before.

    `elapsed_ms` is the time of the statement alone, without the wait for what was not stored yet.

    Raises:
        ClewError: INVALID_ARGUMENT for what does not parse or run and a limit out of bounds,
            FORBIDDEN for what is not allowed, TIMEOUT and TOO_LARGE at a wall.
    """
    check_limit(limit)
    store.flush()
    rows_max = next(step for step in _ROWS_STEPS if step >= limit)
    started = time.perf_counter()
    answer = store.engine.query_untrusted(
        statement,
        limits=QueryLimits(
            time_ms_max=TIME_MS_MAX, memory_bytes_max=MEMORY_BYTES_MAX, rows_max=rows_max
        ),
    )
    elapsed = time.perf_counter() - started
    rows = [dict(row) for row in answer.rows[:limit]]
    is_truncated = answer.truncated or len(answer.rows) > limit
    return doc.SqlAnswer(
        rows=rows,
        columns=[doc.SqlColumn(name=column.name, type=column.type) for column in answer.columns],
        count=len(rows),
        total=None if is_truncated else len(rows),
        at_least=len(rows) + 1 if is_truncated else None,
        truncated=is_truncated,
        elapsed_ms=elapsed * 1000,
    )


def get_sql_schema() -> doc.SqlSchema:
    """Return the tables that SQL may read, computed columns included, with examples."""
    tables = [
        doc.TableSchema(
            name=table.name,
            columns=[
                doc.TableColumn(name=column.name, type=column.type, comment=column.comment)
                for column in table.columns
            ],
        )
        for table in describe(TABLES)
    ]
    return doc.SqlSchema(
        tables=tables,
        examples=list(EXAMPLES),
        count=len(tables),
        total=len(tables),
        truncated=False,
    )
