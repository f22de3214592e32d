"""The GenAI columns: the same hot and stored, and those of an oracle that knows no SQL."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.store.engine.chdb import ChdbEngine
from clew.store.engine.contract import Scan, Snapshot
from clew.telemetry.genai.columns import ALIASES
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import TABLES, TRACES
from tests.conformance import genai_runs as runs
from tests.conformance.query_requests import NOW, span, traces_request
from tests.conformance.query_store import HeldStore
from tests.trying import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.message import Message

NAMES: Final = ("GenAi", *(alias.name for alias in ALIASES))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    opened = ChdbEngine(tmp_path_factory.mktemp("columns"))
    opened.create(TABLES)
    yield opened
    opened.close()


def read(store: HeldStore, since: int) -> list[dict[str, Any]]:
    """The columns of every row of later frames, in the order of span ids."""
    scan = Scan(TRACES, ("SpanId", *NAMES), f"Frame > {since}", order_by="SpanId")
    rows = store.engine.query("@spans", snapshot=store.snapshot(), scans={"spans": scan})
    found: list[dict[str, Any]] = rows.sort_by("SpanId").drop_columns(["SpanId"]).to_pylist()
    return found


@pytest.mark.parametrize("convention", runs.CONVENTIONS, ids=lambda each: each.__name__)
def test_hot_and_stored_rows_have_the_same_columns(
    engine: ChdbEngine, convention: Callable[[], list[Message]]
) -> None:
    store = HeldStore(engine, received=NOW)
    before = store.acked
    store.add(Signal.TRACES, convention()[0])
    hot = read(store, before)
    store.flush()
    assert read(store, before) == hot
    agent, first, tool, _ = hot
    assert (agent["GenAiOperation"], agent["GenAiAgentName"]) == ("invoke_agent", "shopper")
    assert (tool["GenAiOperation"], tool["GenAiToolName"]) == ("execute_tool", "search")
    assert (first["GenAiOperation"], first["GenAiProvider"]) == ("chat", "openai")
    assert (first["GenAiInputTokens"], first["GenAiOutputTokens"]) == (100, 20)
    assert first["GenAiFinishReasons"] == ["stop"]
    assert "talk-1" in {agent["GenAiConversation"], first["GenAiConversation"]}


# What the columns are to be, told again in another language: key lists in the order of belief.

FIRST: Final = {
    "GenAiRequestModel": [
        "gen_ai.request.model",
        "llm.model_name",
        "llm.request.model",
        "embedding.model_name",
        "reranker.model_name",
    ],
    "GenAiResponseModel": ["gen_ai.response.model", "llm.response.model"],
    "GenAiAgentId": ["gen_ai.agent.id"],
    "GenAiConversation": [
        "gen_ai.conversation.id",
        "session.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.thread_id",
        "traceloop.association.properties.chat_id",
        "langfuse.session.id",
        "lmnr.association.properties.session_id",
    ],
    "GenAiToolCallId": ["gen_ai.tool.call.id", "tool_call.id", "tool.id"],
}
TOKENS: Final = {
    "GenAiInputTokens": [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
    ],
    "GenAiOutputTokens": [
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ],
    "GenAiCacheReadTokens": [
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.usage.cache_read_input_tokens",
    ],
    "GenAiCacheCreationTokens": [
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "llm.usage.cache_creation_input_tokens",
    ],
    "GenAiReasoningTokens": [
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "llm.usage.reasoning_tokens",
    ],
}
PROVIDER_KEYS: Final = ["gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"]
TOOL_KEYS: Final = ["gen_ai.tool.name", "tool.name", "tool_call.function.name"]
REASON_KEYS: Final = [
    "gen_ai.response.finish_reasons",
    "gen_ai.response.finish_reason",
    "llm.response.finish_reason",
    "llm.finish_reason",
    "gen_ai.completion.0.finish_reason",
]
COST_KEYS: Final = [
    "gen_ai.usage.cost",
    "gen_ai.usage.cost_usd",
    "gen_ai.usage.total_cost",
    "llm.cost.total",
    "operation.cost",
]
KIND_KEYS: Final = [
    "gen_ai.operation.name",
    "openinference.span.kind",
    "traceloop.span.kind",
    "llm.request.type",
]
NEW_NAMES: Final = {
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


def expected(name: str, attributes: dict[str, str]) -> dict[str, Any]:
    """What every column says of a span with this name and these attributes, as text."""
    prefixes = ("gen_ai.", "llm.", "traceloop.", "openinference.")
    if not any(key.startswith(prefixes) for key in attributes):
        return {"GenAi": False, **dict.fromkeys(NAMES[1:], None)}

    def first(keys: list[str]) -> str:
        return next((attributes[key] for key in keys if attributes.get(key)), "")

    row: dict[str, Any] = {"GenAi": True}
    row |= {column: first(keys) for column, keys in FIRST.items()}
    row |= {column: whole(first(keys)) for column, keys in TOKENS.items()}
    provider = lowered(first(PROVIDER_KEYS))
    row["GenAiProvider"] = NEW_NAMES.get(provider, provider)
    row["GenAiOperation"] = operation(attributes, row)
    for column, wanted, keys in (
        ("GenAiAgentName", "invoke_agent", ["gen_ai.agent.name", "agent.name"]),
        ("GenAiToolName", "execute_tool", TOOL_KEYS),
    ):
        row[column] = first(keys)
        if not row[column] and row["GenAiOperation"] == wanted:
            row[column] = first(["traceloop.entity.name"]) or name.removeprefix(f"{wanted} ")
    row["GenAiFinishReasons"] = reasons(attributes)
    row["GenAiTimeToFirstToken"] = first_token_ns(attributes)
    row["GenAiReportedCost"] = amount([attributes.get(key, "") for key in COST_KEYS], 1_000_000)
    return row


def operation(attributes: dict[str, str], row: dict[str, Any]) -> str:
    kinds = [lowered(attributes.get(key, "")) for key in KIND_KEYS]
    renames: list[dict[str, str]] = [
        {},
        {
            "llm": "chat",
            "agent": "invoke_agent",
            "tool": "execute_tool",
            "embedding": "embeddings",
            "retriever": "retrieval",
            "reranker": "rerank",
        },
        {"workflow": "invoke_workflow", "agent": "invoke_agent", "tool": "execute_tool"},
        {"completion": "text_completion", "embedding": "embeddings"},
    ]
    for kind, names in zip(kinds, renames, strict=True):
        if kind:
            return names.get(kind, kind)
    if any(key in attributes for key in TOOL_KEYS):
        return "execute_tool"
    return "chat" if row["GenAiRequestModel"] or row["GenAiResponseModel"] else ""


def lowered(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and int(text) <= 10**12 else 0


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def amount(texts: list[str], largest: float) -> float:
    return next((n for n in map(number, texts) if 0 < n <= largest), 0.0)


def first_token_ns(attributes: dict[str, str]) -> int:
    keys = ["gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_token"]
    seconds = amount([attributes.get(key, "") for key in keys], 86_400)
    milliseconds = amount(
        [attributes.get("gen_ai.response.time_to_first_token_ms", "")], 86_400_000
    )
    return round(1e9 * (seconds or milliseconds / 1000))


def reasons(attributes: dict[str, str]) -> list[str]:
    for key in REASON_KEYS:
        text = attributes.get(key, "")
        found = json.loads(text) if text.startswith("[") else [text]
        if kept := [reason for reason in found if reason]:
            return kept
    return []


TEXTS: Final = st.sampled_from(
    ["", "OpenAI", "gpt-4o", "LLM", "Agent", "tool", "x_ai", "Azure", "xai", "näme", "'q'", "\\"]
)
COUNTS: Final = st.one_of(
    st.integers(0, 10**7).map(str),
    st.sampled_from(
        ["", "-1", "many", "12.5", str(10**12), str(10**12 + 1), str(2**63), str(2**64 - 1)]
    ),
)
AMOUNTS: Final = st.sampled_from(["", "0", "0.25", "12", "-1", "NaN", "Infinity", "1e+21", "x"])
REASONS: Final = st.sampled_from(["", "stop", '["stop"]', '["stop","length"]', "[]", '[""]'])
ATTRIBUTES: Final = st.fixed_dictionaries(
    {},
    optional={
        **{key: TEXTS for keys in FIRST.values() for key in keys},
        **dict.fromkeys((*PROVIDER_KEYS, *TOOL_KEYS, *KIND_KEYS, "agent.name"), TEXTS),
        **{key: COUNTS for keys in TOKENS.values() for key in keys},
        **dict.fromkeys(REASON_KEYS, REASONS),
        **dict.fromkeys(COST_KEYS, AMOUNTS),
        "gen_ai.agent.name": TEXTS,
        "traceloop.entity.name": TEXTS,
        "gen_ai.response.time_to_first_chunk": AMOUNTS,
        "gen_ai.response.time_to_first_token": AMOUNTS,
        "gen_ai.response.time_to_first_token_ms": AMOUNTS,
        "http.route": TEXTS,
    },
)
SPAN_NAMES: Final = st.sampled_from(
    ["chat", "invoke_agent planner", "execute_tool search", "invoke_agent ", "agent"]
)


@settings(
    max_examples=examples(6),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(SPAN_NAMES, ATTRIBUTES), min_size=1, max_size=40))
def test_columns_are_those_of_the_oracle(
    engine: ChdbEngine, described: list[tuple[str, dict[str, str]]]
) -> None:
    store = HeldStore(engine, received=NOW)
    before = store.acked
    spans = [
        span(place, name=name, attributes=dict(attributes))
        for place, (name, attributes) in enumerate(described, 1)
    ]
    store.add(Signal.TRACES, traces_request(spans))
    hot = read(store, before)
    store.flush()
    assert read(store, before) == hot
    for row, (name, attributes) in zip(hot, described, strict=True):
        wanted = expected(name, attributes)
        for column in NAMES:
            if wanted[column] is None:
                assert not row[column], column
            elif isinstance(wanted[column], float):
                assert math.isclose(row[column], wanted[column]), column
            else:
                assert row[column] == wanted[column], (column, attributes)


def test_the_columns_are_no_part_of_a_star(engine: ChdbEngine) -> None:
    store = HeldStore(engine, received=NOW)
    store.add(Signal.TRACES, runs.current()[0])
    scan = Scan(TRACES, ("*",))
    for snapshot in (store.snapshot(), Snapshot(store.acked, store.acked)):
        rows = engine.query("@spans", snapshot=snapshot, scans={"spans": scan})
        assert rows.column_names == [column.name for column in TRACES.columns]
