"""The tables of the twin: events as they came, and snapshots of what they came to."""

from __future__ import annotations

from typing import Final

from clew.store.table import FRAME, Column, Table

_JSON_MAP: Final = "Map(LowCardinality(String), String)"

# As for telemetry (docs/internals/engine.md): the token window makes a replayed batch a no-op, and
# small granules make the events of one object cheap to fetch.
_SETTINGS: Final = (
    "index_granularity=1024",
    "min_bytes_for_wide_part=33554432",
    "ttl_only_drop_parts=1",
    "fsync_after_insert=1",
    "fsync_part_directory=1",
    "non_replicated_deduplication_window=1000",
)

EVENTS: Final = Table(
    name="trilog_events",
    comment="fingerprints of objects: one row for each time that one came",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it happened"),
        Column("Seq", "UInt64", "Delta(8), ZSTD(1)", comment="the writer's count; 0 when unknown"),
        Column("EventId", "String", comment="rows with the same id are one event"),
        Column("EventType", "LowCardinality(String)", comment="state_change, event, …"),
        Column("EventName", "LowCardinality(String)", comment="of an event or action"),
        Column("ObjType", "LowCardinality(String)", comment="type of the object"),
        Column("ObjId", "String", comment="its id, unique within the type"),
        Column("Patch", _JSON_MAP, comment="fields that it sets, each as JSON"),
        Column("Data", _JSON_MAP, comment="what it says besides, each as JSON"),
        Column("Phase", "LowCardinality(String)", comment="of a process, where it tells one"),
        Column("Status", "LowCardinality(String)", comment="of a process, where it tells one"),
        Column("Body", "String", comment="the message of the log record"),
        Column("SeverityNumber", "UInt8", comment="1 to 24, higher is worse; 0 unknown"),
        Column("TraceId", "String", comment="hex, 32 digits; empty when there is none"),
        Column("SpanId", "String", comment="hex, 16 digits; empty when there is none"),
        Column("ServiceName", "LowCardinality(String)", comment="service.name of the resource"),
        Column("Writer", "LowCardinality(String)", comment="which process of it, if it says so"),
        Column("AppId", "LowCardinality(String)", comment="trails.app.id of the resource"),
        Column("RegistryChecksum", "LowCardinality(String)", comment="registry of the writer"),
        Column("Verdict", "LowCardinality(String)", comment="accepted, warned or rejected"),
        Column("Issues", "String", comment="what validation found, as a JSON array"),
        Column("Received", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it came"),
        Column(FRAME, "UInt64", "Delta(8), ZSTD(1)", comment="frame that brought the row"),
    ),
    indexes=(
        "INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX idx_obj_id ObjId TYPE bloom_filter(0.01) GRANULARITY 1",
        "INDEX idx_event_id EventId TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX idx_verdict Verdict TYPE set(4) GRANULARITY 4",
        f"INDEX idx_frame {FRAME} TYPE minmax GRANULARITY 1",
    ),
    order_by="(ObjType, ObjId, Timestamp, Seq, EventId)",
    partition="month",
    settings=_SETTINGS,
)
"""Rows of kind `log`, and of events that were rejected, stand here as well: readers choose."""

SNAPSHOTS: Final = Table(
    name="trilog_snapshots",
    comment="what the events of an object came to, as of one of them",
    time="Timestamp",
    columns=(
        Column("ObjType", "LowCardinality(String)", comment="type of the object"),
        Column("ObjId", "String", comment="its id"),
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="of the last event"),
        Column("Seq", "UInt64", comment="of the last event"),
        Column("EventId", "String", comment="of the last event"),
        Column("Version", "UInt64", comment="changes so far"),
        Column("Exists", "Bool", comment="false after a deletion"),
        Column("CreatedAt", "DateTime64(9)", comment="first change of the present life"),
        Column("State", _JSON_MAP, comment="fields, each as JSON"),
        Column("Phase", "LowCardinality(String)", comment="of a process"),
        Column("Status", "LowCardinality(String)", comment="of a process"),
        Column("RegistryChecksum", "LowCardinality(String)", comment="of the last event"),
        Column("TraceId", "String", comment="of the last event"),
        Column("SpanId", "String", comment="of the last event"),
        Column("ServiceName", "LowCardinality(String)", comment="of a baseline: of the last event"),
        Column("Remarks", "String", comment="what readers are told of its events, as a JSON array"),
        Column("Names", "String", comment="former names of fields that were followed, as JSON"),
        Column("IsBaseline", "Bool", comment="stands for events that retention took away"),
        Column("KeptFrom", "DateTime64(9)", comment="of a baseline: events before it are gone"),
        Column("FirstAt", "DateTime64(9)", comment="of a baseline: the first event of all"),
        Column("Written", "DateTime64(9)", comment="when it was made"),
        Column("Received", "DateTime64(9)", comment="when the last of its events had come"),
        Column(FRAME, "UInt64", comment="every event of frames up to here is in it"),
    ),
    order_by="(ObjType, ObjId, Timestamp, Seq, EventId)",
    partition="month",
    settings=_SETTINGS,
)

TABLES: Final = (EVENTS, SNAPSHOTS)
