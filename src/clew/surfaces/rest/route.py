"""What a route is: one value that the router and the OpenAPI document are both made from."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from clew.access.caller import Caller, Verb
from clew.surfaces.identity import caller_of
from clew.surfaces.rest.answers import answer_document, encode
from clew.surfaces.rest.parameters import parse_parameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.threads import QueryThreads

BASE: Final = "/api/v1"

GONE: Final = 499
"""What is counted for a client that did not wait; nobody ever reads it."""


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing can be asked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, parsed: parameters of the query string, those of the path, and who asks."""

    parameters: Any
    path: Mapping[str, str]
    request: Request
    caller: Caller


@dataclass(frozen=True, kw_only=True)
class Route:
    """An address: what may be asked, what is answered, and how it is said in OpenAPI.

    `path` has its parameters in braces, ``{key:path}`` where they may hold slashes. `body` is the
    struct of a JSON body, `body_types` the media types it may come as, `success` the status of an
    answer that is no error. In the stead of a body may stand a `file`, which others write as well:
    names in it that are not ours are passed over.

    `verb` is what a caller must be allowed on this server as a whole. A route about one app
    `decides_itself`, by where in the tree the app is: then its caller is known, and no more.
    A route that `is_public` is answered without asking who calls.
    A standby refuses what is no GET, unless a route is a question all the same (`on_standby`).

    `on_tier`: whether a query tier answers it, which keeps nothing itself; unless said, it answers
    what only reads.
    """

    path: str
    summary: str
    tag: str
    parameters: type[msgspec.Struct] = NoParameters
    method: str = "GET"
    body: type[msgspec.Struct] | None = None
    file: type[msgspec.Struct] | None = None
    body_types: tuple[str, ...] = ("application/json", "text/plain")
    success: int = 200
    documents: tuple[type[msgspec.Struct], ...] = ()
    media_types: tuple[str, ...] = ("application/json",)
    errors: tuple[int, ...] = field(default=(400, 429, 503, 504))
    verb: Verb = Verb.OBSERVE
    decides_itself: bool = False
    is_public: bool = False
    on_standby: bool | None = None
    on_tier: bool | None = None

    @property
    def writes(self) -> bool:
        """Whether it changes what is kept, which is the leader's to do."""
        return self.method != "GET" if self.on_standby is None else not self.on_standby

    @property
    def is_on_tier(self) -> bool:
        """Whether a query tier answers it."""
        return not self.writes if self.on_tier is None else self.on_tier

    async def answer(self, desk: Desk, request: Request) -> Response:
        """Answer one request.

        Raises:
            ClewError: what the problem document is made from.
        """
        raise NotImplementedError

    def read(self, request: Request) -> Asked:
        """Return what a request asks.

        Raises:
            ClewError: INVALID_ARGUMENT.
        """
        parameters = parse_parameters(request.scope["query_string"], self.parameters)
        return Asked(parameters, request.path_params, request, caller_of(request.scope))


@dataclass(frozen=True, kw_only=True)
class QueryRoute(Route):
    """A question whose answer is one document: asked and encoded on a query thread."""

    ask: Callable[[Desk, Asked], msgspec.Struct]

    async def answer(self, desk: Desk, request: Request) -> Response:
        """Answer one request, unless its client goes away before its turn."""
        work = functools.partial(self._work, desk, self.read(request))
        body = await run_unless_gone(request, self.threads_of(desk).run(work))
        return Response(status_code=GONE) if body is None else answer_document(body)

    def threads_of(self, desk: Desk) -> QueryThreads:
        """Return the threads on which it is asked."""
        return desk.threads

    def _work(self, desk: Desk, asked: Asked) -> bytes:
        return encode(self.ask(desk, asked))


@dataclass(frozen=True, kw_only=True)
class OpenRoute(Route):
    """Anything else: streams, and what must be answered while the query threads are busy."""

    respond: Callable[[Desk, Asked], Awaitable[Response]]

    async def answer(self, desk: Desk, request: Request) -> Response:
        """Answer one request."""
        return await self.respond(desk, self.read(request))


async def run_unless_gone(request: Request, work: Awaitable[bytes]) -> bytes | None:
    """Return what the work gives, None when the client goes away first."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(wait_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        working.cancel()
        gone.cancel()


async def wait_gone(request: Request) -> None:
    """Return when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
