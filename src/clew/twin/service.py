"""The one service of the twin: every door and window asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.twin.query import (
    exported,
    graph,
    history,
    instants,
    listing,
    process,
    processes,
    rejected,
    states,
    timeline,
    touched,
)
from clew.twin.state.selection import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clew.twin import documents as doc
    from clew.twin import exports as out
    from clew.twin import parameters as ask
    from clew.twin.registries.shelf import Shelved
    from clew.twin.state.store import Store


class StoredTwins:
    """Implements `clew.twin.contract.Twins`, which says what each call does."""

    def __init__(self, store: Store, book: Shelved, now: Callable[[], int]) -> None:
        """Answer from a store and the registries; `now` gives Unix nanoseconds."""
        self._store = store
        self._book = book
        self._now = now

    def get_state(self, obj_type: str, obj_id: str, query: ask.StateQuery) -> doc.TwinState:
        """Return what an object was at a moment."""
        subject = Subject(obj_type, obj_id)
        return states.get_state(self._store, self._book.shelf, subject, query, self._now())

    def find_objects(self, query: ask.ObjectQuery) -> doc.ObjectList:
        """Return one page of objects, as they are now."""
        return listing.find_objects(self._store, self._book.shelf, query, self._now())

    def get_instants(self, obj_type: str, obj_id: str, query: ask.InstantsQuery) -> doc.TwinStates:
        """Return what an object was at several moments."""
        subject = Subject(obj_type, obj_id)
        return instants.get_instants(self._store, self._book.shelf, subject, query, self._now())

    def get_states(self, query: ask.StatesQuery) -> doc.TwinStates:
        """Return what several objects were at one moment."""
        return instants.get_states(self._store, self._book.shelf, query, self._now())

    def find_events(self, obj_type: str, obj_id: str, query: ask.TimelineQuery) -> doc.Timeline:
        """Return one page of an object's events."""
        subject = Subject(obj_type, obj_id)
        return timeline.find_events(self._store, self._book.shelf, subject, query, self._now())

    def find_values(
        self, obj_type: str, obj_id: str, field: str, query: ask.HistoryQuery
    ) -> doc.FieldHistory:
        """Return one page of the values of a field."""
        subject = Subject(obj_type, obj_id)
        shelf = self._book.shelf
        return history.find_values(self._store, shelf, subject, field, query, self._now())

    def compare(self, obj_type: str, obj_id: str, query: ask.DifferenceQuery) -> doc.Difference:
        """Return what differs between two moments."""
        subject = Subject(obj_type, obj_id)
        return history.compare(self._store, self._book.shelf, subject, query, self._now())

    def get_graph(self, obj_type: str, obj_id: str, query: ask.GraphQuery) -> doc.ObjectGraph:
        """Return all that references reach from an object, at one instant."""
        subject = Subject(obj_type, obj_id)
        return graph.get_graph(self._store, self._book.shelf, subject, query, self._now())

    def find_touched(self, trace_id: str, query: ask.TouchedQuery) -> doc.TouchedObjects:
        """Return the objects that a trace touched, at one of its steps."""
        return touched.find_touched(self._store, self._book.shelf, trace_id, query)

    def find_processes(self, query: ask.ProcessQuery) -> doc.ProcessList:
        """Return one page of processes, as they stand now."""
        return processes.find_processes(self._store, self._book.shelf, query, self._now())

    def get_processes(self, trace_id: str, query: ask.TraceProcessQuery) -> doc.TraceProcesses:
        """Return the processes that ran under a trace, or the process of an id, at a moment."""
        return process.get_processes(self._store, self._book.shelf, trace_id, query, self._now())

    def export_objects(self, query: out.ObjectExport) -> Iterator[bytes]:
        """Return objects as they were at one moment, as pieces of a file."""
        shelf = self._book.shelf
        pages = exported.export_objects(self._store, shelf, query, self._now())
        return exported.write_states(pages, query, shelf)

    def export_events(self, query: out.EventExport) -> Iterator[bytes]:
        """Return events that count as pieces of a file."""
        shelf = self._book.shelf
        pages = exported.export_events(self._store, shelf, query, self._now())
        return exported.write_events(pages, query, shelf)

    def find_rejected(self, query: ask.RejectedQuery) -> doc.RejectedList:
        """Return one page of the events that do not count."""
        return rejected.find_rejected(self._store, self._book.shelf, query, self._now())
