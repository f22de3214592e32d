"""A server that cannot know whether it has everything leads only when it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.testing.group import ServerGroup
from clew.testing.history import wait_until
from clew.testing.requests import spans_request
from tests.e2e.terminal import clew
from tests.integration.wire import ask

if TYPE_CHECKING:
    from pathlib import Path

WAIT_SECONDS = 60.0
BODY = spans_request("checkout", [(bytes([7]) * 16, bytes([1]) * 8)]).SerializeToString()
PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.mark.slow
@pytest.mark.timeout(240)
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
        assert ask(group.urls[0], "POST", "/v1/traces", BODY, PROTOBUF).status == 200
        group.wait_in_step(0)
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
        assert ask(group.urls[1], "POST", "/v1/traces", BODY, PROTOBUF).status == 200
        group.kill(1)

        def leads() -> bool:
            return group.promote(0)[0] == 202

        wait_until(leads, WAIT_SECONDS, "the other is promoted")
        group.end()
