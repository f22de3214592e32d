"""What of an answer is a look at something: one table from routes to links of a work session.

The door and the tools of MCP come here after they have answered. Whoever has no session open costs
a look into a dictionary; for the others the question is read once more, and named by what it asks
about: a trace, an app, an object, or itself. Feeds, vocabularies and what administers the server
stand in no table and are no looks.

A question is the same whatever its time range and its page; the way back to it has the times in
which it was asked last as they were then, for tomorrow 15 minutes ago is another time.
"""

from __future__ import annotations

import functools
import re
import shlex
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from clew.base.errors import ClewError
from clew.base.times import format_time, parse_range, parse_time
from clew.remote.asker import SESSION_HEADER
from clew.remote.pairs import to_pairs
from clew.store.page import digest
from clew.surfaces.identity import caller_of
from clew.surfaces.rest.parameters import parse_parameters
from clew.surfaces.rest.route import BASE
from clew.team.sessions.parameters import LinkKindName
from clew.team.sessions.targets import Visit, visit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from clew.access.caller import Caller
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

OK: Final = 200

TITLE_CHARS: Final = 120
"""Of a question: what fits a line beside its kind."""

_PATH_PART: Final = re.compile(r"\{(\w+):\w+\}")
_SPAN_ALONE: Final = re.compile(r"\s*span_id\s*=\s*([0-9a-fA-F]{16})\s*")
_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{32}")

_PAGE: Final = frozenset({"limit", "next", "count", "max_chars", "full", "attributes"})
"""How an answer is shown: not what is asked."""

_RANGE: Final = frozenset({"last", "start", "end"})
_MOMENTS: Final = frozenset({"since", "baseline_start", "baseline_end"})


@dataclass(frozen=True, slots=True)
class _List:
    """A route that is a question of its own: `command` asks it too, `argument` without a flag."""

    command: str
    argument: str | None = None


_LISTS: Final = {
    "/traces": _List("traces"),
    "/logs": _List("logs"),
    "/metrics": _List("metrics"),
    "/services": _List("services"),
    "/summary": _List("summary"),
    "/topology": _List("topology"),
    "/anomalies": _List("anomalies"),
    "/diff": _List("diff"),
    "/logs/patterns": _List("patterns"),
    "/conversations": _List("conversations"),
    "/agents": _List("agents"),
    "/apps": _List("apps"),
    "/crashes": _List("crashes"),
    "/objects": _List("objects", "type"),
    "/processes": _List("processes", "type"),
    "/rejected": _List("rejected"),
}


def _part(name: str) -> Callable[[Mapping[str, str], Any], str]:
    return lambda parts, _asked: parts[name]


def _object(parts: Mapping[str, str], _asked: Any) -> str:
    return f"{parts['type']}/{parts['id']}"


_THINGS: Final[dict[str, tuple[LinkKindName, Callable[[Mapping[str, str], Any], str]]]] = {
    "/traces/{trace_id}": ("trace", _part("trace_id")),
    "/traces/{trace_id}/comments": ("trace", _part("trace_id")),
    "/traces/{trace_id}/objects": ("trace", _part("trace_id")),
    "/correlate": ("trace", lambda _parts, asked: str(asked.trace)),
    "/metrics/{name}": ("metric", _part("name")),
    "/metrics/query": ("metric", lambda _parts, asked: str(asked.name)),
    "/services/{service}/operations": ("service", _part("service")),
    **{
        f"/apps/{{app_id}}{rest}": ("app", _part("app_id"))
        for rest in ("", "/children", "/messages", "/snapshots", "/snapshots/latest")
    },
    **{
        f"/objects/{{type}}/{{id}}{rest}": ("object", _object)
        for rest in ("", "/states", "/timeline", "/history/{field}", "/diff", "/graph")
    },
    "/lineage/{trace_id}": ("lineage", _part("trace_id")),
    "/lineage/{trace_id}/prov": ("lineage", _part("trace_id")),
    "/lineage/path": ("lineage", lambda _parts, asked: f"{asked.from_}..{asked.to}"),
}
"""Routes about one thing, by the names of their parts: its kind, and how it is called."""

_RUNS: Final = {
    "/transcript/{name}": ("transcript", "name"),
    "/processes/{trace_id}": ("process", "trace_id"),
}
"""Routes about a trace, or what is called otherwise: the command, and the part that names it."""

_SQL: Final = "/sql"


def choice_of(headers: Mapping[str, str]) -> str | None:
    """Return which session a request says it belongs to; None where it does not say."""
    given = headers.get(SESSION_HEADER, "").strip().lower()
    return given or None


def see_answer(desk: Desk, route: Route, request: Request, status: int) -> None:
    """Learn that a request was answered: what it was about is a link of its caller's session."""
    name = named(route.path)
    if status != OK or request.method != "GET" or not is_look(name):
        return
    caller, choice = caller_of(request.scope), choice_of(request.headers)
    if desk.sessions.find_open(caller, choice) is None:
        return
    asked = parse_parameters(request.scope["query_string"], route.parameters)
    see(desk, caller, choice, name, request.path_params, asked)


def see(
    desk: Desk,
    caller: Caller,
    choice: str | None,
    name: str,
    parts: Mapping[str, str],
    asked: Any,
) -> None:
    """Learn that a question was answered: `name` is its route's, `asked` its parameters."""
    if not is_look(name) or desk.sessions.find_open(caller, choice) is None:
        return
    try:
        visit = visit_from(name, parts, asked, time.time_ns())
    except ClewError:
        # It was answered under a name that no command takes: there is no way back to it.
        return
    desk.sessions.visit(caller, choice, [visit])


def see_statement(desk: Desk, caller: Caller, choice: str | None, statement: str) -> None:
    """Learn that a statement of SQL was answered."""
    if desk.sessions.find_open(caller, choice) is not None:
        desk.sessions.visit(caller, choice, [_statement(statement)])


def is_look(name: str) -> bool:
    """Tell whether an answer of a route shows something that can be a link."""
    return name in _THINGS or name in _LISTS or name in _RUNS or name == _SQL


@functools.cache
def named(path: str) -> str:
    """Return a route's path below the base, its parts without their kinds.

    What is elsewhere has a second slash: ``//metrics`` is the server's own and no question.
    """
    if not path.startswith(f"{BASE}/"):
        return f"/{path}"
    return _PATH_PART.sub(r"{\1}", path).removeprefix(BASE)


def visit_from(name: str, parts: Mapping[str, str], asked: Any, now: int) -> Visit:
    """Return what an answered question was a look at.

    Raises:
        ClewError: INVALID_ARGUMENT for an id that is none.
    """
    if name in _THINGS:
        kind, call = _THINGS[name]
        return visit_of(kind, call(parts, asked))
    if name in _RUNS:
        command, part = _RUNS[name]
        return _run(name, command, parts[part])
    if name == _SQL:
        return _statement(asked.q)
    return _narrow(name, asked) or _question(name, asked, now)


def _narrow(name: str, asked: Any) -> Visit | None:
    """Return the trace or the span that is all that a list of records was asked for."""
    if name not in {"/traces", "/logs"} or asked.trace_id is None:
        return None
    given = _given(asked).keys() - _RANGE - {"trace_id", "view"}
    if not given:
        return visit_of("trace", asked.trace_id)
    span_id = None
    if given == {"span_id"}:
        span_id = asked.span_id
    elif given == {"q"} and (found := _SPAN_ALONE.fullmatch(asked.q)):
        span_id = found[1]
    return None if span_id is None else visit_of("span", f"{asked.trace_id}/{span_id}")


def _run(name: str, command: str, called: str) -> Visit:
    if _TRACE_ID.fullmatch(called):
        return visit_of("trace", called)
    return Visit(
        "query",
        _digest(name, {"name": called}),
        title=f"{command} {called}"[:TITLE_CHARS],
        how=shlex.join(["clew", command, "--", called]),
    )


def _statement(statement: str) -> Visit:
    text = " ".join(statement.split())
    return Visit(
        "query",
        _digest(_SQL, {"q": text}),
        title=f"sql {text}"[:TITLE_CHARS],
        how=shlex.join(["clew", "sql", statement.strip()]),
        path=f"{BASE}/sql?{urlencode({'q': statement.strip()})}",
    )


def _question(name: str, asked: Any, now: int) -> Visit:
    """Return a question as a link of its own."""
    listed = _LISTS[name]
    given = _given(asked)
    told = {key: value for key, value in given.items() if key not in _RANGE | _MOMENTS}
    fixed = msgspec.structs.replace(asked, **_fixed_times(asked, given, now))
    pairs = to_pairs(fixed, without=_PAGE)
    words: list[str] = []
    # The times at the end: what was asked for is read first, and is what a narrow screen has.
    for key, text in sorted(pairs, key=lambda pair: pair[0] in _RANGE | _MOMENTS):
        if key == listed.argument:
            continue
        flag = f"--{key.replace('_', '-')}"
        # A value that begins with a hyphen would be taken for a flag of its own.
        words += [flag] if text == "true" else [f"{flag}={text}"]
    argument = given.get(listed.argument) if listed.argument else None
    if argument is not None:
        words += ["--", str(argument)]
    shown = " ".join(f"{key}={text}" for key, text in to_pairs(asked, without=_PAGE | _RANGE))
    return Visit(
        "query",
        _digest(name, told),
        title=f"{listed.command} {shown}".strip()[:TITLE_CHARS],
        how=shlex.join(["clew", listed.command, *_plain_words(words)]),
        path=f"{BASE}{name}?{urlencode(pairs)}" if pairs else f"{BASE}{name}",
    )


def _plain_words(words: list[str]) -> list[str]:
    """Return flags and values as a person writes them, where that means the same."""
    plain: list[str] = []
    for word in words:
        flag, is_given, value = word.partition("=")
        if word.startswith("--") and is_given and value == "false":
            plain.append(f"--no-{flag[2:]}")
        elif word.startswith("--") and is_given and not value.startswith("-"):
            plain += [flag, value]
        else:
            plain.append(word)
    return plain


def _given(asked: msgspec.Struct) -> dict[str, Any]:
    """Return what was asked for, without what is the default and how it is shown."""
    return {
        field.name: value
        for field in _fields(type(asked))
        if field.name not in _PAGE
        and (value := getattr(asked, field.name)) != field.default
        and value not in (None, [])
    }


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a struct; the library looks through its annotations each time."""
    return msgspec.structs.fields(kind)


def _fixed_times(asked: Any, given: Mapping[str, Any], now: int) -> dict[str, str | None]:
    """Return the times of a question as they were when it was asked."""
    fixed: dict[str, str | None] = {
        name: _second(parse_time(given[name], now=now)) for name in _MOMENTS & given.keys()
    }
    if given.keys() & _RANGE:
        last, start, end = (getattr(asked, name, None) for name in ("last", "start", "end"))
        window = parse_range(last=last, start=start, end=end, now=now)
        until = now if last is not None else window.end
        fixed |= {
            "last": None,
            "start": None if window.start is None else _second(window.start),
            # Up to the next second, or what came in this one would be left out.
            "end": None if until is None else _second(until + 999_999_999),
        }
    return fixed


def _second(at: int) -> str:
    return f"{format_time(at)[:19]}Z"


def _digest(name: str, told: Mapping[str, Any]) -> str:
    return digest({"question": name, **told}).hex()
