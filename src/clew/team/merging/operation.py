"""One operation of the queue, as a value. Light install."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SyncOperationType(StrEnum):
    """What the server is asked to do. The values stand in `sync_queue.operation`."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that the server is to be told.

    `op_id` is a UUID that goes to the server with it: by this it is known again when nobody heard
    the answer. `payload` is the entity's document as JSON, as it was when it was queued. Times are
    Unix nanoseconds. `attempted` says that it was sent at least once and its outcome is not known;
    `earlier` are the ids of operations that it took the place of and of which that is true: what
    the server has by one of them is ours. `erase` empties what is deleted, there too.
    """

    op_id: str
    account_id: str
    entity_type: str
    entity_id: str
    operation: SyncOperationType
    payload: str
    created_at: int
    retry_count: int = 0
    next_attempt_at: int = 0
    last_error: str | None = None
    attempted: bool = False
    team_id: str = ""
    erase: bool = False
    earlier: tuple[str, ...] = ()

    @property
    def is_doubtful(self) -> bool:
        """Whether the server may have it, or what it took the place of: ask before it is sent."""
        return self.attempted or bool(self.earlier)
