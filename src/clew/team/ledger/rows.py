"""What the ledger keeps, as values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from clew.base.times import NS_PER_US, format_time, parse_time
from clew.team.entities.codec import decode_document, decode_entity
from clew.team.entities.entity import SyncableEntity
from clew.team.entities.session import SyncStatus
from clew.team.merging.operation import Operation, SyncOperationType
from clew.team.merging.settlement import Winner
from clew.team.merging.strategy import ConflictStrategy
from clew.team.merging.turn import turn_of
from clew.team.trailbase.contract import Sending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.store.database.contract import Value
    from clew.team.entities.codec import Document
    from clew.team.merging.recall import Recalled

Entity = TypeVar("Entity", bound=SyncableEntity)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_ACCOUNT_CHARS: Final = 32
"""Of an account's id: 128 bits, so that no two servers and users share one."""


def account_id_of(server_url: str, user_id: str) -> str:
    """Return the id of an account: always the same for a user of a server."""
    told = f"{server_url.rstrip('/')}\n{user_id}"
    return hashlib.sha256(told.encode()).hexdigest()[:_ACCOUNT_CHARS]


@dataclass(frozen=True, slots=True)
class Account:
    """A server and a user of it. `team_id` is the team that is meant where none is named.

    Nothing is sent before `paused_until`, nor, where `pause_reason` is set without it, before
    somebody logs in. Times are Unix nanoseconds.
    """

    account_id: str
    server_url: str
    user_id: str
    connected_at: int
    email: str = ""
    display_name: str | None = None
    team_id: str | None = None
    api: str = ""
    is_current: bool = False
    clock_offset_ns: int = 0
    pause_reason: str | None = None
    paused_until: int | None = None

    def is_paused_at(self, now: int) -> bool:
        """Whether nothing is to be sent."""
        if self.paused_until is None:
            return self.pause_reason is not None
        return now < self.paused_until


@dataclass(frozen=True, slots=True)
class EntityRow:
    """An entity as it is here (`document`), and as the server confirmed it last (`base`).

    `version` is 0 and `base` None before the server confirmed anything; a `base` of None with a
    version is a tombstone on the server. `last_modified` is the time of the last change here,
    `updated_at` the server's of its version: Unix nanoseconds. `doubts` are ids of operations that
    may arrive after all, of what was deleted before the server confirmed anything.
    """

    account_id: str
    entity_type: str
    local_id: str
    remote_id: str
    team_id: str
    document: Document
    base: Document | None
    version: int
    seq: int
    updated_at: int
    last_modified: int
    deleted: bool
    status: SyncStatus
    doubts: tuple[str, ...] = ()

    def as_entity(self, kind: type[Entity]) -> Entity:
        """Return it as an entity of its kind.

        Raises:
            ValidationError: the document is not understood.
        """
        entity = decode_entity(
            kind,
            self.document,
            local_id=self.local_id,
            remote_id=self.remote_id if self.version else None,
            last_modified=datetime_of(self.last_modified),
        )
        if "sync_status" in kind.local_fields:
            entity.sync_status = self.status  # type: ignore[attr-defined]
        return entity


@dataclass(frozen=True, slots=True)
class Claim:
    """An operation that this process has to send before `lease_until`, and what it changes."""

    operation: Operation
    entity: EntityRow
    claim_id: str
    lease_until: int

    def as_sending(self) -> Sending:
        """Return it as the server is told."""
        return Sending(
            op_id=self.operation.op_id,
            entity_type=self.operation.entity_type,
            remote_id=self.entity.remote_id,
            team_id=self.entity.team_id,
            operation=self.operation.operation,
            document=decode_document(self.operation.payload),
            version=self.entity.version,
            erase=self.operation.erase,
        )


@dataclass(frozen=True, slots=True)
class QueueStats:
    """What waits (`pending`, of which `in_flight` are on their way) and what was set aside.

    `oldest_pending` is when the first of what waits was written, Unix nanoseconds.
    """

    pending: int
    in_flight: int
    failed: int
    oldest_pending: int | None


@dataclass(frozen=True, slots=True)
class QueuePart:
    """What is on its way and what waits of one account, with how much it is in all, at one moment.

    Each in the order in which it is sent; of what was set aside, the last first.
    """

    stats: QueueStats
    in_flight: list[Operation]
    waiting: list[Operation]


class Take(StrEnum):
    """What to take when a conflict is resolved by hand.

    `OUTCOME` leaves what is there.
    """

    OUTCOME = "outcome"
    LOCAL = "local"
    REMOTE = "remote"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two versions that met, and what was made of them. A side that was deleted is None.

    `fields` are those in which somebody's change is in the outcome no more; none where a deletion
    met a change. Times are Unix nanoseconds by the server's clock, but `created_at` by ours.
    """

    conflict_id: str
    account_id: str
    team_id: str
    entity_type: str
    local_id: str
    strategy: ConflictStrategy
    winner: Winner
    fields: tuple[str, ...]
    base: Document | None
    local: Document | None
    remote: Document | None
    outcome: Document | None
    local_at: int
    remote_at: int
    remote_version: int
    created_at: int
    resolved_at: int | None = None
    resolution: Take | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What a page of changes came to: entities that are other than before, and conflicts."""

    changed: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found out about an operation of which nobody heard, or that met a conflict.

    `to_send` is what is to be sent now, as it is to be sent, of what was not done; its claim goes
    on. In all other cases the claim is over.
    """

    what: Recalled
    to_send: Claim | None = None
    conflict: Conflict | None = None


class RoundOutcome(StrEnum):
    """How a round of the sync ended."""

    DONE = "done"
    OFFLINE = "offline"
    PAUSED = "paused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of the sync did. Times are Unix nanoseconds."""

    began_at: int
    ended_at: int
    outcome: RoundOutcome
    sent: int = 0
    failed: int = 0
    pulled: int = 0
    conflicts: int = 0
    error: str | None = None


OPERATION_COLUMNS: Final = (
    "id, entity_type, entity_id, operation, payload, created_at, retry_count, last_error,"
    " account_id, team_id, turn, next_attempt_at, failed_at, attempted, erase, earlier"
)

OPERATION_VALUES: Final = ", ".join(f":{name}" for name in OPERATION_COLUMNS.split(", "))

ENTITY_COLUMNS: Final = (
    "account_id, entity_type, local_id, remote_id, team_id, document, base, version, seq,"
    " updated_at, last_modified, deleted, status, doubts"
)


def operation_of(row: Mapping[str, Any]) -> Operation:
    """Return the operation of a row of the queue, or of what is on its way."""
    return Operation(
        op_id=row["id"],
        account_id=row["account_id"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        operation=SyncOperationType(row["operation"]),
        payload=row["payload"],
        created_at=parse_time(row["created_at"], now=0),
        retry_count=row["retry_count"],
        next_attempt_at=row["next_attempt_at"],
        last_error=row["last_error"],
        attempted=bool(row["attempted"]),
        team_id=row["team_id"],
        erase=bool(row["erase"]),
        earlier=op_ids_of(row["earlier"]),
    )


def operation_values(operation: Operation, failed_at: int | None) -> dict[str, Value]:
    """Return the columns of an operation by their names."""
    return {
        "id": operation.op_id,
        "entity_type": operation.entity_type,
        "entity_id": operation.entity_id,
        "operation": operation.operation.value,
        "payload": operation.payload,
        "created_at": format_time(operation.created_at),
        "retry_count": operation.retry_count,
        "last_error": operation.last_error,
        "account_id": operation.account_id,
        "team_id": operation.team_id,
        "turn": turn_of(operation.entity_type, operation.operation),
        "next_attempt_at": operation.next_attempt_at,
        "failed_at": failed_at,
        "attempted": int(operation.attempted),
        "erase": int(operation.erase),
        "earlier": op_ids_text(operation.earlier),
    }


def entity_row_of(row: Mapping[str, Any]) -> EntityRow:
    """Return the row of an entity as a value."""
    return EntityRow(
        account_id=row["account_id"],
        entity_type=row["entity_type"],
        local_id=row["local_id"],
        remote_id=row["remote_id"],
        team_id=row["team_id"],
        document=decode_document(row["document"]),
        base=None if row["base"] is None else decode_document(row["base"]),
        version=row["version"],
        seq=row["seq"],
        updated_at=row["updated_at"],
        last_modified=row["last_modified"],
        deleted=bool(row["deleted"]),
        status=SyncStatus(row["status"]),
        doubts=op_ids_of(row["doubts"]),
    )


def op_ids_of(text: str) -> tuple[str, ...]:
    """Return the ids of operations that a column holds."""
    return () if text == "[]" else tuple(msgspec.json.decode(text, type=list[str]))


def op_ids_text(op_ids: tuple[str, ...]) -> str:
    """Return the ids of operations as a column holds them."""
    return msgspec.json.encode(op_ids).decode() if op_ids else "[]"


def datetime_of(at: int) -> datetime:
    """Return Unix nanoseconds as a datetime in UTC, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=at // NS_PER_US)


def unix_ns_of(at: datetime) -> int:
    """Return a datetime with a zone as Unix nanoseconds."""
    return (at - _EPOCH) // timedelta(microseconds=1) * NS_PER_US
