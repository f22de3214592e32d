"""Lineage goes out as PROV: each edge once, and no name without the record that it names."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.lineage import documents as doc
from clew.lineage.exchange.prov import to_prov

AT = "2026-11-21T17:00:00.000000000Z"

# How long drawing takes is no matter of the tests, on a machine that others use as well.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

names = st.sampled_from(["a", "b", "ä/ö", " "])
ids = st.integers(1, 6).map(lambda n: str(2**64 - n))
numbers = st.integers(0, 2**64 - 1).map(str)
items = st.builds(doc.Item, stream_id=st.integers(0, 2), epoch=numbers, seq=numbers, at=st.just(AT))
apps = st.builds(
    doc.StageApp,
    app_id=st.sampled_from(["one", "two"]),
    app_name=st.none() | st.just("fusion"),
    status=st.none(),
)
stages = st.builds(
    doc.Stage,
    service=names,
    operation=names,
    trace_id=st.just("4bf92f3577b34da6a3ce929d0e0e4736"),
    span_id=st.just("00f067aa0ba902b7"),
    start_time=st.just(AT),
    end_time=st.just(AT),
    duration_ms=st.just(1.5),
    status=st.just("ok"),
    app_id=st.none(),
)
nodes = st.builds(
    doc.Node,
    trace_id=ids,
    depth=st.integers(0, 9),
    items=st.lists(items, max_size=2),
    item_count=st.integers(0, 9),
    stages=st.lists(stages, max_size=2),
    stage_count=st.integers(0, 9),
    apps=st.lists(apps, max_size=2),
    objects=st.just([]),
    log_count=st.just(0),
    missing=st.just(msgspec.UNSET) | st.just(value=True),
)
edges = st.builds(
    doc.Edge,
    trace_id=ids,
    parent_trace_id=ids,
    stream_id=st.integers(0, 2),
    epoch=st.just("1"),
    seq=st.integers(0, 2).map(str),
    at=st.sampled_from([AT, "2026-11-21T17:00:01.000000000Z"]),
    position=st.integers(0, 3),
)
lineages = st.builds(
    doc.Lineage,
    root=ids,
    direction=st.just("up"),
    nodes=st.lists(nodes, max_size=5, unique_by=lambda node: node.trace_id),
    edges=st.lists(edges, max_size=8, unique_by=lambda edge: (edge.trace_id, edge.parent_trace_id)),
    missing=st.just(0),
    cycles=st.just([]),
    truncated=st.booleans(),
    stopped_by=st.just([]),
    losses=st.just({}),
)


@untimed
@given(lineages)
def test_prov_says_each_edge_once_and_names_nothing_that_is_not_there(
    lineage: doc.Lineage,
) -> None:
    said: dict[str, Any] = json.loads(msgspec.json.encode(to_prov(lineage)))
    entities, activities = said.get("entity", {}), said.get("activity", {})
    assert set(entities) == {
        f"trace:{each}"
        for each in (
            lineage.root,
            *(node.trace_id for node in lineage.nodes),
            *(edge.trace_id for edge in lineage.edges),
            *(edge.parent_trace_id for edge in lineage.edges),
        )
    }
    derived = list(said.get("wasDerivedFrom", {}).values())
    assert sorted((each["prov:generatedEntity"], each["prov:usedEntity"]) for each in derived) == (
        sorted(
            (f"trace:{edge.trace_id}", f"trace:{edge.parent_trace_id}") for edge in lineage.edges
        )
    )
    for each in derived:
        generation = said["wasGeneratedBy"][each["prov:generation"]]
        usage = said["used"][each["prov:usage"]]
        assert generation["prov:entity"] == each["prov:generatedEntity"]
        assert usage["prov:entity"] == each["prov:usedEntity"]
        assert generation["prov:activity"] == usage["prov:activity"] == each["prov:activity"]
    told = {(edge.stream_id, edge.epoch, edge.seq, edge.trace_id) for edge in lineage.edges}
    assert len(activities) == len(said.get("wasGeneratedBy", {})) == len(told)
    assert {each["prov:activity"] for each in derived} == set(activities)
    for each in said.get("wasAttributedTo", {}).values():
        assert each["prov:entity"] in entities
        assert each["prov:agent"] in said["agent"]
    missing = {node.trace_id for node in lineage.nodes if node.missing is True}
    assert {name for name, each in entities.items() if each.get("clew:missing")} == {
        f"trace:{each}" for each in missing
    }
    assert entities[f"trace:{lineage.root}"].get("clew:truncated", False) is lineage.truncated
    prefixes = {*said["prefix"], "prov", "_"}
    for kind in set(said) - {"prefix"}:
        for name, record in said[kind].items():
            assert {key.partition(":")[0] for key in (name, *record)} <= prefixes
