"""Rate, errors and duration of every service and operation of a window, in one pass over its spans.

The engine groups by operation once and keeps the durations of each group; services and the whole
are put together from those groups, not from the rows again. Names are short lists of long texts, so
rows are grouped by a number made from the two hashes that the engine takes of each name once: half
the cost of grouping by both texts (docs/internals/engine.md).

Up to `EXACT_SPANS_MAX` spans every quantile is one of the durations. Beyond it the engine keeps
durations with eight significant bits and traces are not counted, which is what fits half a second
for ten million spans, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_MS
from clew.store.engine.contract import Scan
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry.analytics import documents as doc
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

# What a row of the answer is about: the bits say which of the two names it is not told by.
_OPERATION: Final = 0
_SERVICE: Final = 1
_ALL: Final = 3

EXACT_SPANS_MAX: Final = 2_000_000
"""Putting together the durations of so many spans takes a tenth of a second, on one core; counting
their traces as long again, on two."""

QUANTILE_ERROR: Final = 2.0**-7
"""How much too low, relatively, a quantile may be that is kept with eight significant bits."""

# Durations are added as floats, since two spans that never end wrap 64 bits.
_SQL: Final = """
SELECT level, service, operation, spans, errors, total, longest, quantiles, groups, failing
FROM (
  SELECT *,
    count() OVER (PARTITION BY level) AS groups,
    countIf(errors > 0) OVER (PARTITION BY level) AS failing,
    row_number() OVER (PARTITION BY level ORDER BY spans DESC, service, operation) AS by_spans,
    row_number() OVER (
      PARTITION BY level ORDER BY quantiles[2] DESC, spans DESC, service, operation) AS by_p95,
    row_number() OVER (
      PARTITION BY level ORDER BY errors DESC, spans DESC, service, operation) AS by_errors
  FROM (
    SELECT grouping(service) * 2 + grouping(operation) AS level, service, operation,
      sum(n) AS spans, sum(failed) AS errors, sum(time) AS total, max(most) AS longest,
      {quantiles}Merge(0.5, 0.95, 0.99)(durations) AS quantiles
    FROM @groups
    GROUP BY GROUPING SETS ((service, operation), (service), ())
  )
)
WHERE (level = 0 AND (by_p95 <= {{limit:UInt32}} OR (by_errors <= {{limit:UInt32}} AND errors > 0)))
  OR (level = 1 AND by_spans <= {{limit:UInt32}}) OR level = 3
"""

# One row for each operation from each side that is read: what is stored, what is hot, each shard.
_GROUPS: Final = (
    "any(ServiceName) AS service",
    "any(SpanName) AS operation",
    "count() AS n",
    "countIf(StatusCode = 'Error') AS failed",
    "sum(toFloat64(Duration)) AS time",
    "max(Duration) AS most",
)
_BY_OPERATION: Final = "cityHash64(ServiceName) * 31 + cityHash64(SpanName)"

_TRACES: Final = Groups(TRACES, {}, (Aggregate("traces", "uniqExact", "TraceId"),), ("TraceId",))

_EXACT: Final = _SQL.format(quantiles="quantilesExact")
_CLOSE: Final = _SQL.format(quantiles="quantilesBFloat16")


@dataclass(frozen=True, slots=True)
class SpanFigures:
    """What the spans of a window say; each list holds the first ones and its count says of all."""

    totals: doc.SpanTotals
    quantile_error: float
    service_count: int
    services: list[doc.ServiceSummary]
    operation_count: int
    slowest: list[doc.OperationSummary]
    failing_count: int
    failing: list[doc.OperationSummary]


def read_span_figures(
    store: Store, snapshot: Snapshot, window: Window, *, service: str | None, limit: int
) -> SpanFigures:
    """Return rate, errors and duration of the first `limit` services and operations and of all.

    Services are ordered by spans, the slowest operations by p95, the failing ones by errors.
    """
    where, parameters = span_condition(window, service)
    is_exact = _count_spans(store, snapshot, where, parameters) <= EXACT_SPANS_MAX
    kept = "quantilesExactState" if is_exact else "quantilesBFloat16State"
    columns = (*_GROUPS, f"{kept}(0.5, 0.95, 0.99)(Duration) AS durations")
    rows = store.engine.query(
        _EXACT if is_exact else _CLOSE,
        snapshot=snapshot,
        scans={"groups": Scan(TRACES, columns, where, group_by=(_BY_OPERATION,))},
        parameters={**parameters, "limit": limit},
        limits=LIMITS,
    ).to_pylist()
    by_level: dict[int, list[dict[str, Any]]] = {_OPERATION: [], _SERVICE: [], _ALL: []}
    for row in rows:
        by_level[row["level"]].append(row)
    operations, services = by_level[_OPERATION], by_level[_SERVICE]
    operations.sort(key=lambda row: (-row["quantiles"][1], -row["spans"], *_names(row)))
    slowest = operations[:limit]
    operations.sort(key=lambda row: (-row["errors"], -row["spans"], *_names(row)))
    failing = [row for row in operations[:limit] if row["errors"]]
    services.sort(key=lambda row: (-row["spans"], row["service"]))
    traces = _count_traces(store, snapshot, where, parameters) if is_exact else None
    return SpanFigures(
        totals=_totals(by_level[_ALL], traces, window),
        quantile_error=0.0 if is_exact else QUANTILE_ERROR,
        service_count=services[0]["groups"] if services else 0,
        services=[
            doc.ServiceSummary(service=row["service"], **_figures(row, window)) for row in services
        ],
        operation_count=operations[0]["groups"] if operations else 0,
        slowest=[_operation(row, window) for row in slowest],
        failing_count=operations[0]["failing"] if operations else 0,
        failing=[_operation(row, window) for row in failing],
    )


def span_condition(window: Window, service: str | None) -> tuple[str, dict[str, object]]:
    """Return the condition of the spans of a window and perhaps one service, and what is bound."""
    where = time_condition(TRACES, window.range)
    if service is None:
        return where, {}
    return f"{where} AND ServiceName = {{service:String}}", {"service": service}


def _count_spans(
    store: Store, snapshot: Snapshot, where: str, parameters: dict[str, object]
) -> int:
    counts = store.engine.query(
        "@counts",
        snapshot=snapshot,
        scans={"counts": Scan(TRACES, ("count() AS n",), where)},
        parameters=parameters,
        limits=LIMITS,
    )
    # A count of each side, put together without another statement.
    return sum(counts.column("n").to_pylist())


def _count_traces(
    store: Store, snapshot: Snapshot, where: str, parameters: dict[str, object]
) -> int:
    sql, scan = _TRACES.ask(snapshot, "spans", where)
    rows = store.engine.query(
        sql,
        snapshot=snapshot,
        scans={"spans": scan},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    traces: int = rows[0]["traces"]
    return traces


def _totals(rows: list[dict[str, Any]], traces: int | None, window: Window) -> doc.SpanTotals:
    # The whole of no rows is a row with zeros, whose quantiles are no numbers.
    if not rows or not rows[0]["spans"]:
        none = {"spans": 0, "errors": 0, "total": 0, "longest": 0, "quantiles": [0, 0, 0]}
        return doc.SpanTotals(trace_count=0, **_figures(none, window))
    return doc.SpanTotals(trace_count=traces, **_figures(rows[0], window))


def _operation(row: dict[str, Any], window: Window) -> doc.OperationSummary:
    return doc.OperationSummary(
        service=row["service"], operation=row["operation"], **_figures(row, window)
    )


def _figures(row: dict[str, Any], window: Window) -> dict[str, Any]:
    spans, errors = row["spans"], row["errors"]
    p50, p95, p99 = row["quantiles"]
    return {
        "span_count": spans,
        "error_count": errors,
        "error_rate": errors / spans if spans else 0.0,
        "rate_per_second": spans / window.seconds,
        "avg_ms": row["total"] / spans / NS_PER_MS if spans else 0.0,
        "max_ms": row["longest"] / NS_PER_MS,
        "p50_ms": p50 / NS_PER_MS,
        "p95_ms": p95 / NS_PER_MS,
        "p99_ms": p99 / NS_PER_MS,
    }


def _names(row: dict[str, Any]) -> tuple[str, str]:
    return row["service"], row["operation"]
