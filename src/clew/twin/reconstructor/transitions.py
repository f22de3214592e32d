"""What an event did to an object, and what differs between two states."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypedDict

from clew.twin.events import EventType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.twin.events import Event


class TransitionType(StrEnum):
    """What became of the object."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    PHASE_CHANGE = "phase_change"


class Change(TypedDict("Change", {"from": Any, "to": Any})):
    """The values of a field that differs."""


@dataclass(frozen=True, slots=True)
class StateDiff:
    """What differs between two states. `unchanged_count` are the fields that both have alike."""

    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, Change]
    unchanged_count: int

    @property
    def is_empty(self) -> bool:
        """Whether the states are equal."""
        return not (self.added or self.removed or self.changed)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "unchanged_count": self.unchanged_count,
        }


@dataclass(frozen=True, slots=True)
class StateTransition:
    """An event that changed an object, with the states before and after it."""

    transition_type: TransitionType
    from_state: dict[str, Any]
    to_state: dict[str, Any]
    diff: StateDiff
    triggering_event: Event

    @property
    def changed_fields(self) -> list[str]:
        """The fields that differ, by name."""
        return sorted({*self.diff.added, *self.diff.removed, *self.diff.changed})


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A value that a field got, and the event that gave it."""

    field: str
    old: Any
    new: Any
    event: Event


def compute_diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> StateDiff:
    """Return what differs between two states. Null is a value; what is absent is none.

    True is not 1, and 1 is 1.0, as in JSON.
    """
    both = before.keys() & after.keys()
    changed: dict[str, Change] = {
        name: {"from": before[name], "to": after[name]}
        for name in sorted(both)
        if not is_same(before[name], after[name])
    }
    return StateDiff(
        added={name: after[name] for name in sorted(after.keys() - before.keys())},
        removed={name: before[name] for name in sorted(before.keys() - after.keys())},
        changed=changed,
        unchanged_count=len(both) - len(changed),
    )


def name_transition(event: Event, *, was_there: bool) -> TransitionType:
    """Return what an event that changed an object made of it."""
    if event.type is EventType.DELETED:
        return TransitionType.DELETED
    if not was_there:
        return TransitionType.CREATED
    if event.type is EventType.PHASE_CHANGE:
        return TransitionType.PHASE_CHANGE
    return TransitionType.UPDATED


def is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; Python takes True for 1."""
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[k], other[k]) for k in one)
    return bool(one == other)
