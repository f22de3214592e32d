"""Analytics over one store and one clock: a thin facade, each question is a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.telemetry.analytics import anomalies, density, differences, patterns, summary, topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.telemetry.analytics import documents as doc
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.analytics import reports
    from clew.telemetry.genai.contract import GenAi
    from clew.telemetry.query.store import Store


class TelemetryAnalytics:
    """Implements `clew.telemetry.analytics.contract.Analytics`, which says what each call does.

    Safe to use from any thread.
    """

    def __init__(self, store: Store, now: Callable[[], int], genai: GenAi) -> None:
        """Answer over a store; `now` gives Unix nanoseconds, to which "15m ago" refers."""
        self._store = store
        self._now = now
        self._genai = genai

    def summarize(self, query: ask.SummaryQuery) -> doc.Summary:
        """Return spans, errors, logs, metrics and language models of a window at a glance."""
        return summary.summarize(self._store, self._genai, query, self._now())

    def count_over_time(self, query: ask.DensityQuery) -> doc.Density:
        """Return how many spans and log records there are, and when."""
        return density.count_over_time(self._store, query, self._now())

    def map_topology(self, query: ask.TopologyQuery) -> doc.Topology:
        """Return who calls whom."""
        return topology.map_topology(self._store, query, self._now())

    def find_anomalies(self, query: ask.AnomalyQuery) -> reports.AnomalyReport:
        """Return what differs from the baseline by more than chance, the worst first."""
        return anomalies.find_anomalies(self._store, query, self._now())

    def diff(self, query: ask.DiffQuery) -> reports.DifferenceReport:
        """Return every figure of two windows, and the values that set bad spans apart."""
        return differences.diff(self._store, query, self._now())

    def list_patterns(self, query: ask.PatternQuery) -> reports.LogPatternList:
        """Return what log records say, most frequent first."""
        return patterns.list_patterns(self._store, query, self._now())
