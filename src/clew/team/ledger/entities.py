"""Rows of entities: found, kept and forgotten, with `shared_sessions` in step."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.base.times import format_time
from clew.team.entities.codec import decode_entity, encode_document
from clew.team.entities.session import SharedSession
from clew.team.errors import ValidationError
from clew.team.ledger.rows import (
    ENTITY_COLUMNS,
    EntityRow,
    entity_row_of,
    op_ids_text,
    unix_ns_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.database.contract import Reading, Transaction, Value

SESSIONS: Final = SharedSession.entity_type()

_KEY: Final = "account_id = :account_id AND entity_type = :entity_type AND local_id = :local_id"

_KEEP: Final = (
    f"INSERT INTO synced_entities ({ENTITY_COLUMNS}) VALUES (:account_id, :entity_type, :local_id,"
    " :remote_id, :team_id, :document, :base, :version, :seq, :updated_at, :last_modified,"
    " :deleted, :status, :doubts) ON CONFLICT (account_id, entity_type, local_id) DO UPDATE SET"
    " team_id = excluded.team_id, document = excluded.document, base = excluded.base,"
    " version = excluded.version, seq = excluded.seq, updated_at = excluded.updated_at,"
    " last_modified = excluded.last_modified, deleted = excluded.deleted, status = excluded.status,"
    " doubts = excluded.doubts"
)

_MIRROR: Final = (
    "INSERT INTO shared_sessions (id, local_session_id, remote_session_id, team_id, user_id,"
    " start_time, end_time, planned_duration_minutes, actual_duration_seconds, completed,"
    " shared_at, last_modified, sync_status, account_id) VALUES (:id, :local_session_id,"
    " :remote_session_id, :team_id, :user_id, :start_time, :end_time, :planned_duration_minutes,"
    " :actual_duration_seconds, :completed, :shared_at, :last_modified, :sync_status, :account_id)"
    " ON CONFLICT (account_id, id) DO UPDATE SET remote_session_id = excluded.remote_session_id,"
    " team_id = excluded.team_id, start_time = excluded.start_time, end_time = excluded.end_time,"
    " planned_duration_minutes = excluded.planned_duration_minutes,"
    " actual_duration_seconds = excluded.actual_duration_seconds, completed = excluded.completed,"
    " shared_at = excluded.shared_at, last_modified = excluded.last_modified,"
    " sync_status = excluded.sync_status"
)


def find_entity(
    reading: Reading, account_id: str, entity_type: str, local_id: str
) -> EntityRow | None:
    """Return an entity by what names it here, None where there is none."""
    rows = reading.rows(
        f"SELECT {ENTITY_COLUMNS} FROM synced_entities WHERE {_KEY}",
        {"account_id": account_id, "entity_type": entity_type, "local_id": local_id},
    )
    return entity_row_of(rows[0]) if rows else None


def find_by_remote(
    reading: Reading, account_id: str, entity_type: str, remote_id: str
) -> EntityRow | None:
    """Return an entity by what names it on the server, None where there is none."""
    rows = reading.rows(
        f"SELECT {ENTITY_COLUMNS} FROM synced_entities WHERE account_id = :account_id"
        " AND entity_type = :entity_type AND remote_id = :remote_id",
        {"account_id": account_id, "entity_type": entity_type, "remote_id": remote_id},
    )
    return entity_row_of(rows[0]) if rows else None


def find_entities(
    reading: Reading,
    account_id: str,
    entity_type: str,
    *,
    team_id: str | None = None,
    with_deleted: bool = False,
) -> list[EntityRow]:
    """Return the entities of a type, of one team or of all, by their local ids."""
    parameters: dict[str, Value] = {"account_id": account_id, "entity_type": entity_type}
    where = "account_id = :account_id AND entity_type = :entity_type"
    if team_id is not None:
        where += " AND team_id = :team_id"
        parameters["team_id"] = team_id
    if not with_deleted:
        where += " AND deleted = 0"
    rows = reading.rows(
        f"SELECT {ENTITY_COLUMNS} FROM synced_entities WHERE {where} ORDER BY local_id", parameters
    )
    return [entity_row_of(row) for row in rows]


def keep_entity(writing: Transaction, row: EntityRow) -> None:
    """Write an entity, over what was there. What names it on the server never changes."""
    writing.run(
        _KEEP,
        {
            "account_id": row.account_id,
            "entity_type": row.entity_type,
            "local_id": row.local_id,
            "remote_id": row.remote_id,
            "team_id": row.team_id,
            "document": encode_document(row.document),
            "base": None if row.base is None else encode_document(row.base),
            "version": row.version,
            "seq": row.seq,
            "updated_at": row.updated_at,
            "last_modified": row.last_modified,
            "deleted": int(row.deleted),
            "status": row.status.value,
            "doubts": op_ids_text(row.doubts),
        },
    )
    if row.entity_type == SESSIONS:
        _mirror(writing, row)


def forget_entity(writing: Transaction, row: EntityRow) -> None:
    """Remove an entity as if it had never been here."""
    writing.run(f"DELETE FROM synced_entities WHERE {_KEY}", _key_of(row))
    if row.entity_type == SESSIONS:
        _unmirror(writing, row)


def forget_tombstones(writing: Transaction, account_id: str, before: int) -> int:
    """Remove what was deleted on the server before a moment of its clock; return how many."""
    return writing.run(
        "DELETE FROM synced_entities WHERE account_id = :account_id AND deleted = 1"
        " AND status = 'synced' AND updated_at < :before",
        {"account_id": account_id, "before": before},
    )


def _key_of(row: EntityRow) -> dict[str, Value]:
    return {
        "account_id": row.account_id,
        "entity_type": row.entity_type,
        "local_id": row.local_id,
    }


def _mirror(writing: Transaction, row: EntityRow) -> None:
    """Bring `shared_sessions` to what an entity says, if the session is one of this machine."""
    if row.deleted:
        _unmirror(writing, row)
        return
    session_id = row.document.get("session_id")
    known = isinstance(session_id, str) and writing.rows(
        "SELECT id FROM sessions WHERE id = :session_id", {"session_id": session_id}
    )
    # Of a session that is not known there is no row either: the table refers to it.
    values = _session_values(row) if known else None
    if values is not None:
        writing.run(_MIRROR, values)


def _unmirror(writing: Transaction, row: EntityRow) -> None:
    writing.run(
        "DELETE FROM shared_sessions WHERE account_id = :account_id AND id = :id",
        {"account_id": row.account_id, "id": row.local_id},
    )


def _session_values(row: EntityRow) -> Mapping[str, Value] | None:
    """Return the columns of a session; None where a newer clew made one that this cannot read."""
    try:
        session = decode_entity(
            SharedSession, row.document, local_id=row.local_id, remote_id=row.remote_id
        )
    except ValidationError:
        return None
    end = session.end_time
    return {
        "id": row.local_id,
        "local_session_id": session.session_id,
        "remote_session_id": row.remote_id if row.version else None,
        "team_id": row.team_id,
        "user_id": session.user_id,
        "start_time": format_time(unix_ns_of(session.start_time)),
        "end_time": None if end is None else format_time(unix_ns_of(end)),
        "planned_duration_minutes": session.planned_duration_minutes,
        "actual_duration_seconds": session.actual_duration_seconds,
        "completed": int(session.completed),
        "shared_at": unix_ns_of(session.shared_at),
        "last_modified": format_time(row.last_modified),
        "sync_status": row.status.value,
        "account_id": row.account_id,
    }
