"""What the machine holds is bounded, and what it let go of it asks to be shown again."""

from __future__ import annotations

import pytest

from clew.base.errors import ErrorCode
from clew.tree.frames.codes import CloseCode, FrameError
from clew.tree.machine import events, forest, messages, orders
from clew.tree.machine.app import Status
from clew.tree.machine.effects import Refused
from clew.tree.machine.outcomes import Issued, Retired, Unscheduled
from tests.tree_machine import START, World, app_caller


def test_ended_apps_are_let_go_and_shown_again_when_something_speaks_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forest, "ENDED_MAX", 10)
    world = World()
    names = [f"app {number}" for number in range(40)]
    for name in names:
        world.leave(world.register(name), name)
    assert sum(world.machine.find(name) is not None for name in names) == 10
    link = world.register("app 0")
    assert world.closed[link] == CloseCode.TERMINAL
    assert world.cancel("app 1").targets[0].phase == "already_terminal"


def test_an_ended_app_that_somebody_still_speaks_for_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forest, "ENDED_MAX", 10)
    world = World()
    link = world.register("talks")
    world.say(link, "talks", "Result")
    world.drop(world.register("crashes"))
    world.wait_s(3)
    for number in range(40):
        name = f"app {number}"
        world.leave(world.register(name), name)
    world.say(link, "talks", "Status")
    assert [each.is_late for each in world.kept.messages.values()] == [False, True]
    assert world.machine.find("crashes") is not None
    world.drop(link)
    for number in range(40, 60):
        name = f"app {number}"
        world.leave(world.register(name), name)
    assert world.machine.find("talks") is None


def test_the_ids_of_nobody_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "ENDED_MAX", 10)
    world = World()
    for number in range(30):
        world.machine.learn_absent(f"app {number}")
    event = events.Unschedule(ticket=1, caller=app_caller("x"), app_id="app 29")
    assert world.machine.unknown(event) == ()
    event = events.Unschedule(ticket=1, caller=app_caller("x"), app_id="app 0")
    assert world.machine.unknown(event) == ("app 0",)


def test_finished_commands_are_let_go_and_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "FINISHED_MAX", 10)
    world = World()
    link = world.register("root")
    for number in range(30):
        world.command("root", correlation_id=f"c {number}")
        world.ack(link, "root", f"c {number}")
    awaited = events.Await(ticket=0, caller=app_caller("root"), correlation_id="c 0")
    assert world.machine.unknown_commands(awaited) == ("c 0",)
    ticket = world.await_end("c 0")
    assert isinstance(world.answers[ticket], Issued)
    assert isinstance(world.command("root", correlation_id="c 1"), Issued)
    assert len(world.kept.commands) == 30


def test_a_connection_that_comes_and_goes_leaves_no_timers_behind() -> None:
    world = World()
    world.schedule("device", resume_window_ms=86_400_000)
    link = world.register("device")
    for _ in range(3_000):
        world.drop(link)
        world.wait_s(0.2)
        link = world.resume("device")
    assert world.machine.next_deadline() is None
    world.drop(link)
    assert world.machine.next_deadline() == world.now + world.ms(86_400_000)


def test_the_places_where_numbers_were_left_out_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "GAPS_MAX", 4)
    world = World()
    link = world.register("root")
    for seq in range(2, 40, 2):
        world.say(link, "root", seq=seq)
    for seq in (1, 37):
        world.say(link, "root", seq=seq)
    assert len(world.machine._tree.gaps["root", False]) <= 4
    # What is not remembered is handed to the registry, which knows.
    assert {1, 37} <= {key[3] for key in world.kept.messages}


def test_time_does_not_go_back() -> None:
    world = World()
    link = world.register("root")
    world.say(link, "root")
    world.now = START - world.ms(60_000)
    world.say(link, "root", "Result")
    assert world.app("root").ended_at == START


def test_an_agent_may_come_back_on_another_socket_before_the_old_one_is_known_to_be_gone() -> None:
    world = World()
    world.schedule("job")
    world.schedule("other")
    old = world.attach("job", "token of job")
    world.attach("other", "token of other", link=old)
    new = world.attach("job", "token of job")
    world.drop(old)
    assert world.status("job") is Status.CONNECTED
    assert world.status("other") is Status.RECONNECTING
    world.exit(new, "job", 0)
    assert world.status("job") is Status.DONE


def test_an_app_whose_agent_was_lost_joins_where_it_was() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    world.say(agent, "job", is_agent=True)
    world.drop(agent)
    world.register("job")
    assert (world.status("job"), world.epoch("job")) == (Status.RUNNING, 1)


def test_an_agent_cannot_attach_to_nobody_or_to_who_has_ended() -> None:
    world = World()
    link = world.attach("nobody")
    assert world.frames(link)[-1].code == FrameError.NOT_FOUND
    world.schedule("job")
    world.exit(world.attach("job", "token of job"), "job", 0)
    link = world.attach("job", "token of job")
    assert world.closed[link] == CloseCode.TERMINAL


def test_only_who_may_cancel_takes_a_child_back() -> None:
    world = World()
    world.register("root")
    world.register("other", "root")
    world.schedule("kid", "root")
    refused = world.unschedule("kid", app_caller("other"))
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.NOT_FOUND
    absent = world.unschedule("nobody")
    assert isinstance(absent, Refused)
    assert absent.code is ErrorCode.NOT_FOUND
    assert isinstance(world.unschedule("kid", app_caller("root")), Unscheduled)


def test_a_command_of_the_machine_is_only_answered_by_whom_it_was_for() -> None:
    world = World()
    link = world.register("root")
    other = world.register("other")
    world.command("root", correlation_id="c")
    world.ack(other, "root", "c")
    assert world.frames(other)[-1].code == FrameError.NOT_REGISTERED
    world.ack(other, "other", "c")
    assert world.target("c", "root").status == "sent"
    world.ack(link, "root", "nothing")
    assert world.target("c", "root").status == "sent"


def retire(world: World, *app_ids: str) -> tuple[str, ...]:
    """Ask for apps to be forgotten as they are kept now; return those that are."""
    ticket = world.ticket()
    apps = tuple((app_id, world.kept.apps[app_id].version) for app_id in app_ids)
    world.do(events.Retire(ticket=ticket, apps=apps))
    answer = world.answers[ticket]
    assert isinstance(answer, Retired)
    return answer.app_ids


def test_an_ended_app_that_nothing_needs_is_forgotten() -> None:
    world = World()
    link = world.register("a")
    world.say(link, "a", "Result")
    # Its socket is open: a late message of it would have nowhere to go.
    assert retire(world, "a") == ()
    world.drop(link)
    assert retire(world, "a") == ("a",)
    assert world.kept.apps == {}
    assert world.kept.messages == {}
    assert world.command("a").code is ErrorCode.NOT_FOUND
    # Its id is nobody's now.
    world.register("a")
    assert world.kept.apps["a"].version > 0
    world.restart()
    assert world.kept.apps["a"].epoch == 1


def test_a_live_app_and_one_that_leads_to_live_ones_stay() -> None:
    world = World()
    first = world.register("root")
    world.register("child", "root")
    world.leave(first, "root")
    world.drop(first)
    assert world.kept.apps["root"].is_terminal
    world.register("below", "root")
    assert retire(world, "root", "below") == ()


def test_an_app_that_changed_since_it_was_found_stays() -> None:
    world = World()
    link = world.register("a")
    world.say(link, "a", "Result")
    version = world.kept.apps["a"].version
    world.say(link, "a", "Status")
    world.drop(link)
    ticket = world.ticket()
    world.do(events.Retire(ticket=ticket, apps=(("a", version),)))
    assert world.answers[ticket] == Retired(app_ids=())
    assert len(world.kept.messages) == 2


def test_a_crash_that_may_be_taken_back_stays_until_it_is_final() -> None:
    world = World(resume_window_ms=0, recovery_window_ms=60_000)
    link = world.register("a")
    world.drop(link)
    world.wait_s(1)
    assert world.kept.apps["a"].status is Status.CRASHED
    assert retire(world, "a") == ()
    world.wait_s(61)
    assert retire(world, "a") == ("a",)
