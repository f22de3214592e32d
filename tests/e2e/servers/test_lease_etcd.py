"""Two servers and a lease in an etcd that is cut off, killed and started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.testing.app_load import AppLoad
from clew.testing.etcd import find_etcd
from clew.testing.group import ServerGroup
from clew.testing.history import GroupLoad, check_histories, wait_until

if TYPE_CHECKING:
    from pathlib import Path

WAIT_SECONDS = 90.0
LEASE_SECONDS = "15"
"""So that etcd is back before it ends where it is to be, however busy the disk is."""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(find_etcd() is None, reason="there is no etcd on this machine")
def test_a_pair_takes_over_by_a_lease_that_is_cut_off_lost_and_had_again(tmp_path: Path) -> None:
    settings = {"lease_seconds": LEASE_SECONDS, "ack_timeout": "3"}
    with ServerGroup(tmp_path, 2, settings, on_hosts=True, has_etcd=True) as group:
        group.start_all("auto", "auto")
        leader = wait_for_leader(group)
        with (
            GroupLoad(group.urls, service="pair", clients=2) as load,
            AppLoad(group.urls, group.trails_urls) as apps,
        ):
            load.wait_for_more(20)

            # The leader reaches the standby, and not etcd: the standby leads when its lease ends.
            with group.cut_off_lease(leader):
                wait_until(lambda: leads(group, 1 - leader), WAIT_SECONDS, "the standby leads")
                # It follows whoever leads, although it cannot ask who has the lease.
                group.wait_following(1 - leader, leader)
                load.wait_for_more(20)
            leader = 1 - leader

            # The standby does not reach it: nothing changes.
            epoch = group.wait_leading(leader)["epoch"]
            with group.cut_off_lease(1 - leader):
                load.wait_for_more(20)
            assert group.wait_leading(leader)["epoch"] == epoch

            # It is away for longer than the lease: nobody says that anything is kept. Then one has
            # it again, whichever asks first.
            with group.without_etcd():
                wait_until(lambda: group.find_leader() is None, WAIT_SECONDS, "nobody leads")
                wait_until(lambda: says_so(group, leader), WAIT_SECONDS, "it says why")
            leader = wait_for_leader(group)
            load.wait_for_more(20)

            # It is away for less than the lease: it has kept who holds it.
            held = group.wait_leading(leader)
            assert held["lease_holder"] == held["url"]
            epoch = held["epoch"]
            with group.without_etcd():
                pass
            load.wait_for_more(20)
            assert group.wait_leading(leader)["epoch"] == epoch

            # Between the servers nothing goes through: whoever has the lease has nobody to
            # acknowledge, and the other leaves it alone.
            with group.partition(leader):
                wait_until(lambda: group.find_leader() is None, WAIT_SECONDS, "nothing is taken")
            leader = wait_for_leader(group)
            load.wait_for_more(20)

            # Killed: the standby leads, and says that it has nobody to acknowledge until it has.
            group.kill(leader)
            group.wait_claimed(1 - leader)
            group.start(leader, "auto")
            leader = 1 - leader
            group.wait_following(leader, 1 - leader)
            group.wait_leading(leader)
            load.wait_for_more(20)
            apps.wait_for_more(4)
        group.wait_in_step(leader)
        check_histories(group.urls, load.histories, apps.histories)
        group.end()


def leads(group: ServerGroup, number: int) -> bool:
    """Return whether a server leads and takes what is written."""
    return group.find_leader() == number


def says_so(group: ServerGroup, number: int) -> bool:
    """Return whether a server says that its lease is over, and that it cannot have another."""
    told = group.status(number) or {}
    return told.get("lease_seconds_left") == 0 and "cannot be asked" in told["lease_error"]


def wait_for_leader(group: ServerGroup) -> int:
    """Return which of the servers leads and takes what is written, once one does."""
    found: list[int] = []

    def is_found() -> bool:
        leader = group.find_leader()
        found.extend([] if leader is None else [leader])
        return leader is not None

    wait_until(is_found, WAIT_SECONDS, "one leads")
    return found[0]
