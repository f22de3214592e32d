"""The routes of the tree: apps and what they said, children, commands and cancels."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from starlette.responses import Response

from clew.access.signing import IDEMPOTENCY_HEADER
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, parse_duration_ns
from clew.surfaces.callers import split_host
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.body import read_json
from clew.surfaces.rest.route import (
    BASE,
    GONE,
    Asked,
    OpenRoute,
    QueryRoute,
    run_unless_gone,
)
from clew.tree import documents as doc
from clew.tree import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route
    from clew.surfaces.rest.threads import QueryThreads

CHILD_BYTES_MAX: Final = 256 << 10
"""A child with its tags and grants; it travels in an environment variable of 128 KiB."""

COMMAND_BYTES_MAX: Final = 256 << 10
"""A command with its payload, as large as the frame that carries it."""

WAIT_WHOLE: Final = 3600.0
"""What ``wait=true`` means; the tree itself bounds how long one request may wait."""

CREATED: Final = 201
ACCEPTED: Final = 202

Document = TypeVar("Document", bound=msgspec.Struct)

_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, kw_only=True)
class TreeRoute(QueryRoute):
    """A question about the tree, on threads of its own: others may ask the engine for long."""

    decides_itself: bool = True

    def threads_of(self, desk: Desk) -> QueryThreads:
        """Return the threads on which it is asked."""
        return desk.tree_threads


async def _schedule(desk: Desk, asked: Asked) -> Response:
    child = await _read(asked.request, ask.NewChild, CHILD_BYTES_MAX, "a child", _CHILD_HINT)
    host = split_host(asked.request.headers.get("host", ""))
    endpoint = await asyncio.to_thread(desk.find_endpoint, host)
    scheduled = await desk.tree.schedule(asked.caller, child, endpoint)
    response = answer_document(encode(scheduled), CREATED if scheduled.created else 200)
    # Nothing on the way may keep what lets a process join.
    response.headers["cache-control"] = "no-store"
    return response


async def _unschedule(desk: Desk, asked: Asked) -> Response:
    return answer_document(encode(await desk.tree.unschedule(asked.caller, asked.path["app_id"])))


async def _command(desk: Desk, asked: Asked) -> Response:
    wait_s = read_wait(asked.parameters.wait)
    command = await _read(
        asked.request, ask.NewCommand, COMMAND_BYTES_MAX, "a command", _COMMAND_HINT
    )
    key = asked.request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and command.correlation_id not in {None, key}:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "the header idempotency-key and correlation_id are two ids",
            hint="give one of them",
        )
    command = msgspec.structs.replace(command, correlation_id=key or command.correlation_id)
    asking = desk.tree.command(asked.caller, asked.path["app_id"], command, wait_s)
    return await _answer_order(asked, asking)


async def _cancel(desk: Desk, asked: Asked) -> Response:
    asking = desk.tree.cancel(
        asked.caller,
        asked.path["app_id"],
        asked.parameters,
        read_wait(asked.parameters.wait),
        asked.request.headers.get(IDEMPOTENCY_HEADER),
    )
    return await _answer_order(asked, asking)


async def _answer_order(
    asked: Asked, asking: Awaitable[doc.Command] | Awaitable[doc.Cancelled]
) -> Response:
    """Answer 200 with the end of an order, 202 while it goes on; it is kept in either case."""
    over = True

    async def write() -> bytes:
        nonlocal over
        document = await asking
        over = document.over
        return encode(document)

    body = await run_unless_gone(asked.request, write())
    if body is None:
        return Response(status_code=GONE)
    return answer_document(body, 200 if over else ACCEPTED)


def read_wait(text: str | None) -> float:
    """Return for how many seconds to wait.

    Raises:
        ClewError: INVALID_ARGUMENT.
    """
    if text is None or text == "false":
        return 0.0
    if text == "true":
        return WAIT_WHOLE
    return parse_duration_ns(text, bare=NS_PER_S) / NS_PER_S


async def _read(
    request: Request, kind: type[Document], bytes_max: int, what: str, hint: str
) -> Document:
    """Return the JSON body of a request; names may be written as TRAILS does (``appName``).

    Raises:
        ClewError: as `read_json`, and INVALID_ARGUMENT.
    """
    body = await read_json(request, bytes_max)
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        named = {_snake(name): value for name, value in fields.items()}
        if len(named) < len(fields):
            raise msgspec.ValidationError("a field is there under both of its names")
        for name in _NESTED & named.keys():
            plain = msgspec.json.decode(named[name])
            named[name] = msgspec.Raw(msgspec.json.encode(_renamed(plain)))
        return msgspec.json.decode(msgspec.json.encode(named), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"the body is not {what}: {error}", hint=hint
        ) from None


_NESTED: Final = frozenset({"grants", "orphans"})
"""Fields whose own fields have names of ours; tags and payloads are the caller's own."""


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()


def _renamed(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    if isinstance(value, dict):
        return {_snake(name): each for name, each in value.items()}
    return value


_CHILD_HINT: Final = 'send {"app_name": "worker", "parent_id": "…"}'
_COMMAND_HINT: Final = 'send {"action": "checkpoint", "payload": {}}'

_WRITE_ERRORS: Final = (400, 403, 404, 409, 413, 415, 429, 503)
_ONE_ERRORS: Final = (400, 404, 429, 503, 504)

ROUTES: Final[tuple[Route, ...]] = (
    TreeRoute(
        path=f"{BASE}/apps",
        summary="Apps of the tree, by status, name, place and age",
        tag="tree",
        parameters=ask.AppQuery,
        documents=(doc.AppList,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.find_apps(asked.caller, asked.parameters),
    ),
    TreeRoute(
        path=f"{BASE}/apps/{{app_id}}",
        summary="One app as it stands, with what it said last",
        tag="tree",
        documents=(doc.App,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.get_app(asked.caller, asked.path["app_id"]),
    ),
    TreeRoute(
        path=f"{BASE}/apps/{{app_id}}/children",
        summary="The children of an app, or everything below it",
        tag="tree",
        parameters=ask.ChildQuery,
        documents=(doc.AppList,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.find_children(
            asked.caller, asked.path["app_id"], asked.parameters
        ),
    ),
    TreeRoute(
        path=f"{BASE}/apps/{{app_id}}/messages",
        summary="What an app has said, the newest first",
        tag="tree",
        parameters=ask.MessageQuery,
        documents=(doc.MessageList,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.find_messages(
            asked.caller, asked.path["app_id"], asked.parameters
        ),
    ),
    TreeRoute(
        path=f"{BASE}/apps/{{app_id}}/snapshots",
        summary="What an app has said of its state, the newest first",
        tag="tree",
        parameters=ask.PageParameters,
        documents=(doc.SnapshotList,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.find_snapshots(
            asked.caller, asked.path["app_id"], asked.parameters
        ),
    ),
    TreeRoute(
        path=f"{BASE}/apps/{{app_id}}/snapshots/latest",
        summary="What an app said of its state last",
        tag="tree",
        documents=(doc.Snapshot,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.get_last_snapshot(asked.caller, asked.path["app_id"]),
    ),
    TreeRoute(
        path=f"{BASE}/crashes",
        summary="Crashes, the newest first, and whether the apps returned",
        tag="tree",
        parameters=ask.CrashQuery,
        documents=(doc.CrashList,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.find_crashes(asked.caller, asked.parameters),
    ),
    OpenRoute(
        path=f"{BASE}/children",
        method="POST",
        on_tier=True,
        summary="Announce a child before it is started; the answer holds its join token, once",
        tag="tree",
        body=ask.NewChild,
        body_types=("application/json",),
        success=CREATED,
        documents=(doc.ChildScheduled,),
        errors=_WRITE_ERRORS,
        decides_itself=True,
        respond=_schedule,
    ),
    OpenRoute(
        path=f"{BASE}/children/{{app_id}}",
        method="DELETE",
        on_tier=True,
        summary="Take back a child that has not started",
        tag="tree",
        documents=(doc.ChildCancelled,),
        errors=(400, 403, 404, 409, 429, 503),
        decides_itself=True,
        respond=_unschedule,
    ),
    OpenRoute(
        path=f"{BASE}/apps/{{app_id}}/control",
        method="POST",
        on_tier=True,
        summary="Give an app a command, or with cascade all that is below it as well",
        tag="tree",
        parameters=ask.WaitParameters,
        body=ask.NewCommand,
        body_types=("application/json",),
        documents=(doc.Command,),
        errors=_WRITE_ERRORS,
        decides_itself=True,
        respond=_command,
    ),
    OpenRoute(
        path=f"{BASE}/apps/{{app_id}}/cancel",
        method="POST",
        on_tier=True,
        summary="Cancel an app, or with cascade everything below it as well",
        tag="tree",
        parameters=ask.CancelParameters,
        documents=(doc.Cancelled,),
        errors=(400, 403, 404, 409, 429, 503),
        decides_itself=True,
        respond=_cancel,
    ),
    TreeRoute(
        path=f"{BASE}/control/{{correlation_id}}",
        summary="A command or a cancel, and what came of it for each app",
        tag="tree",
        documents=(doc.Command,),
        errors=_ONE_ERRORS,
        ask=lambda desk, asked: desk.tree.get_command(asked.caller, asked.path["correlation_id"]),
    ),
)
