"""The tables of access, as numbered steps. A released step is never changed.

Times are Unix nanoseconds, truths are 0 and 1, lists are JSON text; both dialects take the same
statements.
"""

from __future__ import annotations

from typing import Final

from clew.store.database.contract import Schema, Step

# Of a key nothing is kept that would let anybody in: the hash of 256 random bits. Rows stay when a
# key is revoked, since what it did is told by its name; and while there is a row, whatever became
# of the key, every door asks for one.
_API_KEYS: Final = """
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    scope_app_id TEXT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    last_used_at BIGINT,
    expires_at BIGINT,
    revoked_at BIGINT,
    revoked_by TEXT
)"""

_ROLE_REFS: Final = """
CREATE TABLE role_refs (
    name TEXT NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    grants_json TEXT NOT NULL,
    namespace_scope TEXT,
    is_assignable BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
)"""

_ROLE_REFS_HISTORY: Final = """
CREATE TABLE role_refs_history (
    id TEXT NOT NULL PRIMARY KEY,
    role_ref_name TEXT NOT NULL,
    action TEXT NOT NULL,
    old_grants TEXT,
    new_grants TEXT,
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL
)"""

_GRANTS: Final = """
CREATE TABLE grants (
    id TEXT NOT NULL PRIMARY KEY,
    app_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    roles_json TEXT NOT NULL,
    is_cascade BIGINT NOT NULL,
    granted_by TEXT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL
)"""

# An id begins with its moment, so rows of one moment still have an order of their own.
_AUDIT_LOG: Final = """
CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    target_app_id TEXT,
    auth_domain TEXT NOT NULL,
    caller_kind TEXT NOT NULL,
    caller TEXT NOT NULL,
    is_allowed BIGINT NOT NULL,
    is_cascade BIGINT NOT NULL,
    correlation_id TEXT,
    detail TEXT NOT NULL,
    source_ip TEXT,
    user_agent TEXT
)"""

_REVOKED_KEYS: Final = """
CREATE TABLE revoked_keys (
    pub_key TEXT NOT NULL PRIMARY KEY,
    reason TEXT NOT NULL,
    revoked_by TEXT NOT NULL,
    revoked_at BIGINT NOT NULL
)"""

SCHEMA: Final = Schema(
    "access",
    (
        Step(
            1,
            "keys, roles, grants and the audit log",
            (
                _API_KEYS,
                _ROLE_REFS,
                _ROLE_REFS_HISTORY,
                (
                    "CREATE INDEX role_refs_history_by_name ON role_refs_history"
                    " (role_ref_name, changed_at)"
                ),
                _GRANTS,
                "CREATE INDEX grants_by_app ON grants (app_id)",
                _AUDIT_LOG,
                "CREATE INDEX audit_log_by_time ON audit_log (at, id)",
                "CREATE INDEX audit_log_by_app ON audit_log (target_app_id, at)",
                _REVOKED_KEYS,
            ),
        ),
    ),
)
