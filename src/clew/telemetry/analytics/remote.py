"""The client of analytics: the questions of `Analytics`, asked of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from clew.telemetry.analytics import documents as doc
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

    def map_topology(self, query: ask.TopologyQuery) -> Reply[doc.Topology]:
        """Return who calls whom."""
        return self._get("/topology", query, doc.Topology)

    def _get(self, path: str, query: msgspec.Struct, kind: type[Document]) -> Reply[Document]:
        return Reply(self.server.get(BASE + path, to_pairs(query)), kind)
