"""The usage example of the documented integration: a client, an entity of one's own, a queue."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from clew.base.ids import new_uuid
from clew.team import (
    ConflictStrategy,
    SavedQuery,
    SyncableEntity,
    SyncOperationType,
    SyncQueue,
    Team,
    TrailBaseClient,
    ValidationError,
    resolve_conflict,
    utc_now,
)


@dataclass
class MyEntity(SyncableEntity):
    """Something of one's own that can be synced."""

    local_id: str
    data: str
    remote_id: str | None = None
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        """Return what names the kind."""
        return "my_entities"

    def validate(self) -> None:
        """Accept data. Optional."""
        if not self.data:
            raise ValidationError("data cannot be empty")

    def merge_with(self, remote: MyEntity) -> MyEntity:
        """Return the later of both, the server's in a tie. Optional: it is what happens anyway."""
        return self if self.last_modified > remote.last_modified else remote


def an_id() -> str:
    """Return an id that is made here and kept on the server."""
    return new_uuid(time.time_ns())


def main() -> None:
    """Authenticate, sync an entity, queue one for later, and merge two versions."""
    # Create a client, and authenticate.
    with TrailBaseClient(os.environ["TEAM_URL"]) as client:
        known = client.authenticate(
            {"email": "ann@example.org", "password": os.environ["CLEW_TEAM_PASSWORD"]}
        )
        print(f"known as {known.email}")

        # Sync an entity.
        team = Team(local_id=an_id(), name="Night watch", created_by=known.user_id or "")
        assert client.sync_entity(team).error is None
        query = SavedQuery(local_id=an_id(), team_id=team.local_id, name="slow", query="SELECT 1")
        result = client.sync_entity(query, team_id=team.local_id)
        assert result.error is None
        print("synced a query")
        client.logout()

    # Use the queue where there may be no network.
    place = Path("team.db")
    with SyncQueue(place, kinds=[MyEntity]) as queue:
        mine = MyEntity(an_id(), "the cache is cold after every deploy")
        queue.enqueue(mine, SyncOperationType.CREATE)
        print(f"{queue.stats().pending} operation waits")
    place.unlink()

    # Two versions of one thing.
    here = MyEntity(mine.local_id, "here", last_modified=datetime.fromisoformat("2026-01-02T00Z"))
    there = MyEntity(mine.local_id, "there", last_modified=datetime.fromisoformat("2026-01-01T00Z"))
    merged = resolve_conflict(here, there, ConflictStrategy.CUSTOM_MERGE)
    print(f"the merge says {merged.data}")


if __name__ == "__main__":
    main()
