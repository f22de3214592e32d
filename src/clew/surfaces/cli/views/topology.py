"""The graph of services as lines: each caller once, and under it what it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import (
    escape,
    plural,
    show_count,
    show_duration,
    show_time,
)
from clew.surfaces.cli.views.services import error_share

if TYPE_CHECKING:
    from clew.surfaces.cli.grid import Line
    from clew.telemetry.analytics.documents import Topology, TopologyEdge, TopologyNode

_COLUMNS: Final = (
    Column("from", flexible=True),
    Column("to", flexible=True),
    Column("kind", drop=2),
    Column("calls", right=True),
    Column("errors", right=True),
    Column("avg", right=True, drop=1),
    Column("p95", right=True),
)

_ARROWS: Final = {"call": "→", "messaging": "⇢", "link": "⋯", "unanswered": "↛"}


def topology_lines(document: Topology, width: int) -> list[Line]:
    """Return a line for each edge, callers with the most calls first; then who stands alone."""
    nodes = {node.name: node for node in document.nodes}
    totals: dict[str, int] = {}
    for edge in document.edges:
        totals[edge.from_] = totals.get(edge.from_, 0) + edge.calls
    edges = sorted(document.edges, key=lambda edge: (-totals[edge.from_], edge.from_))
    rows = []
    previous = None
    for edge in edges:
        rows.append(_row(edge, nodes, is_first=edge.from_ != previous))
        previous = edge.from_
    lines = lay_out(_COLUMNS, rows, width) if rows else []
    touched = {name for edge in document.edges for name in (edge.from_, edge.to)}
    alone = [name for name in document.services if name not in touched]
    if alone and document.service_filter is None:
        said = ", ".join(escape(name) for name in alone)
        lines += [*([[]] if lines else []), [("alone: ", Style.DIM), (said, Style.CYAN)]]
    return lines


def topology_legend(document: Topology) -> str:
    """Return the window, and what the graph could not tell."""
    start, end = show_time(document.window.start_time), show_time(document.window.end_time)
    said = f"from {start} to {end}"
    missing = document.spans_with_parent_outside_window
    if missing:
        said += f", {plural(missing, 'span')} without their parent"
    unlinked = document.links_to_spans_outside_window
    if unlinked:
        said += f", {plural(unlinked, 'link')} to spans that are not here"
    return said


def _row(edge: TopologyEdge, nodes: dict[str, TopologyNode], *, is_first: bool) -> list[Line]:
    return [
        _name(edge.from_, nodes) if is_first else plain(""),
        [(f"{_ARROWS[edge.kind]} ", Style.DIM), *_name(edge.to, nodes)],
        styled(_kind(edge, nodes), Style.DIM),
        plain(show_count(edge.calls)),
        error_share(edge.error_rate),
        plain(show_duration(edge.avg_duration_ms)),
        plain(show_duration(edge.p95_duration_ms)),
    ]


def _name(name: str, nodes: dict[str, TopologyNode]) -> Line:
    node = nodes.get(name)
    is_service = node is None or node.kind == "service"
    return styled(escape(name), Style.CYAN if is_service else Style.MAGENTA)


def _kind(edge: TopologyEdge, nodes: dict[str, TopologyNode]) -> str:
    """Return what the edge is, or what it leads to where that is no service."""
    node = nodes.get(edge.to)
    return edge.kind if node is None or node.kind == "service" else node.kind
