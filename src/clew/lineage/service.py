"""The one service of lineage: every door and window asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.base.times import format_time, parse_range
from clew.lineage import documents as doc
from clew.lineage.contract import Witnessed
from clew.lineage.layout import parse_trace_id
from clew.lineage.query.cycles import find_cycles
from clew.lineage.query.edges import Edges
from clew.lineage.query.items import find_items_of, find_traced
from clew.lineage.query.walk import Walker, keep_shortest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clew.lineage import parameters as ask
    from clew.lineage.contract import Witnesses
    from clew.lineage.parameters import Direction
    from clew.lineage.query.edges import Link
    from clew.lineage.query.store import Store
    from clew.lineage.query.walk import Walk
    from clew.store.engine.contract import Snapshot

SEARCH_NODES_MAX = 100_000
"""Nodes that a search for a path looks at: a second of questions."""


class StoredLineages:
    """Implements `clew.lineage.contract.Lineages`, which says what each call does."""

    def __init__(
        self,
        store: Store,
        witnesses: Witnesses,
        losses: Callable[[], Mapping[str, int]],
        now: Callable[[], int],
    ) -> None:
        """Answer from a store and its witnesses.

        `losses` gives, by reason, how many messages the doors dropped; `now` Unix nanoseconds.
        """
        self._store = store
        self._witnesses = witnesses
        self._losses = losses
        self._now = now

    def get_lineage(self, trace_id: str, query: ask.LineageQuery) -> doc.Lineage:
        """Return what an id was made of, or what was made of it."""
        root = parse_trace_id(trace_id)
        edges = self._open(query)
        walker = Walker(edges)
        found = walker.walk(root, query.direction, depth=query.depth, nodes_max=query.limit)
        nodes = self._describe(edges.snapshot, found.depths)
        cycles = find_cycles(found.pairs)
        return doc.Lineage(
            root=str(root),
            direction=query.direction,
            nodes=nodes,
            edges=_write_edges(edges.describe(found.pairs)),
            missing=sum(1 for node in nodes if node.missing),
            cycles=[[str(each) for each in cycle] for cycle in cycles],
            truncated=bool(found.stops),
            stopped_by=sorted(found.stops),
            losses=dict(self._losses()),
        )

    def find_path(self, query: ask.PathQuery) -> doc.LineagePath:
        """Return how one id leads to another."""
        start, target = parse_trace_id(query.from_), parse_trace_id(query.to)
        edges = self._open(query)
        walker = Walker(edges)
        direction: Direction | None = None
        path: Walk | None = None
        stops: set[str] = set()
        # Up is asked first: who asks why an output exists knows the output.
        for way in ("up", "down"):
            later, earlier = (start, target) if way == "up" else (target, start)
            # Ancestors are few where descendants may be many, so both ways are walked upwards.
            found = walker.search(
                later, earlier, "up", depth=query.depth, nodes_max=SEARCH_NODES_MAX
            )
            if earlier in found.depths:
                direction, path = ("up" if way == "up" else "down"), keep_shortest(found, earlier)
                stops = set()
                break
            stops |= found.stops
        depths = dict.fromkeys((start, target), 0) if path is None else path.depths
        shown = dict(list(depths.items())[: query.limit])
        if len(shown) < len(depths):
            stops.add("nodes")
        pairs = [] if path is None else path.pairs
        return doc.LineagePath(
            from_=str(start),
            to=str(target),
            found=path is not None,
            direction=direction,
            length=None if path is None else max(path.depths.values()),
            nodes=self._describe(edges.snapshot, shown),
            edges=_write_edges(
                edges.describe(
                    [(one, other) for one, other in pairs if {one, other} <= shown.keys()]
                )
            ),
            truncated=bool(stops),
            stopped_by=sorted(stops),
            losses=dict(self._losses()),
        )

    def find_items(self, query: ask.ItemQuery) -> doc.ItemList:
        """Return the items with a number in a stream, and the trace ids that they have."""
        return find_traced(self._store, query)

    def _open(self, query: ask.LineageQuery | ask.PathQuery) -> Edges:
        window = parse_range(last=query.last, start=query.start, end=query.end, now=self._now())
        return Edges(self._store, self._store.snapshot(), window)

    def _describe(self, snapshot: Snapshot, depths: Mapping[int, int]) -> list[doc.Node]:
        """Return nodes with what is known of each, in their order."""
        items = find_items_of(self._store, snapshot, depths)
        witnessed = self._witnesses.find_witnesses(depths)
        return [
            _describe_node(
                trace_id, depth, *items.get(trace_id, ([], 0)), witnessed.get(trace_id, Witnessed())
            )
            for trace_id, depth in depths.items()
        ]


def _describe_node(
    trace_id: int, depth: int, items: list[doc.Item], count: int, witnessed: Witnessed
) -> doc.Node:
    node = doc.Node(
        trace_id=str(trace_id),
        depth=depth,
        items=items,
        item_count=count,
        stages=witnessed.stages,
        stage_count=witnessed.stage_count,
        apps=witnessed.apps,
        objects=witnessed.objects,
        log_count=witnessed.log_count,
    )
    is_known = count or witnessed.stage_count or witnessed.log_count
    return node if is_known else doc.mark_missing(node)


def _write_edges(links: Iterable[Link]) -> list[doc.Edge]:
    return [
        doc.Edge(
            trace_id=str(link.trace_id),
            parent_trace_id=str(link.parent),
            stream_id=link.stream_id,
            epoch=str(link.epoch),
            seq=str(link.seq),
            at=format_time(link.at),
            position=link.position,
        )
        for link in links
    ]
