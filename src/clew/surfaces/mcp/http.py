"""MCP over streamable HTTP, as one address of the HTTP door.

The door has looked at Host and Origin before a request comes here. The SDK is imported when the
first one does, in a thread, so that a server nobody asks over MCP neither starts later nor grows.
Nothing is kept between requests: each gets a session manager of its own, which ends with it, and a
client that opens a session by the older handshake is answered without one.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import gather
from clew.surfaces.identity import caller_of
from clew.surfaces.mcp.inside import CALLER, CHOICE, InsideQuestions
from clew.surfaces.rest.answers import answer_other_method, answer_problem
from clew.surfaces.rest.visits import choice_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from clew.surfaces.rest.desk import Desk

PATH: Final = "/mcp"

BODY_BYTES_MAX: Final = 1 << 20
"""The largest request: a statement of SQL is refused above a quarter of it."""


class McpAddress:
    """The ASGI application behind ``/mcp``. Belongs to one event loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._server: Any = None
        self._opening = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # What the door counts its answers by.
        scope["route_path_format"] = PATH
        if scope["method"] != "POST":
            # GET would be a stream of what the server begins, and DELETE the end of a session;
            # there is neither.
            await answer_other_method(scope["method"], "POST")(scope, receive, send)
            return
        try:
            server = await self._open()
        except ImportError:
            error = ClewError(
                ErrorCode.UNSUPPORTED, "MCP is not installed", hint="pip install 'clew[server]'"
            )
            await answer_problem(error)(scope, receive, send)
            return
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=BODY_BYTES_MAX
        )
        CALLER.set(caller_of(scope))
        choice = choice_of(Headers(scope=scope))
        if choice is not None:
            CHOICE.set(choice)
        # A query tier has begun one for each request.
        gathering = gather() if self._desk.shards is None else nullcontext()
        with gathering:
            async with manager.run():
                await manager.handle_request(scope, receive, send)

    async def _open(self) -> Any:
        async with self._opening:
            if self._server is None:
                self._server = await asyncio.to_thread(
                    _open_server, self._desk, asyncio.get_running_loop()
                )
        return self._server


def _open_server(desk: Desk, loop: asyncio.AbstractEventLoop) -> Any:
    from clew.surfaces.mcp.sdk import open_server

    return open_server(InsideQuestions(desk, loop), desk.threads.run)
