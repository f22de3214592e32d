"""What is known of an object: events, in the one order that decides.

An event is what a fingerprint says, whichever way it came. Events are ordered by their time, then
by the count of their writer, then by their id; those with the same id are one event, however often
they came. So the same events give the same state in whatever order they arrive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class EventType(StrEnum):
    """What an event says. Only those of `CHANGES` alter state."""

    CREATED = "created"
    STATE_CHANGE = "state_change"
    PHASE_CHANGE = "phase_change"
    SNAPSHOT = "snapshot"
    DELETED = "deleted"
    EVENT = "event"
    ACTION = "action"
    LOG = "log"


CHANGES: Final = frozenset(
    {
        EventType.CREATED,
        EventType.STATE_CHANGE,
        EventType.PHASE_CHANGE,
        EventType.SNAPSHOT,
        EventType.DELETED,
    }
)


class Order(NamedTuple):
    """Where an event stands among those of its object: Unix nanoseconds, count, id."""

    at: int
    seq: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of one object.

    `at` is Unix nanoseconds UTC. `patch` holds the fields that it sets, as JSON values by their
    bare names (no prefix); null sets a field to null, and what is not named stays as it was. Of a
    `SNAPSHOT` it is the whole state. `data` is what the program said besides, and changes nothing.
    `phase` and `status` are a process's own.
    """

    at: int
    seq: int
    event_id: str
    type: EventType
    obj_type: str
    obj_id: str
    patch: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    body: str = ""
    trace_id: str = ""
    span_id: str = ""
    service: str = ""
    phase: str = ""
    status: str = ""
    checksum: str = ""

    @property
    def order(self) -> Order:
        """Where it stands among those of its object."""
        return Order(self.at, self.seq, self.event_id)
