"""Rows of the metric tables as OTLP metrics."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.common.v1 import common_pb2

from clew.telemetry.otlp.encode.attributes import fill_attributes
from clew.telemetry.otlp.encode.columns import read_rows
from clew.telemetry.otlp.encode.grouping import Grouping, Origin
from clew.telemetry.otlp.enumeration import METRIC_TABLES
from clew.telemetry.otlp.residue import read_residue

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    import pyarrow as pa
    from opentelemetry.proto.metrics.v1 import metrics_pb2

    Row = Mapping[str, Any]


def encode_metrics(
    tables: Mapping[str, pa.Table],
) -> metrics_service_pb2.ExportMetricsServiceRequest:
    """Return rows of metric tables, by table name, as one export request.

    Each value holds rows with all columns of its table (`Frame` may be absent), as the engine or a
    decoder gives them. The kinds of metric stand in the order of `METRIC_TABLES`.

    Raises:
        ClewError: a column is missing.
    """
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    grouping = Grouping(request.resource_metrics, "scope_metrics")
    metrics: dict[Hashable, Any] = {}
    for kind, table in METRIC_TABLES.items():
        if table.name not in tables:
            continue
        for row in read_rows(table, tables[table.name]):
            residue = read_residue(row["Residue"])
            scope = grouping.scope_of(_origin(row, residue))
            identity = (id(scope), kind, _metric_identity(row, residue))
            metric = metrics.get(identity)
            if metric is None:
                metric = metrics[identity] = _add_metric(scope, kind, row, residue)
            point = getattr(metric, kind).data_points.add()
            _fill_point(point, row, residue)
            _POINT_FILLERS[kind](point, row, residue)
    return request


def _origin(row: Row, residue: Mapping[str, Any]) -> Origin:
    return Origin(
        row["ResourceAttributes"],
        row["ResourceSchemaUrl"],
        row["ScopeName"],
        row["ScopeVersion"],
        row["ScopeAttributes"],
        row["ScopeDroppedAttrCount"],
        row["ScopeSchemaUrl"],
        residue,
    )


def _metric_identity(row: Row, residue: Mapping[str, Any]) -> Hashable:
    return (
        row["MetricName"],
        row["MetricDescription"],
        row["MetricUnit"],
        row.get("AggregationTemporality"),
        row.get("IsMonotonic"),
        residue.get("metadata"),
    )


def _add_metric(scope: Any, kind: str, row: Row, residue: Mapping[str, Any]) -> Any:
    metric = scope.metrics.add(
        name=row["MetricName"], description=row["MetricDescription"], unit=row["MetricUnit"]
    )
    if "metadata" in residue:
        metadata = common_pb2.KeyValueList.FromString(b64decode(residue["metadata"]))
        metric.metadata.extend(metadata.values)
    data = getattr(metric, kind)
    if "AggregationTemporality" in row:
        data.aggregation_temporality = row["AggregationTemporality"]
    if "IsMonotonic" in row:
        data.is_monotonic = bool(row["IsMonotonic"])
    return metric


def _fill_point(point: Any, row: Row, residue: Mapping[str, Any]) -> None:
    """Set what the points of every kind have; exemplars are absent from summaries only."""
    fill_attributes(point.attributes, row["Attributes"], residue.get("attributes"))
    point.start_time_unix_nano = row["StartTimeUnix"]
    point.time_unix_nano = row["TimeUnix"]
    point.flags = row["Flags"]
    if "Exemplars.Value" in row:
        _fill_exemplars(point, row, residue.get("exemplars", {}))


def _fill_exemplars(point: Any, row: Row, losses: Mapping[str, Any]) -> None:
    columns = (
        row["Exemplars.FilteredAttributes"],
        row["Exemplars.TimeUnix"],
        row["Exemplars.Value"],
        row["Exemplars.SpanId"],
        row["Exemplars.TraceId"],
    )
    for position, values in enumerate(zip(*columns, strict=True)):
        filtered, time, number, span_id, trace_id = values
        loss = losses.get(str(position), {})
        exemplar = point.exemplars.add(
            time_unix_nano=time, span_id=bytes.fromhex(span_id), trace_id=bytes.fromhex(trace_id)
        )
        fill_attributes(exemplar.filtered_attributes, filtered, loss.get("attributes"))
        _fill_number(exemplar, number, loss.get("value"))


def _fill_number(
    point: metrics_pb2.NumberDataPoint | metrics_pb2.Exemplar, number: float, loss: str | None
) -> None:
    match loss:
        case None:
            point.as_double = number
        case "u":
            return
        case "i":
            point.as_int = int(number)
        case exact:
            point.as_int = int(exact)


def _fill_value(point: metrics_pb2.NumberDataPoint, row: Row, residue: Mapping[str, Any]) -> None:
    _fill_number(point, row["Value"], residue.get("value"))


def _fill_summary(
    point: metrics_pb2.SummaryDataPoint, row: Row, residue: Mapping[str, Any]
) -> None:
    del residue
    point.count = row["Count"]
    point.sum = row["Sum"]
    columns = (row["ValueAtQuantiles.Quantile"], row["ValueAtQuantiles.Value"])
    for quantile, value in zip(*columns, strict=True):
        point.quantile_values.add(quantile=quantile, value=value)


def _fill_range(
    point: metrics_pb2.HistogramDataPoint | metrics_pb2.ExponentialHistogramDataPoint,
    row: Row,
    absent: list[str],
) -> None:
    point.count = row["Count"]
    if "sum" not in absent:
        point.sum = row["Sum"]
    if "min" not in absent:
        point.min = row["Min"]
    if "max" not in absent:
        point.max = row["Max"]


def _fill_histogram(
    point: metrics_pb2.HistogramDataPoint, row: Row, residue: Mapping[str, Any]
) -> None:
    _fill_range(point, row, residue.get("absent", []))
    point.bucket_counts.extend(row["BucketCounts"])
    point.explicit_bounds.extend(row["ExplicitBounds"])


def _fill_exponential(
    point: metrics_pb2.ExponentialHistogramDataPoint, row: Row, residue: Mapping[str, Any]
) -> None:
    absent = residue.get("absent", [])
    _fill_range(point, row, absent)
    point.scale = row["Scale"]
    point.zero_count = row["ZeroCount"]
    point.zero_threshold = row["ZeroThreshold"]
    if "positive" not in absent:
        point.positive.offset = row["PositiveOffset"]
        point.positive.bucket_counts.extend(row["PositiveBucketCounts"])
    if "negative" not in absent:
        point.negative.offset = row["NegativeOffset"]
        point.negative.bucket_counts.extend(row["NegativeBucketCounts"])


_POINT_FILLERS: Final[dict[str, Callable[[Any, Row, Mapping[str, Any]], None]]] = {
    "gauge": _fill_value,
    "sum": _fill_value,
    "summary": _fill_summary,
    "histogram": _fill_histogram,
    "exponential_histogram": _fill_exponential,
}
