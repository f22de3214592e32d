"""Two servers: what is written at the leader is answered by the standby, which can take over."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING

import pytest

from clew.testing.app_load import AppLoad
from clew.testing.group import ServerGroup, ask
from clew.testing.history import GroupLoad, check_histories, wait_until
from clew.testing.server import ServerProcess
from tests.e2e.terminal import clew
from tests.integration.wire import ask as ask_whole
from tests.integration.wire import sql

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("CLEW_FAILOVER_ROUNDS", "2"))
SEED = 20261121
WAIT_SECONDS = 90.0

TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "checkout"}}]
            },
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": TRACE,
                            "spanId": "eee19b7ec3c1b174",
                            "name": "pay",
                            "kind": 2,
                            "startTimeUnixNano": "1795219200000000000",
                            "endTimeUnixNano": "1795219200250000000",
                        }
                    ]
                }
            ],
        }
    ]
}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_is_written_at_the_leader_appears_on_the_standby_and_is_served_by_it(
    tmp_path: Path,
) -> None:
    with ServerGroup(tmp_path) as group:
        group.start_all("leader", "standby")
        group.wait_leading(0)
        leader, standby = group.urls
        body = json.dumps(SPAN).encode()
        status, _ = ask(leader, "POST", "/v1/traces", body)
        assert status == 200
        status, comment = ask(
            leader, "POST", f"/api/v1/traces/{TRACE}/comments", b'{"author":"ada","body":"slow"}'
        )
        assert status == 201
        assert comment is not None

        def shows_both() -> bool:
            status, trace = ask(standby, "GET", f"/api/v1/traces/{TRACE}")
            if status != 200 or trace is None:
                return False
            _, comments = ask(standby, "GET", f"/api/v1/traces/{TRACE}/comments")
            return comments is not None and comments["count"] == 1

        wait_until(shows_both, WAIT_SECONDS, "the standby has the span and the comment")
        for path in (f"/api/v1/traces/{TRACE}", f"/api/v1/traces/{TRACE}/comments"):
            assert ask(leader, "GET", path)[1] == ask(standby, "GET", path)[1]
        assert sql(standby, "SELECT SpanName FROM otel_traces") == [{"SpanName": "pay"}]

        # Every write is refused there, with the address of who takes it.
        for path, sent in (
            ("/v1/traces", body),
            (f"/api/v1/traces/{TRACE}/comments", b'{"author":"bob","body":"no"}'),
            ("/api/v1/children", b'{"app_name":"worker"}'),
            ("/api/v1/lineage/nodes", b"{}"),
        ):
            headers = {"content-type": "application/json"}
            refused = ask_whole(standby, "POST", path, sent, headers)
            assert refused.status == 503, (path, refused.body)
            assert int(refused.headers["retry-after"]) >= 1
            assert leader.encode() in refused.body
        ready = ask(standby, "GET", "/readyz")
        assert ready[0] == 200
        assert ready[1] is not None
        assert ready[1]["group"]["leader_url"] == leader
        told = ask(standby, "GET", "/api/v1/ingest/status")[1]
        assert told is not None
        assert (told["group"]["role"], told["group"]["epoch"]) == ("standby", 1)
        shown = clew("health", "--format", "table", server=standby).stdout
        assert f"{leader} leads under epoch 1; a write waits for 1 standby" in shown
        # Who leads and answers is not replaced behind its back.
        status, problem = group.promote(1)
        assert status == 409
        assert problem is not None
        assert "leads and answers" in problem["detail"]
        group.end()


@pytest.mark.slow
@pytest.mark.timeout(240 + 120 * KILLS)
def test_what_a_server_had_alone_and_what_was_acknowledged_since_outlives_leaders_that_are_killed(
    tmp_path: Path,
) -> None:
    chance = random.Random(SEED)
    with ServerGroup(tmp_path) as group:
        # A new standby takes all that there is.
        with ServerProcess(group.folders[0]) as alone:
            with GroupLoad([alone.url], service="before", clients=2) as before:
                before.wait_for_more(30)
            assert alone.terminate() == 0
        group.start_all("leader", "standby")
        leader = 0
        group.wait_leading(leader)
        with (
            GroupLoad(group.urls, service="failover", first=10_000) as load,
            AppLoad(group.urls, group.trails_urls) as apps,
        ):
            for _ in range(KILLS):
                load.wait_for_more(chance.randrange(1, 120))
                group.kill(leader)
                leader, former = 1 - leader, leader
                status, begun = group.promote(leader)
                assert status == 202, begun
                # Before the former one is there: it may have more than was acknowledged, and then
                # it would be the one to lead.
                group.wait_claimed(leader)
                group.start(former, "leader")
                group.wait_leading(leader)
            load.wait_for_more(20)
            apps.wait_for_more(4)
        group.wait_in_step(leader)
        check_histories(group.urls, [*before.histories, *load.histories], apps.histories)
        assert len({group.status(each)["epoch"] for each in (0, 1)}) == 1  # type: ignore[index]
        group.end()
