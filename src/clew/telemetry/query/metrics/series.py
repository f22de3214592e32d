"""A metric over time buckets.

Number points are folded by the engine. For a rate, and for everything about histograms, a point
says little alone: a cumulative one counts since its stream began, so what was added in a bucket is
the difference to the point before it in the same series, or all of it where the stream began anew
(its start time changed, or a monotonic count fell). The scan begins a little before the range, so
that the first bucket has a point to differ from.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, TimeRange, format_time, parse_duration_ns
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry import documents as doc
from clew.telemetry.query.metrics.additions import Asked, Kind, read_added
from clew.telemetry.query.metrics.distribution import distribution_values
from clew.telemetry.query.metrics.points import count_points, no_such_metric, which_points
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.window import read_window
from clew.telemetry.tables import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, METRICS, SUM, SUMMARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.store.engine.contract import Scan, Snapshot
    from clew.store.table import Table
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.metrics.points import Which
    from clew.telemetry.query.store import Store

WINDOW_DEFAULT_NS: Final = 3600 * NS_PER_S
BUCKETS_DEFAULT: Final = 60
"""As many as a chart or a sparkline shows."""

BUCKETS_MAX: Final = 11_000
"""What Prometheus allows for a range: more points than any screen has columns."""

LOOK_BACK_NS_MIN: Final = 5 * 60 * NS_PER_S
"""How far before the range a series' earlier point is looked for: five exports of a minute each."""

LABELS_MAX: Final = 16

_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)
"""Steps that people read easily; the smallest that gives at most the default number of buckets."""


@dataclass(frozen=True, slots=True)
class _Fold:
    """What becomes of the points of a bucket: figures, and the value made of them."""

    figures: tuple[Aggregate, ...]
    value: str


_SHARES: Final = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}


def _one(function: str, arguments: str) -> _Fold:
    """Return the fold that is one figure."""
    return _Fold((Aggregate("one", function, arguments),), "one")


_SUM_OF_SUMS: Final = Aggregate("total", "sum", "Sum")
_SUM_OF_COUNTS: Final = Aggregate("counted", "sum", "Count")
_FOLDS: Final = {
    "avg": _one("avg", "Value"),
    "sum": _one("sum", "Value"),
    "min": _one("min", "Value"),
    "max": _one("max", "Value"),
    "count": _Fold((Aggregate("counted", "count"),), "toFloat64(counted)"),
    # Of points at one time the largest, so that the answer is always the same one.
    "last": _one("argMax", "Value, (TimeUnix, Value)"),
    **{name: _one(f"quantileExact({share})", "Value") for name, share in _SHARES.items()},
}
_SUMMARY_FOLDS: Final = {
    "avg": _Fold((_SUM_OF_SUMS, _SUM_OF_COUNTS), "total / nullIf(counted, 0)"),
    "sum": _Fold((_SUM_OF_SUMS,), "total"),
    "count": _Fold((_SUM_OF_COUNTS,), "toFloat64(counted)"),
    **{
        name: _one(
            "avg",
            "if(has(`ValueAtQuantiles.Quantile`, {q}), `ValueAtQuantiles.Value`"
            "[indexOf(`ValueAtQuantiles.Quantile`, {q})], NULL)".replace("{q}", share),
        )
        for name, share in _SHARES.items()
    },
}

_COUNTER: Final = Kind(
    SUM,
    {"value": "Value", "monotonic": "IsMonotonic"},
    order=("value", "monotonic"),
    earlier=("value",),
    is_anew="(monotonic AND value < value_before)",
    added={"addition": "multiIf(NOT is_known, 0, is_whole, value, value - value_before)"},
    figures=(Aggregate("added", "sum", "addition"),),
    has_unknown=True,
)

_VALUE_COLUMNS: Final = {
    GAUGE.name: ("Value",),
    SUM.name: ("Value",),
    SUMMARY.name: ("Sum", "Count", "`ValueAtQuantiles.Quantile`", "`ValueAtQuantiles.Value`"),
}
_LABEL_COLUMNS: Final = ("ServiceName", "Attributes", "ResourceAttributes")
"""What labels are made of."""

Labels = tuple[str, ...]
Values = dict[tuple[int, Labels], float | None]
"""Value by bucket number and label values."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The buckets: `count` of them, `step` nanoseconds each, the first from `start`."""

    start: int
    step: int
    count: int

    @property
    def window(self) -> TimeRange:
        """The range that the buckets cover."""
        return TimeRange(self.start, self.start + self.step * self.count)

    def bucket(self, at: str) -> str:
        """Return the SQL of the number of the bucket in which a time lies."""
        return f"intDiv({at} - toInt64({self.start}), toInt64({self.step}))"

    def looking_back(self) -> TimeRange:
        """The range in which a point before the first bucket's points is looked for."""
        back = max(self.step, LOOK_BACK_NS_MIN)
        return TimeRange(max(0, self.start - back), self.window.end)


def query_series(store: Store, query: ask.SeriesQuery, now: int) -> doc.SeriesList:
    """Return a metric over time buckets, one series for each combination of the labels of `by`.

    Raises:
        ClewError: NOT_FOUND without points in the range; INVALID_ARGUMENT for an aggregate that the
            kind of metric does not have.
    """
    check_limit(query.limit)
    if len(query.by) > LABELS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"by takes at most {LABELS_MAX} labels",
            hint="split by fewer, or ask for single series with attribute",
        )
    grid = _read_grid(query, now)
    snapshot = store.snapshot()
    which = which_points(store, name=query.name, service=query.service, attribute=query.attribute)
    counts = count_points(store, snapshot, which, grid.window)
    if not counts:
        raise no_such_metric(store, snapshot, query.name)
    # One name may be sent as several kinds; what most points are is what is meant.
    table = max(METRICS, key=lambda each: counts.get(each.name, 0))
    values = _values(store, snapshot, table, query, which, grid)
    series = _series(query, grid, values)
    shown = series[: query.limit]
    return doc.SeriesList(
        series=shown,
        count=len(shown),
        total=len(series),
        truncated=len(shown) < len(series),
        step_seconds=grid.step / NS_PER_S,
        aggregate=query.aggregate,
        start_time=format_time(grid.start),
        end_time=format_time(grid.start + grid.step * grid.count),
    )


def _read_grid(query: ask.SeriesQuery, now: int) -> Grid:
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    end = max(now, (window.start or 0) + 1) if window.end is None else window.end
    start = max(0, end - WINDOW_DEFAULT_NS) if window.start is None else window.start
    if query.step is None:
        seconds = (end - start) / NS_PER_S
        step_s = next((s for s in _STEPS_S if s * BUCKETS_DEFAULT >= seconds), _STEPS_S[-1])
        step = step_s * NS_PER_S
    else:
        step = parse_duration_ns(query.step, bare=NS_PER_S)
    if step <= 0:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "step must be longer than nothing",
            hint="write it as 10s or 5m, or leave it out for about 60 buckets",
        )
    first = start - start % step
    count = -(-(end - first) // step)
    if count > BUCKETS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"the range has {count} buckets, at most {BUCKETS_MAX} are given",
            hint="widen the step or narrow the range",
        )
    return Grid(first, step, count)


def _values(
    store: Store,
    snapshot: Snapshot,
    table: Table,
    query: ask.SeriesQuery,
    which: Which,
    grid: Grid,
) -> Values:
    labels, parameters = _labels(query.by, which)
    asked = _looking_back(table, which, grid, labels, parameters)
    if table in (HISTOGRAM, EXPONENTIAL_HISTOGRAM):
        return distribution_values(store, snapshot, table, query.aggregate, grid, asked)
    if query.aggregate == "rate" and table is SUM:
        seconds = grid.step / NS_PER_S
        return {
            (row["bucket"], tuple(row[name] for name in labels)): row["added"] / seconds
            for row in read_added(store, snapshot, _COUNTER, asked)
        }
    folds = _SUMMARY_FOLDS if table is SUMMARY else _FOLDS
    fold = folds.get(query.aggregate)
    if fold is None:
        raise _no_such_aggregate(table, query.aggregate)
    sql, scan = _folded(snapshot, table, fold, which, grid, labels)
    rows = store.engine.query(
        sql,
        snapshot=snapshot,
        scans={"points": scan},
        parameters=parameters,
        limits=LIMITS,
    ).to_pylist()
    return {(row["bucket"], tuple(row[name] for name in labels)): row["folded"] for row in rows}


def _folded(
    snapshot: Snapshot,
    table: Table,
    fold: _Fold,
    which: Which,
    grid: Grid,
    labels: Mapping[str, str],
) -> tuple[str, Scan]:
    """Return the question for the figures of each bucket and its labels."""
    groups = Groups(
        table,
        {"bucket": grid.bucket("toUnixTimestamp64Nano(TimeUnix)"), **labels},
        fold.figures,
        ("TimeUnix", *_VALUE_COLUMNS[table.name], *(_LABEL_COLUMNS if labels else ())),
    )
    grouped, scan = groups.ask(snapshot, "points", _having_values(which, table, grid.window))
    return f"SELECT *, {fold.value} AS folded FROM ({grouped})", scan


def _looking_back(
    table: Table,
    which: Which,
    grid: Grid,
    labels: Mapping[str, str],
    parameters: Mapping[str, object],
) -> Asked:
    window = grid.looking_back()
    where = _having_values(which, table, window)
    return Asked(where, window, grid.start, grid.bucket("at"), labels, parameters)


def _having_values(which: Which, table: Table, window: TimeRange) -> str:
    # Bit 0 of the flags says that the point recorded no value.
    return f"{which.over(table, window)} AND bitAnd(Flags, 1) = 0"


def _labels(by: Sequence[str], which: Which) -> tuple[dict[str, str], dict[str, object]]:
    """Return labels by their columns: the service, else of the point, else of the resource."""
    labels = {}
    parameters = dict(which.parameters)
    for i, key in enumerate(by):
        if key == "service":
            labels[f"label_{i}"] = "toString(ServiceName)"
            continue
        bound = f"{{label_{i}:String}}"
        parameters[f"label_{i}"] = key
        labels[f"label_{i}"] = (
            f"if(mapContains(Attributes, {bound}), Attributes[{bound}],"
            f" ResourceAttributes[{bound}])"
        )
    return labels, parameters


def _no_such_aggregate(table: Table, aggregate: str) -> ClewError:
    if table is GAUGE:
        return ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a gauge has no rate",
            hint="ask for aggregate=avg, min, max or last",
        )
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"a summary has no {aggregate}",
        hint="ask for aggregate=avg, sum, count, p50, p95 or p99",
    )


def _series(query: ask.SeriesQuery, grid: Grid, values: Values) -> list[doc.Series]:
    """Return the series, largest last value first."""
    by_labels: dict[Labels, Mapping[int, float | None]] = {}
    for (bucket, labels), value in values.items():
        line = by_labels.setdefault(labels, {})
        assert isinstance(line, dict)
        line[bucket] = value
    series = [_one_series(query, grid, labels, line) for labels, line in by_labels.items()]
    series.sort(key=lambda each: (*_from_largest(each.value), sorted(each.labels.items())))
    return series


def _from_largest(value: float | None) -> tuple[bool, float]:
    """Return what sorts the largest value first, and what is no number last."""
    # A NaN is neither more nor less than anything: among others it would leave them in any order.
    return (True, 0.0) if value is None or math.isnan(value) else (False, -value)


def _one_series(
    query: ask.SeriesQuery, grid: Grid, labels: Labels, line: Mapping[int, Any]
) -> doc.Series:
    starts = [format_time(grid.start + i * grid.step) for i in range(grid.count)]
    points = [doc.SeriesPoint(start, line.get(i)) for i, start in enumerate(starts)]
    known = [i for i, value in line.items() if value is not None]
    newest = max(known, default=None)
    return doc.Series(
        metric=query.name,
        labels=dict(zip(query.by, labels, strict=True)),
        points=points,
        value=None if newest is None else line[newest],
        timestamp=None if newest is None else starts[newest],
    )
