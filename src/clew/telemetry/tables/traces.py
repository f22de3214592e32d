"""The table of spans."""

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

# Rows are ordered by time alone: every "newest first" search reads in order and stops early,
# and the spans of a trace lie together, which halves what their ids cost (measured).
TRACES = Table(
    name="otel_traces",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)"),
        Column("TraceId", "String"),
        Column("SpanId", "String"),
        Column("ParentSpanId", "String"),
        Column("TraceState", "String"),
        Column("SpanName", "LowCardinality(String)"),
        Column("SpanKind", "LowCardinality(String)"),
        Column("ServiceName", "LowCardinality(String)"),
        Column("ResourceAttributes", ATTRIBUTES),
        Column("ScopeName", "String"),
        Column("ScopeVersion", "String"),
        Column("ScopeAttributes", ATTRIBUTES),
        Column("SpanAttributes", ATTRIBUTES, "ZSTD(3)"),
        Column("Duration", "UInt64", "T64, ZSTD(1)"),
        Column("StatusCode", "LowCardinality(String)"),
        Column("StatusMessage", "String"),
        Column("Events.Timestamp", "Array(DateTime64(9))"),
        Column("Events.Name", "Array(LowCardinality(String))"),
        Column("Events.Attributes", f"Array({ATTRIBUTES})"),
        Column("Links.TraceId", "Array(String)"),
        Column("Links.SpanId", "Array(String)"),
        Column("Links.TraceState", "Array(String)"),
        Column("Links.Attributes", f"Array({ATTRIBUTES})"),
        RESIDUE,
        FRAME,
    ),
    aliases=(
        attribute_items("ResourceAttributes", "ResourceAttributeItems"),
        attribute_items("SpanAttributes", "SpanAttributeItems"),
    ),
    indexes=(
        "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX idx_res_attr_items ResourceAttributeItems TYPE text(tokenizer='array')",
        "INDEX idx_span_attr_items SpanAttributeItems TYPE text(tokenizer='array')",
        "INDEX idx_duration Duration TYPE minmax GRANULARITY 1",
        FRAME_INDEX,
    ),
    order_by="(Timestamp)",
    settings=SETTINGS,
)
