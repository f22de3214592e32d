"""What a tool is: one value that the SDK's list, the reference page and the calls are made from."""

from __future__ import annotations

import dataclasses
import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import count_copies
from clew.surfaces.mcp.answers import (
    TOKENS_DEFAULT,
    TOKENS_MAX,
    TOKENS_MIN,
    Answer,
    Call,
    Draft,
    Written,
    check_budget,
    fit,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.surfaces.mcp.questions import Questions

Query = TypeVar("Query", bound=msgspec.Struct)

TIMES: Final = ("last", "start", "end")

LIMIT_DEFAULT: Final = 20
"""Items of a list: what an agent reads at once; the budget cuts sooner where they are large."""

MaxTokens = Annotated[
    int,
    Meta(
        description="Bound of the answer in tokens; it says what it left out",
        extra_json_schema={"minimum": TOKENS_MIN, "maximum": TOKENS_MAX},
    ),
]
Last = Annotated[str | None, Meta(description="Only the last 15m, 2h, 7d …")]
Start = Annotated[str | None, Meta(description="From here on: RFC 3339, Unix time, 15m (ago)")]
End = Annotated[str | None, Meta(description="Up to here, exclusive")]
Service = Annotated[str | None, Meta(description="Exact service name")]
Limit = Annotated[int, Meta(description="Items at most")]
Cursor = Annotated[str | None, Meta(description="From the answer before: its next page")]
TraceId = Annotated[str, Meta(description="32 hex digits")]
TextChars = Annotated[int, Meta(description="Cut texts after so many characters")]
Attribute = Annotated[
    list[str],
    Meta(description="All must hold: k=v k!=v k~=part k=~regex k!~regex k>1 k>=1 k<1 k<=1 k !k"),
]
Expression = Annotated[
    str | None,
    Meta(description="Filter expression: service = a AND (duration > 100ms OR NOT k = v)"),
]


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every tool takes."""

    max_tokens: MaxTokens = TOKENS_DEFAULT


class Timed(Asked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every tool takes that looks at a time range."""

    last: Last = None
    start: Start = None
    end: End = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `run` asks and returns a draft; `example` is a call that works on the demo.

    In an example ``{trace_id}`` and ``{span_id}`` stand for ids of the reader's.
    """

    name: str
    title: str
    description: str
    parameters: type[Asked]
    answer: type[Answer]
    run: Callable[[Questions, Any], Draft]
    example: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    is_read_only: bool = True
    is_destructive: bool = False

    def call(self, questions: Questions, arguments: Mapping[str, Any]) -> Written:
        """Answer one call. Blocks.

        Raises:
            ClewError: INVALID_ARGUMENT for arguments that are none, and whatever the server says.
        """
        asked = self.parse(arguments)
        check_budget(asked.max_tokens)
        written = fit(self.run(questions, asked), asked.max_tokens)
        return dataclasses.replace(written, copies=count_copies())

    def parse(self, arguments: Mapping[str, Any]) -> Any:
        """Return the arguments as the struct; numbers may come as text.

        Raises:
            ClewError: INVALID_ARGUMENT, naming the argument, with what would be right.
        """
        known = self.parameters.__struct_encode_fields__
        for name in arguments:
            if name not in known:
                raise ClewError(
                    ErrorCode.INVALID_ARGUMENT,
                    f"{self.name} has no argument {name[:80]!r}",
                    hint=_near(name, known),
                )
        try:
            return msgspec.convert(dict(arguments), self.parameters, strict=False)
        except msgspec.ValidationError as error:
            raise _explain(self.name, str(error), known) from None

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        return _inline(self.parameters)

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the answer."""
        schema = _inline(self.answer)
        note = {"type": "string", "description": "What the values of the answer are"}
        schema["properties"] = {"note": note, **schema["properties"]}
        return schema


def pick(asked: Asked, kind: type[Query], **more: object) -> Query:
    """Return a question of REST with the arguments that have its parameters' names."""
    names = set(kind.__struct_fields__) & set(asked.__struct_fields__) - set(more)
    given = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    return kind(**(given | more))


def call(tool: str, why: str, /, **arguments: Any) -> Call:
    """Return a call to make next; what is None or empty is not given."""
    given = {name: value for name, value in arguments.items() if value not in (None, [], "")}
    return Call(tool=tool, arguments=given, why=why)


def times(asked: Any) -> dict[str, str]:
    """Return the time range of a call as arguments of the next one."""
    return {name: value for name in TIMES if (value := getattr(asked, name, None)) is not None}


def again(tool: str, why: str, asked: Asked, /, **changes: Any) -> Call:
    """Return the same call with some arguments changed."""
    own = msgspec.structs.asdict(asked)
    defaults = {each.name: each.default for each in msgspec.structs.fields(type(asked))}
    given = {name: value for name, value in own.items() if value != defaults[name]}
    return call(tool, why, **(given | changes))


def quote_value(text: str) -> str:
    """Return a text as a value of a filter expression."""
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    for character, escaped in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        inner = inner.replace(character, escaped)
    return f'"{inner}"'


def figure(value: float | None, digits: int = 3) -> float | None:
    """Return a figure without digits that nobody needs, at least three that count."""
    if value is None or value == 0:
        return value
    rounded = round(value, digits)
    return rounded if abs(value) >= 10 ** (2 - digits) else float(f"{value:.3g}")


def _near(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.(?P<name>\w+)(?P<rest>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<name>\w+)`")


def _explain(tool: str, said: str, known: tuple[str, ...]) -> ClewError:
    missing = _MISSING.search(said)
    if missing:
        return ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{tool} needs {missing['name']}",
            hint=f"known: {', '.join(known)}",
        )
    found = _AT.match(said)
    what = found["what"].replace("`", "") if found else said
    name = found["name"] if found else None
    place = f"{name}{found['rest']}" if found and name else "the arguments"
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{place} of {tool} is not valid: {what[:1].lower()}{what[1:]}",
        hint="see the input schema of the tool",
    )


def _inline(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a struct's schema as an object, its parts beside it under `$defs`."""
    (_, parts) = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    own: dict[str, Any] = dict(parts.pop(kind.__name__))
    own.pop("title", None)
    own.pop("description", None)
    own["properties"] = {name: _plain(each) for name, each in own["properties"].items()}
    if not own.get("required"):
        own.pop("required", None)
    for part in parts.values():
        part.pop("title", None)
    if parts:
        own["$defs"] = parts
    return own


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a property's schema without the null that only says that it may be left out."""
    kinds = schema.get("anyOf")
    if kinds and {"type": "null"} in kinds and schema.get("default", 0) is None:
        rest = [each for each in kinds if each != {"type": "null"}]
        kept = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
        return {**kept, **(rest[0] if len(rest) == 1 else {"anyOf": rest})}
    return schema
