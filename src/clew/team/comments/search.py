"""Pages of comments: which ones a question means, and where the page ends."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import parse_span_id, parse_trace_id
from clew.base.times import TimeRange, format_time, parse_range
from clew.store.database.contract import Dialect
from clew.team.comments.cursor import Cursor, digest_question, read_cursor, write_cursor
from clew.team.comments.documents import Comment, CommentList
from clew.team.comments.parameters import LIMIT_MAX
from clew.team.comments.words import match_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.database.contract import Reading, Value
    from clew.team.comments.parameters import CommentQuery

PAGE_BYTES_MAX: Final = 16 << 20
"""Bodies on one page: what a client still reads at once; fifty thousand comments of some length."""

COLUMNS: Final = "id, trace_id, span_id, author, owner, body, created_at, updated_at"

_HAS_WORDS: Final = {
    Dialect.SQLITE: "seq IN (SELECT rowid FROM comment_words WHERE comment_words MATCH :words)",
    Dialect.POSTGRES: "words @@ CAST(CAST(:words AS text) AS tsquery)",
}

_BODY_BYTES: Final = {
    Dialect.SQLITE: "length(CAST(body AS BLOB))",
    Dialect.POSTGRES: "octet_length(body)",
}


def comment_of(row: dict[str, Any]) -> Comment:
    """Return the document of a row read with `COLUMNS`."""
    updated_at = row["updated_at"]
    return Comment(
        id=row["id"],
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        author=row["author"],
        owner=row["owner"],
        body=row["body"],
        created_at=format_time(row["created_at"]),
        updated_at=None if updated_at is None else format_time(updated_at),
    )


def find_comments(reading: Reading, query: CommentQuery, now: int) -> CommentList:
    """Return one page of matching comments.

    A page ends at its limit, or before that where the next body would not fit into
    `PAGE_BYTES_MAX`; then `truncated` and `next` say that it goes on.

    Raises:
        ClewError: INVALID_ARGUMENT for a limit, a time, an id, a text or a cursor that makes no
            sense.
    """
    _check_limit(query.limit)
    if query.next is None:
        window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
        top = _one(reading, "SELECT coalesce(max(seq), 0) AS top FROM comments")
        after = None
    else:
        cursor = read_cursor(query.next, query)
        window, top, after = TimeRange(cursor.start, cursor.end), cursor.top, cursor.after
    which = _conditions(query, window, top, reading.dialect)
    total = _one(reading, f"SELECT count(*) AS n FROM comments WHERE {which.sql}", which)
    is_newest_first = query.order == "newest"
    seqs, has_more = _page(reading, which, query.limit, after, is_newest_first=is_newest_first)
    rows = _rows(reading, which, seqs, is_newest_first=is_newest_first)
    following = None
    if has_more:
        going_on = Cursor(
            digest=digest_question(query),
            start=window.start,
            end=window.end,
            top=top,
            after=seqs[-1],
        )
        following = write_cursor(going_on)
    return CommentList(
        comments=[comment_of(row) for row in rows],
        count=len(rows),
        total=total,
        truncated=has_more,
        next=following,
    )


@dataclass(frozen=True, slots=True)
class _Which:
    """A condition over comments, and what is bound in it."""

    sql: str
    parameters: dict[str, Value]


def _conditions(query: CommentQuery, window: TimeRange, top: int, dialect: Dialect) -> _Which:
    conditions = ["seq <= :top"]
    bound: dict[str, Value] = {"top": top}
    if query.trace_id is not None:
        conditions.append("trace_id = :trace_id")
        bound["trace_id"] = parse_trace_id(query.trace_id)
    if query.span_id is not None:
        conditions.append("span_id = :span_id")
        bound["span_id"] = parse_span_id(query.span_id)
    if query.author is not None:
        conditions.append("author = :author")
        bound["author"] = query.author
    if query.text is not None:
        conditions.append(_HAS_WORDS[dialect])
        bound["words"] = match_expression(query.text, dialect)
    if window.start is not None:
        conditions.append("created_at >= :start")
        bound["start"] = window.start
    if window.end is not None:
        conditions.append("created_at < :end")
        bound["end"] = window.end
    return _Which(" AND ".join(conditions), bound)


def _page(
    reading: Reading, which: _Which, limit: int, after: int | None, *, is_newest_first: bool
) -> tuple[list[int], bool]:
    """Return the numbers of the comments on a page, and whether more follow.

    Sizes are read before bodies: a hundred thousand of the largest would not fit into memory.
    """
    beyond = "" if after is None else f" AND seq {'<' if is_newest_first else '>'} :after"
    found = reading.rows(
        f"SELECT seq, {_BODY_BYTES[reading.dialect]} AS size FROM comments"
        f" WHERE {which.sql}{beyond}"
        f" ORDER BY seq {'DESC' if is_newest_first else 'ASC'} LIMIT :limit",
        {**which.parameters, "limit": limit + 1} | ({} if after is None else {"after": after}),
    )
    seqs: list[int] = []
    room = PAGE_BYTES_MAX
    for row in found[:limit]:
        room -= row["size"]
        if seqs and room < 0:
            break
        seqs.append(row["seq"])
    return seqs, len(found) > len(seqs)


def _rows(
    reading: Reading, which: _Which, seqs: Sequence[int], *, is_newest_first: bool
) -> list[dict[str, Any]]:
    """Return the rows of a page; it is what matches between its first comment and its last."""
    if not seqs:
        return []
    return reading.rows(
        f"SELECT {COLUMNS} FROM comments WHERE {which.sql} AND seq BETWEEN :low AND :high"
        f" ORDER BY seq {'DESC' if is_newest_first else 'ASC'}",
        {**which.parameters, "low": min(seqs), "high": max(seqs)},
    )


def _one(reading: Reading, sql: str, which: _Which | None = None) -> int:
    (row,) = reading.rows(sql, which.parameters if which else None)
    return int(next(iter(row.values())))


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= LIMIT_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"limit must be between 1 and {LIMIT_MAX}",
            hint="ask for fewer, and follow next for the rest",
        )
