"""Events that are at hand already: those of a recording, or of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.twin.events import CHANGES
from clew.twin.reconstructor.moments import forms_of, stands_at
from clew.twin.reconstructor.source import Source, refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clew.twin.events import Event, Order
    from clew.twin.reconstructor.source import Subject
    from clew.twin.schema.values import ObjectSchema, ProcessSchema, RegistrySchema


class RecordedEvents(Source):
    """A source over events in memory, and the registry that describes them, where there is one.

    Safe to use from any thread, also while one of them appends.
    """

    def __init__(self, events: Iterable[Event], registry: RegistrySchema | None = None) -> None:
        self._events: dict[Subject, list[Event]] = {}
        for event in events:
            self.append(event)
        self._registry = registry

    def append(self, event: Event) -> None:
        """Take in one more event. From one thread at a time."""
        self._events.setdefault((event.obj_type, event.obj_id), []).append(event)

    def list_subjects(self) -> list[Subject]:
        """Return the objects that there are events of, by type and id."""
        return sorted(list(self._events))  # noqa: C414 - a copy at once, before another thread adds

    def read_all(self) -> list[Event]:
        """Return every event of every object, in no order."""
        return [event for events in list(self._events.values()) for event in list(events)]

    def find_types(self, obj_id: str) -> list[str]:
        """Return the types that have an object of this id."""
        return [name for name, each in self.list_subjects() if each == obj_id]

    def read_events(
        self, subject: Subject, *, start: int | None, until: int | None, changes: bool
    ) -> list[Event]:
        """Return the events of one object."""
        if subject not in self._events:
            raise refuse_unknown(subject[1], subject[0])
        return [
            event
            for event in list(self._events[subject])
            if (start is None or start <= event.at)
            and (until is None or event.at <= until)
            and (not changes or event.type in CHANGES)
        ]

    def find_place(self, place: str) -> Order | None:
        """Return where an event or a span stands in the order of all events."""
        events = self.read_all()
        for form in forms_of(place):
            found = [each.order for each in events if stands_at(each, form)]
            if found:
                return max(found)
        return None

    def read_trace(self, trace_id: str) -> list[Event]:
        """Return the events of one trace."""
        return [event for event in self.read_all() if event.trace_id == trace_id]

    def find_schema(self, obj_type: str, checksum: str) -> ObjectSchema | ProcessSchema | None:
        """Return what describes a type."""
        if self._registry is None:
            return None
        return self._registry.objects.get(obj_type) or self._registry.processes.get(obj_type)
