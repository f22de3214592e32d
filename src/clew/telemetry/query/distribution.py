"""Histogram metrics over time buckets: what was measured in each, by the points around it."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.store.engine.contract import Scan
from clew.telemetry.query.histogram import Explicit, Exponential, Merged
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.points import SERIES, TEMPORALITIES
from clew.telemetry.tables import HISTOGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.histogram import Counts
    from clew.telemetry.query.points import Which
    from clew.telemetry.query.series import Grid, Values
    from clew.telemetry.query.store import Store

POINTS_MAX: Final = 200_000
"""Histogram points that one question may fold: some 100 MB of buckets, two seconds of work."""

_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

_COLUMNS: Final = (
    "toUnixTimestamp64Nano(TimeUnix) AS at",
    "toUnixTimestamp64Nano(StartTimeUnix) AS started",
    f"{SERIES} AS series",
    "AggregationTemporality AS temporality",
    "Count AS count",
    "Sum AS sum",
    "Min AS low",
    "Max AS high",
    # Whether the smallest and the largest were recorded at all: 0 may be a value.
    "position(Residue, '\"min\"') = 0 AS has_low",
    "position(Residue, '\"max\"') = 0 AS has_high",
)
_EXPLICIT: Final = ("BucketCounts AS counts", "ExplicitBounds AS bounds")
_EXPONENTIAL: Final = (
    "Scale AS scale",
    "ZeroCount AS zero_count",
    "ZeroThreshold AS zero_threshold",
    "PositiveOffset AS positive_offset",
    "PositiveBucketCounts AS positive",
    "NegativeOffset AS negative_offset",
    "NegativeBucketCounts AS negative",
)


@dataclass(slots=True)
class _Measured:
    """What one bucket of one series measured."""

    count: int = 0
    sum: float = 0.0
    low: float | None = None
    high: float | None = None
    merged: Merged = field(default_factory=Merged)


@dataclass(frozen=True, slots=True)
class _Point:
    """One point, or what it added to the point before it."""

    count: int
    sum: float
    counts: Counts


def distribution_values(
    store: Store,
    snapshot: Snapshot,
    table: Table,
    query: ask.SeriesQuery,
    which: Which,
    grid: Grid,
    *,
    labels: Mapping[str, str],
    parameters: Mapping[str, object],
) -> Values:
    """Return the aggregate of a histogram metric by bucket and labels.

    Raises:
        ClewError: INVALID_ARGUMENT for `last`, which a distribution does not have; TOO_LARGE when
            the range holds more points than one question may fold.
    """
    if query.aggregate == "last":
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a histogram has no last value",
            hint="ask for aggregate=avg, sum, count, rate, min, max, p50, p95 or p99",
        )
    window = grid.looking_back()
    form = _EXPLICIT if table is HISTOGRAM else _EXPONENTIAL
    scan = Scan(
        table,
        (
            *_COLUMNS,
            *form,
            *(f"{expression} AS {name}" for name, expression in labels.items()),
        ),
        f"{which.over(table, window)} AND bitAnd(Flags, 1) = 0",
        # So many are too many, wherever they are.
        limit=POINTS_MAX + 1,
    )
    rows = store.engine.query(
        f"SELECT * FROM @points ORDER BY series, at LIMIT {POINTS_MAX + 1}",
        snapshot=snapshot,
        scans={"points": scan},
        parameters=parameters,
        limits=LIMITS,
    )
    if rows.num_rows > POINTS_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"more than {POINTS_MAX} histogram points in this range",
            hint="narrow the range, or name a service or an attribute",
        )
    measured: dict[tuple[int, tuple[str, ...]], _Measured] = {}
    for row, added in _additions(rows.to_pylist(), began=window.start or 0):
        if row["at"] < grid.start:
            continue
        key = ((row["at"] - grid.start) // grid.step, tuple(row[name] for name in labels))
        _measure(measured.setdefault(key, _Measured()), row, added)
    return {key: _aggregate(one, query.aggregate, grid) for key, one in measured.items()}


def _additions(
    rows: Sequence[Mapping[str, Any]], *, began: int
) -> Iterator[tuple[Mapping[str, Any], _Point]]:
    """Yield each point with what it added; points come by series and time.

    The first cumulative point of a series adds nothing that is known, unless its stream began after
    the scan did.
    """
    before: Mapping[str, Any] | None = None
    earlier: _Point | None = None
    for row in rows:
        point = _point(row)
        if before is None or before["series"] != row["series"]:
            earlier = None
        if TEMPORALITIES.get(row["temporality"]) == "delta":
            yield row, point
        elif earlier is None or before is None:
            if row["started"] > began:
                yield row, point
        else:
            restarted = before["started"] != row["started"]
            yield row, point if restarted else _since(point, earlier)
        before, earlier = row, point


def _since(point: _Point, earlier: _Point) -> _Point:
    counts: Counts | None
    match point.counts, earlier.counts:
        case Explicit() as now, Explicit() as then:
            counts = now.since(then)
        case Exponential() as now, Exponential() as then:
            counts = now.since(then)
        case _:
            counts = None
    if counts is None or point.count < earlier.count:
        return point
    return _Point(point.count - earlier.count, point.sum - earlier.sum, counts)


def _point(row: Mapping[str, Any]) -> _Point:
    counts: Counts
    if "bounds" in row:
        counts = Explicit(tuple(row["bounds"]), tuple(row["counts"]))
    else:
        counts = Exponential(
            row["scale"],
            _numbered(row["positive_offset"], row["positive"]),
            _numbered(row["negative_offset"], row["negative"]),
            row["zero_count"],
            row["zero_threshold"],
        )
    return _Point(row["count"], row["sum"], counts)


def _numbered(offset: int, counts: Sequence[int]) -> dict[int, int]:
    return {offset + i: count for i, count in enumerate(counts) if count}


def _measure(one: _Measured, row: Mapping[str, Any], added: _Point) -> None:
    one.count += added.count
    one.sum += added.sum
    one.merged.add(added.counts)
    if row["has_low"]:
        one.low = row["low"] if one.low is None else min(one.low, row["low"])
    if row["has_high"]:
        one.high = row["high"] if one.high is None else max(one.high, row["high"])


def _aggregate(one: _Measured, aggregate: str, grid: Grid) -> float | None:
    match aggregate:
        case "count":
            return float(one.count)
        case "sum":
            return one.sum
        case "avg":
            return one.sum / one.count if one.count else None
        case "rate":
            return one.count / (grid.step / NS_PER_S)
        case "min":
            return one.low
        case "max":
            return one.high
        case _:
            return one.merged.quantile(_QUANTILES[aggregate])
