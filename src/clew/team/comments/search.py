"""Pages of comments: which ones a question means, and where the page ends."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clew.base.ids import parse_span_id, parse_trace_id
from clew.base.times import TimeRange, format_time, parse_range
from clew.store.database.contract import Dialect
from clew.store.database.where import Where, count_rows
from clew.store.page import check_limit
from clew.team.comments.cursor import read_cursor, write_cursor
from clew.team.comments.documents import Comment, CommentList
from clew.team.comments.parameters import LIMIT_MAX
from clew.team.comments.words import match_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.database.contract import Reading
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
    check_limit(query.limit, LIMIT_MAX)
    if query.next is None:
        window = parse_range(last=query.last, start=query.start, end=query.end, now=now)
        (newest,) = reading.rows("SELECT coalesce(max(seq), 0) AS seq FROM comments")
        top = int(newest["seq"])
        after = None
    else:
        cursor = read_cursor(query.next, query)
        window, top, after = TimeRange(cursor.start, cursor.end), cursor.top, cursor.after
    where = _conditions(query, window, top, reading.dialect)
    total = count_rows(reading, "comments", where)
    is_newest_first = query.order == "newest"
    seqs, has_more = _page(reading, where, query.limit, after, is_newest_first=is_newest_first)
    rows = _rows(reading, where, seqs, is_newest_first=is_newest_first)
    following = None
    if has_more:
        following = write_cursor(query, window, top, seqs[-1])
    return CommentList(
        comments=[comment_of(row) for row in rows],
        count=len(rows),
        total=total,
        truncated=has_more,
        next=following,
    )


def _conditions(query: CommentQuery, window: TimeRange, top: int, dialect: Dialect) -> Where:
    where = Where()
    where.add("seq <= :top", top=top)
    where.equal("trace_id", None if query.trace_id is None else parse_trace_id(query.trace_id))
    where.equal("span_id", None if query.span_id is None else parse_span_id(query.span_id))
    where.equal("author", query.author)
    if query.text is not None:
        where.add(_HAS_WORDS[dialect], words=match_expression(query.text, dialect))
    where.within("created_at", window)
    return where


def _page(
    reading: Reading, where: Where, limit: int, after: int | None, *, is_newest_first: bool
) -> tuple[list[int], bool]:
    """Return the numbers of the comments on a page, and whether more follow.

    Sizes are read before bodies: a hundred thousand of the largest would not fit into memory.
    """
    if after is not None:
        where = where.narrowed(f"seq {'<' if is_newest_first else '>'} :after", after=after)
    found = reading.rows(
        f"SELECT seq, {_BODY_BYTES[reading.dialect]} AS size FROM comments{where.sql}"
        f" ORDER BY seq {'DESC' if is_newest_first else 'ASC'} LIMIT :limit",
        where.bound(limit=limit + 1),
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
    reading: Reading, where: Where, seqs: Sequence[int], *, is_newest_first: bool
) -> list[dict[str, Any]]:
    """Return the rows of a page; it is what matches between its first comment and its last."""
    if not seqs:
        return []
    where = where.narrowed("seq BETWEEN :low AND :high", low=min(seqs), high=max(seqs))
    return reading.rows(
        f"SELECT {COLUMNS} FROM comments{where.sql}"
        f" ORDER BY seq {'DESC' if is_newest_first else 'ASC'}",
        where.parameters,
    )
