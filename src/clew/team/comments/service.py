"""Comments over the registry database: the one place that every surface asks."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from clew.access.authority import decide
from clew.access.caller import LOCAL, CallerKind, Verb
from clew.base.errors import ClewError, ErrorCode
from clew.base.ids import new_uuid, parse_span_id, parse_trace_id, parse_uuid
from clew.store.database.contract import Dialect
from clew.team.comments.mirror import is_mirrored
from clew.team.comments.parameters import (
    AUTHOR_CHARS_MAX,
    AUTHOR_DEFAULT,
    BODY_BYTES_MAX,
)
from clew.team.comments.search import COLUMNS, comment_of, find_comments
from clew.team.comments.words import word_positions

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from clew.access.caller import Caller
    from clew.store.database.contract import Database, Reading, Transaction, Value
    from clew.team.comments import parameters as ask
    from clew.team.comments.contract import CommentSharing, Findings
    from clew.team.comments.documents import Comment, CommentList

_WORDS: Final = "CAST(CAST(:words AS text) AS tsvector)"

_INSERT: Final = {
    Dialect.SQLITE: (
        "INSERT INTO comments (id, trace_id, span_id, author, owner, body, created_at)"
        " VALUES (:id, :trace_id, :span_id, :author, :owner, :body, :created_at)"
        f" RETURNING {COLUMNS}"
    ),
    Dialect.POSTGRES: (
        "INSERT INTO comments (id, trace_id, span_id, author, owner, body, created_at, words)"
        f" VALUES (:id, :trace_id, :span_id, :author, :owner, :body, :created_at, {_WORDS})"
        f" RETURNING {COLUMNS}"
    ),
}

_UPDATE: Final = {
    Dialect.SQLITE: (
        f"UPDATE comments SET body = :body, updated_at = :now WHERE id = :id RETURNING {COLUMNS}"
    ),
    Dialect.POSTGRES: (
        f"UPDATE comments SET body = :body, words = {_WORDS}, updated_at = :now WHERE id = :id"
        f" RETURNING {COLUMNS}"
    ),
}

_KNOWN: Final = frozenset({CallerKind.KEY, CallerKind.APP})
"""Callers that have proved who they are, or were let in as somebody."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class TeamComments:
    """Implements `clew.team.comments.contract.Comments`, which says what each call does."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], int],
        findings: Findings | None = None,
        sharing: CommentSharing | None = None,
    ) -> None:
        """Keep comments in a database; `now` gives Unix nanoseconds."""
        self._database = database
        self._now = now
        self._findings = findings
        self._sharing = sharing

    def add(
        self,
        trace_id: str,
        comment: ask.NewComment,
        by: Caller = LOCAL,
        session_id: str | None = None,
    ) -> Future[Comment]:
        """Keep a comment."""
        is_known = by.kind in _KNOWN
        author = by.name if comment.author is None and is_known else comment.author
        row: dict[str, Value] = {
            "id": new_uuid(self._now()) if comment.id is None else parse_uuid(comment.id),
            "trace_id": parse_trace_id(trace_id),
            "span_id": None if comment.span_id is None else parse_span_id(comment.span_id),
            "author": _checked_author(author),
            "owner": by.subject if is_known else None,
            "body": _checked_body(comment.body),
        }
        is_repeatable = comment.id is not None

        def work(writing: Transaction) -> Comment:
            # The time is taken in the writer, so that times run as the numbers do.
            kept = _insert(writing, row | {"created_at": self._now()}, is_repeatable)
            if self._findings is not None and session_id is not None:
                self._findings.keep(writing, session_id, kept)
            return kept

        return self._database.submit(work)

    def edit(self, comment_id: str, edit: ask.CommentEdit, by: Caller = LOCAL) -> Future[Comment]:
        """Change what a comment says."""
        wanted, body = parse_uuid(comment_id), _checked_body(edit.body)

        def work(writing: Transaction) -> Comment:
            _check_owner(writing, wanted, by)
            changed = _update(writing, {"id": wanted, "body": body, "now": self._now()})
            if self._sharing is not None:
                self._sharing.changed(writing, changed)
            return changed

        return self._database.submit(work)

    def delete(self, comment_id: str, by: Caller = LOCAL) -> Future[Comment]:
        """Remove a comment and return what it was."""
        wanted = parse_uuid(comment_id)

        def work(writing: Transaction) -> Comment:
            _check_owner(writing, wanted, by)
            gone = writing.rows(
                f"DELETE FROM comments WHERE id = :id RETURNING {COLUMNS}", {"id": wanted}
            )
            removed = _the_one(gone, wanted)
            if self._sharing is not None:
                self._sharing.gone(writing, removed)
            return removed

        return self._database.submit(work)

    def get(self, comment_id: str) -> Comment:
        """Return one comment."""
        wanted = parse_uuid(comment_id)
        return self._database.read(
            lambda reading: _the_one(
                reading.rows(f"SELECT {COLUMNS} FROM comments WHERE id = :id", {"id": wanted}),
                wanted,
            )
        )

    def find(self, query: ask.CommentQuery) -> CommentList:
        """Return one page of matching comments."""
        return self._database.read(lambda reading: find_comments(reading, query, self._now()))


def _insert(writing: Transaction, row: dict[str, Value], is_repeatable: bool) -> Comment:
    """Keep a comment, or find that this very one is kept already."""
    if is_repeatable:
        kept = writing.rows(f"SELECT {COLUMNS} FROM comments WHERE id = :id", {"id": row["id"]})
        if kept:
            told = ("trace_id", "span_id", "author", "body")
            if all(kept[0][name] == row[name] for name in told):
                return comment_of(kept[0])
            raise ClewError(
                ErrorCode.ALREADY_EXISTS,
                f"another comment has the id {kept[0]['id']}",
                hint="leave id out, or give one that is used once",
            )
    (added,) = writing.rows(_INSERT[writing.dialect], row | _words_of(writing, row["body"]))
    return comment_of(added)


def _update(writing: Transaction, change: dict[str, Value]) -> Comment:
    changed = writing.rows(_UPDATE[writing.dialect], change | _words_of(writing, change["body"]))
    return _the_one(changed, str(change["id"]))


def _words_of(writing: Transaction, body: Value) -> dict[str, Value]:
    """Return what goes with a body where the database does not cut it into words by itself."""
    if writing.dialect is Dialect.SQLITE:
        return {}
    return {"words": word_positions(str(body))}


def _check_owner(reading: Reading, comment_id: str, by: Caller) -> None:
    """Raise unless the caller may change a comment, if there is such a comment."""
    is_admin = decide(by, Verb.ADMIN, ()).is_allowed
    for row in reading.rows("SELECT owner FROM comments WHERE id = :id", {"id": comment_id}):
        if is_mirrored(row["owner"]):
            raise ClewError(
                ErrorCode.FORBIDDEN,
                "this comment is a team's, and is changed where it was made",
                hint="say something of your own: clew comment add",
            )
        if is_admin:
            return
        if row["owner"] is None or row["owner"] != by.subject:
            raise ClewError(
                ErrorCode.FORBIDDEN,
                "only whoever wrote a comment may change it",
                hint="use the key that it was written with, or an admin's",
            )


def _the_one(rows: list[dict[str, Any]], comment_id: str) -> Comment:
    if not rows:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"there is no comment {comment_id}",
            hint="list comments with: clew comment list",
        )
    return comment_of(rows[0])


def _checked_body(body: str) -> str:
    if not body.strip():
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "body is empty", hint="say something")
    if _encoded_size("body", body) > BODY_BYTES_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"body is larger than {BODY_BYTES_MAX} bytes",
            hint="say it shorter, or in several comments",
        )
    return body


def _checked_author(author: str | None) -> str:
    if author is None:
        return AUTHOR_DEFAULT
    named = author.strip()
    if not 1 <= len(named) <= AUTHOR_CHARS_MAX or _CONTROLS.search(named):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "author is no name",
            hint=f"give 1 to {AUTHOR_CHARS_MAX} characters on one line",
        )
    _encoded_size("author", named)
    return named


def _encoded_size(name: str, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"{name} holds half a character (a lone surrogate)"
        ) from None
