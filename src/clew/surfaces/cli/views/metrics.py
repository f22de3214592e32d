"""Metric points, one metric in detail, and series as sparklines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import (
    Clock,
    escape,
    show_count,
    show_duration,
    show_number,
    show_time,
    sparkline,
)

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import (
        MetricDetail,
        MetricList,
        MetricPoint,
        Series,
        SeriesList,
    )

WIDTH_COMFORTABLE: Final = 110

# A sparkline takes what the labels and three figures leave, but stays readable as a shape.
OTHER_COLUMNS_WIDTH: Final = 52
CHART_WIDTH_MIN: Final = 20
CHART_WIDTH_MAX: Final = 80

_POINT_COLUMNS: Final = (
    Column("time"),
    Column("service", flexible=True),
    Column("metric", flexible=True),
    Column("type", drop=1),
    Column("value", right=True),
    Column("unit", flexible=True, drop=3),
    Column("attributes", flexible=True, drop=2),
)

_SERIES_COLUMNS: Final = (
    Column("series", flexible=True),
    Column("over time"),
    Column("min", right=True, drop=1),
    Column("max", right=True),
    Column("last", right=True),
)


def metric_table(document: MetricList, width: int) -> list[Line]:
    """Return metric points as lines."""
    clock = Clock(point.timestamp for point in document.metrics)
    digits = 3 if width >= WIDTH_COMFORTABLE else 0
    rows = [_point_row(point, clock, digits) for point in document.metrics]
    return lay_out(_POINT_COLUMNS, rows, width)


def metric_legend(document: MetricList) -> str:
    """Return the day and zone of the times."""
    return Clock(point.timestamp for point in document.metrics).legend()


def point_text(point: MetricPoint) -> str:
    """Return a point's value: a number, or count, mean and quantiles of a distribution."""
    if point.histogram is not None and point.histogram.count:
        mean = (point.histogram.sum or 0.0) / point.histogram.count
        return f"n={show_count(point.histogram.count)} avg={show_number(mean)}"
    return show_number(point.value)


def detail_lines(detail: MetricDetail) -> list[Line]:
    """Return what is known of a metric, one fact a line."""
    facts = [
        ("type", detail.metric_type),
        ("unit", escape(detail.unit) or "none"),
        ("about", escape(detail.description)),
        ("points", f"{show_count(detail.point_count)} in {show_count(detail.series_count)} series"),
        ("services", escape(", ".join(detail.services))),
        ("labels", escape(", ".join(detail.label_keys)) or "none"),
        ("range", f"{show_number(detail.value_min)} to {show_number(detail.value_max)}"),
        ("latest", show_time(detail.latest_timestamp) if detail.latest_timestamp else ""),
    ]
    width = max(len(name) for name, _ in facts)
    return [
        [("metric".ljust(width + 2), Style.DIM), (escape(detail.name), Style.BOLD)],
        *(
            [(name.ljust(width + 2), Style.DIM), (value, Style.PLAIN)]
            for name, value in facts
            if value
        ),
    ]


def series_table(document: SeriesList, width: int) -> list[Line]:
    """Return series as sparklines; each is scaled to its own smallest and largest value."""
    chart = max(CHART_WIDTH_MIN, min(CHART_WIDTH_MAX, width - OTHER_COLUMNS_WIDTH))
    return lay_out(_SERIES_COLUMNS, [_series_row(each, chart) for each in document.series], width)


def series_legend(document: SeriesList) -> str:
    """Return what a character of a sparkline stands for."""
    step = show_duration(document.step_seconds * 1000)
    return (
        f"{document.aggregate} per {step}, "
        f"{show_time(document.start_time)} to {show_time(document.end_time)}"
    )


def _series_row(series: Series, chart: int) -> list[Line]:
    values = [point.value for point in series.points]
    known = [value for value in values if value is not None]
    labels = ", ".join(f"{key}={value}" for key, value in series.labels.items())
    return [
        plain(escape(labels or series.metric)),
        styled(sparkline(values, chart), Style.CYAN),
        plain(show_number(min(known, default=None))),
        plain(show_number(max(known, default=None))),
        plain(show_number(series.value)),
    ]


def _point_row(point: MetricPoint, clock: Clock, digits: int) -> list[Line]:
    labels = ", ".join(f"{key}={value}" for key, value in point.attributes.items())
    return [
        styled(clock.show(point.timestamp, digits=digits), Style.DIM),
        styled(escape(point.service), Style.CYAN),
        plain(escape(point.name)),
        styled(point.metric_type, Style.DIM),
        plain(point_text(point)),
        styled(escape(point.unit), Style.DIM),
        styled(escape(labels), Style.DIM),
    ]
