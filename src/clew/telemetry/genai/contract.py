"""GenAI telemetry, as every surface sees it.

Calls block (the engine does); a surface on an event loop runs them on the query threads that `app`
provides. An answer sees every record acknowledged before the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.genai import documents as doc
    from clew.telemetry.genai import parameters as ask


class GenAi(Protocol):
    """Answers questions about agents, models and tools, each exact over the window it states.

    Every method raises ClewError: INVALID_ARGUMENT for a parameter that does not parse (the hint
    says what would), TIMEOUT and TOO_LARGE at a limit, UNAVAILABLE when the store does not answer.
    """

    def list_conversations(self, query: ask.ConversationQuery) -> doc.ConversationList:
        """Return one page of conversations, last active first."""
        ...

    def list_agents(self, query: ask.AgentQuery) -> doc.AgentList:
        """Return one page of agents, most tokens first."""
        ...

    def get_transcript(self, name: str, query: ask.TranscriptQuery) -> doc.Transcript:
        """Return a trace or a conversation as a transcript; NOT_FOUND when there is none."""
        ...

    def summarize_usage(
        self,
        window: TimeRange,
        *,
        service: str | None = None,
        snapshot: Snapshot | None = None,
    ) -> doc.UsageSummary:
        """Return tokens and cost of a window, in all, by model and by agent."""
        ...
