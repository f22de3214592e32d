"""Pages of rows that are ordered by a moment and an id, and the cursors between them.

A cursor carries the time range in absolute times and the last row given; rows that come later are
newer and stand before the first page, so they never shift a later one.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.access.parameters import LIMIT_MAX
from clew.base.times import TIME_NS_MAX, TimeRange
from clew.store.database.where import count_rows
from clew.store.page import (
    check_digest,
    check_limit,
    decode_cursor,
    digest_question,
    encode_cursor,
)

if TYPE_CHECKING:
    from clew.access.parameters import (
        AuditQuery,
        GrantQuery,
        KeyQuery,
        RevokedKeyQuery,
        RoleRefQuery,
    )
    from clew.store.database.contract import Database, Reading
    from clew.store.database.where import Where

    Query = KeyQuery | RoleRefQuery | GrantQuery | RevokedKeyQuery | AuditQuery

_VERSION: Final = 1
_ID_CHARS_MAX: Final = 128

ALL_TIME: Final = TimeRange()


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Go on after the row `id` of the moment `at`, among those from `start` to `end`."""

    version: int
    digest: bytes
    start: int | None
    end: int | None
    at: int
    id: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a list is of: `what` it shows, rows of `table`, ordered by their moment `at`."""

    what: str
    table: str
    at: str


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, the newest first; how many there are in all, or `most`; and the next page's cursor."""

    rows: list[dict[str, Any]]
    total: int
    next: str | None


def read_cursor(query: Query, source: Source) -> Cursor | None:
    """Return where the page that is asked for goes on; None for the first one.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit out of bounds, for a cursor that is none of ours,
            and for one of another question.
    """
    check_limit(query.limit, LIMIT_MAX)
    if query.next is None:
        return None
    cursor = decode_cursor(query.next, Cursor, _is_sound)
    check_digest(cursor.digest, digest_question(source.what, query))
    return cursor


def read_page(
    database: Database,
    query: Query,
    source: Source,
    where: Where,
    *,
    window: TimeRange = ALL_TIME,
    most: int | None = None,
) -> Page:
    """Return the page of the matching rows that is asked for. Blocks.

    `window` is a time range that later pages share; whoever calls has put it into `where`. Matching
    rows are counted up to `most`.

    Raises:
        ClewError: as `read_cursor`.
    """
    cursor = read_cursor(query, source)
    beyond = where
    if cursor is not None:
        beyond = where.narrowed(
            f"({source.at} < :_at OR ({source.at} = :_at AND id < :_id))",
            _at=cursor.at,
            _id=cursor.id,
        )

    def work(reading: Reading) -> tuple[list[dict[str, Any]], int]:
        rows = reading.rows(
            f"SELECT * FROM {source.table}{beyond.sql}"
            f" ORDER BY {source.at} DESC, id DESC LIMIT :_limit",
            beyond.bound(_limit=query.limit + 1),
        )
        return rows, count_rows(reading, source.table, where, most=most)

    found, total = database.read(work)
    rows = found[: query.limit]
    has_more = len(found) > query.limit
    following = _write_cursor(query, source, window, rows[-1]) if has_more else None
    return Page(rows, total, following)


def _write_cursor(query: Query, source: Source, window: TimeRange, row: dict[str, Any]) -> str:
    place = (window.start, window.end, row[source.at], row["id"])
    return encode_cursor(Cursor(_VERSION, digest_question(source.what, query), *place))


def _is_sound(cursor: Cursor) -> bool:
    numbers = (cursor.start or 0, cursor.end or 0, cursor.at)
    return (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in numbers)
        and len(cursor.id) <= _ID_CHARS_MAX
        and "\0" not in cursor.id
    )
