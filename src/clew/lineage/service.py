"""The one service of lineage: every door and window asks it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import parse_range
from clew.lineage import documents as doc
from clew.lineage.contract import Witnessed
from clew.lineage.exchange.identity import span_trace_id
from clew.lineage.naming import parse_name
from clew.lineage.query.cycles import find_cycles
from clew.lineage.query.datasets import find_datasets_of
from clew.lineage.query.edges import Edges
from clew.lineage.query.items import find_items_of
from clew.lineage.query.listing import find_items
from clew.lineage.query.recent import EDGES_MAX, EdgeMemory
from clew.lineage.query.spans import find_spans_of
from clew.lineage.query.telling import Told, read_history, tell_edges, tell_nodes
from clew.lineage.query.walk import Walker, find_way

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from clew.lineage import parameters as ask
    from clew.lineage.contract import Witnesses
    from clew.lineage.naming import SpanName
    from clew.lineage.parameters import Direction
    from clew.lineage.query.store import Store
    from clew.lineage.query.walk import Walk
    from clew.store.engine.contract import Snapshot

RETRY_AFTER_MS: Final = 100
"""When to ask again: what went is gone."""

THREADS: Final = 4
"""For what is asked beside a walk: as many as walks are asked for at once by default."""


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
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="clew-lineage")

    def get_lineage(self, trace_id: str, query: ask.LineageQuery) -> doc.Lineage:
        """Return what an id was made of, or what was made of it."""
        asked: dict[int, SpanName] = {}
        root = self._read_id(trace_id, asked)
        told = self._tell(
            query,
            asked,
            lambda walker: walker.walk(
                root, query.direction, depth=query.depth, nodes_max=query.limit
            ),
        )
        cycles = find_cycles(told.walk.pairs)
        return doc.Lineage(
            root=str(root),
            direction=query.direction,
            nodes=told.nodes,
            edges=told.edges,
            missing=sum(1 for node in told.nodes if node.missing),
            cycles=[[str(each) for each in cycle] for cycle in cycles],
            truncated=bool(told.walk.stops),
            stopped_by=sorted(told.walk.stops),
            losses=dict(self._losses()),
        )

    def find_path(self, query: ask.PathQuery) -> doc.LineagePath:
        """Return how one id leads to another."""
        asked: dict[int, SpanName] = {}
        start, target = self._read_id(query.from_, asked), self._read_id(query.to, asked)
        told = self._tell(
            query,
            asked,
            lambda walker: find_way(
                walker, start, target, depth=query.depth, nodes_max=query.limit
            ),
        )
        path = told.walk
        is_found = path.length is not None
        direction: Direction = "up" if path.root == start else "down"
        return doc.LineagePath(
            from_=str(start),
            to=str(target),
            found=is_found,
            direction=direction if is_found else None,
            length=path.length,
            nodes=told.nodes,
            edges=told.edges,
            truncated=bool(path.stops),
            stopped_by=sorted(path.stops),
            losses=dict(self._losses()),
        )

    def find_items(self, query: ask.ItemQuery) -> doc.ItemList:
        """Return the items that have a trace id, or a number in a stream."""
        return find_items(self._store, self._witnesses, query, self._read_id)

    def _read_id(self, name: str, asked: dict[int, SpanName] | None = None) -> int:
        """Return the id under which something stands in the graph.

        A span stands there under the id that it carries, else under one that follows from its own;
        that is noted in `asked`, for nobody else may know of which span it is.
        """
        named = parse_name(name)
        if isinstance(named, int):
            return named
        if (carried := self._witnesses.find_carried(named)) is not None:
            return carried
        trace_id = span_trace_id(*named)
        if asked is not None:
            asked[trace_id] = named
        return trace_id

    def _tell(
        self,
        query: ask.LineageQuery | ask.PathQuery,
        asked: Mapping[int, SpanName],
        walk: Callable[[Walker], Walk],
    ) -> Told:
        """Return a walk and what is told of its nodes and edges, as of the moment that it saw.

        `asked` are the spans that were asked for by name, by their ids.
        Edges in memory tell no times, and one that retention took away is told of no more.
        """
        window = parse_range(last=query.last, start=query.start, end=query.end, now=self._now())
        recent = self._memory.open() if window.is_open else None
        if recent is not None:
            edges = Edges(self._store, recent.snapshot, window)
            told = self._describe(edges, asked, walk(Walker(recent)))
            if told is not None:
                return told
            self._memory.forget()
        edges = Edges(self._store, self._store.snapshot(), window)
        told = self._describe(edges, asked, walk(Walker(edges)))
        if told is None:
            raise ClewError(
                ErrorCode.UNAVAILABLE,
                "edges went while they were walked: they are older than what is kept",
                hint="ask again",
                retry_after_ms=RETRY_AFTER_MS,
            )
        return told

    def _describe(self, edges: Edges, asked: Mapping[int, SpanName], walk: Walk) -> Told | None:
        """Return what is told of a walk, None where one of its edges is not there any more.

        The engine takes a core for each question, so those of the witnesses are asked meanwhile.
        """
        witnessing = self._threads.submit(
            self._find_witnesses, edges.snapshot, list(walk.depths), asked
        )
        links = edges.describe(walk.pairs, is_cut=walk.is_cut)
        if links is None:
            witnessing.result()
            return None
        items = find_items_of(self._store, edges.snapshot, walk.depths)
        history = read_history(edges, walk, links, items)
        told = tell_edges(links, history)
        return Told(walk, tell_nodes(walk, history, items, witnessing.result()), told)

    def _find_witnesses(
        self, snapshot: Snapshot, trace_ids: Collection[int], asked: Mapping[int, SpanName]
    ) -> Mapping[int, Witnessed]:
        spans = {**asked, **find_spans_of(self._store, snapshot, trace_ids)}
        found = dict(self._witnesses.find_witnesses(trace_ids, spans))
        named = find_datasets_of(self._store, snapshot, set(trace_ids).difference(spans))
        for trace_id, dataset in named.items():
            found.setdefault(trace_id, Witnessed()).dataset = dataset
        return found
