"""Lineage as a tree: the id that was asked for, and what it was made of, or what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.text import Clock, escape, plural, show_count, show_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from clew.lineage import documents as doc
    from clew.surfaces.cli.grid import Line

_COLUMNS: Final = (
    Column("trace id"),
    Column("made by", flexible=True, least=16),
    Column("took", right=True, drop=3),
    Column("stream/epoch/seq", drop=1),
    Column("put out", drop=2),
    Column("apps and objects", flexible=True, drop=4),
)

_STOPS: Final = {
    "depth": "--depth",
    "nodes": "--limit",
    "edges": "more edges at one step than are read at once",
    "time": "the time for one walk",
}

_TREE_DEPTH_MAX: Final = 40
"""Levels that are indented; a chain is as readable without, and a screen has no more room."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An id at one place of the drawn tree; one that stands above is named again, and no more."""

    trace_id: str
    ends: tuple[bool, ...]
    is_again: bool


def lineage_lines(document: doc.Lineage, width: int) -> list[Line]:
    """Return a walk as a tree from its root."""
    is_up = document.direction == "up"
    lines = _tree(document.root, document.nodes, _following(document.edges, is_up=is_up), width)
    ways = "made of" if is_up else "went into"
    nodes, edges = plural(len(document.nodes), "node"), plural(len(document.edges), "edge")
    missing = f" · {show_count(document.missing)} missing" if document.missing else ""
    legend = _clock(document.nodes).legend()
    said = f"{ways} · {nodes} · {edges}{missing}{f' · {legend}' if legend else ''}"
    lines.extend([[], styled(said, Style.DIM)])
    for cycle in document.cycles:
        ids = ", ".join(cycle)
        lines.append(styled(f"a cycle: {ids} are among their own ancestors", Style.BOLD_RED))
    return [*lines, *_limits(document)]


def path_lines(document: doc.LineagePath, width: int) -> list[Line]:
    """Return the ways from one id to another as a tree from the later one."""
    if not document.found:
        ends = f"{document.from_} and {document.to}"
        lines: list[Line] = [styled(f"no way is known between {ends}", Style.YELLOW)]
        return [*lines, *_limits(document)]
    later = document.from_ if document.direction == "up" else document.to
    lines = _tree(later, document.nodes, _following(document.edges, is_up=True), width)
    steps = plural(document.length or 0, "step")
    lines.extend([[], styled(f"{steps} · {plural(len(document.nodes), 'node')}", Style.DIM)])
    return [*lines, *_limits(document)]


def first_nodes(document: doc.Lineage, kept: int) -> doc.Lineage:
    """Return a walk with its first so many nodes, and the edges among these."""
    nodes = document.nodes[:kept]
    edges = _among(nodes, document.edges)
    return msgspec.structs.replace(document, nodes=nodes, edges=edges, truncated=True)


def first_of_path(document: doc.LineagePath, kept: int) -> doc.LineagePath:
    """Return a path with its first so many nodes, and the edges among these."""
    nodes = document.nodes[:kept]
    edges = _among(nodes, document.edges)
    return msgspec.structs.replace(document, nodes=nodes, edges=edges, truncated=True)


def _among(nodes: Sequence[doc.Node], edges: Iterable[doc.Edge]) -> list[doc.Edge]:
    shown = {node.trace_id for node in nodes}
    return [edge for edge in edges if {edge.trace_id, edge.parent_trace_id} <= shown]


def _following(edges: Iterable[doc.Edge], *, is_up: bool) -> dict[str, list[str]]:
    """Return the ids that stand below each; inputs in the order in which they were named."""
    below: dict[str, list[str]] = {}
    for edge in sorted(edges, key=lambda edge: edge.position) if is_up else edges:
        near, far = edge.trace_id, edge.parent_trace_id
        below.setdefault(near if is_up else far, []).append(far if is_up else near)
    return below


def _tree(
    root: str, nodes: Sequence[doc.Node], below: Mapping[str, Sequence[str]], width: int
) -> list[Line]:
    known = {node.trace_id: node for node in nodes}
    clock = _clock(nodes)
    rows = [_row(place, known[place.trace_id], clock) for place in _walk(root, known, below)]
    return lay_out(_COLUMNS, rows, width)


def _clock(nodes: Sequence[doc.Node]) -> Clock:
    return Clock(item.at for node in nodes for item in node.items[:1])


def _walk(
    root: str, known: Mapping[str, doc.Node], below: Mapping[str, Sequence[str]]
) -> Iterator[_Place]:
    """Yield places, each before those below it; what stands above already has none below."""
    drawn: set[str] = set()
    waiting: list[tuple[str, tuple[bool, ...]]] = [(root, ())] if root in known else []
    while waiting:
        trace_id, ends = waiting.pop()
        yield _Place(trace_id, ends, trace_id in drawn)
        if trace_id in drawn:
            continue
        drawn.add(trace_id)
        following = [each for each in below.get(trace_id, ()) if each in known]
        last = len(following) - 1
        waiting.extend(
            (each, (*ends, place == last)) for place, each in reversed(list(enumerate(following)))
        )


def _row(place: _Place, node: doc.Node, clock: Clock) -> list[Line]:
    name: Line = [(_guide(place.ends), Style.DIM), (place.trace_id, Style.BOLD)]
    if place.is_again:
        return [name, styled("as above", Style.DIM), *(plain("") for _ in range(4))]
    if node.missing:
        return [name, styled("nothing is known of it", Style.YELLOW), *(plain("") for _ in "1234")]
    return [name, _stage(node), plain(_took(node)), _item(node), _at(node, clock), _others(node)]


def _stage(node: doc.Node) -> Line:
    if not node.stages:
        return plain("")
    stage = node.stages[0]
    style = Style.RED if stage.status == "error" else Style.CYAN
    line: Line = [(escape(stage.service), style), (f" {escape(stage.operation)}", Style.PLAIN)]
    if node.stage_count > 1:
        line.append((f" +{show_count(node.stage_count - 1)}", Style.DIM))
    return line


def _took(node: doc.Node) -> str:
    return show_duration(node.stages[0].duration_ms) if node.stages else ""


def _item(node: doc.Node) -> Line:
    if not node.items:
        return plain("")
    item = node.items[0]
    line = plain(f"{item.stream_id}/{item.epoch}/{item.seq}")
    if node.item_count > 1:
        line.append((f" +{show_count(node.item_count - 1)}", Style.DIM))
    return line


def _at(node: doc.Node, clock: Clock) -> Line:
    return styled(clock.show(node.items[0].at), Style.DIM) if node.items else plain("")


def _others(node: doc.Node) -> Line:
    names = [escape(app.app_name or app.app_id) for app in node.apps]
    names += [f"{escape(each.type)} {escape(each.id)}" for each in node.objects]
    return styled(", ".join(names), Style.DIM)


def _limits(document: doc.Lineage | doc.LineagePath) -> list[Line]:
    """Return what the answer lacks, and what was lost before it could be asked for."""
    lines: list[Line] = []
    if document.stopped_by:
        walls = ", ".join(_STOPS.get(stop, stop) for stop in document.stopped_by)
        lines.append(styled(f"there is more; it ends at: {walls}", Style.YELLOW))
    if document.losses:
        lost = ", ".join(f"{reason} {show_count(n)}" for reason, n in document.losses.items())
        lines.append(
            styled(f"link sets that the server lost since it started: {lost}", Style.YELLOW)
        )
    return lines


def _guide(ends: tuple[bool, ...]) -> str:
    if not ends:
        return ""
    above = "".join("  " if end else "│ " for end in ends[-_TREE_DEPTH_MAX:-1])
    return above + ("╰─" if ends[-1] else "├─")
