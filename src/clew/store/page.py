"""Pages of lists: how large one may be, and where it ends, as opaque text that goes into a URL.

What a cursor carries is its list's own: a struct with the place that the next page begins at, and
a digest of the question, since a place means nothing in another list. What makes a text of it, and
when one is refused, is the same for all. It stands here and not in `clew.base`, which has the
standard library alone.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DIGEST_BYTES: Final = 8

_CURSOR_CHARS_MAX: Final = 4096
"""Most cursors have about a hundred; one that carries a path 32 levels deep takes 1 200."""

_NO_PART_OF_THE_QUESTION: Final = frozenset(
    {"limit", "next", "count", "last", "start", "end", "max_chars", "full"}
)
"""How much of a list is shown, and when: a page may be larger than the one before, and its texts
longer; and a cursor carries the time range in absolute times."""

Carried = TypeVar("Carried", bound=msgspec.Struct)


def check_limit(limit: int, most: int) -> None:
    """Raise ClewError(INVALID_ARGUMENT) for a page of no size, or of more than `most` items."""
    if not 1 <= limit <= most:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {most}",
            hint="ask for fewer, and follow next for the rest",
        )


def encode_cursor(cursor: msgspec.Struct) -> str:
    """Return a cursor as text that goes into a URL as it is."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode("ascii").rstrip("=")


def decode_cursor(text: str, kind: type[Carried], is_sound: Callable[[Carried], bool]) -> Carried:
    """Return the cursor that `encode_cursor` wrote.

    Anyone can write a cursor, and its values go into a statement: `is_sound` says whether they can
    be true. `check_digest` says whether it is of the question.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is no cursor of this kind.
    """
    cursor = _decode(text, kind)
    if cursor is None or not is_sound(cursor):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next is not a cursor of this list",
            hint="give next exactly as the page before gave it, or leave it out to begin anew",
        )
    return cursor


def check_digest(carried: bytes, asked: bytes) -> None:
    """Raise ClewError(INVALID_ARGUMENT) for a cursor whose digest is not of what is asked."""
    if carried != asked:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next belongs to another question",
            hint="repeat the filters of the page before, or leave next out to begin anew",
        )


def digest_question(about: str, query: msgspec.Struct) -> bytes:
    """Return what tells one question from another, whatever its page and its times.

    `about` names the list, and what else the question is of.
    """
    asked = msgspec.structs.asdict(query)
    named = {name: asked[name] for name in asked if name not in _NO_PART_OF_THE_QUESTION}
    return digest({"list of": about, **named})


def digest(document: Mapping[str, object]) -> bytes:
    """Return what tells one document from another."""
    text = msgspec.json.encode(document, order="deterministic")
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _decode(text: str, kind: type[Carried]) -> Carried | None:
    if not text.isascii() or len(text) > _CURSOR_CHARS_MAX:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(raw, type=kind)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
