"""Lists that several servers keep parts of: one order, and a cursor that holds a place in each.

Each shard is asked for a page of its own list; the pages are merged by what they are sorted by,
rows of equal keys in the order of the shards. A page ends at its limit, or where a shard has shown
all of its page and has more: what comes next may be there.

What is left over of a shard's page is read again for the page that follows: its cursor stays where
that page began, with the id of the row to go on at. So what is new since never shifts a page, even
where the shard's first page, which has no cursor, is read again; a row that has gone meanwhile is
made up for by counting. Relative times are taken at the moment of the first page.
"""

from __future__ import annotations

import base64
import binascii
import functools
import heapq
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import note_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.remote.http import Server
    from clew.remote.shards import Shards

Row = TypeVar("Row")

_VERSION: Final = 1

CURSOR_BYTES_MAX: Final = 64 << 10
"""Of a cursor, unpacked: sixty-four shards with the longest cursors that lists have."""

CURSOR_CHARS_MAX: Final = 32 << 10
"""Of its text: what a query string may hold beside it."""


@dataclass(frozen=True, slots=True)
class Part(Generic[Row]):
    """A page of one shard's list. `total` is what its list has in all, or at least."""

    rows: Sequence[Row]
    next: str | None
    total: int
    is_total_exact: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What one shard is asked for: so many rows after a cursor, times as of a moment."""

    at: int
    limit: int
    next: str | None


@dataclass(frozen=True, slots=True)
class Merged(Generic[Row]):
    """A page over all shards: rows with the name of their shard."""

    rows: list[tuple[str, Row]]
    next: str | None
    total: int
    is_total_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[Row]):
    """A list that shards keep parts of.

    `ask` asks one shard; `key` is what its rows are sorted by, `reverse` whether the largest comes
    first; `name` is a row's id within its shard; `most` is the largest page that a shard gives.
    `digest` tells this question from others, whatever its page.
    """

    ask: Callable[[Server, Asked], Part[Row]]
    key: Callable[[Row], str]
    name: Callable[[Row], str]
    reverse: bool
    most: int
    digest: bytes


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a shard's list goes on: at `head`, about `given` rows after the cursor."""

    cursor: str | None = None
    head: str = ""
    given: int = 0


class _Cursor(msgspec.Struct, frozen=True, array_like=True):
    """`over` counts the rows of shards that have shown all of theirs; `absent` did not answer."""

    version: int
    digest: bytes
    at: int
    places: dict[str, _Place]
    over: int
    is_exact: bool
    absent: list[str]


@dataclass(frozen=True, slots=True)
class _Unread(Generic[Row]):
    """The rest of a shard's page, which began at `cursor` and `given` rows before."""

    cursor: str | None
    given: int
    rows: Sequence[Row]
    next: str | None
    total: int
    is_exact: bool


def merge_lists(
    shards: Shards, listing: Listing[Row], *, limit: int, following: str | None, now: int
) -> Merged[Row]:
    """Return one page of a list over all shards; `following` is the cursor of the page before.

    Raises:
        ClewError: INVALID_ARGUMENT for a cursor that is none, or of another question; what
            `Shards.ask` raises.
    """
    if following is None:
        places = {shard.name: _Place() for shard in shards.shards}
        cursor = _Cursor(_VERSION, listing.digest, now, places, 0, True, [])
    else:
        cursor = _read(following, listing.digest, {shard.name for shard in shards.shards})
    for name in cursor.absent:
        note_missing(name, "it did not answer when the list was begun")
    gathered = shards.ask_each(
        {
            name: functools.partial(_read_on, listing, cursor.at, place, limit)
            for name, place in cursor.places.items()
        }
    )
    unread = {shard.name: rest for shard, rest in gathered.answers}
    rows = _merge(listing, unread, limit)
    return _finish(listing, cursor, unread, rows, [shard.name for shard, _ in gathered.missing])


def _read_on(
    listing: Listing[Row], at: int, place: _Place, limit: int, server: Server
) -> _Unread[Row]:
    """Return the rest of the page of one shard in which its list goes on."""
    wanted = min(limit + place.given, listing.most)
    first = part = listing.ask(server, Asked(at, wanted, place.cursor))
    cursor = place.cursor
    while place.head:
        names = [listing.name(row) for row in part.rows]
        if place.head in names:
            return _rest(part, cursor, names.index(place.head))
        if part.next is None:
            break
        cursor = part.next
        part = listing.ask(server, Asked(at, wanted, cursor))
    rest = _rest(first, place.cursor, min(place.given, len(first.rows)))
    if rest.rows or rest.next is None:
        return rest
    return _rest(listing.ask(server, Asked(at, wanted, rest.next)), rest.next, 0)


def _rest(part: Part[Row], cursor: str | None, given: int) -> _Unread[Row]:
    rows = part.rows[given:]
    return _Unread(cursor, given, rows, part.next, part.total, part.is_total_exact)


def _merge(
    listing: Listing[Row], unread: dict[str, _Unread[Row]], limit: int
) -> list[tuple[str, Row]]:
    """Return the rows of the page, which ends where a shard may have something to come first."""
    merged = heapq.merge(
        *(_keyed(listing, name, rest) for name, rest in unread.items()),
        key=lambda one: one[0],
        reverse=listing.reverse,
    )
    page: list[tuple[str, Row]] = []
    for _, name, row in merged:
        if row is None or len(page) == limit:
            break
        page.append((name, row))
    return page


def _keyed(
    listing: Listing[Row], name: str, rest: _Unread[Row]
) -> list[tuple[str, str, Row | None]]:
    """Return rows with what they are merged by; past the last one a mark if there are more.

    A list may hold a row out of turn, such as a comment that came from a team. It comes with the
    row before it, so that no shard's own order is changed.
    """
    keyed: list[tuple[str, str, Row | None]] = []
    nearest = min if listing.reverse else max
    for row in rest.rows:
        key = listing.key(row)
        keyed.append((nearest(key, keyed[-1][0]) if keyed else key, name, row))
    if rest.next is not None and keyed:
        keyed.append((keyed[-1][0], name, None))
    return keyed


def _finish(
    listing: Listing[Row],
    cursor: _Cursor,
    unread: dict[str, _Unread[Row]],
    rows: list[tuple[str, Row]],
    missing: list[str],
) -> Merged[Row]:
    places: dict[str, _Place] = {}
    over, is_exact, total = cursor.over, cursor.is_exact, cursor.over
    for name, rest in unread.items():
        total += rest.total
        is_exact = is_exact and rest.is_exact
        given = sum(owner == name for owner, _ in rows)
        if given < len(rest.rows):
            head = listing.name(rest.rows[given])
            places[name] = _Place(rest.cursor, head, rest.given + given)
        elif rest.next is not None:
            places[name] = _Place(rest.next)
        else:
            over += rest.total
    absent = list(cursor.absent)
    for name in missing:
        # Who is away for a page goes on where it was; who was away from the start stays away.
        if cursor.places[name] == _Place():
            absent.append(name)
        else:
            places[name] = cursor.places[name]
    following = None
    if places:
        told = (_VERSION, listing.digest, cursor.at, places, over, is_exact, absent)
        following = _write(_Cursor(*told))
    return Merged(rows, following, total, is_exact)


def _write(cursor: _Cursor) -> str:
    packed = zlib.compress(msgspec.msgpack.encode(cursor))
    return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def _read(text: str, digest: bytes, names: set[str]) -> _Cursor:
    cursor = _decode(text)
    if cursor is None or cursor.version != _VERSION or not names.issuperset(cursor.places):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next is not a cursor of this list",
            hint="give next exactly as the page before gave it, or leave it out to begin anew",
        )
    if cursor.digest != digest:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next belongs to another question",
            hint="repeat the filters of the page before, or leave next out to begin anew",
        )
    return cursor


def _decode(text: str) -> _Cursor | None:
    if not text.isascii() or len(text) > CURSOR_CHARS_MAX:
        return None
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpacking = zlib.decompressobj()
        raw = unpacking.decompress(packed, CURSOR_BYTES_MAX)
        cursor = msgspec.msgpack.decode(raw, type=_Cursor)
    except (binascii.Error, zlib.error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    sound = all(0 <= place.given < 2**31 for place in cursor.places.values())
    return cursor if sound and 0 <= cursor.at < 2**63 and 0 <= cursor.over < 2**63 else None
