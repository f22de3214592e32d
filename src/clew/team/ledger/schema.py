"""The tables of the ledger, as numbered steps. A released step is never changed.

`team_connection`, `shared_sessions` and `sync_queue` have the columns and the constraints that the
integration documents; what is ours comes behind theirs. Two documented keys hold within an account
here: another account's rows are nobody else's business. Times in INTEGER are Unix nanoseconds, in
TEXT RFC 3339 with nine digits, which sort as they follow each other.
"""

from __future__ import annotations

from typing import Final

from clew.store.database.contract import Schema, Step

# A row is an account: a server and a user. `api_key` is documented and stays empty: secrets are
# in the vault. An account is paused until a moment, or, with a reason and no moment, until a login.
_CONNECTION: Final = """
CREATE TABLE team_connection (
    id TEXT NOT NULL PRIMARY KEY,
    server_url TEXT NOT NULL,
    team_id TEXT,
    user_id TEXT,
    api_key TEXT CHECK (api_key IS NULL),
    connected_at INTEGER NOT NULL,
    email TEXT NOT NULL DEFAULT '',
    display_name TEXT,
    api TEXT NOT NULL DEFAULT '',
    is_current INTEGER NOT NULL DEFAULT 0,
    clock_offset_ns INTEGER NOT NULL DEFAULT 0,
    pause_reason TEXT,
    paused_until INTEGER
)"""

_CONSENT: Final = """
CREATE TABLE sync_consent (
    account_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, team_id, entity_type)
)"""

# `document` is the entity as it is here, `base` what the server confirmed last (NULL for nothing,
# or a tombstone), as its `version` and `seq`; `updated_at` is the server's time of that,
# `last_modified` that of the last change here, by the server's clock as far as it is known.
# `doubts` are operations that may arrive after all: of what was deleted before it was heard of.
_ENTITIES: Final = """
CREATE TABLE synced_entities (
    account_id TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    local_id TEXT NOT NULL,
    remote_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    document TEXT NOT NULL,
    base TEXT,
    version INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 0,
    updated_at INTEGER NOT NULL DEFAULT 0,
    last_modified INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL CHECK (status IN ('pending', 'synced', 'failed')),
    doubts TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (account_id, entity_type, local_id)
)"""

# One operation waits for an entity at the most, whichever it is, which is more than the documented
# key asks for. `id` is the operation's, by which the server knows it. `turn` is who goes first.
_OPERATION: Final = """
    id TEXT NOT NULL PRIMARY KEY,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('create', 'update', 'delete')),
    payload TEXT NOT NULL,
    created_at TEXT NOT NULL,
    retry_count INTEGER DEFAULT 0,
    last_error TEXT,
    account_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL DEFAULT 0,
    failed_at INTEGER,
    attempted INTEGER NOT NULL DEFAULT 0,
    erase INTEGER NOT NULL DEFAULT 0,
    earlier TEXT NOT NULL DEFAULT '[]'"""

_QUEUE: Final = f"""
CREATE TABLE sync_queue ({_OPERATION},
    UNIQUE (account_id, entity_type, entity_id)
)"""

# What is on its way. `superseded` says that a pull brought something that this lost against: it is
# not to come back into the queue.
_INFLIGHT: Final = f"""
CREATE TABLE sync_inflight ({_OPERATION},
    claim_id TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    superseded INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account_id, entity_type, entity_id)
)"""

# Who is deleted has no document: `local`, `remote` and `outcome` may be NULL.
_CONFLICTS: Final = """
CREATE TABLE sync_conflicts (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    local_id TEXT NOT NULL,
    strategy TEXT NOT NULL,
    winner TEXT NOT NULL CHECK (winner IN ('local', 'remote', 'merged')),
    fields TEXT NOT NULL,
    base TEXT,
    local TEXT,
    remote TEXT,
    outcome TEXT,
    local_at INTEGER NOT NULL,
    remote_at INTEGER NOT NULL,
    remote_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    resolved_at INTEGER,
    resolution TEXT CHECK (resolution IN ('outcome', 'local', 'remote', 'merged'))
)"""

_CURSORS: Final = """
CREATE TABLE sync_cursors (
    account_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    seq INTEGER NOT NULL,
    pulled_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, team_id, entity_type)
)"""

_LOG: Final = """
CREATE TABLE sync_log (
    id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    sent INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    pulled INTEGER NOT NULL,
    conflicts INTEGER NOT NULL,
    error TEXT
)"""

# Sessions of this machine alone: those of others are entities, and there is nothing to refer to.
_SESSIONS: Final = """
CREATE TABLE shared_sessions (
    id {text} NOT NULL,
    local_session_id {text} NOT NULL,
    remote_session_id {text},
    team_id {text} NOT NULL,
    user_id {text} NOT NULL,
    start_time {text} NOT NULL,
    end_time {text},
    planned_duration_minutes {integer} NOT NULL,
    actual_duration_seconds {integer},
    completed {boolean} NOT NULL DEFAULT 0,
    shared_at {integer} NOT NULL,
    last_modified {text} NOT NULL,
    sync_status {text} DEFAULT 'pending' CHECK (sync_status IN ('pending', 'synced', 'failed')),
    account_id {text} NOT NULL,
    PRIMARY KEY (account_id, id),
    FOREIGN KEY (local_session_id) REFERENCES sessions (id)
)"""

_SESSION_INDEXES: Final = (
    "CREATE INDEX shared_sessions_by_team ON shared_sessions (team_id, start_time DESC)",
    "CREATE INDEX shared_sessions_by_user ON shared_sessions (user_id, start_time DESC)",
    "CREATE INDEX shared_sessions_by_status ON shared_sessions (sync_status, last_modified)",
    "CREATE INDEX shared_sessions_by_session ON shared_sessions (local_session_id)",
)

SCHEMA: Final = Schema(
    "team",
    (
        Step(
            1,
            "accounts, entities and operations",
            (
                _CONNECTION,
                _CONSENT,
                _ENTITIES,
                (
                    "CREATE UNIQUE INDEX synced_entities_by_remote"
                    " ON synced_entities (account_id, entity_type, remote_id)"
                ),
                (
                    "CREATE INDEX synced_entities_by_team"
                    " ON synced_entities (account_id, team_id, entity_type)"
                ),
                _QUEUE,
                (
                    "CREATE INDEX sync_queue_by_turn"
                    " ON sync_queue (account_id, turn, created_at, id) WHERE failed_at IS NULL"
                ),
                (
                    "CREATE INDEX sync_queue_failed ON sync_queue (account_id, failed_at)"
                    " WHERE failed_at IS NOT NULL"
                ),
                _INFLIGHT,
                _CONFLICTS,
                (
                    "CREATE INDEX sync_conflicts_open ON sync_conflicts (account_id, id)"
                    " WHERE resolved_at IS NULL"
                ),
                "CREATE INDEX sync_conflicts_by_account ON sync_conflicts (account_id, id)",
                _CURSORS,
                _LOG,
                "CREATE INDEX sync_log_by_account ON sync_log (account_id, id)",
            ),
        ),
        Step(
            2,
            "shared sessions as documented",
            (
                _SESSIONS.format(text="TEXT", integer="INTEGER", boolean="BOOLEAN"),
                *_SESSION_INDEXES,
            ),
            (
                _SESSIONS.format(text='TEXT COLLATE "C"', integer="BIGINT", boolean="BIGINT"),
                *_SESSION_INDEXES,
            ),
        ),
        Step(
            3,
            "conflicts that were too many",
            (
                (
                    "ALTER TABLE team_connection"
                    " ADD COLUMN conflicts_dropped INTEGER NOT NULL DEFAULT 0"
                ),
            ),
        ),
    ),
)
