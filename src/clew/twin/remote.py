"""The twin's client: `Twins` and `Registries`, asked of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.remote.pairs import quoted, to_pairs
from clew.remote.reply import BASE, Reply
from clew.twin import documents as doc

if TYPE_CHECKING:
    from clew.remote.http import Server
    from clew.remote.pairs import Pairs
    from clew.twin import parameters as ask

_JSON: Final = "application/json"

Document = TypeVar("Document")


class TwinClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def find_objects(self, query: ask.ObjectQuery) -> Reply[doc.ObjectList]:
        """Return one page of objects, as they are now."""
        return self._get("/objects", to_pairs(query), doc.ObjectList)

    def get_state(self, obj_type: str, obj_id: str, query: ask.StateQuery) -> Reply[doc.TwinState]:
        """Return what an object was at a moment."""
        return self._get(_path(obj_type, obj_id), to_pairs(query), doc.TwinState)

    def get_instants(
        self, obj_type: str, obj_id: str, query: ask.InstantsQuery
    ) -> Reply[doc.TwinStates]:
        """Return what an object was at several moments, in their order."""
        path = f"{_path(obj_type, obj_id)}/states"
        return self._get(path, to_pairs(query), doc.TwinStates)

    def get_states(self, query: ask.StatesQuery) -> Reply[doc.TwinStates]:
        """Return what several objects were at one moment."""
        answer = self.server.post(
            f"{BASE}/objects/states", msgspec.json.encode(query), _JSON, is_question=True
        )
        return Reply(answer, doc.TwinStates)

    def find_events(
        self, obj_type: str, obj_id: str, query: ask.TimelineQuery
    ) -> Reply[doc.Timeline]:
        """Return one page of an object's events."""
        return self._get(f"{_path(obj_type, obj_id)}/timeline", to_pairs(query), doc.Timeline)

    def find_values(
        self, obj_type: str, obj_id: str, field: str, query: ask.HistoryQuery
    ) -> Reply[doc.FieldHistory]:
        """Return one page of the values of a field."""
        path = f"{_path(obj_type, obj_id)}/history/{quoted(field)}"
        return self._get(path, to_pairs(query), doc.FieldHistory)

    def compare(
        self, obj_type: str, obj_id: str, query: ask.DifferenceQuery
    ) -> Reply[doc.Difference]:
        """Return what differs between two moments."""
        return self._get(f"{_path(obj_type, obj_id)}/diff", to_pairs(query), doc.Difference)

    def get_graph(
        self, obj_type: str, obj_id: str, query: ask.GraphQuery
    ) -> Reply[doc.ObjectGraph]:
        """Return all that references reach from an object, at one instant."""
        return self._get(f"{_path(obj_type, obj_id)}/graph", to_pairs(query), doc.ObjectGraph)

    def find_touched(self, trace_id: str, query: ask.TouchedQuery) -> Reply[doc.TouchedObjects]:
        """Return the objects that a trace touched, at one of its steps."""
        path = f"/traces/{quoted(trace_id)}/objects"
        return self._get(path, to_pairs(query), doc.TouchedObjects)

    def find_processes(self, query: ask.ProcessQuery) -> Reply[doc.ProcessList]:
        """Return one page of processes, as they stand now."""
        return self._get("/processes", to_pairs(query), doc.ProcessList)

    def get_processes(
        self, trace_id: str, query: ask.TraceProcessQuery
    ) -> Reply[doc.TraceProcesses]:
        """Return the processes that ran under a trace, or the process of an id, at a moment."""
        return self._get(f"/processes/{quoted(trace_id)}", to_pairs(query), doc.TraceProcesses)

    def find_rejected(self, query: ask.RejectedQuery) -> Reply[doc.RejectedList]:
        """Return one page of the events that do not count."""
        return self._get("/rejected", to_pairs(query), doc.RejectedList)

    def put_registry(self, text: bytes) -> Reply[doc.RegistryStored]:
        """Give the server the file of a registry; it is durable when this returns."""
        return Reply(self.server.put(f"{BASE}/registry", text, _JSON), doc.RegistryStored)

    def list_registries(self) -> Reply[doc.RegistryList]:
        """Return every registry that the server was given."""
        return self._get("/registry/versions", [], doc.RegistryList)

    def get_registry(self, checksum: str) -> bytes:
        """Return the file of one version of a registry."""
        return self.server.get(f"{BASE}/registry/{quoted(checksum)}").body

    def find_current_registry(self, name: str | None = None) -> bytes:
        """Return the file of the registry that was given last, or last of a name."""
        pairs: Pairs = [] if name is None else [("name", name)]
        return self.server.get(f"{BASE}/registry", pairs).body

    def _get(self, path: str, pairs: Pairs, kind: type[Document]) -> Reply[Document]:
        return Reply(self.server.get(BASE + path, pairs), kind)


def _path(obj_type: str, obj_id: str) -> str:
    return f"/objects/{quoted(obj_type)}/{quoted(obj_id)}"
