"""Pipelines of every shape tell the graph that they are, held to one that is built beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from clew import lineage
from tests.lineage_pipes import traced

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.lineage import Traced


@dataclass(frozen=True)
class Step:
    """One stage: how it is written, and which of the values made so far it takes."""

    way: str
    takes: tuple[int, ...]
    new_id: bool


def steps_of(length: int) -> st.SearchStrategy[list[Step]]:
    return st.tuples(
        *(
            st.builds(
                Step,
                st.sampled_from(["list", "arguments", "join", "late", "drawn"]),
                # Places beyond those that are there are values that were not traced.
                st.lists(st.integers(0, place + 1), max_size=4).map(tuple),
                st.booleans(),
            )
            for place in range(length)
        )
    ).map(list)


PIPELINES = st.integers(1, 12).flatmap(steps_of)


def run_step(step: Step, inputs: list[Traced[frozenset[int]]]) -> Traced[frozenset[int]]:
    """Make a value of others: the union of the sources that they are made of."""

    @lineage.stage(new_id=step.new_id)
    def of_list(values: list[frozenset[int]]) -> frozenset[int]:
        return frozenset().union(*values)

    @lineage.stage(new_id=step.new_id)
    def of_arguments(*values: frozenset[int]) -> frozenset[int]:
        return frozenset().union(*values)

    @lineage.stage(new_id=step.new_id)
    def of_drawn(values: Any) -> frozenset[int]:
        return frozenset().union(*values)

    ways: dict[str, Callable[[], Traced[frozenset[int]]]] = {
        "list": lambda: of_list(inputs),
        "arguments": lambda: of_arguments(*inputs),
        "drawn": lambda: of_drawn(iter(inputs)),
    }
    if step.way in ways:
        return ways[step.way]()
    with lineage.join(inputs if step.way == "join" else (), new_id=step.new_id) as out:
        if step.way == "late":
            for each in inputs:
                out.add(each)
        return out.carry(frozenset().union(*(each.value for each in inputs)))


@given(PIPELINES)
def test_the_edges_that_are_told_are_those_of_the_pipeline(steps: list[Step]) -> None:
    with traced() as told:
        values: list[Traced[frozenset[int]]] = []
        edges: set[tuple[int, int]] = set()
        for step in steps:
            inputs = [
                values[at] if at < len(values) else lineage.Traced(frozenset[int]())
                for at in step.takes
            ]
            out = run_step(step, inputs)
            values.append(out)
            known = {each.trace_id for each in inputs if each.trace_id}
            assert out.trace_id
            if len(inputs) == 1 and known and not step.new_id:
                assert {out.trace_id} == known
            else:
                assert out.trace_id not in {each.trace_id for each in values[:-1]}
                edges |= {(out.trace_id, parent) for parent in known}
        assert told.edges == edges
        # A set tells of its item, a descriptor of every other: none is told twice.
        assert len(told.links) + len(told.items) == len(steps)
        assert told.tracing.statistics().failures == 0
