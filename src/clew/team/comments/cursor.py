"""Where a page of comments ends.

A cursor carries the time range in absolute times, the newest comment of the first page, and the
last one given. Comments that come later have higher numbers, so they never shift a page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.times import TIME_NS_MAX
from clew.store.page import check_digest, decode_cursor, digest_question, encode_cursor

if TYPE_CHECKING:
    from clew.base.times import TimeRange
    from clew.team.comments.parameters import CommentQuery

_VERSION: Final = 1
_LIST: Final = "comments"


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after the comment `after`, among those up to `top` and from `start` to `end`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    top: int
    after: int


def write_cursor(query: CommentQuery, window: TimeRange, top: int, after: int) -> str:
    """Return the text of the cursor that goes on after the comment `after`."""
    question = digest_question(_LIST, query)
    return encode_cursor(Cursor(_VERSION, question, window.start, window.end, top, after))


def read_cursor(text: str, query: CommentQuery) -> Cursor:
    """Return the cursor that `write_cursor` wrote for the same question.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is none of ours, or of another question.
    """
    cursor = decode_cursor(text, Cursor, _is_sound)
    check_digest(cursor.digest, digest_question(_LIST, query))
    return cursor


def _is_sound(cursor: Cursor) -> bool:
    numbers = (cursor.start or 0, cursor.end or 0, cursor.top, cursor.after)
    return cursor.version == _VERSION and all(0 <= each <= TIME_NS_MAX for each in numbers)
