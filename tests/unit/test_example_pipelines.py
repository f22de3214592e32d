"""The pipelines of the examples, within one process: the graphs that they tell of are theirs."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from clew import lineage
from examples.lineage import agent, diamond, driving
from tests.lineage_pipes import traced


def test_each_scene_is_made_of_its_sweep_and_the_frames_around_it() -> None:
    with traced() as told:
        made = driving.drive(sweeps=4)
        links, items = told.links, told.items
    assert [each.value for each in made] == ["brake"] * 4
    # Each scene is one set; what follows of it goes on with its id.
    assert [link.trace_id for link in links] == [each.trace_id for each in made]
    counted = Counter(item.stream_id for item in items)
    assert counted == {1: 12, 2: 12, 3: 4, 5: 4}
    frames = [item.trace_id for item in items if item.stream_id == 1]
    assert frames == [item.trace_id for item in items if item.stream_id == 2]
    sweeps = [item.trace_id for item in items if item.stream_id == 3]
    for number, link in enumerate(links):
        at_ms = number * 100
        near = [
            frame
            for place, frame in enumerate(frames)
            if abs(place * 1000 // 30 - at_ms) <= driving.WINDOW_MS
        ]
        assert link.parents == (*near, sweeps[number])
        assert link.stream_id == 4


def test_a_diamond_is_tagged_anew() -> None:
    with traced() as told:
        card = diamond.make_card()
        photo = told.items[0].trace_id
        assert told.edges == {(card.trace_id, photo)}
        assert [item.trace_id for item in told.items] == [photo] * 3
    assert card.value == "4 pixels, brightness 3.9"


@pytest.mark.parametrize(
    ("asked", "rests_on", "said"),
    [
        ("lamp", 3, "3 in stock; 40 each; people like the lamp"),
        ("ghost", 0, "nobody knows"),
    ],
)
def test_an_answer_names_the_tools_that_it_rests_on(asked: str, rests_on: int, said: str) -> None:
    with traced() as told:
        question = agent.ask(asked)
        answered = asyncio.run(agent.answer(question))
        tools = {parent for trace_id, parent in told.edges if trace_id == answered.trace_id}
        assert answered.value == said
        assert len(tools) == rests_on
        assert told.edges == {(answered.trace_id, tool) for tool in tools} | {
            (tool, question.trace_id) for tool in tools
        }


def test_the_examples_run_while_tracing_is_off() -> None:
    assert [each.value for each in driving.drive()] == ["brake"] * 3
    assert diamond.make_card().trace_id == 0
    assert asyncio.run(agent.answer(lineage.Traced("chair"))).value.startswith("0 in stock")
