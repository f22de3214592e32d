"""What happens in the tree, as it happens: server-sent events, or a web socket.

Both say the same in the same order (`clew.tree.watch`). A feed takes what comes next when its
client has taken what came before, so a slow client costs its socket buffer and what the tree's hub
holds for it, which is bounded; it misses nothing, unless it is told `lagged`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

import msgspec

from clew.access.tickets import TICKET_S
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S, format_time
from clew.surfaces.identity import caller_of, find_key
from clew.surfaces.rest.answers import answer_document, answer_problem, encode
from clew.surfaces.rest.feeds import (
    EVENT_STREAM,
    KEEP_ALIVE_SECONDS,
    SEND_SECONDS_MAX,
    EventFeed,
    Messages,
    common_ends,
    send_text,
)
from clew.surfaces.rest.live_shards import ShardedFeed
from clew.surfaces.rest.parameters import parse_parameters
from clew.surfaces.rest.route import BASE, Asked, OpenRoute
from clew.surfaces.rest.watch_shards import ShardedMessages, place_after
from clew.tree import documents as doc
from clew.tree import parameters as ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from clew.surfaces.rest.desk import Desk
    from clew.surfaces.rest.feeds import End
    from clew.surfaces.rest.route import Route
    from clew.tree.watch.feed import Batch, WatchFeed

PATH: Final = f"{BASE}/watch"

SUBPROTOCOL: Final = "clew.watch.v1"
"""What a browser asks for beside its ticket: it wants one of its subprotocols to be answered."""

CREATED: Final = 201

LAST_EVENT_ID: Final = "last-event-id"

CLOSE_RESTART: Final = 1012
CLOSE_REVOKED: Final = 1008
CLOSE_SAID: Final = 1003
CLOSE_FAILED: Final = 1013
"""Close codes of RFC 6455 and its registry: the server ends, the key does not count any more, the
client said something though it is only to listen, try again later."""


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Taken(Protocol[T_co]):
    """What is taken from, one after the other."""

    async def take(self) -> T_co:
        """Return what comes next; waits while nothing has happened."""
        ...

    def close(self) -> None:
        """Hear no more."""
        ...


class _Taker(Generic[T]):
    """Takes what a feed gives, one at a time, until something ends it."""

    def __init__(self, feed: _Taken[T], ends: Sequence[End]) -> None:
        self._feed = feed
        self._ends = ends
        self._taking: asyncio.Future[T] | None = None

    @property
    def is_over(self) -> bool:
        return any(end.done() for end in self._ends)

    async def take(self, seconds: float) -> T | None:
        """Return what comes next, None when there is nothing in time or the feed is over.

        Raises:
            ClewError: as the feed's own.
        """
        taking = self._taking or asyncio.ensure_future(self._feed.take())
        self._taking = taking
        await asyncio.wait(
            {taking, *self._ends}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED
        )
        if not taking.done() or self.is_over:
            return None
        self._taking = None
        return taking.result()

    def close(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
        for end in self._ends:
            end.cancel()
        self._feed.close()


class WatchStream(EventFeed):
    """What happens, each time as a JSON array of happenings."""

    async def _begin(self) -> None:
        self._feed = await self._desk.tree.watch(self._asked.caller, self._asked.parameters)

    async def _send_events(self, send: Send, ends: Sequence[End]) -> None:
        cursor = self._feed.cursor
        ready = encode(doc.WatchReady(id=cursor))
        text = b"retry: 1000\nevent: ready\ndata: %b\nid: %d\n\n" % (ready, cursor)
        sent_at = time.monotonic()
        with closing(_Taker(self._feed, ends)) as taker:
            while True:
                if text:
                    await send_text(send, text)
                    sent_at = time.monotonic()
                batch = await taker.take(sent_at + KEEP_ALIVE_SECONDS - time.monotonic())
                if taker.is_over or (batch is not None and batch.is_last):
                    return
                if batch is None:
                    text = b": alive\nid: %d\n\n" % cursor
                else:
                    cursor = batch.cursor
                    text = _events(batch)


def _events(batch: Batch) -> bytes:
    """Return a batch as events; nothing when it only comes further.

    The id goes with the last event only, so that a client that saw half comes back to before it.
    """
    mark = b"id: %d\n" % batch.cursor
    lagged = b""
    if batch.lagged is not None:
        own = b"" if batch.events else mark
        lagged = b"event: lagged\ndata: " + encode(batch.lagged) + b"\n" + own + b"\n"
    if not batch.events:
        return lagged
    return lagged + b"data: " + encode(batch.events) + b"\n" + mark + b"\n"


async def answer_socket(desk: Desk, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an upgrade to a web socket whose caller is known; `receive` has given its connect."""
    try:
        parameters = parse_parameters(scope["query_string"], ask.WatchParameters)
        with desk.live.enter():
            if desk.shards is None:
                own = await desk.tree.watch(caller_of(scope), parameters)
                await _serve_socket(desk, scope, receive, send, _OwnMessages(own))
                return
            merged = ShardedMessages(desk.shards, PATH, parameters)
            try:
                await merged.begin()
                await _serve_socket(desk, scope, receive, send, merged)
            finally:
                merged.close()
    except ClewError as error:
        await refuse_socket(send, answer_problem(error))


async def refuse_socket(send: Send, response: Response) -> None:
    """Answer an upgrade with a document in place of the socket."""
    await send(
        {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
    await send({"type": "websocket.http.response.body", "body": response.body, "more_body": False})


class SocketFeed(_Taken[Messages], Protocol):
    """What a web socket tells."""

    def ready(self) -> bytes:
        """Return the message that says how far the feed has come."""
        ...


class _OwnMessages:
    """What this server's own tree tells."""

    def __init__(self, feed: WatchFeed) -> None:
        self._feed = feed

    def ready(self) -> bytes:
        return encode(doc.WatchReady(id=self._feed.cursor))

    async def take(self) -> Messages:
        batch = await self._feed.take()
        lagged = [] if batch.lagged is None else [encode(batch.lagged)]
        return Messages(lagged + [encode(event) for event in batch.events], batch.is_last)

    def close(self) -> None:
        self._feed.close()


async def _serve_socket(
    desk: Desk, scope: Scope, receive: Receive, send: Send, feed: SocketFeed
) -> None:
    """Send what a feed gives, one message for each happening, until something ends it."""
    saying = asyncio.ensure_future(receive())
    closed, revoked = common_ends(desk, caller_of(scope))
    taker = _Taker(feed, [saying, closed, revoked])
    code = CLOSE_RESTART
    try:
        spoken = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": spoken})
        await _send_message(send, feed.ready())
        while True:
            said = await taker.take(KEEP_ALIVE_SECONDS)
            if taker.is_over or (said is not None and said.is_last):
                break
            # The client that comes back after a quiet hour need not go through it again.
            for text in [feed.ready()] if said is None else said.texts:
                await _send_message(send, text)
        if saying.done():
            if saying.result()["type"] == "websocket.disconnect":
                return
            code = CLOSE_SAID
        elif revoked.done():
            code = CLOSE_REVOKED
    except TimeoutError:
        return
    except ClewError as error:
        code = CLOSE_REVOKED if error.code in _REFUSALS else CLOSE_FAILED
    finally:
        taker.close()
    await send({"type": "websocket.close", "code": code, "reason": _REASONS[code]})


_REASONS: Final = {
    CLOSE_RESTART: "the server is restarting",
    CLOSE_REVOKED: "the API key is not valid any more",
    CLOSE_SAID: "a feed only speaks",
    CLOSE_FAILED: "the tree cannot be read at present",
}


_REFUSALS: Final = frozenset({ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN})
"""What a shard says to one whose key does not count there any more."""


async def _send_message(send: Send, message: bytes) -> None:
    text = message.decode()
    async with asyncio.timeout(SEND_SECONDS_MAX):
        await send({"type": "websocket.send", "text": text})


async def _open_stream(desk: Desk, asked: Asked) -> Response:
    last = asked.request.headers.get(LAST_EVENT_ID)
    if last:
        # A client that comes back says where it was; the address still says where it began.
        parameters = msgspec.structs.replace(asked.parameters, after=last)
        asked = Asked(parameters, asked.path, asked.request, asked.caller)
    if desk.shards is not None:
        after = place_after(asked.parameters.after, desk.shards)
        return ShardedFeed(desk, asked, desk.shards, after)
    return WatchStream(desk, asked)


async def _make_ticket(desk: Desk, asked: Asked) -> Response:
    # A query tier knows no keys: it shows its shards the one that it was shown.
    key = None if desk.shards is None else find_key(asked.request.scope["headers"])
    ticket = desk.identity.tickets.make(asked.caller, key)
    expires_at = desk.identity.access.now() + TICKET_S * NS_PER_S
    document = doc.WatchTicket(ticket=ticket, expires_at=format_time(expires_at))
    response = answer_document(encode(document), CREATED)
    response.headers["cache-control"] = "no-store"
    return response


ROUTES: Final[tuple[Route, ...]] = (
    OpenRoute(
        path=f"{PATH}/tickets",
        method="POST",
        on_standby=True,
        summary="A ticket to open the web socket with from a browser; it counts once, for 30 s",
        tag="tree",
        success=CREATED,
        documents=(doc.WatchTicket,),
        errors=(400, 429, 503),
        decides_itself=True,
        respond=_make_ticket,
    ),
    OpenRoute(
        path=PATH,
        summary="What happens in the tree, live (an upgrade makes it a web socket)",
        tag="tree",
        parameters=ask.WatchParameters,
        documents=(doc.WatchEvent, doc.WatchLagged, doc.WatchReady),
        media_types=(EVENT_STREAM,),
        errors=(400, 404, 429, 503),
        decides_itself=True,
        respond=_open_stream,
    ),
)
