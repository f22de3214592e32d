"""The peer: the OpenTelemetry ClickHouse exporter's own tables, in the same engine, same rows.

The exporter's default schema as its contrib release has it: ordered by service, span name and
time; bloom filters on trace id and on the keys and values of the maps; a materialised view from
trace id to time bounds. Column names and types are ours (`clew.telemetry.tables`), less what we
add. Queries are asked as its users ask them (Grafana's data source): ``SpanAttributes['k'] = 'v'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.telemetry.tables import LOGS, SUM, TRACES

if TYPE_CHECKING:
    from clew.store.table import Column, Table

DATABASE: Final = "peer"

_TOKENS: Final = "tokenbf_v1(32768, 3, 0)"

_OURS: Final = {"ScopeAttributes", "ObservedTimestamp", "EventName", "Residue", "Frame"}
"""Columns that the exporter's table of the same name does not have (spans; logs)."""


def _bloom(name: str, expression: str, rate: str = "0.01") -> str:
    return f"INDEX {name} {expression} TYPE bloom_filter({rate}) GRANULARITY 1"


def _map_blooms(**columns: str) -> list[str]:
    return [
        _bloom(f"idx_{short}_attr_{part.lower()}", f"map{part}s({column})")
        for short, column in columns.items()
        for part in ("Key", "Value")
    ]


def columns(table: Table) -> list[Column]:
    """Return those of our columns that the exporter's table has too."""
    ours = _OURS - ({"ScopeAttributes"} if table is not TRACES else set())
    return [column for column in table.columns if column.name not in ours]


def tables() -> list[str]:
    """Return the statements that make the exporter's tables of spans, logs and sums."""
    return [
        f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE=Atomic",
        _create(
            TRACES,
            [
                _bloom("idx_trace_id", "TraceId", "0.001"),
                *_map_blooms(res="ResourceAttributes", span="SpanAttributes"),
                "INDEX idx_duration Duration TYPE minmax GRANULARITY 1",
                f"INDEX idx_lower_span_name lower(SpanName) TYPE {_TOKENS} GRANULARITY 8",
            ],
            "PARTITION BY toDate(Timestamp) "
            "PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp)) "
            "ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)",
        ),
        (
            f"CREATE TABLE {DATABASE}.otel_traces_trace_id_ts (TraceId String CODEC(ZSTD(1)), "
            "Start SimpleAggregateFunction(min, DateTime) CODEC(ZSTD(1)), "
            "End SimpleAggregateFunction(max, DateTime) CODEC(ZSTD(1))) ENGINE = MergeTree "
            "PARTITION BY toStartOfWeek(Start) ORDER BY TraceId"
        ),
        (
            f"CREATE MATERIALIZED VIEW {DATABASE}.otel_traces_trace_id_ts_mv "
            f"TO {DATABASE}.otel_traces_trace_id_ts AS "
            "SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End "
            f"FROM {DATABASE}.otel_traces WHERE TraceId != '' GROUP BY TraceId"
        ),
        _create(
            LOGS,
            [
                _bloom("idx_trace_id", "TraceId", "0.001"),
                *_map_blooms(
                    res="ResourceAttributes", scope="ScopeAttributes", log="LogAttributes"
                ),
                f"INDEX idx_body Body TYPE {_TOKENS} GRANULARITY 8",
                "INDEX idx_body_ngrambf Body TYPE ngrambf_v1(4, 32768, 3, 0) GRANULARITY 1",
            ],
            "PARTITION BY toDate(TimestampTime) PRIMARY KEY (ServiceName, TimestampTime) "
            "ORDER BY (ServiceName, TimestampTime, Timestamp)",
            extra=["TimestampTime DateTime DEFAULT toDateTime(Timestamp)"],
        ),
        _create(
            SUM,
            _map_blooms(res="ResourceAttributes", scope="ScopeAttributes")
            + [_bloom(f"idx_attr_{p.lower()}", f"map{p}s(Attributes)") for p in ("Key", "Value")],
            "PARTITION BY toDate(TimeUnix) "
            "ORDER BY (ServiceName, MetricName, Attributes, toUnixTimestamp64Nano(TimeUnix))",
        ),
    ]


def _create(table: Table, indexes: list[str], layout: str, extra: list[str] | None = None) -> str:
    # Its codecs are ours but for one: it keeps attributes of spans at the fastest level too.
    stored = [
        f"`{column.name}` {column.type} CODEC({column.codec.replace('ZSTD(3)', 'ZSTD(1)')})"
        for column in columns(table)
    ]
    body = ", ".join([*stored, *(extra or []), *indexes])
    return (
        f"CREATE TABLE IF NOT EXISTS {DATABASE}.{table.name} ({body}) ENGINE = MergeTree {layout} "
        "SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1"
    )
