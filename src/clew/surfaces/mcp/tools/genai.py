"""What agents and models did: conversations, agents, and one run told as a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from clew.surfaces.mcp.answers import TEXT_CHARS, Answer, Call, Draft, Table, table
from clew.surfaces.mcp.tool import (
    LIMIT_DEFAULT,
    Asked,
    Cursor,
    Limit,
    Service,
    TextChars,
    Timed,
    Tool,
    call,
    figure,
    pick,
    times,
)
from clew.surfaces.mcp.tools.find import draft_page
from clew.telemetry.genai import documents as doc
from clew.telemetry.genai.parameters import (
    CHARS_MAX,
    AgentQuery,
    ConversationQuery,
    TranscriptQuery,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.surfaces.mcp.questions import Questions

CONVERSATION_COLUMNS = (
    *("name", "turns", "tool_calls", "errors", "agents", "models", "input_tokens"),
    *("output_tokens", "usd", "ms", "last_activity"),
)
AGENT_COLUMNS = (
    *("agent", "runs", "failed_runs", "model_calls", "failed_model_calls", "tool_calls"),
    *("failed_tool_calls", "input_tokens", "output_tokens", "usd", "p50_ms", "p95_ms", "tools"),
)
TOOLS_SHOWN = 8
"""Tools of an agent in a line of the list, those that fail first."""

STEPS_DEFAULT = 60
"""Steps of a page; the budget cuts sooner where they hold much text."""

STEPS_AT_LEAST = 8
"""So many steps are worth more than the ends of their texts."""


class ConversationsAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those with activity in the last day when no time is given."""

    service: Service = None
    agent: Annotated[str | None, Meta(description="In which this agent took part")] = None
    model: Annotated[str | None, Meta(description="In which this model answered")] = None
    tool: Annotated[str | None, Meta(description="In which this tool was used")] = None
    errors: Annotated[bool | None, Meta(description="true: in which something failed")] = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None


class ConversationsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Conversations, last active first; `name` is what transcript takes."""

    total: int | None = None
    at_least: int | None = None
    conversations: Table


class AgentsAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those that ran in the last day when no time is given."""

    service: Service = None
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None


class AgentsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Agents, most tokens first; `tools` are ``name: failures/calls``, failing ones first."""

    total: int | None = None
    at_least: int | None = None
    agents: Table


class TranscriptAsked(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which run."""

    name: Annotated[str, Meta(description="A trace id, or a conversation's name")]
    limit: Annotated[int, Meta(description="Steps at most")] = STEPS_DEFAULT
    cursor: Cursor = None
    text_chars: TextChars = TEXT_CHARS


class TranscriptAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A run: what is worth a look (loops, retries, failing tools), then step by step."""

    total: int | None = None
    at_least: int | None = None
    conversation: str | None = None
    trace_ids: list[str]
    agents: list[str]
    models: list[str]
    duration_ms: float
    turns: int
    tool_calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    usd: float | None = None
    findings: list[doc.Finding] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    steps: list[dict[str, Any]]


def _conversations(questions: Questions, asked: ConversationsAsked) -> Draft:
    def fetch(limit: int) -> doc.ConversationList:
        query = pick(asked, ConversationQuery, limit=limit, next=asked.cursor)
        return questions.ask("/conversations", doc.ConversationList, query)

    def write(found: doc.ConversationList, items: int, page: dict[str, Any]) -> Answer:
        shown = found.conversations[:items]
        return ConversationsAnswer(
            conversations=table(CONVERSATION_COLUMNS, map(_conversation_row, shown)),
            next=_after_conversations(shown),
            **page,
        )

    return draft_page("conversations", asked, fetch, write, "conversations")


def _conversation_row(each: doc.Conversation) -> list[Any]:
    return [
        *(each.conversation, each.turns, each.tool_calls, each.error_count),
        *(each.agents, each.models, each.tokens.input, each.tokens.output),
        *(figure(each.cost.usd), figure(each.duration_ms), each.last_activity[:23]),
    ]


def _after_conversations(shown: Sequence[doc.Conversation]) -> list[Call]:
    if not shown:
        return [call("conversations", "look further back", last="30d")]
    worst = max(shown, key=lambda each: each.error_count)
    why = "the one with the most failures" if worst.error_count else "the newest"
    return [call("transcript", why, name=worst.conversation)]


def _agents(questions: Questions, asked: AgentsAsked) -> Draft:
    def fetch(limit: int) -> doc.AgentList:
        query = pick(asked, AgentQuery, limit=limit, next=asked.cursor)
        return questions.ask("/agents", doc.AgentList, query)

    def write(found: doc.AgentList, items: int, page: dict[str, Any]) -> Answer:
        shown = found.agents[:items]
        return AgentsAnswer(
            agents=table(AGENT_COLUMNS, map(_agent_row, shown)),
            next=_after_agents(asked, shown),
            **page,
        )

    return draft_page("agents", asked, fetch, write, "agents")


def _agent_row(each: doc.Agent) -> list[Any]:
    tools = sorted(each.tools, key=lambda tool: (-tool.failures, -tool.calls, tool.tool))
    return [
        *(each.agent, each.runs, each.run_failures, each.llm_calls, each.llm_failures),
        *(each.tool_calls, each.tool_failures, each.tokens.input, each.tokens.output),
        *(figure(each.cost.usd), figure(each.p50_ms), figure(each.p95_ms)),
        [f"{tool.tool}: {tool.failures}/{tool.calls}" for tool in tools[:TOOLS_SHOWN]],
    ]


def _after_agents(asked: AgentsAsked, shown: Sequence[doc.Agent]) -> list[Call]:
    if not shown:
        return [call("agents", "look further back", last="30d")]
    worst = max(shown, key=lambda each: each.tool_failures + each.run_failures + each.llm_failures)
    failing = max(worst.tools, key=lambda tool: tool.failures, default=None)
    tool = failing.tool if failing is not None and failing.failures else None
    has_failed = bool(worst.tool_failures + worst.run_failures + worst.llm_failures)
    why = "where the agent that fails most failed" if has_failed else "what it did"
    return [
        call(
            "conversations",
            why,
            agent=worst.agent if worst.named else None,
            tool=tool,
            errors=True if has_failed else None,
            **times(asked),
        )
    ]


def _transcript(questions: Questions, asked: TranscriptAsked) -> Draft:
    def fetch(limit: int) -> doc.Transcript:
        chars = min(CHARS_MAX, max(1, asked.text_chars))
        query = TranscriptQuery(limit=limit, next=asked.cursor, max_chars=chars)
        return questions.ask("/transcript/{name}", doc.Transcript, query, {"name": asked.name})

    def write(found: doc.Transcript, items: int, page: dict[str, Any]) -> Answer:
        shown = found.steps[:items]
        return TranscriptAnswer(
            conversation=found.conversation,
            trace_ids=found.trace_ids[:LIMIT_DEFAULT],
            agents=found.agents,
            models=found.models,
            duration_ms=found.duration_ms,
            turns=found.turns,
            tool_calls=found.tool_calls,
            errors=found.error_count,
            input_tokens=found.tokens.input,
            output_tokens=found.tokens.output,
            usd=found.cost.usd,
            findings=found.findings,
            notes=found.notes,
            steps=[_step(step) for step in shown],
            next=_after_transcript(found),
            **page,
        )

    return draft_page(
        *("transcript", asked, fetch, write, "steps"),
        least=STEPS_AT_LEAST,
        text_chars=asked.text_chars,
    )


def _step(step: doc.Step) -> dict[str, Any]:
    """Return a step with what it says; what is empty or follows from the rest is left off."""
    said: dict[str, Any] = {
        "n": step.number,
        "kind": step.kind,
        "name": step.name,
        "depth": step.depth,
        "ms": figure(step.duration_ms),
        "error": step.error or ("failed" if step.status == "error" else None),
        "arguments": step.arguments,
        "result": step.result,
        "messages": [_message(message) for message in step.messages],
        "tokens": [step.input_tokens, step.output_tokens] if step.input_tokens else None,
        "finish": step.finish_reasons,
        "span_id": step.span_id,
    }
    return {name: value for name, value in said.items() if value not in (None, [], "")}


def _message(message: doc.Message) -> dict[str, Any]:
    parts = []
    for part in message.parts:
        built = msgspec.to_builtins(part)
        parts.append(built.get("text", "") if part.type == "text" else built)
    return {"role": message.role, "parts": parts}


def _after_transcript(found: doc.Transcript) -> list[Call]:
    steps = {step.number: step for step in found.steps}
    for finding in found.findings:
        shown = [steps[number] for number in finding.steps if number in steps]
        if shown:
            ids = [step.span_id for step in shown if step.trace_id == shown[0].trace_id][:2]
            why = f"the spans of the {finding.kind.replace('_', ' ')}"
            return [call("span_details", why, trace_id=shown[0].trace_id, span_ids=ids)]
    return [
        call("trace_outline", "its spans, other ones too", trace_id=trace_id)
        for trace_id in found.trace_ids[:1]
    ]


CONVERSATIONS = Tool(
    name="conversations",
    title="Conversations with models",
    description="Runs of agents and models with turns, tool calls, errors, tokens and cost.",
    parameters=ConversationsAsked,
    answer=ConversationsAnswer,
    run=_conversations,
    example={"last": "1d"},
)
AGENTS = Tool(
    name="agents",
    title="Agents",
    description="Agents with runs, failures by tool, tokens, cost and durations.",
    parameters=AgentsAsked,
    answer=AgentsAnswer,
    run=_agents,
    example={"last": "1d"},
)
TRANSCRIPT = Tool(
    name="transcript",
    title="Transcript of a run",
    description=(
        "One run as a conversation: messages, tool calls, results, errors, tokens; loops, retries "
        "and failing tools are pointed out first."
    ),
    parameters=TranscriptAsked,
    answer=TranscriptAnswer,
    run=_transcript,
    example={"name": "{agent_trace_id}"},
)
