"""The telemetry strand's client: the questions of `QueryService`, asked of another server.

The parameters and documents are the ones that the server itself uses, so a question and its answer
have one shape on both sides. Light install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from clew.remote.pairs import quoted, to_pairs
from clew.remote.reply import BASE, Reply, decode
from clew.telemetry import documents as doc

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from clew.remote.answer import Stream
    from clew.remote.http import Server
    from clew.remote.pairs import Pairs
    from clew.telemetry.query import parameters as ask

__all__ = ["BASE", "Reply", "TelemetryClient", "decode", "to_pairs"]

Document = TypeVar("Document")


class TelemetryClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def find_spans(self, query: ask.SpanQuery) -> Reply[doc.SpanList]:
        """Return one page of matching spans, newest first."""
        return self._get("/traces", to_pairs(query, without=frozenset({"view"})), doc.SpanList)

    def find_traces(self, query: ask.SpanQuery) -> Reply[doc.TraceList]:
        """Return one page of traces that hold a matching span, newest match first."""
        pairs = to_pairs(query, without=frozenset({"view"}))
        return self._get("/traces", [*pairs, ("view", "traces")], doc.TraceList)

    def get_trace(
        self, trace_id: str, *, typed: bool = False, limit: int | None = None, own: bool = False
    ) -> Reply[doc.Trace]:
        """Return one trace as a tree laid flat."""
        pairs: Pairs = [("attributes", "typed")] if typed else []
        if own:
            pairs.append(("own", "true"))
        if limit is not None:
            pairs.append(("limit", str(limit)))
        return self._get(f"/traces/{quoted(trace_id)}", pairs, doc.Trace)

    def find_logs(self, query: ask.LogQuery) -> Reply[doc.LogList]:
        """Return one page of matching log records, newest first."""
        return self._get("/logs", to_pairs(query), doc.LogList)

    def find_metrics(self, query: ask.MetricQuery) -> Reply[doc.MetricList]:
        """Return one page of matching metric points, newest first."""
        return self._get("/metrics", to_pairs(query), doc.MetricList)

    def get_metric(self, name: str, query: ask.MetricParameters) -> Reply[doc.MetricDetail]:
        """Return what is known of a metric."""
        return self._get(f"/metrics/{quoted(name)}", to_pairs(query), doc.MetricDetail)

    def query_series(self, query: ask.SeriesQuery) -> Reply[doc.SeriesList]:
        """Return a metric over time buckets."""
        return self._get("/metrics/query", to_pairs(query), doc.SeriesList)

    def list_services(self, query: ask.ServiceQuery) -> Reply[doc.ServiceList]:
        """Return services with rate, errors and duration."""
        return self._get("/services", to_pairs(query), doc.ServiceList)

    def list_operations(self, query: ask.OperationQuery) -> Reply[doc.OperationList]:
        """Return operations with rate, errors and duration."""
        return self._get("/operations", to_pairs(query), doc.OperationList)

    def list_attributes(self, query: ask.AttributeQuery) -> Reply[doc.AttributeList]:
        """Return attribute keys with counts."""
        return self._get("/attributes", to_pairs(query), doc.AttributeList)

    def list_attribute_values(
        self, key: str, query: ask.AttributeQuery
    ) -> Reply[doc.AttributeValueList]:
        """Return the values of one attribute with counts."""
        path = f"/attributes/{quoted(key)}/values"
        return self._get(path, to_pairs(query), doc.AttributeValueList)

    def run_sql(self, statement: str, *, limit: int | None = None) -> Reply[doc.SqlAnswer]:
        """Run a statement, read-only."""
        body = {"q": statement} if limit is None else {"q": statement, "limit": limit}
        answer = self.server.post(
            f"{BASE}/sql", msgspec.json.encode(body), "application/json", is_question=True
        )
        return Reply(answer, doc.SqlAnswer)

    def get_sql_schema(self) -> Reply[doc.SqlSchema]:
        """Return the tables that SQL may read."""
        return self._get("/sql/schema", [], doc.SqlSchema)

    def get_ingest_status(self) -> Reply[doc.IngestStatus]:
        """Return how the way in is doing."""
        return self._get("/ingest/status", [], doc.IngestStatus)

    def suggest(self, kind: str, text: str) -> Reply[doc.Suggestions]:
        """Return whether a name is known, else near ones: of a service, operation or attribute."""
        return self._get("/suggest", [("kind", kind), ("text", text)], doc.Suggestions)

    def export(
        self, signal: str, query: msgspec.Struct, encoding: str
    ) -> AbstractContextManager[Stream]:
        """Open matching records as OTLP requests, oldest first."""
        pairs = [*to_pairs(query), ("format", encoding)]
        return self.server.stream(f"{BASE}/export/{quoted(signal)}", pairs)

    def _get(self, path: str, pairs: Pairs, kind: type[Document]) -> Reply[Document]:
        return Reply(self.server.get(BASE + path, pairs), kind)
