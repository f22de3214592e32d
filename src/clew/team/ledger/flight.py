"""What is on its way: claimed from the queue for a time, confirmed, or given back to it.

A claim moves operations from `sync_queue` to `sync_inflight`, in one transaction. What is written
meanwhile waits in the queue and is not claimed before the first is back. A process that dies leaves
its claims behind; when their lease has run out they return as attempted: nobody knows what the
server did with them, and whoever claims them again asks (`clew.team.merging.recall`).
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S
from clew.store.database.contract import among
from clew.team.entities.codec import decode_document, encode_document
from clew.team.entities.session import SyncStatus
from clew.team.ledger.accounts import find_account, pause_account
from clew.team.ledger.entities import find_entity, forget_entity, keep_entity
from clew.team.ledger.queue import drop_queued, find_queued, go_back, is_in_flight, put
from clew.team.ledger.rows import (
    ENTITY_COLUMNS,
    OPERATION_COLUMNS,
    Claim,
    EntityRow,
    entity_row_of,
    operation_of,
)
from clew.team.merging.backoff import TRIES_MAX, next_attempt_at
from clew.team.merging.compaction import join
from clew.team.merging.operation import SyncOperationType
from clew.team.merging.recall import as_change
from clew.team.merging.threeway import changed_fields, merge_documents
from clew.team.merging.verdict import Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.store.database.contract import Reading, Transaction, Value
    from clew.team.merging.operation import Operation
    from clew.team.trailbase.contract import Remote

CLAIM_MAX: Final = 50
"""Operations of one claim: a batch, as the integration documents it."""

LEASE_NS: Final = 300 * NS_PER_S
"""How long a claim lasts: fifty requests of the longest would not take it, and nobody waits for a
process that was killed longer than between two syncs in the background."""

NEVER: Final = 2**63 - 1
"""Later than the end of every lease."""

LOGIN_REASON: Final = "login"
"""Why an account is paused of which the server does not know who it is."""

_SHARED: Final = tuple(OPERATION_COLUMNS.split(", "))

_ENTITY: Final = tuple(ENTITY_COLUMNS.split(", "))

# An operation of a team that the server does not know yet waits for the team.
_DUE: Final = (
    f"SELECT {', '.join(f'q.{name} AS q_{name}' for name in _SHARED)},"
    f" {', '.join(f'e.{name} AS e_{name}' for name in _ENTITY)}"
    " FROM sync_queue q JOIN synced_entities e ON e.account_id = q.account_id"
    " AND e.entity_type = q.entity_type AND e.local_id = q.entity_id"
    " WHERE q.account_id = :account_id AND q.failed_at IS NULL AND q.next_attempt_at <= :now"
    " AND NOT EXISTS (SELECT 1 FROM sync_inflight f WHERE f.account_id = q.account_id"
    " AND f.entity_type = q.entity_type AND f.entity_id = q.entity_id)"
    + "".join(
        f" AND (q.entity_type = 'teams' OR NOT EXISTS (SELECT 1 FROM {table} t"
        " WHERE t.account_id = q.account_id AND t.entity_type = 'teams'"
        " AND t.operation = 'create' AND t.team_id = q.team_id))"
        for table in ("sync_queue", "sync_inflight")
    )
    + " ORDER BY q.turn, q.created_at, q.id LIMIT :limit"
)

_OVERDUE: Final = (
    f"SELECT {OPERATION_COLUMNS}, superseded FROM sync_inflight WHERE account_id = :account_id"
    " AND lease_until <= :now ORDER BY created_at, id"
)


@dataclass(frozen=True, slots=True)
class Returned:
    """An operation that comes back, and whether a pull has decided against it meanwhile."""

    operation: Operation
    superseded: bool
    failed_at: int | None = None


def claim(
    writing: Transaction,
    account_id: str,
    now: int,
    *,
    limit: int = CLAIM_MAX,
    lease_ns: int = LEASE_NS,
) -> list[Claim]:
    """Take operations that are due, the first in turn first, at most one for an entity.

    What a dead process had claimed is due again, as attempted. Nothing is for a paused account.
    """
    take_back(writing, account_id, now)
    account = find_account(writing, account_id)
    if account is not None and account.is_paused_at(now):
        return []
    rows = writing.rows(_DUE, {"account_id": account_id, "now": now, "limit": limit})
    if not rows:
        return []
    claim_id, lease_until = new_uuid(now), now + lease_ns
    ids: dict[str, Value] = {"ids": json.dumps([row["q_id"] for row in rows])}
    chosen = f"id {among('ids', writing.dialect)}"
    writing.run(
        f"INSERT INTO sync_inflight ({OPERATION_COLUMNS}, claim_id, lease_until)"
        f" SELECT {OPERATION_COLUMNS}, CAST(:claim_id AS TEXT), CAST(:lease_until AS BIGINT)"
        # By name: the same order on every server that does this again.
        f" FROM sync_queue WHERE {chosen} ORDER BY id",
        {**ids, "claim_id": claim_id, "lease_until": lease_until},
    )
    writing.run(f"DELETE FROM sync_queue WHERE {chosen}", ids)
    return [
        Claim(
            operation=operation_of(_part(row, "q_")),
            entity=entity_row_of(_part(row, "e_")),
            claim_id=claim_id,
            lease_until=lease_until,
        )
        for row in rows
    ]


def take_back(writing: Transaction, account_id: str, now: int) -> int:
    """Let claims whose lease ran out before `now` wait again, as attempted; return how many."""
    rows = writing.rows(_OVERDUE, {"account_id": account_id, "now": now})
    for row in rows:
        operation = replace(operation_of(row), attempted=True)
        writing.run("DELETE FROM sync_inflight WHERE id = :id", {"id": operation.op_id})
        put_back(writing, Returned(operation, bool(row["superseded"])))
    return len(rows)


def extend_lease(writing: Transaction, claim_id: str, lease_until: int) -> int:
    """Let what is left of a claim last until then; return how many operations that are."""
    return writing.run(
        "UPDATE sync_inflight SET lease_until = :lease_until WHERE claim_id = :claim_id",
        {"claim_id": claim_id, "lease_until": lease_until},
    )


def confirm(writing: Transaction, claimed: Claim, remote: Remote) -> None:
    """Keep that the server carried out an operation, and what the record is by it.

    It may be told late, and again: an operation that was taken back meanwhile is done all the same.
    """
    operation = claimed.operation
    # Whoever has it now: it is done.
    was_in_flight = writing.run("DELETE FROM sync_inflight WHERE id = :id", {"id": operation.op_id})
    queued = find_queued(writing, operation.account_id, operation.entity_type, operation.entity_id)
    if not was_in_flight and queued is not None:
        queued = _without(writing, queued, operation.op_id)
    row = find_entity(writing, operation.account_id, operation.entity_type, operation.entity_id)
    if row is None or (0 < remote.version < row.version):
        # Forgotten meanwhile, or a pull brought what others made of it: the row knows better.
        if row is not None:
            refresh_status(writing, row)
        return
    told = replace(
        row,
        base=None if remote.deleted else dict(remote.document),
        version=max(remote.version, row.version, 1),
        seq=max(remote.seq, row.seq),
        updated_at=remote.updated_at,
    )
    if queued is None and not is_in_flight(writing, row):
        keep_entity(
            writing,
            replace(
                told,
                document=dict(remote.document),
                deleted=remote.deleted,
                last_modified=remote.updated_at or row.last_modified,
                status=SyncStatus.SYNCED,
            ),
        )
        return
    # What was written meanwhile stays; what the server made of the rest is taken over, unless that
    # is what a tombstone has left.
    document = row.document
    if not remote.deleted:
        sent = decode_document(operation.payload)
        document = merge_documents(sent, row.document, remote.document, local_wins=True)
    keep_entity(writing, replace(told, document=document))
    if queued is not None and changed_fields(row.document, document):
        writing.run(
            "UPDATE sync_queue SET payload = :payload WHERE id = :id",
            {"payload": encode_document(document), "id": queued.op_id},
        )


def give_back(
    writing: Transaction,
    claimed: Claim,
    verdict: Verdict,
    now: int,
    random: Callable[[], float],
) -> None:
    """Let an operation wait again, or set it aside, as a verdict says; joined to what waits.

    `DELAY` and `PAUSE` hold up the whole account. An operation that was taken back or confirmed
    meanwhile is left alone.
    """
    operation = claimed.operation
    superseded = land(writing, claimed)
    if superseded is not None:
        returned = _judged(operation, verdict, now, random)
        put_back(writing, replace(returned, superseded=superseded))
    if verdict.kind is VerdictKind.PAUSE:
        pause_account(writing, operation.account_id, LOGIN_REASON, None)
    elif verdict.kind is VerdictKind.DELAY:
        until = next_attempt_at(now, operation.retry_count + 1, verdict.retry_after_ns, random)
        pause_account(writing, operation.account_id, verdict.reason, until)


def put_back(writing: Transaction, returned: Returned) -> None:
    """Let an operation wait that is not on its way any more."""
    first = returned.operation
    key = (first.account_id, first.entity_type, first.entity_id)
    row = find_entity(writing, *key)
    if row is None:
        return
    queued = find_queued(writing, *key)
    if returned.superseded and queued is None:
        if row.version == 0 and first.is_doubtful:
            # Consent was withdrawn while it was on its way, and it may have arrived.
            keep_entity(writing, replace(row, deleted=True))
            put(writing, replace(first, operation=SyncOperationType.DELETE, erase=True))
        else:
            go_back(writing, row)
        return
    if returned.superseded and row.version > 0:
        refresh_status(writing, row)
        return
    if queued is None:
        put(writing, first, returned.failed_at)
        refresh_status(writing, row)
        return
    drop_queued(writing, row)
    joined = join(first, queued)
    if joined is None:
        forget_entity(writing, row)
        return
    put(writing, joined)
    refresh_status(writing, row)


def find_flying(reading: Reading, row: EntityRow) -> Operation | None:
    """Return the operation of an entity that is on its way and was not decided against."""
    rows = reading.rows(
        f"SELECT {OPERATION_COLUMNS} FROM sync_inflight WHERE account_id = :account_id"
        " AND entity_type = :entity_type AND entity_id = :entity_id AND superseded = 0",
        {
            "account_id": row.account_id,
            "entity_type": row.entity_type,
            "entity_id": row.local_id,
        },
    )
    return operation_of(rows[0]) if rows else None


def supersede(writing: Transaction, operation: Operation) -> None:
    """Mark what is on its way: it is not to wait again, whatever becomes of it."""
    writing.run("UPDATE sync_inflight SET superseded = 1 WHERE id = :id", {"id": operation.op_id})


def refresh_status(writing: Transaction, row: EntityRow) -> None:
    """Bring the status of an entity to what waits for it."""
    waiting = writing.rows(
        "SELECT failed_at FROM sync_queue WHERE account_id = :account_id"
        " AND entity_type = :entity_type AND entity_id = :entity_id",
        {
            "account_id": row.account_id,
            "entity_type": row.entity_type,
            "entity_id": row.local_id,
        },
    )
    if waiting:
        status = SyncStatus.PENDING if waiting[0]["failed_at"] is None else SyncStatus.FAILED
    else:
        status = SyncStatus.PENDING if is_in_flight(writing, row) else SyncStatus.SYNCED
    if status is not row.status:
        keep_entity(writing, replace(row, status=status))


def _judged(
    operation: Operation, verdict: Verdict, now: int, random: Callable[[], float]
) -> Returned:
    """Return an operation as it waits on after a failure."""
    told = replace(
        operation,
        last_error=verdict.reason,
        attempted=operation.attempted or verdict.attempted,
    )
    match verdict.kind:
        case VerdictKind.ASIDE:
            told = replace(told, retry_count=told.retry_count + 1)
            return Returned(told, superseded=False, failed_at=now)
        case VerdictKind.RETRY:
            failures = told.retry_count + 1
            due = next_attempt_at(now, failures, verdict.retry_after_ns, random)
            told = replace(told, retry_count=failures, next_attempt_at=due)
            failed_at = now if failures >= TRIES_MAX else None
            return Returned(told, superseded=False, failed_at=failed_at)
        case VerdictKind.DELAY:
            # For who has no account that is connected, and so none that could be held up.
            due = next_attempt_at(now, told.retry_count + 1, verdict.retry_after_ns, random)
            return Returned(replace(told, next_attempt_at=due), superseded=False)
        case _:
            return Returned(told, superseded=False)


def land(writing: Transaction, claimed: Claim) -> bool | None:
    """Take an operation from its way; whether it was superseded, None where it is not ours to take.

    The lease may have run out, and whoever has it now knows nothing of what became of us.
    """
    landed = writing.rows(
        "DELETE FROM sync_inflight WHERE id = :id AND claim_id = :claim_id RETURNING superseded",
        {"id": claimed.operation.op_id, "claim_id": claimed.claim_id},
    )
    return bool(landed[0]["superseded"]) if landed else None


def is_held(reading: Reading, claimed: Claim) -> bool:
    """Whether a claim is still good, and no pull decided against its operation."""
    return bool(
        reading.rows(
            "SELECT id FROM sync_inflight WHERE id = :id AND claim_id = :claim_id"
            " AND superseded = 0",
            {"id": claimed.operation.op_id, "claim_id": claimed.claim_id},
        )
    )


def _without(writing: Transaction, queued: Operation, op_id: str) -> Operation | None:
    """Return what still waits once an operation is known to be done that had been taken back."""
    if queued.op_id != op_id and op_id not in queued.earlier:
        return queued
    writing.run("DELETE FROM sync_queue WHERE id = :id", {"id": queued.op_id})
    if queued.op_id == op_id:
        return None
    rest = as_change(queued)
    put(writing, rest)
    return rest


def _part(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)
    }
