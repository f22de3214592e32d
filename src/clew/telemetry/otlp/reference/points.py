"""Data points of one metrics request as rows, a table for each kind of metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.telemetry.otlp.enumeration import METRIC_TABLES
from clew.telemetry.otlp.limits import Reason
from clew.telemetry.otlp.messages import serialize_entries
from clew.telemetry.otlp.reference.intake import (
    number_column,
    over_limit,
    read_resource,
    read_scope,
    repeated_size,
    utf8_size,
)
from clew.telemetry.otlp.residue import (
    AttributeList,
    loss_members,
    member,
    position_members,
    read_attributes,
    write_residue,
)
from clew.telemetry.otlp.text import Reach, base64_text, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
    from opentelemetry.proto.metrics.v1 import metrics_pb2

    from clew.store.table import Table
    from clew.telemetry.otlp.reference.intake import Intake, Resource, Scope


def read_points(request: metrics_service_pb2.ExportMetricsServiceRequest, intake: Intake) -> None:
    """Keep or refuse every data point of a request, in arrival order."""
    for resource_metrics in request.resource_metrics:
        resource = read_resource(resource_metrics)
        for scope_metrics in resource_metrics.scope_metrics:
            scope = read_scope(scope_metrics)
            shared = [*resource.members, *loss_members(scope=scope.attributes.loss)]
            intake.weigh_scope(repeated_size(resource, scope, shared))
            for metric in scope_metrics.metrics:
                _read_metric(metric, resource, scope, shared, intake)


@dataclass(frozen=True, slots=True)
class _Series:
    """What the points of one metric share: `identity` is their leading columns."""

    table: Table
    kind: str
    data: Any
    identity: tuple[Any, ...]
    members: list[str]
    reaches: tuple[Reach, ...]


def _read_metric(
    metric: metrics_pb2.Metric,
    resource: Resource,
    scope: Scope,
    shared: list[str],
    intake: Intake,
) -> None:
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    metadata_reach = Reach()
    read_attributes(metric.metadata, metadata_reach)
    members = [*shared]
    if metric.metadata:
        raw = quote(base64_text(serialize_entries(metric.metadata)))
        members.append(member("metadata", raw))
    series = _Series(
        METRIC_TABLES[kind],
        kind,
        getattr(metric, kind),
        _identity(metric, resource, scope),
        members,
        (resource.reach, scope.reach, metadata_reach),
    )
    points = series.data.data_points
    repeated = 0
    if points and not over_limit(*series.reaches):
        repeated = repeated_size(resource, scope, members)
        repeated += utf8_size(metric.description, metric.unit)
    intake.weigh_rows(len(points), repeated)
    for point in points:
        _read_point(point, series, intake)


def _read_point(point: Any, series: _Series, intake: Intake) -> None:
    # A summary's points have no exemplars.
    exemplars = () if series.kind == "summary" else point.exemplars
    intake.weigh_items(len(exemplars))
    reach = Reach()
    attributes = read_attributes(point.attributes, reach)
    filtered = [read_attributes(e.filtered_attributes, reach) for e in exemplars]
    exemplar_times = [exemplar.time_unix_nano for exemplar in exemplars]
    times = (point.time_unix_nano, point.start_time_unix_nano, *exemplar_times)
    reason = over_limit(*series.reaches, reach)
    if reason is None and not intake.arrival.admits(*times):
        reason = Reason.TIME
    if reason:
        intake.refuse(reason)
        return
    members = [
        *series.members,
        *loss_members(attributes=attributes.loss),
        *_value_members(series.kind, point),
        *position_members("exemplars", map(_exemplar_members, exemplars, filtered)),
    ]
    read_columns = _COLUMNS[series.kind]
    intake.keep(
        series.table,
        (
            *series.identity,
            attributes,
            point.start_time_unix_nano,
            point.time_unix_nano,
            *read_columns(point, series.data, _exemplar_columns(exemplars, filtered)),
            write_residue(members),
        ),
    )


def _identity(metric: metrics_pb2.Metric, resource: Resource, scope: Scope) -> tuple[Any, ...]:
    return (
        resource.attributes,
        resource.schema_url,
        scope.name,
        scope.version,
        scope.attributes,
        scope.dropped,
        scope.schema_url,
        resource.service_name,
        metric.name,
        metric.description,
        metric.unit,
    )


# What a point may leave unset, in the order in which the residue names it.
_OPTIONAL_MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "histogram": ("sum", "min", "max"),
    "exponential_histogram": ("sum", "min", "max", "positive", "negative"),
}


def _value_members(kind: str, point: Any) -> list[str]:
    if kind in ("gauge", "sum"):
        return loss_members(value=number_column(point)[1])
    absent = [quote(name) for name in _OPTIONAL_MEMBERS.get(kind, ()) if not point.HasField(name)]
    return [member("absent", f"[{','.join(absent)}]")] if absent else []


def _exemplar_members(exemplar: metrics_pb2.Exemplar, filtered: AttributeList) -> list[str]:
    return loss_members(attributes=filtered.loss, value=number_column(exemplar)[1])


def _exemplar_columns(
    exemplars: Sequence[metrics_pb2.Exemplar], filtered: list[AttributeList]
) -> tuple[Sequence[Any], ...]:
    return (
        filtered,
        [exemplar.time_unix_nano for exemplar in exemplars],
        [number_column(exemplar)[0] for exemplar in exemplars],
        [exemplar.span_id.hex() for exemplar in exemplars],
        [exemplar.trace_id.hex() for exemplar in exemplars],
    )


def _gauge_columns(
    point: metrics_pb2.NumberDataPoint, data: metrics_pb2.Gauge, exemplars: tuple[Any, ...]
) -> tuple[Any, ...]:
    del data
    return (number_column(point)[0], point.flags, *exemplars)


def _sum_columns(
    point: metrics_pb2.NumberDataPoint, data: metrics_pb2.Sum, exemplars: tuple[Any, ...]
) -> tuple[Any, ...]:
    return (
        number_column(point)[0],
        point.flags,
        *exemplars,
        data.aggregation_temporality,
        data.is_monotonic,
    )


def _summary_columns(
    point: metrics_pb2.SummaryDataPoint, data: metrics_pb2.Summary, exemplars: tuple[Any, ...]
) -> tuple[Any, ...]:
    del data, exemplars
    return (
        point.count,
        point.sum,
        [quantile.quantile for quantile in point.quantile_values],
        [quantile.value for quantile in point.quantile_values],
        point.flags,
    )


def _histogram_columns(
    point: metrics_pb2.HistogramDataPoint, data: metrics_pb2.Histogram, exemplars: tuple[Any, ...]
) -> tuple[Any, ...]:
    return (
        point.count,
        point.sum,
        point.bucket_counts,
        point.explicit_bounds,
        *exemplars,
        point.flags,
        point.min,
        point.max,
        data.aggregation_temporality,
    )


def _exponential_columns(
    point: metrics_pb2.ExponentialHistogramDataPoint,
    data: metrics_pb2.ExponentialHistogram,
    exemplars: tuple[Any, ...],
) -> tuple[Any, ...]:
    return (
        point.count,
        point.sum,
        point.scale,
        point.zero_count,
        point.zero_threshold,
        point.positive.offset,
        point.positive.bucket_counts,
        point.negative.offset,
        point.negative.bucket_counts,
        *exemplars,
        point.flags,
        point.min,
        point.max,
        data.aggregation_temporality,
    )


# What reads the columns between a point's times and its residue.
_COLUMNS: Final[dict[str, Callable[[Any, Any, tuple[Any, ...]], tuple[Any, ...]]]] = {
    "gauge": _gauge_columns,
    "sum": _sum_columns,
    "summary": _summary_columns,
    "histogram": _histogram_columns,
    "exponential_histogram": _exponential_columns,
}
