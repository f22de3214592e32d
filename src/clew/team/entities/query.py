"""`SavedQuery`: a question worth asking again, shared with a team."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from clew.team.entities.entity import SyncableEntity, utc_now
from clew.team.errors import ValidationError

QUERY_NAME_CHARS_MAX: Final = 100
"""As of a team's name: one line in a list."""

QUERY_CHARS_MAX: Final = 65_536
"""Of a query and of its description: longer than what is asked, far below a document's bound."""


class QueryLanguage(StrEnum):
    """What a query is written in."""

    SQL = "sql"
    PROMQL = "promql"
    FILTER = "filter"


@dataclass(slots=True, kw_only=True)
class SavedQuery(SyncableEntity):
    """A named query."""

    local_id: str
    team_id: str
    name: str
    query: str
    remote_id: str | None = None
    language: QueryLanguage = QueryLanguage.SQL
    description: str = ""
    created_at: datetime = field(default_factory=utc_now)
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        """Return ``saved_queries``."""
        return "saved_queries"

    def validate(self) -> None:
        """Accept a query with a name.

        Raises:
            ValidationError: one of them is empty or too long.
        """
        for what, said, most in (
            ("name", self.name, QUERY_NAME_CHARS_MAX),
            ("text", self.query, QUERY_CHARS_MAX),
        ):
            if not said.strip():
                raise ValidationError(f"the {what} of a query is empty", hint="give it one")
            if len(said) > most:
                raise ValidationError(
                    f"the {what} of a query has more than {most} characters",
                    hint="give it a shorter one",
                )
        if len(self.description) > QUERY_CHARS_MAX:
            raise ValidationError(
                f"the description of a query has more than {QUERY_CHARS_MAX} characters",
                hint="say it shorter",
            )
