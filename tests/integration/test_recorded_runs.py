"""Recorded runs and a server: what goes into one comes out of it as it was."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from clew.base.errors import ClewError, ErrorCode
from clew.remote.http import Server
from clew.testing import RecordedRun, assert_twin, fetch_run, record_run, replay
from clew.testing.server import ServerProcess
from clew.twin import (
    Boolean,
    Dict,
    Float,
    Integer,
    List,
    Object,
    Process,
    Reconstructor,
    Reference,
    Registry,
    String,
    TriLogLogger,
    anchor,
)
from clew.twin.remote import TwinClient

if TYPE_CHECKING:
    from pathlib import Path

SAY = TriLogLogger(__name__)
TRACER = TracerProvider().get_tracer(__name__)


class Kitchen(Object):
    name = String()


class Kettle(Object, prefix="water_kettle"):
    """Its prefix is none that its name gives."""

    degrees = Float(default=20.0)
    filled = Integer()
    is_on = Boolean(default=False)
    notes = List(String())
    marks = Dict()
    room = Reference(Kitchen)


class TeaMaking(Process):
    phases = ("boil", "brew")
    cups = Integer(default=1)


@pytest.fixture(scope="module", autouse=True)
def known(server: ServerProcess) -> None:
    """The server knows the types: a prefix that no name gives is told by a registry alone."""
    registry = Registry("tea")
    registry.register_all([Kitchen, Kettle, TeaMaking])
    with Server(server.url) as client:
        TwinClient(client).put_registry(registry.encode())


def make_tea(suffix: str) -> RecordedRun:
    with record_run() as run:
        with TRACER.start_as_current_span("tea"):
            with anchor(f"room{suffix}", Kitchen):
                SAY.created(name="Küche")
            with anchor(f"kettle{suffix}", Kettle):
                SAY.created(filled=2**53 + 1, room=f"room{suffix}", notes=["a", ""])
                SAY.event("whistled", loud=True, tones=[1, 2.5], degrees=999)
                SAY.state_change(degrees=100, is_on=True, marks={"max": [1, None]})
            with anchor(f"tea{suffix}", TeaMaking):
                SAY.phase_change("boil", cups=2)
                SAY.completed()
        with anchor(f"kettle{suffix}", Kettle):
            SAY.action("emptied", by="ann")
            SAY.state_change(filled=None, is_on=False)
        with anchor(f"wild{suffix}", "Wild"):
            SAY.state_change(a=1, b=[1, {"c": 2.0}], d="")
    return run


def answers(where: Any, suffix: str) -> list[Any]:
    """Return what is told of every object of the run, in the middle of it and after."""
    with Reconstructor(where) as made:
        timeline = made.timeline(f"kettle{suffix}")
        names = [f"{name}{suffix}" for name in ("room", "kettle", "tea", "wild")]
        middle = timeline.events[2]
        return [
            [each.patch for each in timeline],
            [(each.type, each.name, each.data, each.body, each.span_id) for each in timeline],
            *(made.reconstruct(name, f"event:{middle.event_id}").to_dict() for name in names[:2]),
            *(made.reconstruct(name, "2100-01-01").to_dict() for name in names),
            [
                (each.twin.id, each.twin.state_hash, each.events)
                for each in made.objects_in_trace(middle.trace_id, 3).objects
            ],
        ]


def test_a_run_that_is_sent_to_a_server_is_there_as_it_was(
    server: ServerProcess, tmp_path: Path
) -> None:
    run = make_tea("1")
    run.send(server)
    assert answers(server, "1") == answers(run, "1")
    # Sent once more it is there once.
    run.save(tmp_path / "tea.json")
    replay(tmp_path / "tea.json").send(server.url)
    assert answers(server, "1") == answers(run, "1")
    assert_twin(server, "kettle1", filled=None, degrees=100.0, notes=["a", ""], is_on=False)
    assert_twin(server, "tea1", phase="boil", status="completed", cups=2)


def test_a_run_that_went_wrong_comes_from_a_server_to_the_tests(
    server: ServerProcess, tmp_path: Path
) -> None:
    run = make_tea("2")
    run.send(server)
    trace_id = run.events[0].trace_id
    fetched = fetch_run(server, trace_id=trace_id, objects=["wild2"])
    assert fetched.objects == run.objects
    fetched.save(tmp_path / "tea.json")
    again = replay(tmp_path / "tea.json")
    assert answers(again, "2") == answers(server, "2")
    # Without the program's classes those of the server's registry came along.
    found = again.reconstructor(Registry("empty")).reconstruct("kettle2")
    assert type(found.twin) is not Kettle
    assert found.degrees == 100.0
    graph = again.reconstructor().get_graph("kettle2")
    with Reconstructor(server) as made:
        assert [each.id for each in made.get_graph("kettle2").objects] == ["kettle2", "room2"]
    assert [each.id for each in graph.objects] == ["kettle2", "room2"]


def test_it_is_waited_for_what_another_process_says(server: ServerProcess) -> None:
    run = make_tea("3")
    asked = threading.Event()

    def send_later() -> None:
        asked.wait()
        run.send(server)

    thread = threading.Thread(target=send_later)
    thread.start()
    with pytest.raises(AssertionError, match="nothing is known of an object 'kettle3'"):
        assert_twin(server, "kettle3", degrees=100)
    asked.set()
    assert_twin(server, "kettle3", degrees=100, within=60)
    thread.join()


def test_what_an_assertion_found_on_a_server_names_the_event(server: ServerProcess) -> None:
    run = make_tea("4")
    run.send(server)
    with pytest.raises(AssertionError) as failed:
        assert_twin(server, "kettle4", degrees=90, at=run.events[3].at)
    changed = run.events[3]
    assert "degrees: expected 90\n           is       100.0, since 20" in str(failed.value)
    assert f"state_change {changed.event_id} in span {changed.span_id}" in str(failed.value)


def test_what_cannot_be_sent_is_told(server: ServerProcess) -> None:
    run = make_tea("5")
    with pytest.raises(ClewError, match="no clew server answers") as refused:
        run.send("127.0.0.1:9")
    assert refused.value.code is ErrorCode.UNAVAILABLE
    with pytest.raises(ClewError, match="not a client: int"):
        run.send(5)
