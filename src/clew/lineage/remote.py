"""Lineage asked of another server, and link sets told to it. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.lineage import documents as doc
from clew.lineage.terms import LeaseList
from clew.remote.pairs import quoted, to_pairs
from clew.remote.reply import BASE, Reply

if TYPE_CHECKING:
    from clew.lineage import parameters as ask
    from clew.lineage.terms import LeaseQuery
    from clew.remote.http import Server

_JSON: Final = "application/json"


class LineageClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def get_lineage(self, trace_id: str, query: ask.LineageQuery) -> Reply[doc.Lineage]:
        """Return what an id was made of, or what was made of it."""
        path = f"{BASE}/lineage/{quoted(trace_id)}"
        return Reply(self.server.get(path, to_pairs(query)), doc.Lineage)

    def find_path(self, query: ask.PathQuery) -> Reply[doc.LineagePath]:
        """Return how one id leads to another."""
        return Reply(self.server.get(f"{BASE}/lineage/path", to_pairs(query)), doc.LineagePath)

    def find_items(self, query: ask.ItemQuery) -> Reply[doc.ItemList]:
        """Return the items that have a trace id, or a number in a stream."""
        return Reply(self.server.get(f"{BASE}/lineage/items", to_pairs(query)), doc.ItemList)

    def find_nodes(self, query: LeaseQuery) -> Reply[LeaseList]:
        """Return who has which node id on lease, or who had one."""
        return Reply(self.server.get(f"{BASE}/lineage/nodes", to_pairs(query)), LeaseList)

    def take_links(self, links: ask.NewLinks) -> Reply[doc.LinksTaken]:
        """Tell which inputs outputs were made of; durable when it returns."""
        answer = self.server.post(f"{BASE}/links", msgspec.json.encode(links), _JSON)
        return Reply(answer, doc.LinksTaken)
