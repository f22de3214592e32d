"""Log records by severity and metric points by name, counted over a window."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.store.engine.contract import Scan
from clew.telemetry.analytics import documents as doc
from clew.telemetry.query.metrics.points import METRIC_TYPES
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.severity import SEVERITY_CLASSES, SEVERITY_SQL
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import LOGS, METRICS

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store


_LOGS: Final = f"""
SELECT *, count() OVER () - 1 AS services FROM (
  SELECT grouping(service) AS is_all, service, sum(n) AS total,
    {
    ", ".join(
        f"sumIf(n, severity BETWEEN {a} AND {b}) AS `{name}`"
        for name, (a, b) in SEVERITY_CLASSES.items()
    )
}
  FROM @logs
  GROUP BY GROUPING SETS ((service), ())
)
ORDER BY is_all DESC, `error` + `fatal` DESC, total DESC, service
LIMIT {{limit:UInt32}} + 1
"""


_SEVERITY_KEY: Final = f"cityHash64(ServiceName) * 31 + {SEVERITY_SQL}"

# One row for each service and severity from each side that is read.
_BY_SEVERITY: Final = (
    "any(ServiceName) AS service",
    f"any({SEVERITY_SQL}) AS severity",
    "count() AS n",
)


_METRIC_KEY: Final = "cityHash64(MetricName) * 31 + cityHash64(ServiceName)"

_BY_METRIC: Final = (
    "any(MetricName) AS name",
    "any(ServiceName) AS service",
    "count() AS n",
)


@dataclass(frozen=True, slots=True)
class LogFigures:
    """Log records of a window; `services` are the first ones of `service_count`."""

    totals: doc.SeverityCounts
    services: list[doc.ServiceLogs]
    service_count: int


def read_log_figures(
    store: Store, snapshot: Snapshot, window: Window, *, service: str | None, limit: int
) -> LogFigures:
    """Return how many records of each severity there are, in all and of each service.

    The services with the most errors come first.
    """
    where, parameters = _condition(time_condition(LOGS, window.range), service)
    everything, *rows = store.engine.query(
        _LOGS,
        snapshot=snapshot,
        scans={"logs": Scan(LOGS, _BY_SEVERITY, where, group_by=(_SEVERITY_KEY,))},
        parameters={**parameters, "limit": limit},
        limits=LIMITS,
    ).to_pylist()
    return LogFigures(
        totals=doc.SeverityCounts(**_severities(everything)),
        services=[doc.ServiceLogs(service=row["service"], **_severities(row)) for row in rows],
        service_count=everything["services"],
    )


def read_metric_totals(
    store: Store, snapshot: Snapshot, window: Window, *, service: str | None, limit: int
) -> doc.MetricTotals:
    """Return how many points there are, in all and of the metrics that have the most."""
    scans: dict[str, Scan] = {}
    parameters: dict[str, object] = {}
    for number, table in enumerate(METRICS):
        where, parameters = _condition(time_condition(table, window.range), service)
        scans[f"points_{number}"] = Scan(table, _BY_METRIC, where, group_by=(_METRIC_KEY,))
    points = " UNION ALL ".join(
        f"SELECT '{METRIC_TYPES[table.name]}' AS type, * FROM @points_{number}"
        for number, table in enumerate(METRICS)
    )
    rows = store.engine.query(
        "SELECT name, type, sum(n) AS points, uniqExact(service) AS services,"
        " sum(points) OVER () AS total, count() OVER () AS names"
        f" FROM ({points}) GROUP BY name, type ORDER BY points DESC, name, type"
        " LIMIT {limit:UInt32}",
        snapshot=snapshot,
        scans=scans,
        parameters={**parameters, "limit": limit},
        limits=LIMITS,
    ).to_pylist()
    return doc.MetricTotals(
        point_count=rows[0]["total"] if rows else 0,
        unique_names=rows[0]["names"] if rows else 0,
        names=[
            doc.MetricName(
                name=row["name"],
                metric_type=row["type"],
                point_count=row["points"],
                service_count=row["services"],
            )
            for row in rows
        ],
    )


def _condition(where: str, service: str | None) -> tuple[str, dict[str, object]]:
    if service is None:
        return where, {}
    return f"{where} AND ServiceName = {{service:String}}", {"service": service}


def _severities(row: dict[str, Any]) -> dict[str, int]:
    counts = {name: row[name] for name in SEVERITY_CLASSES}
    return {**counts, "error": row["error"] + row["fatal"], "total": row["total"]}
