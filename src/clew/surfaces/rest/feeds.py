"""What every feed of server-sent events has: how it begins, stays alive, fails and ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from clew.base.errors import ClewError
from clew.surfaces.errors import describe
from clew.surfaces.rest.answers import encode
from clew.surfaces.rest.route import wait_gone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

    from clew.access.caller import Caller
    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.route import Asked

    End = asyncio.Future[Any]

EVENT_STREAM: Final = "text/event-stream"

KEEP_ALIVE_SECONDS: Final = 15.0
"""How often a comment shows that the feed is alive: below the 30 s after which proxies hang up."""

SEND_SECONDS_MAX: Final = 60.0
"""How long a client may leave its socket full before it is taken for gone."""

HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


@dataclass(frozen=True, slots=True)
class Messages:
    """What a web socket is to tell, in order; `is_last`: nothing comes after it."""

    texts: list[bytes]
    is_last: bool = False


class EventFeed(Response):
    """A response that never ends by itself; a feed of its own says what is in it."""

    media_type = EVENT_STREAM

    def __init__(self, desk: Desk, asked: Asked) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._desk = desk
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes, its key is revoked, or the server is about to end."""
        if scope["method"] == "HEAD":
            await send(_start(self.raw_headers))
            await send(_body(b"", more=False))
            return
        with self._desk.live.enter():
            # What is wrong with the question is an answer of its own, so it is asked first.
            await self._begin()
            await send(_start(self.raw_headers))
            ends = (
                asyncio.ensure_future(wait_gone(self._asked.request)),
                *common_ends(self._desk, self._asked.caller),
            )
            try:
                await self._send_events(send, ends)
                await send(_body(b"", more=False))
            except TimeoutError:
                # A client that leaves its socket full for so long is as good as gone.
                return
            except ClewError as error:
                failure = b"event: error\ndata: " + encode(describe(error)) + b"\n\n"
                await send(_body(failure, more=False))
            finally:
                for end in ends:
                    end.cancel()

    async def _begin(self) -> None:
        """Ask for the first time.

        Raises:
            ClewError: it cannot be; then the answer is that, and no feed.
        """
        raise NotImplementedError

    async def _send_events(self, send: Send, ends: Sequence[End]) -> None:
        """Send what comes with `send_text` until one of `ends` is done, and let go of everything.

        Raises:
            ClewError: it does not go on; the client is told.
            TimeoutError: the client takes nothing.
        """
        raise NotImplementedError


async def send_text(send: Send, text: bytes) -> None:
    """Send some events.

    Raises:
        TimeoutError: the client takes nothing.
    """
    async with asyncio.timeout(SEND_SECONDS_MAX):
        await send(_body(text, more=True))


def common_ends(desk: Desk, caller: Caller) -> tuple[End, End]:
    """Return what ends a feed whatever its client does: the server's end, and that of its key."""
    return (
        asyncio.ensure_future(desk.closing.wait()),
        asyncio.ensure_future(desk.identity.wait_ended(caller)),
    )


def _start(headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _body(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}
