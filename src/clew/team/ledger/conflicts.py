"""Conflicts: kept with everything that met in them, listed until somebody looked, turned round."""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.team.entities.codec import decode_document, encode_document
from clew.team.entities.session import SyncStatus
from clew.team.ledger.entities import find_entity, keep_entity
from clew.team.ledger.queue import requeue
from clew.team.ledger.rows import Conflict, Take
from clew.team.merging.settlement import Winner
from clew.team.merging.strategy import ConflictStrategy
from clew.team.merging.threeway import changed_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.database.contract import Reading, Transaction, Value
    from clew.team.entities.codec import Document
    from clew.team.ledger.rows import EntityRow

KEPT_MAX: Final = 1000
"""Conflicts of an account that somebody looked at: an audit of months."""

OPEN_MAX: Final = 10_000
"""Conflicts that nobody looked at, of an account: more than anybody will, and up to some hundred
megabytes. The oldest go first, and the account counts them."""

_COLUMNS: Final = (
    "id, account_id, team_id, entity_type, local_id, strategy, winner, fields, base, local, remote,"
    " outcome, local_at, remote_at, remote_version, created_at, resolved_at, resolution"
)

_VALUES: Final = ", ".join(f":{name}" for name in _COLUMNS.split(", "))


def keep_conflict(writing: Transaction, conflict: Conflict) -> None:
    """Write a conflict down."""
    documents = {
        name: None if document is None else encode_document(document)
        for name, document in (
            ("base", conflict.base),
            ("local", conflict.local),
            ("remote", conflict.remote),
            ("outcome", conflict.outcome),
        )
    }
    writing.run(
        f"INSERT INTO sync_conflicts ({_COLUMNS}) VALUES ({_VALUES})",
        {
            **documents,
            "id": conflict.conflict_id,
            "account_id": conflict.account_id,
            "team_id": conflict.team_id,
            "entity_type": conflict.entity_type,
            "local_id": conflict.local_id,
            "strategy": conflict.strategy.value,
            "winner": conflict.winner.value,
            "fields": msgspec.json.encode(conflict.fields).decode(),
            "local_at": conflict.local_at,
            "remote_at": conflict.remote_at,
            "remote_version": conflict.remote_version,
            "created_at": conflict.created_at,
            "resolved_at": None,
            "resolution": None,
        },
    )
    _drop_oldest(writing, conflict.account_id)


def erase_conflicts(writing: Transaction, row: EntityRow) -> None:
    """Forget what others had said in conflicts over an entity that is shared no more.

    What was said here stays: it is in no other place.
    """
    writing.run(
        "UPDATE sync_conflicts SET base = NULL, remote = NULL, outcome = NULL"
        " WHERE account_id = :account_id AND entity_type = :entity_type AND local_id = :local_id",
        {
            "account_id": row.account_id,
            "entity_type": row.entity_type,
            "local_id": row.local_id,
        },
    )


def find_conflicts(
    reading: Reading,
    account_id: str,
    *,
    with_resolved: bool = False,
    before: str | None = None,
    limit: int = 100,
) -> list[Conflict]:
    """Return conflicts, the last first; those after the conflict `before` in that order."""
    parameters: dict[str, Value] = {"account_id": account_id, "limit": limit}
    where = "account_id = :account_id"
    if not with_resolved:
        where += " AND resolved_at IS NULL"
    if before is not None:
        where += " AND id < :before"
        parameters["before"] = before
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM sync_conflicts WHERE {where} ORDER BY id DESC LIMIT :limit",
        parameters,
    )
    return [_conflict_of(row) for row in rows]


def count_conflicts(reading: Reading, account_id: str) -> int:
    """Return how many conflicts nobody looked at yet."""
    (counted,) = reading.rows(
        "SELECT count(*) AS count FROM sync_conflicts WHERE account_id = :account_id"
        " AND resolved_at IS NULL",
        {"account_id": account_id},
    )
    return int(counted["count"])


def count_dropped(reading: Reading, account_id: str) -> int:
    """Return how many conflicts nobody looked at were forgotten, for they were too many."""
    rows = reading.rows(
        "SELECT conflicts_dropped FROM team_connection WHERE id = :id", {"id": account_id}
    )
    return int(rows[0]["conflicts_dropped"]) if rows else 0


def get_conflict(reading: Reading, account_id: str, conflict_id: str) -> Conflict:
    """Return one conflict.

    Raises:
        ClewError: NOT_FOUND.
    """
    rows = reading.rows(
        f"SELECT {_COLUMNS} FROM sync_conflicts WHERE account_id = :account_id AND id = :id",
        {"account_id": account_id, "id": conflict_id},
    )
    if not rows:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            f"there is no conflict {conflict_id[:64]}",
            hint="list conflicts with: clew team conflicts",
        )
    return _conflict_of(rows[0])


def resolve(
    writing: Transaction,
    account_id: str,
    conflict_id: str,
    take: Take,
    now: int,
    document: Document | None = None,
) -> Conflict:
    """Decide a conflict, and queue what that changes; return it as it is then.

    `take` is a side as it was, the outcome (leaves what is there now), or `MERGED` with a document
    of one's own. It may be decided again: everything that met is still there. What the entity has
    become since is replaced.

    Raises:
        ClewError: NOT_FOUND; INVALID_ARGUMENT when `MERGED` comes without a document, or another
            side with one.
    """
    conflict = get_conflict(writing, account_id, conflict_id)
    if (document is not None) != (take is Take.MERGED):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a document goes with the side merged, and with no other",
            hint="take local, remote or outcome, or give the document that is to be",
        )
    if take is not Take.OUTCOME:
        chosen = {Take.LOCAL: conflict.local, Take.REMOTE: conflict.remote}.get(take, document)
        _bring_to(writing, conflict, chosen, now)
    writing.run(
        "UPDATE sync_conflicts SET resolved_at = :now, resolution = :take WHERE id = :id",
        {"now": now, "take": take.value, "id": conflict_id},
    )
    _forget_oldest(writing, account_id)
    return replace(conflict, resolved_at=now, resolution=take)


def _bring_to(writing: Transaction, conflict: Conflict, chosen: Document | None, now: int) -> None:
    row = find_entity(writing, conflict.account_id, conflict.entity_type, conflict.local_id)
    if row is None:
        raise ClewError(
            ErrorCode.NOT_FOUND,
            "what the conflict is about is here no more",
            hint="keep the outcome: --take outcome",
        )
    deleted = chosen is None
    if row.deleted == deleted and (chosen is None or not changed_fields(row.document, chosen)):
        return
    row = replace(
        row,
        document=row.document if chosen is None else chosen,
        deleted=deleted,
        last_modified=now,
        status=SyncStatus.PENDING,
    )
    keep_entity(writing, row)
    # A person decided for a deletion that had erased, or for one that had not: the server erases
    # what is deleted by hand.
    requeue(writing, row, erase=deleted, created_at=now, now=now)


def _drop_oldest(writing: Transaction, account_id: str) -> None:
    dropped = writing.run(
        "DELETE FROM sync_conflicts WHERE account_id = :account_id AND resolved_at IS NULL"
        " AND id <= (SELECT id FROM sync_conflicts WHERE account_id = :account_id"
        " AND resolved_at IS NULL ORDER BY id DESC LIMIT 1 OFFSET :kept)",
        {"account_id": account_id, "kept": OPEN_MAX},
    )
    if dropped:
        writing.run(
            "UPDATE team_connection SET conflicts_dropped = conflicts_dropped + :dropped"
            " WHERE id = :id",
            {"dropped": dropped, "id": account_id},
        )


def _forget_oldest(writing: Transaction, account_id: str) -> None:
    writing.run(
        "DELETE FROM sync_conflicts WHERE account_id = :account_id AND resolved_at IS NOT NULL"
        " AND id NOT IN (SELECT id FROM sync_conflicts WHERE account_id = :account_id"
        " AND resolved_at IS NOT NULL ORDER BY id DESC LIMIT :kept)",
        {"account_id": account_id, "kept": KEPT_MAX},
    )


def _conflict_of(row: Mapping[str, Any]) -> Conflict:
    documents = {
        name: None if row[name] is None else decode_document(row[name])
        for name in ("base", "local", "remote", "outcome")
    }
    return Conflict(
        conflict_id=row["id"],
        account_id=row["account_id"],
        team_id=row["team_id"],
        entity_type=row["entity_type"],
        local_id=row["local_id"],
        strategy=ConflictStrategy(row["strategy"]),
        winner=Winner(row["winner"]),
        fields=tuple(msgspec.json.decode(row["fields"], type=list[str])),
        **documents,
        local_at=row["local_at"],
        remote_at=row["remote_at"],
        remote_version=row["remote_version"],
        created_at=row["created_at"],
        resolved_at=row["resolved_at"],
        resolution=None if row["resolution"] is None else Take(row["resolution"]),
    )
