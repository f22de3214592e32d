"""What becomes of children when their parent ends."""

from __future__ import annotations

import msgspec
import pytest

from clew.tree.frames.codes import CloseCode
from clew.tree.frames.outbound import Control, Signal
from clew.tree.machine.app import Orphans, Status
from clew.tree.machine.effects import Refused
from tests.tree_machine import World, app_caller

ENDS = {"done": "Result", "error": "Error"}


def end(world: World, link: int, app_id: str, cause: str) -> None:
    """Let an app end as done, as error or as crashed."""
    if cause == "crashed":
        world.drop(link)
        world.wait_s(3)
    else:
        world.say(link, app_id, ENDS[cause])


@pytest.mark.parametrize("cause", ["done", "error", "crashed"])
def test_an_adopted_child_hangs_below_the_nearest_ancestor_that_lives(cause: str) -> None:
    world = World()
    world.register("root")
    mid = world.register("mid", "root")
    low = world.register("low", "mid")
    world.spawn("kid", "low", **{cause: "adopt"})
    world.register("below", "kid")
    world.leave(mid, "mid")
    assert world.app("low").path == ("root", "low")
    assert world.app("below").path == ("root", "low", "kid", "below")
    end(world, low, "low", cause)
    kid, below = world.app("kid"), world.app("below")
    assert (kid.path, kid.parent_id, kid.adopted_from) == (("root", "kid"), "root", "low")
    assert (below.path, below.parent_id) == (("root", "kid", "below"), "kid")
    assert isinstance(world.command("kid", caller=app_caller("low")), Refused)
    assert not isinstance(world.command("below", caller=app_caller("root")), Refused)


def test_a_child_without_any_living_ancestor_becomes_a_root() -> None:
    world = World()
    link = world.register("root")
    world.register("kid", "root")
    world.leave(link, "root")
    assert (world.app("kid").path, world.app("kid").parent_id) == (("kid",), None)
    told = [msgspec.json.decode(each.document) for each in world.kept.happened]
    assert told[-1]["reason"] == "adopted"


def test_an_announced_child_is_adopted_and_joins_under_the_parent_it_knows() -> None:
    world = World()
    world.register("root")
    mid = world.register("mid", "root")
    world.schedule("kid", "mid")
    world.leave(mid, "mid")
    world.register("kid", "mid")
    assert world.status("kid") is Status.CONNECTED
    assert world.app("kid").path == ("root", "kid")


@pytest.mark.parametrize("cause", ["done", "error", "crashed"])
def test_a_child_that_wants_so_is_asked_to_cancel_with_all_below_it(cause: str) -> None:
    world = World()
    link = world.register("root")
    kid = world.spawn("kid", "root", **{cause: "request_cancel"})
    below = world.register("below", "kid")
    end(world, link, "root", cause)
    for socket in (kid, below):
        [frame] = world.frames(socket, Control)
        assert frame.action == "cancel"
        assert msgspec.json.decode(frame.payload)["initiated_by"] == "server"
    assert world.status("kid") is Status.CONNECTED
    world.wait_s(30)
    assert world.status("kid") is Status.CANCELLED
    assert world.status("below") is Status.CANCELLED
    assert world.kept.audits[-1].caller_kind == "server"


@pytest.mark.parametrize("cause", ["done", "error", "crashed"])
def test_a_child_that_wants_so_is_ended_at_once(cause: str) -> None:
    world = World()
    link = world.register("root")
    world.schedule("kid", "root", orphans=msgspec.convert({cause: "terminate"}, Orphans))
    agent = world.attach("kid", "token of kid")
    world.register("kid", "root")
    lone = world.spawn("lone", "root", **{cause: "terminate"})
    end(world, link, "root", cause)
    assert [each.signal for each in world.frames(agent, Signal)] == ["term"]
    assert world.status("lone") is Status.CANCELLED
    assert len(world.frames(lone, Control)) == 1
    world.exit(agent, "kid", signal=15)
    assert world.app("kid").confirmed


def test_by_default_children_outlive_an_orderly_end_and_no_other() -> None:
    for cause, is_cancelled in (("done", False), ("error", True), ("crashed", True)):
        world = World()
        link = world.register("root")
        kid = world.register("kid", "root")
        end(world, link, "root", cause)
        assert bool(world.frames(kid, Control)) is is_cancelled


def test_a_parent_is_done_only_when_the_children_are_that_it_waits_for() -> None:
    world = World()
    link = world.register("root")
    kids = [world.spawn(f"kid {each}", "root", done="wait") for each in range(2)]
    world.spawn("other", "root")
    world.say(link, "root")
    world.say(link, "root", "Result", payload=b"42")
    assert world.status("root") is Status.RUNNING
    assert world.app("root").held is Status.DONE
    assert isinstance(world.schedule("late", "root"), Refused)
    assert isinstance(world.command("root"), Refused)
    world.drop(link)
    world.wait_s(10)
    assert world.status("root") is Status.RUNNING
    world.say(kids[0], "kid 0", "Result")
    assert world.status("root") is Status.RUNNING
    world.say(kids[1], "kid 1", "Error")
    assert world.status("root") is Status.DONE
    assert world.app("other").parent_id is None
    assert [each.is_late for each in world.kept.messages.values()] == [False] * 4


def test_a_parent_that_is_held_back_may_return_but_not_begin_anew() -> None:
    world = World(hold_s=100)
    link = world.register("root")
    world.spawn("kid", "root", done="wait")
    world.restart()
    link = world.resume("root")
    world.say(link, "root", "Result")
    world.drop(link)
    again = world.resume("root")
    world.say(again, "root", "Status")
    assert world.app("root").held is Status.DONE
    new = world.register("root")
    assert world.closed[new] == CloseCode.TERMINAL
    world.wait_s(100)
    assert world.status("root") is Status.DONE


def test_a_parent_does_not_wait_for_ever() -> None:
    world = World(hold_s=100)
    link = world.register("root")
    world.spawn("kid", "root", done="wait")
    world.say(link, "root", "Result")
    world.restart()
    world.resume("kid")
    world.wait_s(99)
    assert world.status("root") is Status.CONNECTED
    world.wait_s(1)
    assert world.status("root") is Status.DONE
    assert world.app("kid").path == ("kid",)


def test_parents_that_wait_for_each_other_in_a_row_end_one_after_the_other() -> None:
    world = World()
    root = world.register("root")
    mid = world.spawn("mid", "root", done="wait")
    leaf = world.spawn("leaf", "mid", done="wait")
    world.say(root, "root", "Result")
    world.say(mid, "mid", "Result")
    assert {world.status(each) for each in ("root", "mid")} == {Status.CONNECTED}
    world.say(leaf, "leaf", "Result")
    assert {world.status(each) for each in ("root", "mid", "leaf")} == {Status.DONE}


def test_a_cancel_does_not_wait_for_children_that_a_parent_waits_for() -> None:
    world = World()
    link = world.register("root")
    kid = world.spawn("kid", "root", done="wait")
    world.say(link, "root", "Result")
    answer = world.cancel("root", correlation_id="c")
    assert world.status("root") is Status.DONE
    assert answer.targets[0].phase == "already_terminal"
    world.ack(kid, "kid", "c")
    assert world.status("kid") is Status.CANCELLED


def test_a_parent_that_never_started_has_crashed_for_its_children() -> None:
    world = World()
    world.schedule("root", start_deadline_s=10)
    world.schedule("kid", "root", start_deadline_s=600)
    world.wait_s(10)
    assert world.status("root") is Status.START_FAILED
    assert world.status("kid") is Status.CANCELLED


def test_an_app_that_is_out_of_reach_leaves_its_children_alone() -> None:
    world = World()
    world.register("root")
    world.register("kid", "root")
    world.restart()
    world.resume("kid")
    world.wait_s(61)
    assert world.status("root") is Status.LOST_CONTACT
    assert world.status("kid") is Status.CONNECTED
    assert world.app("kid").parent_id == "root"


def test_nobody_is_adopted_by_an_ancestor_that_is_being_cancelled() -> None:
    world = World()
    root = world.register("root")
    world.register("mid", "root")
    low = world.register("low", "mid")
    world.spawn("free", "low", detached=True)
    world.cancel("mid", correlation_id="c")
    world.ack(low, "low", "c")
    assert world.app("free").path == ("root", "free")
    world.leave(root, "root")
    assert world.app("free").path == ("free",)
