"""A clew server as the source: it folds by itself, and knows the registries."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX, format_time, parse_time
from clew.remote.address import DEFAULT_SERVER
from clew.remote.connections import GivenConnection, OwnConnections
from clew.remote.http import Server
from clew.twin import parameters as ask
from clew.twin.events import Event, EventType
from clew.twin.reconstructor.clickhouse import ClickHouseEvents
from clew.twin.reconstructor.source import EVENTS_MAX, Source, refuse_too_many
from clew.twin.remote import TwinClient
from clew.twin.schema.codec import parse_registry
from clew.twin.schema.lookup import RegistryIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.remote.connections import Connections
    from clew.twin import documents as doc
    from clew.twin.reconstructor.source import Subject
    from clew.twin.schema.values import ObjectSchema, ProcessSchema

TYPES_SHOWN_MAX: Final = 100
"""Types that an error about an ambiguous id can name."""


class ServerTwins(Source):
    """Asks a server over REST."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._registries: dict[str, RegistryIndex] = {}
        self._lock = threading.Lock()

    def find_types(self, obj_id: str) -> list[str]:
        """Return the types that have an object of this id."""
        query = ask.ObjectQuery(id=obj_id, deleted=True, limit=TYPES_SHOWN_MAX)
        with self._connections.borrow() as server:
            found = TwinClient(server).find_objects(query).document()
        return sorted({each.type for each in found.objects})

    def read_events(
        self, subject: Subject, *, start: int | None, until: int | None, changes: bool
    ) -> list[Event]:
        """Return the events of one object, asked for a page at a time."""
        return self._read(subject, start=start, until=until, changes=changes, recorded_at=None)

    def read_recorded(
        self, subject: Subject, *, until: int | None, changes: bool, recorded_at: int
    ) -> list[Event]:
        """Return the events of one object that had come by a time."""
        recorded = format_time(recorded_at)
        return self._read(subject, start=None, until=until, changes=changes, recorded_at=recorded)

    def _read(
        self,
        subject: Subject,
        *,
        start: int | None,
        until: int | None,
        changes: bool,
        recorded_at: str | None,
    ) -> list[Event]:
        end = None if until is None or until >= TIME_NS_MAX else format_time(until + 1)
        begin = None if start is None else format_time(start)
        events: list[Event] = []
        following: str | None = None
        with self._connections.borrow() as server:
            while True:
                query = ask.TimelineQuery(
                    changes=changes,
                    start=begin,
                    end=end,
                    recorded_at=recorded_at,
                    limit=ask.LIMIT_MAX,
                    next=following,
                )
                page = TwinClient(server).find_events(*subject, query).document()
                events.extend(read_event(each) for each in page.events)
                following = page.next
                if following is None:
                    return events
                if len(events) >= EVENTS_MAX:
                    raise refuse_too_many(subject[1])

    def find_state(
        self, subject: Subject, at: str | None, recorded_at: str | None = None
    ) -> doc.TwinState | None:
        """Return the state at a moment."""
        query = ask.StateQuery(at=at, recorded_at=recorded_at)
        with self._connections.borrow() as server:
            return TwinClient(server).get_state(*subject, query).document()

    def find_states(
        self, subjects: Sequence[Subject], at: str | None, recorded_at: str | None = None
    ) -> list[doc.TwinState]:
        """Return the states of several objects in their order."""
        found: list[doc.TwinState] = []
        with self._connections.borrow() as server:
            for begin in range(0, len(subjects), ask.STATES_MAX):
                part = list(subjects[begin : begin + ask.STATES_MAX])
                query = ask.StatesQuery(objects=part, at=at, recorded_at=recorded_at)
                found.extend(TwinClient(server).get_states(query).document().states)
        return found

    @property
    def folds(self) -> bool:
        """Whether the source folds by itself."""
        return True

    def find_schema(self, obj_type: str, checksum: str) -> ObjectSchema | ProcessSchema | None:
        """Return what describes a type: the registry named, else the newest that knows it."""
        with self._lock:
            index = self._registries.get(checksum)
            found = None if index is None else index.by_name(obj_type)
            return found or self._find_in_registries(obj_type, checksum)

    def _find_in_registries(
        self, obj_type: str, checksum: str
    ) -> ObjectSchema | ProcessSchema | None:
        """Return what describes a type, by registries fetched until one knows it."""
        with self._connections.borrow() as server:
            client = TwinClient(server)
            versions = client.list_registries().document().registries
            # The one that the event names counts first, then those that count now.
            versions.sort(key=lambda each: (each.checksum != checksum, not each.is_current))
            for each in versions:
                if each.checksum not in self._registries:
                    text = client.get_registry(each.checksum)
                    self._registries[each.checksum] = RegistryIndex(parse_registry(text))
                found = self._registries[each.checksum].by_name(obj_type)
                if found is not None:
                    return found
        return None

    def get_graph(
        self, subject: Subject, at: str | None, depth: int, recorded_at: str | None = None
    ) -> doc.ObjectGraph:
        """Return all objects that references reach from one."""
        with self._connections.borrow() as server:
            query = ask.GraphQuery(at=at, depth=depth, recorded_at=recorded_at)
            return TwinClient(server).get_graph(*subject, query).document()

    def find_touched(self, trace_id: str, step: int | None) -> doc.TouchedObjects:
        """Return the objects that a trace touched."""
        with self._connections.borrow() as server:
            query = ask.TouchedQuery(step=step, limit=ask.STATES_MAX)
            return TwinClient(server).find_touched(trace_id, query).document()

    def find_processes(self, trace_id: str, at: str | None) -> doc.TraceProcesses:
        """Return the processes that ran under a trace, or the one of an id, as of a moment."""
        with self._connections.borrow() as server:
            query = ask.TraceProcessQuery(at=at, limit=ask.PROCESSES_MAX)
            return TwinClient(server).get_processes(trace_id, query).document()

    def close(self) -> None:
        """Let go of connections that are the source's own; repeatable."""
        self._connections.close()


def read_event(event: doc.TimelineEvent) -> Event:
    """Return an event of a document as the fold takes it."""
    return Event(
        at=parse_time(event.at, now=0),
        seq=event.seq,
        event_id=event.event_id,
        type=EventType(event.type),
        obj_type=event.obj_type,
        obj_id=event.obj_id,
        patch=event.changes,
        name=event.name or "",
        data=event.data,
        body=event.body,
        trace_id=event.trace_id or "",
        span_id=event.span_id or "",
        service=event.service,
        phase=event.phase or "",
        status=event.status or "",
        checksum=event.registry_checksum or "",
    )


def open_source(client: Any, api_key: str | None = None) -> Source:
    """Return the source that a client, an address or nothing stands for.

    A client is one of ours, a source, or one of ClickHouse, told by its method `query`. For what
    stands for a server see `open_connections`.

    Raises:
        ClewError: INVALID_ARGUMENT for what is none of these.
    """
    if isinstance(client, Source):
        return client
    is_ours = client is None or isinstance(client, (str, Server, TwinClient))
    if not is_ours and hasattr(client, "query"):
        return ClickHouseEvents(client)
    return ServerTwins(open_connections(client, api_key))


def open_connections(client: Any, api_key: str | None = None) -> Connections:
    """Return connections to the server that a client, an address or nothing stands for.

    Nothing is the server of CLEW_SERVER, or of this machine. What has a `url` is a server too.

    Raises:
        ClewError: INVALID_ARGUMENT for what is none.
    """
    if isinstance(client, TwinClient):
        client = client.server
    if isinstance(client, Server):
        return GivenConnection(client)
    url = client if client is None or isinstance(client, str) else getattr(client, "url", client)
    if url is None:
        url = os.environ.get("CLEW_SERVER") or DEFAULT_SERVER
    if not isinstance(url, str):
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not a client: {type(client).__name__}",
            hint=f"give an address such as {DEFAULT_SERVER}, or a client of ClickHouse",
        )
    key = api_key or os.environ.get("CLEW_API_KEY")
    # An address that is none is told now, not at the first question.
    Server(url, api_key=key).close()
    return OwnConnections(lambda: Server(url, api_key=key))
