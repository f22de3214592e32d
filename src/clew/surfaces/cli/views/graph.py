"""Objects that belong together: what references reach at one instant, and what a trace touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, cut_line, lay_out, plain, styled
from clew.surfaces.cli.text import escape, plural, show_count, show_time
from clew.surfaces.cli.views.timeline import event_text
from clew.surfaces.cli.views.twin import known_by, name_line, remark_lines, version_cell
from clew.surfaces.cli.views.values import fields_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.surfaces.cli.grid import Line
    from clew.twin import documents as doc

Name = tuple[str, str]

_GRAPH_COLUMNS: Final = (
    Column("object", flexible=True, least=48, middle=True),
    Column("version", flexible=True, least=10, drop=1),
    Column("state", flexible=True, drop=2),
)

_TOUCHED_COLUMNS: Final = (
    Column("type", flexible=True, least=12),
    Column("id", flexible=True, least=36, middle=True),
    Column("changes", right=True, drop=4),
    Column("events", right=True, drop=5),
    Column("version", flexible=True, least=10, drop=3),
    Column("state", flexible=True, drop=2),
)


@dataclass(frozen=True, slots=True)
class _Node:
    """An object at one place of the drawn tree, and the field that leads there."""

    name: Name
    field: str
    ends: tuple[bool, ...]
    is_dangling: bool = False


def graph_lines(graph: doc.ObjectGraph, width: int) -> list[Line]:
    """Return the objects as a tree from the first one; one that is met again is named only."""
    twins = {(each.type, each.id): each for each in graph.objects}
    drawn: set[Name] = set()
    rows: list[list[Line]] = []
    for node in _walk(graph, drawn):
        twin = twins.get(node.name)
        rows.append([_place(node), _note(node, twin, is_new=node.name not in drawn)])
        is_new = twin is not None and node.name not in drawn
        rows[-1].append(fields_cell(twin.state) if twin is not None and is_new else plain(""))
        drawn.add(node.name)
    lines = lay_out(_GRAPH_COLUMNS, rows, width)
    told = (
        f"at {show_time(graph.at)}",
        known_by(graph.recorded_at),
        plural(len(graph.objects), "object"),
        plural(len(graph.references), "reference"),
    )
    lines.extend([[], styled(" · ".join(each for each in told if each), Style.DIM)])
    if graph.truncated:
        lines.append(styled("there is more: a larger --depth or --limit", Style.YELLOW))
    return [*lines, *remark_lines(graph.warnings, width)]


def first_objects(graph: doc.ObjectGraph, kept: int) -> doc.ObjectGraph:
    """Return a graph with its first so many objects, and the references that these have."""
    shown = graph.objects[:kept]
    names = {(each.type, each.id) for each in shown}
    references = [each for each in graph.references if each.from_ in names]
    return msgspec.structs.replace(graph, objects=shown, references=references, truncated=True)


def touched_table(document: doc.TouchedObjects, width: int) -> list[Line]:
    """Return which step it is, what happened in it, and the objects as it left them."""
    lines: list[Line] = [[("step ", Style.DIM), (_step(document), Style.BOLD)]]
    if document.at is not None:
        lines[0].append((f" at {show_time(document.at)}", Style.DIM))
    if document.event is not None:
        name = name_line(document.event.obj_type, document.event.obj_id)
        told: Line = [*name, ("  ", Style.PLAIN), *event_text(document.event)]
        lines.append(cut_line(told, width))
    rows = [
        [
            styled(escape(each.twin.type), Style.CYAN),
            styled(escape(each.twin.id), Style.BOLD),
            plain(show_count(each.changes)),
            styled(show_count(each.events), Style.DIM),
            version_cell(each.twin),
            fields_cell(each.twin.state),
        ]
        for each in document.objects
    ]
    return [*lines, [], *lay_out(_TOUCHED_COLUMNS, rows, width)]


def _step(document: doc.TouchedObjects) -> str:
    return f"{show_count(document.step)} of {show_count(document.steps)}"


def _walk(graph: doc.ObjectGraph, drawn: set[Name]) -> Iterator[_Node]:
    """Yield nodes, each before those below it; what is `drawn` already has none below."""
    below: dict[Name, list[doc.Reference]] = {}
    for each in graph.references:
        below.setdefault(each.from_, []).append(each)
    waiting = [_Node(graph.root, "", ())]
    while waiting:
        node = waiting.pop()
        is_new = node.name not in drawn
        yield node
        if not is_new:
            continue
        references = below.get(node.name, [])
        last = len(references) - 1
        waiting.extend(
            _Node(each.to, each.field, (*node.ends, place == last), each.is_dangling)
            for place, each in reversed(list(enumerate(references)))
        )


def _place(node: _Node) -> Line:
    line: Line = []
    if node.ends:
        above = "".join("  " if end else "│ " for end in node.ends[:-1])
        line.append((above + ("╰─" if node.ends[-1] else "├─"), Style.DIM))
        line.append((f"{escape(node.field)} ", Style.DIM))
    return [*line, *name_line(*node.name)]


def _note(node: _Node, twin: doc.TwinState | None, *, is_new: bool) -> Line:
    if twin is None:
        return styled("! dangling" if node.is_dangling else "left out", Style.YELLOW)
    if not is_new:
        return styled("↑ above", Style.DIM)
    return version_cell(twin)
