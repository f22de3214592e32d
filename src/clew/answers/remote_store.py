"""Another clew server as a store to ask: one face over its REST API.

What telemetry, analytics, comments and correlation are asked here is asked there, with the same
parameters, and answered with the same documents. An object is safe to use from any thread: it keeps
as many connections as are used at once.

Nothing is there where the server says 404: no spans of a trace that it does not have, no report
for one. Questions are asked a second time where a connection broke; what writes never is. Every
error begins with the name of the server, since who uses this speaks to several.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeVar

import msgspec

from clew.answers.parameters import CorrelateQuery
from clew.answers.remote import AnswerClient
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import PARTIAL_HEADER, Shard, note_missing
from clew.base.sharding import endpoint_of
from clew.remote.connections import OwnConnections
from clew.remote.finding import none_if_absent
from clew.remote.http import READ_TIMEOUT_S, Server
from clew.remote.reply import Reply
from clew.team.comments import parameters as comment_ask
from clew.team.remote import CommentClient
from clew.telemetry.analytics.remote import AnalyticsClient
from clew.telemetry.group import GroupStatus
from clew.telemetry.remote import TelemetryClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from clew.answers.documents import CorrelateReport
    from clew.team.comments import documents as comment_doc
    from clew.telemetry import documents as doc
    from clew.telemetry.analytics import documents as analytics_doc
    from clew.telemetry.analytics import parameters as analytics_ask
    from clew.telemetry.analytics import reports
    from clew.telemetry.query import parameters as ask

Document = TypeVar("Document")


class _Shards(msgspec.Struct, frozen=True):
    """What a query tier tells of its shards, as far as it is wanted here."""

    shards: list[Shard]


class RemoteStore:
    """The query and comment contract over another server's REST API.

    Every method raises ClewError with the code that the server gives, its message after the name of
    the server: UNAVAILABLE when nothing answers, TIMEOUT when the answer does not come in time.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        api_key: str | None = None,
        timeout_s: float = READ_TIMEOUT_S,
        takes_partial: bool = False,
    ) -> None:
        """Ask the server at an address; it is called by it unless a `name` is given.

        A query tier may answer without some of its shards. Such an answer is an error unless
        `takes_partial`; then it counts, and the gathering of the request, where there is one, is
        told who is missing (`clew.base.gathering`).

        Raises:
            ClewError: INVALID_ARGUMENT for what is no address, and no key.
        """
        self.url: Final = Server(url, api_key=api_key).url
        self.name: Final = name or self.url
        self._takes_partial = takes_partial
        self._connections = OwnConnections(
            lambda: Server(url, api_key=api_key, read_timeout_s=timeout_s)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection; idempotent."""
        self._connections.close()

    def check(self) -> None:
        """Return when the server takes records and answers questions."""
        self._ask(lambda server: Reply(server.get("/readyz"), object))

    # Spans, logs, metrics.

    def find_spans(self, query: ask.SpanQuery) -> doc.SpanList:
        """Return one page of matching spans, newest first."""
        return self._telemetry(lambda client: client.find_spans(query))

    def find_traces(self, query: ask.SpanQuery) -> doc.TraceList:
        """Return one page of traces that hold a matching span, newest match first."""
        return self._telemetry(lambda client: client.find_traces(query))

    def get_trace(self, trace_id: str, *, typed: bool = False, own: bool = False) -> doc.Trace:
        """Return one trace as a tree laid flat; NOT_FOUND when no span of it is there."""
        return self._telemetry(lambda client: client.get_trace(trace_id, typed=typed, own=own))

    def find_trace_spans(self, trace_id: str, *, typed: bool = False) -> list[doc.Span]:
        """Return the spans of a trace, none where there is no such trace."""
        trace = none_if_absent(lambda: self.get_trace(trace_id, typed=typed))
        return [] if trace is None else trace.spans

    def find_logs(self, query: ask.LogQuery) -> doc.LogList:
        """Return one page of matching log records, newest first."""
        return self._telemetry(lambda client: client.find_logs(query))

    def find_metrics(self, query: ask.MetricQuery) -> doc.MetricList:
        """Return one page of matching metric points, newest first."""
        return self._telemetry(lambda client: client.find_metrics(query))

    def get_metric(self, name: str, query: ask.MetricParameters) -> doc.MetricDetail:
        """Return what is known of a metric; NOT_FOUND when there is none."""
        return self._telemetry(lambda client: client.get_metric(name, query))

    def query_series(self, query: ask.SeriesQuery) -> doc.SeriesList:
        """Return a metric over time buckets."""
        return self._telemetry(lambda client: client.query_series(query))

    def list_services(self, query: ask.ServiceQuery) -> doc.ServiceList:
        """Return services with rate, errors and duration."""
        return self._telemetry(lambda client: client.list_services(query))

    def list_operations(self, query: ask.OperationQuery) -> doc.OperationList:
        """Return operations with rate, errors and duration."""
        return self._telemetry(lambda client: client.list_operations(query))

    def list_attributes(self, query: ask.AttributeQuery) -> doc.AttributeList:
        """Return attribute keys with counts."""
        return self._telemetry(lambda client: client.list_attributes(query))

    def list_attribute_values(self, key: str, query: ask.AttributeQuery) -> doc.AttributeValueList:
        """Return the values of one attribute with counts."""
        return self._telemetry(lambda client: client.list_attribute_values(key, query))

    def run_sql(self, statement: str, *, limit: int | None = None) -> doc.SqlAnswer:
        """Run a statement, read-only."""
        return self._telemetry(lambda client: client.run_sql(statement, limit=limit))

    def get_sql_schema(self) -> doc.SqlSchema:
        """Return the tables that SQL may read."""
        return self._telemetry(lambda client: client.get_sql_schema())

    def get_ingest_status(self) -> doc.IngestStatus:
        """Return how the way in is doing."""
        return self._telemetry(lambda client: client.get_ingest_status())

    # Many records at once.

    def summarize(self, query: analytics_ask.SummaryQuery) -> analytics_doc.Summary:
        """Return what happened in a window."""
        return self._analytics(lambda client: client.summarize(query))

    def count_over_time(self, query: analytics_ask.DensityQuery) -> analytics_doc.Density:
        """Return how many spans and log records there are, and when."""
        return self._analytics(lambda client: client.count_over_time(query))

    def map_topology(self, query: analytics_ask.TopologyQuery) -> analytics_doc.Topology:
        """Return who calls whom."""
        return self._analytics(lambda client: client.map_topology(query))

    def find_anomalies(self, query: analytics_ask.AnomalyQuery) -> reports.AnomalyReport:
        """Return what differs from the baseline by more than chance, the worst first."""
        return self._analytics(lambda client: client.find_anomalies(query))

    def diff(self, query: analytics_ask.DiffQuery) -> reports.DifferenceReport:
        """Return every figure of two windows, and the values that set bad spans apart."""
        return self._analytics(lambda client: client.diff(query))

    def list_patterns(self, query: analytics_ask.PatternQuery) -> reports.LogPatternList:
        """Return what log records say, most frequent first."""
        return self._analytics(lambda client: client.list_patterns(query))

    def correlate(self, query: CorrelateQuery) -> CorrelateReport | None:
        """Return everything that belongs to one trace, None where there is no such trace."""
        return none_if_absent(
            lambda: self._ask(lambda server: AnswerClient(server).correlate(query))
        )

    # Comments.

    def add_comment(self, trace_id: str, comment: comment_ask.NewComment) -> comment_doc.Comment:
        """Keep a comment; it is durable there when this returns."""
        return self._comment(lambda client: client.add(trace_id, comment))

    def edit_comment(self, comment_id: str, edit: comment_ask.CommentEdit) -> comment_doc.Comment:
        """Change what a comment says."""
        return self._comment(lambda client: client.edit(comment_id, edit))

    def delete_comment(self, comment_id: str) -> comment_doc.Comment:
        """Remove a comment and return what it was."""
        return self._comment(lambda client: client.delete(comment_id))

    def get_comment(self, comment_id: str) -> comment_doc.Comment:
        """Return one comment."""
        return self._comment(lambda client: client.get(comment_id))

    def find_comments(self, query: comment_ask.CommentQuery) -> comment_doc.CommentList:
        """Return one page of matching comments, of one trace or of all."""
        return self._ask(lambda server: CommentClient(server).find(query))

    # What there is no way for.

    def accept(self, signal: str, body: bytes) -> NoReturn:
        """Refuse telemetry: whoever has some sends it to the server that owns it.

        The server is asked whether it takes any itself; a query tier and a standby do not.

        Raises:
            ClewError: UNSUPPORTED, with the addresses to send to.
        """
        raise ClewError(
            ErrorCode.UNSUPPORTED,
            f"{self.name}: {len(body)} bytes of {signal} cannot be written through a remote store",
            hint=self._find_way_in(signal),
        )

    def _find_way_in(self, signal: str) -> str:
        """Return where telemetry is to be sent, for a person."""
        try:
            shards = none_if_absent(lambda: self._get("/api/v1/shards", _Shards))
            group = self._get("/internal/cluster", GroupStatus) if shards is None else None
        except ClewError as error:
            return f"{error.message}; ask it where to send once it answers: clew doctor"
        if shards is not None:
            each = ", ".join(f"{shard.name} ({shard.url})" for shard in shards.shards)
            return (
                f"it is a query tier and keeps nothing: send them over OTLP to its shards, {each};"
                " docs/guide/collector.md has the set-up of a Collector that divides them"
            )
        if group is not None and group.role == "standby":
            if group.leader_url is None:
                return "it is a standby, and nobody leads its group at present: send them later"
            return f"it is a standby: send them to its leader, {group.leader_url}/v1/{signal}"
        usual = f"over gRPC to {self.endpoint} if nobody moved that door"
        return f"send them over OTLP to {self.url}/v1/{signal}, or {usual}"

    def _get(self, path: str, kind: type[Document]) -> Document:
        return self._ask(lambda server: Reply(server.get(path), kind))

    @property
    def endpoint(self) -> str:
        """Where the server takes OTLP over gRPC if nobody moved it: ``host:4317``."""
        return endpoint_of(self.url)

    def _telemetry(self, ask_it: Callable[[TelemetryClient], Reply[Document]]) -> Document:
        return self._ask(lambda server: ask_it(TelemetryClient(server)))

    def _analytics(self, ask_it: Callable[[AnalyticsClient], Reply[Document]]) -> Document:
        return self._ask(lambda server: ask_it(AnalyticsClient(server)))

    def _comment(
        self, ask_it: Callable[[CommentClient], Reply[comment_doc.CommentAnswer]]
    ) -> comment_doc.Comment:
        return self._ask(lambda server: ask_it(CommentClient(server))).comment

    def _ask(self, call: Callable[[Server], Reply[Document]]) -> Document:
        with self._connections.borrow() as server:
            try:
                reply = call(server)
                self._check_whole(reply.answer.headers.get(PARTIAL_HEADER))
                return reply.document()
            except ClewError as error:
                raise ClewError(
                    error.code,
                    f"{self.name}: {error.message}",
                    hint=error.hint,
                    retry_after_ms=error.retry_after_ms,
                ) from error

    def _check_whole(self, missing: str | None) -> None:
        if missing is None:
            return
        if not self._takes_partial:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                f"the answer lacks what these shards have: {missing}",
                hint="ask again when they answer, or take answers that are partial",
            )
        for name in missing.split(","):
            note_missing(name, f"{self.name} could not ask it")
