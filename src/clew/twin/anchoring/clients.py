"""Hooks for HTTP clients: requests say which object they are about.

    client = httpx.Client(event_hooks={"request": [anchor_hook()]})
    client = httpx.AsyncClient(event_hooks={"request": [async_anchor_hook()]})
    session = anchor_session(requests.Session())

Ids leave the process with it, so `hosts` bounds to whom: names such as ``orders.internal``, or
``.internal`` for all below it. Without `hosts` every request of that client says it.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from clew.twin.anchoring.wire import inject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

S = TypeVar("S")


def anchor_hook(hosts: Iterable[str] | None = None) -> Callable[[Any], None]:
    """Return a hook for the requests of `httpx.Client`, or of anything with `url` and `headers`."""
    names = None if hosts is None else tuple(hosts)

    def write(request: Any) -> None:
        if names is None or is_among(str(request.url), names):
            inject(request.headers)

    return write


def async_anchor_hook(hosts: Iterable[str] | None = None) -> Callable[[Any], Awaitable[None]]:
    """Return a hook for the requests of `httpx.AsyncClient`."""
    write = anchor_hook(hosts)

    async def write_later(request: Any) -> None:
        write(request)

    return write_later


def anchor_session(session: S, hosts: Iterable[str] | None = None) -> S:
    """Let every request of a `requests.Session` say it, redirects too; return the session."""
    write = anchor_hook(hosts)
    # A session has no hook before sending; its own `send` is what redirects go through as well.
    opened: Any = session
    send = opened.send

    @wraps(send)
    def send_with_anchor(request: Any, **options: Any) -> Any:
        write(request)
        return send(request, **options)

    opened.send = send_with_anchor
    return session


def is_among(url: str, hosts: Iterable[str]) -> bool:
    """Whether the host of an address is one of these, or below one that begins with a dot."""
    host = (urlsplit(url).hostname or "").lower()
    return any(
        host.endswith(each.lower()) if each.startswith(".") else host == each.lower()
        for each in hosts
    )
