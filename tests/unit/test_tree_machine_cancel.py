"""Cancel: kept, frozen, told to all at once, and over by its deadline whatever happens."""

from __future__ import annotations

import msgspec
import pytest

from clew.access.caller import LOCAL
from clew.base.errors import ErrorCode
from clew.tree.frames.codes import CloseCode, FrameError
from clew.tree.frames.outbound import CancelPayload, Control, Registered, Signal
from clew.tree.machine.app import Status
from clew.tree.machine.effects import Refused
from clew.tree.machine.outcomes import Issued
from tests.tree_machine import World, app_caller


def family(world: World) -> dict[str, int]:
    links = {"root": world.register("root")}
    for app_id, parent_id in (("mid", "root"), ("leaf", "mid"), ("leaf2", "mid")):
        links[app_id] = world.register(app_id, parent_id)
        world.say(links[app_id], app_id)
    return links


def jobs(world: World) -> dict[str, int]:
    """Let a parent and a child join that agents watch; return the agents' sockets."""
    agents = {}
    for app_id, parent_id in (("job", None), ("part", "job")):
        world.schedule(app_id, parent_id)
        agents[app_id] = world.attach(app_id, f"token of {app_id}")
        world.register(app_id, parent_id)
    return agents


def outcomes(answer: Issued) -> list[tuple[str, str, str | None, bool]]:
    return [(each.app_id, each.app_status, each.phase, each.confirmed) for each in answer.targets]


def test_every_live_app_below_is_told_at_once_with_the_time_that_is_left() -> None:
    world = World()
    links = family(world)
    answer = world.cancel("mid", correlation_id="c", grace_ms=10_000)
    assert [each.app_id for each in answer.targets] == ["mid", "leaf", "leaf2"]
    for app_id in ("mid", "leaf", "leaf2"):
        [frame] = world.frames(links[app_id], Control)
        assert (frame.action, frame.correlation_id, frame.deadline_in_ms) == ("cancel", "c", 10_000)
        told = msgspec.json.decode(frame.payload, type=CancelPayload)
        assert told == CancelPayload(
            reason="enough", cascade=True, initiated_by="local", grace_ms=10_000
        )
    assert not world.frames(links["root"], Control)


def test_an_app_that_says_yes_is_cancelled_confirmed() -> None:
    world = World()
    links = family(world)
    world.cancel("mid", correlation_id="c")
    ticket = world.await_end("c")
    for app_id in ("leaf", "leaf2", "mid"):
        world.ack(links[app_id], app_id, "c")
    outcome = world.answers[ticket]
    assert isinstance(outcome, Issued)
    assert outcomes(outcome) == [
        (app_id, "cancelled", "cooperative", True) for app_id in ("mid", "leaf", "leaf2")
    ]
    assert world.app("leaf").actor == "local"
    assert world.app("leaf").cancel_id == "c"
    assert world.status("root") is Status.CONNECTED


def test_an_app_that_says_no_lives_until_the_grace_is_over() -> None:
    world = World()
    links = family(world)
    world.cancel("leaf", correlation_id="c", grace_ms=5_000)
    world.ack(links["leaf"], "leaf", "c", ack=False, error="handler_error")
    assert world.status("leaf") is Status.RUNNING
    assert world.target("c", "leaf").error == "handler_error"
    world.wait_s(5)
    assert world.status("leaf") is Status.CANCELLED


@pytest.mark.parametrize("how", ["result", "error", "goodbye"])
def test_an_app_that_ends_itself_while_it_is_cancelled_is_cancelled_confirmed(how: str) -> None:
    world = World()
    links = family(world)
    world.cancel("leaf", correlation_id="c")
    if how == "goodbye":
        world.leave(links["leaf"], "leaf")
    else:
        world.say(links["leaf"], "leaf", how.capitalize(), payload=b'"saved"')
        assert b'"saved"' in [each.payload for each in world.kept.messages.values()]
    app = world.app("leaf")
    assert (app.status, app.confirmed) == (Status.CANCELLED, True)
    assert world.target("c", "leaf").status == "done"


def test_a_result_after_the_cancel_is_kept_and_the_app_stays_cancelled() -> None:
    world = World()
    links = family(world)
    world.cancel("leaf", correlation_id="c")
    world.ack(links["leaf"], "leaf", "c")
    world.say(links["leaf"], "leaf", "Result")
    assert world.status("leaf") is Status.CANCELLED
    assert [each.is_late for each in world.kept.messages.values() if each.app_id == "leaf"] == [
        False,
        True,
    ]


def test_who_was_done_before_the_cancel_is_already_terminal() -> None:
    world = World()
    links = family(world)
    world.say(links["leaf"], "leaf", "Result")
    answer = world.cancel("leaf")
    assert answer.is_over
    assert outcomes(answer) == [("leaf", "done", "already_terminal", True)]
    assert world.status("leaf") is Status.DONE


def test_a_second_cancel_does_not_confirm_an_end_that_nobody_saw() -> None:
    world = World()
    family(world)
    world.cancel("leaf", grace_ms=1000)
    world.wait_s(1.0)
    assert not world.app("leaf").confirmed
    assert outcomes(world.cancel("leaf")) == [("leaf", "cancelled", "already_terminal", False)]


def test_who_has_not_started_is_cancelled_at_once_and_may_not_come_later() -> None:
    world = World()
    family(world)
    world.schedule("late", "mid")
    answer = world.cancel("mid")
    assert ("late", "cancelled", "scheduled", False) in outcomes(answer)
    link = world.register("late", "mid")
    assert world.frames(link)[-1].code == FrameError.ANCESTOR_CANCELLED
    assert world.closed[link] == CloseCode.ANCESTOR_CANCELLED


def test_nothing_starts_below_what_is_being_cancelled_or_was() -> None:
    world = World()
    links = family(world)
    world.cancel("root", correlation_id="c", grace_ms=1_000)
    for _ in range(2):
        link = world.register("late", "leaf")
        assert world.closed[link] == CloseCode.ANCESTOR_CANCELLED
        answer = world.schedule("late", "leaf")
        assert isinstance(answer, Refused)
        assert answer.code is ErrorCode.CONFLICT
        world.wait_s(2)
    assert world.status("leaf") is Status.CANCELLED
    assert "late" not in world.kept.apps
    assert links["leaf"] not in world.closed


def test_nothing_starts_below_an_ended_app_whose_ancestor_is_cancelled_even_long_after() -> None:
    world = World()
    links = family(world)
    world.leave(links["leaf"], "leaf")
    world.cancel("root", grace_ms=1_000)
    world.wait_s(2)
    world.restart()
    link = world.register("late", "leaf")
    assert world.closed[link] == CloseCode.ANCESTOR_CANCELLED


def test_without_an_agent_nobody_waits_for_signals() -> None:
    world = World()
    links = family(world)
    world.cancel("root", correlation_id="c", grace_ms=30_000)
    ticket = world.await_end("c")
    world.ack(links["leaf"], "leaf", "c")
    world.wait_s(30)
    outcome = world.answers[ticket]
    assert isinstance(outcome, Issued)
    assert outcomes(outcome) == [
        ("root", "cancelled", "cooperative", False),
        ("mid", "cancelled", "cooperative", False),
        ("leaf", "cancelled", "cooperative", True),
        ("leaf2", "cancelled", "cooperative", False),
    ]
    assert world.machine.next_deadline() is None


def test_who_is_out_of_reach_gets_the_cancel_as_the_first_frame_of_its_return() -> None:
    world = World()
    links = family(world)
    world.schedule("device", "root", resume_window_ms=3_600_000)
    world.drop(world.register("device", "root"))
    world.cancel("device", correlation_id="c", grace_ms=1_000)
    world.wait_s(2)
    assert (world.status("device"), world.app("device").confirmed) == (Status.CANCELLED, False)
    assert world.target("c", "device").status == "expired"
    world.restart()
    link = world.resume("device")
    welcome, order = world.frames(link)
    assert isinstance(welcome, Registered)
    assert (order.action, order.correlation_id) == ("cancel", "c")
    world.ack(link, "device", "c")
    assert world.app("device").confirmed
    assert world.target("c", "device").status == "done"
    assert world.status("device") is Status.CANCELLED
    again = world.resume("device")
    assert world.closed[again] == CloseCode.TERMINAL
    assert links["root"] not in world.closed


def test_who_returns_during_the_grace_hears_of_the_cancel_before_anything_else() -> None:
    world = World()
    links = family(world)
    world.command("leaf", "pause", correlation_id="first")
    world.drop(links["leaf"])
    world.cancel("leaf", correlation_id="c")
    world.now += world.ms(1_000)
    link = world.resume("leaf")
    frames = world.frames(link, Control)
    assert [each.correlation_id for each in frames] == ["c", "first"]
    assert frames[0].deadline_in_ms == 29_000


def test_who_is_lost_while_it_is_cancelled_does_not_crash() -> None:
    world = World()
    links = family(world)
    world.cancel("leaf", correlation_id="c")
    world.drop(links["leaf"])
    world.wait_s(3)
    assert (world.status("leaf"), world.app("leaf").confirmed) == (Status.CANCELLED, False)
    assert not world.kept.crashes


def test_an_agent_is_told_to_end_what_outlives_the_grace_leaves_first() -> None:
    world = World()
    agents = jobs(world)
    world.cancel("job", correlation_id="c", grace_ms=1_000)
    assert not world.frames(agents["job"], Signal)
    world.wait_s(1)
    signals = [frame for _, frame in world.sent if isinstance(frame, Signal)]
    assert [(each.app_id, each.signal) for each in signals] == [("part", "term"), ("job", "term")]
    assert world.target("c", "job").phase == "term"
    world.wait_s(10)
    signals = [frame for _, frame in world.sent if isinstance(frame, Signal)][2:]
    assert [(each.app_id, each.signal) for each in signals] == [("part", "kill"), ("job", "kill")]
    world.exit(agents["part"], "part", signal=9)
    world.wait_s(5)
    assert [
        (each.phase, each.confirmed, each.status)
        for each in (world.target("c", "part"), world.target("c", "job"))
    ] == [("kill", True, "done"), ("kill", False, "expired")]
    assert world.status("part") is Status.CANCELLED
    assert world.machine.next_deadline() is None


def test_an_exit_during_the_cancel_is_its_witnessed_end() -> None:
    world = World()
    agents = jobs(world)
    world.cancel("job", correlation_id="c", grace_ms=1_000)
    world.exit(agents["part"], "part", exit_code=0)
    world.wait_s(1)
    world.exit(agents["job"], "job", signal=15)
    for app_id, phase in (("part", "cooperative"), ("job", "term")):
        app = world.app(app_id)
        assert (app.status, app.confirmed) == (Status.CANCELLED, True)
        assert world.target("c", app_id).phase == phase
    assert not world.kept.crashes


def test_a_process_that_is_no_client_hears_of_its_cancel_by_a_signal_at_once() -> None:
    world = World()
    world.schedule("job")
    agent = world.attach("job", "token of job")
    world.cancel("job", correlation_id="c")
    [signal] = world.frames(agent, Signal)
    assert (signal.signal, signal.correlation_id) == ("term", "c")


def test_an_agent_that_goes_away_is_not_waited_for() -> None:
    world = World()
    agents = jobs(world)
    world.cancel("job", correlation_id="c", grace_ms=1_000)
    world.wait_s(2)
    for agent in agents.values():
        world.drop(agent)
    world.wait_s(9)
    assert world.status("job") is Status.CANCELLED
    assert world.target("c", "job").phase == "term"
    assert not world.app("job").confirmed


def test_an_agent_that_returns_late_is_told_how_far_the_cancel_has_come() -> None:
    world = World()
    agents = jobs(world)
    world.cancel("job", correlation_id="c", grace_ms=1_000)
    world.wait_s(2)
    world.drop(agents["job"])
    agent = world.attach("job", "token of job")
    assert [each.signal for each in world.frames(agent, Signal)] == ["term"]


def test_an_exit_that_is_reported_late_confirms_the_cancel() -> None:
    world = World()
    agents = jobs(world)
    world.cancel("job", grace_ms=0)
    world.wait_s(20)
    assert not world.app("job").confirmed
    world.exit(agents["job"], "job", signal=9)
    assert (world.status("job"), world.app("job").confirmed) == (Status.CANCELLED, True)


def test_detached_children_stay_out_unless_they_are_wanted() -> None:
    world = World()
    world.register("root")
    world.spawn("free", "root", detached=True)
    world.register("below", "free")
    answer = world.cancel("root", grace_ms=0)
    assert [each.app_id for each in answer.targets] == ["root"]
    assert world.status("free") is Status.CONNECTED
    assert world.app("free").parent_id is None
    assert world.app("below").path == ("free", "below")
    world.register("still", "free")

    world = World()
    world.register("root")
    world.spawn("free", "root", detached=True)
    answer = world.cancel("root", include_detached=True)
    assert [each.app_id for each in answer.targets] == ["root", "free"]


def test_without_cascade_a_cancel_is_of_one_app_and_its_children_fare_by_their_policy() -> None:
    world = World()
    links = family(world)
    answer = world.cancel("mid", cascade=False, correlation_id="c")
    assert [each.app_id for each in answer.targets] == ["mid"]
    world.ack(links["mid"], "mid", "c")
    assert world.app("leaf").path == ("root", "leaf")
    assert world.status("leaf") is Status.RUNNING


def test_of_overlapping_cancels_the_earlier_deadline_wins() -> None:
    world = World()
    links = family(world)
    world.cancel("root", correlation_id="slow", grace_ms=60_000)
    world.cancel("mid", correlation_id="fast", grace_ms=1_000)
    assert len(world.frames(links["leaf"], Control)) == 2
    slow, fast = world.await_end("slow"), world.await_end("fast")
    world.wait_s(1)
    for app_id in ("mid", "leaf", "leaf2"):
        assert world.status(app_id) is Status.CANCELLED
    assert fast in world.answers
    assert slow not in world.answers
    world.ack(links["root"], "root", "slow")
    assert slow in world.answers
    assert world.machine.next_deadline() is None


def test_a_cancel_from_above_takes_those_that_a_cancel_below_left_alive() -> None:
    world = World()
    links = family(world)
    world.cancel("leaf", correlation_id="one", grace_ms=60_000)
    world.cancel("root", correlation_id="all", grace_ms=1_000)
    world.wait_s(1)
    assert {world.status(each) for each in links} == {Status.CANCELLED}
    assert world.target("one", "leaf").status == "expired"


def test_a_cancel_by_an_app_that_is_in_it_does_not_wait_for_itself() -> None:
    world = World()
    links = family(world)
    world.cancel("root", correlation_id="all", grace_ms=1_000)
    answer = world.cancel("leaf", correlation_id="own", caller=app_caller("mid"), grace_ms=5_000)
    assert isinstance(answer, Issued)
    ticket = world.await_end("own", app_caller("mid"))
    world.ack(links["mid"], "mid", "all")
    world.wait_s(5)
    assert ticket in world.answers
    assert world.machine.next_deadline() is None


def test_the_same_cancel_again_is_answered_with_what_has_come_of_it() -> None:
    world = World()
    links = family(world)
    world.cancel("leaf", correlation_id="c")
    world.ack(links["leaf"], "leaf", "c")
    again = world.cancel("leaf", correlation_id="c")
    assert outcomes(again) == [("leaf", "cancelled", "cooperative", True)]
    other = world.cancel("mid", correlation_id="c")
    assert isinstance(other, Refused)
    assert other.code is ErrorCode.ALREADY_EXISTS


def test_only_ancestors_cancel() -> None:
    world = World()
    links = family(world)
    assert isinstance(world.cancel("leaf", caller=app_caller("leaf")), Refused)
    assert isinstance(world.cancel("mid", caller=app_caller("leaf")), Refused)
    assert not world.frames(links["mid"], Control)
    assert isinstance(world.cancel("leaf", caller=app_caller("root")), Issued)
    assert [each.is_allowed for each in world.kept.audits] == [False, False, True]


def test_a_cancel_outlives_the_server() -> None:
    world = World()
    agents = jobs(world)
    world.cancel("job", correlation_id="c", grace_ms=5_000)
    world.wait_s(4)
    world.restart()
    link = world.register("late", "job")
    assert world.closed[link] == CloseCode.ANCESTOR_CANCELLED
    back = world.resume("part")
    assert [each.correlation_id for each in world.frames(back, Control)] == ["c"]
    agents["job"] = world.attach("job", "token of job")
    world.wait_s(5)
    assert [each.signal for each in world.frames(agents["job"], Signal)] == ["term"]
    assert world.status("part") is Status.CANCELLED
    world.restart()
    agents["job"] = world.attach("job", "token of job")
    assert [each.signal for each in world.frames(agents["job"], Signal)] == ["term"]
    world.wait_s(16)
    assert world.status("job") is Status.CANCELLED
    assert world.machine.next_deadline() is None


def test_a_running_app_below_an_ended_one_is_cancelled_too() -> None:
    world = World()
    links = family(world)
    world.leave(links["leaf"], "leaf")
    link = world.register("below", "leaf")
    world.cancel("root", grace_ms=1_000)
    assert len(world.frames(link, Control)) == 1
    world.wait_s(1)
    assert world.status("below") is Status.CANCELLED


def test_every_cancel_is_audited_with_its_correlation_id() -> None:
    world = World()
    family(world)
    world.cancel("mid", correlation_id="c", caller=LOCAL)
    [audit] = world.kept.audits
    assert (audit.action, audit.app_id, audit.cascade, audit.correlation_id) == (
        "cancel",
        "mid",
        True,
        "c",
    )


@pytest.mark.parametrize("is_restarted", [False, True])
def test_whoever_cancels_says_how_long_after_the_term_the_kill_comes(is_restarted: bool) -> None:
    world = World()
    agents = jobs(world)
    world.cancel("job", correlation_id="c", grace_ms=1_000, kill_after_ms=500)
    told = msgspec.json.decode(world.kept.commands["c", "job"].payload, type=CancelPayload)
    assert (told.grace_ms, told.kill_after_ms) == (1_000, 500)
    world.wait_s(1.1)
    assert [each.signal for each in world.frames(agents["job"], Signal)] == ["term"]
    if is_restarted:
        # What was asked for is known to the next server, too.
        world.restart()
        agents = {name: world.attach(name, f"token of {name}") for name in agents}
    world.wait_s(0.3)
    assert [each.signal for each in world.frames(agents["job"], Signal)][-1:] == ["term"]
    world.wait_s(0.3)
    assert [each.signal for each in world.frames(agents["job"], Signal)][-1:] == ["kill"]
    world.exit(agents["job"], "job", signal=9)
    assert world.target("c", "job").phase == "kill"
    again = world.cancel("job", correlation_id="c", grace_ms=1_000)
    assert isinstance(again, Refused)
    assert again.code is ErrorCode.ALREADY_EXISTS
