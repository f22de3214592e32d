"""The table of log records."""

from __future__ import annotations

from clew.store.table import Column, Table
from clew.telemetry.tables.columns import (
    ATTRIBUTES,
    FRAME,
    FRAME_INDEX,
    RESIDUE,
    RESOURCE_ATTRIBUTES,
    SETTINGS,
    attribute_items,
    searched_text,
    words_index,
)

LOGS = Table(
    name="otel_logs",
    comment="log records: one row for each",
    time="Timestamp",
    columns=(
        Column(
            "Timestamp",
            "DateTime64(9)",
            "Delta(8), ZSTD(1)",
            comment="when it happened, else when it was seen",
        ),
        Column(
            "ObservedTimestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it was seen"
        ),
        Column("TraceId", "String", comment="hex, 32 digits; empty when there is none"),
        Column("SpanId", "String", comment="hex, 16 digits; empty when there is none"),
        Column("TraceFlags", "UInt8", comment="W3C trace flags"),
        Column(
            "SeverityText", "LowCardinality(String)", comment="the level as the source calls it"
        ),
        Column("SeverityNumber", "UInt8", comment="1 to 24, higher is worse; 0 unknown"),
        Column("ServiceName", "LowCardinality(String)", comment="service.name of the resource"),
        Column("Body", "String", comment="the message; JSON when it has structure"),
        Column(
            "ResourceSchemaUrl",
            "LowCardinality(String)",
            comment="schema of the resource attributes",
        ),
        Column(
            "ResourceAttributes",
            RESOURCE_ATTRIBUTES,
            comment="attributes of what sent the record, as text",
        ),
        Column("ScopeSchemaUrl", "LowCardinality(String)", comment="schema of the scope"),
        Column("ScopeName", "String", comment="the logger"),
        Column("ScopeVersion", "LowCardinality(String)", comment="its version"),
        Column("ScopeAttributes", ATTRIBUTES, comment="its attributes, as text"),
        Column("LogAttributes", ATTRIBUTES, comment="attributes of the record, as text"),
        Column("EventName", "LowCardinality(String)", comment="what kind of event it is, if any"),
        RESIDUE,
        FRAME,
    ),
    derived=("TimestampTime DateTime DEFAULT toDateTime(Timestamp)",),
    aliases=(
        attribute_items("ResourceAttributes", "ResourceAttributeItems"),
        attribute_items("LogAttributes", "LogAttributeItems"),
        searched_text("LogText", ("[Body]", "mapValues(LogAttributes)")),
    ),
    indexes=(
        "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX idx_res_attr_items ResourceAttributeItems TYPE text(tokenizer='array')",
        "INDEX idx_log_attr_items LogAttributeItems TYPE text(tokenizer='array')",
        words_index("idx_log_words", "LogText"),
        FRAME_INDEX,
    ),
    order_by="(Timestamp)",
    settings=SETTINGS,
)
