"""Metrics: which there are, one of them, and how it moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from clew.surfaces.mcp.answers import Answer, Call, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import (
    Attribute,
    Limit,
    Service,
    Timed,
    Tool,
    again,
    call,
    figure,
    pick,
    times,
)
from clew.telemetry import documents as doc
from clew.telemetry.analytics import documents as analytics
from clew.telemetry.analytics.parameters import SUMMARY_LIMIT_MAX, SummaryQuery
from clew.telemetry.query.parameters import MetricParameters, SeriesQuery

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions

USUAL: dict[str, str] = {"sum": "rate", "histogram": "p95"}
"""What a metric of a kind is best looked at by; else its mean."""

DIGITS = 6
"""Digits of a value in a series that count: more is noise, and every one is a token."""

SERIES_CHARS = 8000
"""So that a series of a thousand buckets is not cut inside; it is left out whole before that."""

MetricName = Annotated[str, Meta(description="Exact metric name")]
Aggregate = Literal["avg", "sum", "min", "max", "count", "last", "rate", "p50", "p95", "p99"]


class MetricsAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last hour when no time is given."""

    name: Annotated[str | None, Meta(description="This one in detail, not the list")] = None
    service: Service = None


class MetricsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """The metrics that have points in the window, most points first; or one of them."""

    total: int | None = None
    metrics: Table | None = None
    metric: dict[str, Any] | None = None


def _metrics(questions: Questions, asked: MetricsAsked) -> Draft:
    if asked.name is not None:
        return _metric(questions, asked, asked.name)
    query = pick(asked, SummaryQuery, limit=SUMMARY_LIMIT_MAX)
    found = questions.ask("/summary", analytics.Summary, query).metrics

    def write(items: int) -> MetricsAnswer:
        rows = (
            [each.name, each.metric_type, each.point_count, each.service_count]
            for each in found.names[:items]
        )
        rest = found.unique_names - items
        get = again("metrics", "more of them", asked, max_tokens=20_000)
        return MetricsAnswer(
            total=found.unique_names,
            metrics=table(("name", "type", "points", "services"), rows),
            left_out=[LeftOut(what="metrics", count=rest, get=get)] if rest else [],
            next=[
                call("metrics", "what is known of one", name=each.name, **times(asked))
                for each in found.names[:1]
            ],
        )

    return Draft(most=len(found.names), write=write)


def _metric(questions: Questions, asked: MetricsAsked, name: str) -> Draft:
    query = pick(asked, MetricParameters)
    found = questions.ask("/metrics/{name}", doc.MetricDetail, query, {"name": name})

    def write(items: int) -> MetricsAnswer:
        return MetricsAnswer(
            metric={
                "name": found.name,
                "type": found.metric_type,
                "unit": found.unit,
                "description": found.description,
                "points": found.point_count,
                "series": found.series_count,
                "services": found.services[:items],
                "attributes": found.label_keys[:items],
                "min": found.value_min,
                "max": found.value_max,
                "latest": found.latest_timestamp,
            },
            next=[_series_call(asked, found)],
        )

    return Draft(most=max(len(found.services), len(found.label_keys)), write=write)


def _series_call(asked: MetricsAsked, found: doc.MetricDetail) -> Call:
    aggregate = USUAL.get(found.metric_type)
    why = "how it moved"
    return call("metric_series", why, name=found.name, aggregate=aggregate, **times(asked))


class SeriesAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of its time when none is given."""

    name: MetricName
    aggregate: Annotated[
        Aggregate, Meta(description="rate for counters, quantiles for histograms")
    ] = "avg"
    service: Service = None
    attribute: Attribute = msgspec.field(default_factory=list)
    by: Annotated[list[str], Meta(description="One series per value of these attributes")] = (
        msgspec.field(default_factory=list)
    )
    step: Annotated[str | None, Meta(description="Width of a bucket; about 60 by default")] = None
    limit: Limit = 20


class SeriesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Series, largest last value first.

    `values` are one for each bucket of `step_seconds`, null where a bucket holds nothing. The first
    of them is that of the bucket with the number `first`, counted from 0 at `start_time`.
    """

    start_time: str
    step_seconds: float
    aggregate: str
    total: int
    series: Table


def _metric_series(questions: Questions, asked: SeriesAsked) -> Draft:
    found = questions.ask("/metrics/query", doc.SeriesList, pick(asked, SeriesQuery))

    def write(items: int) -> SeriesAnswer:
        rest = found.total - items
        wider = _coarser(asked, found.step_seconds)
        return SeriesAnswer(
            start_time=found.start_time,
            step_seconds=found.step_seconds,
            aggregate=found.aggregate,
            total=found.total,
            series=table(
                ("labels", "last", "first", "values"),
                (
                    [each.labels, figure(each.value, DIGITS), *_values(each)]
                    for each in found.series[:items]
                ),
            ),
            left_out=[LeftOut(what="series", count=rest, get=wider)] if rest else [],
        )

    # Values are entries of an item here, and their number is the caller's choice.
    return Draft(most=found.count, write=write, text_chars=SERIES_CHARS)


def _coarser(asked: SeriesAsked, step_seconds: float) -> Call:
    """Return the call with buckets four times as wide, so that more series fit."""
    step = f"{max(1, round(4 * step_seconds))}s"
    return again("metric_series", "wider buckets, so more series", asked, step=step, limit=100)


def _values(series: doc.Series) -> tuple[int, list[float | None]]:
    """Return the values without the empty buckets at both ends, and the number of the first."""
    values = [
        None if point.value is None else float(f"{point.value:.{DIGITS}g}")
        for point in series.points
    ]
    held = [place for place, value in enumerate(values) if value is not None]
    return (held[0], values[held[0] : held[-1] + 1]) if held else (0, [])


METRICS = Tool(
    name="metrics",
    title="Metrics",
    description="Which metrics have points in the window; with `name`, what is known of one.",
    parameters=MetricsAsked,
    answer=MetricsAnswer,
    run=_metrics,
    example={"last": "1h"},
)
METRIC_SERIES = Tool(
    name="metric_series",
    title="A metric over time",
    description="How a metric moved: values over time buckets, split by attributes if wished.",
    parameters=SeriesAsked,
    answer=SeriesAnswer,
    run=_metric_series,
    example={"name": "{metric}", "last": "1h"},
)
