"""Commands: who may, whom they reach, how they end."""

from __future__ import annotations

import pytest

from clew.access.authority import Grant
from clew.access.caller import ROLE_VERBS, Caller, CallerKind, Role, Verb
from clew.base.errors import ErrorCode
from clew.tree.frames.outbound import Control
from clew.tree.machine import events
from clew.tree.machine.app import Status
from clew.tree.machine.effects import Refused
from clew.tree.machine.outcomes import Issued
from tests.tree_machine import World, app_caller


def family(world: World) -> dict[str, int]:
    """Let four generations join: root > mid > leaf and leaf2."""
    links = {"root": world.register("root")}
    for app_id, parent_id in (("mid", "root"), ("leaf", "mid"), ("leaf2", "mid")):
        links[app_id] = world.register(app_id, parent_id)
    return links


def test_a_command_is_kept_before_it_is_sent_and_done_when_it_is_acknowledged() -> None:
    world = World()
    links = family(world)
    answer = world.command("leaf", "pause", correlation_id="c", payload=b'{"for": 3}')
    assert isinstance(answer, Issued)
    assert not answer.is_over
    [frame] = world.frames(links["leaf"], Control)
    assert (frame.action, frame.correlation_id, frame.app_id) == ("pause", "c", "leaf")
    assert bytes(frame.payload) == b'{"for": 3}'
    assert frame.deadline_in_ms == 300_000
    assert world.target("c", "leaf").status == "sent"
    ticket = world.await_end("c")
    assert ticket not in world.answers
    world.ack(links["leaf"], "leaf", "c", action="pause", result=b'{"paused":true}')
    outcome = world.answers[ticket]
    assert isinstance(outcome, Issued)
    assert outcome.is_over
    assert outcome.targets[0].status == "done"
    assert outcome.targets[0].result == b'{"paused":true}'
    assert world.target("c", "leaf").result == b'{"paused":true}'


def test_a_negative_answer_fails_a_command_and_says_why() -> None:
    world = World()
    links = family(world)
    world.command("leaf", correlation_id="c")
    world.ack(links["leaf"], "leaf", "c", ack=False, error="unknown_action")
    record = world.target("c", "leaf")
    assert (record.status, record.error) == ("failed", "unknown_action")
    world.ack(links["leaf"], "leaf", "c")
    assert world.target("c", "leaf").status == "failed"


def test_commands_for_who_is_away_wait_and_come_in_order_with_cancels_first() -> None:
    world = World()
    links = family(world)
    world.drop(links["leaf"])
    world.command("leaf", "one", correlation_id="1")
    world.command("leaf", "two", correlation_id="2")
    world.cancel("leaf", correlation_id="3")
    assert {world.target(each, "leaf").status for each in "123"} == {"accepted"}
    link = world.resume("leaf")
    assert [each.correlation_id for each in world.frames(link, Control)] == ["3", "1", "2"]
    assert {world.target(each, "leaf").status for each in "123"} == {"sent"}


def test_a_command_for_an_announced_app_waits_until_it_joins() -> None:
    world = World()
    world.schedule("root")
    world.command("root", "one", correlation_id="1")
    link = world.register("root")
    assert [each.correlation_id for each in world.frames(link, Control)] == ["1"]


def test_what_was_sent_and_not_answered_is_sent_again_on_the_next_connection() -> None:
    world = World()
    links = family(world)
    world.command("leaf", correlation_id="c")
    world.drop(links["leaf"])
    link = world.resume("leaf")
    assert len(world.frames(link, Control)) == 1
    world.ack(link, "leaf", "c")
    link = world.resume("leaf")
    assert not world.frames(link, Control)


def test_a_command_that_nobody_answers_expires() -> None:
    world = World()
    links = family(world)
    world.command("leaf", correlation_id="c", ttl_ms=5_000)
    ticket = world.await_end("c")
    world.wait_s(5)
    assert world.target("c", "leaf").status == "expired"
    assert world.answers[ticket].targets[0].status == "expired"  # type: ignore[union-attr]
    world.ack(links["leaf"], "leaf", "c")
    assert world.target("c", "leaf").status == "expired"


def test_a_command_fails_when_its_target_ends_but_waits_for_one_that_may_return() -> None:
    world = World()
    links = family(world)
    world.command("leaf", correlation_id="c")
    world.command("leaf2", correlation_id="d")
    world.leave(links["leaf"], "leaf")
    assert world.target("c", "leaf").status == "failed"
    world.drop(links["leaf2"])
    world.wait_s(3)
    assert world.status("leaf2") is Status.CRASHED
    assert world.target("d", "leaf2").status == "sent"
    link = world.resume("leaf2")
    world.ack(link, "leaf2", "d")
    assert world.target("d", "leaf2").status == "done"


def test_a_cascade_reaches_the_whole_subtree_and_is_over_with_the_last() -> None:
    world = World()
    links = family(world)
    answer = world.command("mid", "drain", correlation_id="c", cascade=True)
    assert [each.app_id for each in answer.targets] == ["mid", "leaf", "leaf2"]
    ticket = world.await_end("c")
    for app_id in ("leaf", "mid"):
        world.ack(links[app_id], app_id, "c")
    assert ticket not in world.answers
    world.ack(links["leaf2"], "leaf2", "c", ack=False, error="busy")
    outcome = world.answers[ticket]
    assert isinstance(outcome, Issued)
    assert [each.status for each in outcome.targets] == ["done", "done", "failed"]


def test_a_cascade_takes_those_whose_name_and_status_match() -> None:
    world = World()
    links = family(world)
    world.say(links["leaf"], "leaf")
    named = world.command("root", cascade=True, name_filter="leaf*")
    assert [each.app_id for each in named.targets] == ["leaf", "leaf2"]
    both = world.command("root", cascade=True, name_filter="leaf*", status_filter="running")
    assert [each.app_id for each in both.targets] == ["leaf"]
    nobody = world.command("root", cascade=True, name_filter="x")
    assert nobody.is_over
    assert nobody.targets == ()


def test_the_same_command_again_is_answered_and_not_given_again() -> None:
    world = World()
    links = family(world)
    world.command("leaf", correlation_id="c")
    again = world.command("leaf", correlation_id="c")
    assert isinstance(again, Issued)
    assert len(world.frames(links["leaf"], Control)) == 1
    other = world.command("leaf", "resume", correlation_id="c")
    assert isinstance(other, Refused)
    assert other.code is ErrorCode.ALREADY_EXISTS
    world.ack(links["leaf"], "leaf", "c")
    assert world.command("leaf", correlation_id="c").is_over
    world.restart()
    assert world.command("leaf", correlation_id="c").targets[0].status == "done"


def test_a_command_for_nobody_or_for_who_has_ended_is_refused() -> None:
    world = World()
    links = family(world)
    world.leave(links["leaf"], "leaf")
    assert world.command("nobody").code is ErrorCode.NOT_FOUND
    assert world.command("leaf").code is ErrorCode.CONFLICT
    assert world.command("root", "cancel").code is ErrorCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("issuer", "target", "code"),
    [
        ("root", "leaf", None),
        ("mid", "leaf", None),
        ("leaf", "mid", ErrorCode.NOT_FOUND),
        ("leaf", "leaf2", ErrorCode.NOT_FOUND),
        ("leaf", "leaf", ErrorCode.FORBIDDEN),
    ],
)
def test_ancestors_at_any_depth_command_and_nobody_commands_upward_or_sideways(
    issuer: str, target: str, code: ErrorCode | None
) -> None:
    world = World()
    links = family(world)
    answer = world.command(target, caller=app_caller(issuer))
    audit = world.kept.audits[-1]
    assert (audit.caller, audit.app_id, audit.is_allowed) == (issuer, target, code is None)
    if code is None:
        assert isinstance(answer, Issued)
        return
    assert isinstance(answer, Refused)
    assert answer.code is code
    assert not world.frames(links[target], Control)
    assert world.kept.happened[-1].kind == "denied"


def test_a_key_acts_within_its_scope_by_its_role() -> None:
    world = World()
    family(world)
    operator = Caller(CallerKind.KEY, "ops", ROLE_VERBS[Role.OPERATOR], scope="mid")
    reader = Caller(CallerKind.KEY, "eyes", ROLE_VERBS[Role.READER])
    assert isinstance(world.command("leaf", caller=operator), Issued)
    assert world.command("root", caller=operator).code is ErrorCode.NOT_FOUND
    assert world.command("leaf", caller=reader).code is ErrorCode.FORBIDDEN


def test_grants_and_role_refs_add_to_what_a_caller_may_until_they_expire() -> None:
    world = World()
    world.schedule("root", role_refs=("ops",))
    world.register("root")
    world.register("kid", "root")
    ann = Caller(CallerKind.KEY, "ann", frozenset({Verb.OBSERVE}), subjects=frozenset({"ann"}))
    bob = Caller(CallerKind.KEY, "bob", frozenset({Verb.OBSERVE}), subjects=frozenset({"bob"}))
    verbs = frozenset({Verb.COMMAND})
    world.machine.permit(
        [Grant("ann", "root", verbs, expires_at=world.now + world.ms(10_000))],
        {"ops": [Grant("bob", "", verbs)]},
    )
    assert isinstance(world.command("kid", caller=ann), Issued)
    assert isinstance(world.command("kid", caller=bob), Issued)
    world.wait_s(10)
    assert world.command("kid", caller=ann).code is ErrorCode.FORBIDDEN
    world.machine.permit([], {})
    assert world.command("kid", caller=bob).code is ErrorCode.FORBIDDEN


def test_a_command_outlives_the_server_and_is_sent_when_its_target_returns() -> None:
    world = World()
    links = family(world)
    world.command("leaf", "one", correlation_id="1")
    world.drop(links["leaf"])
    world.command("leaf", "two", correlation_id="2")
    world.restart()
    link = world.resume("leaf")
    assert [each.correlation_id for each in world.frames(link, Control)] == ["1", "2"]
    world.ack(link, "leaf", "1")
    world.wait_s(301)
    assert world.target("1", "leaf").status == "done"
    assert world.target("2", "leaf").status == "expired"
    assert world.machine.next_deadline() is None


def test_who_has_gone_is_not_answered() -> None:
    world = World()
    family(world)
    world.command("leaf", correlation_id="c", ttl_ms=1_000)
    gone, stays = world.await_end("c"), world.await_end("c")
    world.do(events.Forget(ticket=gone))
    world.wait_s(2)
    assert gone not in world.answers
    assert stays in world.answers


def test_only_who_may_see_the_target_hears_of_a_command() -> None:
    world = World()
    family(world)
    world.command("leaf", correlation_id="c", caller=app_caller("mid"))
    assert world.await_end("c", app_caller("root")) not in world.answers
    assert world.await_end("c", app_caller("leaf2")) in world.answers
    assert world.await_end("nothing") in world.answers
    stranger = world.answers[world.await_end("c", app_caller("leaf2"))]
    assert isinstance(stranger, Refused)
    assert stranger.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("action", ["cancel", "provision", "rotate_keys", "migrate"])
def test_what_only_the_system_says_is_no_command_of_anybody_else(action: str) -> None:
    world = World()
    links = family(world)
    admin = Caller(CallerKind.KEY, "root", ROLE_VERBS[Role.ADMIN])
    for caller in (admin, app_caller("root")):
        refused = world.command("leaf", action, caller=caller, correlation_id=f"c-{caller.name}")
        assert isinstance(refused, Refused)
        assert refused.code is ErrorCode.INVALID_ARGUMENT
        assert action in refused.message
        assert refused.hint
    assert not world.frames(links["leaf"], Control)
    # Who may not command the app at all does not learn what its words are.
    assert world.command("root", action, caller=app_caller("leaf")).code is ErrorCode.NOT_FOUND
