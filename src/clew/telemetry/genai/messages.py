"""Messages in one form, from whatever form a convention gives them.

What comes in are JSON values that a sender wrote: each reader takes what it knows and leaves the
rest, and nothing that is malformed is an error. Forms that are read: the parts of OpenTelemetry's
messages (``{role, parts: [{type, content}]}``), the bodies of its older events, and the messages of
the OpenAI and Anthropic APIs, which most other conventions repeat.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json: TypeAlias = Any

PARTS_MAX: Final = 200
"""Parts of one message: more are no message that anybody wrote or read."""

MESSAGES_MAX: Final = 2000
"""Messages of one call: far more than a context holds."""

_ROLES: Final = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}


@dataclass(frozen=True, slots=True)
class TextPart:
    """What was said; or, not `is_said`, only thought."""

    text: str
    is_said: bool = True


@dataclass(frozen=True, slots=True)
class CallPart:
    """A tool that the model wants used. `arguments` is JSON where it could be read as such."""

    id: str
    name: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class ResultPart:
    """What a tool gave."""

    id: str
    name: str
    result: Json


@dataclass(frozen=True, slots=True)
class OtherPart:
    """An image, a file, or what this version does not know; `what` says so in words."""

    what: str


Part: TypeAlias = TextPart | CallPart | ResultPart | OtherPart


@dataclass(frozen=True, slots=True)
class Said:
    """One message."""

    role: str
    parts: tuple[Part, ...]
    name: str = ""

    def identity(self) -> bytes:
        """Return what is equal for the same message told twice, however it was written down.

        A call or a result that has an id is known by it: its text is often shortened when it is
        told again. White space at the ends does not count.
        """
        return hashlib.blake2b(
            orjson.dumps([self.role, [_identity(part) for part in self.parts]]), digest_size=16
        ).digest()


def read_messages(value: Json, role: str) -> list[Said]:
    """Return the messages of a JSON value; `role` is that of text that has none."""
    if isinstance(value, str):
        return [Said(role, (TextPart(value),))] if value else []
    if isinstance(value, dict):
        inner = value.get("messages")
        if isinstance(inner, list):
            return read_messages(inner, role)
        message = read_message(value, role)
        return [message] if message.parts else []
    if isinstance(value, list):
        read = (read_messages(each, role) for each in value[:MESSAGES_MAX])
        return [message for messages in read for message in messages]
    return []


def read_message(value: Mapping[str, Json], role: str) -> Said:
    """Return one message of any of the known forms."""
    named = _text(value.get("role")) or role
    known = _ROLES.get(named.lower(), named.lower())
    parts = list(_parts_of(value))
    call_id = _text(value.get("tool_call_id")) or (
        _text(value.get("id")) if known == "tool" else ""
    )
    if known == "tool" and not any(isinstance(part, ResultPart) for part in parts):
        # The text of a tool's message is its result.
        texts = [part.text for part in parts if isinstance(part, TextPart)]
        parts = [ResultPart(call_id, _text(value.get("name")), read_json("\n".join(texts)))]
    return Said(known, tuple(parts[:PARTS_MAX]), _text(value.get("name")))


def read_json(text: Json) -> Json:
    """Return the object or list that a text is, else the text itself.

    One that is nested deeper than `NESTING_MAX` stays a text: a sender wrote it, and everything
    that walks it walks it by recursion.
    """
    if not isinstance(text, str) or text[:1] not in {"{", "["}:
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return value if _is_shallow(value) else text


NESTING_MAX: Final = 64
"""Objects and lists inside one another: arguments of real tools have a handful."""


def _is_shallow(value: Json) -> bool:
    level = [value]
    for _ in range(NESTING_MAX):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return True
    return False


def unflatten(attributes: Mapping[str, str], prefix: str) -> list[Json]:
    """Return the list that keys such as ``prefix.0.role`` spell, ordered by their numbers.

    Keys that run through a value are left out. The numbers are names: a large one costs nothing.
    """
    root: dict[str, Json] = {}
    for key, value in attributes.items():
        if not key.startswith(prefix):
            continue
        *path, last = key.removeprefix(prefix).split(".")
        place: Json = root
        for name in path[:DEPTH_MAX]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                break
        else:
            place.setdefault(last, value)
    whole = _lists(root)
    return whole if isinstance(whole, list) else []


DEPTH_MAX: Final = 12
"""Names in a key: OpenInference's longest has eight."""


def _lists(value: Json) -> Json:
    """Turn objects whose names are all numbers into lists."""
    if not isinstance(value, dict):
        return value
    members = {name: _lists(member) for name, member in value.items()}
    if members and all(name.isascii() and name.isdigit() for name in members):
        return [members[name] for name in sorted(members, key=lambda name: (len(name), name))]
    return members


def _parts_of(value: Mapping[str, Json]) -> Iterator[Part]:
    for key in ("parts", "content", "contents", "text"):
        yield from _parts(value.get(key))
    calls = value.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            # OpenInference puts each call into an object of its own.
            yield _call(call["tool_call"] if isinstance(call.get("tool_call"), dict) else call)
    function = value.get("function_call")
    if isinstance(function, dict):
        yield _call(function)


def _parts(value: Json) -> Iterator[Part]:
    value = read_json(value)
    if isinstance(value, str):
        if value:
            yield TextPart(value)
    elif isinstance(value, list):
        for each in value[:PARTS_MAX]:
            yield from _parts(each) if isinstance(each, str) else _part(each)
    elif isinstance(value, dict):
        yield from _part(value)


def _part(value: Json) -> Iterator[Part]:
    if not isinstance(value, dict):
        return
    wrapped = value.get("message_content")
    if isinstance(wrapped, dict):
        value = wrapped
    kind = _text(value.get("type"))
    match kind:
        case "text" | "input_text" | "output_text" | "":
            text = value.get("content", value.get("text"))
            if isinstance(text, str):
                yield TextPart(text)
            elif not kind and value:
                yield TextPart(orjson.dumps(value).decode())
        case "reasoning" | "thinking":
            thought = value.get("content") or value.get("thinking") or value.get("text")
            yield TextPart(_text(thought), is_said=False)
        case "tool_call" | "tool_use" | "function_call" | "function":
            yield _call(value)
        case "tool_call_response" | "tool_result" | "function_call_output":
            yield _result(value)
        case "refusal":
            yield TextPart(_text(value.get("refusal") or value.get("content")))
        case _:
            yield OtherPart(_describe(kind, value))


def _call(value: Mapping[str, Json]) -> CallPart:
    function = value.get("function")
    inner: Mapping[str, Json] = function if isinstance(function, dict) else value
    arguments = inner.get("arguments", inner.get("input", inner.get("args")))
    return CallPart(
        _text(value.get("id")) or _text(value.get("call_id")),
        _text(inner.get("name")),
        read_json(arguments),
    )


def _result(value: Mapping[str, Json]) -> ResultPart:
    given = next(
        (value[key] for key in ("response", "result", "content", "output") if key in value), None
    )
    call_id = next(
        (
            _text(value[key])
            for key in ("id", "tool_use_id", "call_id", "tool_call_id")
            if key in value
        ),
        "",
    )
    texts = [part.text for part in _parts(given) if isinstance(part, TextPart)]
    # A list of texts is one text; anything else is left as it is.
    whole = "\n".join(texts) if isinstance(given, list) and texts else given
    return ResultPart(call_id, _text(value.get("name")), read_json(whole))


def _describe(kind: str, value: Mapping[str, Json]) -> str:
    details = (
        value.get("mime_type"),
        value.get("modality"),
        value.get("uri"),
        value.get("file_id"),
    )
    shown = [text for text in map(_text, details) if text]
    return f"{kind[:40]} ({', '.join(shown)[:200]})" if shown else kind[:40]


def _identity(part: Part) -> list[Json]:
    match part:
        case TextPart(text, is_said):
            return ["text", is_said, text.strip()]
        case CallPart(id_, name, arguments):
            return ["call", id_] if id_ else ["call", name, canonical(arguments)]
        case ResultPart(id_, _, result):
            return ["result", id_] if id_ else ["result", canonical(result)]
        case OtherPart(what):
            return ["other", what]


def canonical(value: Json) -> str:
    """Return a text that is equal for equal JSON values."""
    if isinstance(value, str):
        value = read_json(value.strip())
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return repr(value)


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()
