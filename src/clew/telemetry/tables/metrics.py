"""The tables of metric data points, one for each kind of metric."""

from __future__ import annotations

from clew.store.table import Column, Table
from clew.telemetry.tables.columns import (
    ATTRIBUTES,
    FRAME,
    FRAME_INDEX,
    RESIDUE,
    RESOURCE_ATTRIBUTES,
    SETTINGS,
)

_IDENTITY = (
    Column(
        "ResourceAttributes",
        RESOURCE_ATTRIBUTES,
        comment="attributes of what sent the point, as text",
    ),
    Column("ResourceSchemaUrl", "String", comment="schema of the resource attributes"),
    Column("ScopeName", "String", comment="the instrumentation"),
    Column("ScopeVersion", "String", comment="its version"),
    Column("ScopeAttributes", ATTRIBUTES, comment="its attributes, as text"),
    Column("ScopeDroppedAttrCount", "UInt32", comment="attributes of the scope that were dropped"),
    Column("ScopeSchemaUrl", "String", comment="schema of the scope"),
    Column("ServiceName", "LowCardinality(String)", comment="service.name of the resource"),
    Column("MetricName", "LowCardinality(String)", comment="the metric"),
    Column("MetricDescription", "String", comment="what it measures"),
    Column("MetricUnit", "String", comment="UCUM"),
    Column("Attributes", ATTRIBUTES, comment="attributes of the point, as text"),
    Column(
        "StartTimeUnix",
        "DateTime64(9)",
        "Delta(8), ZSTD(1)",
        comment="since when a cumulative value counts",
    ),
    Column("TimeUnix", "DateTime64(9)", "Delta(8), ZSTD(1)", comment="when the point was taken"),
)

_EXEMPLARS = (
    Column(
        "Exemplars.FilteredAttributes",
        f"Array({ATTRIBUTES})",
        comment="attributes of each example, as text",
    ),
    Column("Exemplars.TimeUnix", "Array(DateTime64(9))", comment="when it was"),
    Column("Exemplars.Value", "Array(Float64)", comment="its value"),
    Column("Exemplars.SpanId", "Array(String)", comment="its span, hex"),
    Column("Exemplars.TraceId", "Array(String)", comment="its trace, hex"),
)

_FLAGS = Column("Flags", "UInt32", comment="1: there is no recorded value")
_TEMPORALITY = Column("AggregationTemporality", "Int32", comment="1 delta, 2 cumulative")
_RANGE = (
    Column("Min", "Float64", comment="the smallest, 0 when unknown"),
    Column("Max", "Float64", comment="the largest, 0 when unknown"),
)

# A series lies together within its hour: a chart reads a few granules, and equal labels compress.
_ORDER_BY = "(ServiceName, MetricName, toStartOfHour(TimeUnix), cityHash64(Attributes), TimeUnix)"


def _table(name: str, comment: str, *columns: Column) -> Table:
    return Table(
        name=name,
        comment=comment,
        time="TimeUnix",
        columns=(*_IDENTITY, *columns, RESIDUE, FRAME),
        indexes=("INDEX idx_time_minmax TimeUnix TYPE minmax GRANULARITY 1", FRAME_INDEX),
        order_by=_ORDER_BY,
        settings=SETTINGS,
    )


GAUGE = _table(
    "otel_metrics_gauge",
    "gauges: one row for each data point",
    Column("Value", "Float64", comment="the value"),
    _FLAGS,
    *_EXEMPLARS,
)

SUM = _table(
    "otel_metrics_sum",
    "sums: one row for each data point",
    Column("Value", "Float64", comment="the value"),
    _FLAGS,
    *_EXEMPLARS,
    _TEMPORALITY,
    Column("IsMonotonic", "Bool", comment="whether it only grows"),
)

SUMMARY = _table(
    "otel_metrics_summary",
    "summaries: one row for each data point",
    Column("Count", "UInt64", "Delta(8), ZSTD(1)", comment="how many values"),
    Column("Sum", "Float64", comment="their sum"),
    Column("ValueAtQuantiles.Quantile", "Array(Float64)", comment="which quantiles"),
    Column("ValueAtQuantiles.Value", "Array(Float64)", comment="their values"),
    _FLAGS,
)

HISTOGRAM = _table(
    "otel_metrics_histogram",
    "histograms with explicit bounds: one row for each data point",
    Column("Count", "UInt64", "Delta(8), ZSTD(1)", comment="how many values"),
    Column("Sum", "Float64", comment="their sum"),
    Column("BucketCounts", "Array(UInt64)", comment="values in each bucket"),
    Column("ExplicitBounds", "Array(Float64)", comment="upper bounds of all buckets but the last"),
    *_EXEMPLARS,
    _FLAGS,
    *_RANGE,
    _TEMPORALITY,
)

EXPONENTIAL_HISTOGRAM = _table(
    "otel_metrics_exponential_histogram",
    "exponential histograms: one row for each data point",
    Column("Count", "UInt64", "Delta(8), ZSTD(1)", comment="how many values"),
    Column("Sum", "Float64", comment="their sum"),
    Column("Scale", "Int32", comment="the base of the buckets is 2^(2^-Scale)"),
    Column("ZeroCount", "UInt64", comment="values that count as zero"),
    Column("ZeroThreshold", "Float64", comment="up to which magnitude"),
    Column("PositiveOffset", "Int32", comment="index of the first positive bucket"),
    Column("PositiveBucketCounts", "Array(UInt64)", comment="values in each"),
    Column("NegativeOffset", "Int32", comment="index of the first negative bucket"),
    Column("NegativeBucketCounts", "Array(UInt64)", comment="values in each"),
    *_EXEMPLARS,
    _FLAGS,
    *_RANGE,
    _TEMPORALITY,
)

METRICS = (GAUGE, SUM, SUMMARY, HISTOGRAM, EXPONENTIAL_HISTOGRAM)
