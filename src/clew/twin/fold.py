"""From events to state: the definition, in plain Python.

Theory of operation. An object has *lives*. The first event that changes it begins one, whatever its
type, since nobody is bound to tell of a creation; `DELETED` ends it, and leaves the last state to
be looked at. Only `CREATED` or `SNAPSHOT` begins another: a change that comes after the end is told
as a warning and alters nothing, because it is far more often late than meant.

- `CREATED` begins an empty state and merges its fields; of an object that lives, it only merges.
- `STATE_CHANGE` and `PHASE_CHANGE` merge: fields that are named are replaced whole, lists and
  dictionaries too; the others stay.
- `SNAPSHOT` is the whole state: what it does not name is gone.
- `EVENT`, `ACTION` and `LOG` never change state, nor count as versions.

`fold` is the oracle of whatever is faster: events that are shuffled or doubled give the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.twin.events import EventType, Order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.twin.events import Event

CHANGE_AFTER_DELETE: Final = "change_after_delete"
CREATED_AGAIN: Final = "created_again"

# Looked through in order, by identity first: a set would hash, and an enumeration's hash is a call
# of Python that costs as much as the rest of a short fold.
_SILENT: Final = (EventType.EVENT, EventType.ACTION, EventType.LOG)
_BEGINNING: Final = (EventType.CREATED, EventType.SNAPSHOT)

_HASH_CHARS: Final = 16


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about an event that the reader of a state should know."""

    code: str
    event_id: str
    at: int


@dataclass(slots=True)
class Folded:
    """What the events of one object came to.

    `version` counts the changes of all its lives, the deletions too. `created_at` and `updated_at`
    are the first change of the present life, or of the last one, and the newest change; None where
    nothing changed. `phase` and `status` are a process's.
    """

    exists: bool = False
    state: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    created_at: int | None = None
    updated_at: int | None = None
    last: Order | None = None
    phase: str = ""
    status: str = ""
    remarks: list[Remark] = field(default_factory=list)

    def apply(self, event: Event) -> bool:
        """Apply the next event in order; return whether it changed the object."""
        if event.type in _SILENT or not self._is_open_to(event):
            return False
        if event.type is EventType.DELETED:
            self.exists = False
        else:
            self._merge(event)
        self.version += 1
        self.updated_at = event.at
        self.last = event.order
        return True

    def _is_open_to(self, event: Event) -> bool:
        was_deleted = self.version > 0 and not self.exists
        if was_deleted and event.type not in _BEGINNING:
            self.remarks.append(Remark(CHANGE_AFTER_DELETE, event.event_id, event.at))
            return False
        if event.type is EventType.CREATED and self.exists:
            self.remarks.append(Remark(CREATED_AGAIN, event.event_id, event.at))
        return True

    def _merge(self, event: Event) -> None:
        if not self.exists:
            self.created_at = event.at
            self.phase = self.status = ""
        if not self.exists or event.type is EventType.SNAPSHOT:
            self.state = {}
        self.exists = True
        self.state.update(event.patch)
        self.phase = event.phase or self.phase
        self.status = event.status or self.status


def fold(events: Iterable[Event], until: Order | int | None = None) -> Folded:
    """Return what the events of one object come to, in whatever order and however often they come.

    `until` is a time (inclusive, Unix nanoseconds) or the place of an event; later events are left
    out. Only changes are looked at: an id that a change shares with a log record says nothing.
    """
    folded = Folded()
    for event in put_in_order(event for event in events if event.type not in _SILENT):
        if until is not None and _is_after(event.order, until):
            break
        folded.apply(event)
    return folded


def put_in_order(events: Iterable[Event]) -> list[Event]:
    """Return each event once, in the order that decides.

    Of events with one id that differ, the one that stands first counts; where they stand at the
    same place, the one whose content is less as text. So the choice does not depend on arrival.
    """
    chosen: dict[str, Event] = {}
    for event in events:
        known = chosen.setdefault(event.event_id, event)
        if known is not event and stands_before(event, known):
            chosen[event.event_id] = event
    return sorted(chosen.values(), key=attrgetter("at", "seq", "event_id"))


def stands_before(event: Event, other: Event) -> bool:
    """Whether of two events with one id the first counts: see `put_in_order`."""
    if event.order == other.order:
        return _content(event) < _content(other)
    return event.order < other.order


def hash_state(state: dict[str, Any]) -> str:
    """Return 16 hex digits that stand for a state: equal for equal states, whoever computes them.

    It is the beginning of the SHA-256 of the state as JSON with its names in order and no spaces.
    """
    text = msgspec.json.encode(state, order="deterministic")
    return hashlib.sha256(text).hexdigest()[:_HASH_CHARS]


def _is_after(order: Order, until: Order | int) -> bool:
    return order.at > until if isinstance(until, int) else order > until


def _content(event: Event) -> bytes:
    return msgspec.json.encode(
        [event.type, event.patch, event.phase, event.status], order="deterministic"
    )
