"""What apps say: kept once, acknowledged each time, and what it does to them."""

from __future__ import annotations

import msgspec
import pytest

from clew.tree.frames.codes import FrameError
from clew.tree.frames.inbound import CAN_HEAR_NOTICES
from clew.tree.frames.outbound import Ack, Error, Notice
from clew.tree.machine import changes, events
from clew.tree.machine.app import Status
from tests.tree_machine import World


def acks(world: World, link: int) -> list[int]:
    return [frame.seq for frame in world.frames(link, Ack)]


def test_the_first_status_lets_an_app_run_and_is_its_snapshot() -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root", payload=b'{"progress": 0.5}')
    app = world.app("root")
    assert app.status is Status.RUNNING
    assert app.started_at == world.now
    assert app.snapshot_seq == 1
    assert acks(world, link) == [1]


@pytest.mark.parametrize(("msg_type", "status"), [("Result", Status.DONE), ("Error", Status.ERROR)])
def test_a_result_or_an_error_ends_an_app_even_without_a_status(
    msg_type: str, status: Status
) -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root", msg_type)
    assert world.status("root") is status
    assert world.app("root").started_at is None
    assert world.app("root").ended_at == world.now
    assert acks(world, link) == [1]


def test_a_repeated_message_is_acknowledged_again_and_kept_once() -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root", payload=b"1")
    before = world.app("root")
    world.say(link, "root", seq=1, payload=b"2")
    assert acks(world, link) == [1, 1]
    assert [each.payload for each in world.kept.messages.values()] == [b"1"]
    assert world.app("root") is before


def test_numbers_may_be_left_out_and_one_that_comes_late_is_kept() -> None:
    world = World()
    link = world.register("root")
    for seq in (1, 5, 9, 3, 3, 5, 7):
        world.say(link, "root", seq=seq)
    assert sorted(key[3] for key in world.kept.messages) == [1, 3, 5, 7, 9]
    assert len(acks(world, link)) == 7
    assert world.app("root").seq == 9


def test_what_is_said_after_the_end_is_kept_as_late_and_changes_nothing() -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root", "Result")
    world.say(link, "root", "Error")
    assert world.status("root") is Status.DONE
    assert [each.is_late for each in world.kept.messages.values()] == [False, True]
    assert acks(world, link) == [1, 2]


def test_a_message_on_a_socket_that_does_not_speak_for_the_app_is_refused() -> None:
    world = World()
    world.register("root")
    other = world.register("other")
    world.say(other, "root", "Result")
    frame = world.frames(other)[-1]
    assert isinstance(frame, Error)
    assert (frame.code, frame.app_id, frame.seq) == (FrameError.NOT_REGISTERED, "root", 1)
    assert world.status("root") is Status.CONNECTED
    assert other not in world.closed


def test_an_app_sends_no_control() -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root", "Control")
    assert world.frames(link)[-1].code == FrameError.MESSAGE_ERROR
    assert not world.kept.messages


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("completed", Status.DONE),
        ("done", Status.DONE),
        ("bye", Status.DONE),
        ("error", Status.ERROR),
        ("failed", Status.ERROR),
    ],
)
def test_a_goodbye_says_how_it_ended(reason: str, status: Status) -> None:
    world = World()
    link = world.register("root")
    world.leave(link, "root", reason)
    assert world.status("root") is status
    assert not world.frames(link, Ack)
    assert not world.kept.crashes
    world.drop(link)
    assert world.status("root") is status


def test_nobody_says_goodbye_for_another() -> None:
    world = World()
    world.register("root")
    other = world.register("other")
    world.leave(other, "root")
    assert world.frames(other)[-1].code == FrameError.NOT_REGISTERED
    assert world.status("root") is Status.CONNECTED


def test_the_acknowledgement_comes_after_the_message_is_kept() -> None:
    world = World()
    link = world.register("root")
    step = world.do(
        # The changes of a step are kept before any of its effects is carried out.
        message(link, 1)
    )
    assert any(isinstance(change, changes.MessageAdded) for change in step.changes)
    assert world.frames(link)[-1] == Ack(seq=1, app_id="root")


def message(link: int, seq: int) -> events.Received:
    return events.Received(link=link, app_id="root", msg_type="Status", seq=seq, payload=b"{}")


def test_watchers_hear_of_every_message_but_not_of_long_payloads() -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root", payload=b'{"a":1}')
    world.say(link, "root", payload=b'"' + b"x" * 5000 + b'"')
    told = [
        msgspec.json.decode(each.document) for each in world.kept.happened if each.kind == "message"
    ]
    assert told[0]["payload"] == {"a": 1}
    assert "payload" not in told[1]
    assert told[1]["payload_bytes"] == 5002


def test_parents_that_want_to_hear_of_their_children_do() -> None:
    world = World()
    link = world.register("root", capabilities=frozenset({CAN_HEAR_NOTICES}))
    deaf = world.register("deaf", "root")
    kid = world.register("kid", "deaf")
    world.say(kid, "kid", "Result", payload=b"7")
    world.say(deaf, "deaf", "Result", payload=b"8")
    told = [(each.child_id, each.kind, each.status) for each in world.frames(link, Notice)]
    assert told == [
        ("deaf", "transition", "connected"),
        ("deaf", "message", "connected"),
        ("deaf", "transition", "done"),
    ]
    assert bytes(world.frames(link, Notice)[1].payload) == b"8"
    assert not world.frames(deaf, Notice)


def test_up_to_where_a_restart_found_it_a_message_goes_to_the_registry_again() -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root", seq=1)
    world.say(link, "root", seq=5)
    world.restart()
    link = world.resume("root")
    for seq in (1, 3, 5, 6):
        world.say(link, "root", seq=seq)
    assert sorted(key[3] for key in world.kept.messages) == [1, 3, 5, 6]
    assert acks(world, link) == [1, 3, 5, 6]
