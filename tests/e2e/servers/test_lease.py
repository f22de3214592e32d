"""Two servers and a lease: killed, paused and cut off, and nothing acknowledged is lost."""

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
LEASE_SECONDS = "6"


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_a_standby_takes_over_by_itself_and_the_paused_and_the_cut_off_leader_do_no_harm(
    tmp_path: Path, postgres_server: PostgresProcess
) -> None:
    settings = {
        "lease": postgres_server.new_url(),
        "lease_seconds": LEASE_SECONDS,
        "ack_timeout": "3",
    }
    with ServerGroup(tmp_path, settings=settings) as group:
        group.start_all("auto", "auto")

        def some_leads() -> bool:
            return group.find_leader() is not None

        wait_until(some_leads, WAIT_SECONDS, "one of them leads")
        leader = group.find_leader()
        assert leader is not None
        with (
            GroupLoad(group.urls, service="lease") as load,
            AppLoad(group.urls, group.trails_urls) as apps,
        ):
            load.wait_for_more(20)

            # Paused: the other takes the lease when it ends, and is the one that acknowledges.
            group.pause(leader)
            other = 1 - leader

            def other_leads() -> bool:
                told = group.status(other)
                return told is not None and bool(told["is_leader"])

            wait_until(other_leads, WAIT_SECONDS, "the other takes over")
            group.resume(leader)
            group.wait_leading(other)
            leader = other
            load.wait_for_more(20)

            # Cut off from one another: the leader has nobody to acknowledge, and nothing is said.
            with group.partition(leader):
                wait_until(lambda: not some_leads(), WAIT_SECONDS, "nothing is taken")
            wait_until(some_leads, WAIT_SECONDS, "one of them leads again")
            load.wait_for_more(20)

            # Killed.
            found = group.find_leader()
            assert found is not None
            leader = found
            group.kill(leader)
            wait_until(
                lambda: bool((group.status(1 - leader) or {}).get("is_leader")),
                WAIT_SECONDS,
                "the other takes over",
            )
            group.start(leader, "auto")
            wait_until(some_leads, WAIT_SECONDS, "one of them leads again")
            load.wait_for_more(20)
        found = group.find_leader()
        assert found is not None
        group.wait_in_step(found)
        check_histories(group.urls, load.histories, apps.histories)
        group.end()
