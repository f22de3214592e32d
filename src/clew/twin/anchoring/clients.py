"""Hooks for HTTP clients: requests say which object they are about.

    client = httpx.Client(event_hooks={"request": [anchor_hook()]})
    client = httpx.AsyncClient(event_hooks={"request": [async_anchor_hook()]})
    session = anchor_session(requests.Session())
    opener = urllib.request.build_opener(anchor_handler())

Ids leave the process with it, so `hosts` bounds to whom: names such as ``orders.internal``, or
``.internal`` for all below it. A redirect to any other goes without, whatever it was copied from.
Without `hosts` every request of that client says it.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from clew.twin.anchoring.wire import inject, withdraw

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from urllib.request import BaseHandler

S = TypeVar("S")


def anchor_hook(hosts: Iterable[str] | str | None = None) -> Callable[[Any], None]:
    """Return a hook for the requests of `httpx.Client`, or of anything with `url` and `headers`."""
    names = _read_hosts(hosts)

    def write(request: Any) -> None:
        if names is None or is_among(str(request.url), names):
            inject(request.headers)
        else:
            withdraw(request.headers)

    return write


def async_anchor_hook(
    hosts: Iterable[str] | str | None = None,
) -> Callable[[Any], Awaitable[None]]:
    """Return a hook for the requests of `httpx.AsyncClient`."""
    write = anchor_hook(hosts)

    async def write_later(request: Any) -> None:
        write(request)

    return write_later


def anchor_session(session: S, hosts: Iterable[str] | str | None = None) -> S:
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


def anchor_handler(hosts: Iterable[str] | str | None = None) -> BaseHandler:
    """Return a handler for `urllib.request.build_opener`."""
    # It brings http.client and ssl with it, which whoever asks for a handler has already.
    from urllib.request import BaseHandler, Request

    names = _read_hosts(hosts)

    class AnchorHandler(BaseHandler):
        """Writes the headers of each request anew: those of a redirect are not copied from them."""

        def http_request(self, request: Request) -> Request:
            """Write which object a request is about."""
            if names is None or is_among(request.full_url, names):
                written: dict[str, str] = {}
                inject(written)
                for name, value in written.items():
                    request.add_unredirected_header(name, value)
            return request

        https_request = http_request

    return AnchorHandler()


def _read_hosts(hosts: Iterable[str] | str | None) -> tuple[str, ...] | None:
    if hosts is None:
        return None
    return (hosts,) if isinstance(hosts, str) else tuple(hosts)


def is_among(url: str, hosts: Iterable[str]) -> bool:
    """Whether the host of an address is one of these, or below one that begins with a dot."""
    host = (urlsplit(url).hostname or "").lower()
    return any(
        host.endswith(each.lower()) if each.startswith(".") else host == each.lower()
        for each in hosts
    )
