"""Lineage as a tree: the id that was asked for, and what it was made of, or what was made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.surfaces.cli.grid import Column, Style, lay_out, plain, styled
from clew.surfaces.cli.output import footer
from clew.surfaces.cli.text import Clock, escape, plural, read_time, show_count, show_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from clew.lineage import documents as doc
    from clew.surfaces.cli.grid import Line

_COLUMNS: Final = (
    Column("trace id"),
    Column("made by", flexible=True, least=26),
    Column("took", right=True, drop=3),
    Column("age", right=True, drop=2),
    Column("item", drop=1),
    Column("put out", drop=4),
    Column("apps and objects", flexible=True, drop=5),
)

_STOPS: Final = {
    "depth": "--depth",
    "nodes": "--limit",
    "edges": "more edges at one step than are read at once",
    "time": "the time for one walk",
}

_LEVELS_MAX: Final = 40
_LEVELS_MIN: Final = 2
"""Levels that are indented, where there is room; a chain is as readable without."""

_UNINDENTED: Final = 20 + len("+999 ") + 2 + 26
"""Cells of a row that an id, the levels left out, a gap and who made it take."""


_WINDOWS_MAX: Final = 6
"""Streams that a node's windows are told of; the document has them all."""

_STAGES_MAX: Final = 3
"""Stages of a chain that are named in a row of a table."""

_TRACES_MAX: Final = 5
"""Traces that are named below; most answers are of one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An id at one place of the drawn tree; one that stands above is named again, and no more.

    `age` is that of the input of the edge that leads here.
    """

    trace_id: str
    ends: tuple[bool, ...]
    age: float | None
    is_again: bool
    is_leaf: bool


@dataclass(frozen=True, slots=True)
class _Below:
    """What stands below an id, and how old the input was of each edge that leads there."""

    ids: list[str]
    ages: list[float | None]


def lineage_lines(document: doc.Lineage, width: int) -> list[Line]:
    """Return a walk as a tree from its root."""
    is_up = document.direction == "up"
    lines = _tree(document.root, document.nodes, _following(document.edges, is_up=is_up), width)
    ways = "made of" if is_up else "went into"
    nodes, edges = plural(len(document.nodes), "node"), plural(len(document.edges), "edge")
    missing = f"{show_count(document.missing)} missing" if document.missing else None
    lines.append([])
    lines.extend(footer(width, ways, nodes, edges, missing, _clock(document.nodes).legend()))
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


def _following(edges: Iterable[doc.Edge], *, is_up: bool) -> dict[str, _Below]:
    """Return what stands below each id; inputs in the order in which they were named."""
    below: dict[str, _Below] = {}
    for edge in sorted(edges, key=lambda edge: edge.position) if is_up else edges:
        near, far = edge.trace_id, edge.parent_trace_id
        following = below.setdefault(near if is_up else far, _Below([], []))
        following.ids.append(far if is_up else near)
        following.ages.append(edge.age_ms)
    return below


def _tree(
    root: str, nodes: Sequence[doc.Node], below: Mapping[str, _Below], width: int
) -> list[Line]:
    known = {node.trace_id: node for node in nodes}
    writer = _Writer(nodes, width)
    rows: list[list[Line]] = []
    for place in _walk(root, known, below):
        node = known[place.trace_id]
        rows.append(writer.write_row(place, node))
        if not place.is_again:
            rows.extend([line] for line in writer.write_windows(place, node))
    return [*lay_out(_COLUMNS, rows, width), *_traces(nodes), *_logs(nodes)]


def _clock(nodes: Sequence[doc.Node]) -> Clock:
    return Clock(item.at for node in nodes for item in node.items[:1])


def _walk(
    root: str, known: Mapping[str, doc.Node], below: Mapping[str, _Below]
) -> Iterator[_Place]:
    """Yield places, each before those below it; what stands above already has none below."""
    drawn: set[str] = set()
    waiting: list[tuple[str, tuple[bool, ...], float | None]] = []
    if root in known:
        waiting.append((root, (), None))
    nothing = _Below([], [])
    while waiting:
        trace_id, ends, age = waiting.pop()
        is_again = trace_id in drawn
        drawn.add(trace_id)
        following = nothing if is_again else below.get(trace_id, nothing)
        shown = [
            each for each in zip(following.ids, following.ages, strict=True) if each[0] in known
        ]
        yield _Place(trace_id, ends, age, is_again, not shown)
        last = len(shown) - 1
        waiting.extend(
            (each, (*ends, place == last), how_old)
            for place, (each, how_old) in reversed(list(enumerate(shown)))
        )


class _Writer:
    """Writes the rows of one answer's nodes."""

    def __init__(self, nodes: Sequence[doc.Node], width: int) -> None:
        self._clock = _clock(nodes)
        self._levels = min(_LEVELS_MAX, max(_LEVELS_MIN, (width - _UNINDENTED) // 2))
        epochs: dict[int, set[str]] = {}
        for node in nodes:
            for item in node.items:
                epochs.setdefault(item.stream_id, set()).add(item.epoch)
            for window in node.windows:
                epochs.setdefault(window.stream_id, set()).add(window.epoch)
        # An epoch has as many digits as an id, and says nothing where a stream has but one.
        self._has_epochs = any(len(each) > 1 for each in epochs.values())

    def write_row(self, place: _Place, node: doc.Node) -> list[Line]:
        """Return the row of a node at a place."""
        name: Line = [(_guide(place.ends, self._levels), Style.DIM), (place.trace_id, Style.BOLD)]
        age = plain("" if place.age is None else show_duration(place.age))
        if place.is_again:
            return [name, styled("as above", Style.DIM), [], age, [], [], []]
        if node.missing:
            return [name, styled(_say_missing(node), Style.YELLOW), [], age, [], [], []]
        return [
            name,
            _stages(node),
            plain(_took(node)),
            age,
            self._item(node),
            _at(node, self._clock),
            _others(node),
        ]

    def write_windows(self, place: _Place, node: doc.Node) -> Iterator[Line]:
        """Yield what a node was joined of, a line for each stream, below its row.

        Nothing where there was one of each: the rows of the inputs say the same.
        """
        if all(window.count == 1 for window in node.windows):
            return
        guide = _guide_beside(place, self._levels)
        for window in node.windows[:_WINDOWS_MAX]:
            said = self._window(window)
            yield [(guide, Style.DIM), (f"took {said}", Style.PLAIN)]
        beyond = len(node.windows) - _WINDOWS_MAX
        untold = node.input_count - sum(window.count for window in node.windows)
        if beyond > 0:
            yield [(guide, Style.DIM), (f"and of {plural(beyond, 'stream')} more", Style.DIM)]
        if untold > 0:
            said = f"and {plural(untold, 'input')} of which no item is known"
            yield [(guide, Style.DIM), (said, Style.YELLOW)]

    def _window(self, window: doc.StageWindow) -> str:
        stream = f"stream {self._stream(window.stream_id, window.epoch)}"
        newest, oldest = show_duration(window.newest_ms), show_duration(window.oldest_ms)
        if window.count == 1:
            return f"1 of {stream}: {window.first_seq}, {oldest} old"
        within = show_duration(window.span_ms)
        which = f"{window.first_seq} to {window.last_seq}"
        return (
            f"{show_count(window.count)} of {stream}: {which} within {within},"
            f" {newest} to {oldest} old"
        )

    def _item(self, node: doc.Node) -> Line:
        if not node.items:
            return []
        item = node.items[0]
        line = plain(f"{self._stream(item.stream_id, item.epoch)}/{item.seq}")
        if node.item_count > 1:
            line.append((f" +{show_count(node.item_count - 1)}", Style.DIM))
        return line

    def _stream(self, stream_id: int, epoch: str) -> str:
        return f"{stream_id}/{epoch}" if self._has_epochs else f"{stream_id}"


def _stages(node: doc.Node) -> Line:
    """Return the stages of a node, in the order in which they began: those of a chain.

    Where none is known, the dataset that it is.
    """
    if node.dataset and not node.stages:
        return _dataset(node.dataset)
    line: Line = []
    service = None
    for stage in node.stages[:_STAGES_MAX]:
        style = Style.RED if stage.status == "error" else Style.CYAN
        if line:
            line.append((" → ", Style.DIM))
        if stage.service != service:
            line.append((f"{escape(stage.service)} ", style))
        line.append((escape(stage.operation), Style.PLAIN))
        service = stage.service
    beyond = node.stage_count - _STAGES_MAX
    return [*line, (f" +{show_count(beyond)}", Style.DIM)] if beyond > 0 else line


def _dataset(dataset: doc.NodeDataset) -> Line:
    line = [(f"{escape(dataset.namespace)} ", Style.CYAN), *plain(escape(dataset.name))]
    return [*line, (f" {escape(dataset.version)}", Style.DIM)] if dataset.version else line


def _say_missing(node: doc.Node) -> str:
    """Return what there is to say of a node of which nothing is known."""
    if not node.span:
        return "nothing is known of it"
    return f"its span is not here: {node.span.trace_id}/{node.span.span_id}"


def _took(node: doc.Node) -> str:
    """Return how long it took from the first stage's beginning to the last one's end."""
    if not node.stages:
        return ""
    if len(node.stages) == 1:
        return show_duration(node.stages[0].duration_ms)
    begin = min(stage.start_time for stage in node.stages)
    end = max(stage.end_time for stage in node.stages)
    (begun, begun_ns), (ended, ended_ns) = read_time(begin), read_time(end)
    return show_duration((ended - begun).total_seconds() * 1e3 + (ended_ns - begun_ns) / 1e6)


def _at(node: doc.Node, clock: Clock) -> Line:
    return styled(clock.show(node.items[0].at), Style.DIM) if node.items else []


def _others(node: doc.Node) -> Line:
    names = [escape(app.app_name or app.app_id) for app in node.apps]
    names += [f"{escape(each.type)} {escape(each.id)}" for each in node.objects]
    return styled(", ".join(names), Style.DIM)


def _traces(nodes: Iterable[doc.Node]) -> list[Line]:
    """Return how to see the spans that made the nodes, those of the first nodes first."""
    spans: dict[str, list[str]] = {}
    for node in nodes:
        for stage in node.stages:
            named = spans.setdefault(stage.trace_id, [])
            if stage.operation not in named:
                named.append(stage.operation)
    lines: list[Line] = [[]] if spans else []
    for trace_id, named in list(spans.items())[:_TRACES_MAX]:
        shown = ", ".join(escape(each) for each in named[:_STAGES_MAX])
        beyond = len(named) - _STAGES_MAX
        more = f" and {show_count(beyond)} more" if beyond > 0 else ""
        lines.append([(f"clew trace {trace_id}", Style.PLAIN), (f"  {shown}{more}", Style.DIM)])
    if len(spans) > _TRACES_MAX:
        more = plural(len(spans) - _TRACES_MAX, "trace")
        lines.append(styled(f"and {more} more, which --format json names", Style.DIM))
    return lines


def _logs(nodes: Sequence[doc.Node]) -> list[Line]:
    """Return how to see what was logged of the first node; the others go by their ids as well."""
    if not nodes or not nodes[0].log_count:
        return []
    ask = f"clew logs --attribute tracelink.trace_id={nodes[0].trace_id}"
    return [[(ask, Style.PLAIN), (f"  {plural(nodes[0].log_count, 'log record')}", Style.DIM)]]


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


def _guide_beside(place: _Place, levels: int) -> str:
    """Return the lines of the tree that pass by what is told of a node below its row."""
    beyond = " " * len(_left_out(place.ends, levels))
    ends = (*place.ends[-levels:], place.is_leaf)
    return beyond + "".join("  " if end else "│ " for end in ends)


def _guide(ends: tuple[bool, ...], levels: int) -> str:
    """Return what stands before an id: the lines of its last levels, and how many are left out."""
    if not ends:
        return ""
    above = "".join("  " if end else "│ " for end in ends[-levels:-1])
    return _left_out(ends, levels) + above + ("╰─" if ends[-1] else "├─")


def _left_out(ends: tuple[bool, ...], levels: int) -> str:
    return f"+{len(ends) - levels} " if len(ends) > levels else ""
