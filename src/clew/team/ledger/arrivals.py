"""What comes from the server: pages of changes, and the record that an operation met.

A record is applied where nothing of ours waits for it. Where something does, both are settled
(`clew.team.merging.settlement`) at once, whether ours is on its way or not: what comes of it takes
its place in the queue, and what is on its way is marked, so that it does not come back. So a page
and its cursor are one transaction, and nothing of it is put off.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from clew.base.ids import new_uuid
from clew.team.entities.kinds import KINDS
from clew.team.entities.session import SyncStatus
from clew.team.ledger.conflicts import erase_conflicts, keep_conflict
from clew.team.ledger.entities import (
    find_by_remote,
    find_entities,
    keep_entity,
)
from clew.team.ledger.flight import (
    Returned,
    confirm,
    find_flying,
    is_held,
    land,
    put_back,
    refresh_status,
    supersede,
)
from clew.team.ledger.queue import drop_queued, find_queued, put, requeue
from clew.team.ledger.rounds import keep_cursor
from clew.team.ledger.rows import Applied, Claim, Conflict, EntityRow, Reconciled
from clew.team.merging.operation import SyncOperationType
from clew.team.merging.recall import Recalled, as_change, recall
from clew.team.merging.settlement import Settlement, Side, settle
from clew.team.merging.strategy import ConflictStrategy
from clew.team.merging.threeway import changed_fields
from clew.team.trailbase.contract import Remote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clew.store.database.contract import Transaction
    from clew.team.entities.entity import SyncableEntity
    from clew.team.merging.operation import Operation


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where changes come from, and how they meet what is here.

    `kinds` are the classes of entities by their types; of a type that is not among them, fields
    are all there is to merge.
    """

    account_id: str
    team_id: str
    entity_type: str
    strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS
    kinds: Mapping[str, type[SyncableEntity]] = field(default_factory=lambda: KINDS)


def apply_page(
    writing: Transaction,
    arrival: Arrival,
    records: Sequence[Remote],
    cursor: int | None,
    now: int,
) -> Applied:
    """Bring entities to what a page says, and remember how far it went.

    Records may come again, late, and in any order: one that is not newer than what is known
    changes nothing. `cursor` is the number of the last change, None to leave it.
    """
    changed: list[str] = []
    conflicts: list[Conflict] = []
    for record in records:
        local_id, conflict = _apply(writing, arrival, record, now)
        if local_id is not None:
            changed.append(local_id)
        if conflict is not None:
            conflicts.append(conflict)
    if cursor is not None:
        keep_cursor(writing, arrival.account_id, arrival.team_id, arrival.entity_type, cursor, now)
    return Applied(tuple(changed), tuple(conflicts))


def reconcile(
    writing: Transaction, arrival: Arrival, claimed: Claim, record: Remote | None, now: int
) -> Reconciled:
    """Bring an operation of which the outcome is not known, or a conflict, to what the server has.

    `record` is what `TeamServer.get` returned, None where it found none. Where the operation was
    not done, it is to be sent, and its claim goes on. Else it is done, or waits again, for the
    record as it is now, and the claim is over.
    """
    told = recall(claimed.operation, claimed.entity.version, record)
    if told.what is Recalled.DONE:
        if record is None and claimed.entity.version == 0:
            _bury_unheard(writing, claimed, now)
        else:
            confirm(writing, claimed, record or _gone(claimed.entity))
        return Reconciled(told.what)
    if told.what is Recalled.NOT_DONE and is_held(writing, claimed):
        writing.run(
            "UPDATE sync_inflight SET operation = :operation WHERE id = :id",
            {"operation": told.operation.operation.value, "id": told.operation.op_id},
        )
        return Reconciled(told.what, to_send=replace(claimed, operation=told.operation))
    superseded = land(writing, claimed)
    if superseded is not None:
        put_back(writing, Returned(told.operation, superseded))
    if record is None or told.what is Recalled.NOT_DONE:
        return Reconciled(told.what)
    if told.what is Recalled.EARLIER:
        _rebase(writing, claimed.entity, record)
        return Reconciled(told.what)
    _, conflict = _apply(writing, arrival, record, now)
    return Reconciled(told.what, conflict=conflict)


def drop_absent(
    writing: Transaction, arrival: Arrival, present: Collection[str], now: int
) -> Applied:
    """Take what the server has no more for erased: after a pull from 0 that is known to be whole.

    `present` are the ids of all records that came. Never call it for an answer that may have been
    an anonymous one's, who sees nothing.
    """
    changed: list[str] = []
    conflicts: list[Conflict] = []
    # Those that are deleted here too: whoever gives that up must not bring back what is gone there.
    rows = find_entities(
        writing,
        arrival.account_id,
        arrival.entity_type,
        team_id=arrival.team_id,
        with_deleted=True,
    )
    for row in rows:
        if row.version > 0 and row.base is not None and row.remote_id not in present:
            gone = replace(_gone(row), version=row.version + 1)
            local_id, conflict = _apply(writing, arrival, gone, now)
            if local_id is not None:
                changed.append(local_id)
            if conflict is not None:
                conflicts.append(conflict)
    return Applied(tuple(changed), tuple(conflicts))


def _bury_unheard(writing: Transaction, claimed: Claim, now: int) -> None:
    """Keep that what was made and deleted here is not on the server, unless it was made anew.

    Its create may arrive after all; then it is deleted there.
    """
    operation, row = claimed.operation, claimed.entity
    if land(writing, claimed) is None:
        return
    doubts = (*operation.earlier, operation.op_id)
    queued = find_queued(writing, row.account_id, row.entity_type, row.local_id)
    drop_queued(writing, row)
    if queued is None or queued.operation is SyncOperationType.DELETE:
        gone = replace(row, deleted=True, updated_at=now, doubts=doubts)
        keep_entity(writing, replace(gone, status=SyncStatus.SYNCED))
    else:
        earlier = (*operation.earlier, *queued.earlier)
        put(writing, replace(queued, operation=SyncOperationType.CREATE, earlier=earlier))


def _apply(
    writing: Transaction, arrival: Arrival, record: Remote, now: int
) -> tuple[str | None, Conflict | None]:
    """Apply one record; return the entity that is other than before, and the conflict."""
    row = find_by_remote(writing, arrival.account_id, arrival.entity_type, record.remote_id)
    if row is None:
        if record.deleted:
            return None, None
        keep_entity(writing, _first_seen(arrival, record))
        return record.remote_id, None
    is_reborn = _is_reborn(row, record)
    if is_reborn:
        row = replace(row, version=0)
    if _is_known(row, record):
        if record.seq > row.seq:
            keep_entity(writing, replace(row, seq=record.seq))
        return None, None
    queued = find_queued(writing, row.account_id, row.entity_type, row.local_id)
    flying = find_flying(writing, row)
    if _is_ours(writing, row, record, queued, flying):
        return None, None
    is_unheard = row.version == 0 and row.deleted and not (record.deleted or is_reborn)
    if queued is None and flying is None and is_unheard:
        # Made and deleted here, and it arrived all the same: it is ours to take away.
        gone = replace(_taken_over(row, record), deleted=True, doubts=())
        keep_entity(writing, replace(gone, status=SyncStatus.PENDING))
        requeue(writing, gone, erase=True, created_at=now, now=now)
        return None, None
    if queued is None and flying is None:
        keep_entity(writing, _taken_over(row, record))
        if _side_of(record).erased:
            erase_conflicts(writing, row)
        return row.local_id, None
    return _settle(writing, arrival, row, record, (queued, flying), now)


def _settle(
    writing: Transaction,
    arrival: Arrival,
    row: EntityRow,
    record: Remote,
    ours: tuple[Operation | None, Operation | None],
    now: int,
) -> tuple[str | None, Conflict | None]:
    flying = ours[1]
    waiting = [operation for operation in ours if operation is not None]
    local = Side(
        row.document,
        row.last_modified,
        deleted=row.deleted,
        erased=row.deleted and any(operation.erase for operation in waiting),
    )
    remote = _side_of(record)
    settled = settle(arrival.kinds.get(row.entity_type), arrival.strategy, row.base, local, remote)
    if flying is not None:
        supersede(writing, flying)
    if settled.must_send:
        decided = replace(
            _taken_over(row, record),
            document=settled.document,
            deleted=settled.deleted,
            last_modified=row.last_modified,
            status=SyncStatus.PENDING,
        )
        keep_entity(writing, decided)
        created_at = min(operation.created_at for operation in waiting)
        requeue(writing, decided, erase=settled.erased, created_at=created_at, now=now)
    else:
        drop_queued(writing, row)
        decided = _taken_over(row, record)
        keep_entity(writing, decided)
        refresh_status(writing, decided)
    is_other = row.deleted != decided.deleted or bool(
        changed_fields(row.document, decided.document)
    )
    conflict = None
    if settled.is_conflict:
        conflict = _conflict_of(arrival, row, record, settled, local, now)
        keep_conflict(writing, conflict)
    if remote.erased:
        erase_conflicts(writing, row)
    return (row.local_id if is_other else None), conflict


def _is_reborn(row: EntityRow, record: Remote) -> bool:
    """Whether something that was deleted was made anew on the server, its versions from 1 again.

    That takes a tombstone that the server has removed, and a create that was in doubt for as long.
    The server's numbers tell it from a record that comes late.
    """
    was_deleted = row.version > 0 and row.base is None
    is_older = 0 < record.version <= row.version
    return was_deleted and not record.deleted and is_older and record.seq > row.seq


def _is_known(row: EntityRow, record: Remote) -> bool:
    """Whether a record says nothing that is not known."""
    if record.version > 0:
        return record.version <= row.version
    # A server without versions: only what it says tells.
    if row.version == 0:
        return False
    if record.deleted or row.base is None:
        return record.deleted and row.base is None
    return not changed_fields(row.base, record.document)


def _is_ours(
    writing: Transaction,
    row: EntityRow,
    record: Remote,
    queued: Operation | None,
    flying: Operation | None,
) -> bool:
    """Say whether a record is what an operation of ours made of it, and keep that it is."""
    if record.op_id is None:
        return False
    for operation in (flying, queued):
        if operation is None:
            continue
        if record.op_id == operation.op_id:
            confirm(writing, Claim(operation, row, "", 0), record)
            return True
        if record.op_id in operation.earlier:
            # What is on its way is asked for by who sends it, and finds the same.
            if operation is queued:
                drop_queued(writing, row)
                put(writing, as_change(operation))
            _rebase(writing, row, record)
            return True
    return False


def _rebase(writing: Transaction, row: EntityRow, record: Remote) -> None:
    """Keep that the server has an earlier version of ours, from which the next one is made."""
    known = find_by_remote(writing, row.account_id, row.entity_type, row.remote_id)
    if known is not None and record.version >= known.version:
        keep_entity(
            writing,
            replace(
                known,
                base=None if record.deleted else dict(record.document),
                version=max(record.version, 1),
                seq=max(record.seq, known.seq),
                updated_at=record.updated_at,
            ),
        )


def _first_seen(arrival: Arrival, record: Remote) -> EntityRow:
    return EntityRow(
        account_id=arrival.account_id,
        entity_type=arrival.entity_type,
        local_id=record.remote_id,
        remote_id=record.remote_id,
        team_id=arrival.team_id or _team_of(arrival, record),
        document=dict(record.document),
        base=dict(record.document),
        version=max(record.version, 1),
        seq=record.seq,
        updated_at=record.updated_at,
        last_modified=record.updated_at,
        deleted=False,
        status=SyncStatus.SYNCED,
    )


def _team_of(arrival: Arrival, record: Remote) -> str:
    if arrival.entity_type == "teams":
        return record.remote_id
    return str(record.document.get("team_id") or "")


def _taken_over(row: EntityRow, record: Remote) -> EntityRow:
    """Return an entity as the server has it."""
    return replace(
        row,
        document=dict(record.document),
        base=None if record.deleted else dict(record.document),
        version=max(record.version, row.version, 1),
        seq=max(record.seq, row.seq),
        updated_at=record.updated_at,
        last_modified=record.updated_at,
        deleted=record.deleted,
        status=SyncStatus.SYNCED,
    )


def _side_of(record: Remote) -> Side:
    return Side(
        dict(record.document),
        record.updated_at,
        deleted=record.deleted,
        erased=record.deleted and (record.erased or not record.document),
    )


def _gone(row: EntityRow) -> Remote:
    """Return what the server would say of what it has no more."""
    return Remote(
        remote_id=row.remote_id,
        document={},
        version=row.version,
        seq=row.seq,
        updated_at=row.updated_at,
        op_id=None,
        deleted=True,
        erased=True,
    )


def _conflict_of(
    arrival: Arrival,
    row: EntityRow,
    record: Remote,
    settled: Settlement,
    local: Side,
    now: int,
) -> Conflict:
    return Conflict(
        conflict_id=new_uuid(now),
        account_id=row.account_id,
        team_id=row.team_id,
        entity_type=row.entity_type,
        local_id=row.local_id,
        strategy=arrival.strategy,
        winner=settled.winner,
        fields=settled.lost,
        base=row.base,
        local=None if local.deleted else local.document,
        remote=None if record.deleted else dict(record.document),
        outcome=None if settled.deleted else settled.document,
        local_at=local.at,
        remote_at=record.updated_at,
        remote_version=record.version,
        created_at=now,
    )
