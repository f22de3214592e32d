"""Walks over the engine's rows, stored and hot, find what a walk over a plain graph finds."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.lineage.contract import Seen, Witnessed
from clew.lineage.ingest.rows import LinkRows
from clew.lineage.naming import SpanName
from clew.lineage.parameters import Direction, LineageQuery, PathQuery
from clew.lineage.query.cycles import find_cycles
from clew.lineage.query.recent import EDGES_MAX
from clew.lineage.sbe.linkset import TraceLinkSet
from clew.lineage.service import StoredLineages
from clew.lineage.tables import ITEMS, LINKS, TABLES
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from tests.lineage_graphs import Pair, depths_of, find_ways, pairs_of, walk_plainly
from tests.trying import examples

MORNING = 1_764_000_000_000_000_000

NODES = 8
"""So few that cycles and diamonds are what comes out."""

pairs = st.lists(
    st.tuples(st.integers(1, NODES), st.integers(1, NODES)).filter(lambda pair: pair[0] != pair[1]),
    max_size=24,
)


class Nobody:
    """Witnesses of nothing."""

    def find_witnesses(
        self, trace_ids: Collection[int], spans: Mapping[int, SpanName] | None = None
    ) -> Mapping[int, Witnessed]:
        return {}

    def find_carried(self, span: SpanName) -> int | None:
        return None

    def find_seen(self, stream_id: int, epoch: int | None, seq: int, limit: int) -> list[Seen]:
        return []


class Graph:
    """A store of edges; each graph that is told has numbers of its own."""

    def __init__(self, folder: Path) -> None:
        self.engine = ChdbEngine(folder)
        self.engine.create(TABLES)
        self._numbers = itertools.count(1)
        self._frames = itertools.count(1)
        self._seen = Snapshot(0, 0)
        # One keeps edges in memory, from one question to the next; the other asks the engine.
        self.services = [
            StoredLineages(self, Nobody(), dict, lambda: MORNING, edges_kept_max=edges)
            for edges in (EDGES_MAX, 0)
        ]

    def snapshot(self) -> Snapshot:
        return self._seen

    def tell(self, stored: Collection[Pair], hot: Collection[Pair], base: int | None = None) -> int:
        """Keep edges, some in the engine and some in memory; return what is added to their ids."""
        number = next(self._numbers)
        base = number << 20 if base is None else base
        for name, rows in self._write(stored, base).items():
            self.engine.insert(
                {LINKS.name: LINKS, ITEMS.name: ITEMS}[name], rows, token=f"{number}"
            )
        flushed = next(self._frames)
        waiting = self._write(hot, base)
        self._seen = Snapshot(flushed, next(self._frames), waiting)
        return base

    def _write(self, told: Collection[Pair], base: int) -> dict[str, pa.Table]:
        rows = LinkRows()
        for output, parent in told:
            said = TraceLinkSet(1, 1, output, base + output, (base + parent,))
            frame = next(self._frames)
            rows.append(said, at=MORNING, received=MORNING, source="test", frame=frame)
        return {name: pa.Table.from_batches([batch]) for name, batch in rows.finish().items()}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    made = Graph(tmp_path_factory.mktemp("graph"))
    yield made
    made.engine.close()


@pytest.fixture(params=[0, 1], ids=["memory", "engine"])
def service(graph: Graph, request: pytest.FixtureRequest) -> StoredLineages:
    place: int = request.param
    return graph.services[place]


few = settings(
    max_examples=examples(10),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@few
@given(
    stored=pairs, hot=pairs, root=st.integers(1, NODES), depth=st.integers(0, 5), up=st.booleans()
)
def test_a_walk_finds_what_is_so_many_steps_away_and_the_edges_that_lead_there(
    graph: Graph,
    service: StoredLineages,
    stored: list[Pair],
    hot: list[Pair],
    root: int,
    depth: int,
    up: bool,
) -> None:
    base = graph.tell(stored, hot)
    told = {(base + output, base + parent) for output, parent in [*stored, *hot]}
    direction: Direction = "up" if up else "down"
    query = LineageQuery(direction=direction, depth=depth)
    answer = service.get_lineage(str(base + root), query)
    document = msgspec.to_builtins(answer)
    wanted = walk_plainly(told, base + root, depth, is_up=up)
    assert depths_of(document) == wanted
    near = {each for each, at in wanted.items() if at < depth}
    led = {pair for pair in told if pair[0 if up else 1] in near}
    assert pairs_of(document) == led
    assert len(document["edges"]) == len(led), "an edge that was told twice is one"
    beyond = {pair for pair in told if pair[0 if up else 1] in wanted.keys() - near}
    assert document["truncated"] == bool(beyond)
    assert document["stopped_by"] == (["depth"] if beyond else [])


@few
@given(stored=pairs, hot=pairs, ends=st.tuples(st.integers(1, NODES), st.integers(1, NODES)))
def test_a_path_is_every_shortest_way_whichever_end_came_first(
    graph: Graph,
    service: StoredLineages,
    stored: list[Pair],
    hot: list[Pair],
    ends: tuple[int, int],
) -> None:
    base = graph.tell(stored, hot)
    told = {(base + output, base + parent) for output, parent in [*stored, *hot]}
    start, target = (base + end for end in ends)
    answer = service.find_path(PathQuery(from_=str(start), to=str(target)))
    upwards, downwards = find_ways(told, start, target), find_ways(told, target, start)
    ways = upwards or downwards
    document = msgspec.to_builtins(answer)
    assert document["found"] == bool(ways)
    steps = {pair for way in ways for pair in itertools.pairwise(way)}
    assert pairs_of(document) == steps
    if ways:
        assert document["length"] == len(ways[0]) - 1
        assert document["direction"] == ("up" if upwards else "down")
        assert depths_of(document).keys() == {each for way in ways for each in way}
    else:
        assert depths_of(document).keys() == {start, target}


@given(told=pairs)
def test_cycles_are_the_sets_of_ids_that_reach_each_other(told: list[Pair]) -> None:
    reached = {node: walk_plainly(told, node, NODES, is_up=True) for node in range(1, NODES + 1)}
    wanted = {
        frozenset(other for other in reached if other in reached[node] and node in reached[other])
        for node in reached
    }
    assert {frozenset(cycle) for cycle in find_cycles(told)} == {
        part for part in wanted if len(part) > 1
    }


def test_of_more_nodes_than_are_asked_for_the_nearest_are_the_answer(
    graph: Graph, service: StoredLineages
) -> None:
    base = graph.tell([(1, 2), (1, 3), (1, 4), (2, 5), (3, 6)], [(4, 7), (5, 8)])
    query = LineageQuery(limit=5)
    document = msgspec.to_builtins(service.get_lineage(str(base + 1), query))
    assert sorted(depths_of(document).values()) == [0, 1, 1, 1, 2]
    assert document["stopped_by"] == ["nodes"]
    kept = depths_of(document).keys()
    assert all(output in kept and parent in kept for output, parent in pairs_of(document))


def test_a_cycle_ends_and_is_told(graph: Graph, service: StoredLineages) -> None:
    base = graph.tell([(1, 2), (2, 3)], [(3, 1), (3, 4)])
    answer = service.get_lineage(str(base + 1), LineageQuery(depth=1000))
    assert answer.cycles == [[str(base + each) for each in (1, 2, 3)]]
    assert not answer.truncated


def test_what_retention_took_away_is_told_no_more(graph: Graph) -> None:
    base = graph.tell([(1, 2), (2, 3)], [])
    service = graph.services[0]
    assert len(service.get_lineage(str(base + 1), LineageQuery()).edges) == 2
    month = 31 * 24 * 3600 * 10**9
    assert graph.engine.drop_before(LINKS, MORNING + 2 * month)
    for _ in range(2):
        assert service.get_lineage(str(base + 1), LineageQuery()).edges == []


def test_what_came_in_many_pieces_is_one_graph(graph: Graph) -> None:
    service = graph.services[0]
    base = graph.tell([(1, 2)], [])
    for step in range(2, 40):
        graph.tell([(step, step + 1)], [], base=base)
        answer = service.get_lineage(str(base + 1), LineageQuery(depth=100))
        assert len(answer.edges) == step
    down = service.get_lineage(str(base + 40), LineageQuery(depth=100, direction="down"))
    assert len(down.edges) == 39


def test_a_path_that_is_cut_is_a_path(graph: Graph) -> None:
    base = graph.tell([(1, 2), (2, 3)], [])
    asked = PathQuery(from_=str(base + 1), to=str(base + 3), limit=2)
    answer = graph.services[0].find_path(asked)
    assert (answer.found, answer.length, answer.stopped_by) == (True, 2, ["nodes"])
    assert [node.trace_id for node in answer.nodes] == [str(base + 1), str(base + 2)]
    assert len(answer.edges) == 1
