"""The tables of metric data points, one for each kind of metric."""

from __future__ import annotations

from clew.store.table import Column, Table
from clew.telemetry.tables.columns import ATTRIBUTES, FRAME, FRAME_INDEX, RESIDUE, SETTINGS

_IDENTITY = (
    Column("ResourceAttributes", ATTRIBUTES),
    Column("ResourceSchemaUrl", "String"),
    Column("ScopeName", "String"),
    Column("ScopeVersion", "String"),
    Column("ScopeAttributes", ATTRIBUTES),
    Column("ScopeDroppedAttrCount", "UInt32"),
    Column("ScopeSchemaUrl", "String"),
    Column("ServiceName", "LowCardinality(String)"),
    Column("MetricName", "LowCardinality(String)"),
    Column("MetricDescription", "String"),
    Column("MetricUnit", "String"),
    Column("Attributes", ATTRIBUTES),
    Column("StartTimeUnix", "DateTime64(9)", "Delta(8), ZSTD(1)"),
    Column("TimeUnix", "DateTime64(9)", "Delta(8), ZSTD(1)"),
)

_EXEMPLARS = (
    Column("Exemplars.FilteredAttributes", f"Array({ATTRIBUTES})"),
    Column("Exemplars.TimeUnix", "Array(DateTime64(9))"),
    Column("Exemplars.Value", "Array(Float64)"),
    Column("Exemplars.SpanId", "Array(String)"),
    Column("Exemplars.TraceId", "Array(String)"),
)

_FLAGS = Column("Flags", "UInt32")
_TEMPORALITY = Column("AggregationTemporality", "Int32")
_RANGE = (Column("Min", "Float64"), Column("Max", "Float64"))

# A series lies together within its hour: a chart reads a few granules, and equal labels compress.
_ORDER_BY = "(ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)"


def _table(name: str, *columns: Column) -> Table:
    return Table(
        name=name,
        time="TimeUnix",
        columns=(*_IDENTITY, *columns, RESIDUE, FRAME),
        indexes=("INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1", FRAME_INDEX),
        order_by=_ORDER_BY,
        settings=SETTINGS,
    )


GAUGE = _table("otel_metrics_gauge", Column("Value", "Float64"), _FLAGS, *_EXEMPLARS)

SUM = _table(
    "otel_metrics_sum",
    Column("Value", "Float64"),
    _FLAGS,
    *_EXEMPLARS,
    _TEMPORALITY,
    Column("IsMonotonic", "Bool"),
)

SUMMARY = _table(
    "otel_metrics_summary",
    Column("Count", "UInt64", "Delta(8), ZSTD(1)"),
    Column("Sum", "Float64"),
    Column("ValueAtQuantiles.Quantile", "Array(Float64)"),
    Column("ValueAtQuantiles.Value", "Array(Float64)"),
    _FLAGS,
)

HISTOGRAM = _table(
    "otel_metrics_histogram",
    Column("Count", "UInt64", "Delta(8), ZSTD(1)"),
    Column("Sum", "Float64"),
    Column("BucketCounts", "Array(UInt64)"),
    Column("ExplicitBounds", "Array(Float64)"),
    *_EXEMPLARS,
    _FLAGS,
    *_RANGE,
    _TEMPORALITY,
)

EXPONENTIAL_HISTOGRAM = _table(
    "otel_metrics_exponential_histogram",
    Column("Count", "UInt64", "Delta(8), ZSTD(1)"),
    Column("Sum", "Float64"),
    Column("Scale", "Int32"),
    Column("ZeroCount", "UInt64"),
    Column("ZeroThreshold", "Float64"),
    Column("PositiveOffset", "Int32"),
    Column("PositiveBucketCounts", "Array(UInt64)"),
    Column("NegativeOffset", "Int32"),
    Column("NegativeBucketCounts", "Array(UInt64)"),
    *_EXEMPLARS,
    _FLAGS,
    *_RANGE,
    _TEMPORALITY,
)

METRICS = (GAUGE, SUM, SUMMARY, HISTOGRAM, EXPONENTIAL_HISTOGRAM)
