"""Histogram metrics over time buckets: what was measured in each, by the points around it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.store.engine.groups import Aggregate
from clew.telemetry.query.metrics.additions import Kind, read_added
from clew.telemetry.query.metrics.histogram import Explicit, Exponential, Merged
from clew.telemetry.tables import EXPONENTIAL_HISTOGRAM, HISTOGRAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.query.metrics.additions import Asked
    from clew.telemetry.query.metrics.histogram import Counts
    from clew.telemetry.query.metrics.series import Grid, Values
    from clew.telemetry.query.store import Store

_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

_POINT: Final = {
    "count": "Count",
    "sum": "Sum",
    "low": "Min",
    "high": "Max",
    # Whether the smallest and the largest were recorded at all: 0 may be a value.
    "has_low": "position(Residue, '\"min\"') = 0",
    "has_high": "position(Residue, '\"max\"') = 0",
}

_ADDED: Final = {
    "added_count": "if(is_whole, count, toUInt64(count - count_before))",
    "added_sum": "if(is_whole, sum, sum - sum_before)",
}

_FIGURES: Final = (
    Aggregate("counted", "sum", "added_count"),
    Aggregate("total", "sum", "added_sum"),
    Aggregate("lows", "countIf", "has_low"),
    Aggregate("highs", "countIf", "has_high"),
    Aggregate("lowest", "minIf", "low, has_low"),
    Aggregate("highest", "maxIf", "high, has_high"),
)

_COUNTS_BEFORE: Final = "arrayResize(counts_before, length(counts))"

_EXPLICIT: Final = Kind(
    HISTOGRAM,
    {
        **_POINT,
        "counts": "BucketCounts",
        "bounds": "ExplicitBounds",
        "shape": "cityHash64(ExplicitBounds, length(BucketCounts))",
        "content": "cityHash64(BucketCounts)",
    },
    order=("count", "sum", "shape", "content"),
    earlier=("count", "sum", "counts", "shape"),
    is_anew=(
        "count < count_before OR shape != shape_before"
        f" OR arrayExists((now, then) -> now < then, counts, {_COUNTS_BEFORE})"
    ),
    added={
        **_ADDED,
        "added_counts": (
            "if(is_whole, counts,"
            f" arrayMap((now, then) -> toUInt64(now - then), counts, {_COUNTS_BEFORE}))"
        ),
    },
    figures=(*_FIGURES, Aggregate("counts_in_all", "sumForEach", "added_counts")),
    forms=("bounds",),
)


def _numbered(side: str, before: str = "") -> str:
    """Return the buckets of one side as numbers and counts, at the scale common to both points."""
    offset, counts = f"{side}_offset{before}", f"{side}{before}"
    return (
        f"(arrayMap(place -> bitShiftRight(toInt64({offset}) + place - 1,"
        f" scale{before} - common), arrayEnumerate({counts})),"
        f" arrayMap(each -> toInt64(each), {counts}))"
    )


def _whole(side: str) -> str:
    """Return the buckets of one side of a point as numbers and counts, at its own scale."""
    return (
        f"(arrayMap(place -> toInt64({side}_offset) + place - 1, arrayEnumerate({side})),"
        f" arrayMap(each -> toInt64(each), {side}))"
    )


def _since(side: str) -> str:
    return f"mapSubtract({_numbered(side)}, {_numbered(side, '_before')})"


_EXPONENTIAL: Final = Kind(
    EXPONENTIAL_HISTOGRAM,
    {
        **_POINT,
        "scale": "Scale",
        "zeros": "ZeroCount",
        "threshold": "ZeroThreshold",
        "positive_offset": "PositiveOffset",
        "positive": "PositiveBucketCounts",
        "negative_offset": "NegativeOffset",
        "negative": "NegativeBucketCounts",
        "content": (
            "cityHash64(Scale, ZeroCount, PositiveOffset, PositiveBucketCounts, NegativeOffset,"
            " NegativeBucketCounts)"
        ),
    },
    order=("count", "sum", "content"),
    earlier=(
        "count",
        "sum",
        "scale",
        "zeros",
        "positive_offset",
        "positive",
        "negative_offset",
        "negative",
    ),
    is_anew=(
        "count < count_before OR zeros < zeros_before"
        " OR arrayExists(each -> each < 0, tupleElement(positive_since, 2))"
        " OR arrayExists(each -> each < 0, tupleElement(negative_since, 2))"
    ),
    added={
        "common": "least(scale, scale_before)",
        "positive_since": _since("positive"),
        "negative_since": _since("negative"),
        **_ADDED,
        "at_scale": "if(is_whole, scale, common)",
        "added_zeros": "if(is_whole, zeros, toUInt64(zeros - zeros_before))",
        "added_positive": f"if(is_whole, {_whole('positive')}, positive_since)",
        "added_negative": f"if(is_whole, {_whole('negative')}, negative_since)",
    },
    figures=(
        *_FIGURES,
        Aggregate("zeros_in_all", "sum", "added_zeros"),
        Aggregate("widest", "max", "threshold"),
        *(
            Aggregate(
                f"{side}_in_all",
                "sumMap",
                f"tupleElement(added_{side}, 1), tupleElement(added_{side}, 2)",
            )
            for side in ("positive", "negative")
        ),
    ),
    forms=("at_scale",),
)


@dataclass(slots=True)
class _Measured:
    """What was measured in one bucket with one set of labels."""

    count: int = 0
    sum: float = 0.0
    low: float | None = None
    high: float | None = None
    merged: Merged = field(default_factory=Merged)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add the measurements of one form."""
        self.count += row["counted"]
        self.sum += row["total"]
        if row["lows"]:
            self.low = row["lowest"] if self.low is None else min(self.low, row["lowest"])
        if row["highs"]:
            self.high = row["highest"] if self.high is None else max(self.high, row["highest"])
        self.merged.add(_counts(row))


def distribution_values(
    store: Store,
    snapshot: Snapshot,
    table: Table,
    aggregate: str,
    grid: Grid,
    asked: Asked,
) -> Values:
    """Return the aggregate of a histogram metric by bucket and labels.

    Raises:
        ClewError: INVALID_ARGUMENT for `last`, which a distribution does not have; TOO_LARGE when
            the range holds more points than can be put in order.
    """
    if aggregate == "last":
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a histogram has no last value",
            hint="ask for aggregate=avg, sum, count, rate, min, max, p50, p95 or p99",
        )
    kind = _EXPLICIT if table is HISTOGRAM else _EXPONENTIAL
    measured: dict[tuple[int, tuple[str, ...]], _Measured] = {}
    # In an order of their own, so that sums of fractions are always the same ones.
    for row in sorted(
        read_added(store, snapshot, kind, asked),
        key=lambda row: tuple(row[form] for form in kind.forms),
    ):
        key = (row["bucket"], tuple(row[name] for name in asked.labels))
        measured.setdefault(key, _Measured()).add(row)
    return {key: _aggregate(one, aggregate, grid) for key, one in measured.items()}


def _counts(row: Mapping[str, Any]) -> Counts:
    if "bounds" in row:
        return Explicit(tuple(row["bounds"]), tuple(row["counts_in_all"]))
    positive, negative = (
        dict(zip(*row[f"{side}_in_all"].values(), strict=True)) for side in ("positive", "negative")
    )
    return Exponential(row["at_scale"], positive, negative, row["zeros_in_all"], row["widest"])


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
