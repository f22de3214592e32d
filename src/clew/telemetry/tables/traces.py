"""The table of spans."""

from __future__ import annotations

from clew.store.table import Column, Table
from clew.telemetry.genai.columns import ALIASES as GENAI_ALIASES
from clew.telemetry.genai.columns import COLUMNS as GENAI_COLUMNS
from clew.telemetry.tables.columns import (
    ATTRIBUTES,
    FRAME,
    FRAME_INDEX,
    RESIDUE,
    RESOURCE_ATTRIBUTES,
    SETTINGS,
    WHOLE_SECONDS,
    attribute_items,
    searched_text,
    words_index,
)

_PAIRS = "Array(Array(Tuple(String, String)))"

# Rows are ordered by time alone: every "newest first" search reads in order and stops early,
# and the spans of a trace lie together, which halves what their ids cost (measured).
TRACES = Table(
    name="otel_traces",
    comment="spans: one row for each",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when the span began"),
        Column("TraceId", "String", comment="hex, 32 digits"),
        Column("SpanId", "String", comment="hex, 16 digits"),
        Column("ParentSpanId", "String", comment="hex, 16 digits; empty for a root"),
        Column("TraceState", "String", comment="W3C tracestate"),
        Column("SpanName", "LowCardinality(String)", comment="the operation"),
        Column(
            "SpanKind",
            "LowCardinality(String)",
            comment="Unspecified, Internal, Server, Client, Producer or Consumer",
        ),
        Column("ServiceName", "LowCardinality(String)", comment="service.name of the resource"),
        Column(
            "ResourceAttributes",
            RESOURCE_ATTRIBUTES,
            comment="attributes of what sent the span, as text",
        ),
        Column("ScopeName", "String", comment="the instrumentation"),
        Column("ScopeVersion", "String", comment="its version"),
        Column("ScopeAttributes", ATTRIBUTES, comment="its attributes, as text"),
        Column("SpanAttributes", ATTRIBUTES, "ZSTD(3)", comment="attributes of the span, as text"),
        Column("Duration", "UInt64", "T64, ZSTD(1)", comment="nanoseconds"),
        Column("StatusCode", "LowCardinality(String)", comment="Unset, Ok or Error"),
        Column("StatusMessage", "String", comment="what the status says"),
        Column("Events.Timestamp", "Array(DateTime64(9))", comment="when each event was"),
        Column("Events.Name", "Array(LowCardinality(String))", comment="its name"),
        Column("Events.Attributes", f"Array({ATTRIBUTES})", comment="its attributes, as text"),
        Column("Links.TraceId", "Array(String)", comment="the trace of each linked span, hex"),
        Column("Links.SpanId", "Array(String)", comment="its span, hex"),
        Column("Links.TraceState", "Array(String)", comment="its tracestate"),
        Column(
            "Links.Attributes", f"Array({ATTRIBUTES})", comment="attributes of the link, as text"
        ),
        RESIDUE,
        FRAME,
    ),
    materialized=(WHOLE_SECONDS, *GENAI_COLUMNS),
    aliases=(
        attribute_items("ResourceAttributes", "ResourceAttributeItems"),
        attribute_items("SpanAttributes", "SpanAttributeItems"),
        searched_text(
            "SpanText",
            (
                "[SpanName, StatusMessage]",
                "mapValues(SpanAttributes)",
                "CAST(`Events.Name`, 'Array(String)')",
                f"tupleElement(arrayFlatten(CAST(`Events.Attributes`, '{_PAIRS}')), 2)",
            ),
        ),
        *GENAI_ALIASES,
    ),
    indexes=(
        "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX idx_res_attr_items ResourceAttributeItems TYPE text(tokenizer='array')",
        "INDEX idx_span_attr_items SpanAttributeItems TYPE text(tokenizer='array')",
        words_index("idx_span_words", "SpanText"),
        "INDEX idx_duration Duration TYPE minmax GRANULARITY 1",
        FRAME_INDEX,
    ),
    order_by="(Timestamp)",
    settings=SETTINGS,
)
