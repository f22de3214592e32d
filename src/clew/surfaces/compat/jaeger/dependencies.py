"""Which services call which, as Jaeger counts it: spans whose parent is of another service."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from clew.base.times import TIME_NS_MAX, format_time
from clew.surfaces.compat.jaeger.documents import Dependency
from clew.telemetry.analytics.parameters import TopologyQuery
from clew.telemetry.query.parameters import LIMIT_MAX

if TYPE_CHECKING:
    from clew.telemetry.analytics.contract import Analytics

_COUNTED: Final = frozenset({"call", "messaging"})
"""The edges that are a span and its parent. Links are none, and what a call merely names neither.
"""


def read_dependencies(analytics: Analytics, start: int, end: int) -> list[Dependency]:
    """Return the calls between services, of spans that start in the range, busiest pair first.

    Times are Unix nanoseconds. A service that calls itself is left out, as Jaeger leaves it out.
    """
    query = TopologyQuery(
        start=format_time(start), end=format_time(min(end, TIME_NS_MAX)), limit=LIMIT_MAX
    )
    graph = analytics.map_topology(query)
    services = set(graph.services)
    calls: Counter[tuple[str, str]] = Counter()
    for edge in graph.edges:
        if edge.kind in _COUNTED and edge.from_ != edge.to and {edge.from_, edge.to} <= services:
            calls[edge.from_, edge.to] += edge.calls
    ordered = sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    return [Dependency(parent, child, count) for (parent, child), count in ordered]
