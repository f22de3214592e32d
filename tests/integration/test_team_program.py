"""A program's own queue, brought to a team's server: from before any login to its tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from clew.base.ids import new_uuid
from clew.team import (
    SyncableEntity,
    SyncOperationType,
    SyncQueue,
    Team,
    TrailBaseClient,
    ValidationError,
    utc_now,
)
from clew.team.errors import AuthError
from clew.team.ledger.rows import RoundOutcome
from clew.testing.trailbase import FakeTrailBase, Trouble

PASSWORD = "correct horse battery"


@dataclass
class Finding(SyncableEntity):
    """Something of a program's own."""

    local_id: str
    team_id: str
    data: str
    remote_id: str | None = None
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        return "findings"


@pytest.fixture
def fake() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as server:
        for name in ("ann", "bob"):
            server.add_user(f"{name}@example.org", PASSWORD)
        yield server


def login(client: TrailBaseClient, name: str) -> str:
    known = client.authenticate({"email": f"{name}@example.org", "password": PASSWORD})
    assert known.user_id is not None
    return known.user_id


def a_team(user_id: str = "") -> Team:
    return Team(local_id=new_uuid(time.time_ns()), name="Night watch", created_by=user_id)


def test_what_was_queued_before_a_login_goes_out_with_it_and_the_rest_of_the_queue_after(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    team = a_team()
    with SyncQueue(tmp_path / "queue.db", kinds=[Finding]) as queue:
        queue.enqueue(team, SyncOperationType.CREATE)
        queue.enqueue(Finding("finding-1", team.local_id, "cold"), SyncOperationType.CREATE)
        with TrailBaseClient(fake.url) as client:
            with pytest.raises(AuthError):
                client.sync_queue(queue)
            assert queue.stats().pending == 2
            login(client, "ann")
            done = client.sync_queue(queue)
            assert (done.outcome, done.sent) == (RoundOutcome.DONE, 2)
            queue.enqueue(Finding("finding-1", team.local_id, "warm"), SyncOperationType.UPDATE)
            assert client.sync_queue(queue).sent == 1
        assert queue.stats().pending == 0
    (row,) = fake.read("SELECT document, version FROM synced_entities")
    assert ('"warm"' in str(row["document"]), row["version"]) == (True, 2)


def test_a_queue_is_never_sent_in_the_name_of_another_account(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    with SyncQueue(tmp_path / "queue.db") as queue, TrailBaseClient(fake.url) as client:
        login(client, "ann")
        client.sync_queue(queue)
        queue.enqueue(a_team(), SyncOperationType.CREATE)
        login(client, "bob")
        with pytest.raises(ValidationError, match="another account"):
            client.sync_queue(queue)
        assert queue.stats().pending == 1
    assert fake.read("SELECT id FROM teams") == []


def test_a_queue_without_a_network_waits_and_a_pause_holds_over_calls(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    with SyncQueue(tmp_path / "queue.db") as queue, TrailBaseClient(fake.url) as client:
        login(client, "ann")
        queue.enqueue(a_team(), SyncOperationType.CREATE)
        wait = {"retry-after": "600"}
        fake.order(Trouble.REFUSED, status=429, path="/api/records", headers=wait)
        for _ in range(2):
            assert client.sync_queue(queue).outcome is RoundOutcome.PAUSED
        (waiting,) = queue.pending()
        assert waiting.retry_count == 0


def test_what_is_long_is_packed_on_the_server_and_read_as_it_was(
    fake: FakeTrailBase, tmp_path: Path
) -> None:
    team = a_team()
    said = "the pool of connections is full from 12:04 on, " * 400
    with TrailBaseClient(fake.url) as client:
        login(client, "ann")
        with SyncQueue(tmp_path / "here.db", kinds=[Finding]) as queue:
            queue.enqueue(team, SyncOperationType.CREATE)
            queue.enqueue(Finding("finding-1", team.local_id, said), SyncOperationType.CREATE)
            assert client.sync_queue(queue).sent == 2
        with SyncQueue(tmp_path / "there.db", kinds=[Finding]) as queue:
            client.sync_queue(queue)
            (found,) = queue.ledger.find_entities(queue.account_id, "findings")
    assert found.document["data"] == said
    (row,) = fake.read("SELECT length(document) AS length FROM synced_entities")
    assert int(str(row["length"])) < len(said) / 4
