"""A server that cannot know whether it has everything leads only when it is told to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from clew.testing.group import ServerGroup
from clew.testing.history import wait_until
from clew.testing.requests import spans_request
from tests.e2e.terminal import clew
from tests.integration.wire import ask

if TYPE_CHECKING:
    from pathlib import Path

    from clew.testing.server import ServerProcess

WAIT_SECONDS = 90.0
PROTOBUF = {"content-type": "application/x-protobuf"}
DIFFERING = "has --required-acks"


def says_so(process: ServerProcess) -> bool:
    """Whether a server has said that another is set differently."""
    return DIFFERING in process.stderr


def check_difference_told(group: ServerGroup) -> None:
    """See that leader and standby say that they are set differently: once, and to who asks."""
    for number, own, other in ((0, 0, 1), (1, 1, 0)):
        process = group.processes[number]
        wait_until(partial(says_so, process), WAIT_SECONDS, f"server {number} says it")
        (line,) = [line for line in process.stderr.splitlines() if DIFFERING in line]
        told = group.status(number)
        assert told is not None
        assert f"{DIFFERING} {other} and this server {own}" in told["warning"]
        assert told["warning"] in line
    assert group.seen(0, 1)["required_acks"] == 1
    examined = clew("doctor", server=group.urls[1])
    (check,) = (each for each in examined.document["checks"] if each["name"] == "group")
    assert check["status"] == "warn"
    assert DIFFERING in check["detail"]


def write(group: ServerGroup, number: int, trace: int) -> int:
    """Send a span of a trace of its own to a server; return the status of its answer."""
    spans = spans_request("checkout", [(bytes([trace]) * 16, bytes([1]) * 8)])
    return ask(group.urls[number], "POST", "/v1/traces", spans.SerializeToString(), PROTOBUF).status


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_promotion_that_may_lose_something_is_refused_and_forced_with_its_price_named(
    tmp_path: Path,
) -> None:
    with ServerGroup(tmp_path) as group:
        # It has followed nobody: all that was acknowledged may be elsewhere.
        standby = group.start(1)
        refused = clew("promote", server=standby.url)
        assert refused.code != 0
        assert "followed nobody yet" in refused.stderr
        assert "--force" in refused.stderr
        assert "is lost" in refused.stderr

        # Its own setting is to wait for all, and its leader's is to wait for nobody.
        group.start(0, "leader", required_acks="0")
        group.wait_leading(0)
        assert write(group, 0, 1) == 200
        group.wait_in_step(0)
        check_difference_told(group)
        group.kill(0)
        refused = clew("promote", server=standby.url)
        assert refused.code != 0
        assert "waited for no standby" in refused.stderr
        assert (group.status(1) or {})["is_leader"] is False

        forced = clew("promote", "--force", server=standby.url)
        assert forced.code == 0, forced.stderr
        assert (group.status(1) or {})["is_leader"] is True
        # What the former leader's setting was is over: both have all, and either may take over.
        group.start(0)
        group.wait_leading(1)
        group.wait_following(1, 0)
        assert [(group.status(each) or {})["warning"] for each in (0, 1)] == [None, None]
        assert all(each.stderr.count(DIFFERING) <= 1 for each in group.processes.values())
        assert write(group, 1, 2) == 200
        group.kill(1)

        def leads() -> bool:
            return group.promote(0)[0] == 202

        wait_until(leads, WAIT_SECONDS, "the other is promoted")
        group.wait_claimed(0)
        group.kill(0)

        # Two promotions that do not hear of one another: neither takes anything, and once they do,
        # one of them goes on by itself.
        with group.partition(0):
            for number in (0, 1):
                group.start(number)
                wait_until(
                    lambda number=number: "peers" in (group.status(number) or {}),  # type: ignore[misc]
                    WAIT_SECONDS,
                    "it is open",
                )
            for number in (0, 1):
                wait_until(
                    lambda number=number: group.promote(number)[0] == 202,  # type: ignore[misc]
                    WAIT_SECONDS,
                    "it is promoted",
                )
                group.wait_claimed(number)
                assert write(group, number, 10 + number) == 503
        wait_until(lambda: group.find_leader() is not None, WAIT_SECONDS, "one of them leads")
        leader = group.find_leader()
        assert leader is not None
        assert write(group, leader, 20) == 200
        group.wait_in_step(leader)
        group.kill(leader)
        group.kill(1 - leader)

        # One that led last, and is to wait for nobody, cannot know alone that nobody leads by now;
        # it goes on by itself when it hears the other.
        group.start(leader, required_acks="0")
        wait_until(
            lambda: "this server led last" in ((group.status(leader) or {}).get("detail") or ""),
            WAIT_SECONDS,
            "it says what it waits for",
        )
        group.start(1 - leader, required_acks="0")
        group.wait_leading(leader)
        assert write(group, leader, 21) == 200
        group.wait_in_step(leader)
        group.end()
