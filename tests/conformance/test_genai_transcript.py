"""A run reads the same whichever convention wrote it, hot and stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TimeRange
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.genai.parameters import (
    AgentQuery,
    ConversationQuery,
    TranscriptQuery,
)
from clew.telemetry.genai.prices import PriceBook
from clew.telemetry.genai.run import TRACES_MAX
from clew.telemetry.genai.service import TelemetryGenAi
from clew.telemetry.otlp.signal import Signal
from clew.telemetry.tables import LOGS, TABLES, TRACES
from tests.conformance import genai_runs as runs
from tests.conformance.query_requests import NOW, span, traces_request
from tests.conformance.query_store import HeldStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.protobuf.message import Message

    from clew.telemetry.genai import documents as doc

MS = runs.MS
PRICES = PriceBook()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbEngine]:
    folder: Path = tmp_path_factory.mktemp("genai")
    opened = ChdbEngine(folder)
    opened.create(TABLES)
    yield opened
    opened.close()


@pytest.fixture
def store(engine: ChdbEngine) -> HeldStore:
    """A store without rows: the tables of the test before are dropped, with what they remember."""
    for table in (TRACES, LOGS):
        with engine._clients.borrow() as client:
            client.command(f"DROP TABLE otel.{table.name} SYNC")
    engine.create(TABLES)
    return HeldStore(engine, received=NOW)


def genai(store: HeldStore) -> TelemetryGenAi:
    return TelemetryGenAi(store, lambda: NOW + 1000 * MS, PRICES)


def add(store: HeldStore, requests: list[Message]) -> None:
    for request in requests:
        is_logs = request.DESCRIPTOR.name == "ExportLogsServiceRequest"
        store.add(Signal.LOGS if is_logs else Signal.TRACES, request)


def told(transcript: doc.Transcript) -> list[Any]:
    """A transcript as short as a test can read it."""
    lines: list[Any] = []
    for step in transcript.steps:
        lines.append((step.kind, step.name, step.depth, step.repeated_messages))
        for message in step.messages:
            lines.extend((message.role, _shown(part)) for part in message.parts)
        if step.kind == "tool":
            lines.append((step.arguments, step.result))
    return lines


def _shown(part: doc.Part) -> Any:
    if part.type == "tool_call":
        return (part.id, part.name, part.arguments)
    return part.text if part.result is None else part.result


@pytest.mark.parametrize("convention", runs.CONVENTIONS, ids=lambda each: each.__name__)
def test_a_run_reads_the_same_in_every_convention(
    store: HeldStore, convention: Callable[[], list[Message]]
) -> None:
    add(store, convention())
    hot = genai(store).get_transcript("talk-1", TranscriptQuery())
    store.flush()
    stored = genai(store).get_transcript("talk-1", TranscriptQuery())
    assert msgspec.json.encode(hot) == msgspec.json.encode(stored)
    assert told(hot) == [
        ("agent", "shopper", 0, 0),
        ("model", "gpt-4o-2024-08-06", 1, 0),
        ("system", runs.SYSTEM),
        ("user", runs.USER),
        ("assistant", runs.THOUGHT),
        ("assistant", ("c1", "search", runs.ARGUMENTS)),
        ("tool", "search", 1, 0),
        (runs.ARGUMENTS, runs.RESULT),
        ("model", "gpt-4o-2024-08-06", 1, 4),
        ("assistant", runs.ANSWER),
    ]
    assert (hot.turns, hot.tool_calls, hot.error_count) == (2, 1, 0)
    assert (hot.tokens.input, hot.tokens.output) == (250, 30)
    assert hot.agents == ["shopper"]
    assert hot.conversation == "talk-1"
    assert hot.cost.computed
    assert hot.cost.usd == pytest.approx(250 * 2.5e-6 + 30 * 10e-6)
    assert hot.cost.unpriced_models == []
    assert hot.content


@pytest.mark.parametrize("convention", runs.CONVENTIONS, ids=lambda each: each.__name__)
def test_lists_say_the_same_of_every_convention(
    store: HeldStore, convention: Callable[[], list[Message]]
) -> None:
    add(store, convention())
    (conversation,) = genai(store).list_conversations(ConversationQuery()).conversations
    assert (conversation.conversation, conversation.kind) == ("talk-1", "conversation")
    assert (conversation.turns, conversation.tool_calls, conversation.traces) == (2, 1, 1)
    assert (conversation.agents, conversation.error_count) == (["shopper"], 0)
    assert (conversation.tokens.input, conversation.tokens.output) == (250, 30)
    assert conversation.duration_ms == 900
    (agent,) = genai(store).list_agents(AgentQuery()).agents
    assert (agent.agent, agent.named, agent.runs) == ("shopper", True, 1)
    assert (agent.llm_calls, agent.tool_calls, agent.tool_failures) == (2, 1, 0)
    assert (agent.tokens.input, agent.tokens.output) == (250, 30)
    assert [(tool.tool, tool.calls) for tool in agent.tools] == [("search", 1)]
    assert agent.cost.usd == conversation.cost.usd


def chat(number: int, *, parent: int = 1, at: int = 0, trace: int = 1, **attributes: Any) -> Any:
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return span(number, trace=trace, parent=parent, at=NOW + at * MS, attributes={**given, **named})


def tool(number: int, name: str, *, at: int, parent: int = 1, **more: Any) -> Any:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.arguments": more.pop("arguments", "{}"),
    }
    return span(number, parent=parent, at=NOW + at * MS, attributes=attributes, **more)


def agent(number: int, name: str, *, parent: int = 0, at: int = 0, trace: int = 1) -> Any:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    return span(
        number,
        trace=trace,
        parent=parent,
        at=NOW + at * MS,
        duration=50 * MS,
        attributes=attributes,
    )


def test_loops_retries_failing_tools_and_growing_contexts_are_found(store: HeldStore) -> None:
    failed = {"code": 2, "message": "out of stock"}
    spans = [
        agent(1, "a"),
        *(tool(10 + n, "look", at=n, arguments='{"b":1, "a":2}') for n in range(2)),
        tool(12, "look", at=3, arguments='{"a":2,"b":1}'),
        tool(20, "order", at=4, arguments='{"id":1}', status=failed),
        tool(21, "order", at=5, arguments='{"id":1}'),
        *(chat(30 + n, at=10 + n, gen_ai__usage__input_tokens=1500 * (n + 1)) for n in range(4)),
        chat(40, at=20, gen_ai__response__finish_reasons=["length"]),
    ]
    add(store, [traces_request(spans)])
    found = genai(store).get_transcript("1", TranscriptQuery()).findings
    assert [(each.kind, each.message, each.steps) for each in found] == [
        ("loop", "look was called 3 times with the same arguments", [2, 3, 4]),
        ("failing_tool", "order failed 1 of 2 times: out of stock", [5]),
        ("retry", "order was retried once and then succeeded", [5, 6]),
        ("context_growth", "the context grew from 1500 to 6000 tokens over 4 calls", [7, 8, 9, 10]),
        ("cut_answer", "1 answer was cut off at the token limit", [11]),
    ]


def test_steps_of_nested_agents_stand_below_them_also_through_other_spans(
    store: HeldStore,
) -> None:
    spans = [
        agent(1, "outer"),
        span(2, parent=1, name="HTTP", at=NOW + 1 * MS),
        agent(3, "inner", parent=2, at=2),
        chat(4, parent=3, at=3, gen_ai__usage__input_tokens=7),
        chat(5, parent=1, at=1, gen_ai__usage__input_tokens=5),
    ]
    add(store, [traces_request(spans)])
    transcript = genai(store).get_transcript(f"{1:032x}", TranscriptQuery())
    assert [(step.span_id[-1], step.depth, step.agent) for step in transcript.steps] == [
        ("1", 0, "outer"),
        ("5", 1, "outer"),
        ("3", 1, "inner"),
        ("4", 2, "inner"),
    ]
    assert transcript.other_spans == 1
    assert not transcript.content
    agents = {each.agent: each for each in genai(store).list_agents(AgentQuery()).agents}
    assert {name: each.tokens.input for name, each in agents.items()} == {"outer": 5, "inner": 7}
    assert {name: each.runs for name, each in agents.items()} == {"outer": 1, "inner": 1}


def test_a_conversation_goes_over_traces_and_one_that_has_no_id_is_its_trace(
    store: HeldStore,
) -> None:
    said = [{"role": "user", "content": "one"}]
    more = [*said, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]
    spans = [
        chat(
            1,
            parent=0,
            gen_ai__conversation__id="c",
            gen_ai__input__messages=json.dumps(said),
            gen_ai__output__messages=json.dumps([{"role": "assistant", "content": "two"}]),
        ),
        chat(2, parent=1, at=1),
        chat(
            3,
            trace=2,
            parent=0,
            at=5,
            gen_ai__conversation__id="c",
            gen_ai__input__messages=json.dumps(more),
        ),
        chat(4, trace=3, parent=0, at=9, gen_ai__usage__input_tokens=1_000_000),
    ]
    add(store, [traces_request(spans)])
    answer = genai(store).list_conversations(ConversationQuery())
    assert [(each.conversation, each.kind, each.turns) for each in answer.conversations] == [
        (f"{3:032x}", "trace", 1),
        ("c", "conversation", 3),
    ]
    assert answer.total == 2
    first = genai(store).list_conversations(ConversationQuery(limit=1))
    assert first.truncated
    rest = genai(store).list_conversations(ConversationQuery(limit=1, next=first.next))
    assert [each.conversation for each in rest.conversations] == ["c"]
    assert not rest.truncated
    transcript = genai(store).get_transcript("c", TranscriptQuery())
    assert transcript.trace_ids == [f"{1:032x}", f"{2:032x}"]
    (last,) = (step for step in transcript.steps if step.span_id == f"{3:016x}")
    assert [part.text for message in last.messages for part in message.parts] == ["three"]
    assert last.repeated_messages == 2
    pages = genai(store).get_transcript("c", TranscriptQuery(limit=2))
    assert (pages.count, pages.total, pages.truncated) == (2, 3, True)
    tail = genai(store).get_transcript("c", TranscriptQuery(limit=2, next=pages.next))
    assert [step.number for step in tail.steps] == [3]
    alone = genai(store).get_transcript(f"{2:032x}", TranscriptQuery())
    assert any("goes on in 1 other trace: clew transcript c" in note for note in alone.notes)


@pytest.mark.parametrize("name", ["c", "abcdef" * 5 + "ab"])
def test_a_conversation_of_more_traces_than_a_run_reads_says_so(
    store: HeldStore, name: str
) -> None:
    """Also one whose id could be that of a trace."""
    spans = [
        chat(number, trace=number, parent=0, at=number, gen_ai__conversation__id=name)
        for number in range(1, TRACES_MAX + 4)
    ]
    add(store, [traces_request(spans)])
    transcript = genai(store).get_transcript(name, TranscriptQuery())
    assert len(transcript.trace_ids) == TRACES_MAX
    assert transcript.traces_left_out == 3


def test_long_texts_are_cut_and_what_was_cut_is_said(store: HeldStore) -> None:
    said = json.dumps([{"role": "user", "content": "x" * 500}])
    add(store, [traces_request([chat(1, parent=0, gen_ai__input__messages=said)])])
    transcript = genai(store).get_transcript("1", TranscriptQuery(max_chars=100))
    (part,) = transcript.steps[0].messages[0].parts
    assert (part.text, part.left_out) == ("x" * 100, 400)
    assert any("400 characters" in note for note in transcript.notes)


def test_filters_keep_conversations_with_what_they_name(store: HeldStore) -> None:
    spans = [
        agent(1, "a"),
        tool(2, "t", at=1, status={"code": 2}),
        agent(1, "b", trace=2),
        chat(2, trace=2),
    ]
    add(store, [traces_request(spans)])

    def names(**asked: Any) -> list[str]:
        found = genai(store).list_conversations(ConversationQuery(**asked)).conversations
        return [each.conversation[-1] for each in found]

    assert names(agent="a") == ["1"]
    assert names(tool="t") == ["1"]
    assert names(model="gpt-4o") == ["2"]
    assert names(errors=True) == ["1"]
    assert names(errors=False) == ["2"]
    assert names(agent="a", model="gpt-4o") == []
    assert names(service="shop", agent="b") == ["2"]


def test_usage_is_summed_by_model_and_agent_and_reported_cost_is_kept_apart(
    store: HeldStore,
) -> None:
    spans = [
        agent(1, "a"),
        chat(2, at=1, gen_ai__agent__name="a", gen_ai__usage__input_tokens=1_000_000),
        chat(3, at=1, gen_ai__usage__cost=0.25, gen_ai__usage__input_tokens=1_000_000),
        chat(4, at=1, gen_ai__request__model="of-our-own", gen_ai__usage__output_tokens=5),
    ]
    # An agent repeats the tokens of its calls: they are not counted twice.
    spans[0].attributes.extend(chat(9, gen_ai__usage__input_tokens=2_000_000).attributes[2:])
    add(store, [traces_request(spans)])
    usage = genai(store).summarize_usage(TimeRange(NOW - MS, NOW + 100 * MS))
    assert (usage.calls, usage.tokens.input, usage.tokens.output) == (3, 2_000_000, 5)
    assert usage.cost.usd == pytest.approx(5.0)
    assert (usage.cost.reported_usd, usage.cost.reported_calls) == (0.25, 1)
    assert (usage.cost.unpriced_models, usage.cost.unpriced_tokens) == (["of-our-own"], 5)
    assert [(each.model, each.calls) for each in usage.models] == [("gpt-4o", 2), ("of-our-own", 1)]
    assert [(each.agent, each.calls) for each in usage.agents] == [(None, 2), ("a", 1)]


@pytest.mark.parametrize("name", ["nothing", "f" * 32, "zz' OR 1=1 --", ""])
def test_a_run_that_is_not_there_is_not_found(store: HeldStore, name: str) -> None:
    with pytest.raises(ClewError) as raised:
        genai(store).get_transcript(name, TranscriptQuery())
    assert raised.value.code is ErrorCode.NOT_FOUND


def test_spans_whose_parents_run_in_a_circle_are_told(store: HeldStore) -> None:
    spans = [chat(1, parent=2), chat(2, parent=1, at=1), chat(3, parent=3, at=2)]
    add(store, [traces_request(spans)])
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    assert sorted(step.span_id[-1] for step in transcript.steps) == ["1", "2", "3"]
