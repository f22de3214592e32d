"""What services measured around something, as documents; clients need no engine for these."""

from __future__ import annotations

import msgspec

from clew.telemetry.documents import Attributes, MetricType


class SeriesSummary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One series of a service in a time range.

    `timestamp` and `value` are those of its last point, as a data point has them. The figures are
    over the values of its `point_count` points; of a histogram or summary that is the sum. `mean`
    is what one observation of those was on average: over the range where that can be told (delta
    points, or a cumulative one that grew), else since the series began.
    """

    timestamp: str
    service: str
    name: str
    metric_type: MetricType
    value: float
    unit: str
    attributes: Attributes
    point_count: int
    first: float
    last: float
    min: float
    max: float
    avg: float
    mean: float | None = None
    temporality: str | None = None
    instance: str | None = None


class SeriesSummaries(msgspec.Struct, frozen=True, kw_only=True):
    """Series by service, name and attributes, and how many there are in all."""

    series: list[SeriesSummary]
    total: int
