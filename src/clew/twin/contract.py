"""What the twin answers: the one contract that every door and window speaks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

    from clew.twin import documents as doc
    from clew.twin import exports as out
    from clew.twin import parameters as ask


class Twins(Protocol):
    """States, events and registries. Every method blocks and may be called from any thread.

    Every method raises ClewError: INVALID_ARGUMENT for what cannot be asked, NOT_FOUND for an
    object, event, span or trace that nothing is known of, TIMEOUT and TOO_LARGE at a limit.
    """

    def get_state(self, obj_type: str, obj_id: str, query: ask.StateQuery) -> doc.TwinState:
        """Return what an object was at a moment; of one that was not yet there, `exists` is false.

        NOT_FOUND when no event of it is known at all.
        """
        ...

    def find_objects(self, query: ask.ObjectQuery) -> doc.ObjectList:
        """Return one page of objects, as they are now."""
        ...

    def get_instants(self, obj_type: str, obj_id: str, query: ask.InstantsQuery) -> doc.TwinStates:
        """Return what an object was at several moments, in their order."""
        ...

    def get_states(self, query: ask.StatesQuery) -> doc.TwinStates:
        """Return what several objects were at one moment, those that nothing is known of too."""
        ...

    def find_events(self, obj_type: str, obj_id: str, query: ask.TimelineQuery) -> doc.Timeline:
        """Return one page of an object's events."""
        ...

    def find_values(
        self, obj_type: str, obj_id: str, field: str, query: ask.HistoryQuery
    ) -> doc.FieldHistory:
        """Return one page of the values of a field, each with what set it."""
        ...

    def compare(self, obj_type: str, obj_id: str, query: ask.DifferenceQuery) -> doc.Difference:
        """Return what differs between two moments."""
        ...

    def get_graph(self, obj_type: str, obj_id: str, query: ask.GraphQuery) -> doc.ObjectGraph:
        """Return all that references reach from an object, at one instant."""
        ...

    def find_touched(self, trace_id: str, query: ask.TouchedQuery) -> doc.TouchedObjects:
        """Return the objects that a trace touched, at one of its steps."""
        ...

    def find_processes(self, query: ask.ProcessQuery) -> doc.ProcessList:
        """Return one page of processes, as they stand now."""
        ...

    def get_processes(self, trace_id: str, query: ask.TraceProcessQuery) -> doc.TraceProcesses:
        """Return the processes that ran under a trace, or the process of an id, at a moment."""
        ...

    def export_objects(self, query: out.ObjectExport) -> Iterator[bytes]:
        """Return objects as they were at one moment, as pieces of a file; reading may raise too."""
        ...

    def export_events(self, query: out.EventExport) -> Iterator[bytes]:
        """Return events that count as pieces of a file; reading may raise too."""
        ...

    def find_rejected(self, query: ask.RejectedQuery) -> doc.RejectedList:
        """Return one page of the events that do not count."""
        ...


class Registries(Protocol):
    """The registries that a server was given. Every version is kept."""

    def put(self, text: bytes, by: str) -> Future[doc.RegistryStored]:
        """Keep the file of a registry, and let it count; durable when the future is done.

        INVALID_ARGUMENT, at the call, for what is no registry or contradicts itself.
        """
        ...

    def get(self, checksum: str) -> bytes:
        """Return the file of a registry."""
        ...

    def find_current(self, name: str | None = None) -> bytes:
        """Return the file of the registry that was given last, or last of a name."""
        ...

    def count_judged(self) -> Mapping[str, int]:
        """Return how many events were judged since the start, by verdict."""
        ...

    def list(self) -> doc.RegistryList:
        """Return every version, the one given last first."""
        ...
