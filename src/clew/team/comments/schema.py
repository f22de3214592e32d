"""The tables of comments, as numbered steps. A released step is never changed."""

from __future__ import annotations

from typing import Final

from clew.store.database.contract import Schema, Step

# `seq` is the order in which comments were written, given out by the one writer and never again:
# pages are cut by it, so that a clock that jumps cannot shift them. Times are Unix nanoseconds.
_COMMENTS: Final = """
CREATE TABLE comments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    trace_id TEXT NOT NULL,
    span_id TEXT,
    author TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER
)"""

# The index holds words only and reads bodies from the table. Accents and case do not matter.
_WORDS: Final = """
CREATE VIRTUAL TABLE comment_words USING fts5(
    body, content='comments', content_rowid='seq',
    tokenize="unicode61 remove_diacritics 2", prefix='2 3'
)"""

_FORGET: Final = (
    "INSERT INTO comment_words(comment_words, rowid, body) VALUES ('delete', old.seq, old.body);"
)
_LEARN: Final = "INSERT INTO comment_words(rowid, body) VALUES (new.seq, new.body);"

# The same on a PostgreSQL server. Words are cut by `clew.team.comments.words`: what the server
# would make of a text depends on its language. Positions are what phrases are found by.
_POSTGRES: Final = (
    """
CREATE TABLE comments (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    trace_id TEXT COLLATE "C" NOT NULL,
    span_id TEXT COLLATE "C",
    author TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    words TSVECTOR NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
)""",
    "CREATE INDEX comments_by_trace ON comments (trace_id, seq)",
    "CREATE INDEX comments_by_author ON comments (author, seq)",
    "CREATE INDEX comments_by_word ON comments USING gin (words)",
)

SCHEMA: Final = Schema(
    "comments",
    (
        Step(
            1,
            "comments and their words",
            (
                _COMMENTS,
                "CREATE INDEX comments_by_trace ON comments (trace_id, seq)",
                "CREATE INDEX comments_by_author ON comments (author, seq)",
                _WORDS,
                f"CREATE TRIGGER comments_added AFTER INSERT ON comments BEGIN {_LEARN} END",
                (
                    "CREATE TRIGGER comments_edited AFTER UPDATE OF body ON comments"
                    f" BEGIN {_FORGET} {_LEARN} END"
                ),
                f"CREATE TRIGGER comments_deleted AFTER DELETE ON comments BEGIN {_FORGET} END",
            ),
            _POSTGRES,
        ),
        # Who may change a comment: null for those from before there was any key.
        Step(2, "owners", ("ALTER TABLE comments ADD COLUMN owner TEXT",)),
    ),
)
