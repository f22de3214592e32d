"""The documents of GenAI telemetry. Times, ids and lists are as in `clew.telemetry.documents`."""

from __future__ import annotations

from typing import Literal

import msgspec

from clew.telemetry.documents import JsonValue, Status


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of calls of models.

    Those of a cache are part of `input`, those of reasoning part of `output`. `calls_without` are
    calls whose spans report no tokens: what is missing here.
    """

    input: int
    output: int
    cache_read: int
    cache_creation: int
    reasoning: int
    calls_without: int


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What calls of models cost in US dollars.

    `usd` is computed from tokens and the price table; null when none of the models has a price.
    `priced_tokens` went into it, `unpriced_tokens` of `unpriced_models` did not. `reported_usd` is
    the sum of what spans report themselves, over `reported_calls`; the two are never mixed.
    `prices_dated` says as of when the table is, `prices` which one it is.
    """

    usd: float | None
    computed: bool
    priced_tokens: int
    unpriced_tokens: int
    unpriced_models: list[str]
    reported_usd: float | None
    reported_calls: int
    prices: str
    prices_dated: str | None


class ModelUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one model in a time range; `model` is the one that answered, where that is known."""

    provider: str
    model: str
    calls: int
    errors: int
    p50_ms: float
    p95_ms: float
    tokens: Tokens
    cost: Cost


class AgentUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of models by one agent, where the calls themselves name it; null where none does."""

    agent: str | None
    calls: int
    errors: int
    tokens: Tokens
    cost: Cost


class UsageSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of models in a time range, in all, by model and by agent, most tokens first."""

    calls: int
    errors: int
    tool_calls: int
    tool_errors: int
    conversations: int
    tokens: Tokens
    cost: Cost
    models: list[ModelUsage]
    agents: list[AgentUsage]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that belong together: by their conversation's id, or a trace that names none.

    `turns` are answers of models; `duration_ms` is from the first start to the last end.
    `more_names` says that there are more agents, models or services than are named here.
    """

    conversation: str
    kind: Literal["conversation", "trace"]
    traces: int
    last_trace_id: str
    turns: int
    tool_calls: int
    error_count: int
    agents: list[str]
    models: list[str]
    services: list[str]
    more_names: bool
    tokens: Tokens
    cost: Cost
    start_time: str
    last_activity: str
    duration_ms: float


class ConversationList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Conversations, last active first."""

    conversations: list[Conversation]
    count: int
    total: int
    truncated: bool
    start_time: str
    end_time: str
    next: str | None = None


class ToolUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one tool by one agent."""

    tool: str
    calls: int
    failures: int
    failure_rate: float
    avg_ms: float


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent in a time range.

    `runs` are its invocations, and the quantiles are theirs. A call of a model or tool belongs to
    the agent that it names, else to the nearest one that it ran under. `named` is false for a
    service whose calls ran under no agent at all: it stands here under its own name. `tools` are
    the ones called most; `tools_left_out` more were called. `more_names` says that there are more
    ids, services or models than are named here.
    """

    agent: str
    named: bool
    agent_ids: list[str]
    services: list[str]
    models: list[str]
    more_names: bool
    runs: int
    run_failures: int
    failure_rate: float
    llm_calls: int
    llm_failures: int
    tool_calls: int
    tool_failures: int
    tools: list[ToolUsage]
    tools_left_out: int
    tokens: Tokens
    cost: Cost
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    last_activity: str


class AgentList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Agents, most tokens first.

    `unresolved_calls` were not looked up, because the traces they lie in were too many spans: they
    stand under their services.
    """

    agents: list[Agent]
    count: int
    total: int
    truncated: bool
    start_time: str
    end_time: str
    unresolved_calls: int = 0
    next: str | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a message.

    `text` of text and reasoning; `id`, `name` and `arguments` of a tool call; `id`, `name` and
    `result` of a tool result; `text` says what it is of anything else (an image, a file).
    `left_out` are characters that were cut off.
    """

    type: Literal["text", "reasoning", "tool_call", "tool_result", "other"]
    text: str | None = None
    id: str | None = None
    name: str | None = None
    arguments: JsonValue = None
    result: JsonValue = None
    left_out: int = 0


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message; `direction` says whether the model was given it or answered it."""

    role: str
    direction: Literal["input", "output"]
    parts: list[Part]
    name: str | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened: an agent began, a model answered, a tool was used.

    `depth` counts the agents, tools and models it ran under. `messages` hold only what is new in
    this conversation; `repeated_messages` were told before. `offset_ms` is from the start of the
    transcript. `computed_usd` is what the tokens cost by the price table, `reported_usd` what the
    span says itself.
    """

    number: int
    kind: Literal["agent", "model", "tool", "other"]
    operation: str
    name: str
    depth: int
    trace_id: str
    span_id: str
    service: str
    start_time: str
    offset_ms: float
    duration_ms: float
    status: Status
    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    error: str | None = None
    messages: list[Message] = []
    repeated_messages: int = 0
    arguments: JsonValue = None
    result: JsonValue = None
    call_id: str | None = None
    left_out: int = 0
    finish_reasons: list[str] = []
    time_to_first_token_ms: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    reasoning_tokens: int = 0
    computed_usd: float | None = None
    reported_usd: float | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something in a run that is worth a look.

    `steps` are the numbers of the steps it shows in, the first of them where there are many.
    """

    kind: Literal["loop", "retry", "failing_tool", "failing_model", "context_growth", "cut_answer"]
    message: str
    steps: list[int]
    count: int
    agent: str | None = None
    tool: str | None = None


class Transcript(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run told as a conversation: a page of its steps, and figures and findings over all of them.

    `content` is false when no step records what was said: most instrumentations leave that out
    unless told to record it. `other_spans` are spans of the same traces that are not GenAI.
    What a limit kept out is counted: `traces_left_out` older traces of the conversation,
    `spans_left_out` later GenAI spans, `parents_left_out` later spans of which it was not looked up
    what they ran under, `log_records_left_out` log records of what was said, and
    `findings_left_out`. `notes` say in words what is not here and how to get it.
    """

    conversation: str | None
    trace_ids: list[str]
    agents: list[str]
    models: list[str]
    services: list[str]
    start_time: str
    end_time: str
    duration_ms: float
    turns: int
    tool_calls: int
    error_count: int
    tokens: Tokens
    cost: Cost
    findings: list[Finding]
    content: bool
    steps: list[Step]
    count: int
    total: int
    truncated: bool
    other_spans: int = 0
    traces_left_out: int = 0
    spans_left_out: int = 0
    parents_left_out: int = 0
    log_records_left_out: int = 0
    findings_left_out: int = 0
    notes: list[str] = []
    next: str | None = None
