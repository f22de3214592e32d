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

from clew.lineage.contract import Witnessed
from clew.lineage.ingest.rows import LinkRows
from clew.lineage.parameters import Direction, LineageQuery, PathQuery
from clew.lineage.query.cycles import find_cycles
from clew.lineage.sbe.linkset import TraceLinkSet
from clew.lineage.service import StoredLineages
from clew.lineage.tables import ITEMS, LINKS, TABLES
from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Snapshot
from tests.lineage_graphs import Pair, depths_of, find_ways, pairs_of, walk_plainly

MORNING = 1_764_000_000_000_000_000

NODES = 8
"""So few that cycles and diamonds are what comes out."""

pairs = st.lists(
    st.tuples(st.integers(1, NODES), st.integers(1, NODES)).filter(lambda pair: pair[0] != pair[1]),
    max_size=24,
)


class Graph:
    """A store of edges; each graph that is told has numbers of its own."""

    def __init__(self, folder: Path) -> None:
        self.engine = ChdbEngine(folder)
        self.engine.create(TABLES)
        self._numbers = itertools.count(1)
        self._frames = itertools.count(1)
        self._seen = Snapshot(0, 0)

    def snapshot(self) -> Snapshot:
        return self._seen

    def tell(self, stored: Collection[Pair], hot: Collection[Pair]) -> int:
        """Keep edges, some in the engine and some in memory; return what is added to their ids."""
        base = next(self._numbers) << 20
        for name, rows in self._write(stored, base).items():
            self.engine.insert({LINKS.name: LINKS, ITEMS.name: ITEMS}[name], rows, token=f"{base}")
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


class Nobody:
    """Witnesses of nothing."""

    def find_witnesses(self, trace_ids: Collection[int]) -> Mapping[int, Witnessed]:
        return {}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    made = Graph(tmp_path_factory.mktemp("graph"))
    yield made
    made.engine.close()


def service_of(graph: Graph) -> StoredLineages:
    return StoredLineages(graph, Nobody(), dict, lambda: MORNING)


few = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@few
@given(
    stored=pairs, hot=pairs, root=st.integers(1, NODES), depth=st.integers(0, 5), up=st.booleans()
)
def test_a_walk_finds_what_is_so_many_steps_away_and_the_edges_that_lead_there(
    graph: Graph, stored: list[Pair], hot: list[Pair], root: int, depth: int, up: bool
) -> None:
    base = graph.tell(stored, hot)
    told = {(base + output, base + parent) for output, parent in [*stored, *hot]}
    direction: Direction = "up" if up else "down"
    query = LineageQuery(direction=direction, depth=depth)
    answer = service_of(graph).get_lineage(str(base + root), query)
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
    graph: Graph, stored: list[Pair], hot: list[Pair], ends: tuple[int, int]
) -> None:
    base = graph.tell(stored, hot)
    told = {(base + output, base + parent) for output, parent in [*stored, *hot]}
    start, target = (base + end for end in ends)
    answer = service_of(graph).find_path(PathQuery(from_=str(start), to=str(target)))
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


def test_of_more_nodes_than_are_asked_for_the_nearest_are_the_answer(graph: Graph) -> None:
    base = graph.tell([(1, 2), (1, 3), (1, 4), (2, 5), (3, 6)], [(4, 7), (5, 8)])
    query = LineageQuery(limit=5)
    document = msgspec.to_builtins(service_of(graph).get_lineage(str(base + 1), query))
    assert sorted(depths_of(document).values()) == [0, 1, 1, 1, 2]
    assert document["stopped_by"] == ["nodes"]
    kept = depths_of(document).keys()
    assert all(output in kept and parent in kept for output, parent in pairs_of(document))


def test_a_cycle_ends_and_is_told(graph: Graph) -> None:
    base = graph.tell([(1, 2), (2, 3)], [(3, 1), (3, 4)])
    answer = service_of(graph).get_lineage(str(base + 1), LineageQuery(depth=1000))
    assert answer.cycles == [[str(base + each) for each in (1, 2, 3)]]
    assert not answer.truncated
