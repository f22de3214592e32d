"""The tables of lineage: which item was made of which, and which items have which trace id.

Trace ids here are TraceLink's: 64 bits, shared by the items of a chain. Those of OpenTelemetry are
another kind, and stand as text in the tables of telemetry.
"""

from __future__ import annotations

from typing import Final

from clew.store.table import FRAME, Column, Table

# As for telemetry (docs/internals/engine.md): the token window makes a replayed batch a no-op. A
# level of a walk asks for ids that lie far apart, each in a granule of its own, so granules and the
# blocks that they are compressed in are small.
_SETTINGS: Final = (
    "index_granularity=256",
    "min_compress_block_size=8192",
    "min_bytes_for_wide_part=33554432",
    "ttl_only_drop_parts=1",
    "fsync_after_insert=1",
    "fsync_part_directory=1",
    "non_replicated_deduplication_window=1000",
)

# What came since a frame is asked for before each walk.
_FRAME_INDEX: Final = f"INDEX idx_frame {FRAME} TYPE minmax GRANULARITY 1"

_ITEM: Final = (
    Column("StreamId", "UInt32", comment="stream of the item; 0 where there are no streams"),
    Column("Epoch", "UInt64", "Delta(8), ZSTD(1)", comment="epoch of the stream"),
    Column("Seq", "UInt64", "Delta(8), ZSTD(1)", comment="number of the item in it"),
)

_ARRIVAL: Final = (
    Column("Received", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it came"),
    Column("Source", "LowCardinality(String)", comment="the door that it came by"),
    Column(FRAME, "UInt64", "Delta(8), ZSTD(1)", comment="frame that brought the row"),
)

LINKS: Final = Table(
    name="trace_links",
    comment="lineage: one row for each input of an output, and for each time that it was told",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it was made"),
        Column("TraceId", "UInt64", "Delta(8), ZSTD(1)", comment="TraceLink id of the output"),
        Column("ParentTraceId", "UInt64", "Delta(8), ZSTD(1)", comment="that of one input"),
        Column("Position", "UInt32", comment="place of the input among all, from 0"),
        Column("Parents", "UInt32", comment="how many inputs there were"),
        *_ITEM,
        *_ARRIVAL,
    ),
    # The same rows once more, in the order that the way down asks for.
    indexes=(
        "PROJECTION by_parent (SELECT * ORDER BY (ParentTraceId, TraceId))",
        _FRAME_INDEX,
    ),
    order_by="(TraceId, ParentTraceId, Timestamp)",
    partition="month",
    settings=_SETTINGS,
)
"""Edges are a set: rows with the same two ids are one, and the one that came first tells of it."""

ITEMS: Final = Table(
    name="trace_items",
    comment="lineage: one row for each item that was told to have a trace id",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it was put out"),
        Column("TraceId", "UInt64", "Delta(8), ZSTD(1)", comment="its TraceLink id"),
        *_ITEM,
        *_ARRIVAL,
    ),
    indexes=("PROJECTION by_item (SELECT * ORDER BY (StreamId, Epoch, Seq))", _FRAME_INDEX),
    order_by="(TraceId, StreamId, Epoch, Seq)",
    partition="month",
    settings=_SETTINGS,
)

SPANS: Final = Table(
    name="trace_spans",
    comment="lineage: which spans of OpenTelemetry stand in the graph, and under which id",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it was told"),
        Column("TraceId", "UInt64", "Delta(8), ZSTD(1)", comment="TraceLink id, 2^63 and above"),
        Column("SpanTraceId", "String", comment="OpenTelemetry's trace id, hex, 32 digits"),
        Column("SpanId", "String", comment="hex, 16 digits"),
        *_ARRIVAL,
    ),
    indexes=(_FRAME_INDEX,),
    order_by="(TraceId)",
    partition="month",
    settings=_SETTINGS,
)
"""An id of a span is made of the span's and cannot be read backwards, so it is written down."""

DATASETS: Final = Table(
    name="trace_datasets",
    comment="lineage: which datasets of OpenLineage stand in the graph, and under which id",
    time="Timestamp",
    columns=(
        Column("Timestamp", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when it was told"),
        Column("TraceId", "UInt64", "Delta(8), ZSTD(1)", comment="TraceLink id, 2^63 and above"),
        Column("Namespace", "String", comment="of the dataset"),
        Column("Name", "String", comment="its name in it"),
        Column("Version", "String", comment="of the dataset; empty where none was named"),
        *_ARRIVAL,
    ),
    indexes=(_FRAME_INDEX,),
    order_by="(TraceId)",
    partition="month",
    settings=_SETTINGS,
)
"""An id of a dataset is a hash of its names, so they are written down."""

TABLES: Final = (LINKS, ITEMS, SPANS, DATASETS)
