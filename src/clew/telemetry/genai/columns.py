"""Columns that say in one way what the conventions of GenAI telemetry say in several.

Theory of operation. The same call of a model is written as ``gen_ai.usage.input_tokens`` today,
``gen_ai.usage.prompt_tokens`` a while ago, ``llm.token_count.prompt`` by OpenInference and
``llm.usage.prompt_tokens`` by OpenLLMetry. Each column here takes the first of such keys that has
a value, the current name first. The engine computes the columns as it stores a row (ADR 0008), and
the hot side of a query by the same expressions; the attributes themselves are left as they came.

Most spans are none of it, and must cost next to nothing. `GenAi` looks at the keys alone, as a
dictionary of a few dozen. What else is stored are two lists, of texts and of numbers, which are
empty where it is false: two columns are written and merged where there would be seventeen. The
columns that people ask for are aliases, each a place of a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.store.table import Alias, Materialized

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEY_PREFIXES: Final = ("gen_ai.", "llm.", "traceloop.", "openinference.")
"""A span with a key of one of these speaks of GenAI."""

OPENINFERENCE_KINDS: Final[Mapping[str, str]] = {
    "llm": "chat",
    "agent": "invoke_agent",
    "tool": "execute_tool",
    "embedding": "embeddings",
    "retriever": "retrieval",
    "reranker": "rerank",
}
"""``openinference.span.kind`` in lower case, and the operation it stands for; others stay."""

OPENLLMETRY_KINDS: Final[Mapping[str, str]] = {
    "workflow": "invoke_workflow",
    "agent": "invoke_agent",
    "tool": "execute_tool",
}
"""``traceloop.span.kind``, likewise."""

OPENLLMETRY_REQUESTS: Final[Mapping[str, str]] = {
    "completion": "text_completion",
    "embedding": "embeddings",
}
"""``llm.request.type``, likewise."""

PROVIDERS: Final[Mapping[str, str]] = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistralai": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "vertexai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Names of providers that other conventions and older versions have, and the current ones."""

REQUEST_MODEL_KEYS: Final = (
    "gen_ai.request.model",
    "llm.model_name",
    "llm.request.model",
    "embedding.model_name",
    "reranker.model_name",
)
RESPONSE_MODEL_KEYS: Final = ("gen_ai.response.model", "llm.response.model")
TOOL_KEYS: Final = ("gen_ai.tool.name", "tool.name", "tool_call.function.name")

CONVERSATION_KEYS: Final = (
    "gen_ai.conversation.id",
    "session.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.conversation_id",
    "traceloop.association.properties.thread_id",
    "traceloop.association.properties.chat_id",
    "langfuse.session.id",
    "lmnr.association.properties.session_id",
)

_MAP: Final = "own"
"""The attributes of a span that speaks of GenAI, inside the lambdas of the lists."""

# None or one, so that what is computed of it is computed for spans that speak of GenAI only. (An
# ``if`` around the whole would be enough in a SELECT; an INSERT computes both its branches.) All
# that is not for every row MUST depend on it: the engine takes the rest out of a lambda.
_OWN: Final = "if(GenAi, [SpanAttributes], [])"


def _value(key: str) -> str:
    return f"{_MAP}['{key}']"


def _first(*keys: str) -> str:
    """Return the first value of several keys that is not empty, else the empty text."""
    if len(keys) == 1:
        return _value(keys[0])
    return f"arrayFirst(text -> text != '', [{', '.join(map(_value, keys))}])"


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """Return a text by its new name, in lower case where it has none."""
    old = ", ".join(f"'{name}'" for name in names)
    new = ", ".join(f"'{name}'" for name in names.values())
    return f"transform(lower({text}), [{old}], [{new}])"


def _tokens(*keys: str) -> str:
    return f"toFloat64(toUInt64OrZero({_first(*keys)}))"


def _amount(texts: str, largest: str) -> str:
    """Return the first of some texts that is a number above 0 and up to `largest`, 0 for none."""
    numbers = f"arrayMap(text -> toFloat64OrZero(text), {texts})"
    return f"arrayFirst(number -> number > 0 AND number <= {largest}, {numbers})"


_KEYS = ", ".join(f"startsWith(key, '{prefix}')" for prefix in KEY_PREFIXES)

_OPERATION = (
    "arrayFirst(text -> text != '', ["
    f"lower({_value('gen_ai.operation.name')}), "
    f"{_renamed(_value('openinference.span.kind'), OPENINFERENCE_KINDS)}, "
    f"{_renamed(_value('traceloop.span.kind'), OPENLLMETRY_KINDS)}, "
    f"{_renamed(_value('llm.request.type'), OPENLLMETRY_REQUESTS)}, "
    f"if(arrayExists(key -> key IN {TOOL_KEYS!r},"
    f" mapKeys({_MAP})), 'execute_tool', ''), "
    f"if({_first(*REQUEST_MODEL_KEYS, *RESPONSE_MODEL_KEYS)} != '', 'chat', '')])"
)


def _named(operation: str, *keys: str) -> str:
    """Return the first value of some keys; where the span is of the operation, else its name.

    A span that says nowhere else which agent or tool it is says so in its own name.
    """
    own = f"substring(SpanName, if(startsWith(SpanName, '{operation} '), {len(operation) + 2}, 1))"
    values = ", ".join(map(_value, keys))
    entity = f"[{_value('traceloop.entity.name')}, {own}]"
    is_one = f"operation = '{operation}'"
    return f"arrayFirst(text -> text != '', arrayConcat([{values}], if({is_one}, {entity}, [])))"


_REASON_KEYS: Final = (
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "llm.response.finish_reason",
    "llm.finish_reason",
    "gen_ai.completion.0.finish_reason",
)

_FIRST_CHUNK_SECONDS_MAX: Final = "86400"
"""An answer that begins after more than a day is a mistake of the sender's."""

COST_USD_MAX: Final = 1_000_000
"""One call that costs more is a mistake of the sender's."""

TOKENS_MAX: Final = 10**12
"""One call of more tokens is a mistake of the sender's; sums of such would not fit."""

_COST_KEYS: Final = (
    "gen_ai.usage.cost",
    "gen_ai.usage.cost_usd",
    "gen_ai.usage.total_cost",
    "llm.cost.total",
    "operation.cost",
)

_TEXTS: Final = (
    ("GenAiOperation", "operation", "chat, embeddings, invoke_agent, execute_tool, and so on"),
    (
        "GenAiProvider",
        _renamed(
            _first("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"),
            PROVIDERS,
        ),
        "who runs the model",
    ),
    ("GenAiRequestModel", _first(*REQUEST_MODEL_KEYS), "the model asked for"),
    ("GenAiResponseModel", _first(*RESPONSE_MODEL_KEYS), "the model that answered"),
    (
        "GenAiAgentName",
        _named("invoke_agent", "gen_ai.agent.name", "agent.name"),
        "the agent, where the span itself says so",
    ),
    ("GenAiAgentId", _value("gen_ai.agent.id"), "its id"),
    ("GenAiConversation", _first(*CONVERSATION_KEYS), "the conversation or session"),
    ("GenAiToolName", _named("execute_tool", *TOOL_KEYS), "the tool"),
    (
        "GenAiToolCallId",
        _first("gen_ai.tool.call.id", "tool_call.id", "tool.id"),
        "which of the calls that the model asked for",
    ),
)

_NUMBERS: Final = (
    (
        "GenAiInputTokens",
        _tokens(
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "llm.usage.prompt_tokens",
        ),
        "tokens sent, those of a cache included",
    ),
    (
        "GenAiOutputTokens",
        _tokens(
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "llm.usage.completion_tokens",
        ),
        "tokens answered, those of reasoning included",
    ),
    (
        "GenAiCacheReadTokens",
        _tokens(
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
            "llm.usage.cache_read_input_tokens",
        ),
        "of the tokens sent, those read from a cache",
    ),
    (
        "GenAiCacheCreationTokens",
        _tokens(
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "llm.token_count.prompt_details.cache_write",
            "llm.usage.cache_creation_input_tokens",
        ),
        "of the tokens sent, those written to a cache",
    ),
    (
        "GenAiReasoningTokens",
        _tokens(
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
            "llm.usage.reasoning_tokens",
        ),
        "of the tokens answered, those of reasoning",
    ),
    (
        "GenAiTimeToFirstToken",
        "round(1e9 * arrayFirst(seconds -> seconds > 0, ["
        + _amount(
            f"[{_value('gen_ai.response.time_to_first_chunk')},"
            f" {_value('gen_ai.response.time_to_first_token')}]",
            _FIRST_CHUNK_SECONDS_MAX,
        )
        + ", "
        + _amount(
            f"[{_value('gen_ai.response.time_to_first_token_ms')}]",
            f"{_FIRST_CHUNK_SECONDS_MAX} * 1000",
        )
        + " / 1000]))",
        "nanoseconds until the answer began; 0 unknown",
    ),
    (
        "GenAiReportedCost",
        _amount(f"[{', '.join(map(_value, _COST_KEYS))}]", str(COST_USD_MAX)),
        "US dollars that the span itself reports; 0 none",
    ),
)

_REASONS: Final = (
    "arrayFirst(reasons -> notEmpty(reasons), arrayMap("
    "text -> arrayFilter(reason -> reason != '', if(startsWith(text, '['),"
    " JSONExtract(text, 'Array(String)'), [text])),"
    f" [{', '.join(map(_value, _REASON_KEYS))}]))"
)


def _listed(columns: Iterable[tuple[str, str, str]]) -> str:
    return ", ".join(expression for _, expression, _ in columns)


# The operation is asked by the names of agent and tool, so it is computed before them.
_ALL_TEXTS: Final = (
    f"arrayElement(arrayMap(operation -> arrayConcat([{_listed(_TEXTS)}], {_REASONS}),"
    f" [{_OPERATION}]), 1)"
)

COLUMNS: Final = (
    Materialized(
        "GenAi",
        "Bool",
        f"arrayExists(key -> or({_KEYS}), mapKeys(SpanAttributes))",
        comment="whether the span speaks of GenAI; every GenAi column is empty where it does not",
    ),
    Materialized(
        "GenAiTexts",
        "Array(String)",
        f"arrayElement(arrayMap({_MAP} -> {_ALL_TEXTS}, {_OWN}), 1)",
        comment="the texts of the GenAi columns, in their order, and after them finish reasons",
    ),
    Materialized(
        "GenAiNumbers",
        "Array(Float64)",
        f"arrayElement(arrayMap({_MAP} -> [{_listed(_NUMBERS)}], {_OWN}), 1)",
        comment="the numbers of the GenAi columns, in their order",
    ),
)
"""What is stored; `GenAi` first, since the others ask it."""


TOKENS: Final = tuple(name for name, _, _ in _NUMBERS if name.endswith("Tokens"))
"""The columns that count tokens: 0 where there is none, or more than `TOKENS_MAX`."""


def _alias(name: str, place: int, comment: str) -> Alias:
    number = f"arrayElement(GenAiNumbers, {place})"
    if name in TOKENS:
        # Here and not in the list, so that it holds of rows stored before as well.
        number = f"if({number} <= {TOKENS_MAX}, {number}, 0)"
    if name == "GenAiReportedCost":
        return Alias(name, "Float64", number, comment)
    return Alias(name, "UInt64", f"toUInt64({number})", comment)


ALIASES: Final = (
    *(
        Alias(name, "String", f"arrayElement(GenAiTexts, {place})", comment)
        for place, (name, _, comment) in enumerate(_TEXTS, 1)
    ),
    *(_alias(name, place, comment) for place, (name, _, comment) in enumerate(_NUMBERS, 1)),
    Alias(
        "GenAiFinishReasons",
        "Array(String)",
        f"arraySlice(GenAiTexts, {len(_TEXTS) + 1})",
        "why the model stopped, one for each answer",
    ),
)
"""The typed columns, as they are asked for: each a place of one of the two lists."""
