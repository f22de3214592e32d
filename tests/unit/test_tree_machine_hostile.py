"""What somebody might ask of the tree to make it stumble."""

from __future__ import annotations

import uuid

import pytest

from clew.access.caller import LOCAL
from clew.base.errors import ClewError, ErrorCode
from clew.tree.frames.codec import decode_inbound
from clew.tree.frames.outbound import Ack
from clew.tree.machine import consequences, events, forest, knowledge
from clew.tree.machine.app import Status
from clew.tree.machine.effects import Refused
from clew.tree.machine.messages import GAPS_MAX
from clew.tree.machine.orders import SERVER_PREFIX
from clew.tree.machine.outcomes import Issued
from tests.tree_machine import World, app_caller


def test_nobody_takes_the_id_of_a_cancel_that_the_server_is_about_to_begin() -> None:
    world = World()
    socket = world.register("job")
    world.register("kid", "job")
    kid, job = world.app("kid"), world.app("job")
    for version in range(job.version, job.version + 4):
        name = f"kid/{kid.version}/job/{version}"
        guessed = str(uuid.uuid5(consequences._NAMESPACE, name))
        plain = world.command("kid", caller=app_caller("job"), correlation_id=guessed)
        assert isinstance(plain, Issued)
        for caller in (app_caller("job"), LOCAL):
            answers = (
                world.command("kid", caller=caller, correlation_id=SERVER_PREFIX + guessed),
                world.cancel("kid", caller=caller, correlation_id=SERVER_PREFIX + guessed),
            )
            for answer in answers:
                assert isinstance(answer, Refused)
                assert answer.code is ErrorCode.INVALID_ARGUMENT
    world.say(socket, "job", "Error")
    assert world.status("job") is Status.ERROR
    cancels = [each for each in world.kept.open_commands() if each.kind == "cancel"]
    assert [each.app_id for each in cancels] == ["kid"]
    assert cancels[0].correlation_id.startswith(SERVER_PREFIX)


@pytest.mark.parametrize("field", ["app_id", "parent_id"])
def test_a_line_break_after_an_id_makes_it_none(field: str) -> None:
    ids = {"app_id": str(uuid.uuid4()), "parent_id": str(uuid.uuid4())}
    ids[field] += "\\n"
    text = (
        f'{{"type": "register", "app_id": "{ids["app_id"]}", "app_name": "job",'
        f' "parent_id": "{ids["parent_id"]}", "child_pub_key": "x"}}'
    )
    with pytest.raises(ClewError, match="not a frame"):
        decode_inbound(text)


def test_a_number_is_acknowledged_only_if_it_is_kept_however_many_were_skipped_before() -> None:
    world = World()
    socket = world.register("job")
    odd = range(1, 2 * GAPS_MAX + 20, 2)
    for seq in odd:
        world.say(socket, "job", seq=seq)
    for seq in range(odd.stop - 1, 0, -1):
        world.say(socket, "job", seq=seq)
    acked = {frame.seq for frame in world.frames(socket, Ack)}
    assert acked == {seq for _, _, _, seq in world.kept.messages}
    assert acked >= set(range(1, odd.stop))


def test_what_is_remembered_of_skipped_numbers_has_a_bound_in_whatever_order_they_come() -> None:
    world = World()
    socket = world.register("job")
    world.say(socket, "job", seq=1 << 40)
    late = [*range(2, 8 * GAPS_MAX, 2), *range(20_000, 10_000, -2), *range(1, 8 * GAPS_MAX, 2)]
    for seq in late:
        world.say(socket, "job", seq=seq)
    assert len(world.machine._tree.gaps["job", False]) <= GAPS_MAX
    assert {seq for _, _, _, seq in world.kept.messages} == {1 << 40, *late}


def test_whoever_waits_for_a_cancel_of_very_many_asks_for_no_more_than_is_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forest, "ENDED_MAX", 16)
    monkeypatch.setattr(knowledge, "ISSUED_TARGETS_MAX", 4, raising=False)
    world = World()
    world.register("root")
    sockets = {name: world.register(name, "root") for name in (f"kid {n}" for n in range(40))}
    world.cancel("root", correlation_id="all")
    for name, socket in sockets.items():
        world.ack(socket, name, "all")
        world.drop(socket)
    waiting = events.Await(ticket=0, caller=LOCAL, correlation_id="all")
    for _ in range(3):
        for app_id in world.machine.unknown(waiting):
            world.machine.learn(world.app(app_id))
    assert not world.machine.unknown(waiting)
    ticket = world.await_end("all")
    world.wait_s(60)
    assert isinstance(world.answers[ticket], Issued)
