"""Lists of metric points and what is known of one metric.

A list runs over five tables. Each gives its newest rows, and the page is the newest of those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.times import NS_PER_S, format_time
from clew.store.engine.groups import Aggregate, Groups
from clew.telemetry import documents as doc
from clew.telemetry.query.filter.predicate import Predicate
from clew.telemetry.query.metrics.point_documents import POINT_COLUMNS, PointDocuments
from clew.telemetry.query.metrics.points import (
    METRIC_TYPES,
    SERIES,
    count_points,
    no_such_metric,
    which_points,
)
from clew.telemetry.query.newest import LIMITS, Reader, Rows, read_merged_page
from clew.telemetry.query.window import read_window
from clew.telemetry.tables import EXPONENTIAL_HISTOGRAM, HISTOGRAM, METRICS

if TYPE_CHECKING:
    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.store.table import Table
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.metrics.points import Which
    from clew.telemetry.query.store import Store

WINDOW_DEFAULT_NS: Final = 24 * 3600 * NS_PER_S
"""A metric described without a range: a day, in which every exporter has sent something."""

RECENT_POINTS: Final = 20


def find_metrics(store: Store, query: ask.MetricQuery, now: int) -> doc.MetricList:
    """Return one page of matching points, newest first, of every kind or of one."""
    predicate = _predicate(store, query)
    tables = [
        Rows(
            table,
            POINT_COLUMNS[table.name],
            PointDocuments(table, typed=query.attributes == "typed").document,
            predicate,
        )
        for table in METRICS
        if query.metric_type in (None, METRIC_TYPES[table.name])
    ]
    page = read_merged_page(store, query, tables, "metrics", now)
    return doc.MetricList(
        metrics=page.documents,
        count=len(page.documents),
        total=page.total,
        at_least=page.at_least,
        truncated=page.next is not None,
        next=page.next,
    )


def get_metric(store: Store, name: str, query: ask.MetricParameters, now: int) -> doc.MetricDetail:
    """Return what is known of a metric in a range.

    Raises:
        ClewError: NOT_FOUND with near names when it has no points there.
    """
    window = read_window(query, now=now, default_ns=WINDOW_DEFAULT_NS)
    snapshot = store.snapshot()
    which = which_points(store, name=name)
    counts = count_points(store, snapshot, which, window)
    if not counts:
        raise no_such_metric(store, snapshot, name)
    table = max(METRICS, key=lambda each: counts.get(each.name, 0))
    figures = _figures(store, snapshot, table, which, window)
    with_buckets = sum(counts.get(each.name, 0) for each in (HISTOGRAM, EXPONENTIAL_HISTOGRAM))
    recent = Rows(
        table,
        POINT_COLUMNS[table.name],
        PointDocuments(table, typed=False).document,
        Predicate(which.condition, which.parameters),
    )
    newest, _ = Reader(store, snapshot, recent, window, snapshot.acked).first_rows(
        RECENT_POINTS, None
    )
    return doc.MetricDetail(
        name=name,
        metric_type=METRIC_TYPES[table.name],
        unit=figures["unit"],
        description=figures["description"],
        point_count=sum(counts.values()),
        series_count=figures["series"],
        services=sorted(figures["services"]),
        label_keys=sorted(figures["keys"]),
        value_min=figures["low"],
        value_max=figures["high"],
        latest_timestamp=format_time(figures["latest"]),
        points_with_histogram_buckets=with_buckets,
        histogram_quantile_available=with_buckets > 0,
        recent_points=[row.document for row in newest],
    )


def _figures(
    store: Store, snapshot: Snapshot, table: Table, which: Which, window: TimeRange
) -> dict[str, Any]:
    value = "Value" if METRIC_TYPES[table.name] in {"gauge", "sum"} else "Sum"
    finite = f"{value}, isFinite({value})"
    figures_of = Groups(
        table,
        {},
        (
            # Of points at one time the texts decide, so that the answer is always the same one.
            Aggregate("unit", "argMax", "MetricUnit, (TimeUnix, MetricUnit)"),
            Aggregate("description", "argMax", "MetricDescription, (TimeUnix, MetricDescription)"),
            Aggregate("series", "uniqExact", SERIES),
            Aggregate("services", "groupUniqArray", "toString(ServiceName)"),
            Aggregate("keys", "groupUniqArrayArray", "CAST(mapKeys(Attributes), 'Array(String)')"),
            Aggregate("low", "minIf", finite),
            Aggregate("high", "maxIf", finite),
            Aggregate("latest", "max", "toUnixTimestamp64Nano(TimeUnix)"),
        ),
        (
            "TimeUnix",
            "ServiceName",
            "ScopeName",
            "MetricUnit",
            "MetricDescription",
            "Attributes",
            "ResourceAttributes",
            value,
        ),
    )
    sql, scan = figures_of.ask(snapshot, "points", which.over(table, window))
    answer = store.engine.query(
        sql,
        snapshot=snapshot,
        scans={"points": scan},
        parameters=which.parameters,
        limits=LIMITS,
    )
    figures: dict[str, Any] = answer.to_pylist()[0]
    return figures


def _predicate(store: Store, query: ask.MetricQuery) -> Predicate:
    which = which_points(store, name=query.name, service=query.service, attribute=query.attribute)
    return Predicate(which.condition, which.parameters)
