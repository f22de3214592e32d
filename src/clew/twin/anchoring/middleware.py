"""Middleware for services: a request is about the object that a trusted caller says.

    app = AnchorMiddleware(app, trust=["10.0.0.0/8"])        # ASGI: FastAPI, Starlette, Litestar…
    app = AnchorWSGIMiddleware(app, trust=True)              # WSGI: Flask, Django, …

Nobody is trusted unless `trust` says so. The trace goes on with a trusted caller alone, too; a
tracing instrumentation that is there decides about it instead, and its span stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clew.twin.anchoring.trust import read_trust
from clew.twin.anchoring.wire import door

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping

    from clew.twin.anchoring.trust import Trust

    Scope = MutableMapping[str, Any]
    ASGIApp = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]
    WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class AnchorMiddleware:
    """ASGI middleware. `trust` is True, addresses and networks of callers, or a function of one."""

    def __init__(self, app: ASGIApp, trust: Trust = False) -> None:
        """Wrap an application.

        Raises:
            ValueError: what should be a network is none.
        """
        self.app = app
        self._is_trusted = read_trust(trust)

    async def __call__(
        self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        """Serve a request or a WebSocket inside what its headers say; pass on all others."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        peer = str(client[0]) if client else ""
        with door(scope["headers"], is_trusted=self._is_trusted(peer)):
            await self.app(scope, receive, send)


class AnchorWSGIMiddleware:
    """WSGI middleware; the body of the answer is made inside the anchor as well."""

    def __init__(self, app: WSGIApp, trust: Trust = False) -> None:
        """Wrap an application.

        Raises:
            ValueError: what should be a network is none.
        """
        self.app = app
        self._is_trusted = read_trust(trust)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve a request inside what its headers say."""
        headers = {
            name[5:].replace("_", "-"): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        is_trusted = self._is_trusted(str(environ.get("REMOTE_ADDR") or ""))
        with door(headers, is_trusted=is_trusted):
            body = self.app(environ, start_response)
        kind = _SizedBody if hasattr(body, "__len__") else _Body
        return kind(body, headers, is_trusted=is_trusted)


class _Body:
    """The body of an answer: each part of it is made inside the anchor of its request."""

    def __init__(self, body: Iterable[bytes], headers: dict[str, Any], *, is_trusted: bool) -> None:
        self._body = body
        self._headers = headers
        self._is_trusted = is_trusted

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(self._body)
        while True:
            with door(self._headers, is_trusted=self._is_trusted):
                part = next(parts, None)
            if part is None:
                return
            yield part

    def close(self) -> None:
        """Close the application's own body."""
        close = getattr(self._body, "close", None)
        if close is not None:
            with door(self._headers, is_trusted=self._is_trusted):
                close()


class _SizedBody(_Body):
    """A body that tells of how many parts it is: servers then know its length themselves."""

    def __len__(self) -> int:
        parts: Any = self._body
        return len(parts)
