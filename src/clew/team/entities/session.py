"""`SharedSession`: a work session as its team sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Self

from clew.team.entities.entity import LOCAL_FIELDS, SyncableEntity, utc_now
from clew.team.errors import ValidationError

PLANNED_MINUTES_MIN: Final = 1
PLANNED_MINUTES_MAX: Final = 480
"""Eight hours, as the integration documents it."""


class SyncStatus(StrEnum):
    """How far an entity's sync is. The values stand in `shared_sessions.sync_status`."""

    PENDING = "pending"
    SYNCED = "synced"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class SharedSession(SyncableEntity):
    """A work session that was shared with a team.

    `session_id` is the session on the machine that it was worked in. `notes` and `links` are the
    documents of a session's, oldest first. `sync_status` is this machine's and never sent.
    """

    local_fields: ClassVar[frozenset[str]] = LOCAL_FIELDS | {"sync_status"}

    local_id: str
    team_id: str
    user_id: str
    session_id: str
    start_time: datetime
    planned_duration_minutes: int
    remote_id: str | None = None
    end_time: datetime | None = None
    actual_duration_seconds: int | None = None
    completed: bool = False
    title: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    shared_at: datetime = field(default_factory=utc_now)
    last_modified: datetime = field(default_factory=utc_now)
    sync_status: SyncStatus = SyncStatus.PENDING

    @classmethod
    def entity_type(cls) -> str:
        """Return ``shared_sessions``."""
        return "shared_sessions"

    def set_remote_id(self, remote_id: str) -> None:
        """Learn the server's id: the session is synced."""
        self.remote_id = remote_id
        self.sync_status = SyncStatus.SYNCED

    def validate(self) -> None:
        """Accept a plan of 1 to 480 minutes and an end that is not before the start.

        Raises:
            ValidationError: it is otherwise.
        """
        if not PLANNED_MINUTES_MIN <= self.planned_duration_minutes <= PLANNED_MINUTES_MAX:
            raise ValidationError(
                f"a session is planned for {PLANNED_MINUTES_MIN} to {PLANNED_MINUTES_MAX} minutes",
                hint="plan less, and go on with another session",
            )
        if self.end_time is not None and self.end_time < self.start_time:
            raise ValidationError("a session ends before it starts", hint="look at both times")
        if self.actual_duration_seconds is not None and self.actual_duration_seconds < 0:
            raise ValidationError("a session lasted less than no time", hint="give seconds")

    def merge_with(self, remote: Self) -> Self:
        """Return the one that is completed, whenever it was changed; else the later of both."""
        if self.completed != remote.completed:
            return self if self.completed else remote
        return SyncableEntity.merge_with(self, remote)
