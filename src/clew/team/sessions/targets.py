"""What can be looked at: its id as it is kept, and how to get there again. Pure; light install."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args
from urllib.parse import quote, urlencode

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.ids import parse_span_id, parse_trace_id, parse_uuid
from clew.team.sessions.parameters import LinkKindName

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.team.sessions.parameters import Target

ID_CHARS_MAX: Final = 1024
"""Of a name: ids of objects and names of metrics are shorter, by far."""

HOW_CHARS_MAX: Final = 4096
"""Of a command or an address: a statement that is longer is kept by its beginning alone."""

BASE: Final = "/api/v1"

KINDS: Final[frozenset[str]] = frozenset(get_args(LinkKindName))

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LINEAGE_ID: Final = re.compile(r"[0-9]{1,20}|0[xX][0-9a-fA-F]{1,16}")
_LINEAGE_MAX: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Visit:
    """A look at something: what becomes a link. `id` is as `checked_id` returns it.

    `title` is for what its id does not tell. `how` and `path` are given for what is found by
    neither its kind nor its id: a question.
    """

    kind: LinkKindName
    id: str
    title: str | None = None
    how: str | None = None
    path: str | None = None


def visit_of(kind: LinkKindName, text: str) -> Visit:
    """Return the look at something that is named.

    Raises:
        ClewError: as `checked_id`.
    """
    found = checked_id(kind, text)
    return Visit(kind, found, how=command_of(kind, found), path=path_of(kind, found))


def visit_to(target: Target) -> Visit:
    """Return the look at what a note is about, or what is linked by hand.

    Raises:
        ClewError: INVALID_ARGUMENT for an id that is none, and for a query.
    """
    if target.kind == "query":
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "a query cannot be named",
            hint="ask it while the session is open, and it becomes a link",
        )
    return visit_of(target.kind, target.id)


def checked_id(kind: LinkKindName, text: str) -> str:
    """Return an id as it is kept.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no id of this kind.
    """
    if kind == "trace":
        return parse_trace_id(text)
    if kind == "app":
        return parse_uuid(text)
    if kind == "span":
        return "/".join(_span_parts(text))
    if kind == "lineage":
        return "..".join(_lineage_parts(text))
    if not 1 <= len(text) <= ID_CHARS_MAX or _CONTROLS.search(text):
        raise _refuse(kind, text, f"give 1 to {ID_CHARS_MAX} characters on one line")
    if kind == "object" and not all(text.partition("/")):
        raise _refuse(kind, text, "write it TYPE/ID")
    return text


def command_of(kind: LinkKindName, checked: str) -> str | None:
    """Return the command line that shows something; None for a query, which has its own."""
    words = _COMMANDS[kind](checked) if kind in _COMMANDS else None
    return None if words is None else shlex.join(["clew", *words])


def path_of(kind: LinkKindName, checked: str) -> str | None:
    """Return the address over REST that shows something; None for a query."""
    match kind:
        case "trace":
            return f"{BASE}/traces/{checked}"
        case "span":
            trace_id, span_id = checked.split("/")
            pairs = {"trace_id": trace_id, "q": f"span_id = {span_id}"}
            return f"{BASE}/traces?{urlencode(pairs)}"
        case "app":
            return f"{BASE}/apps/{checked}"
        case "object":
            obj_type, _, obj_id = checked.partition("/")
            return f"{BASE}/objects/{quote(obj_type, safe='')}/{quote(obj_id, safe='')}"
        case "lineage":
            start, is_path, end = checked.partition("..")
            if is_path:
                return f"{BASE}/lineage/path?{urlencode({'from': start, 'to': end})}"
            return f"{BASE}/lineage/{start}"
        case "metric":
            return f"{BASE}/metrics/{quote(checked, safe='')}"
        case "service":
            return f"{BASE}/services/{quote(checked, safe='')}/operations"
        case "query":
            return None


def _span_words(checked: str) -> list[str]:
    trace_id, span_id = checked.split("/")
    return ["traces", "--trace-id", trace_id, "--q", f"span_id = {span_id}"]


def _object_words(checked: str) -> list[str]:
    obj_type, _, obj_id = checked.partition("/")
    return ["twin", *_arguments(obj_type, obj_id)]


def _lineage_words(checked: str) -> list[str]:
    start, is_path, end = checked.partition("..")
    return ["lineage", start, *(["--path", end] if is_path else [])]


def _arguments(*given: str) -> list[str]:
    """Return arguments, behind what ends the flags where one would be taken for such."""
    return ["--", *given] if any(each.startswith("-") for each in given) else list(given)


_COMMANDS: Final[dict[str, Callable[[str], list[str]]]] = {
    "trace": lambda checked: ["trace", checked],
    "span": _span_words,
    "app": lambda checked: ["app", checked],
    "object": _object_words,
    "lineage": _lineage_words,
    "metric": lambda checked: ["metric", *_arguments(checked)],
    "service": lambda checked: ["services", *_arguments(checked)],
}


def _span_parts(text: str) -> tuple[str, str]:
    trace_id, is_span, span_id = text.partition("/")
    if not is_span:
        raise _refuse("span", text, "write it TRACE/SPAN")
    return parse_trace_id(trace_id), parse_span_id(span_id)


def _lineage_parts(text: str) -> list[str]:
    parts = text.split("..")
    if len(parts) > 2 or not all(map(_LINEAGE_ID.fullmatch, parts)):
        raise _refuse("lineage", text, "write it in decimal, or in hexadecimal behind 0x")
    numbers = [int(part, 0) if part[:2].lower() == "0x" else int(part) for part in parts]
    if not all(1 <= number <= _LINEAGE_MAX for number in numbers):
        raise _refuse("lineage", text, "it is a number of 1 to 2^64 - 1")
    return [str(number) for number in numbers]


def _refuse(kind: str, text: str, hint: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT, f"not the id of a {kind}: {shorten(text, 64)!r}", hint=hint
    )
