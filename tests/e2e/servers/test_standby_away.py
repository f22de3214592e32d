"""A standby that was away is back by itself: by the log, or by a snapshot where that is gone."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from clew.store.replication.reader import oldest_after
from clew.testing.app_load import AppLoad
from clew.testing.group import ServerGroup
from clew.testing.history import GroupLoad, check_histories, post, wait_until
from clew.testing.requests import logs_request

if TYPE_CHECKING:
    from pathlib import Path

WAIT_SECONDS = 90.0
ANEW = "beginning anew from a snapshot"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_standby_that_was_away_is_back_by_itself_while_its_leader_goes_on(
    tmp_path: Path,
) -> None:
    settings = {"required_acks": "0", "log_bytes_max": "4MiB"}
    with ServerGroup(tmp_path, settings=settings) as group:
        group.start_all("leader", "standby")
        group.wait_leading(0)
        group.wait_following(0, 1)
        with (
            GroupLoad(group.urls, service="away", clients=2) as load,
            AppLoad(group.urls, group.trails_urls) as apps,
        ):
            # Cut off: the leader says so, and goes on.
            with group.partition(1):
                group.wait_missed(0, 1)
                load.wait_for_more(20)
                apps.wait_for_more(4)
                assert group.position(1)["last"] < group.position(0)["acked"]
            group.wait_following(0, 1)

            # Killed.
            group.kill(1)
            group.wait_missed(0, 1)
            load.wait_for_more(20)
            standby = group.start(1)
            group.wait_following(0, 1)
            assert ANEW not in standby.stderr

            # Away for longer than the leader keeps its log for it.
            with contextlib.ExitStack() as away:
                away.enter_context(group.partition(1))
                group.wait_missed(0, 1)
                has = int(group.position(1)["last"])
                bulk = logs_request("away", ["bulk" * 100_000]).SerializeToString()

                def is_forgotten() -> bool:
                    post(group.urls[0], "/v1/logs", bulk, "application/x-protobuf")
                    return oldest_after(group.folders[0] / "log") > has

                wait_until(is_forgotten, WAIT_SECONDS, "the leader forgets what the standby lacks")
                # However long that takes, whoever asks hears what it waits for. It is slow from
                # before it is back: nobody knows how soon it would have the snapshot.
                with group.delay(1, 0, latency_s=0.5, jitter_s=0.1):
                    away.close()
                    wait_until(lambda: begins_anew(group, 1), WAIT_SECONDS, "it says what it does")
            group.wait_following(0, 1)
            assert ANEW in standby.stderr
            # All that it had is in the snapshot, so nothing was put aside.
            assert not (group.folders[1] / "former").exists()
            load.wait_for_more(20)
            apps.wait_for_more(4)
        group.wait_in_step(0)
        check_histories(group.urls, load.histories, apps.histories)
        group.end()


def begins_anew(group: ServerGroup, number: int) -> bool:
    """Return whether a server says that it takes a snapshot."""
    return "anew from a snapshot" in ((group.status(number) or {})["detail"] or "")
