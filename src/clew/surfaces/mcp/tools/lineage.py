"""Which inputs made which output: the walk up and down, and how one id leads to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from clew.lineage import documents as doc
from clew.lineage import parameters as ask
from clew.surfaces.mcp.answers import TOKENS_MAX, Answer, Call, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import Timed, Tool, again, call, pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.mcp.questions import Questions

NODE_COLUMNS: Final = (
    *("trace_id", "depth", "service", "operation", "status", "ms", "item", "at"),
    *("apps", "objects", "logs", "span", "missing"),
)
EDGE_COLUMNS: Final = ("trace_id", "parent_trace_id", "position", "age_ms")
WINDOW_COLUMNS: Final = (
    *("trace_id", "stream", "items", "first", "last", "span_ms", "oldest_ms", "newest_ms"),
)

NODES_DEFAULT: Final = 100
"""Nodes of a walk unless said otherwise: about what the budget of an answer holds."""

Id = Annotated[
    str, Meta(description="TraceLink's trace id, a decimal number; or TRACEID:SPANID of a span")
]


class LineageAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which id on, which way, and how far; `to` asks for the ways between two ids."""

    id: Id
    direction: Annotated[
        Literal["up", "down"], Meta(description="up: what made it; down: what it went into")
    ] = "up"
    to: Annotated[str | None, Meta(description="Only the shortest ways to this id, either way")] = (
        None
    )
    depth: Annotated[int, Meta(description=f"Steps in a row, at most {ask.DEPTH_MAX}")] = (
        ask.DEPTH_DEFAULT
    )
    limit: Annotated[int, Meta(description="Nodes at most, the nearest first")] = NODES_DEFAULT


class LineageAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Nodes by how many steps away they are, and edges: `trace_id` was made of its parent.

    `item` is stream/epoch/number, `span` the OpenTelemetry trace and span of the first stage,
    or of a missing node that others link to as that span.
    `age_ms` is how old the input was when the output was put out. `windows`: what a join took, by
    stream (stream/epoch): how many items, the numbers of the first and the last, and their ages.
    A dataset of OpenLineage stands among the `objects` of its node.
    `missing`: nothing is known but that others name it; its set may be lost, see `losses`.
    """

    root: str
    direction: str | None = None
    found: bool | None = None
    length: int | None = None
    nodes: Table
    edges: Table
    windows: Table | None = None
    missing: int | None = None
    cycles: list[list[str]] = msgspec.field(default_factory=list)
    stopped_by: list[str] = msgspec.field(default_factory=list)
    losses: dict[str, int] = msgspec.field(default_factory=dict)


def _lineage(questions: Questions, asked: LineageAsked) -> Draft:
    facts: dict[str, Any]
    found: doc.Lineage | doc.LineagePath
    if asked.to is None:
        query = pick(asked, ask.LineageQuery)
        found = questions.ask("/lineage/{trace_id}", doc.Lineage, query, {"trace_id": asked.id})
        facts = {"missing": found.missing, "cycles": found.cycles}
    else:
        path = pick(asked, ask.PathQuery, from_=asked.id, to=asked.to)
        found = questions.ask("/lineage/path", doc.LineagePath, path)
        facts = {"found": found.found, "length": found.length}

    def write(items: int) -> LineageAnswer:
        shown = found.nodes[:items]
        names = {node.trace_id for node in shown}
        edges = [each for each in found.edges if {each.trace_id, each.parent_trace_id} <= names]
        return LineageAnswer(
            root=asked.id,
            direction=found.direction,
            nodes=table(NODE_COLUMNS, map(_node_row, shown)),
            edges=table(
                EDGE_COLUMNS,
                (
                    [each.trace_id, each.parent_trace_id, each.position, _short(each.age_ms)]
                    for each in edges
                ),
            ),
            windows=_windows(shown),
            stopped_by=found.stopped_by,
            losses=found.losses,
            left_out=_left_out(asked, len(found.nodes) - items, is_cut=found.truncated),
            next=_steps(found.nodes, asked),
            **facts,
        )

    return Draft(most=len(found.nodes), write=write)


def _windows(nodes: Sequence[doc.Node]) -> Table | None:
    """Return what joins took, where any took several items of one stream; ages say the rest."""
    rows = [
        [
            *(node.trace_id, f"{window.stream_id}/{window.epoch}", window.count),
            *(window.first_seq, window.last_seq),
            *(_short(ms) for ms in (window.span_ms, window.oldest_ms, window.newest_ms)),
        ]
        for node in nodes
        for window in node.windows
        if window.count > 1
    ]
    return table(WINDOW_COLUMNS, rows) if rows else None


def _short(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 3)


def _node_row(node: doc.Node) -> list[Any]:
    if node.missing:
        span = f"{node.span.trace_id} {node.span.span_id}" if node.span else None
        return [node.trace_id, node.depth, *(None for _ in NODE_COLUMNS[2:-2]), span, True]
    stage = node.stages[0] if node.stages else None
    item = node.items[0] if node.items else None
    return [
        node.trace_id,
        node.depth,
        *(
            (stage.service, stage.operation, stage.status, stage.duration_ms)
            if stage
            else [None] * 4
        ),
        f"{item.stream_id}/{item.epoch}/{item.seq}" if item else None,
        item.at[:23] if item else None,
        [app.app_name or app.app_id for app in node.apps] or None,
        _objects(node) or None,
        node.log_count or None,
        f"{stage.trace_id} {stage.span_id}" if stage else None,
        None,
    ]


def _objects(node: doc.Node) -> list[str]:
    named = [f"{each.type} {each.id}" for each in node.objects]
    if not node.dataset:
        return named
    dataset = node.dataset
    words = ("dataset", dataset.namespace, dataset.name, dataset.version)
    return [" ".join(word for word in words if word), *named]


def _left_out(asked: LineageAsked, beyond: int, *, is_cut: bool) -> list[LeftOut]:
    found = []
    if beyond > 0:
        get = again("lineage", "as many as fit", asked, max_tokens=TOKENS_MAX)
        found.append(LeftOut(what="nodes", count=beyond, get=get))
    if is_cut:
        wide = {"limit": ask.NODES_MAX, "depth": ask.DEPTH_MAX, "max_tokens": TOKENS_MAX}
        wider = again("lineage", "more of it", asked, **wide)
        found.append(LeftOut(what="nodes beyond depth or limit (at least)", count=1, get=wider))
    return found


def _steps(nodes: Sequence[doc.Node], asked: LineageAsked) -> list[Call]:
    steps = [
        call("trace_outline", "the trace that made it", trace_id=node.stages[0].trace_id)
        for node in nodes
        if node.stages
    ][:1]
    if asked.to is None:
        other: dict[str, Any] = {"direction": "down" if asked.direction == "up" else "up"}
        steps.append(again("lineage", "the other way", asked, **other))
    return steps


LINEAGE: Final = Tool(
    name="lineage",
    title="Lineage",
    description=(
        "Which inputs made an output, over all stages, or which results used an input: trace ids "
        "of TraceLink with the spans, items, apps and objects of each."
    ),
    parameters=LineageAsked,
    answer=LineageAnswer,
    run=_lineage,
    example={"id": "7130316800004194303"},
)
