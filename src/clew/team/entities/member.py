"""`Member`: who belongs to a team, and what they may do there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Self

from clew.team.entities.codec import replace_fields
from clew.team.entities.entity import SyncableEntity, utc_now
from clew.team.errors import ValidationError


class Role(StrEnum):
    """What a member may do, most first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


@dataclass(slots=True, kw_only=True)
class Member(SyncableEntity):
    """One person of a team. The role is what the server says, whoever else wins a conflict."""

    server_fields: ClassVar[frozenset[str]] = frozenset({"role"})

    local_id: str
    team_id: str
    user_id: str
    email: str
    remote_id: str | None = None
    display_name: str | None = None
    role: Role = Role.MEMBER
    joined_at: datetime = field(default_factory=utc_now)
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        """Return ``members``."""
        return "members"

    @property
    def shown_name(self) -> str:
        """What a person is called: the display name, else what stands before the @."""
        return self.display_name or self.email.partition("@")[0]

    def validate(self) -> None:
        """Accept an address that has an @.

        Raises:
            ValidationError: it has none.
        """
        if "@" not in self.email:
            raise ValidationError("a member has no email address", hint="one has an @ in it")

    def merge_with(self, remote: Self) -> Self:
        """Return the later of both, with the server's role, and its display name if it has one."""
        chosen = SyncableEntity.merge_with(self, remote)
        return replace_fields(
            chosen,
            role=remote.role,
            display_name=(
                chosen.display_name if remote.display_name is None else remote.display_name
            ),
            last_modified=max(self.last_modified, remote.last_modified),
        )
