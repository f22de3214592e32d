"""The graph of services: who calls whom, by parents, by links, and by what calls say they reach.

Theory of operation. An edge needs two spans, the one that refers and the one it refers to:
`references` finds them among the spans that began in the window or near it (a parent begins before
its child, perhaps before the window). What is not found is counted and said, never guessed. Traces
are looked at so many at once that they fit into memory, so a window may hold any number of spans.
Calls that no span of ours answers are told by the attributes of the calling span: a database, a
queue, or someone else's service.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S, TimeRange
from clew.store.engine.contract import Scan
from clew.telemetry.analytics import documents as doc
from clew.telemetry.analytics.references import (
    ID,
    LINK_EDGES,
    LINK_TARGET,
    PARENT_EDGES,
    REFERS,
    TRACE,
    answered_sql,
    link_columns,
    received_sql,
    span_columns,
)
from clew.telemetry.analytics.windows import read_current
from clew.telemetry.query.newest import LIMITS
from clew.telemetry.query.slices import check_limit
from clew.telemetry.query.window import time_condition
from clew.telemetry.tables import TRACES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.analytics import parameters as ask
    from clew.telemetry.analytics.documents import EdgeKind, NodeKind
    from clew.telemetry.analytics.windows import Window
    from clew.telemetry.query.store import Store

MARGIN_NS: Final = 15 * 60 * NS_PER_S
"""How far outside the window parents, children and linked spans are looked for: longer than a
request or a redelivered message takes, and short enough that a graph of minutes reads minutes."""

PASS_SPANS: Final = 5_000_000
"""Spans whose traces are looked at at once: some 100 bytes each, and twice that while they are put
in order, below the wall around a question's memory. Each further pass reads the trace ids again."""

LINKED_MAX: Final = 500_000
"""Spans that links lead to which a query tier names to its shards, in 5 MB; where there are more,
it reads what could be linked to."""

P95: Final = 0.95

_SERVICES: Final = (
    "SELECT service, sum(n) AS spans, sum(failed) AS errors, sum(near) AS around"
    " FROM @services GROUP BY service ORDER BY service"
)

# Calls that no span answered: none under them is of another service, or begins one.
_CALLS: Final = """
SELECT service AS source, name AS target, if(peer = 'queue', 'messaging', 'call') AS edge_kind,
  min(peer) AS peer_kind, max(system) AS peer_system,
  countIf(failed) AS errors, groupArray(duration) AS durations
FROM @calls WHERE name != '' AND (trace, id) NOT IN ({answered})
GROUP BY source, target, edge_kind
"""

# Messages whose producer is not known: what was before the queue cannot be told.
_MESSAGES: Final = """
SELECT name AS source, service AS target, 'messaging' AS edge_kind,
  min(peer) AS peer_kind, max(system) AS peer_system,
  countIf(failed) AS errors, groupArray(duration) AS durations
FROM @messages WHERE name != '' AND (trace, id) NOT IN ({received})
GROUP BY source, target, edge_kind
"""


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


def _has_one(keys: tuple[str, ...]) -> str:
    """Return whether a span has one of several attributes."""
    # A third of what one `hasAny` over all the keys takes (measured).
    return "({})".format(" OR ".join(f"mapContains(SpanAttributes, '{key}')" for key in keys))


_TELLS: Final = _has_one(_TELLING_KEYS)


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

_OPERATION_KEYS: Final = ("messaging.operation.type", "messaging.operation")
_RECEIVES: Final = (
    "(SpanKind = 'Consumer' OR (SpanKind = 'Client'"
    f" AND {_first(_OPERATION_KEYS)} IN ('receive', 'process')))"
)
# The same by the keys alone: where no value is asked for, the engine reads only those, which is a
# tenth of the work.
_MAY_RECEIVE: Final = (
    f"(SpanKind = 'Consumer' OR (SpanKind = 'Client' AND {_has_one(_OPERATION_KEYS)}))"
)
_CALLS_OUT: Final = "SpanKind IN ('Client', 'Producer')"
_REACHES: Final = "SpanKind IN ('Client', 'Producer', 'Consumer')"


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
    """The rows of one moment, by the names that the statements have for them."""

    def __init__(self, store: Store, window: Window) -> None:
        self._store = store
        self._snapshot: Snapshot = store.snapshot()
        near = TimeRange(
            max(0, window.start - MARGIN_NS), None if window.is_open else window.end + MARGIN_NS
        )
        inside, around = time_condition(TRACES, window.range), time_condition(TRACES, near)
        services = ("ServiceName AS service", "StatusCode = 'Error' AS failed")
        # What the kind decides comes before what the attributes do.
        receives = f"SpanKind IN ('Client', 'Consumer') AND {_TELLS} AND {_RECEIVES}"
        peer = (TRACE, ID, *services, "Duration AS duration", *_PEER)
        calls = f"{inside} AND {_CALLS_OUT} AND {_TELLS} AND NOT {_RECEIVES}"
        self._whole = {
            "services": Scan(
                TRACES,
                (
                    "ServiceName AS service",
                    f"countIf({inside}) AS n",
                    f"countIf({inside} AND StatusCode = 'Error') AS failed",
                    "count() AS near",
                ),
                around,
                group_by=("ServiceName",),
            ),
            "linked": Scan(TRACES, span_columns(inside), around),
            "linking": Scan(TRACES, link_columns(inside), f"{around} AND {REFERS}"),
        }
        self._conditions = {
            "linking": f"{around} AND {REFERS}",
            "telling": f"{inside} AND {_REACHES} AND {_TELLS}",
            "receiving": f"{inside} AND {_TELLS} AND {_MAY_RECEIVE}",
        }
        self._by_trace = {
            "spans": Scan(TRACES, span_columns(inside), around),
            "calls": Scan(TRACES, peer, calls),
            "messages": Scan(TRACES, peer, f"{inside} AND {receives}"),
        }
        rows = self.query(_SERVICES).to_pylist()
        self.services: list[dict[str, Any]] = rows
        self._parameters: dict[str, object] = {
            "services": [row["service"] for row in rows],
            "numbers": list(range(1, len(rows) + 1)),
        }
        self._passes = max(1, -(-sum(row["around"] for row in rows) // PASS_SPANS))

    def has(self, name: str) -> bool:
        """Return whether there is a span of one of the conditions."""
        found = Scan(TRACES, ("1 AS one",), self._conditions[name], limit=1)
        answer = self._store.engine.query(
            "SELECT one FROM @found LIMIT 1",
            snapshot=self._snapshot,
            scans={"found": found},
            limits=LIMITS,
        )
        return bool(answer.num_rows)

    def narrow_linked(self) -> None:
        """Let shards send of the spans that may be linked to those alone that are.

        One server finds them by itself, without any list of them.
        """
        if self._snapshot.frames is None:
            return
        hashes = self.query("SELECT DISTINCT cityHash64(linked.1, linked.2) AS one FROM @linking")
        if hashes.num_rows <= LINKED_MAX:
            scan = self._whole["linked"]
            where = f"{scan.where} AND {LINK_TARGET} IN {{linked:Array(UInt64)}}"
            self._whole["linked"] = replace(scan, where=where)
            self._parameters["linked"] = hashes.column("one").to_pylist()

    def query_by_trace(self, sql: str) -> Iterator[pa.Table]:
        """Yield the rows of a statement, of so many traces at once as fit into memory."""
        for number in range(self._passes):
            yield self.query(sql, f"cityHash64(TraceId) % {self._passes} = {number}")

    def query(self, sql: str, traces: str = "1") -> pa.Table:
        """Return the rows of a statement; of some traces, where it reads them by trace.

        Raises:
            ClewError: TOO_LARGE, with the hint to narrow the window.
        """
        named = {name: scan for name, scan in self._whole.items() if f"@{name}" in sql}
        for name, scan in self._by_trace.items():
            if f"@{name}" in sql:
                named[name] = Scan(scan.table, scan.columns, f"{scan.where} AND {traces}")
        try:
            return self._store.engine.query(
                sql,
                snapshot=self._snapshot,
                scans=named,
                parameters=getattr(self, "_parameters", None),
                limits=LIMITS,
            )
        except ClewError as error:
            if error.code is not ErrorCode.TOO_LARGE:
                raise
            raise ClewError(
                ErrorCode.TOO_LARGE,
                "the window has more spans than can be put together to a graph",
                hint="narrow it: last=15m, or start and end",
            ) from error


@dataclass(slots=True)
class _Calls:
    """The calls of one edge, as they come from pass after pass."""

    errors: int = 0
    durations: list[pa.UInt64Array] = field(default_factory=list)
    peer: tuple[NodeKind, str] | None = None

    def figures(self) -> tuple[int, float, int]:
        """Return their number, the mean of the durations and its p95, in nanoseconds."""
        import pyarrow.compute as pc  # a start need not wait for it

        durations = pa.concat_arrays(self.durations)
        rank = int(P95 * len(durations))
        ranked = pc.partition_nth_indices(durations, pivot=rank)
        # As floats: spans that never end wrap a sum of 64 bits.
        mean = pc.mean(durations.cast(pa.float64(), safe=False)).as_py()
        return len(durations), mean, durations[ranked[rank].as_py()].as_py()


class _Graph:
    """Edges and services of a window; with a service, only the edges that touch it."""

    def __init__(self, reading: _Reading, window: Window, service: str | None) -> None:
        self.spans = {row["service"]: row for row in reading.services if row["spans"]}
        self.missing = {"call": 0, "link": 0}
        self._names = [row["service"] for row in reading.services]
        self._window = window
        self._service = service
        self._peers: dict[str, tuple[NodeKind, str]] = {}
        self.edges: list[doc.TopologyEdge] = []
        has_links = reading.has("linking")
        if has_links:
            reading.narrow_linked()
        edges: _Edges = {}
        for rows in reading.query_by_trace(PARENT_EDGES):
            _gather(edges, rows)
        if has_links:
            _gather(edges, reading.query(LINK_EDGES))
        for (source, target, kind), calls in edges.items():
            self._add_edge(source, target, kind, calls)
        # Without a span that names what it reaches there is nothing to look for.
        if reading.has("telling"):
            self._add_peers(reading, with_links=has_links)
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

    def _add_peers(self, reading: _Reading, *, with_links: bool) -> None:
        """Add what calls reach without an answer, and whence messages come without a producer."""
        sql = _CALLS.format(answered=answered_sql(with_links=with_links))
        for edge, calls in _gather_all(reading.query_by_trace(sql)).items():
            self._add_peer(edge[1], edge, calls)
        if reading.has("receiving"):
            sql = _MESSAGES.format(received=received_sql(with_links=with_links))
            for edge, calls in _gather_all(reading.query_by_trace(sql)).items():
                self._add_peer(edge[0], edge, calls)

    def _add_edge(self, source: int, target: int, kind: EdgeKind, calls: _Calls) -> None:
        to = self._names[target - 1]
        if source:
            self._append((self._names[source - 1], to, kind), calls)
        elif self._service in {None, to}:
            self.missing[kind] += sum(map(len, calls.durations))

    def _add_peer(self, name: str, edge: tuple[str, str, EdgeKind], calls: _Calls) -> None:
        if name in self.spans:
            self._append((edge[0], edge[1], "unanswered"), calls)
            return
        assert calls.peer is not None, "a call that names a peer"
        self._peers.setdefault(name, calls.peer)
        self._append(edge, calls)

    def _append(self, edge: tuple[str, str, EdgeKind], calls: _Calls) -> None:
        source, target, kind = edge
        if self._service not in {None, source, target}:
            return
        count, mean, p95 = calls.figures()
        self.edges.append(
            doc.TopologyEdge(
                from_=source,
                to=target,
                kind=kind,
                calls=count,
                errors=calls.errors,
                error_rate=calls.errors / count,
                rate_per_second=count / self._window.seconds,
                avg_duration_ms=mean / NS_PER_MS,
                p95_duration_ms=p95 / NS_PER_MS,
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


_Edges = dict[tuple[Any, Any, Any], _Calls]


def _gather_all(tables: Iterator[pa.Table]) -> _Edges:
    edges: _Edges = {}
    for rows in tables:
        _gather(edges, rows)
    return edges


def _gather(edges: _Edges, rows: pa.Table) -> None:
    """Add the calls of each edge to those found before."""
    columns = [rows[name].to_pylist() for name in ("source", "target", "edge_kind", "errors")]
    durations = rows["durations"]
    for place, (source, target, kind, errors) in enumerate(zip(*columns, strict=True)):
        calls = edges.setdefault((source, target, kind), _Calls())
        calls.errors += errors
        calls.durations.append(durations[place].values)
        if "peer_kind" in rows.column_names:
            peer = rows["peer_kind"][place].as_py(), rows["peer_system"][place].as_py()
            calls.peer = (
                peer
                if calls.peer is None
                else (min(calls.peer[0], peer[0]), max(calls.peer[1], peer[1]))
            )
