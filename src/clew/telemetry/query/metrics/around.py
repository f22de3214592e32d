"""What services measured in a time range: each series of theirs summed up in one line."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import format_time
from clew.store.engine.contract import Scan
from clew.telemetry.query.metrics.around_documents import SeriesSummaries, SeriesSummary
from clew.telemetry.query.metrics.points import METRIC_TYPES, SERIES, TEMPORALITIES
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import EXPONENTIAL_HISTOGRAM, HISTOGRAM, METRICS, SUM, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.base.times import TimeRange
    from clew.store.table import Table
    from clew.telemetry.query.store import Store

_INSTANCE_KEYS: Final = ("service.instance.id", "k8s.pod.name", "host.name")
"""What tells instances of one service apart, the most telling first."""

_WITH_TEMPORALITY: Final = frozenset({SUM.name, HISTOGRAM.name, EXPONENTIAL_HISTOGRAM.name})
_OF_MANY: Final = frozenset({HISTOGRAM.name, EXPONENTIAL_HISTOGRAM.name, SUMMARY.name})
"""Tables whose points stand for many observations each."""


class ServiceMetrics:
    """Sums up what services measured. Safe to use from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def sum_up_series(
        self, services: Sequence[str], window: TimeRange, limit: int
    ) -> SeriesSummaries:
        """Return every series of some services with points in a range, at most `limit` of them.

        Points without a recorded value do not count, nor do values that are no number.
        """
        if not services:
            return SeriesSummaries(series=[], total=0)
        scans = {f"points_{i}": _scan(table, window) for i, table in enumerate(METRICS)}
        points = " UNION ALL ".join(
            f"SELECT toUInt8({i}) AS kind, * FROM @points_{i}" for i in range(len(METRICS))
        )
        rows = self._store.engine.query(
            "SELECT *, count() OVER () AS total FROM ("
            "SELECT kind, service, name, series, any(labels) AS labels, any(instance) AS instance,"
            " argMax(unit, at) AS unit, argMax(temporality, at) AS temporality, count() AS points,"
            " max(at) AS latest, argMin(value, at) AS first, argMax(value, at) AS last,"
            " min(value) AS low, max(value) AS high, avg(value) AS mean, sum(value) AS total_value,"
            " sum(observations) AS total_observations, argMin(observations, at) AS first_observed,"
            " argMax(observations, at) AS last_observed"
            f" FROM ({points}) GROUP BY kind, service, name, series)"
            f" ORDER BY service, name, labels, instance, series LIMIT {limit}",
            snapshot=self._store.snapshot(),
            scans=scans,
            parameters={"services": list(services)},
            limits=LIMITS,
        ).to_pylist()
        return SeriesSummaries(
            series=[_summary(row) for row in rows], total=rows[0]["total"] if rows else 0
        )


def _scan(table: Table, window: TimeRange) -> Scan:
    """Return the reading of one table; all of them give columns of the same names and types."""
    is_of_many = table.name in _OF_MANY
    value = "Sum" if is_of_many else "Value"
    has_temporality = table.name in _WITH_TEMPORALITY
    instance = ", ".join(f"nullIf(ResourceAttributes['{key}'], '')" for key in _INSTANCE_KEYS)
    return Scan(
        table,
        (
            "toString(ServiceName) AS service",
            "toString(MetricName) AS name",
            "MetricUnit AS unit",
            f"{SERIES} AS series",
            "arraySort(CAST(Attributes, 'Array(Tuple(String, String))')) AS labels",
            f"coalesce({instance}, '') AS instance",
            "toUnixTimestamp64Nano(TimeUnix) AS at",
            f"{value} AS value",
            f"{'toUInt64(Count)' if is_of_many else 'toUInt64(0)'} AS observations",
            f"{'AggregationTemporality' if has_temporality else 'toInt32(0)'} AS temporality",
        ),
        f"{time_condition(table, window)} AND ServiceName IN {{services:Array(String)}}"
        f" AND bitAnd(Flags, 1) = 0 AND isFinite({value})",
    )


def _summary(row: dict[str, Any]) -> SeriesSummary:
    table = METRICS[row["kind"]]
    return SeriesSummary(
        timestamp=format_time(row["latest"]),
        service=row["service"],
        name=row["name"],
        metric_type=METRIC_TYPES[table.name],
        value=row["last"],
        unit=row["unit"],
        attributes=dict(pair.values() for pair in row["labels"]),
        point_count=row["points"],
        first=row["first"],
        last=row["last"],
        min=row["low"],
        max=row["high"],
        avg=row["mean"],
        mean=_mean(row) if table.name in _OF_MANY else None,
        temporality=TEMPORALITIES.get(row["temporality"]),
        instance=row["instance"] or None,
    )


def _mean(row: dict[str, Any]) -> float | None:
    """Return what one observation was on average."""
    if TEMPORALITIES.get(row["temporality"]) == "delta":
        total, observed = row["total_value"], row["total_observations"]
    else:
        total = row["last"] - row["first"]
        observed = row["last_observed"] - row["first_observed"]
        if observed <= 0:
            # One point alone, nothing new, or a counter that began anew in between.
            total, observed = row["last"], row["last_observed"]
    return total / observed if observed > 0 else None
