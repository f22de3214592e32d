"""Three servers and a lease: killed, paused, cut off from others and from the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.testing.app_load import AppLoad
from clew.testing.group import ServerGroup
from clew.testing.history import GroupLoad, check_histories, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from clew.testing.postgres import PostgresProcess

WAIT_SECONDS = 90.0
LEASE_SECONDS = "12"
"""So that one which the disk or the processor holds up for some seconds has it still."""


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_standby_takes_over_by_itself_and_the_paused_and_the_cut_off_leader_do_no_harm(
    tmp_path: Path, postgres_server: PostgresProcess
) -> None:
    settings = {
        "lease_seconds": LEASE_SECONDS,
        "ack_timeout": "3",
        "required_acks": "1",
    }
    with ServerGroup(tmp_path, 3, settings, on_hosts=True, postgres=postgres_server) as group:
        group.start_all("auto", "auto", "auto")
        leader = wait_for_leader(group, 0, 1, 2)
        with (
            GroupLoad(group.urls, service="lease", clients=2) as load,
            AppLoad(group.urls, group.trails_urls) as apps,
        ):
            load.wait_for_more(20)

            # Paused: another takes the lease when it ends, and is the one that acknowledges.
            paused, others = leader, {0, 1, 2} - {leader}
            group.pause(paused)
            leader = wait_for_leader(group, *others)
            group.resume(paused)
            group.wait_following(leader, paused)
            load.wait_for_more(20)

            # Cut off: the leader has the lease, but nobody to acknowledge, and nothing is said.
            with group.partition(leader):
                wait_until(lambda: group.find_leader() is None, WAIT_SECONDS, "nothing is taken")
            killed = wait_for_leader(group, *range(3))
            load.wait_for_more(20)

            # Killed: one of the others takes over, the third follows it, and they go on.
            others = {0, 1, 2} - {killed}
            group.kill(killed)
            leader = wait_for_leader(group, *others)
            (third,) = others - {leader}
            group.wait_following(leader, third)
            load.wait_for_more(20)
            apps.wait_for_more(4)

            # It comes back as a standby, although it wants the lease as well.
            group.start(killed, "auto")
            group.wait_following(leader, killed)
            # One that waits for others for a moment says meanwhile that it takes nothing.
            assert wait_for_leader(group, *range(3)) == leader
            load.wait_for_more(20)

            # The leader reaches the others, and not the database: another leads when its lease
            # ends, and it follows that one although it cannot ask who has the lease.
            cut_off, others = leader, {0, 1, 2} - {leader}
            with group.cut_off_lease(cut_off):
                leader = wait_for_leader(group, *others)
                group.wait_following(leader, cut_off)
                load.wait_for_more(20)
        group.wait_in_step(leader)
        check_histories(group.urls, load.histories, apps.histories)
        group.end()


def wait_for_leader(group: ServerGroup, *candidates: int) -> int:
    """Return which of some servers leads and takes what is written, once one does.

    No other is asked: it may be paused.
    """
    found: list[int] = []

    def is_found() -> bool:
        leader = group.find_leader(*candidates)
        found.extend([] if leader is None else [leader])
        return leader is not None

    wait_until(is_found, WAIT_SECONDS, f"one of {candidates} leads")
    return found[0]
