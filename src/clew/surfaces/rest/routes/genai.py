"""The routes of GenAI telemetry: conversations, agents, and runs as transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.surfaces.rest.route import BASE, QueryRoute
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai import parameters as ask

if TYPE_CHECKING:
    from clew.surfaces.rest.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    QueryRoute(
        path=f"{BASE}/conversations",
        summary="Conversations of people, agents and models, with tokens and cost",
        tag="genai",
        parameters=ask.ConversationQuery,
        documents=(doc.ConversationList,),
        ask=lambda desk, asked: desk.genai.list_conversations(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/agents",
        summary="Agents with their runs, calls, failures, tokens and cost",
        tag="genai",
        parameters=ask.AgentQuery,
        documents=(doc.AgentList,),
        ask=lambda desk, asked: desk.genai.list_agents(asked.parameters),
    ),
    QueryRoute(
        path=f"{BASE}/transcript/{{name:path}}",
        summary="A trace or a conversation, told as a conversation, with what is worth a look",
        tag="genai",
        parameters=ask.TranscriptQuery,
        documents=(doc.Transcript,),
        errors=(400, 404, 429, 503, 504),
        ask=lambda desk, asked: desk.genai.get_transcript(asked.path["name"], asked.parameters),
    ),
)
