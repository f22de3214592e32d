"""The client of analytics: the questions of `Analytics`, asked of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics import reports
from clew.telemetry.remote import BASE, Reply, to_pairs

if TYPE_CHECKING:
    import msgspec

    from clew.remote.http import Server
    from clew.telemetry.analytics import parameters as ask

Document = TypeVar("Document")


class AnalyticsClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def summarize(self, query: ask.SummaryQuery) -> Reply[doc.Summary]:
        """Return what happened in a window."""
        return self._get("/summary", query, doc.Summary)

    def count_over_time(self, query: ask.DensityQuery) -> Reply[doc.Density]:
        """Return how many spans and log records there are, and when."""
        return self._get("/density", query, doc.Density)

    def map_topology(self, query: ask.TopologyQuery) -> Reply[doc.Topology]:
        """Return who calls whom."""
        return self._get("/topology", query, doc.Topology)

    def find_anomalies(self, query: ask.AnomalyQuery) -> Reply[reports.AnomalyReport]:
        """Return what differs from the baseline by more than chance, the worst first."""
        return self._get("/anomalies", query, reports.AnomalyReport)

    def diff(self, query: ask.DiffQuery) -> Reply[reports.DifferenceReport]:
        """Return every figure of two windows, and the values that set bad spans apart."""
        return self._get("/diff", query, reports.DifferenceReport)

    def list_patterns(self, query: ask.PatternQuery) -> Reply[reports.LogPatternList]:
        """Return what log records say, most frequent first."""
        return self._get("/logs/patterns", query, reports.LogPatternList)

    def _get(self, path: str, query: msgspec.Struct, kind: type[Document]) -> Reply[Document]:
        return Reply(self.server.get(BASE + path, to_pairs(query)), kind)
