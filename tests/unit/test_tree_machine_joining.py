"""How apps come into the tree."""

from __future__ import annotations

from typing import Any

import pytest

from clew.base.errors import ErrorCode
from clew.tree.frames.codes import CloseCode, FrameError
from clew.tree.frames.outbound import Error, Registered
from clew.tree.machine.app import Orphans, Status, Tier
from clew.tree.machine.effects import Refused
from clew.tree.machine.lifecycle import LEGAL, Reason, check_move
from clew.tree.machine.outcomes import Scheduled
from tests.tree_machine import World, app_caller


def refusal(world: World, link: int) -> Error:
    frame = world.frames(link)[-1]
    assert isinstance(frame, Error)
    return frame


def test_an_unknown_app_registers_itself_where_no_proof_is_asked_for() -> None:
    world = World()
    link = world.register("root")
    [frame] = world.frames(link)
    assert frame == Registered(
        app_id="root", server_pub_key="ed25519:server", epoch=1, session=str(link), credit=64
    )
    assert world.status("root") is Status.CONNECTED
    assert world.app("root").path == ("root",)


def test_an_app_that_names_a_parent_hangs_below_it() -> None:
    world = World()
    world.register("root")
    world.register("kid", "root")
    assert world.app("kid").path == ("root", "kid")


def test_an_app_whose_parent_is_nobody_is_turned_away() -> None:
    world = World()
    link = world.register("kid", "nobody")
    assert refusal(world, link).code == FrameError.UNKNOWN_PARENT
    assert world.closed[link] == CloseCode.UNKNOWN_PARENT
    assert not world.kept.apps


def test_a_socket_with_another_app_on_it_stays_open_when_one_is_turned_away() -> None:
    world = World()
    link = world.register("root")
    world.register("kid", "nobody", link=link)
    assert refusal(world, link).app_id == "kid"
    assert link not in world.closed
    world.say(link, "root")
    assert world.status("root") is Status.RUNNING


def test_many_apps_speak_on_one_socket() -> None:
    world = World()
    link = world.register("root")
    for name in ("a", "b", "c"):
        world.register(name, "root", link=link)
        world.say(link, name, "Result")
    assert [world.status(name) for name in ("a", "b", "c")] == [Status.DONE] * 3
    assert world.status("root") is Status.CONNECTED


def test_an_announced_child_joins_by_its_token_and_a_proof() -> None:
    world = World(tier=Tier.SIGNED)
    answer = world.schedule("root", tier=Tier.SIGNED)
    assert isinstance(answer, Scheduled)
    assert answer.token == "token of root"
    assert world.app("root").token_hash not in (None, answer.token)
    world.register("root", token=answer.token, is_proved=True)
    assert world.status("root") is Status.CONNECTED
    assert world.epoch("root") == 1


@pytest.mark.parametrize(
    "shown",
    [
        {"token": "token of root"},
        {"is_proved": True},
        {"token": "another", "is_proved": True},
    ],
)
def test_without_its_token_and_a_proof_an_announced_app_stays_out(shown: dict[str, Any]) -> None:
    world = World(tier=Tier.SIGNED)
    world.schedule("root", tier=Tier.SIGNED)
    link = world.register("root", **shown)
    assert refusal(world, link).code == FrameError.UNAUTHORISED
    assert world.closed[link] == CloseCode.UNAUTHORISED
    assert world.status("root") is Status.SCHEDULED
    assert [each.is_allowed for each in world.kept.audits] == [False]


def test_where_no_proof_is_asked_for_a_wrong_token_is_refused_all_the_same() -> None:
    world = World()
    token = world.schedule("child").token
    link = world.register("child", token=f"not {token}")
    assert [each.code for each in world.frames(link, Error)] == [FrameError.UNAUTHORISED]
    assert world.status("child") is Status.SCHEDULED
    world.register("child", token=token)
    assert world.status("child") is Status.CONNECTED


def test_nobody_joins_unannounced_where_proof_is_asked_for() -> None:
    world = World(tier=Tier.FULL)
    link = world.register("root", is_proved=True)
    assert refusal(world, link).code == FrameError.UNAUTHORISED
    assert not world.kept.apps


def test_a_token_counts_once() -> None:
    world = World(tier=Tier.SIGNED)
    world.schedule("root", tier=Tier.SIGNED)
    world.register("root", token="token of root", is_proved=True)
    link = world.register("root", token="token of root", pub_key="thief", is_proved=True)
    assert refusal(world, link).code == FrameError.UNAUTHORISED
    assert world.app("root").pub_key == "key of root"


def test_the_row_decides_who_the_parent_is() -> None:
    world = World()
    world.register("root")
    world.register("other")
    world.schedule("kid", "root")
    link = world.register("kid", "other")
    assert refusal(world, link).code == FrameError.REGISTRATION_FAILED
    assert world.status("kid") is Status.SCHEDULED


def test_an_app_cannot_be_its_own_ancestor() -> None:
    world = World()
    link = world.register("root", "root")
    assert refusal(world, link).code == FrameError.UNKNOWN_PARENT
    world.register("root")
    answer = world.schedule("root", "root")
    assert isinstance(answer, Refused)


def test_a_second_register_with_the_same_key_takes_over_in_a_new_epoch() -> None:
    world = World()
    old = world.register("root")
    world.say(old, "root")
    new = world.register("root")
    assert world.closed == {old: CloseCode.SUPERSEDED}
    assert world.frames(old)[-1].code == FrameError.SUPERSEDED
    assert world.epoch("root") == 2
    assert world.app("root").seq == 0
    world.say(new, "root")
    assert len(world.kept.messages) == 2


def test_a_second_register_with_another_key_is_refused() -> None:
    world = World()
    old = world.register("root")
    link = world.register("root", pub_key="thief")
    assert refusal(world, link).code == FrameError.UNAUTHORISED
    assert world.closed == {link: CloseCode.UNAUTHORISED}
    world.say(old, "root")
    assert world.status("root") is Status.RUNNING


def test_an_ended_app_does_not_register_again() -> None:
    world = World()
    link = world.register("root")
    world.leave(link, "root")
    again = world.register("root")
    assert refusal(world, again).code == FrameError.TERMINAL
    assert world.closed[again] == CloseCode.TERMINAL


def test_the_very_same_announcement_is_no_error_and_gives_no_second_token() -> None:
    world = World()
    world.schedule("root")
    again = world.schedule("root", token="fresh from the server")
    assert isinstance(again, Scheduled)
    assert again.token is None
    assert not again.is_new
    other = world.schedule("root", app_name="another")
    assert isinstance(other, Refused)
    assert other.code is ErrorCode.ALREADY_EXISTS


def test_an_announcement_is_still_the_same_when_the_child_was_adopted_since() -> None:
    world = World()
    world.register("top")
    link = world.register("root", "top")
    world.schedule("kid", "root")
    world.leave(link, "root")
    assert world.app("kid").parent_id == "top"
    again = world.schedule("kid", "root")
    assert isinstance(again, Scheduled)
    assert not again.is_new


def test_only_who_may_spawn_announces_children() -> None:
    world = World()
    world.register("root")
    world.register("kid", "root")
    assert isinstance(world.schedule("a", "kid", caller=app_caller("root")), Scheduled)
    assert isinstance(world.schedule("b", "kid", caller=app_caller("kid")), Scheduled)
    upward = world.schedule("c", "root", caller=app_caller("kid"))
    assert isinstance(upward, Refused)
    assert upward.code is ErrorCode.NOT_FOUND
    as_root = world.schedule("d", caller=app_caller("kid"))
    assert isinstance(as_root, Refused)
    assert as_root.code is ErrorCode.FORBIDDEN
    assert [each.is_allowed for each in world.kept.audits] == [False, False]


def test_nothing_is_announced_below_who_is_not_there_or_has_ended() -> None:
    world = World()
    absent = world.schedule("kid", "nobody")
    assert isinstance(absent, Refused)
    assert absent.code is ErrorCode.NOT_FOUND
    link = world.register("root")
    world.leave(link, "root")
    ended = world.schedule("kid", "root")
    assert isinstance(ended, Refused)
    assert ended.code is ErrorCode.CONFLICT


def test_an_announced_child_inherits_and_an_app_gives_no_more_than_it_has() -> None:
    world = World()
    world.schedule("root", role_refs=("ops", "dev"), originator={"sub": "ann"})
    world.register("root")
    world.schedule("a", "root", caller=app_caller("root"))
    world.schedule("b", "root", caller=app_caller("root"), role_refs=("ops", "boss"))
    assert world.app("a").role_refs == ("ops", "dev")
    assert world.app("a").originator == {"sub": "ann"}
    assert world.app("b").role_refs == ("ops",)


def test_a_child_that_is_taken_back_is_cancelled_and_may_not_come() -> None:
    world = World()
    world.register("root")
    world.schedule("kid", "root")
    world.unschedule("kid")
    assert world.status("kid") is Status.CANCELLED
    link = world.register("kid", "root")
    assert refusal(world, link).code == FrameError.TERMINAL
    assert world.unschedule("kid").app.status is Status.CANCELLED
    refused = world.unschedule("root")
    assert isinstance(refused, Refused)
    assert refused.code is ErrorCode.CONFLICT


def test_who_chose_the_token_has_it_though_the_answer_was_lost() -> None:
    world = World()
    world.schedule("root", token="chosen by its parent")
    again = world.schedule("root", token="chosen by its parent")
    assert (again.is_new, again.token) == (False, "chosen by its parent")
    # Nobody else gets one by asking for the same.
    other = world.schedule("root", token="another")
    assert (other.is_new, other.token) == (False, None)
    world.attach("root", "chosen by its parent")
    assert world.status("root") is Status.CONNECTED


def test_an_app_that_came_before_it_was_announced_gets_what_was_announced_of_it() -> None:
    world = World()
    world.register("root")
    link = world.register("job", "root")
    world.say(link, "job")
    late = world.schedule("job", "root", tags={"team": "a"}, orphans=Orphans(detached=True))
    assert (late.is_new, late.token) == (False, "token of job")
    app = world.app("job")
    assert (app.status, app.tags, app.orphans.detached) == (Status.RUNNING, {"team": "a"}, True)
    agent = world.attach("job", "token of job")
    world.exit(agent, "job", 3)
    assert (world.status("job"), world.app("job").exit_code) == (Status.ERROR, 3)
    # Not of another parent or name, and not what has ended.
    world.register("kid", "root")
    for wrong in ({"parent_id": None}, {"parent_id": "root", "app_name": "x"}):
        refused = world.schedule("kid", **wrong)
        assert isinstance(refused, Refused)
        assert refused.code is ErrorCode.ALREADY_EXISTS
    world.leave(world.register("gone", "root"), "gone")
    ended = world.schedule("gone", "root")
    assert (ended.is_new, ended.token) == (False, None)


def test_a_start_that_does_not_come_fails_by_the_clock_of_the_server() -> None:
    world = World()
    world.schedule("root", start_deadline_s=10)
    assert world.machine.next_deadline() == world.now + world.ms(10_000)
    world.wait_s(9.9)
    assert world.status("root") is Status.SCHEDULED
    world.wait_s(0.2)
    assert world.status("root") is Status.START_FAILED
    assert [each.crash_type for each in world.kept.crashes] == ["never_started"]
    link = world.register("root")
    assert refusal(world, link).code == FrameError.TERMINAL


def test_a_start_is_not_late_because_the_server_was_away() -> None:
    world = World(tier=Tier.SIGNED, restart_window_ms=60_000)
    for name, deadline_s in (("short", 10), ("long", 600), ("never", 10)):
        world.schedule(name, tier=Tier.SIGNED, start_deadline_s=deadline_s)
    world.now += world.ms(60_000)
    world.restart()
    world.wait_s(50)
    joined = world.register("short", token="token of short", is_proved=True)
    assert joined not in world.closed
    assert world.status("short") is Status.CONNECTED
    world.wait_s(20)
    assert world.status("never") is Status.START_FAILED
    late = world.register("never", token="token of never", is_proved=True)
    assert world.closed[late] == CloseCode.TERMINAL
    # What has more time left than that keeps it.
    world.wait_s(460)
    assert world.status("long") is Status.SCHEDULED
    world.wait_s(20)
    assert world.status("long") is Status.START_FAILED


def test_an_app_that_came_in_time_does_not_fail_to_start() -> None:
    world = World()
    world.schedule("root", start_deadline_s=10)
    world.register("root")
    world.wait_s(60)
    assert world.status("root") is Status.CONNECTED


def test_the_tree_has_limits() -> None:
    world = World(depth_max=2, children_max=3, apps_max=6)
    world.register("0")
    world.register("1", "0")
    world.register("2", "1")
    deep = world.register("3", "2")
    assert refusal(world, deep).code == FrameError.QUOTA_EXCEEDED
    world.register("a", "0")
    world.register("b", "0")
    answer = world.schedule("c", "0")
    assert isinstance(answer, Refused)
    assert answer.code is ErrorCode.TOO_LARGE
    world.register("d", "1")
    full = world.register("e")
    assert refusal(world, full).code == FrameError.QUOTA_EXCEEDED


def test_settings_of_a_child_are_kept_as_they_were_announced() -> None:
    world = World()
    world.schedule(
        "root", orphans=Orphans(detached=True), resume_window_ms=60_000, tags={"team": "a"}
    )
    app = world.app("root")
    assert app.orphans.detached
    assert app.resume_window_ms == 60_000
    assert app.tags == {"team": "a"}


def test_no_move_outside_the_table_is_possible() -> None:
    assert (Status.DONE, Status.RUNNING, Reason.RETURNED) not in LEGAL
    with pytest.raises(AssertionError):
        check_move(Status.DONE, Status.RUNNING, Reason.RETURNED)
    left = {source for source, _, _ in LEGAL}
    assert left == set(Status) - {
        Status.DONE,
        Status.ERROR,
        Status.CANCELLED,
        Status.START_FAILED,
    }
