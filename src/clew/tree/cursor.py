"""The cursors between pages: the last item of a page, by what the list is ordered by."""

from __future__ import annotations

from typing import Final

import msgspec

from clew.base.times import TIME_NS_MAX
from clew.store.page import check_digest, decode_cursor, digest_question, encode_cursor

_VERSION: Final = 1


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    digest: bytes
    number: int
    text: str
    anchor: int


class Mark(msgspec.Struct, frozen=True):
    """Where a page ended: at the item `(number, text)`.

    `anchor` is a moment in Unix nanoseconds that was relative to now; all pages share it.
    """

    number: int = 0
    text: str = ""
    anchor: int = 0


def write_cursor(query: msgspec.Struct, about: str, mark: Mark) -> str:
    """Return the cursor that goes on after a mark; `about` is what else the question names."""
    question = digest_question(about, query)
    return encode_cursor(_Cursor(_VERSION, question, mark.number, mark.text, mark.anchor))


def read_cursor(text: str | None, query: msgspec.Struct, about: str) -> Mark | None:
    """Return the mark that `write_cursor` wrote for the same question.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is none of ours, or of another question.
    """
    if text is None:
        return None
    cursor = decode_cursor(text, _Cursor, _is_sound)
    check_digest(cursor.digest, digest_question(about, query))
    return Mark(cursor.number, cursor.text, cursor.anchor)


def _is_sound(cursor: _Cursor) -> bool:
    return (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in (cursor.number, cursor.anchor))
        and "\0" not in cursor.text
    )
