"""TrailBase's official client for Node takes the fake for a TrailBase server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from clew.testing.trailbase import FakeTrailBase
from tests.conformance.trailbase_places import an_id, as_base64
from tests.node_clients import install

FOLDER = Path(__file__).parent / "trailbase_node"

ASK_SECONDS_MAX = 60.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def node() -> str:
    """The node program, with the client installed beside what asks."""
    return install(FOLDER)


def test_the_official_client_logs_in_reads_writes_and_listens(node: str) -> None:
    with FakeTrailBase() as fake:
        ann = fake.add_user("ann@example.org")
        team, session = an_id(), an_id()
        # This version of the client reads the older form of what a transaction answers.
        fake.answer_with_ids()
        done = subprocess.run(
            [node, "ask.mjs", fake.url, ann.email, ann.password, ann.id, team, session],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS_MAX,
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["second_step"] is None
    assert said["user"] == {"id": as_base64(ann.id), "email": ann.email}
    assert said["created"] == as_base64(session)
    assert (said["event"]["seq"], said["event"]["Insert"]["title"]) == (1, "made")
    assert (said["read"]["title"], said["read"]["version"]) == ("made", 1)
    assert said["found"] == [1, ["made"], None]
    assert (said["stale"], said["deleted"], said["bulk"]) == (403, 403, 2)
    assert len(said["executed"]) == 1
    assert (said["after_refresh"], said["after_logout"]) == ("changed again", 403)
