"""The tables of the tree, as numbered steps. A released step is never changed.

Names are those of TRAILS where it has one. Times are Unix nanoseconds, flags are 0 or 1, and JSON
is kept as text. Both dialects get the same tables, but for how each spells a numbered row and text
that is sorted by its bytes.

Numbers of messages, crashes, commands and outbox entries are given out by whoever keeps a batch
(`clew.tree.registry.keeping`): they follow the order of commits, and a batch knows its own.
"""

from __future__ import annotations

from typing import Final

from clew.store.database.contract import Schema, Step

_APPS: Final = """
CREATE TABLE apps (
    app_id TEXT NOT NULL PRIMARY KEY,
    parent_id TEXT,
    app_name TEXT NOT NULL,
    path TEXT{collation} NOT NULL,
    status TEXT NOT NULL,
    version BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    agent_seq BIGINT NOT NULL,
    tier TEXT NOT NULL,
    pub_key TEXT,
    token_hash TEXT,
    token_expires_at BIGINT,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    status_before TEXT,
    status_held TEXT,
    adopted_from TEXT,
    cancel_id TEXT,
    deadline BIGINT,
    confirmed BIGINT NOT NULL,
    start_deadline BIGINT NOT NULL,
    resume_window_ms BIGINT,
    orphans_json TEXT NOT NULL,
    role_refs_json TEXT NOT NULL,
    originator_json TEXT,
    originator_sub TEXT,
    metadata_json TEXT,
    process_json TEXT,
    namespace TEXT,
    pod_name TEXT,
    node_name TEXT,
    pid BIGINT,
    executable TEXT,
    agent_json TEXT,
    exit_code BIGINT,
    snapshot_seq BIGINT,
    created_at BIGINT NOT NULL,
    connected_at BIGINT,
    start_time BIGINT,
    disconnected_at BIGINT,
    ended_at BIGINT
)"""

# One row for each message of an app. An app's own are numbered by it, those of its agent by the
# agent: `source` is `app` or `agent`. The row is the same however often the message is sent again.
_MESSAGES: Final = """
CREATE TABLE messages (
    id {id} PRIMARY KEY,
    app_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    source TEXT NOT NULL,
    seq BIGINT NOT NULL,
    msg_type TEXT NOT NULL,
    correlation_id TEXT,
    payload_json TEXT NOT NULL,
    is_late BIGINT NOT NULL,
    sent_at BIGINT,
    created_at BIGINT NOT NULL
)"""

_CRASHES: Final = """
CREATE TABLE crashes (
    id {id} PRIMARY KEY,
    app_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    detected_at BIGINT NOT NULL,
    crash_type TEXT NOT NULL,
    gap_ms BIGINT NOT NULL,
    metadata_json TEXT NOT NULL,
    recovered_at BIGINT
)"""

_COMMANDS: Final = """
CREATE TABLE control_queue (
    correlation_id TEXT NOT NULL,
    app_id TEXT NOT NULL,
    id BIGINT NOT NULL,
    root_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    action TEXT NOT NULL,
    payload_json TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    auth_domain TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT,
    confirmed BIGINT NOT NULL,
    is_cascade BIGINT NOT NULL,
    is_late BIGINT NOT NULL,
    grace_ms BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    sent_at BIGINT,
    acked_at BIGINT,
    updated_at BIGINT NOT NULL,
    ack_result_json TEXT,
    ack_error TEXT,
    PRIMARY KEY (correlation_id, app_id)
)"""

_OUTBOX: Final = """
CREATE TABLE outbox (
    id {id} PRIMARY KEY,
    at BIGINT NOT NULL,
    app_id TEXT NOT NULL,
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    document TEXT NOT NULL
)"""

# What an app said last is its newest Status; those of an epoch that was over tell nothing of it.
_SNAPSHOTS: Final = """
CREATE VIEW snapshots AS
SELECT id, app_id, epoch, seq, payload_json AS snapshot_json, created_at
FROM messages WHERE msg_type = 'Status' AND is_late = 0"""

_INDEXES: Final = (
    "CREATE INDEX apps_by_parent ON apps (parent_id)",
    "CREATE INDEX apps_by_path ON apps (path)",
    "CREATE INDEX apps_by_status ON apps (status, ended_at)",
    "CREATE INDEX apps_by_age ON apps (created_at, app_id)",
    "CREATE UNIQUE INDEX messages_once ON messages (app_id, epoch, source, seq)",
    "CREATE INDEX messages_by_app ON messages (app_id, id)",
    "CREATE INDEX crashes_by_app ON crashes (app_id, id)",
    "CREATE INDEX control_queue_by_app ON control_queue (app_id, id)",
    "CREATE UNIQUE INDEX control_queue_in_order ON control_queue (id)",
    "CREATE INDEX control_queue_open ON control_queue (id) WHERE status IN ('accepted', 'sent')",
)


# Each message is put into this index at a place of its own, and SQLite writes the whole page. Apps
# that began together count alike, so by number first their messages are neighbours: a commit of
# forty writes a page or two where it wrote forty. Nobody looks for the messages of one app here.
_MESSAGES_ONCE_BY_SEQ: Final = (
    "DROP INDEX messages_once",
    "CREATE UNIQUE INDEX messages_once ON messages (seq, app_id, epoch, source)",
)


def _statements(number: str, collation: str) -> tuple[str, ...]:
    tables = (_APPS, _MESSAGES, _CRASHES, _COMMANDS, _OUTBOX)
    filled = (table.replace("{id}", number).replace("{collation}", collation) for table in tables)
    return (*filled, *_INDEXES, _SNAPSHOTS)


SCHEMA: Final = Schema(
    "tree",
    (
        Step(
            1,
            "apps, their messages, crashes, commands and the outbox",
            _statements("INTEGER", ""),
            # A subtree is a range of paths, which only holds where text is sorted by its bytes.
            _statements("BIGINT", ' COLLATE "C"'),
        ),
        Step(2, "the unique index of messages, by number first", _MESSAGES_ONCE_BY_SEQ),
    ),
)
