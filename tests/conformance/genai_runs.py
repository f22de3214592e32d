"""The same run as each convention writes it: an agent, two calls of a model, one of a tool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.conformance.query_requests import NOW, log, logs_request, span, traces_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MS: Final = 10**6

SYSTEM: Final = "You help people shop."
USER: Final = "Something warm, please."
THOUGHT: Final = "Let me look."
ANSWER: Final = "Socks are warm."
ARGUMENTS: Final = {"query": "warm"}
RESULT: Final = {"products": ["socks"]}

CALL: Final = {"type": "tool_call", "id": "c1", "name": "search", "arguments": ARGUMENTS}
GAVE: Final = {"type": "tool_call_response", "id": "c1", "response": RESULT}


def text(content: str) -> dict[str, Any]:
    """Return a part of a message as OpenTelemetry has it."""
    return {"type": "text", "content": content}


def run_of(
    agent: dict[str, Any],
    first: dict[str, Any],
    tool: dict[str, Any],
    second: dict[str, Any],
    *,
    first_events: Sequence[Any] = (),
    second_events: Sequence[Any] = (),
) -> list[Span]:
    """Return the four spans, with the names that frameworks give them."""
    return [
        span(1, name="invoke_agent shopper", at=NOW, duration=900 * MS, attributes=agent),
        _step(2, "chat gpt-4o", 10, first, first_events),
        _step(3, "execute_tool search", 200, tool, []),
        _step(4, "chat gpt-4o", 300, second, second_events),
    ]


def _step(
    number: int, name: str, at: int, attributes: dict[str, Any], events: Sequence[Any]
) -> Span:
    begin = NOW + at * MS
    made = span(number, name=name, at=begin, duration=100 * MS, parent=1, attributes=attributes)
    for event_name, event_attributes in events:
        other = span(0, at=begin, attributes=event_attributes)
        made.events.add(name=event_name, time_unix_nano=begin, attributes=other.attributes)
    return made


def _current(messages: bool = True) -> tuple[dict[str, Any], ...]:
    agent = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "shopper",
        "gen_ai.conversation.id": "talk-1",
    }
    call = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.finish_reasons": ["stop"],
    }
    said = [{"role": "user", "parts": [text(USER)]}]
    asked = {"role": "assistant", "parts": [text(THOUGHT), CALL], "finish_reason": "tool_call"}
    told = {"role": "tool", "parts": [GAVE]}
    end = {"role": "assistant", "parts": [text(ANSWER)], "finish_reason": "stop"}
    first = {
        **call,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
    }
    second = {
        **call,
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 10,
    }
    if messages:
        first |= {
            "gen_ai.system_instructions": json.dumps([text(SYSTEM)]),
            "gen_ai.input.messages": json.dumps(said),
            "gen_ai.output.messages": json.dumps([asked]),
        }
        second |= {
            "gen_ai.system_instructions": json.dumps([text(SYSTEM)]),
            "gen_ai.input.messages": json.dumps([*said, asked, told]),
            "gen_ai.output.messages": json.dumps([end]),
        }
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.id": "c1",
        "gen_ai.tool.call.arguments": json.dumps(ARGUMENTS),
        "gen_ai.tool.call.result": json.dumps(RESULT),
    }
    return agent, first, tool, second


def current() -> list[Message]:
    """OpenTelemetry as it is: messages on the spans, as JSON."""
    return [traces_request(run_of(*_current()))]


def nested() -> list[Message]:
    """The same with structured values in place of JSON."""
    runs = [
        {key: json.loads(value) if _is_json(key) else value for key, value in each.items()}
        for each in _current()
    ]
    return [traces_request(run_of(*runs))]


def _is_json(key: str) -> bool:
    return key.endswith(("messages", "instructions", ".arguments", ".result"))


def details() -> list[Message]:
    """OpenTelemetry with the messages on the event of details of each span."""
    agent, first, tool, second = _current()
    plain = _current(messages=False)

    def event(attributes: dict[str, Any]) -> list[Any]:
        kept = {key: value for key, value in attributes.items() if _is_json(key)}
        return [("gen_ai.client.inference.operation.details", kept)]

    spans = run_of(
        agent, plain[1], tool, plain[3], first_events=event(first), second_events=event(second)
    )
    return [traces_request(spans)]


_TOOL_CALLS: Final = [
    {
        "id": "c1",
        "type": "function",
        "function": {"name": "search", "arguments": json.dumps(ARGUMENTS)},
    }
]


def older_logs() -> list[Message]:
    """OpenTelemetry up to 1.36: a log record for each message, and the older names of tokens."""
    agent, first, tool, second = _current(messages=False)
    renamed = [_renamed(each) for each in (first, second)]
    given = [
        ("gen_ai.system.message", {"content": SYSTEM}),
        ("gen_ai.user.message", {"content": USER}),
    ]
    asked = {"content": THOUGHT, "tool_calls": _TOOL_CALLS}
    records = [
        *(_record(2, 10, name, body) for name, body in given),
        _record(
            2, 20, "gen_ai.choice", {"index": 0, "finish_reason": "tool_calls", "message": asked}
        ),
        *(_record(4, 300, name, body) for name, body in given),
        _record(4, 301, "gen_ai.assistant.message", asked),
        _record(4, 302, "gen_ai.tool.message", {"id": "c1", "content": json.dumps(RESULT)}),
        _record(
            4,
            303,
            "gen_ai.choice",
            {"index": 0, "finish_reason": "stop", "message": {"content": ANSWER}},
        ),
    ]
    return [
        traces_request(run_of(agent, renamed[0], tool, renamed[1])),
        logs_request(records),
    ]


def _record(span_number: int, at: int, name: str, body: dict[str, Any]) -> Any:
    return log(
        body,
        at=NOW + at * MS,
        event_name=name,
        trace_id=(1).to_bytes(16, "big"),
        span_id=span_number.to_bytes(8, "big"),
        attributes={"gen_ai.system": "openai"},
    )


def _renamed(attributes: dict[str, Any]) -> dict[str, Any]:
    names = {
        "gen_ai.provider.name": "gen_ai.system",
        "gen_ai.usage.input_tokens": "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.output_tokens": "gen_ai.usage.completion_tokens",
    }
    return {names.get(key, key): value for key, value in attributes.items()}


def openllmetry() -> list[Message]:
    """OpenLLMetry: numbered attributes, and spans of its own kinds."""
    call = {
        "gen_ai.system": "OpenAI",
        "llm.request.type": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "traceloop.association.properties.session_id": "talk-1",
    }
    given = {
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": SYSTEM,
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": USER,
    }
    first = {
        **call,
        **given,
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": THOUGHT,
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.completion.0.tool_calls.0.id": "c1",
        "gen_ai.completion.0.tool_calls.0.name": "search",
        "gen_ai.completion.0.tool_calls.0.arguments": json.dumps(ARGUMENTS),
        "gen_ai.usage.prompt_tokens": 100,
        "gen_ai.usage.completion_tokens": 20,
    }
    second = {
        **call,
        **given,
        "gen_ai.prompt.2.role": "assistant",
        "gen_ai.prompt.2.content": THOUGHT,
        "gen_ai.prompt.2.tool_calls.0.id": "c1",
        "gen_ai.prompt.2.tool_calls.0.name": "search",
        "gen_ai.prompt.2.tool_calls.0.arguments": json.dumps(ARGUMENTS),
        "gen_ai.prompt.3.role": "tool",
        "gen_ai.prompt.3.tool_call_id": "c1",
        "gen_ai.prompt.3.content": json.dumps(RESULT),
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": ANSWER,
        "gen_ai.completion.0.finish_reason": "stop",
        "gen_ai.usage.prompt_tokens": 150,
        "gen_ai.usage.completion_tokens": 10,
    }
    agent = {"traceloop.span.kind": "agent", "traceloop.entity.name": "shopper"}
    tool = {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "search",
        "traceloop.entity.input": json.dumps(ARGUMENTS),
        "traceloop.entity.output": json.dumps(RESULT),
    }
    return [traces_request(run_of(agent, first, tool, second))]


def openinference() -> list[Message]:
    """OpenInference: numbered attributes of another form."""
    call = {
        "openinference.span.kind": "LLM",
        "llm.provider": "openai",
        "llm.model_name": "gpt-4o-2024-08-06",
        "session.id": "talk-1",
        "input.value": "told again as one text",
        "llm.finish_reason": "stop",
    }
    given = {
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": SYSTEM,
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.type": "text",
        "llm.input_messages.1.message.contents.0.message_content.text": USER,
    }
    asked = {
        "message.role": "assistant",
        "message.content": THOUGHT,
        "message.tool_calls.0.tool_call.id": "c1",
        "message.tool_calls.0.tool_call.function.name": "search",
        "message.tool_calls.0.tool_call.function.arguments": json.dumps(ARGUMENTS),
    }
    first = {
        **call,
        **given,
        **{f"llm.output_messages.0.{key}": value for key, value in asked.items()},
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 20,
    }
    second = {
        **call,
        **given,
        **{f"llm.input_messages.2.{key}": value for key, value in asked.items()},
        "llm.input_messages.3.message.role": "tool",
        "llm.input_messages.3.message.tool_call_id": "c1",
        "llm.input_messages.3.message.content": json.dumps(RESULT),
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": ANSWER,
        "llm.token_count.prompt": 150,
        "llm.token_count.completion": 10,
    }
    agent = {"openinference.span.kind": "AGENT", "agent.name": "shopper"}
    tool = {
        "openinference.span.kind": "TOOL",
        "tool.name": "search",
        "tool_call.id": "c1",
        "input.value": json.dumps(ARGUMENTS),
        "output.value": json.dumps(RESULT),
    }
    return [traces_request(run_of(agent, first, tool, second))]


CONVENTIONS: Final = (
    current,
    nested,
    details,
    older_logs,
    openllmetry,
    openinference,
)
