"""`SharedComment`: a comment on a trace, span, app, object or session, as its team sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from clew.team.entities.entity import SyncableEntity, utc_now
from clew.team.errors import ValidationError

COMMENT_CHARS_MAX: Final = 20_000
"""Somewhat more than the 16 KiB that a comment here may have, and far below a document's bound."""

SUBJECT_CHARS_MAX: Final = 400
"""Of what names an app, an object (its type, a slash and its id) or a session."""


class Subject(StrEnum):
    """What a comment is about."""

    TRACE = "trace"
    SPAN = "span"
    APP = "app"
    OBJECT = "object"
    SESSION = "session"


@dataclass(slots=True, kw_only=True)
class SharedComment(SyncableEntity):
    """What somebody said, shared with a team.

    Of a trace `trace_id` names it, of a span `span_id` as well; of the rest `subject_id` does: an
    app's id, ``Type/id`` of an object, a shared session's id. `author` is a name to show.
    """

    local_id: str
    team_id: str
    author: str
    body: str
    remote_id: str | None = None
    subject: Subject = Subject.TRACE
    subject_id: str = ""
    trace_id: str = ""
    span_id: str | None = None
    created_at: datetime = field(default_factory=utc_now)
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        """Return ``comments``."""
        return "comments"

    def validate(self) -> None:
        """Accept something said about something.

        Raises:
            ValidationError: it says nothing, too much, or not about what.
        """
        if not self.body.strip():
            raise ValidationError("a comment is empty", hint="say something")
        if len(self.body) > COMMENT_CHARS_MAX:
            raise ValidationError(
                f"a comment has more than {COMMENT_CHARS_MAX} characters", hint="say it shorter"
            )
        named = {
            Subject.TRACE: bool(self.trace_id),
            Subject.SPAN: bool(self.trace_id and self.span_id),
        }.get(self.subject, 0 < len(self.subject_id) <= SUBJECT_CHARS_MAX)
        if not named:
            raise ValidationError(
                f"a comment does not say which {self.subject} it is about",
                hint="trace_id names a trace, span_id with it a span, subject_id the rest",
            )
