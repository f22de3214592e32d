"""The documents of comments. Times are RFC 3339 UTC with nanoseconds, ids lower-case hex."""

from __future__ import annotations

import msgspec


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody said of a trace, or of one span in it. `updated_at` is null until an edit.

    `author` is what they call themselves, `owner` who they proved to be (``key:ann``, ``app:…``):
    null where nobody was asked.
    """

    id: str
    trace_id: str
    span_id: str | None
    author: str
    body: str
    created_at: str
    updated_at: str | None
    owner: str | None = None


class CommentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One comment, as it is kept after a write (before it, when it was deleted)."""

    comment: Comment


class CommentList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Comments in the order asked for, by when they were written."""

    comments: list[Comment]
    count: int
    total: int
    truncated: bool
    next: str | None = None
