"""What was said in a call, from a span's attributes, its events and the log records it wrote.

Each convention has one reader; they are asked in the order of `_READERS`, the current one first,
and the first that finds something is believed: two conventions on one span tell the same thing
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from clew.telemetry.genai.messages import (
    Json,
    Said,
    read_json,
    read_message,
    read_messages,
    unflatten,
)


@dataclass(frozen=True, slots=True)
class Event:
    """A span event, or a log record that names one: `body` is empty for the former."""

    at: int
    name: str
    attributes: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A span as its readers see it, attributes as text; events in the order of their time."""

    operation: str
    attributes: Mapping[str, str]
    events: Sequence[Event] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What a call was given and what it answered."""

    given: tuple[Said, ...] = ()
    answered: tuple[Said, ...] = ()
    arguments: Json = None
    result: Json = None

    def __bool__(self) -> bool:
        return bool(
            self.given or self.answered or self.arguments is not None or self.result is not None
        )


@dataclass(slots=True)
class _Found:
    given: list[Said] = field(default_factory=list)
    answered: list[Said] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.given or self.answered)


def read_content(record: Record) -> Content:
    """Return what was said in a call of a model, an agent or a tool."""
    arguments, result = _tool(record) if record.operation == "execute_tool" else (None, None)
    for reader in _READERS:
        found = reader(record)
        if found:
            return Content(tuple(found.given), tuple(found.answered), arguments, result)
    return Content(arguments=arguments, result=result)


def _structured(record: Record) -> _Found:
    """Messages as OpenTelemetry has them now, on the span or on its event of details."""
    details = [event for event in record.events if event.name == DETAILS]
    found = _Found()
    for attributes in (record.attributes, *(_of_event(event) for event in details)):
        found.given += read_messages(
            read_json(attributes.get("gen_ai.system_instructions")), "system"
        )
        found.given += read_messages(read_json(attributes.get("gen_ai.input.messages")), "user")
        found.answered += read_messages(
            read_json(attributes.get("gen_ai.output.messages")), "assistant"
        )
        if found:
            found.given = _one_system(found.given)
            return found
    return found


def _one_system(given: list[Said]) -> list[Said]:
    """Put the parts of the instructions, which come without a role, into one message."""
    parts = [part for message in given if message.role == "system" for part in message.parts]
    others = [message for message in given if message.role != "system"]
    return [Said("system", tuple(parts)), *others] if parts else others


def _of_event(event: Event) -> Mapping[str, Any]:
    body = read_json(event.body)
    return {**body, **event.attributes} if isinstance(body, dict) else event.attributes


DETAILS: Final = "gen_ai.client.inference.operation.details"
CHOICE: Final = "gen_ai.choice"
_MESSAGES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def _events(record: Record) -> _Found:
    """One event or log record for each message, as OpenTelemetry had it up to 1.36."""
    found = _Found()
    for event in record.events:
        if event.name in _MESSAGES:
            role = _MESSAGES[event.name]
            message = read_message(_event_body(event), role)
            if message.parts:
                found.given.append(message)
        elif event.name == CHOICE:
            body = _event_body(event)
            inner = read_json(body.get("message"))
            message = read_message(inner if isinstance(inner, dict) else body, "assistant")
            if message.parts:
                found.answered.append(message)
    return found


def _event_body(event: Event) -> Mapping[str, Json]:
    for text in (event.body, event.attributes.get("gen_ai.event.content")):
        body = read_json(text)
        if isinstance(body, dict):
            return body
        if isinstance(body, str) and body:
            return {"content": body}
    return {key: read_json(value) for key, value in event.attributes.items()}


_WHOLE: Final = {
    "gen_ai.content.prompt": ("gen_ai.prompt", False),
    "gen_ai.content.completion": ("gen_ai.completion", True),
}

CONTENT_EVENTS: Final = tuple(sorted({DETAILS, CHOICE, *_MESSAGES, *_WHOLE}))
"""Names of span events and log records that carry what was said."""


def _whole(record: Record) -> _Found:
    """The prompt and the completion as one text each, on the span or on two events."""
    found = _Found()
    for event_name, (key, is_answer) in _WHOLE.items():
        texts = [record.attributes.get(key)]
        texts += [event.attributes.get(key) for event in record.events if event.name == event_name]
        for text in texts:
            messages = read_messages(read_json(text), "assistant" if is_answer else "user")
            (found.answered if is_answer else found.given).extend(messages)
    return found


def _indexed(record: Record) -> _Found:
    """OpenLLMetry: ``gen_ai.prompt.0.content``, and ``llm.prompts.0.content`` before."""
    found = _Found()
    for prompt, completion in (
        ("gen_ai.prompt.", "gen_ai.completion."),
        ("llm.prompts.", "llm.completions."),
    ):
        found.given += read_messages(unflatten(record.attributes, prompt), "user")
        found.answered += read_messages(unflatten(record.attributes, completion), "assistant")
        if found:
            break
    return found


def _openinference(record: Record) -> _Found:
    """OpenInference: ``llm.input_messages.0.message.content``."""
    found = _Found()
    for place, prefix, role in (
        (found.given, "llm.input_messages.", "user"),
        (found.answered, "llm.output_messages.", "assistant"),
    ):
        for each in unflatten(record.attributes, prefix):
            inner = each.get("message") if isinstance(each, dict) else None
            message = read_message(inner, role) if isinstance(inner, dict) else None
            if message is not None and message.parts:
                place.append(message)
    return found


def _values(record: Record) -> _Found:
    """Input and output as one value each, whatever it is: what most conventions have at least."""
    found = _Found()
    if record.operation == "execute_tool":
        return found
    for keys, place, role in (
        (("input.value", "traceloop.entity.input"), found.given, "user"),
        (("output.value", "traceloop.entity.output"), found.answered, "assistant"),
    ):
        text = next((record.attributes[key] for key in keys if record.attributes.get(key)), None)
        place.extend(read_messages(read_json(text), role))
    return found


_READERS: Final[tuple[Callable[[Record], _Found], ...]] = (
    _structured,
    _events,
    _indexed,
    _openinference,
    _whole,
    _values,
)

_ARGUMENTS: Final = (
    "gen_ai.tool.call.arguments",
    "tool_call.function.arguments",
    "tool.parameters",
    "input.value",
    "traceloop.entity.input",
)
_RESULTS: Final = ("gen_ai.tool.call.result", "output.value", "traceloop.entity.output")


def _tool(record: Record) -> tuple[Json, Json]:
    """Return the arguments and the result of a tool."""

    def first(keys: Sequence[str]) -> Json:
        return next(
            (read_json(record.attributes[key]) for key in keys if record.attributes.get(key)), None
        )

    return first(_ARGUMENTS), first(_RESULTS)
