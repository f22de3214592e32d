"""Who is denied chooses how often to ask, and must not choose how much is told of it."""

from __future__ import annotations

from typing import Any

import msgspec

from clew.access.caller import ROLE_VERBS, Caller, CallerKind, Role
from clew.tree.machine.denials import COUNTS_MAX, SEVERAL, TOLD_PER_CALLER, TOLD_PER_KIND, WINDOW
from clew.tree.machine.options import SECOND
from tests.tree_machine import World, app_caller

WINDOW_S = WINDOW / SECOND


def told(world: World) -> list[dict[str, Any]]:
    """Return the denials that watchers and the journal hear of."""
    documents = [each.document for each in world.kept.happened if each.kind == "denied"]
    return [msgspec.json.decode(document) for document in documents]


def total(world: World) -> int:
    return sum(each.get("count", 1) for each in told(world))


def test_of_one_who_hammers_the_first_are_told_and_the_rest_as_their_number() -> None:
    world = World()
    for app_id in ("one", "other"):
        world.register(app_id)
    for _ in range(1000):
        world.command("other", caller=app_caller("one"))
    assert len(told(world)) == TOLD_PER_CALLER
    assert len(world.kept.audits) == 1000
    world.wait_s(WINDOW_S)
    *_, last = told(world)
    assert (last["caller"], last["count"]) == ("one", 1000 - TOLD_PER_CALLER)
    assert len(told(world)) == TOLD_PER_CALLER + 1
    assert world.kept.happened[-1].app_id == "other"
    # Whoever stops is heard of at once the next time.
    world.command("other", caller=app_caller("one"))
    assert "count" not in told(world)[-1]
    world.wait_s(10 * WINDOW_S)
    assert total(world) == 1001


def test_many_names_tell_no_more_than_one_and_every_denial_is_counted() -> None:
    world = World()
    world.register("target")
    for turn in range(3):
        for number in range(500):
            world.command("target", caller=app_caller(f"stranger {turn} {number}"))
        world.wait_s(WINDOW_S)
    assert len(told(world)) <= 3 * (TOLD_PER_KIND + COUNTS_MAX + 1)
    assert any(each["caller"] == SEVERAL for each in told(world))
    assert total(world) == 1500


def test_apps_cannot_hide_what_the_holder_of_a_key_tries() -> None:
    world = World()
    world.register("target")
    for number in range(500):
        world.command("target", caller=app_caller(f"stranger {number}"))
    world.command("target", caller=Caller(CallerKind.KEY, "eyes", ROLE_VERBS[Role.READER]))
    assert told(world)[-1]["caller"] == "eyes"


def test_counting_goes_on_over_windows_without_a_tick() -> None:
    world = World()
    for app_id in ("one", "other"):
        world.register(app_id)
    for _ in range(100):
        world.now += SECOND
        world.command("other", caller=app_caller("one"))
    world.wait_s(WINDOW_S)
    assert total(world) == 100
    assert world.machine.next_deadline() is None
