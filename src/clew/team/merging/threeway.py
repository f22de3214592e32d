"""Merging two versions with the one that both were made from: field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from clew.team.entities.codec import field_names, replace_fields
from clew.team.entities.entity import SyncableEntity
from clew.team.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.team.entities.codec import Document

Entity = TypeVar("Entity", bound=SyncableEntity)

LAST_MODIFIED: Final = "last_modified"
"""Every change changes it, so it says nothing about who changed what."""

_NAMES: Final = frozenset({"local_id", "remote_id", LAST_MODIFIED})


class _Missing:
    """A field that a document does not have: equal to itself alone."""


_MISSING: Final = _Missing()


def merge_fields(base: Entity | None, local: Entity, remote: Entity) -> Entity:
    """Return the merge of two entities that were made from `base`, None where there is none.

    What one side alone changed is that side's; where both did, differently, `merge_with` decides.
    It does so for all of it where there is no base, and where the parts of both would make an
    entity that is not valid. The result is as young as the younger of both.
    """
    decided = local.merge_with(remote)
    if base is None:
        return decided
    changes: dict[str, object] = {}
    for name in field_names(type(local)):
        ours, theirs, before = (getattr(each, name) for each in (local, remote, base))
        if name in _NAMES or name in local.local_fields or ours == theirs:
            continue
        if theirs == before:
            changes[name] = ours
        elif ours == before:
            changes[name] = theirs
        else:
            changes[name] = getattr(decided, name)
    merged = replace_fields(
        decided, **changes, last_modified=max(local.last_modified, remote.last_modified)
    )
    try:
        merged.validate()
    except ValidationError:
        return decided
    return merged


def merge_documents(
    base: Mapping[str, Any] | None,
    local: Mapping[str, Any],
    remote: Mapping[str, Any],
    *,
    local_wins: bool,
) -> Document:
    """Return the merge of two documents of a kind that is not known here.

    What one side alone changed, added or left out is that side's. Where both did, or where there is
    no base, `local_wins` says whose it is. Keys are in the order of the remote, then what is added.
    """
    merged: Document = {}
    for name in (*remote, *(name for name in local if name not in remote)):
        ours, theirs = local.get(name, _MISSING), remote.get(name, _MISSING)
        before = _MISSING if base is None else base.get(name, _MISSING)
        if ours == theirs or (base is not None and ours == before):
            chosen = theirs
        elif base is not None and theirs == before:
            chosen = ours
        else:
            chosen = ours if local_wins else theirs
        if chosen is not _MISSING:
            merged[name] = chosen
    return merged


def changed_fields(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields in which two documents differ, `last_modified` left out."""
    first = before or {}
    return frozenset(
        name
        for name in first.keys() | after.keys()
        if name != LAST_MODIFIED and first.get(name, _MISSING) != after.get(name, _MISSING)
    )


def lost_fields(
    base: Mapping[str, Any] | None, side: Mapping[str, Any], outcome: Mapping[str, Any]
) -> frozenset[str]:
    """Return the fields in which a side had changed something that the outcome does not say."""
    return changed_fields(base, side) & changed_fields(side, outcome)
