"""The cursors between pages: the last item of a page, by what the list is ordered by."""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX

_VERSION: Final = 1
_DIGEST_BYTES: Final = 8

_CURSOR_CHARS_MAX: Final = 4096
"""The path of an app 32 levels deep takes 1 200 characters."""

_NO_PART_OF_THE_QUESTION: Final = frozenset({"limit", "next"})


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after the item `(number, text)`. `anchor` is a moment that all pages share."""

    version: int
    digest: bytes
    number: int
    text: str
    anchor: int


class Mark(msgspec.Struct, frozen=True):
    """Where a page ended. `anchor` is a moment in Unix nanoseconds that was relative to now."""

    number: int = 0
    text: str = ""
    anchor: int = 0


def write_cursor(query: msgspec.Struct, about: str, mark: Mark) -> str:
    """Return the cursor that goes on after a mark; `about` is what else the question names."""
    cursor = _Cursor(_VERSION, _digest(query, about), mark.number, mark.text, mark.anchor)
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode("ascii").rstrip("=")


def read_cursor(text: str | None, query: msgspec.Struct, about: str) -> Mark | None:
    """Return the mark that `write_cursor` wrote for the same question.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is none of ours, or of another question.
    """
    if text is None:
        return None
    cursor = _decode(text)
    if cursor is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next is not a cursor of this list",
            hint="give next exactly as the page before gave it, or leave it out to begin anew",
        )
    if cursor.digest != _digest(query, about):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next belongs to another question",
            hint="repeat the filters of the page before, or leave next out to begin anew",
        )
    return Mark(cursor.number, cursor.text, cursor.anchor)


def _digest(query: msgspec.Struct, about: str) -> bytes:
    asked = msgspec.structs.asdict(query)
    named = {name: asked[name] for name in asked if name not in _NO_PART_OF_THE_QUESTION}
    text = msgspec.json.encode([type(query).__name__, about, named], order="deterministic")
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _decode(text: str) -> _Cursor | None:
    if not text.isascii() or len(text) > _CURSOR_CHARS_MAX:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(raw, type=_Cursor)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    # Anyone can write a cursor; its values go into a statement.
    is_sound = (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in (cursor.number, cursor.anchor))
        and "\0" not in cursor.text
    )
    return cursor if is_sound else None
