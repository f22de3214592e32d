"""Which of two versions of an entity becomes the one of both sides."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar, assert_never

from clew.team.entities.codec import replace_fields
from clew.team.entities.entity import SyncableEntity

Entity = TypeVar("Entity", bound=SyncableEntity)


class ConflictStrategy(StrEnum):
    """How a conflict is decided."""

    LAST_WRITE_WINS = "last_write_wins"
    LOCAL_WINS = "local_wins"
    REMOTE_WINS = "remote_wins"
    CUSTOM_MERGE = "custom_merge"


def resolve_conflict(
    local: Entity,
    remote: Entity,
    strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS,
    base: Entity | None = None,
) -> Entity:
    """Return what becomes of two versions of one entity. Neither is changed.

    With `CUSTOM_MERGE` the entity decides: by `merge_from`, a merge of three sides, where the
    version is known that both were made from; else by `merge_with`. The last write wins by
    `last_modified`, and a tie is the server's. Whoever wins, the server's value stands in the
    `server_fields` of the kind: a role is never a client's to decide.
    """
    match strategy:
        case ConflictStrategy.LAST_WRITE_WINS:
            chosen = local if local.last_modified > remote.last_modified else remote
        case ConflictStrategy.LOCAL_WINS:
            chosen = local
        case ConflictStrategy.REMOTE_WINS:
            chosen = remote
        case ConflictStrategy.CUSTOM_MERGE if base is None:
            chosen = local.merge_with(remote)
        case ConflictStrategy.CUSTOM_MERGE:
            chosen = local.merge_from(base, remote)
        case _:
            assert_never(strategy)
    kept = {
        name: getattr(remote, name)
        for name in local.server_fields
        if getattr(chosen, name) != getattr(remote, name)
    }
    return replace_fields(chosen, **kept) if kept else chosen
