"""Pages of lists that are computed whole: services, operations, conversations, log patterns.

Such a list is ordered by a figure, not by time, so each record that comes in may change its order
anywhere, and no item marks a place in it. What can be held is what the list is computed of: the
cursor carries the time range in absolute times, the newest frame of the first page, and the moment
it was asked. Later pages are computed of the same records, whatever came since, so the list is the
same and a page is a slice of it. (Only records that the store drops by their age are missing from
it.) A digest of the question is in the cursor as well: an offset means nothing in another list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

import msgspec

from clew.base.times import TIME_NS_MAX, TimeRange
from clew.store import page as pages
from clew.store.page import decode_cursor, digest_question, encode_cursor
from clew.store.table import FRAME
from clew.telemetry.query.cursor import FRAME_MAX, check_question, digest_times
from clew.telemetry.query.parameters import LIMIT_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.engine.contract import Snapshot

Item = TypeVar("Item")

OFFSET_MAX: Final = 2**40
"""No list is as long: it bounds what a made-up cursor asks for."""


class SlicedQuery(Protocol):
    """What the parameters of every such list have; they are structs, of which digests are taken."""

    @property
    def limit(self) -> int:
        """How many items."""
        ...

    @property
    def next(self) -> str | None:
        """The cursor of the page before."""
        ...


class _Wire(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    digest: bytes
    times: bytes
    start: int | None
    end: int | None
    frame: int
    now: int | None
    offset: int


_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Slice:
    """Which items of which list: `limit` of them from `offset`.

    The list is of the records in `window` up to the frame `frame`, as it was at `now`, when its
    first page was asked for. `condition` keeps just those records: it goes into the WHERE of every
    scan that the list is computed of. `question` and `times` are digests of what was asked.
    """

    offset: int
    limit: int
    window: TimeRange
    frame: int
    now: int
    condition: str
    question: bytes
    times: bytes


def read_slice(
    kind: str,
    query: msgspec.Struct,
    snapshot: Snapshot,
    *,
    window: TimeRange,
    now: int,
) -> Slice:
    """Return the slice of the list of a kind that a question asks for.

    `window` and `now` are those of a first page; a cursor brings its own.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit out of bounds, or a cursor that is not ours or of
            another question.
    """
    asked = cast("SlicedQuery", query)
    check_limit(asked.limit)
    question, times = digest_question(kind, query), digest_times(query)
    if asked.next is None:
        return Slice(0, asked.limit, window, snapshot.acked, now, "1", question, times)
    wire = decode_cursor(asked.next, _Wire, _is_sound)
    check_question(wire.digest, wire.times, kind, query)
    return Slice(
        wire.offset,
        asked.limit,
        TimeRange(wire.start, wire.end),
        wire.frame,
        now if wire.now is None else wire.now,
        # The engine cuts at the snapshot's own frame; a later page is cut where the first was.
        f"{FRAME} <= {wire.frame}" if wire.frame < snapshot.acked else "1",
        question,
        wire.times,
    )


def cut_slice(items: Sequence[Item], page: Slice) -> tuple[list[Item], str | None]:
    """Return the items of the slice, and the cursor of the next one where there is one."""
    end = page.offset + page.limit
    shown = list(items[page.offset : end])
    return shown, None if end >= len(items) else next_cursor(page)


def next_cursor(page: Slice) -> str:
    """Return the cursor of the slice after one."""
    return encode_cursor(
        _Wire(
            _VERSION,
            page.question,
            page.times,
            page.window.start,
            page.window.end,
            page.frame,
            # A range that ends somewhere is the same whenever it is asked for.
            page.now if page.window.end is None else None,
            page.offset + page.limit,
        )
    )


def check_limit(limit: int) -> None:
    """Raise ClewError(INVALID_ARGUMENT) for a page that no list of telemetry has."""
    pages.check_limit(limit, LIMIT_MAX)


def _is_sound(wire: _Wire) -> bool:
    """Whether the numbers can be true; anyone can write a cursor, and they go into SQL."""
    times = [time for time in (wire.start, wire.end, wire.now) if time is not None]
    return (
        wire.version == _VERSION
        and all(0 <= time <= TIME_NS_MAX for time in times)
        and 0 <= wire.frame <= FRAME_MAX
        and 0 < wire.offset <= OFFSET_MAX
    )
