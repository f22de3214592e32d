"""The HTTP door as one ASGI application: who may come in, routes, errors, and what is counted."""

from __future__ import annotations

import functools
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as StarletteRoute

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import (
    ACKS_HEADER,
    PARTIAL_HEADER,
    ROLE_HEADER,
    STANDBY_HEADER,
    gather,
    missing_shards,
    standby_shards,
)
from clew.store.refusal import refused_write
from clew.surfaces.callers import is_host_admitted, is_origin_admitted
from clew.surfaces.compat.jaeger.door import answer_refusal, jaeger_routes
from clew.surfaces.health.questions import describe_request
from clew.surfaces.identity import NOBODY, SCOPE_KEY, SHOWN_KEY, caller_of, find_key
from clew.surfaces.internal.paths import FRAMES_PATH, SCANS_PATH
from clew.surfaces.internal.scans import answer_frames, answer_scans
from clew.surfaces.internal.wal import PATHS as INTERNAL_PATHS
from clew.surfaces.lingering import linger
from clew.surfaces.mcp.http import PATH as MCP_PATH
from clew.surfaces.mcp.http import McpAddress
from clew.surfaces.mcp.pages import read_contract
from clew.surfaces.otlp.http import PATHS as OTLP_PATHS
from clew.surfaces.rest.answers import (
    answer_document,
    answer_fault,
    answer_nowhere,
    answer_other_method,
    answer_problem,
)
from clew.surfaces.rest.body import SlowBodyError
from clew.surfaces.rest.desk import RouteCounters
from clew.surfaces.rest.routes.table import ROUTES
from clew.surfaces.rest.routes.watch import PATH as WATCH_PATH
from clew.surfaces.rest.routes.watch import answer_socket, refuse_socket
from clew.surfaces.rest.visits import see_answer
from clew.surfaces.web.page import INDEX, answer_file, page_files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Route

    Endpoint = Callable[[Request], Awaitable[Response]]

logger = logging.getLogger(__name__)

SWITCHED: Final = 101
"""What is counted for a web socket that was opened."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

ROOT_TEXT: Final = """\
clew

REST       /api/v1/traces  /api/v1/logs  /api/v1/metrics  /api/v1/services  /api/v1/sql
OpenAPI    /openapi.json
agents     /llms.txt  /mcp  (streamable HTTP)
tree       /api/v1/apps  /api/v1/children  /api/v1/crashes
live       /api/v1/traces/live  /api/v1/logs/live  /api/v1/watch   (server-sent events)
health     /healthz  /readyz  /metrics
OTLP/HTTP  POST /v1/traces  /v1/logs  /v1/metrics
Jaeger     /jaeger   (base URL for Jaeger UI and Grafana's Jaeger data source)
"""
"""What stands at the root for programs that ask for no page."""


class HttpDoor:
    """The application. One instance belongs to one event loop.

    `hosts` are names by which the door may be called besides loopback names and plain addresses;
    `otlp` answers ``/v1/{traces,logs,metrics}``, with walls of its own; `internal` what servers of
    a group ask one another about the log.
    """

    def __init__(
        self,
        desk: Desk,
        otlp: ASGIApp,
        *,
        hosts: Collection[str] = (),
        internal: ASGIApp | None = None,
    ) -> None:
        self._desk = desk
        self._otlp = otlp
        self._internal = internal
        self._has_told_stranger = False
        self._hosts = frozenset(host.lower() for host in hosts)
        self._shards = desk.shards
        self._routes = _open_routes(desk)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and say how long that took."""
        if scope["type"] == "websocket":
            await self._answer_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        if scope["path"] in OTLP_PATHS:
            await self._otlp(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_timed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                spent_ms = (time.perf_counter() - started) * 1000
                message["headers"] = [
                    *message["headers"],
                    (b"server-timing", b"total;dur=%.3f" % spent_ms),
                    (b"x-content-type-options", b"nosniff"),
                ]
                for name, text in self._whose():
                    message["headers"].append((name.encode(), text.encode("latin-1", "replace")))
                self._count(scope, status, spent_ms / 1000)
            await send(message)

        receive, sends = linger(receive, send_timed)
        answer, receive = await self._admit(scope, receive)
        if self._shards is None:
            await answer(scope, receive, sends)
            return
        with gather(self._shards.names, find_key(scope["headers"])):
            await answer(scope, receive, sends)

    def _whose(self) -> Iterator[tuple[str, str]]:
        """Yield the heads that say who answers: this server's role, or which shards did not."""
        if self._desk.group is not None:
            yield ROLE_HEADER, self._desk.group.role
        if missing := missing_shards():
            yield PARTIAL_HEADER, ",".join(missing)
        if standbys := standby_shards():
            yield STANDBY_HEADER, ",".join(standbys)

    async def _answer_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an upgrade: there is one web socket, and who asks is looked at as everywhere."""
        started = time.perf_counter()
        status = 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] in {"websocket.accept", "websocket.http.response.start"}:
                status = message.get("status", SWITCHED)
                self._count(scope, status, time.perf_counter() - started)
            await send(message)

        await receive()
        refusal = self._refuse_caller(scope)
        if refusal is None and scope["path"] != WATCH_PATH:
            refusal = answer_nowhere(scope["path"])
        if refusal is None:
            scope["route_path_format"] = f"{WATCH_PATH} (web socket)"
            try:
                _, receive = await self._desk.identity.identify(scope, receive)
            except ClewError as error:
                refusal = answer_problem(error)
        if refusal is not None:
            await refuse_socket(send_counted, refusal)
            return
        if self._shards is None:
            await answer_socket(self._desk, scope, receive, send_counted)
            return
        key = find_key(scope["headers"]) or scope.get(SHOWN_KEY)
        with gather(self._shards.names, key):
            await answer_socket(self._desk, scope, receive, send_counted)

    async def _admit(self, scope: Scope, receive: Receive) -> tuple[ASGIApp, Receive]:
        """Return what answers a request, once it is known who sent it, or why it is refused."""
        refusal = self._refuse_caller(scope)
        if refusal is not None:
            return refusal, receive
        if scope["path"] in PUBLIC or _is_page(scope):
            scope[SCOPE_KEY] = NOBODY
            return self._routes, receive
        try:
            _, receive = await self._desk.identity.identify(scope, receive)
        except ClewError as error:
            if scope["path"] in INTERNAL_PATHS and self._internal is not None:
                self._tell_stranger(scope["path"], error)
            # What is still to come of its body is nobody's to read.
            return answer_refusal(scope["path"], error), receive
        if self._internal is not None and scope["path"] in INTERNAL_PATHS:
            self._has_told_stranger = False
            return self._internal, receive
        return self._routes, receive

    def _tell_stranger(self, path: str, error: ClewError) -> None:
        """Say it once, until the next is let in: most likely it is a server of the group."""
        if not self._has_told_stranger:
            self._has_told_stranger = True
            logger.warning(
                "somebody was not let in at %s: %s; if it is a server of this group, give it the "
                "same --peer-key as this one",
                path,
                error.message,
            )

    def _refuse_caller(self, scope: Scope) -> Response | None:
        host: str | None = None
        origin: str | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1")
            elif name == b"origin":
                origin = value.decode("latin-1")
        if not is_host_admitted(host, self._hosts):
            error = ClewError(
                ErrorCode.FORBIDDEN,
                f"this server is not called {(host or '')[:100]!r}",
                hint="use 127.0.0.1, or admit the name with --hosts",
            )
            return answer_problem(error)
        # A browser keeps nobody from opening a web socket, and its page reads what comes.
        is_socket = scope["type"] == "websocket"
        if origin is not None and (is_socket or scope["method"] not in SAFE_METHODS):
            # A page of ours is of the origin that the request was sent to, whatever its name.
            name = (host or "").lower()
            own = {f"http://{name}", f"https://{name}"} if name else set()
            if not is_origin_admitted(origin, own):
                return answer_problem(
                    ClewError(
                        ErrorCode.FORBIDDEN,
                        "pages of other sites may not do this",
                        hint="ask from a program, or from a page of this server",
                    )
                )
        return None

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # The route, not the address: addresses are the clients' to invent, and counters are kept.
        route = scope.get("route_path_format", "other")
        counters = self._desk.routes.setdefault(route, RouteCounters())
        counters.answers[status] += 1
        counters.seconds += seconds
        questions = self._desk.vitals.questions
        if questions.is_worth_it(seconds, status) and scope["type"] == "http":
            subject = caller_of(scope).subject if SCOPE_KEY in scope else ""
            asked = describe_request(scope, subject=subject, status=status, seconds=seconds)
            # A command waits for what it brings about: that is no slow answer.
            if asked.has_failed or asked.is_read:
                questions.note(asked)


PUBLIC: Final = frozenset(route.path for route in ROUTES if route.is_public)
"""Where nobody is asked who they are: for whatever looks whether the server is up."""


def _is_page(scope: Scope) -> bool:
    """Whether a request is for a file of the page, which is the same for all and holds no data."""
    if scope["method"] not in SAFE_METHODS:
        return False
    path = scope["path"].removeprefix("/")
    return _wants_page(scope) if not path else path in page_files()


def _wants_page(scope: Scope) -> bool:
    """Whether a browser asks, as against a program that would get the list of addresses."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


_INTERNAL: Final = (
    (SCANS_PATH, "POST", answer_scans),
    (FRAMES_PATH, "GET", answer_frames),
)
"""What other servers of clew ask."""


def _open_routes(desk: Desk) -> ASGIApp:
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    routes = [
        StarletteRoute(path, _endpoint(desk, methods), methods=list(methods))
        for path, methods in by_path.items()
    ]
    routes.extend(jaeger_routes(desk))
    for path, method, respond in _INTERNAL:
        routes.append(StarletteRoute(path, functools.partial(respond, desk), methods=[method]))
    # Pages that say what there is: whoever is known may read them.
    routes.append(StarletteRoute("/openapi.json", _answer_openapi))
    routes.append(StarletteRoute("/llms.txt", _answer_contract))
    routes.append(StarletteRoute("/", _answer_root))
    # Its tools ask the routes, and each question is looked at as if it had come over REST.
    routes.append(StarletteRoute(MCP_PATH, McpAddress(desk)))
    routes.extend(StarletteRoute(f"/{path}", _answer_file) for path in page_files())
    application = Starlette(
        routes=routes,
        exception_handlers={
            ClewError: _handle_error,
            HTTPException: _handle_http_error,
            Exception: _handle_fault,
        },
    )
    # One address each: a redirect would be built from names that the caller sent.
    application.router.redirect_slashes = False
    return application


def _endpoint(desk: Desk, methods: dict[str, Route]) -> Endpoint:
    async def answer(request: Request) -> Response:
        route = methods["GET" if request.method == "HEAD" else request.method]
        request.scope["route_path_format"] = route.path
        if not (route.decides_itself or route.is_public):
            desk.identity.authorize(caller_of(request.scope), route.verb, request.scope)
        if route.writes:
            desk.check_leads()
        if desk.shards is not None and not route.is_on_tier:
            return answer_problem(refused_write(desk.shards.shards))
        response = await route.answer(desk, request)
        is_kept = route.writes and response.status_code < HTTPStatus.MULTIPLE_CHOICES
        if is_kept and desk.group is not None:
            response.headers[ACKS_HEADER] = str(desk.group.count_copies())
        see_answer(desk, route, request, response.status_code)
        return response

    return answer


async def _handle_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ClewError)
    if isinstance(error, SlowBodyError):
        return answer_problem(error, status=408, headers={"connection": "close"})
    return answer_problem(error)


async def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        return answer_other_method(request.method, ", ".join(allowed))
    return answer_nowhere(request.scope["path"])


async def _handle_fault(_request: Request, _error: Exception) -> Response:
    # The framework raises the error again after this answer, and the server logs it.
    return answer_fault()


@functools.cache
def _openapi() -> bytes:
    # Few ask for it, and a start need not wait for what writes it.
    from clew.surfaces.rest.openapi import encode_openapi

    return encode_openapi()


async def _answer_openapi(_request: Request) -> Response:
    return answer_document(_openapi())


async def _answer_contract(_request: Request) -> Response:
    return PlainTextResponse(read_contract())


async def _answer_root(request: Request) -> Response:
    page = answer_file(request, INDEX) if _wants_page(request.scope) else None
    return page or PlainTextResponse(ROOT_TEXT, headers={"vary": "accept"})


async def _answer_file(request: Request) -> Response:
    # The path is one of those that the routes were made of.
    return answer_file(request, request.url.path.removeprefix("/")) or answer_nowhere(
        request.url.path
    )
