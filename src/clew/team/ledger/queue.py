"""The queue: a local write and its operation in one transaction, and what waits or was set aside.

At most one operation waits for an entity; another is joined to it. What is on its way is another
table's (`flight`), and is never touched from here.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from clew.base.ids import new_uuid
from clew.base.times import parse_time
from clew.team.entities.codec import encode_document, update_document
from clew.team.entities.session import SyncStatus
from clew.team.ledger.entities import find_entity, forget_entity, keep_entity
from clew.team.ledger.rows import (
    OPERATION_COLUMNS,
    OPERATION_VALUES,
    EntityRow,
    QueuePart,
    QueueStats,
    operation_of,
    operation_values,
    unix_ns_of,
)
from clew.team.merging.compaction import join
from clew.team.merging.operation import Operation, SyncOperationType
from clew.team.merging.turn import TEAMS

if TYPE_CHECKING:
    from clew.store.database.contract import Reading, Transaction, Value
    from clew.team.entities.entity import SyncableEntity

LIST_MAX: Final = 1000
"""Operations of one list: more than anybody reads, and a page where all are wanted."""

_KEY: Final = "account_id = :account_id AND entity_type = :entity_type AND entity_id = :entity_id"

_QUEUED: Final = f"SELECT {OPERATION_COLUMNS} FROM sync_queue WHERE {_KEY}"

_IN_FLIGHT: Final = f"SELECT id FROM sync_inflight WHERE {_KEY}"

_PUT: Final = f"INSERT INTO sync_queue ({OPERATION_COLUMNS}) VALUES ({OPERATION_VALUES})"

_CREATE, _UPDATE, _DELETE = (
    SyncOperationType.CREATE,
    SyncOperationType.UPDATE,
    SyncOperationType.DELETE,
)


@dataclass(frozen=True, slots=True)
class LocalWrite:
    """What is written here and is to be sent.

    `at` is Unix nanoseconds by the server's clock, as far as it is known; None for what the entity
    says. `erase` has the server empty what is deleted.
    """

    account_id: str
    entity: SyncableEntity
    operation: SyncOperationType
    at: int | None = None
    erase: bool = False


def write_entity(writing: Transaction, write: LocalWrite, now: int) -> Operation | None:
    """Keep an entity and queue what the server is to be told of it; return what waits now.

    The entity is valid. What cannot be is set right: what the server has is changed, not created;
    what it never heard of is created, and not deleted: then there is nothing to send, and None is
    returned. `now` is Unix nanoseconds.

    Raises:
        ValidationError: the entity is nothing that JSON can say, or too large.
    """
    entity, account_id = write.entity, write.account_id
    entity_type = entity.entity_type()
    row = find_entity(writing, account_id, entity_type, entity.local_id)
    if row is None:
        row = _new_row(write)
        is_known = entity.remote_id is not None
    else:
        is_known = row.version > 0
    deletes = write.operation is _DELETE
    row = replace(
        row,
        document=update_document(entity, row.document),
        team_id=team_id_of(entity, row.remote_id),
        last_modified=unix_ns_of(entity.last_modified) if write.at is None else write.at,
        deleted=deletes,
        status=SyncStatus.PENDING,
    )
    operation = Operation(
        op_id=new_uuid(now),
        account_id=account_id,
        entity_type=entity_type,
        entity_id=row.local_id,
        operation=write.operation,
        payload=encode_document(row.document),
        created_at=now,
        team_id=row.team_id,
        erase=deletes and write.erase,
    )
    return enqueue(writing, row, operation, is_known=is_known)


def requeue(
    writing: Transaction, row: EntityRow, *, erase: bool, created_at: int, now: int
) -> Operation:
    """Queue what an entity is now, in the place of whatever waits; the row is kept by the caller.

    For what a merge or a person decided of something that the server has.
    """
    operation = Operation(
        op_id=new_uuid(now),
        account_id=row.account_id,
        entity_type=row.entity_type,
        entity_id=row.local_id,
        operation=_DELETE if row.deleted else _UPDATE,
        payload=encode_document(row.document),
        created_at=created_at,
        team_id=row.team_id,
        erase=row.deleted and erase,
    )
    drop_queued(writing, row)
    put(writing, operation)
    return operation


def team_id_of(entity: SyncableEntity, remote_id: str) -> str:
    """Return the team that an entity belongs to: itself, if it is one, and none if it has none."""
    if entity.entity_type() == TEAMS:
        return remote_id
    return str(getattr(entity, "team_id", "") or "")


def find_queued(
    reading: Reading, account_id: str, entity_type: str, entity_id: str
) -> Operation | None:
    """Return the operation that waits for an entity, also one that was set aside."""
    rows = reading.rows(
        _QUEUED, {"account_id": account_id, "entity_type": entity_type, "entity_id": entity_id}
    )
    return operation_of(rows[0]) if rows else None


def put(writing: Transaction, operation: Operation, failed_at: int | None = None) -> None:
    """Let an operation wait; nothing else does for the same entity."""
    writing.run(_PUT, operation_values(operation, failed_at))


def drop_queued(writing: Transaction, row: EntityRow) -> None:
    """Remove what waits for an entity."""
    writing.run(f"DELETE FROM sync_queue WHERE {_KEY}", _entity_key(row))


def is_in_flight(reading: Reading, row: EntityRow) -> bool:
    """Whether an operation of an entity is on its way."""
    return bool(reading.rows(_IN_FLIGHT, _entity_key(row)))


def find_pending(reading: Reading, account_id: str, limit: int = LIST_MAX) -> list[Operation]:
    """Return what waits and was not set aside, in the order in which it would be sent."""
    rows = reading.rows(
        f"SELECT {OPERATION_COLUMNS} FROM sync_queue WHERE account_id = :account_id"
        " AND failed_at IS NULL ORDER BY turn, created_at, id LIMIT :limit",
        {"account_id": account_id, "limit": limit},
    )
    return [operation_of(row) for row in rows]


def find_failed(reading: Reading, account_id: str, limit: int = LIST_MAX) -> list[Operation]:
    """Return what was set aside, the last first."""
    rows = reading.rows(
        f"SELECT {OPERATION_COLUMNS} FROM sync_queue WHERE account_id = :account_id"
        " AND failed_at IS NOT NULL ORDER BY failed_at DESC, id LIMIT :limit",
        {"account_id": account_id, "limit": limit},
    )
    return [operation_of(row) for row in rows]


def read_queue(
    reading: Reading, account_id: str, *, failed: bool, limit: int = LIST_MAX
) -> QueuePart:
    """Return what is not sent yet, what is on its way first; or what was set aside."""
    stats = count_queue(reading, account_id)
    if failed:
        return QueuePart(stats, [], find_failed(reading, account_id, limit))
    rows = reading.rows(
        f"SELECT {OPERATION_COLUMNS} FROM sync_inflight WHERE account_id = :account_id"
        " ORDER BY turn, created_at, id LIMIT :limit",
        {"account_id": account_id, "limit": limit},
    )
    in_flight = [operation_of(row) for row in rows]
    return QueuePart(stats, in_flight, find_pending(reading, account_id, limit - len(rows)))


def count_queue(reading: Reading, account_id: str) -> QueueStats:
    """Return how much waits, is on its way and was set aside."""
    (waiting,) = reading.rows(
        "SELECT count(*) AS count, count(failed_at) AS failed,"
        " min(CASE WHEN failed_at IS NULL THEN created_at END) AS oldest"
        " FROM sync_queue WHERE account_id = :account_id",
        {"account_id": account_id},
    )
    (flying,) = reading.rows(
        "SELECT count(*) AS count, min(created_at) AS oldest FROM sync_inflight"
        " WHERE account_id = :account_id",
        {"account_id": account_id},
    )
    oldest = [each["oldest"] for each in (waiting, flying) if each["oldest"] is not None]
    return QueueStats(
        pending=waiting["count"] - waiting["failed"] + flying["count"],
        in_flight=flying["count"],
        failed=waiting["failed"],
        oldest_pending=parse_time(min(oldest), now=0) if oldest else None,
    )


def retry_failed(writing: Transaction, account_id: str, op_id: str | None = None) -> int:
    """Let what was set aside begin anew, one operation or all; return how many."""
    retried = 0
    for row in _failed_rows(writing, account_id, op_id):
        operation = operation_of(row)
        writing.run(
            "UPDATE sync_queue SET retry_count = 0, next_attempt_at = 0, failed_at = NULL,"
            " last_error = NULL WHERE id = :id",
            {"id": operation.op_id},
        )
        entity = find_entity(writing, account_id, operation.entity_type, operation.entity_id)
        if entity is not None:
            keep_entity(writing, replace(entity, status=SyncStatus.PENDING))
        retried += 1
    return retried


def clear_failed(writing: Transaction, account_id: str, op_id: str | None = None) -> int:
    """Give up what was set aside, one operation or all; return how many.

    An entity becomes again what the server confirmed last; one that it never confirmed is gone
    from the ledger.
    """
    cleared = 0
    for row in _failed_rows(writing, account_id, op_id):
        operation = operation_of(row)
        writing.run("DELETE FROM sync_queue WHERE id = :id", {"id": operation.op_id})
        entity = find_entity(writing, account_id, operation.entity_type, operation.entity_id)
        if entity is not None and not is_in_flight(writing, entity):
            go_back(writing, entity)
        cleared += 1
    return cleared


def drop_unsent(writing: Transaction, account_id: str, team_id: str, entity_type: str) -> int:
    """Give up what waits of a type for a team, but for deletions; return how much it was.

    What is on its way does not come back. A create that may have arrived becomes a deletion.
    """
    which: dict[str, Value] = {
        "account_id": account_id,
        "team_id": team_id,
        "entity_type": entity_type,
    }
    where = (
        "account_id = :account_id AND team_id = :team_id AND entity_type = :entity_type"
        " AND operation <> 'delete'"
    )
    writing.run(f"UPDATE sync_inflight SET superseded = 1 WHERE {where}", which)
    rows = writing.rows(f"SELECT {OPERATION_COLUMNS} FROM sync_queue WHERE {where}", which)
    for row in rows:
        operation = operation_of(row)
        writing.run("DELETE FROM sync_queue WHERE id = :id", {"id": operation.op_id})
        entity = find_entity(writing, account_id, entity_type, operation.entity_id)
        if entity is None:
            continue
        if entity.version == 0 and (operation.attempted or operation.earlier):
            keep_entity(writing, replace(entity, deleted=True))
            put(writing, replace(operation, operation=_DELETE, erase=True, next_attempt_at=0))
        elif not is_in_flight(writing, entity):
            go_back(writing, entity)
    return len(rows)


def go_back(writing: Transaction, entity: EntityRow) -> None:
    """Let an entity be what the server confirmed last; forget it where that is nothing."""
    if entity.version == 0:
        forget_entity(writing, entity)
        return
    is_gone = entity.base is None
    keep_entity(
        writing,
        replace(
            entity,
            document=entity.document if entity.base is None else entity.base,
            deleted=is_gone,
            last_modified=entity.updated_at,
            status=SyncStatus.SYNCED,
        ),
    )


def enqueue(
    writing: Transaction, row: EntityRow, operation: Operation, *, is_known: bool
) -> Operation | None:
    """Keep an entity and let an operation of it wait, joined to what waits; return what waits now.

    `is_known` says that the server has it. None where there is nothing to send.
    """
    queued = find_queued(writing, row.account_id, row.entity_type, row.local_id)
    if queued is None:
        is_known = is_known or is_in_flight(writing, row)
        if operation.operation is _DELETE and not is_known:
            # What may arrive after all is known by its tombstone.
            if not row.doubts:
                forget_entity(writing, row)
            return None
        if operation.operation is not _DELETE:
            operation = replace(operation, operation=_UPDATE if is_known else _CREATE)
        operation = replace(operation, earlier=row.doubts)
        row = replace(row, doubts=())
        keep_entity(writing, row)
        put(writing, operation)
        return operation
    joined = join(queued, operation)
    drop_queued(writing, row)
    if joined is None:
        forget_entity(writing, row)
        return None
    keep_entity(writing, row)
    put(writing, joined)
    return joined


def _new_row(write: LocalWrite) -> EntityRow:
    entity = write.entity
    return EntityRow(
        account_id=write.account_id,
        entity_type=entity.entity_type(),
        local_id=entity.local_id,
        remote_id=entity.remote_id or _remote_id_for(entity),
        team_id="",
        document={},
        base=None,
        version=0,
        seq=0,
        updated_at=0,
        last_modified=0,
        deleted=False,
        status=SyncStatus.PENDING,
    )


def _remote_id_for(entity: SyncableEntity) -> str:
    """Return the server's id of what is made here: the local one if it is a UUID of version 7."""
    made_at = unix_ns_of(entity.last_modified)
    try:
        parsed = uuid.UUID(entity.local_id)
    except ValueError:
        return new_uuid(made_at)
    is_fit = parsed.version == 7 and str(parsed) == entity.local_id
    return entity.local_id if is_fit else new_uuid(made_at)


def _failed_rows(reading: Reading, account_id: str, op_id: str | None) -> list[dict[str, Any]]:
    parameters: dict[str, Value] = {"account_id": account_id}
    where = "account_id = :account_id AND failed_at IS NOT NULL"
    if op_id is not None:
        where += " AND id = :op_id"
        parameters["op_id"] = op_id
    return reading.rows(f"SELECT {OPERATION_COLUMNS} FROM sync_queue WHERE {where}", parameters)


def _entity_key(row: EntityRow) -> dict[str, Value]:
    return {
        "account_id": row.account_id,
        "entity_type": row.entity_type,
        "entity_id": row.local_id,
    }
