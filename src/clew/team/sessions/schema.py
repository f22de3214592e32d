"""The tables of work sessions, as numbered steps. A released step is never changed.

Times are Unix nanoseconds; both dialects take the same statements.
"""

from __future__ import annotations

from typing import Final

from clew.store.database.contract import Schema, Step

# `active_at` is when its owner last did something: what a session that was forgotten ended at.
# `visits_left_out` are looks at what found no room among the links.
_SESSIONS: Final = """
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('own', 'agent', 'beside')),
    title TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER CHECK (ended_at >= started_at),
    end_reason TEXT CHECK (end_reason IN ('stopped', 'switched', 'forgotten')),
    planned_minutes INTEGER CHECK (planned_minutes BETWEEN 1 AND 480),
    active_at INTEGER NOT NULL,
    visits_left_out INTEGER NOT NULL DEFAULT 0
)"""

# A comment that was made while the session was open has its own id here, and no body: what it says
# stands in `comments`, where it may be changed and removed.
_NOTES: Final = """
CREATE TABLE session_notes (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('note', 'comment')),
    body TEXT,
    about_kind TEXT,
    about_id TEXT,
    created_at INTEGER NOT NULL
)"""

_LINKS: Final = """
CREATE TABLE session_links (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT,
    how TEXT,
    path TEXT,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    looks INTEGER NOT NULL,
    PRIMARY KEY (session_id, kind, id)
)"""

SCHEMA: Final = Schema(
    "sessions",
    (
        Step(
            1,
            "work sessions, their notes and links",
            (
                _SESSIONS,
                (
                    "CREATE UNIQUE INDEX sessions_one_open ON sessions (owner, kind)"
                    " WHERE ended_at IS NULL AND kind <> 'beside'"
                ),
                "CREATE INDEX sessions_open ON sessions (active_at) WHERE ended_at IS NULL",
                "CREATE INDEX sessions_by_time ON sessions (started_at, id)",
                "CREATE INDEX sessions_by_owner ON sessions (owner, started_at, id)",
                _NOTES,
                "CREATE INDEX session_notes_by_session ON session_notes (session_id, created_at)",
                "CREATE INDEX session_notes_by_time ON session_notes (created_at)",
                _LINKS,
            ),
        ),
    ),
)
