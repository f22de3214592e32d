"""Agents that watch the processes of apps."""

from __future__ import annotations

import pytest

from clew.tree.frames.codes import CloseCode, FrameError
from clew.tree.frames.outbound import Ack, Attached, Error
from clew.tree.machine.app import Status, Tier
from tests.tree_machine import World


def test_an_agent_that_attaches_starts_an_announced_app() -> None:
    world = World()
    world.schedule("job")
    link = world.attach("job", "token of job")
    assert world.frames(link) == [Attached(app_id="job")]
    assert world.status("job") is Status.CONNECTED
    assert world.app("job").reason == "attached"
    world.wait_s(1000)
    assert world.status("job") is Status.CONNECTED


def test_the_process_may_still_join_by_itself_and_stays_in_the_same_epoch() -> None:
    world = World(tier=Tier.SIGNED)
    world.schedule("job", tier=Tier.SIGNED)
    world.attach("job", "token of job")
    world.register("job", token="token of job", is_proved=True)
    assert world.epoch("job") == 1
    assert world.app("job").pub_key == "key of job"


def test_an_agent_without_the_token_is_turned_away() -> None:
    world = World()
    world.schedule("job")
    for token in (None, "another"):
        link = world.attach("job", token)
        assert world.closed[link] == CloseCode.UNAUTHORISED
    assert world.status("job") is Status.SCHEDULED


def test_nobody_becomes_the_agent_of_an_app_that_was_not_announced() -> None:
    world = World()
    link = world.register("root")
    for token in (None, "token of root"):
        agent = world.attach("root", token)
        assert world.closed[agent] == CloseCode.UNAUTHORISED
    # Nor does whoever speaks for it: an exit is witnessed by who started the process.
    world.attach("root", link=link)
    assert world.frames(link)[-1].code == FrameError.UNAUTHORISED
    assert link not in world.closed
    assert world.status("root") is Status.CONNECTED
    assert [audit.action for audit in world.kept.audits if not audit.is_allowed] == ["attach"] * 3


def test_an_agent_that_comes_after_the_deadline_hears_that_the_start_has_failed() -> None:
    world = World()
    world.schedule("job", start_deadline_s=10)
    world.wait_s(11)
    agent = world.attach("job", "token of job")
    [said] = world.frames(agent, Error)
    assert (said.code, said.seq) == (FrameError.TERMINAL, 0)
    assert "never_started" in said.message
    assert world.closed[agent] == CloseCode.TERMINAL
    assert world.status("job") is Status.START_FAILED


def test_messages_of_an_agent_are_numbered_apart() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    link = world.register("job")
    world.say(agent, "job", is_agent=True)
    world.say(link, "job")
    assert len(world.kept.messages) == 2
    assert [each.source for each in world.frames(agent, Ack)] == ["agent"]
    assert (world.app("job").seq, world.app("job").agent_seq) == (1, 1)
    world.say(link, "job", is_agent=True)
    assert world.frames(link)[-1].code == FrameError.NOT_REGISTERED


@pytest.mark.parametrize(
    ("code", "signal", "status", "exit_code"),
    [
        (0, None, Status.DONE, 0),
        (3, None, Status.ERROR, 3),
        (None, 9, Status.CRASHED, -9),
    ],
)
def test_an_exit_that_an_agent_saw_ends_the_app_at_once(
    code: int | None, signal: int | None, status: Status, exit_code: int
) -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    link = world.register("job")
    world.drop(link)
    world.exit(agent, "job", code, signal)
    app = world.app("job")
    assert (app.status, app.exit_code, app.confirmed) == (status, exit_code, True)
    assert [each.crash_type for each in world.kept.crashes] == (["exit"] if signal else [])


def test_a_crash_by_a_signal_is_not_recovered() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    world.register("job")
    world.exit(agent, "job", signal=11)
    link = world.resume("job")
    assert world.closed[link] == CloseCode.TERMINAL
    assert world.kept.crashes[0].details == b'{"signal":11}'


def test_an_app_that_has_ended_itself_is_not_ended_again_by_its_exit() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    link = world.register("job")
    world.say(link, "job", "Result")
    world.exit(agent, "job", 1)
    assert world.status("job") is Status.DONE
    assert world.app("job").exit_code == 1


def test_nobody_but_its_agent_tells_of_an_exit() -> None:
    world = World()
    link = world.register("root")
    world.exit(link, "root", 0)
    assert world.frames(link)[-1].code == FrameError.NOT_REGISTERED
    assert world.status("root") is Status.CONNECTED


def test_a_process_that_only_its_agent_speaks_for_is_lost_and_found_with_it() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    world.say(agent, "job", is_agent=True)
    world.drop(agent)
    assert world.status("job") is Status.RECONNECTING
    agent = world.attach("job", "token of job")
    assert world.status("job") is Status.RUNNING
    world.drop(agent)
    world.wait_s(10)
    assert world.status("job") is Status.CRASHED
    world.attach("job", "token of job")
    assert world.status("job") is Status.RUNNING
    assert len(world.kept.recovered) == 1


def test_an_app_with_a_socket_of_its_own_does_not_miss_its_agent() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    world.register("job")
    world.drop(agent)
    assert world.status("job") is Status.CONNECTED


def test_after_a_crash_the_exit_is_still_noted_and_rules_out_a_return() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    world.drop(world.register("job"))
    world.wait_s(3)
    world.exit(agent, "job", 0)
    assert world.status("job") is Status.CRASHED
    assert world.app("job").exit_code == 0
    link = world.resume("job")
    assert world.closed[link] == CloseCode.TERMINAL


def test_an_agent_that_was_away_during_a_cancel_ends_the_process_and_confirms_it() -> None:
    world = World()
    world.schedule("job")
    world.drop(world.attach("job", "token of job"))
    world.cancel("job", grace_ms=0)
    assert (world.status("job"), world.app("job").confirmed) == (Status.CANCELLED, False)
    agent = world.attach("job", "token of job")
    assert [frame.code for frame in world.frames(agent, Error)] == [FrameError.ANCESTOR_CANCELLED]
    assert agent not in world.closed
    world.exit(agent, "job", signal=15)
    app = world.app("job")
    assert (app.status, app.exit_code, app.confirmed) == (Status.CANCELLED, -15, True)
    again = world.attach("job", "token of job")
    assert world.closed[again] == CloseCode.TERMINAL


@pytest.mark.parametrize("above", [False, True])
def test_an_agent_whose_app_was_cancelled_before_its_first_frame_ends_what_it_started(
    above: bool,
) -> None:
    world = World()
    world.register("root")
    world.schedule("job", "root")
    world.cancel("root" if above else "job", cascade=True, grace_ms=0)
    assert (world.status("job"), world.epoch("job")) == (Status.CANCELLED, 0)
    agent = world.attach("job", "token of job")
    assert world.frames(agent, Attached)
    assert [frame.code for frame in world.frames(agent, Error)] == [FrameError.ANCESTOR_CANCELLED]
    assert agent not in world.closed
    world.exit(agent, "job", signal=15)
    app = world.app("job")
    assert (app.status, app.exit_code, app.confirmed) == (Status.CANCELLED, -15, True)
