"""What a server of a group answers while it is in no role: at its start, and between two roles.

Its addresses are taken then, and whoever connects would wait until its doors are open: other
servers that want to know where it is, and clients that another server could serve. So somebody
stands there who says at once what is known without the store: where the server is, who leads, and
that nothing else can be had now. Claims and frames are not taken here; their senders hear
OVERLOADED, the word for a server that is there and not ready, and ask again soon.

Keys lie in the registry, which is shut. Whoever shows the key that servers of this group show one
another is told; anybody is, where nobody had to show one when it was open last.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import html
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.app.listener import Listener
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import OPENING, ROLE_HEADER
from clew.store.replication import wire
from clew.surfaces.callers import is_host_admitted
from clew.surfaces.errors import describe, http_status, retry_after_seconds
from clew.surfaces.group import RETRY_AFTER_MS

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

logger = logging.getLogger(__name__)

BODY_SECONDS_MAX: Final = 5.0
"""How long what nobody reads may take to arrive: a client that is still sending hears no answer."""

DRAIN_SECONDS: Final = 1.0
"""What is answered here is answered in a millisecond."""

AGAIN_SOON_MS: Final = 100
"""When another server may ask again: a change of role takes some tenths of a second."""

CLUSTER_PATH: Final = "/internal/cluster"

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>clew opens</title>
<body style="font: 15px system-ui, sans-serif; margin: 15vh auto; max-width: 40em; padding: 0 1em">
<p><b>{title}</b></p>
<p>This page asks again by itself.</p>
</body>
</html>
"""

TRY_AGAIN: Final = 1013
"""How a web socket is closed by a server that is there and not ready."""


class Porch:
    """Answers on addresses while their doors are shut. Belongs to one event loop."""

    def __init__(
        self,
        *,
        tell_position: Callable[[], object | None],
        tell_group: Callable[[], object],
        refuse: Callable[[], ClewError],
        hosts: Collection[str],
        key: str,
    ) -> None:
        """Prepare.

        `tell_position` gives what other servers ask for, None while it is not known; `tell_group`
        the place in the group; `refuse` what everybody else hears. `key` is the one that servers of
        this group show one another, empty for none.
        """
        self._tell_position = tell_position
        self._tell_group = tell_group
        self._refuse = refuse
        self._hosts = frozenset(host.lower() for host in hosts)
        self._key = key.encode()
        self._listeners: list[Listener] = []
        self._closings: set[asyncio.Task[None]] = set()
        self.is_guarded = True
        """Whether keys are in use, as far as is known."""

    async def open(self, sockets: Sequence[socket.socket]) -> None:
        """Let callers in at these addresses, whose sockets are ours from now on."""
        self._listeners = [Listener(self, each, DRAIN_SECONDS) for each in sockets]
        for listener in self._listeners:
            await listener.open()

    def close(self) -> None:
        """Let nobody in any more; who is inside is answered meanwhile. Idempotent."""
        for listener in self._listeners:
            closing = asyncio.create_task(listener.close())
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)
        self._listeners = []

    async def end(self) -> None:
        """Close, and wait until everybody has gone."""
        self.close()
        await asyncio.gather(*self._closings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": TRY_AGAIN})
        if scope["type"] != "http":
            return
        if not await _pass_over_body(receive):
            return
        status, document, retry = self._answer(scope)
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        kind = b"text/plain; charset=utf-8" if isinstance(document, bytes) else b"application/json"
        if status == HTTPStatus.SERVICE_UNAVAILABLE and _is_browser(scope):
            body, kind = _write_page(self._refuse()), b"text/html; charset=utf-8"
        headers = [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
            (ROLE_HEADER.encode(), OPENING.encode()),
            # The next request is for the doors.
            (b"connection", b"close"),
        ]
        if retry is not None:
            headers.append((b"retry-after", b"%d" % retry))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _answer(self, scope: Scope) -> tuple[int, object, int | None]:
        """Return status, document, and the seconds after which to ask again."""
        match scope["method"], scope["path"]:
            case (("GET" | "HEAD"), "/healthz"):
                return 200, b"ok\n", None
            case "GET", wire.POSITION_PATH if self._may_hear(scope):
                position = self._tell_position()
                if position is not None:
                    return 200, position, None
            case "GET", path if path == CLUSTER_PATH and self._may_hear(scope):
                return 200, self._tell_group(), None
        refusal = self._refuse()
        if scope["path"] in (wire.POSITION_PATH, wire.RECORDS_PATH, wire.SNAPSHOT_PATH):
            refusal = ClewError(
                ErrorCode.OVERLOADED,
                "this server is about to open its doors",
                hint="ask again",
                retry_after_ms=AGAIN_SOON_MS,
            )
        status = http_status(refusal.code)
        return status, describe(refusal, status), retry_after_seconds(refusal)

    def _may_hear(self, scope: Scope) -> bool:
        host: str | None = None
        shown = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1")
            elif name == b"authorization":
                shown = value.removeprefix(b"Bearer ")
        if not is_host_admitted(host, self._hosts):
            return False
        if not self.is_guarded:
            return True
        return bool(self._key) and hmac.compare_digest(shown, self._key)


def _is_browser(scope: Scope) -> bool:
    """Return whether somebody wants to see the page: what it asks by itself wants JSON."""
    accepted = (value for name, value in scope["headers"] if name == b"accept")
    return scope["method"] == "GET" and any(b"text/html" in value for value in accepted)


def _write_page(refusal: ClewError) -> bytes:
    """Return what a person sees meanwhile; it asks again by itself."""
    words = html.escape(refusal.message)
    return _PAGE.format(title=f"{words[:1].upper()}{words[1:]}.").encode()


async def _pass_over_body(receive: Receive) -> bool:
    """Read what a client sends, which hears no answer before that; return False if it is gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return False
                if not message.get("more_body", False):
                    break
    return True


def refuse_while_shut(leader_url: str | None) -> ClewError:
    """Return what to say to whoever asks for anything; `leader_url` is another server that leads.

    It may be that of a server which is gone.
    """
    if leader_url is None:
        return ClewError(
            ErrorCode.UNAVAILABLE,
            "this server is about to open its doors",
            hint="send again after the time given",
            retry_after_ms=RETRY_AFTER_MS,
        )
    return ClewError(
        ErrorCode.UNAVAILABLE,
        f"this server is about to open its doors; {leader_url} leads, as far as is known here",
        hint=f"send what is written to {leader_url}",
        retry_after_ms=RETRY_AFTER_MS,
    )
