"""Rows of the metric tables as documents."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.telemetry import documents as doc
from clew.telemetry.otlp.residue import read_residue
from clew.telemetry.query.metrics.histogram import bound
from clew.telemetry.query.metrics.points import METRIC_TYPES, TEMPORALITIES
from clew.telemetry.query.typed import Loss, text_attributes, typed_attributes
from clew.telemetry.tables import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.table import Table

_COMMON: Final = (
    "toUnixTimestamp64Nano(StartTimeUnix) AS started",
    "toString(ServiceName) AS service",
    "toString(MetricName) AS name",
    "MetricUnit AS unit",
    "Attributes AS attributes",
    "Flags AS flags",
    "toString(Residue) AS residue",
)
_EXEMPLARS: Final = (
    "arrayMap(each -> toUnixTimestamp64Nano(each), `Exemplars.TimeUnix`) AS exemplar_times",
    "`Exemplars.Value` AS exemplar_values",
    "`Exemplars.TraceId` AS exemplar_traces",
    "`Exemplars.SpanId` AS exemplar_spans",
    "`Exemplars.FilteredAttributes` AS exemplar_attributes",
)
_RANGE: Final = ("Count AS count", "Sum AS sum", "Min AS low", "Max AS high")
_TEMPORALITY: Final = "AggregationTemporality AS temporality"

POINT_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    GAUGE.name: (*_COMMON, "Value AS value", *_EXEMPLARS),
    SUM.name: (*_COMMON, "Value AS value", "IsMonotonic AS monotonic", _TEMPORALITY, *_EXEMPLARS),
    SUMMARY.name: (
        *_COMMON,
        "Count AS count",
        "Sum AS sum",
        "`ValueAtQuantiles.Quantile` AS shares",
        "`ValueAtQuantiles.Value` AS values",
    ),
    HISTOGRAM.name: (
        *_COMMON,
        *_RANGE,
        _TEMPORALITY,
        "BucketCounts AS counts",
        "ExplicitBounds AS bounds",
        *_EXEMPLARS,
    ),
    EXPONENTIAL_HISTOGRAM.name: (
        *_COMMON,
        *_RANGE,
        _TEMPORALITY,
        "Scale AS scale",
        "ZeroCount AS zero_count",
        "ZeroThreshold AS zero_threshold",
        "PositiveOffset AS positive_offset",
        "PositiveBucketCounts AS positive",
        "NegativeOffset AS negative_offset",
        "NegativeBucketCounts AS negative",
        *_EXEMPLARS,
    ),
}
"""What is read of each table for a document, by table name."""

_NO_RECORDED_VALUE: Final = 1
"""The bit of a point's flags that says that it has no value."""


class PointDocuments:
    """Makes documents of rows of one table read with its `POINT_COLUMNS`."""

    def __init__(self, table: Table, *, typed: bool) -> None:
        self._metric_type = METRIC_TYPES[table.name]
        self._typed = typed

    def document(self, row: Mapping[str, Any]) -> doc.MetricPoint:
        """Return the document of one row."""
        residue = read_residue(row["residue"])
        absent = residue.get("absent", ())
        value = row["value"] if self._metric_type in {"gauge", "sum"} else row["sum"]
        if row["flags"] & _NO_RECORDED_VALUE or "sum" in absent:
            value = None
        is_histogram = self._metric_type == "histogram"
        return doc.MetricPoint(
            timestamp=format_time(row["at"]),
            start_time=format_time(row["started"]) if row["started"] else None,
            service=row["service"],
            name=row["name"],
            metric_type=self._metric_type,
            value=_finite(value),
            unit=row["unit"],
            attributes=self._attributes(row["attributes"], residue.get("attributes")),
            temporality=TEMPORALITIES.get(row.get("temporality", 0)),
            monotonic=row.get("monotonic"),
            histogram=_histogram(row, absent) if is_histogram else None,
            quantiles=_quantiles(row) if self._metric_type == "summary" else None,
            exemplars=self._exemplars(row, residue.get("exemplars", {})),
        )

    def _attributes(self, pairs: list[tuple[str, str]], loss: Loss) -> doc.Attributes:
        return typed_attributes(pairs, loss) if self._typed else text_attributes(pairs)

    def _exemplars(
        self, row: Mapping[str, Any], losses: Mapping[str, Any]
    ) -> list[doc.Exemplar] | None:
        if not row.get("exemplar_times"):
            return None
        columns = ("times", "values", "traces", "spans", "attributes")
        each = zip(*(row[f"exemplar_{column}"] for column in columns), strict=True)
        return [
            doc.Exemplar(
                timestamp=format_time(at),
                value=_finite(value),
                trace_id=trace or None,
                span_id=span or None,
                attributes=self._attributes(
                    attributes, losses.get(str(position), {}).get("attributes")
                ),
            )
            for position, (at, value, trace, span, attributes) in enumerate(each)
        ]


def _histogram(row: Mapping[str, Any], absent: Sequence[str]) -> doc.Histogram:
    bounds, counts = _explicit(row) if "bounds" in row else _exponential(row)
    return doc.Histogram(
        bounds=[*bounds],
        counts=counts,
        count=row["count"],
        sum=None if "sum" in absent else _finite(row["sum"]),
        min=None if "min" in absent else _finite(row["low"]),
        max=None if "max" in absent else _finite(row["high"]),
        scale=row.get("scale"),
    )


def _explicit(row: Mapping[str, Any]) -> tuple[list[float], list[int]]:
    return list(row["bounds"]), list(row["counts"])


def _exponential(row: Mapping[str, Any]) -> tuple[list[float], list[int]]:
    """Return the bounds that the scale means, ascending, with one count more than bounds."""
    scale, negative, positive = row["scale"], row["negative"], row["positive"]
    bounds: list[float] = []
    counts: list[int] = []
    if negative:
        first = row["negative_offset"]
        bounds += [-bound(scale, first + i) for i in reversed(range(len(negative) + 1))]
        counts += [0, *reversed(negative)]
    counts.append(row["zero_count"])
    if positive:
        first = row["positive_offset"]
        bounds += [bound(scale, first + i) for i in range(len(positive) + 1)]
        counts += [*positive, 0]
    return bounds, counts


def _quantiles(row: Mapping[str, Any]) -> dict[str, float]:
    pairs = zip(row["shares"], row["values"], strict=True)
    return {f"{share:g}": value for share, value in pairs if math.isfinite(value)}


def _finite(value: float | None) -> float | None:
    """Return the number; None for what JSON has no number for."""
    return value if value is not None and math.isfinite(value) else None
