"""A conflict between what is here and what the server has, settled: documents, deletions and all.

`resolve_conflict` decides between two entities that are there. Here a side may be deleted, the kind
may be unknown, and it is found out what was lost by the decision.

Against a change, a deletion that erases (something is no longer shared) always wins: it withdraws
consent, and no strategy may bring back what somebody took away. Any other deletion wins if its side
does; under `CUSTOM_MERGE` the change survives, since a deletion can be repeated and what was
changed cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from clew.base.times import NS_PER_US
from clew.team.entities.codec import decode_entity, update_document
from clew.team.errors import ValidationError
from clew.team.merging.strategy import ConflictStrategy, resolve_conflict
from clew.team.merging.threeway import changed_fields, lost_fields, merge_documents

if TYPE_CHECKING:
    from clew.team.entities.codec import Document
    from clew.team.entities.entity import SyncableEntity

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Winner(StrEnum):
    """Whose version it became."""

    LOCAL = "local"
    REMOTE = "remote"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Side:
    """One version. `at` is when it was made, Unix nanoseconds by the server's clock."""

    document: Document
    at: int
    deleted: bool = False
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of two sides.

    `lost` are the fields in which a side had changed something that is in the outcome no more:
    where there are some, or `deletion_met_change`, there was a conflict for somebody to look at.
    `must_send` says that the server has something else than the outcome.
    """

    document: Document
    deleted: bool
    erased: bool
    winner: Winner
    lost: tuple[str, ...]
    deletion_met_change: bool
    must_send: bool

    @property
    def is_conflict(self) -> bool:
        """Whether anything of either side is lost."""
        return bool(self.lost) or self.deletion_met_change


def settle(
    kind: type[SyncableEntity] | None,
    strategy: ConflictStrategy,
    base: Document | None,
    local: Side,
    remote: Side,
) -> Settlement:
    """Return what becomes of the local and the server's version of one entity.

    Args:
        kind: its class; None where it is not known here, and then fields are all there is.
        strategy: how a conflict is decided.
        base: the document that both were made from, None where there is none.
        local: what is here and was not sent yet.
        remote: what the server has.
    """
    if local.deleted or remote.deleted:
        return _settle_deletion(strategy, base, local, remote)
    ours, theirs = local.document, remote.document
    if not changed_fields(theirs, ours):
        return _settled(base, local, remote, remote, Winner.REMOTE)
    if base is not None and not changed_fields(base, ours):
        return _settled(base, local, remote, remote, Winner.REMOTE)
    if base is not None and not changed_fields(base, theirs):
        return _settled(base, local, remote, local, Winner.LOCAL)
    document = _merge(kind, strategy, base, local, remote)
    if not changed_fields(theirs, document):
        return _settled(base, local, remote, remote, Winner.REMOTE)
    winner = Winner.MERGED if changed_fields(ours, document) else Winner.LOCAL
    return _settled(base, local, remote, Side(document, max(local.at, remote.at)), winner)


def _settle_deletion(
    strategy: ConflictStrategy, base: Document | None, local: Side, remote: Side
) -> Settlement:
    if local.deleted and remote.deleted:
        must_erase = local.erased and not remote.erased
        chosen = local if must_erase else remote
        return _settled(base, local, remote, chosen, Winner.REMOTE)
    deleted, changed = (local, remote) if local.deleted else (remote, local)
    is_changed = base is None or bool(changed_fields(base, changed.document))
    if deleted.erased or not is_changed:
        chosen = deleted
    else:
        match strategy:
            case ConflictStrategy.LAST_WRITE_WINS:
                chosen = local if local.at > remote.at else remote
            case ConflictStrategy.LOCAL_WINS:
                chosen = local
            case ConflictStrategy.REMOTE_WINS:
                chosen = remote
            case ConflictStrategy.CUSTOM_MERGE:
                chosen = changed
    winner = Winner.LOCAL if chosen is local else Winner.REMOTE
    return _settled(base, local, remote, chosen, winner, met_change=is_changed)


def _settled(
    base: Document | None,
    local: Side,
    remote: Side,
    chosen: Side,
    winner: Winner,
    *,
    met_change: bool = False,
) -> Settlement:
    lost: frozenset[str] = frozenset()
    if not chosen.deleted:
        for side in (local, remote):
            if not side.deleted:
                lost |= lost_fields(base, side.document, chosen.document)
    return Settlement(
        document=chosen.document,
        deleted=chosen.deleted,
        erased=chosen.erased,
        winner=winner,
        lost=tuple(sorted(lost)),
        deletion_met_change=met_change,
        must_send=(
            chosen.deleted != remote.deleted
            or (chosen.erased and not remote.erased)
            or (not chosen.deleted and bool(changed_fields(remote.document, chosen.document)))
        ),
    )


def _merge(
    kind: type[SyncableEntity] | None,
    strategy: ConflictStrategy,
    base: Document | None,
    local: Side,
    remote: Side,
) -> Document:
    """Return the outcome of two documents that both differ from their base."""
    local_is_later = _to_us(local.at) > _to_us(remote.at)
    wins = {
        ConflictStrategy.LOCAL_WINS: True,
        ConflictStrategy.REMOTE_WINS: False,
    }.get(strategy, local_is_later)
    merged = None if kind is None else _merge_entities(kind, strategy, base, local, remote)
    if merged is not None:
        return merged
    if strategy is ConflictStrategy.CUSTOM_MERGE:
        return merge_documents(base, local.document, remote.document, local_wins=wins)
    return local.document if wins else remote.document


def _merge_entities(
    kind: type[SyncableEntity],
    strategy: ConflictStrategy,
    base: Document | None,
    local: Side,
    remote: Side,
) -> Document | None:
    """Return the outcome of two entities; None where a side cannot be read as one.

    A program that knows the kind otherwise may have written it. Fields are all there is then.
    """

    def entity_of(document: Document, at: int | None) -> SyncableEntity:
        when = None if at is None else _EPOCH + timedelta(microseconds=_to_us(at))
        # The ids are the same on all sides, and no part of what is merged.
        return decode_entity(kind, document, local_id="", remote_id=None, last_modified=when)

    try:
        ours, theirs = entity_of(local.document, local.at), entity_of(remote.document, remote.at)
        before = None if base is None else entity_of(base, None)
    except ValidationError:
        return None
    merged = resolve_conflict(ours, theirs, strategy, before)
    # What neither knows as a field of the kind is merged as fields of documents are.
    is_later = local.at > remote.at
    beyond = merge_documents(base, local.document, remote.document, local_wins=is_later)
    return update_document(merged, beyond)


def _to_us(at: int) -> int:
    return at // NS_PER_US
