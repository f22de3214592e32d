"""What the questions about metrics share: kinds of tables, series, and which points are meant."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.store.engine.contract import Scan
from clew.telemetry.query.filter.attribute_filter import parse_attribute_filters
from clew.telemetry.query.filter.predicate import compile_condition
from clew.telemetry.query.filter.regex import RegexJudge
from clew.telemetry.query.filter.vocabulary import POINTS
from clew.telemetry.query.names import NAME_CHARS_MAX, near_names
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import (
    EXPONENTIAL_HISTOGRAM,
    GAUGE,
    HISTOGRAM,
    METRICS,
    SUM,
    SUMMARY,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.documents import MetricType
    from clew.telemetry.query.store import Store

METRIC_TYPES: Final[Mapping[str, MetricType]] = {
    GAUGE.name: "gauge",
    SUM.name: "sum",
    SUMMARY.name: "summary",
    HISTOGRAM.name: "histogram",
    EXPONENTIAL_HISTOGRAM.name: "histogram",
}
"""What a table's points are called: both forms of histogram are one type to those who ask."""

TEMPORALITIES: Final[Mapping[int, Literal["delta", "cumulative"]]] = {1: "delta", 2: "cumulative"}

NAMES_MAX: Final = 10_000
"""Known metric names that a misspelt one is held against."""


def _sorted_entries(map_column: str) -> str:
    # A stored map gives its keys in another order than a hot one; a series is the same in both.
    return f"arraySort(CAST({map_column}, 'Array(Tuple(String, String))'))"


SERIES: Final = (
    f"cityHash64(ServiceName, ScopeName, {_sorted_entries('Attributes')},"
    f" {_sorted_entries('ResourceAttributes')})"
)
"""What tells one series of a metric from another."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which points: a condition without its time range, and what is bound in it."""

    condition: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    def over(self, table: Table, window: TimeRange) -> str:
        """Return the whole condition for a table."""
        return f"{time_condition(table, window)} AND {self.condition}"


def which_points(
    store: Store,
    *,
    name: str | None = None,
    service: str | None = None,
    attribute: Sequence[str] = (),
) -> Which:
    """Return which points the filters mean.

    Raises:
        ClewError: INVALID_ARGUMENT for an attribute filter that does not parse.
    """
    parts = []
    parameters: dict[str, object] = {}
    if service is not None:
        parts.append("ServiceName = {service:String}")
        parameters["service"] = service
    if name is not None:
        parts.append("MetricName = {metric:String}")
        parameters["metric"] = name
    if attribute:
        compiled = compile_condition(
            parse_attribute_filters(attribute, POINTS),
            POINTS,
            matches_empty=RegexJudge(store).matches_empty,
        )
        parts.append(f"({compiled.sql})")
        parameters.update(compiled.parameters)
    return Which(" AND ".join(parts) or "1", parameters)


def count_points(
    store: Store, snapshot: Snapshot, which: Which, window: TimeRange
) -> dict[str, int]:
    """Return how many points each table holds, by table name; tables without any are absent."""
    scans = {
        f"points_{i}": Scan(table, ("count() AS n",), which.over(table, window))
        for i, table in enumerate(METRICS)
    }
    counts = " UNION ALL ".join(
        f"SELECT {i} AS kind, sum(n) AS points FROM @points_{i}" for i in range(len(METRICS))
    )
    rows = store.engine.query(
        counts, snapshot=snapshot, scans=scans, parameters=which.parameters, limits=LIMITS
    ).to_pylist()
    return {METRICS[row["kind"]].name: row["points"] for row in rows if row["points"]}


def no_such_metric(store: Store, snapshot: Snapshot, name: str) -> ClewError:
    """Return the error of a name that has no points in the range, with what may have been meant."""
    name_of = ("MetricName",)
    scans = {
        f"points_{i}": Scan(table, name_of, group_by=name_of) for i, table in enumerate(METRICS)
    }
    names = " UNION ALL ".join(f"SELECT MetricName AS name FROM @{each}" for each in scans)
    known = store.engine.query(
        f"SELECT DISTINCT name FROM ({names}) LIMIT {NAMES_MAX}",
        snapshot=snapshot,
        scans=scans,
        limits=LIMITS,
    )
    texts = set(known.column("name").to_pylist())
    near = near_names(name, texts)
    hint = f"did you mean {', '.join(near)}?" if near else "list what there is with: clew metrics"
    if name in texts:
        hint = "it has points at other times or with other labels: widen the range with last=7d"
    return ClewError(
        ErrorCode.NOT_FOUND,
        f"no points of metric {shorten(name, NAME_CHARS_MAX)!r} match in this range",
        hint=hint,
    )
