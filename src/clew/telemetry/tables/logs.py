"""The table of log records."""

from __future__ import annotations

from clew.store.table import Column, Table
from clew.telemetry.tables.columns import (
    ATTRIBUTES,
    FRAME,
    FRAME_INDEX,
    RESIDUE,
    SETTINGS,
    attribute_items,
)

LOGS = Table(
    name="otel_logs",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)"),
        Column("ObservedTimestamp", "DateTime64(9)", "Delta(8), ZSTD(1)"),
        Column("TraceId", "String"),
        Column("SpanId", "String"),
        Column("TraceFlags", "UInt8"),
        Column("SeverityText", "LowCardinality(String)"),
        Column("SeverityNumber", "UInt8"),
        Column("ServiceName", "LowCardinality(String)"),
        Column("Body", "String"),
        Column("ResourceSchemaUrl", "LowCardinality(String)"),
        Column("ResourceAttributes", ATTRIBUTES),
        Column("ScopeSchemaUrl", "LowCardinality(String)"),
        Column("ScopeName", "String"),
        Column("ScopeVersion", "LowCardinality(String)"),
        Column("ScopeAttributes", ATTRIBUTES),
        Column("LogAttributes", ATTRIBUTES),
        Column("EventName", "LowCardinality(String)"),
        RESIDUE,
        FRAME,
    ),
    derived=("TimestampTime DateTime DEFAULT toDateTime(Timestamp)",),
    aliases=(
        attribute_items("ResourceAttributes", "ResourceAttributeItems"),
        attribute_items("LogAttributes", "LogAttributeItems"),
    ),
    indexes=(
        "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX idx_res_attr_items ResourceAttributeItems TYPE text(tokenizer='array')",
        "INDEX idx_log_attr_items LogAttributeItems TYPE text(tokenizer='array')",
        "INDEX idx_body_ngrams lower(Body) TYPE ngrambf_v1(4, 32768, 3, 0) GRANULARITY 1",
        FRAME_INDEX,
    ),
    order_by="(Timestamp)",
    settings=SETTINGS,
)
