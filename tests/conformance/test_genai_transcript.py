"""A run reads the same whichever convention wrote it, hot and stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TimeRange
from clew.store.engine.chdb import ChdbEngine
from clew.telemetry.genai import findings, records, run
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
from tests.conformance.query_requests import NOW, log, logs_request, span, traces_request
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


@pytest.mark.parametrize("name", ["nothing", "f" * 32, "zz' OR 1=1 --"])
def test_a_run_that_is_not_there_is_not_found(store: HeldStore, name: str) -> None:
    with pytest.raises(ClewError) as raised:
        genai(store).get_transcript(name, TranscriptQuery())
    assert raised.value.code is ErrorCode.NOT_FOUND


def test_a_run_without_a_name_is_no_question(store: HeldStore) -> None:
    with pytest.raises(ClewError) as raised:
        genai(store).get_transcript("", TranscriptQuery())
    assert raised.value.code is ErrorCode.INVALID_ARGUMENT


def test_spans_whose_parents_run_in_a_circle_are_told(store: HeldStore) -> None:
    spans = [chat(1, parent=2), chat(2, parent=1, at=1), chat(3, parent=3, at=2)]
    add(store, [traces_request(spans)])
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    assert sorted(step.span_id[-1] for step in transcript.steps) == ["1", "2", "3"]


def test_spans_that_came_twice_take_no_place_of_others(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SPANS_MAX", 4)
    spans = [chat(number, parent=0, at=number) for number in range(1, 5)]
    for _ in range(3):
        add(store, [traces_request(spans)])
    store.flush()
    add(store, [traces_request([*spans, span(50, name="HTTP"), span(50, name="HTTP")])])
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    assert [step.span_id[-1] for step in transcript.steps] == ["1", "2", "3", "4"]
    assert (transcript.spans_left_out, transcript.truncated) == (0, False)
    assert transcript.other_spans == 1
    assert transcript.notes[1:] == [f"1 other span is not of GenAI: clew trace {1:032x}"]


def test_spans_past_the_limit_are_counted(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SPANS_MAX", 4)
    spans = [chat(number, parent=0, at=number % 8) for number in range(1, 8)]
    add(store, [traces_request([*spans, *spans, span(50, name="HTTP")])])
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    assert [step.span_id[-1] for step in transcript.steps] == ["1", "2", "3", "4"]
    assert (transcript.spans_left_out, transcript.other_spans) == (3, 1)
    assert transcript.truncated
    assert transcript.next is None
    assert "3 later GenAI spans are left out: these are the first 4" in transcript.notes


def _talk(messages: dict[int, int]) -> list[Message]:
    """Return calls of models by their numbers, each given so many messages as log records."""
    said = [
        log(
            {"content": f"{number}.{place}"},
            at=NOW + number * MS + place,
            event_name="gen_ai.user.message",
            trace_id=(1).to_bytes(16, "big"),
            span_id=number.to_bytes(8, "big"),
        )
        for number, count in messages.items()
        for place in range(count)
    ]
    spans = [chat(number, parent=0, at=number) for number in messages]
    return [traces_request(spans), logs_request(said)]


def _texts(transcript: doc.Transcript) -> list[list[str | None]]:
    return [
        [part.text for message in step.messages for part in message.parts]
        for step in transcript.steps
    ]


def test_a_run_of_more_log_records_than_are_read_at_once_is_read_whole(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PIECE_LOGS_MAX", 4)
    counts = {1: 3, 2: 3, 3: 0, 4: 4, 5: 1}
    add(store, _talk(counts))
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    assert _texts(transcript) == [
        [f"{number}.{place}" for place in range(count)] for number, count in counts.items()
    ]
    assert (transcript.log_records_left_out, transcript.truncated) == (0, False)


def test_log_records_past_the_limits_are_counted(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of one call, and those of the whole run; log records that say nothing do not count."""
    monkeypatch.setattr(records, "PIECE_LOGS_MAX", 4)
    monkeypatch.setattr(records, "LOGS_MAX", 7)
    add(store, _talk({1: 6, 2: 2, 3: 5}))
    other = log("x", event_name="gen_ai.evaluation.result", trace_id=(1).to_bytes(16, "big"))
    add(store, [logs_request([other])])
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    assert _texts(transcript) == [["1.0", "1.1", "1.2", "1.3"], ["2.0", "2.1"], ["3.0"]]
    assert transcript.log_records_left_out == 2 + 4
    assert transcript.truncated
    assert (
        f"6 log records of what was said are left out: clew logs --trace-id {1:032x}"
        in transcript.notes
    )


def test_spans_whose_parents_are_not_looked_up_are_counted(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "IDS_MAX", 2)
    spans = [
        agent(1, "a"),
        *(span(10 + n, parent=1, name="HTTP", at=NOW + n * MS) for n in range(1, 4)),
        *(chat(20 + n, parent=10 + n, at=10 + n) for n in range(1, 4)),
    ]
    add(store, [traces_request([*spans, *spans])])
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    depths = {step.span_id[-2:]: step.depth for step in transcript.steps}
    assert depths == {"01": 0, "15": 1, "16": 1, "17": 0}
    assert transcript.parents_left_out == 4
    assert transcript.truncated
    assert any("4 later spans" in note for note in transcript.notes)


def test_calls_of_a_service_belong_to_the_agent_that_runs_in_another(store: HeldStore) -> None:
    def tokens(count: int) -> dict[str, int]:
        return {"gen_ai__usage__input_tokens": count}

    add(
        store,
        [
            # One agent in a trace; two in another, one of which calls the service through a span.
            traces_request([agent(1, "a"), chat(2, at=1, **tokens(1000))], "planner"),
            traces_request([chat(3, at=2, **tokens(5))], "models"),
            traces_request([agent(1, "a", trace=2), agent(2, "b", parent=1, trace=2)], "planner"),
            traces_request([span(3, trace=2, parent=2, name="HTTP")], "gateway"),
            traces_request([chat(4, trace=2, parent=3, **tokens(7))], "models"),
            # Nobody's, and two agents that have nothing to do with the service.
            traces_request([chat(1, trace=3, parent=0, **tokens(11))], "models"),
            traces_request([agent(1, "c", trace=4), agent(2, "d", parent=1, trace=4)], "planner"),
        ],
    )
    for _ in ("hot", "stored"):
        listed = genai(store).list_agents(AgentQuery(service="models")).agents
        assert [(each.agent, each.named, each.tokens.input) for each in listed] == [
            ("models", False, 11),
            ("b", True, 7),
            ("a", True, 5),
        ]
        assert {name for each in listed for name in each.services} == {"models"}
        assert [each.runs for each in listed] == [0, 0, 0]
        own = genai(store).list_agents(AgentQuery(service="planner")).agents
        assert {each.agent: (each.runs, each.tokens.input) for each in own} == {
            "a": (2, 1000),
            "b": (1, 0),
            "c": (1, 0),
            "d": (1, 0),
        }
        store.flush()


def test_durations_of_spans_that_never_end_are_added_up(store: HeldStore) -> None:
    """Three of them are more nanoseconds than 64 bits hold."""
    endless = {"end_time_unix_nano": 2**63 - 1}
    spans = [
        *(agent(number, "a") for number in range(1, 4)),
        *(tool(number, "wait", at=0) for number in range(4, 7)),
    ]
    for each in spans:
        each.end_time_unix_nano = endless["end_time_unix_nano"]
    add(store, [traces_request(spans)])
    milliseconds = (2**63 - 1 - NOW) / MS
    (found,) = genai(store).list_agents(AgentQuery()).agents
    assert found.avg_ms == pytest.approx(milliseconds)
    assert found.tools[0].avg_ms == pytest.approx(milliseconds)
    assert genai(store).get_transcript("1", TranscriptQuery()).duration_ms == pytest.approx(
        milliseconds
    )
    (conversation,) = genai(store).list_conversations(ConversationQuery()).conversations
    assert conversation.duration_ms == pytest.approx(milliseconds)


def test_names_past_those_shown_are_said_to_be_there(store: HeldStore) -> None:
    def models(count: int, trace: int) -> list[Any]:
        named: list[Any] = [
            {"gen_ai__request__model": f"model-{number:02}"} for number in range(count)
        ]
        return [chat(number, trace=trace, **each) for number, each in enumerate(named, 1)]

    add(store, [traces_request([*models(51, 1), *models(50, 2)])])
    listed = {
        each.conversation[-1]: each
        for each in genai(store).list_conversations(ConversationQuery()).conversations
    }
    assert [len(listed[name].models) for name in ("1", "2")] == [50, 50]
    assert [listed[name].more_names for name in ("1", "2")] == [True, False]
    (nobody,) = genai(store).list_agents(AgentQuery()).agents
    assert (len(nobody.models), nobody.more_names) == (50, True)


def test_findings_past_the_limit_are_counted(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "FINDINGS_MAX", 2)
    failed = {"code": 2, "message": "no"}
    spans = [tool(n, f"tool-{n}", at=n, status=failed) for n in range(1, 6)]
    add(store, [traces_request(spans)])
    transcript = genai(store).get_transcript("1", TranscriptQuery())
    assert [each.tool for each in transcript.findings] == ["tool-1", "tool-2"]
    assert transcript.findings_left_out == 3
    assert any("3 findings past" in note for note in transcript.notes)
