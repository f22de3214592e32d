"""Connections that are lost, apps that return, crashes, and servers that are started again."""

from __future__ import annotations

import msgspec
import pytest

from clew.tree.frames.codes import CloseCode, FrameError
from clew.tree.frames.outbound import Control, Registered
from clew.tree.machine.app import Status, Tier
from clew.tree.machine.options import SECOND
from tests.tree_machine import START, World


def running(world: World, app_id: str, parent_id: str | None = None) -> int:
    link = world.register(app_id, parent_id)
    world.say(link, app_id)
    return link


@pytest.mark.parametrize(
    ("cause", "crash_type"),
    [
        ("connection_drop", "connection_drop"),
        ("heartbeat_timeout", "heartbeat_timeout"),
        ("slow_consumer", "connection_drop"),
    ],
)
def test_a_lost_connection_is_a_crash_after_the_resume_window(cause: str, crash_type: str) -> None:
    world = World()
    link = running(world, "root")
    world.drop(link, cause)
    assert world.status("root") is Status.RECONNECTING
    world.wait_s(1.9)
    assert world.status("root") is Status.RECONNECTING
    world.wait_s(0.2)
    assert world.status("root") is Status.CRASHED
    [crash] = world.kept.crashes
    assert crash.crash_type == crash_type
    assert crash.gap_ms == 2_000


@pytest.mark.parametrize("was_running", [True, False])
def test_an_app_that_returns_within_the_window_is_where_it_was(was_running: bool) -> None:
    world = World()
    link = running(world, "root") if was_running else world.register("root")
    before = world.status("root")
    world.drop(link)
    world.wait_s(1)
    again = world.resume("root")
    assert world.status("root") is before
    assert world.epoch("root") == 1
    [frame] = world.frames(again)
    assert isinstance(frame, Registered)
    assert frame.durable_seq == int(was_running)
    assert not frame.recovered
    world.wait_s(10)
    assert not world.kept.crashes


def test_each_app_has_the_window_that_it_was_given() -> None:
    world = World()
    world.schedule("device", resume_window_ms=86_400_000)
    world.drop(world.register("device"))
    world.wait_s(86_000)
    assert world.status("device") is Status.RECONNECTING
    world.resume("device")
    assert world.status("device") is Status.CONNECTED


def test_when_very_many_sockets_drop_at_a_time_the_window_is_doubled() -> None:
    world = World()
    links = [world.register(f"app {number}") for number in range(60)]
    for link in links:
        world.drop(link)
        world.now += SECOND // 100
    for number in range(60):
        app = world.app(f"app {number}")
        assert app.deadline == START + number * SECOND // 100 + 4 * SECOND


def test_drops_that_are_spread_out_are_no_mass_drop() -> None:
    world = World()
    for number in range(60):
        link = world.register(f"app {number}")
        world.drop(link)
        app = world.app(f"app {number}")
        assert app.deadline == world.now + 2 * SECOND
        world.wait_s(1)


def test_a_crash_is_taken_back_when_the_app_returns_within_the_recovery_window() -> None:
    world = World()
    link = running(world, "root")
    world.drop(link)
    world.wait_s(2 + 59)
    assert world.status("root") is Status.CRASHED
    again = world.resume("root", epoch=1)
    assert world.status("root") is Status.RUNNING
    assert world.frames(again, Registered)[0].recovered
    assert [each.epoch for each in world.kept.recovered] == [1]
    assert world.app("root").ended_at is None


def test_after_the_recovery_window_a_crash_is_final() -> None:
    world = World()
    link = running(world, "root")
    world.say(link, "root")
    world.drop(link)
    world.wait_s(2 + 61)
    again = world.resume("root")
    frame = world.frames(again)[-1]
    assert (frame.code, frame.seq) == (FrameError.TERMINAL, 2)
    assert world.closed[again] == CloseCode.TERMINAL
    assert world.status("root") is Status.CRASHED


def test_windows_are_kept_to_the_millisecond() -> None:
    for seconds, status in ((1.4, Status.RUNNING), (1.6, Status.CRASHED)):
        world = World(resume_window_ms=0, recovery_window_ms=1500)
        world.drop(running(world, "root"))
        world.wait_s(seconds)
        world.resume("root", epoch=1)
        assert world.status("root") is status


def test_a_crash_may_be_recovered_by_a_server_that_did_not_see_it() -> None:
    world = World()
    world.drop(running(world, "root"))
    world.wait_s(3)
    world.restart()
    world.resume("root")
    assert world.status("root") is Status.RUNNING


def test_only_the_key_that_registered_returns() -> None:
    world = World()
    world.drop(running(world, "root"))
    link = world.resume("root", pub_key="thief")
    assert world.closed[link] == CloseCode.UNAUTHORISED
    assert world.status("root") is Status.RECONNECTING
    assert not world.kept.audits[-1].is_allowed


def test_a_key_that_is_no_key_is_only_a_wrong_one() -> None:
    world = World()
    world.drop(running(world, "root"))
    for key in ("", "schl\u00fcssel", "\U0001f511"):
        link = world.resume("root", pub_key=key)
        assert world.closed[link] == CloseCode.UNAUTHORISED


def test_where_proof_is_asked_for_an_equal_key_is_not_enough() -> None:
    world = World(tier=Tier.SIGNED)
    world.schedule("root", tier=Tier.SIGNED)
    world.drop(world.register("root", token="token of root", is_proved=True))
    link = world.resume("root")
    assert world.closed[link] == CloseCode.UNAUTHORISED
    world.resume("root", is_proved=True)
    assert world.status("root") is Status.CONNECTED


def test_an_old_epoch_does_not_return() -> None:
    world = World()
    old = running(world, "root")
    world.register("root")
    assert world.closed[old] == CloseCode.SUPERSEDED
    link = world.resume("root", epoch=1)
    assert world.closed[link] == CloseCode.SUPERSEDED
    world.resume("root", epoch=2)
    assert world.status("root") is Status.CONNECTED


def test_the_newest_proved_connection_speaks_for_an_app() -> None:
    world = World()
    old = running(world, "root")
    new = world.resume("root")
    assert world.closed == {old: CloseCode.SUPERSEDED}
    world.say(new, "root", "Result")
    assert world.status("root") is Status.DONE


def test_a_superseded_app_leaves_others_on_its_socket_alone() -> None:
    world = World()
    shared = running(world, "root")
    world.register("kid", "root", link=shared)
    world.resume("root")
    assert shared not in world.closed
    world.say(shared, "kid", "Result")
    assert world.status("kid") is Status.DONE


def test_who_never_registered_cannot_return() -> None:
    world = World()
    link = world.resume("nobody")
    assert world.closed[link] == CloseCode.TERMINAL
    world.schedule("kid")
    link = world.resume("kid")
    assert world.frames(link)[-1].code == FrameError.REGISTRATION_FAILED


def test_a_socket_that_drops_takes_all_its_apps_with_it() -> None:
    world = World()
    link = world.register("root")
    for name in ("a", "b"):
        world.register(name, "root", link=link)
    world.say(link, "b", "Result")
    world.drop(link)
    assert world.status("root") is Status.RECONNECTING
    assert world.status("a") is Status.RECONNECTING
    assert world.status("b") is Status.DONE


def test_after_a_restart_apps_have_time_to_return_and_are_not_taken_for_crashed() -> None:
    world = World()
    running(world, "root")
    world.register("idle", "root")
    world.drop(running(world, "away", "root"))
    world.schedule("announced", "root", start_deadline_s=30)
    world.restart()
    for name in ("root", "idle", "away"):
        assert world.status(name) is Status.RECONNECTING
    world.wait_s(20)
    world.resume("root")
    world.resume("idle")
    assert world.status("root") is Status.RUNNING
    assert world.status("idle") is Status.CONNECTED
    world.wait_s(50)
    assert world.status("away") is Status.LOST_CONTACT
    assert world.status("announced") is Status.START_FAILED
    world.resume("away")
    assert world.status("away") is Status.RUNNING
    assert [each.crash_type for each in world.kept.crashes] == ["never_started"]


def test_a_second_restart_does_not_forget_where_an_app_was() -> None:
    world = World()
    world.register("root")
    world.restart()
    world.restart()
    world.resume("root")
    assert world.status("root") is Status.CONNECTED


def test_frames_of_a_socket_that_was_told_to_close_change_nothing() -> None:
    world = World()
    old = running(world, "root")
    world.resume("root")
    count = len(world.sent)
    world.say(old, "root", "Result")
    world.leave(old, "root")
    world.drop(old)
    assert world.status("root") is Status.RUNNING
    assert len(world.sent) == count


def test_watchers_hear_every_move_with_its_reason_and_who_caused_it() -> None:
    world = World()
    world.drop(running(world, "root"))
    world.wait_s(3)
    told = [
        msgspec.json.decode(each.document)
        for each in world.kept.happened
        if each.kind == "transition"
    ]
    assert [(each["from"], each["to"], each["reason"], each["actor"]) for each in told] == [
        (None, "scheduled", "registered", "root"),
        ("scheduled", "connected", "registered", "root"),
        ("connected", "running", "status", "root"),
        ("running", "reconnecting", "connection_drop", "server"),
        ("reconnecting", "crashed", "connection_drop", "server"),
    ]


def test_a_crashed_app_that_was_cancelled_hears_of_it_instead_of_living_on() -> None:
    world = World()
    world.drop(running(world, "root"))
    world.wait_s(3)
    answer = world.cancel("root", correlation_id="c")
    assert answer.targets[0].phase == "already_terminal"
    link = world.resume("root")
    assert [each.correlation_id for each in world.frames(link, Control)] == ["c"]
    assert world.status("root") is Status.CRASHED
    world.ack(link, "root", "c")
    assert world.status("root") is Status.CRASHED


def test_a_crashed_app_does_not_return_below_what_was_cancelled() -> None:
    for comes in ("register", "resume", "attach"):
        world = World()
        world.register("root")
        world.schedule("kid", "root")
        if comes == "attach":
            world.drop(world.attach("kid", "token of kid"))
        else:
            world.drop(world.register("kid", "root"))
        world.wait_s(3)
        world.cancel("root")
        if comes == "attach":
            link = world.attach("kid", "token of kid")
        else:
            link = getattr(world, comes)("kid", *(["root"] if comes == "register" else []))
        assert world.closed[link] == CloseCode.ANCESTOR_CANCELLED
        assert world.status("kid") is Status.CRASHED


def test_a_crashed_app_may_register_anew_within_the_recovery_window() -> None:
    world = World()
    world.drop(running(world, "root"))
    world.wait_s(3)
    link = world.register("root")
    assert world.frames(link, Registered)[0].recovered
    assert (world.status("root"), world.epoch("root")) == (Status.CONNECTED, 2)
    assert len(world.kept.recovered) == 1


def test_a_network_that_blinks_does_not_cost_a_tree_its_life() -> None:
    world = World()
    links = [running(world, "root"), running(world, "mid", "root"), running(world, "leaf", "mid")]
    for link in links:
        world.drop(link)
    world.wait_s(10)
    names = ("leaf", "mid", "root")
    assert {world.status(each) for each in names} == {Status.CRASHED}
    for name in names:
        world.resume(name)
        world.wait_s(1)
    world.wait_s(100)
    assert {world.status(each) for each in names} == {Status.RUNNING}
    assert world.app("leaf").path == ("root", "mid", "leaf")
    assert not world.kept.commands


def test_children_of_a_parent_that_stays_away_fare_by_their_policy_when_its_crash_is_final() -> (
    None
):
    world = World()
    root, kid = running(world, "root"), running(world, "kid", "root")
    world.drop(root)
    world.drop(kid)
    world.wait_s(5)
    world.restart()
    link = world.resume("kid")
    assert world.status("kid") is Status.RUNNING
    world.wait_s(50)
    assert not world.frames(link, Control)
    world.wait_s(10)
    assert [each.action for each in world.frames(link, Control)] == ["cancel"]
    world.wait_s(30)
    assert world.status("kid") is Status.CANCELLED
    assert world.machine.next_deadline() is None


def test_an_exit_that_is_reported_makes_a_crash_final() -> None:
    world = World()
    world.schedule("root")
    agent = world.attach("root", "token of root")
    root = world.register("root")
    kid = world.register("kid", "root")
    world.drop(root)
    world.drop(kid)
    world.wait_s(2)
    world.exit(agent, "root", 1)
    assert world.status("root") is Status.CRASHED
    assert [each.app_id for each in world.kept.commands.values()] == []
    link = world.resume("kid")
    assert [each.action for each in world.frames(link, Control)] == ["cancel"]


def test_an_app_that_returns_late_lands_where_its_ancestors_are_by_then() -> None:
    world = World()
    top = running(world, "top")
    running(world, "root", "top")
    mid = running(world, "mid", "root")
    world.drop(running(world, "kid", "mid"))
    world.wait_s(3)
    world.leave(mid, "mid")
    world.leave(top, "top")
    world.resume("kid")
    assert world.app("kid").path == ("root", "kid")
