"""The routes of analytics: summary and topology, and what is compared with a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.rest.route import BASE, QueryRoute
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics import parameters as ask
from clew.telemetry.analytics import reports

if TYPE_CHECKING:
    from clew.surfaces.rest.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    QueryRoute(
        path=f"{BASE}/summary",
        summary="Spans, errors, logs, metrics and language models of a window at a glance",
        tag="analytics",
        parameters=ask.SummaryQuery,
        documents=(doc.Summary,),
        ask=lambda desk, asked: desk.analytics.summarize(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/density",
        summary="How many spans, failed spans and log records there are, and when",
        tag="analytics",
        parameters=ask.DensityQuery,
        documents=(doc.Density,),
        ask=lambda desk, asked: desk.analytics.count_over_time(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/topology",
        summary="Who calls whom: services, databases, queues and others, with calls and errors",
        tag="analytics",
        parameters=ask.TopologyQuery,
        documents=(doc.Topology,),
        errors=(400, 413, 429, 503, 504),
        ask=lambda desk, asked: desk.analytics.map_topology(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/anomalies",
        summary="What is not as it was: every service, operation and log pattern",
        tag="analytics",
        parameters=ask.AnomalyQuery,
        documents=(reports.AnomalyReport,),
        errors=(400, 413, 429, 503, 504),
        ask=lambda desk, asked: desk.analytics.find_anomalies(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/diff",
        summary="Two windows side by side, and what sets bad spans apart from good ones",
        tag="analytics",
        parameters=ask.DiffQuery,
        documents=(reports.DifferenceReport,),
        errors=(400, 413, 429, 503, 504),
        ask=lambda desk, asked: desk.analytics.diff(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/logs/patterns",
        summary="What log records say: templates with counts",
        tag="logs",
        parameters=ask.PatternQuery,
        documents=(reports.LogPatternList,),
        errors=(400, 413, 429, 503, 504),
        ask=lambda desk, asked: desk.analytics.list_patterns(asked.parameters),
    ),
)
