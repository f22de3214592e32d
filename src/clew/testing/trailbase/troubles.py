"""What may go wrong between a client and the server, on order; and what was asked."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from clew.testing.trailbase.http import Cut, of_text
from clew.testing.trailbase.values import Json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clew.testing.trailbase.http import Request, Response

HELD_SECONDS_MAX: Final = 120.0
"""When a request that should be held is given up: nothing in a test takes as long."""


class Trouble(StrEnum):
    """What happens to a request.

    ``refused``: answered with a status, and not carried out. ``unheard``: the connection breaks
    before it is carried out. ``lost``: it is carried out, and the connection breaks instead of the
    answer. ``truncated``: it is carried out, and the answer breaks off in the middle. ``twice``: it
    arrives twice, as behind a proxy that tries again; the second answer is the one that comes.
    ``held``: it waits until it is let go.
    """

    REFUSED = "refused"
    UNHEARD = "unheard"
    LOST = "lost"
    TRUNCATED = "truncated"
    TWICE = "twice"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that arrived. `status` is None where no answer was to arrive whole.

    Passwords and tokens are taken out of `body`. `path` holds no query.
    """

    number: int
    method: str
    path: str
    query: str
    who: str | None
    body: Json = field(repr=False)
    status: int | None
    is_carried_out: bool


class Hold:
    """A request that is held: before it is carried out, or after, before its answer goes out."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived = threading.Event()
        self._let_go = asyncio.Event()

    @property
    def is_held(self) -> bool:
        """Whether a request has arrived."""
        return self._arrived.is_set()

    def wait(self) -> None:
        """Return once a request is held.

        Raises:
            TimeoutError: none comes.
        """
        if not self._arrived.wait(HELD_SECONDS_MAX):
            raise TimeoutError("no such request came")

    def release(self) -> None:
        """Let it go, and whatever else it would hold."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    async def pause(self) -> None:
        """Wait to be let go; on the loop of the server."""
        self._arrived.set()
        await self._let_go.wait()


@dataclass(slots=True)
class _Order:
    trouble: Trouble
    times: int
    method: str | None
    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    is_after: bool
    hold: Hold | None


class Troubles:
    """The orders that are still to be carried out, first come, first served."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def add(
        self,
        trouble: Trouble,
        *,
        times: int = 1,
        method: str | None = None,
        path: str = "",
        status: int = 503,
        headers: tuple[tuple[str, str], ...] = (),
        is_after: bool = False,
        hold: Hold | None = None,
    ) -> None:
        """Order trouble for the next requests of a method whose path begins so."""
        self._orders.append(_Order(trouble, times, method, path, status, headers, is_after, hold))

    def clear(self) -> None:
        """Forget all orders."""
        self._orders.clear()

    async def around(
        self, request: Request, carry_out: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Carry a request out, or not, as it was ordered.

        Raises:
            Cut: the connection is to break.
            Refusal: as `carry_out` raises it.
        """
        order = self._take(request)
        if order is None:
            return await carry_out()
        match order.trouble:
            case Trouble.REFUSED:
                answer = of_text("", order.status)
                return _with_headers(answer, order.headers)
            case Trouble.UNHEARD:
                raise Cut
            case Trouble.LOST:
                await carry_out()
                raise Cut
            case Trouble.TRUNCATED:
                answer = await carry_out()
                raise Cut(answer, sent=len(answer.content) // 2 + 40)
            case Trouble.TWICE:
                await carry_out()
                return await carry_out()
            case Trouble.HELD:
                return await self._held(order, carry_out)

    async def _held(self, order: _Order, carry_out: Callable[[], Awaitable[Response]]) -> Response:
        assert order.hold is not None
        if not order.is_after:
            await order.hold.pause()
            return await carry_out()
        answer = await carry_out()
        await order.hold.pause()
        return answer

    def _take(self, request: Request) -> _Order | None:
        for order in self._orders:
            if order.method in {None, request.method} and request.path.startswith(order.path):
                order.times -= 1
                if not order.times:
                    self._orders.remove(order)
                return order
        return None


def without_secrets(body: Any) -> Json:
    """Return a body that a journal may keep."""
    secret = ("password", "token", "totp", "code")
    if isinstance(body, dict):
        return {
            name: "…" if any(word in name for word in secret) else without_secrets(value)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [without_secrets(value) for value in body]
    return body


def _with_headers(answer: Response, headers: tuple[tuple[str, str], ...]) -> Response:
    return replace(answer, headers=headers)
