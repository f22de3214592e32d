"""The graph of services: who calls whom, by parents, by links, and by what calls say they reach.

Theory of operation. A child names its parent by ids, so an edge needs both spans. The spans of the
window are joined to those that began in the window or near it (a parent begins before its child,
perhaps before the window); the two ids become one 128-bit hash, which two different pairs share
less often than memory fails. What the join does not find is counted and said, never guessed.
Calls that no span of ours answers are told by the attributes of the calling span: a database, a
queue, or someone else's service.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S, TimeRange
from clew.store.engine.contract import Scan
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics.windows import read_current
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.analytics.documents import EdgeKind, NodeKind
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

MARGIN_NS: Final = 15 * 60 * NS_PER_S
"""How far outside the window parents, children and linked spans are looked for: longer than a
request or a redelivered message takes, and short enough that a graph of minutes reads minutes."""

_OWN_KEY: Final = "sipHash128(TraceId, SpanId) AS key"

# A span refers to its parent and to what it links to; a link to the parent says nothing new.
_PARENTS: Final = "if(ParentSpanId = '', [], [sipHash128(TraceId, ParentSpanId)])"
_LINKED: Final = "arrayMap((trace, span) -> sipHash128(trace, span), Links.TraceId, Links.SpanId)"
_REFERENCE: Final = f"arrayJoin(arrayDistinct(arrayConcat({_PARENTS}, {_LINKED}))) AS reference"
_IS_LINK: Final = "reference != sipHash128(TraceId, ParentSpanId) AS is_link"

_SPAN: Final = ("ServiceName AS service", "SpanKind AS kind")
_RESULT: Final = ("StatusCode = 'Error' AS failed", "Duration")

_FIGURES: Final = (
    "count() AS calls, countIf(failed) AS errors, avg(toFloat64(Duration)) AS mean,"
    " quantileExact(0.95)(Duration) AS p95"
)

# A service that calls itself over the wire is an edge; a span inside the same one is not.
_IS_ACROSS: Final = (
    "origin.service != child.service"
    " OR (origin.kind IN ('Client', 'Producer') AND child.kind IN ('Server', 'Consumer'))"
)

_EDGES: Final = f"""
SELECT source, target, edge_kind, {_FIGURES} FROM (
  SELECT origin.service AS source, child.service AS target, child.failed AS failed,
    child.Duration AS Duration,
    multiIf(source != '' AND (origin.kind = 'Producer' OR child.kind = 'Consumer'), 'messaging',
      child.is_link, 'link', 'call') AS edge_kind
  FROM @references AS child ANY LEFT JOIN @origins AS origin ON child.reference = origin.key
  WHERE {_IS_ACROSS}
)
GROUP BY source, target, edge_kind
"""

# Calls that no span answered: none under them is of another service, or begins one.
_CALLS: Final = f"""
SELECT service AS source, name AS target, if(peer = 'queue', 'messaging', 'call') AS edge_kind,
  min(peer) AS peer_kind, max(system) AS peer_system, {_FIGURES}
FROM @calls WHERE name != '' AND key NOT IN (
  SELECT origin.key FROM @answers AS child
    INNER JOIN @callers AS origin ON child.reference = origin.key
  WHERE {_IS_ACROSS}
)
GROUP BY source, target, edge_kind
"""

# Messages whose producer is not known: what was before the queue cannot be told.
_MESSAGES: Final = f"""
SELECT name AS source, service AS target, 'messaging' AS edge_kind,
  min(peer) AS peer_kind, max(system) AS peer_system, {_FIGURES}
FROM @messages WHERE name != '' AND key NOT IN (
  SELECT child.key FROM @receipts AS child INNER JOIN (
    SELECT key, service, kind FROM @origins WHERE key IN (SELECT reference FROM @receipts)
  ) AS origin ON child.reference = origin.key
  WHERE {_IS_ACROSS}
)
GROUP BY source, target, edge_kind
"""

_SERVICES: Final = (
    "SELECT service, count() AS spans, countIf(failed) AS errors FROM @spans GROUP BY service"
    " ORDER BY service"
)


# Attributes that say what a span reaches, today's names before the older ones.
_QUEUE_KEYS: Final = ("messaging.system",)
_DATABASE_KEYS: Final = ("db.system.name", "db.system")
_DESTINATION_KEYS: Final = ("messaging.destination.name", "messaging.destination")
_ADDRESS_KEYS: Final = ("peer.service", "server.address", "net.peer.name", "http.host")
_URL_KEYS: Final = ("url.full", "http.url")
_OTHER_KEYS: Final = ("gen_ai.provider.name", "gen_ai.system", "rpc.service")

# One of these a span must have to be given a name; keys are cheap to look at, and most spans of
# most fleets have none.
_TELLING_KEYS: Final = (
    *_QUEUE_KEYS,
    *_DATABASE_KEYS,
    *_ADDRESS_KEYS,
    *_URL_KEYS,
    *_OTHER_KEYS,
)
_TELLS: Final = "({})".format(
    # A third of what one `hasAny` over all the keys takes (measured).
    " OR ".join(f"mapContains(SpanAttributes, '{key}')" for key in _TELLING_KEYS)
)


def _first(keys: tuple[str, ...]) -> str:
    """Return the first of several attributes of a span that is not empty, else the empty text."""
    texts = ", ".join(f"SpanAttributes['{key}']" for key in keys)
    return f"arrayFirst(text -> text != '', [{texts}])"


_QUEUE_SYSTEM: Final = _first(_QUEUE_KEYS)
_DATABASE: Final = _first(_DATABASE_KEYS)
_DESTINATION: Final = _first(_DESTINATION_KEYS)
_ADDRESS: Final = _first(_ADDRESS_KEYS)
_HOST: Final = f"domain({_first(_URL_KEYS)})"
_OTHERS: Final = _first(_OTHER_KEYS)

_NAME: Final = (
    f"multiIf(peer = 'queue' AND {_DESTINATION} != '', {_DESTINATION},"
    f" {_ADDRESS} != '', {_ADDRESS}, peer = 'database', {_first(('db.namespace', 'db.name'))},"
    f" peer = 'queue', '', {_HOST} != '', {_HOST}, {_OTHERS})"
)

# `kafka/orders`, `postgresql/db.internal`, `api.example.com`.
_PEER: Final = (
    f"multiIf({_QUEUE_SYSTEM} != '', 'queue', {_DATABASE} != '', 'database', 'external') AS peer",
    f"if({_QUEUE_SYSTEM} != '', {_QUEUE_SYSTEM}, {_DATABASE}) AS system",
    f"arrayStringConcat(arrayFilter(text -> text != '', [system, {_NAME}]), '/') AS name",
)

_OPERATION_TYPE: Final = _first(("messaging.operation.type", "messaging.operation"))
_RECEIVES: Final = (
    "(SpanKind = 'Consumer' OR (SpanKind = 'Client'"
    f" AND {_OPERATION_TYPE} IN ('receive', 'process')))"
)
_CALLS_OUT: Final = "SpanKind IN ('Client', 'Producer')"


def map_topology(store: Store, query: ask.TopologyQuery, now: int) -> doc.Topology:
    """Return the graph of the window, the busiest `limit` edges of it.

    Raises:
        ClewError: INVALID_ARGUMENT for a window or limit that is none; TOO_LARGE when a window has
            more spans than can be joined, with the hint to narrow it.
    """
    check_limit(query.limit)
    window = read_current(query, now=now)
    graph = _Graph(_Reading(store, window), window, query.service)
    edges = graph.edges[: query.limit]
    return doc.Topology(
        window=window.describe(),
        service_filter=query.service,
        services=graph.services,
        nodes=graph.nodes(edges),
        edges=edges,
        count=len(edges),
        total=len(graph.edges),
        truncated=len(edges) < len(graph.edges),
        spans_examined=sum(row["spans"] for row in graph.spans.values()),
        spans_with_parent_outside_window=graph.missing["call"],
        links_to_spans_outside_window=graph.missing["link"],
        margin_seconds=MARGIN_NS / NS_PER_S,
    )


class _Reading:
    """The rows of one moment, by the names that the statements above have for them."""

    def __init__(self, store: Store, window: Window) -> None:
        near = TimeRange(
            max(0, window.start - MARGIN_NS), None if window.is_open else window.end + MARGIN_NS
        )
        inside, around = time_condition(TRACES, window.range), time_condition(TRACES, near)
        reference = (_OWN_KEY, *_SPAN, *_RESULT, _REFERENCE, _IS_LINK)
        refers = "(ParentSpanId != '' OR notEmpty(Links.SpanId))"
        # What the kind decides comes before what the attributes do.
        receives = f"SpanKind IN ('Client', 'Consumer') AND {_TELLS} AND {_RECEIVES}"
        peer = (_OWN_KEY, "ServiceName AS service", *_RESULT, *_PEER)
        self._store = store
        self._snapshot: Snapshot = store.snapshot()
        self._scans = {
            "spans": Scan(TRACES, ("ServiceName AS service", _RESULT[0]), inside),
            "origins": Scan(TRACES, (_OWN_KEY, *_SPAN), around),
            "references": Scan(TRACES, reference, f"{inside} AND {refers}"),
            "answers": Scan(TRACES, (*_SPAN, _REFERENCE), f"{around} AND {refers}"),
            "callers": Scan(TRACES, (_OWN_KEY, *_SPAN), f"{inside} AND {_CALLS_OUT}"),
            "calls": Scan(
                TRACES, peer, f"{inside} AND {_CALLS_OUT} AND {_TELLS} AND NOT {_RECEIVES}"
            ),
            "messages": Scan(TRACES, peer, f"{inside} AND {receives}"),
            "receipts": Scan(TRACES, reference, f"{inside} AND {receives} AND {refers}"),
        }

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Return the rows of a statement.

        Raises:
            ClewError: TOO_LARGE, with the hint to narrow the window.
        """
        named = {name: scan for name, scan in self._scans.items() if f"@{name}" in sql}
        try:
            answer = self._store.engine.query(
                sql, snapshot=self._snapshot, scans=named, limits=LIMITS
            )
        except ClewError as error:
            if error.code is not ErrorCode.TOO_LARGE:
                raise
            raise ClewError(
                ErrorCode.TOO_LARGE,
                "the window has more spans than can be joined to a graph",
                hint="narrow it: last=15m, or start and end",
            ) from error
        rows: list[dict[str, Any]] = answer.to_pylist()
        return rows


class _Graph:
    """Edges and services of a window; with a service, only the edges that touch it."""

    def __init__(self, reading: _Reading, window: Window, service: str | None) -> None:
        self.spans = {row["service"]: row for row in reading.query(_SERVICES)}
        self.missing = {"call": 0, "link": 0}
        self._window = window
        self._service = service
        self._peers: dict[str, tuple[NodeKind, str]] = {}
        self.edges: list[doc.TopologyEdge] = []
        for row in reading.query(_EDGES):
            self._add_edge(row)
        # Without a span that names what it reaches there is nothing to join.
        if reading.query("SELECT 1 FROM @calls WHERE name != '' LIMIT 1"):
            for row in reading.query(_CALLS):
                self._add_peer(row["target"], row)
        if reading.query("SELECT 1 FROM @messages WHERE name != '' LIMIT 1"):
            for row in reading.query(_MESSAGES):
                self._add_peer(row["source"], row)
        self.edges.sort(key=lambda edge: (-edge.calls, edge.from_, edge.to, edge.kind))

    @property
    def services(self) -> list[str]:
        """The services with spans in the window, by name."""
        return list(self.spans)

    def nodes(self, edges: list[doc.TopologyEdge]) -> list[doc.TopologyNode]:
        """Return what the edges touch, services first, each kind by name.

        Without a filter every service is there, also one that nobody calls.
        """
        names = {name for edge in edges for name in (edge.from_, edge.to)}
        shown = names if self._service is not None else names | set(self.spans)
        nodes = [self._node(name, [edge for edge in edges if edge.to == name]) for name in shown]
        return sorted(nodes, key=lambda node: (node.kind != "service", node.kind, node.name))

    def _add_edge(self, row: dict[str, Any]) -> None:
        if not row["source"]:
            if self._service in {None, row["target"]}:
                self.missing[row["edge_kind"]] += row["calls"]
            return
        self._append(row, row["edge_kind"])

    def _add_peer(self, name: str, row: dict[str, Any]) -> None:
        if name in self.spans:
            self._append(row, "unanswered")
            return
        self._peers.setdefault(name, (row["peer_kind"], row["peer_system"]))
        self._append(row, row["edge_kind"])

    def _append(self, row: dict[str, Any], kind: EdgeKind) -> None:
        if self._service not in {None, row["source"], row["target"]}:
            return
        self.edges.append(
            doc.TopologyEdge(
                from_=row["source"],
                to=row["target"],
                kind=kind,
                calls=row["calls"],
                errors=row["errors"],
                error_rate=row["errors"] / row["calls"],
                rate_per_second=row["calls"] / self._window.seconds,
                avg_duration_ms=row["mean"] / NS_PER_MS,
                p95_duration_ms=row["p95"] / NS_PER_MS,
            )
        )

    def _node(self, name: str, edges: list[doc.TopologyEdge]) -> doc.TopologyNode:
        kind, system = self._peers.get(name, ("service", ""))
        calls, errors = sum(edge.calls for edge in edges), sum(edge.errors for edge in edges)
        return doc.TopologyNode(
            name=name,
            kind=kind,
            system=system,
            span_count=self.spans[name]["spans"] if name in self.spans else 0,
            calls=calls,
            errors=errors,
            error_rate=errors / calls if calls else 0.0,
        )
