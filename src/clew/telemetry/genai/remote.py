"""The client of GenAI telemetry: the questions of `GenAi`, asked of another server. Light."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from clew.remote.pairs import quoted
from clew.telemetry.genai import documents as doc
from clew.telemetry.remote import BASE, Reply, to_pairs

if TYPE_CHECKING:
    import msgspec

    from clew.remote.http import Server
    from clew.telemetry.genai import parameters as ask

Document = TypeVar("Document")


class GenAiClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def list_conversations(self, query: ask.ConversationQuery) -> Reply[doc.ConversationList]:
        """Return one page of conversations, last active first."""
        return self._get("/conversations", query, doc.ConversationList)

    def list_agents(self, query: ask.AgentQuery) -> Reply[doc.AgentList]:
        """Return one page of agents, most tokens first."""
        return self._get("/agents", query, doc.AgentList)

    def get_transcript(self, name: str, query: ask.TranscriptQuery) -> Reply[doc.Transcript]:
        """Return a trace or a conversation as a transcript."""
        return self._get(f"/transcript/{quoted(name)}", query, doc.Transcript)

    def _get(self, path: str, query: msgspec.Struct, kind: type[Document]) -> Reply[Document]:
        return Reply(self.server.get(BASE + path, to_pairs(query)), kind)
