"""`clew metrics` and `clew metric`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags, MetricFlags, SeriesFlags, to_query
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.suggest import explain_nothing
from clew.surfaces.cli.views.metrics import (
    detail_lines,
    metric_legend,
    metric_table,
    series_legend,
    series_table,
)
from clew.telemetry.query.parameters import MetricParameters, MetricQuery, SeriesQuery

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.documents import MetricDetail, SeriesList

# What a bucket shows where nobody says: the mean of a distribution tells little of its tail, and a
# counter's own value only ever grows.
USUAL_AGGREGATES = {"sum": "rate", "histogram": "p95"}


def metrics(*, flags: MetricFlags | None = None, answer: AnswerFlags | None = None) -> ExitCode:
    """Find metric points."""
    session = Session(answer)
    query = to_query(flags, MetricQuery)
    find = paged(session.client.find_metrics, query)
    listing = Listing(find(), "metrics", "point", metric_table, find, legend=metric_legend)
    return session.show(listing, lambda: explain_nothing(session.client, "metric points", flags))


def metric(
    name: Annotated[str, Parameter(help="The metric's exact name.")],
    /,
    *,
    flags: SeriesFlags | None = None,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show one metric: what is known of it, and how it moved."""
    session = Session(answer)
    flags = flags or SeriesFlags()
    asks_series = any(
        value is not None
        for value in (flags.step, flags.aggregate, flags.by, flags.attribute, flags.service)
    )
    if session.format != "table":
        if asks_series:
            return session.show(_series(session, name, flags, {}), lambda: _no_metric(name))
        return session.show(_detail(session, name, flags), lambda: _no_metric(name))
    detail = _detail(session, name, flags)
    known = detail.reply.document()
    usual = USUAL_AGGREGATES.get(known.metric_type)
    more: dict[str, Any] = {"aggregate": usual} if usual and flags.aggregate is None else {}
    series = _series(session, name, flags, more)

    def table(document: SeriesList, width: int) -> list[Line]:
        return [*detail_lines(known), [], *series_table(document, width)]

    return session.show(replace(series, table=table), lambda: _no_metric(name))


def _detail(session: Session, name: str, flags: SeriesFlags) -> Listing[MetricDetail]:
    asked = MetricParameters(last=flags.last, start=flags.start, end=flags.end, own=flags.own)
    reply = session.client.get_metric(name, asked)

    def table(document: MetricDetail, _width: int) -> list[Line]:
        return detail_lines(document)

    return Listing(reply, "recent_points", "recent point", table, how=f"clew metrics --name {name}")


def _series(
    session: Session, name: str, flags: SeriesFlags, more: dict[str, Any]
) -> Listing[SeriesList]:
    query = to_query(flags, SeriesQuery, name=name, **more)
    find = paged(session.client.query_series, query)
    return Listing(
        find(),
        "series",
        "series",
        series_table,
        find,
        how="a longer --step, or --attribute for fewer series",
        legend=series_legend,
    )


def _no_metric(name: str) -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND, f"no point of {name} in this time", hint="clew metrics lists some"
    )
