"""GenAI telemetry over one store, one clock and one book of prices: a thin facade."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.telemetry.genai import agents, conversations, transcript, usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.telemetry.genai import documents as doc
    from clew.telemetry.genai import parameters as ask
    from clew.telemetry.genai.prices import PriceBook
    from clew.telemetry.query.store import Store


class TelemetryGenAi:
    """Implements `clew.telemetry.genai.contract.GenAi`, which says what each call does.

    Safe to use from any thread.
    """

    def __init__(self, store: Store, now: Callable[[], int], prices: PriceBook) -> None:
        """Answer over a store; `now` gives Unix nanoseconds, to which "15m ago" refers."""
        self._store = store
        self._now = now
        self._prices = prices

    def list_conversations(self, query: ask.ConversationQuery) -> doc.ConversationList:
        """Return one page of conversations, last active first."""
        return conversations.list_conversations(self._store, self._prices, query, self._now())

    def list_agents(self, query: ask.AgentQuery) -> doc.AgentList:
        """Return one page of agents, most tokens first."""
        return agents.list_agents(self._store, self._prices, query, self._now())

    def get_transcript(self, name: str, query: ask.TranscriptQuery) -> doc.Transcript:
        """Return a trace or a conversation as a transcript; NOT_FOUND when there is none."""
        return transcript.get_transcript(self._store, self._prices, name, query)

    def summarize_usage(
        self,
        window: TimeRange,
        *,
        service: str | None = None,
        snapshot: Snapshot | None = None,
    ) -> doc.UsageSummary:
        """Return tokens and cost of a window, in all, by model and by agent."""
        return usage.summarize_usage(
            self._store, self._prices, window, service=service, snapshot=snapshot
        )
