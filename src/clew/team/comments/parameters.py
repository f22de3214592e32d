"""What may be asked of comments, and said in one: REST parameters and CLI flags have these names.

Times follow the one grammar of `clew.base.times` and mean when a comment was written; `last`
excludes `start` and `end`. `next` is a cursor from the answer before, with the same filters.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

LIMIT_DEFAULT: Final = 1000
LIMIT_MAX: Final = 100_000
"""Clients of tael ask for a thousand, or for a hundred thousand when they mean all. A page ends
before that where the bodies on it add up to much, and says so."""

BODY_BYTES_MAX: Final = 64 << 10
"""A comment is something to read: this is a dozen pages. What is longer belongs into a blob."""

AUTHOR_CHARS_MAX: Final = 200
"""A name, an address or the id of an agent."""

AUTHOR_DEFAULT: Final = "anonymous"

Order = Literal["newest", "oldest"]


class CommentFilters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which comments. `text` looks for words: all must occur, in any order, as words begin.

    Words in double quotes must stand side by side, as they are.
    """

    last: str | None = None
    start: str | None = None
    end: str | None = None
    span_id: str | None = None
    author: str | None = None
    text: str | None = None
    limit: int = LIMIT_DEFAULT
    next: str | None = None


class CommentQuery(CommentFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which comments of which trace, or of all; newest first."""

    trace_id: str | None = None
    order: Order = "newest"


class TraceCommentQuery(CommentFilters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which comments of one trace, in the order in which they were written."""

    order: Order = "oldest"


class NewComment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A comment to be kept.

    `id` is for clients that may have to send again: a UUID of their own. The same comment with the
    same id is kept once, however often it comes.
    """

    body: str
    author: str | None = None
    span_id: str | None = None
    id: str | None = None


class CommentEdit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a comment says from now on."""

    body: str
