"""Tickets: what stands for a caller once, and briefly, where no header can be sent.

A page in a browser cannot set headers of a web socket. What it can send instead (the address, a
subprotocol) is kept in more places than a header is: in logs of proxies, in tools of the browser.
So it never sends its key there: it asks for a ticket with the key, in a header, and shows that.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.access.caller import Caller

TICKET_S: Final = 30
"""How long a ticket counts: a page opens its socket at once, if on a slow line."""

TICKETS_MAX: Final = 10_000
"""Tickets that wait to be used: 4 MB."""

TICKETS_PER_CALLER_MAX: Final = 100
"""So that one caller cannot keep the others out: a browser with as many pages."""

TICKET_RETRY_MS: Final = 5000

_BYTES: Final = 32


class Tickets:
    """Tickets that wait to be used. Belongs to one event loop."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now` gives Unix nanoseconds."""
        self._now = now
        # In the order in which they were made, and so in that in which they expire.
        self._waiting: dict[str, tuple[int, Caller, str | None]] = {}

    def make(self, caller: Caller, key: str | None = None) -> str:
        """Return a ticket that stands for a caller once, and for the API key that it may go with.

        Raises:
            ClewError: OVERLOADED when too many wait.
        """
        self._forget()
        own = sum(each == caller for _, each, _ in self._waiting.values())
        if own >= TICKETS_PER_CALLER_MAX or len(self._waiting) >= TICKETS_MAX:
            raise ClewError(
                ErrorCode.OVERLOADED,
                "too many tickets wait to be used",
                hint=f"open a socket with each; one counts for {TICKET_S} s",
                retry_after_ms=TICKET_RETRY_MS,
            )
        ticket = secrets.token_hex(_BYTES)
        self._waiting[ticket] = (self._now() + TICKET_S * NS_PER_S, caller, key)
        return ticket

    def take(self, ticket: str) -> tuple[Caller, str | None]:
        """Return the caller and the key that a ticket stands for, which it does no more.

        Raises:
            ClewError: UNAUTHENTICATED for one that was used, has expired, or never was.
        """
        self._forget()
        found = self._waiting.pop(ticket, None)
        if found is None:
            raise ClewError(
                ErrorCode.UNAUTHENTICATED,
                "the ticket does not count",
                hint=f"POST /api/v1/watch/tickets gives one; it counts once, for {TICKET_S} s",
            )
        return found[1:]

    def _forget(self) -> None:
        now = self._now()
        while self._waiting:
            ticket = next(iter(self._waiting))
            if now < self._waiting[ticket][0]:
                return
            del self._waiting[ticket]
