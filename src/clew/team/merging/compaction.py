"""Several operations of one entity as one. Only of those that are not on their way."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clew.team.merging.operation import Operation, SyncOperationType

EARLIER_MAX: Final = 16
"""Operations of unknown outcome that one remembers: each took a lost answer and a change since. An
older one that is forgotten is met as a conflict with a version of our own."""

_CREATE, _UPDATE, _DELETE = (
    SyncOperationType.CREATE,
    SyncOperationType.UPDATE,
    SyncOperationType.DELETE,
)

_JOINED: Final = {
    (_CREATE, _CREATE): _CREATE,
    (_CREATE, _UPDATE): _CREATE,
    (_CREATE, _DELETE): _DELETE,
    (_UPDATE, _CREATE): _UPDATE,
    (_UPDATE, _UPDATE): _UPDATE,
    (_UPDATE, _DELETE): _DELETE,
    (_DELETE, _CREATE): _UPDATE,
    (_DELETE, _UPDATE): _UPDATE,
    (_DELETE, _DELETE): _DELETE,
}
"""What a tombstone is followed by changes it: the record is still there."""


def join(first: Operation, second: Operation) -> Operation | None:
    """Return what two operations of one entity, one after the other, come to; None for nothing.

    Neither may be on its way to the server. Nothing is left of a create that was never sent and is
    deleted. What comes of it begins anew: it is the second, in the place of the first.
    """
    if (first.operation, second.operation) == (_CREATE, _DELETE) and not first.is_doubtful:
        return None
    earlier = (*first.earlier, first.op_id) if first.attempted else first.earlier
    deletes = _JOINED[first.operation, second.operation] is _DELETE
    return replace(
        second,
        operation=_JOINED[first.operation, second.operation],
        created_at=min(first.created_at, second.created_at),
        earlier=(*earlier, *second.earlier)[-EARLIER_MAX:],
        erase=deletes and (first.erase or second.erase),
    )
