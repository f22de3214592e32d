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
from clew.base.gathering import GATHERING, note_missing

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

_MARK: Final = "."
"""Stands between a cursor and the moment of shards; base64 has no such character."""

_FRAME_END: Final = 2**48
"""What frames of shards are below (`clew.store.engine.sharded`)."""

_ABSENT: Final = -1
"""Stands for the frame of a shard that did not answer when the list was begun: the pages lack all
of its rows, and those that follow are to say so too. One that had no rows yet has the frame 0."""


class _Moment(msgspec.Struct, frozen=True, array_like=True):
    """The moment of a list over shards: a frame of each, in the order of their names.

    `shards` tells those shards from others: the frames of one say nothing of another.
    """

    shards: bytes
    frames: tuple[int, ...]


Carried = TypeVar("Carried", bound=msgspec.Struct)
_Decoded = TypeVar("_Decoded")


def check_limit(limit: int, most: int) -> None:
    """Raise ClewError(INVALID_ARGUMENT) for a page of no size, or of more than `most` items."""
    if not 1 <= limit <= most:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {most}",
            hint="ask for fewer, and follow next for the rest",
        )


def encode_cursor(cursor: msgspec.Struct) -> str:
    """Return a cursor as text that goes into a URL as it is.

    Over shards it carries the moment of the request as well: a frame for each shard.
    """
    text = _encode(cursor)
    gathering = GATHERING.get()
    if gathering is None or gathering.frames is None:
        return text
    frames = tuple(
        _ABSENT if not frame and name in gathering.missing else frame
        for name, frame in zip(gathering.shards, gathering.frames, strict=True)
    )
    return f"{text}{_MARK}{_encode(_Moment(digest({'shards': gathering.shards}), frames))}"


def decode_cursor(text: str, kind: type[Carried], is_sound: Callable[[Carried], bool]) -> Carried:
    """Return the cursor that `encode_cursor` wrote.

    Anyone can write a cursor, and its values go into a statement: `is_sound` says whether they can
    be true. `check_digest` says whether it is of the question.

    Over shards the request is pinned to the moment that it carries: whatever is read from here on,
    by snapshots that were taken before as well, is cut there.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is no cursor of this kind.
    """
    text, mark, moment = text.partition(_MARK)
    cursor = _decode(text, kind)
    if cursor is None or not is_sound(cursor) or not _pin(moment if mark else None):
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


def _encode(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).decode("ascii").rstrip("=")


def _pin(moment: str | None) -> bool:
    """Pin the request to the moment that a cursor carries; return whether it is one of ours."""
    gathering = GATHERING.get()
    if moment is None or gathering is None or not gathering.shards:
        return moment is None
    names = gathering.shards
    carried = _decode(moment, _Moment)
    if carried is None or carried.shards != digest({"shards": names}):
        return False
    frames = carried.frames
    if len(frames) != len(names) or not all(_ABSENT <= frame < _FRAME_END for frame in frames):
        return False
    for name, frame in zip(names, frames, strict=True):
        if frame == _ABSENT:
            note_missing(name, "it did not answer when the list was begun")
    gathering.frames = tuple(max(0, frame) for frame in frames)
    gathering.is_pinned = True
    return True


def _decode(text: str, kind: type[_Decoded]) -> _Decoded | None:
    if not text.isascii() or len(text) > _CURSOR_CHARS_MAX:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(raw, type=kind)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
