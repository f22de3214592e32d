"""What was said, read from every form, and from what is no form at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.telemetry.genai.content import Content, Event, Record, read_content
from clew.telemetry.genai.messages import (
    CallPart,
    OtherPart,
    ResultPart,
    Said,
    TextPart,
    canonical,
    read_json,
    read_messages,
    unflatten,
)

DETAILS = "gen_ai.client.inference.operation.details"
USER = Said("user", (TextPart("hi"),))
ANSWER = Said("assistant", (TextPart("yes"),))


def read(
    attributes: dict[str, str], *events: tuple[str, dict[str, str], str], operation: str = "chat"
) -> Content:
    made = [Event(at, name, more, body) for at, (name, more, body) in enumerate(events)]
    return read_content(Record(operation, attributes, made))


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        (
            {
                "gen_ai.input.messages": '[{"parts":[{"type":"text","content":"hi"}]}]',
                "gen_ai.output.messages": '[{"role":"assistant","content":"yes"}]',
            },
            [],
        ),
        (
            {},
            [
                (
                    DETAILS,
                    {},
                    '{"gen_ai.input.messages":["hi"],"gen_ai.output.messages":["yes"]}',
                )
            ],
        ),
        (
            {},
            [
                ("gen_ai.user.message", {"content": "hi"}, ""),
                ("gen_ai.choice", {"message": '{"content":"yes"}', "index": "0"}, ""),
            ],
        ),
        (
            {},
            [
                ("gen_ai.user.message", {"gen_ai.event.content": '{"content":"hi"}'}, ""),
                ("gen_ai.choice", {}, '{"message":{"role":"assistant","content":"yes"}}'),
            ],
        ),
        ({"gen_ai.prompt.0.content": "hi", "gen_ai.completion.0.content": "yes"}, []),
        (
            {
                "llm.prompts.0.user": "",
                "llm.prompts.0.content": "hi",
                "llm.completions.0.content": "yes",
            },
            [],
        ),
        (
            {
                "llm.input_messages.0.message.content": "hi",
                "llm.output_messages.0.message.content": "yes",
            },
            [],
        ),
        ({"gen_ai.prompt": "hi", "gen_ai.completion": "yes"}, []),
        (
            {},
            [
                ("gen_ai.content.prompt", {"gen_ai.prompt": "hi"}, ""),
                ("gen_ai.content.completion", {"gen_ai.completion": "yes"}, ""),
            ],
        ),
        ({"input.value": "hi", "output.value": "yes"}, []),
        (
            {
                "input.value": '{"messages":[{"role":"human","content":"hi"}]}',
                "output.value": '{"role":"ai","content":"yes"}',
            },
            [],
        ),
        ({"traceloop.entity.input": "hi", "traceloop.entity.output": "yes"}, []),
    ],
)
def test_every_form_becomes_the_same_messages(
    attributes: dict[str, str], events: list[tuple[str, dict[str, str], str]]
) -> None:
    assert read(attributes, *events) == Content((USER,), (ANSWER,))


def test_parts_of_the_apis_that_others_repeat_are_known() -> None:
    parts: list[Any] = [
        {"type": "input_text", "text": "a"},
        {"type": "thinking", "thinking": "b"},
        {"type": "tool_use", "id": "1", "name": "look", "input": {"q": 1}},
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "c"}]},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "blob", "mime_type": "image/png", "content": "aGk="},
    ]
    (said,) = read_messages([{"role": "user", "content": parts}], "user")
    assert said.parts == (
        TextPart("a"),
        TextPart("b", is_said=False),
        CallPart("1", "look", {"q": 1}),
        ResultPart("1", "", "c"),
        OtherPart("image_url"),
        OtherPart("blob (image/png)"),
    )


def test_a_tool_tells_its_arguments_and_result_in_any_form() -> None:
    for names in (
        ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result"),
        ("input.value", "output.value"),
        ("traceloop.entity.input", "traceloop.entity.output"),
    ):
        content = read({names[0]: '{"q":1}', names[1]: "[2]"}, operation="execute_tool")
        assert (content.arguments, content.result) == ({"q": 1}, [2])


def test_messages_told_twice_are_the_same_however_they_are_written() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    first, second, third = read_messages(
        [
            {"role": "assistant", "content": "hi ", "tool_calls": [call]},
            {
                "role": "ai",
                "parts": [
                    {"type": "text", "content": "hi"},
                    {"type": "tool_call", "id": "1", "name": "f", "arguments": "cut…"},
                ],
            },
            {"role": "assistant", "content": "hi"},
        ],
        "user",
    )
    assert first.identity() == second.identity() != third.identity()


def test_numbers_in_keys_are_names_and_cost_nothing() -> None:
    keys = {f"p.{number}.content": str(number) for number in (10**18, 2, 10)}
    assert unflatten(keys, "p.") == [{"content": "2"}, {"content": "10"}, {"content": str(10**18)}]
    assert unflatten({"p.0": "x", "p.0.content": "y"}, "p.") in (["x"], [{"content": "y"}])
    assert unflatten({"p." + ".".join("a" * 500): "x"}, "p.") == []


@pytest.mark.parametrize("opening", ["[", '{"messages":', '{"content":', '{"parts":['])
def test_what_is_nested_without_end_stays_a_text(opening: str) -> None:
    closing = {"[": "]", '{"parts":[': "]}"}.get(opening, "}")
    text = opening * 900 + "1" + closing * 900
    assert read_json(text) == text
    content = read({"gen_ai.input.messages": text, "gen_ai.tool.call.arguments": text})
    assert msgspec.json.encode(canonical(text))
    assert content.given == (Said("user", (TextPart(text),)),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "parts",
                    "content",
                    "type",
                    "tool_calls",
                    "function",
                    "id",
                    "name",
                    "message",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.prompt.0.tool_calls",
        "gen_ai.prompt.0.content",
        "llm.input_messages.0.message",
        "llm.input_messages.0.message.tool_calls.0",
        "input.value",
        "output.value",
        "gen_ai.prompt",
        "gen_ai.tool.call.result",
    ]
)


@given(
    st.dictionaries(KEYS, JSON.map(json.dumps) | st.text(), max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from([DETAILS, "gen_ai.choice", "gen_ai.tool.message", "other"]),
            st.dictionaries(KEYS | st.just("content"), JSON.map(json.dumps), max_size=2),
            JSON.map(json.dumps) | st.text(),
        ),
        max_size=3,
    ),
    st.sampled_from(["chat", "execute_tool", "invoke_agent"]),
)
def test_nothing_that_a_sender_writes_is_an_error(
    attributes: dict[str, str], events: list[tuple[str, dict[str, str], str]], operation: str
) -> None:
    content = read(attributes, *events, operation=operation)
    for said in (*content.given, *content.answered):
        assert len(said.identity()) == 16
        assert said.parts
        for part in said.parts:
            if isinstance(part, CallPart):
                assert canonical(part.arguments)
