"""The one service of lineage: every door and window asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time, parse_range
from clew.lineage import documents as doc
from clew.lineage.contract import Witnessed
from clew.lineage.layout import parse_trace_id
from clew.lineage.query.cycles import find_cycles
from clew.lineage.query.edges import Edges
from clew.lineage.query.items import find_items_of, find_traced
from clew.lineage.query.recent import EDGES_MAX, EdgeMemory
from clew.lineage.query.walk import Walker, find_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clew.lineage import parameters as ask
    from clew.lineage.contract import Witnesses
    from clew.lineage.parameters import Direction
    from clew.lineage.query.edges import Link
    from clew.lineage.query.store import Store
    from clew.lineage.query.walk import Walk
    from clew.store.engine.contract import Snapshot

RETRY_AFTER_MS: Final = 100
"""When to ask again: what went is gone."""


class StoredLineages:
    """Implements `clew.lineage.contract.Lineages`, which says what each call does."""

    def __init__(
        self,
        store: Store,
        witnesses: Witnesses,
        losses: Callable[[], Mapping[str, int]],
        now: Callable[[], int],
        *,
        edges_kept_max: int = EDGES_MAX,
    ) -> None:
        """Answer from a store and its witnesses.

        `losses` gives, by reason, how many messages the doors dropped; `now` Unix nanoseconds. Of
        so many edges the ids are kept in memory; of more, none.
        """
        self._store = store
        self._memory = EdgeMemory(store, edges_kept_max)
        self._witnesses = witnesses
        self._losses = losses
        self._now = now

    def get_lineage(self, trace_id: str, query: ask.LineageQuery) -> doc.Lineage:
        """Return what an id was made of, or what was made of it."""
        root = parse_trace_id(trace_id)
        found, links, snapshot = self._walk(
            query,
            lambda walker: walker.walk(
                root, query.direction, depth=query.depth, nodes_max=query.limit
            ),
        )
        nodes = self._describe(snapshot, found.depths)
        cycles = find_cycles(found.pairs)
        return doc.Lineage(
            root=str(root),
            direction=query.direction,
            nodes=nodes,
            edges=_write_edges(links),
            missing=sum(1 for node in nodes if node.missing),
            cycles=[[str(each) for each in cycle] for cycle in cycles],
            truncated=bool(found.stops),
            stopped_by=sorted(found.stops),
            losses=dict(self._losses()),
        )

    def find_path(self, query: ask.PathQuery) -> doc.LineagePath:
        """Return how one id leads to another."""
        start, target = parse_trace_id(query.from_), parse_trace_id(query.to)
        path, links, snapshot = self._walk(
            query,
            lambda walker: find_way(
                walker, start, target, depth=query.depth, nodes_max=query.limit
            ),
        )
        is_found = path.length is not None
        direction: Direction = "up" if path.root == start else "down"
        return doc.LineagePath(
            from_=str(start),
            to=str(target),
            found=is_found,
            direction=direction if is_found else None,
            length=path.length,
            nodes=self._describe(snapshot, path.depths),
            edges=_write_edges(links),
            truncated=bool(path.stops),
            stopped_by=sorted(path.stops),
            losses=dict(self._losses()),
        )

    def find_items(self, query: ask.ItemQuery) -> doc.ItemList:
        """Return the items with a number in a stream, and the trace ids that they have."""
        return find_traced(self._store, query)

    def _walk(
        self, query: ask.LineageQuery | ask.PathQuery, walk: Callable[[Walker], Walk]
    ) -> tuple[Walk, list[Link], Snapshot]:
        """Return a walk, what is told of its edges, and the moment that it saw.

        Edges in memory tell no times, and one that retention took away is told of no more.
        """
        window = parse_range(last=query.last, start=query.start, end=query.end, now=self._now())
        recent = self._memory.open() if window.is_open else None
        if recent is not None:
            found = walk(Walker(recent))
            told = Edges(self._store, recent.snapshot, window)
            links = told.describe(found.pairs, is_cut=found.is_cut)
            if links is not None:
                return found, links, recent.snapshot
            self._memory.forget()
        edges = Edges(self._store, self._store.snapshot(), window)
        found = walk(Walker(edges))
        links = edges.describe(found.pairs, is_cut=found.is_cut)
        if links is None:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                "edges went while they were walked: they are older than what is kept",
                hint="ask again",
                retry_after_ms=RETRY_AFTER_MS,
            )
        return found, links, edges.snapshot

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
