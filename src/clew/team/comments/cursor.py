"""Where a page of comments ends, as opaque text that goes into a URL.

A cursor carries the time range in absolute times, the newest comment of the first page, and the
last one given. Comments that come later have higher numbers, so they never shift a page.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX

if TYPE_CHECKING:
    from clew.team.comments.parameters import CommentQuery

_VERSION: Final = 1
_DIGEST_BYTES: Final = 8
_CURSOR_CHARS_MAX: Final = 256
_NO_PART_OF_THE_QUESTION: Final = frozenset({"limit", "next", "last", "start", "end"})


class Cursor(
    msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True
):
    """Go on after the comment `after`, among those up to `top` and from `start` to `end`."""

    version: int = _VERSION
    digest: bytes
    start: int | None
    end: int | None
    top: int
    after: int


def digest_question(query: CommentQuery) -> bytes:
    """Return what tells one question from another, whatever its page and its times."""
    asked = msgspec.structs.asdict(query)
    named = {name: asked[name] for name in asked if name not in _NO_PART_OF_THE_QUESTION}
    text = msgspec.json.encode(named, order="deterministic")
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def write_cursor(cursor: Cursor) -> str:
    """Return the text of a cursor."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode("ascii").rstrip("=")


def read_cursor(text: str, query: CommentQuery) -> Cursor:
    """Return the cursor that `write_cursor` wrote for the same question.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is none of ours, or of another question.
    """
    cursor = _decode(text)
    if cursor is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next is not a cursor of this list",
            hint="give next exactly as the page before gave it, or leave it out to begin anew",
        )
    if cursor.digest != digest_question(query):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next belongs to another question",
            hint="repeat the filters of the page before, or leave next out to begin anew",
        )
    return cursor


def _decode(text: str) -> Cursor | None:
    if not text.isascii() or len(text) > _CURSOR_CHARS_MAX:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(raw, type=Cursor)
    except (binascii.Error, msgspec.DecodeError):
        return None
    # Anyone can write a cursor; its numbers go into a statement.
    numbers = (cursor.start or 0, cursor.end or 0, cursor.top, cursor.after)
    is_sound = cursor.version == _VERSION and all(0 <= each <= TIME_NS_MAX for each in numbers)
    return cursor if is_sound else None
