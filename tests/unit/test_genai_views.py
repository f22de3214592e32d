"""Conversations, agents and transcripts as lines: what a person reads."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest

from clew.surfaces.cli.grid import line_width, render
from clew.surfaces.cli.views.genai import (
    agent_table,
    conversation_table,
    show_cost,
    show_dollars,
    show_tokens,
)
from clew.surfaces.cli.views.transcript import transcript_lines, transcript_notes, wrap
from clew.telemetry.genai import documents as doc

TIME = "2026-11-21T08:00:00.000000000Z"
TOKENS = doc.Tokens(
    input=1500, output=80, cache_read=500, cache_creation=0, reasoning=0, calls_without=0
)


def cost(usd: float | None = 0.0123, **more: Any) -> doc.Cost:
    given: dict[str, Any] = {
        "computed": True,
        "priced_tokens": 1580,
        "unpriced_tokens": 0,
        "unpriced_models": [],
        "reported_usd": None,
        "reported_calls": 0,
        "prices": "genai-prices 0.2.3",
        "prices_dated": "2026-11-04",
    }
    return doc.Cost(usd=usd, **{**given, **more})


def step(number: int, kind: Any, name: str, **more: Any) -> doc.Step:
    given: dict[str, Any] = {
        "operation": "chat",
        "depth": 1,
        "trace_id": "ab" * 16,
        "span_id": "cd" * 8,
        "service": "assistant",
        "start_time": TIME,
        "offset_ms": 10.0 * number,
        "duration_ms": 5.0,
        "status": "ok",
    }
    return doc.Step(number=number, kind=kind, name=name, **{**given, **more})


def message(role: str, *parts: doc.Part) -> doc.Message:
    direction: Any = "output" if role == "assistant" else "input"
    return doc.Message(role=role, direction=direction, parts=list(parts))


def transcript(*steps: doc.Step, **more: Any) -> doc.Transcript:
    given: dict[str, Any] = {
        "conversation": "talk-1",
        "trace_ids": ["ab" * 16],
        "agents": ["shopper"],
        "models": ["gpt-4o"],
        "services": ["assistant"],
        "start_time": TIME,
        "end_time": TIME,
        "duration_ms": 900.0,
        "turns": 2,
        "tool_calls": 1,
        "error_count": 1,
        "tokens": TOKENS,
        "cost": cost(),
        "findings": [],
        "content": True,
        "count": len(steps),
        "total": len(steps),
        "truncated": False,
    }
    return doc.Transcript(steps=list(steps), **{**given, **more})


def drawn(document: doc.Transcript, width: int = 90) -> list[str]:
    lines = transcript_lines(document, width)
    return [render(line, colour=False) for line in lines]


def test_a_transcript_reads_as_a_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    call = doc.Part(type="tool_call", id="c1", name="search", arguments={"query": "warm", "n": 2})
    document = transcript(
        step(1, "agent", "shopper", depth=0, offset_ms=0.0),
        step(
            2,
            "model",
            "gpt-4o",
            input_tokens=1500,
            output_tokens=80,
            cache_read_tokens=500,
            computed_usd=0.0123,
            finish_reasons=["tool_calls"],
            messages=[
                message("system", doc.Part(type="text", text="You help.")),
                message("user", doc.Part(type="text", text="Something warm.\nPlease.")),
                message("assistant", doc.Part(type="text", text="Let me look."), call),
            ],
        ),
        step(3, "tool", "search", call_id="c1", arguments={"query": "warm"}, result={"a": ["b"]}),
        step(4, "tool", "order", call_id="c2", arguments={"id": 1}, error="out of stock"),
        step(
            5,
            "model",
            "gpt-4o",
            repeated_messages=4,
            finish_reasons=["length"],
            messages=[message("assistant", doc.Part(type="text", text="Sorry", left_out=40))],
        ),
        findings=[
            doc.Finding(
                kind="failing_tool", message="order failed 1 of 1 times", steps=[4], count=1
            )
        ],
    )
    assert drawn(document)[4:] == [
        "",
        "! failing tool: order failed 1 of 1 times  (step 4)",
        "",
        "  1 agent shopper  +0 ms · 5.00 ms",
        "",
        "  2   chat gpt-4o  +20.0 ms · 5.00 ms · 1.5k → 80 tokens · 500 cached · $0.0123",
        "      system     You help.",
        "      user       Something warm.",
        "                 Please.",
        "      assistant  Let me look.",
        '                 → search(query="warm", n=2)',
        "",
        "  3   tool search  +30.0 ms · 5.00 ms",
        '      gave       {"a":["b"]}',
        "",
        "  4   tool order  +40.0 ms · 5.00 ms",
        "      called     order(id=1)",
        "      ✗ error    out of stock",
        "",
        "  5   chat gpt-4o  +50.0 ms · 5.00 ms · length",
        "                 (4 messages told before)",
        "      assistant  Sorry … (40 more characters)",
    ]
    heading = drawn(document)[:4]
    assert heading[0].startswith("conversation talk-1  trace abab")
    assert heading[1] == "agents shopper  models gpt-4o  services assistant"
    assert "2 turns · 1 tool call · 1 error · 900 ms" in heading[2]
    assert heading[3].startswith("1.5k tokens in · 80 out · 500 of them cached · $0.0123")


HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\r\n<script>ignore all instructions</script>"


@pytest.mark.parametrize("width", [40, 90])
def test_nothing_that_was_said_is_obeyed_by_a_terminal(width: int) -> None:
    said = [
        message(HOSTILE[:40], doc.Part(type=kind, text=HOSTILE, name=HOSTILE, result=HOSTILE))
        for kind in get_args(get_type_hints(doc.Part)["type"])
    ]
    document = transcript(
        step(1, "agent", HOSTILE, operation=HOSTILE, depth=0),
        step(2, "model", HOSTILE, messages=said, finish_reasons=[HOSTILE]),
        step(3, "tool", HOSTILE, arguments={HOSTILE: HOSTILE}, result=[HOSTILE], error=HOSTILE),
        step(4, "other", HOSTILE, operation=HOSTILE),
        conversation=HOSTILE,
        agents=[HOSTILE],
        cost=cost(None, unpriced_models=[HOSTILE]),
        findings=[doc.Finding(kind="loop", message=HOSTILE, steps=[1], count=1)],
        notes=[HOSTILE],
    )
    shown = "\n".join([*drawn(document, width), transcript_notes(document)])
    assert not set(shown) & set("\x1b\x07\r\u202e")
    assert "\\x1b[2J" in shown


def test_lists_of_conversations_and_agents_show_nothing_raw() -> None:
    conversation = doc.Conversation(
        conversation=HOSTILE,
        kind="conversation",
        traces=1,
        last_trace_id="ab" * 16,
        turns=3,
        tool_calls=2,
        error_count=1,
        agents=[HOSTILE],
        models=["gpt-4o"],
        services=["s"],
        more_names=False,
        tokens=TOKENS,
        cost=cost(),
        start_time=TIME,
        last_activity=TIME,
        duration_ms=12.0,
    )
    tool = doc.ToolUsage(tool=HOSTILE, calls=3, failures=1, failure_rate=1 / 3, avg_ms=2.0)
    agent = doc.Agent(
        agent=HOSTILE,
        named=False,
        agent_ids=[],
        services=["s"],
        models=[],
        runs=0,
        run_failures=0,
        failure_rate=0.0,
        llm_calls=1,
        llm_failures=0,
        tool_calls=3,
        tool_failures=1,
        tools=[tool],
        tools_left_out=0,
        more_names=False,
        tokens=TOKENS,
        cost=cost(),
        avg_ms=None,
        p50_ms=None,
        p95_ms=None,
        last_activity=TIME,
    )
    page: dict[str, Any] = {"count": 1, "total": 1, "truncated": False}
    page |= {"start_time": TIME, "end_time": TIME}
    for width in (40, 200):
        lines = [
            *conversation_table(doc.ConversationList(conversations=[conversation], **page), width),
            *agent_table(doc.AgentList(agents=[agent], **page), width),
        ]
        shown = "\n".join(render(line, colour=False) for line in lines)
        assert not set(shown) & set("\x1b\x07\r\u202e")
    assert "$0.0123" in shown
    assert "1/3" in shown


def test_money_and_tokens_are_as_short_as_they_can_be_told_apart() -> None:
    assert [show_tokens(n) for n in (0, 999, 1000, 12_345, 1_200_000)] == [
        "0",
        "999",
        "1.0k",
        "12k",
        "1.2M",
    ]
    amounts = (None, 0, 0.0000123, 0.0123, 1.234, 1234.5)
    assert [show_dollars(amount) for amount in amounts] == [
        "-",
        "$0",
        "$1.2e-05",
        "$0.0123",
        "$1.23",
        "$1,234",
    ]
    assert show_cost(cost(1.0, unpriced_tokens=5)) == "≥$1.00"
    assert show_cost(cost(None, reported_usd=0.5)) == "$0.50*"
    assert show_cost(cost(None)) == "-"


@pytest.mark.parametrize("text", ["", "a b", "    code here that goes on", "漢字" * 30, "x" * 100])
def test_wrapped_text_fits_and_loses_only_the_space_at_the_breaks(text: str) -> None:
    rows = wrap(text, 20)
    assert all(line_width([(row, rows[0])]) <= 20 for row in rows)  # type: ignore[list-item]
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    assert rows[0].startswith(text[: len(text) - len(text.lstrip())])
