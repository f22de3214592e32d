"""What became of an operation of which nobody heard: told by the record that the server has."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from clew.team.merging.operation import Operation, SyncOperationType

if TYPE_CHECKING:
    from clew.team.trailbase.contract import Remote


class Recalled(StrEnum):
    """What the record says.

    `DONE`: it was carried out. `EARLIER`: one that this took the place of was; the record is what
    this is made from now. `NOT_DONE`: send it. `CONFLICT`: somebody else changed the record.
    """

    DONE = "done"
    EARLIER = "earlier"
    NOT_DONE = "not_done"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Recall:
    """What became of an operation, and the operation as it is to be sent, if it is."""

    what: Recalled
    operation: Operation


def recall(operation: Operation, version: int, remote: Remote | None) -> Recall:
    """Return what became of an operation.

    Args:
        operation: what was, or may have been, sent.
        version: what it was made from; 0 where the server had confirmed none.
        remote: the record as the server has it, None where it has none that we may see.
    """
    if remote is None:
        if operation.operation is SyncOperationType.DELETE:
            return Recall(Recalled.DONE, operation)
        is_new = version == 0
        again = SyncOperationType.CREATE if is_new else operation.operation
        return Recall(Recalled.NOT_DONE, replace(operation, operation=again))
    if remote.op_id is not None and remote.op_id == operation.op_id:
        return Recall(Recalled.DONE, operation)
    if remote.op_id is not None and remote.op_id in operation.earlier:
        return Recall(Recalled.EARLIER, as_change(operation))
    if remote.version == version and version > 0:
        return Recall(Recalled.NOT_DONE, operation)
    return Recall(Recalled.CONFLICT, as_change(operation))


def as_change(operation: Operation) -> Operation:
    """Return an operation for a record that is there: no create, and none that is in doubt."""
    changed = (
        SyncOperationType.UPDATE
        if operation.operation is SyncOperationType.CREATE
        else operation.operation
    )
    return replace(operation, operation=changed, attempted=False, earlier=())
