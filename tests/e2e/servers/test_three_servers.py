"""Three servers, one of them to spare: two leaders at once, and then the right one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from clew.testing.app_load import AppLoad
from clew.testing.group import ServerGroup
from clew.testing.history import GroupLoad, check_histories, post, wait_until
from clew.testing.requests import logs_request

if TYPE_CHECKING:
    from pathlib import Path

WAIT_SECONDS = 90.0
CUT_OFF = "are not the leader's"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_of_two_leaders_one_acknowledges_and_of_two_standbys_the_one_with_everything_leads(
    tmp_path: Path,
) -> None:
    settings = {"required_acks": "1", "ack_timeout": "3"}
    with (
        ServerGroup(tmp_path, 3, settings, on_hosts=True) as group,
        ThreadPoolExecutor(1) as client,
    ):
        group.start_all("leader", "standby", "standby")
        group.wait_leading(0)
        group.wait_following(0, 1)
        group.wait_following(0, 2)
        with (
            GroupLoad(group.urls, service="three") as load,
            AppLoad(group.urls, group.trails_urls) as apps,
        ):
            # What one standby says is lost, though it hears: the leader goes on with the other.
            with group.partition(2, hears=True):
                load.wait_for_more(20)
                apps.wait_for_more(4)
                assert group.seen(0, 2)["acked"] < group.position(0)["acked"]
            group.wait_following(0, 2)

            # What the leader sends is held up, and then it is cut off as well: it hears of nobody
            # who leads instead, and clients go on asking it.
            ways = [group.way(0, 1), group.way(0, 2)]
            for way in ways:
                way.hold()
            telling = client.submit(tell, group.urls[0], "line of the old leader")
            wait_until(
                lambda: all(way.held_bytes() for way in ways) and has_unacknowledged(group, 0),
                WAIT_SECONDS,
                "the old leader has what nobody acknowledges",
            )
            new, other = sorted((1, 2), key=lambda each: -int(group.position(each)["last"]))
            with group.partition(0, is_heard=True):
                with group.partition(0, hears=True):
                    status, begun = group.promote(new)
                    assert status == 202, begun
                    group.wait_leading(new)
                    load.wait_for_more(20)
                    apps.wait_for_more(4)
                    assert leads(group, 0)
                    assert leads(group, new)
                    assert telling.result(WAIT_SECONDS) == 503
                    assert tell(group.urls[0], "line to the old leader") == 503
                # It is heard again, and hears nothing yet.
                fenced = group.position(other)["refused"]["fenced"]
                for way in ways:
                    way.release()
                wait_until(
                    lambda: group.position(other)["refused"]["fenced"] > fenced,
                    WAIT_SECONDS,
                    "what comes late of an epoch that is over is refused",
                )
                assert leads(group, 0), "the answer did not reach it"
            # They meet.
            group.wait_following(new, 0)
            assert CUT_OFF in group.processes[0].stderr
            load.wait_for_more(20)

            # The leader is killed while one of the others lacks what it acknowledged.
            with group.partition(other):
                load.wait_for_more(20)
                group.kill(new)
            status, refused = group.promote(other)
            assert status == 409, refused
            assert refused is not None
            assert "has more of the log" in refused["detail"]
            status, begun = group.promote(0)
            assert status == 202, begun
            group.wait_leading(0)
            group.wait_following(0, other)
            load.wait_for_more(20)
            apps.wait_for_more(4)
            group.start(new, "leader")
            group.wait_following(0, new)
            load.wait_for_more(20)
        group.wait_in_step(0)
        # Of what was told to the old leader it is known nowhere: nobody sent it again.
        check_histories(group.urls, load.histories, apps.histories)
        group.end()


def leads(group: ServerGroup, number: int) -> bool:
    """Return whether a server holds that it leads."""
    told = group.status(number)
    assert told is not None, f"server {number} does not answer"
    return bool(told["is_leader"])


def has_unacknowledged(group: ServerGroup, number: int) -> bool:
    """Return whether a server has frames of which it does not know what becomes of them."""
    told = group.position(number)
    return bool(told["last"] > told["acked"])


def tell(url: str, line: str) -> int | None:
    """Send a log record, once; return the status of the answer."""
    body = logs_request("three", [line]).SerializeToString()
    return post(url, "/v1/logs", body, "application/x-protobuf")
