"""What was queued before anybody connected, taken over by the account that somebody connected."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clew.team.entities.session import SyncStatus
from clew.team.ledger.entities import find_by_remote, find_entity, forget_entity
from clew.team.ledger.queue import drop_queued, enqueue
from clew.team.ledger.rows import OPERATION_COLUMNS, operation_of

if TYPE_CHECKING:
    from clew.store.database.contract import Transaction


def adopt(writing: Transaction, before: str, account_id: str) -> int:
    """Let what waits under the account `before` wait under another; return how much it was.

    `before` belongs to no server, so nothing of it was ever sent. What the account has already,
    by its name here or on the server, is changed: what was queued counts as written now. What was
    set aside begins anew.
    """
    rows = writing.rows(
        f"SELECT {OPERATION_COLUMNS} FROM sync_queue WHERE account_id = :before"
        " ORDER BY turn, created_at, id",
        {"before": before},
    )
    for row in rows:
        operation = operation_of(row)
        mine = find_entity(writing, before, operation.entity_type, operation.entity_id)
        if mine is None:
            continue
        drop_queued(writing, mine)
        forget_entity(writing, mine)
        known = find_entity(writing, account_id, mine.entity_type, mine.local_id) or find_by_remote(
            writing, account_id, mine.entity_type, mine.remote_id
        )
        taken = replace(mine, account_id=account_id)
        if known is not None:
            taken = replace(
                known,
                document=mine.document,
                team_id=mine.team_id,
                last_modified=mine.last_modified,
                deleted=mine.deleted,
                status=SyncStatus.PENDING,
            )
        moved = replace(
            operation,
            account_id=account_id,
            entity_id=taken.local_id,
            retry_count=0,
            next_attempt_at=0,
            last_error=None,
        )
        enqueue(
            writing, taken, moved, is_known=taken.version > 0 or operation.operation != "create"
        )
    return len(rows)
