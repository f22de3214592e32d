"""Where a page of a time-ordered list ends, as opaque text that goes into a URL.

Lists run newest first: by time, then by frame, then by content. A cursor says how far the last page
went (`Position`) and fixes what the pages are cut from: the time range in absolute times, and the
newest frame of the first page. Rows that come later have later frames, so they never shift a page.
It also carries a digest of the question, since a position means nothing in another list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.times import TIME_NS_MAX, TimeRange
from clew.store.page import check_digest, decode_cursor, digest, digest_question, encode_cursor

if TYPE_CHECKING:
    from clew.telemetry.query.parameters import PageParameters

_VERSION: Final = 2

FRAME_MAX: Final = 2**64 - 1

# Rows of one request that carry one time: no request of the size that the doors admit holds more.
# It bounds what a made-up cursor can have skipped.
GIVEN_MAX: Final = 1_000_000

_TIMES: Final = ("last", "start", "end")


@dataclass(frozen=True, slots=True)
class Position:
    """The last row given: its time, its frame, and how many rows of both were given so far."""

    at: int
    frame: int
    given: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Go on after `position`, in what the first page was cut from; `seen` rows were given."""

    window: TimeRange
    frame: int
    position: Position
    seen: int


class _Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    digest: bytes
    times: bytes
    start: int | None
    end: int | None
    frame: int
    at: int
    at_frame: int
    given: int
    seen: int


def write_cursor(cursor: Cursor, kind: str, query: PageParameters) -> str:
    """Return the text of a cursor into the list of a kind that a question gives."""
    wire = _Wire(
        _VERSION,
        digest_question(kind, query),
        digest_times(query),
        cursor.window.start,
        cursor.window.end,
        cursor.frame,
        cursor.position.at,
        cursor.position.frame,
        cursor.position.given,
        cursor.seen,
    )
    return encode_cursor(wire)


def read_cursor(text: str, kind: str, query: PageParameters) -> Cursor:
    """Return the cursor that `write_cursor` wrote for the same question.

    The parameters of the time range may be left out with a cursor, since it carries the range.

    Raises:
        ClewError: INVALID_ARGUMENT when the text is none of ours, or of another question.
    """
    wire = decode_cursor(text, _Wire, _is_sound)
    check_question(wire.digest, wire.times, kind, query)
    position = Position(wire.at, wire.at_frame, wire.given)
    return Cursor(TimeRange(wire.start, wire.end), wire.frame, position, wire.seen)


def check_question(question: bytes, times: bytes, kind: str, query: msgspec.Struct) -> None:
    """Refuse a cursor, by its two digests, that is not of this question.

    The parameters of the time range may be left out: the cursor carries the range.
    """
    check_digest(question, digest_question(kind, query))
    if any(getattr(query, name, None) is not None for name in _TIMES):
        check_digest(times, digest_times(query))


def digest_times(query: msgspec.Struct) -> bytes:
    """Return what tells one time range from another, as they were asked for."""
    return digest({name: getattr(query, name, None) for name in _TIMES})


def _is_sound(wire: _Wire) -> bool:
    """Whether the numbers can be true; anyone can write a cursor, and they go into SQL."""
    times = [time for time in (wire.start, wire.end, wire.at) if time is not None]
    return (
        wire.version == _VERSION
        and all(0 <= time <= TIME_NS_MAX for time in times)
        and 0 <= wire.frame <= FRAME_MAX
        and 0 <= wire.at_frame <= wire.frame
        and 1 <= wire.given <= min(wire.seen, GIVEN_MAX)
    )
