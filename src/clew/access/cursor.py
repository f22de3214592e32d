"""Pages of rows that are ordered by a moment and an id, and the cursors between them.

A cursor carries the time range in absolute times and the last row given; rows that come later are
newer and stand before the first page, so they never shift a later one.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.access.parameters import LIMIT_MAX
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX

if TYPE_CHECKING:
    from clew.store.database.contract import Reading, Value

_VERSION: Final = 1
_DIGEST_BYTES: Final = 8
_CURSOR_CHARS_MAX: Final = 512
_ID_CHARS_MAX: Final = 128
_NO_PART_OF_THE_QUESTION: Final = frozenset({"limit", "next", "last", "start", "end"})


class Cursor(
    msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True
):
    """Go on after the row `id` of the moment `at`, among those from `start` to `end`."""

    version: int = _VERSION
    digest: bytes
    start: int | None
    end: int | None
    at: int
    id: str


@dataclass(slots=True)
class Which:
    """A condition over rows of a table, and what is bound in it."""

    table: str
    at: str
    conditions: list[str] = field(default_factory=list)
    parameters: dict[str, Value] = field(default_factory=dict)

    def add(self, condition: str, **parameters: Value) -> None:
        """Narrow it."""
        self.conditions.append(condition)
        self.parameters.update(parameters)

    def equal(self, column: str, value: Value) -> None:
        """Narrow it to one value, if there is one."""
        if value is not None:
            self.add(f"{column} = :{column}", **{column: value})

    @property
    def sql(self) -> str:
        """The condition."""
        return " AND ".join(self.conditions) or "1 = 1"


def read_page(
    reading: Reading, which: Which, limit: int, cursor: Cursor | None
) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of a page, the newest first, and whether more follow."""
    beyond, bound = "", dict(which.parameters)
    if cursor is not None:
        beyond = f" AND ({which.at} < :_at OR ({which.at} = :_at AND id < :_id))"
        bound |= {"_at": cursor.at, "_id": cursor.id}
    rows = reading.rows(
        f"SELECT * FROM {which.table} WHERE {which.sql}{beyond}"
        f" ORDER BY {which.at} DESC, id DESC LIMIT :_limit",
        {**bound, "_limit": limit + 1},
    )
    return rows[:limit], len(rows) > limit


def count_rows(reading: Reading, which: Which, most: int) -> int:
    """Return how many rows there are, `most` when there are more."""
    (row,) = reading.rows(
        f"SELECT count(*) AS n FROM (SELECT 1 AS one FROM {which.table} WHERE {which.sql}"
        " LIMIT :_most) AS counted",
        {**which.parameters, "_most": most},
    )
    return int(row["n"])


def check_limit(limit: int) -> None:
    """Raise ClewError(INVALID_ARGUMENT) for a page of no size."""
    if not 1 <= limit <= LIMIT_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {LIMIT_MAX}",
            hint="ask for fewer, and follow next for the rest",
        )


def write_cursor(
    query: msgspec.Struct,
    row: dict[str, Any],
    at: str,
    *,
    start: int | None = None,
    end: int | None = None,
) -> str:
    """Return the cursor that goes on after a row."""
    cursor = Cursor(digest=_digest(query), start=start, end=end, at=row[at], id=row["id"])
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode("ascii").rstrip("=")


def read_cursor(text: str | None, query: msgspec.Struct) -> Cursor | None:
    """Return the cursor that `write_cursor` wrote for the same question.

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
    if cursor.digest != _digest(query):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "next belongs to another question",
            hint="repeat the filters of the page before, or leave next out to begin anew",
        )
    return cursor


def _digest(query: msgspec.Struct) -> bytes:
    asked = msgspec.structs.asdict(query)
    named = {name: asked[name] for name in asked if name not in _NO_PART_OF_THE_QUESTION}
    named["_"] = type(query).__name__
    text = msgspec.json.encode(named, order="deterministic")
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _decode(text: str) -> Cursor | None:
    if not text.isascii() or len(text) > _CURSOR_CHARS_MAX:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(raw, type=Cursor)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    # Anyone can write a cursor; its values go into a statement.
    numbers = (cursor.start or 0, cursor.end or 0, cursor.at)
    is_sound = (
        cursor.version == _VERSION
        and all(0 <= each <= TIME_NS_MAX for each in numbers)
        and len(cursor.id) <= _ID_CHARS_MAX
        and "\0" not in cursor.id
    )
    return cursor if is_sound else None
