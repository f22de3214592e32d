"""Who we are to one server: the tokens, and their renewal by one request however many ask.

A `Session` may be shared by tasks, event loops and threads; a `Transport` may not, so each call
brings its own. Whoever first finds the bearer to end soon renews it, and the others wait for what
comes of that, on whatever loop they are. The wait between threads is a `concurrent.futures.Future`:
it can be awaited from any loop. Where the one that renews is cancelled, another begins anew.

Why at all, where a refused bearer could just be renewed: the server does not refuse one that has
ended. It takes it for nobody's, and nobody sees empty lists.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from clew.team.errors import AuthError, NetworkError, RateLimitError, ServerError
from clew.team.trailbase.login import bearer_headers
from clew.team.trailbase.transport import TOTAL_S_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.team.trailbase.login import Auth, Credentials
    from clew.team.trailbase.tokens import Tokens
    from clew.team.trailbase.transport import Transport

WAIT_S_MAX: Final = 2 * TOTAL_S_MAX
"""For somebody else's renewal: twice what the request may take, then it is not coming."""

DOUBT_S_MIN: Final = 60.0
"""Between two renewals that a refusal led to: most refusals are meant."""


RENEW_AGAIN_S: Final = 10.0
"""After a renewal that failed while the bearer is good: every question would try it first."""


class Session:
    """The tokens for one server, empty until somebody logs in.

    `on_change` is called with new tokens, None after a logout, from whichever thread changed them
    and without any lock held. That is mostly an event loop's, so it must not wait: what a vault is
    to keep goes to a thread. What it raises comes out of the call that changed them.
    """

    def __init__(
        self,
        auth: Auth,
        tokens: Tokens | None = None,
        *,
        on_change: Callable[[Tokens | None], None] | None = None,
    ) -> None:
        self.auth = auth
        self._on_change = on_change
        self._lock = threading.Lock()
        self._tokens = tokens
        self._renewal: Future[Tokens | None] | None = None
        self._doubted_at: float | None = None
        self._ended = False
        self._renew_after = 0.0

    def __repr__(self) -> str:
        return f"Session({self._tokens!r})"

    @property
    def tokens(self) -> Tokens | None:
        """What is held now."""
        with self._lock:
            return self._tokens

    @property
    def user_id(self) -> str | None:
        """Whose session it is."""
        tokens = self.tokens
        return None if tokens is None else tokens.user_id

    def set_tokens(self, tokens: Tokens | None) -> None:
        """Hold other tokens from now on."""
        with self._lock:
            self._tokens = tokens
            self._ended = False
            self._doubted_at = None
        if self._on_change is not None:
            self._on_change(tokens)

    async def login(self, transport: Transport, credentials: Credentials) -> Tokens:
        """Become known by a password. Errors as of `Auth.login`."""
        tokens = await self.auth.login(transport, credentials)
        if tokens.email is None and "@" in credentials.email:
            tokens = replace(tokens, email=credentials.email)
        self.set_tokens(tokens)
        return tokens

    async def logout(self, transport: Transport) -> None:
        """End the session at the server, and forget the tokens whatever it says.

        Raises:
            TeamError: the server did not end it. The tokens are forgotten all the same.
        """
        tokens = self.tokens
        self.set_tokens(None)
        if tokens is not None:
            await self.auth.logout(transport, tokens)

    async def headers(self, transport: Transport) -> dict[str, str]:
        """Return the headers that say who we are, with a bearer that is good for a while.

        Raises:
            AuthError: nobody is logged in, or the session has ended.
            NetworkError: the bearer has ended and the server is not reached.
        """
        while True:
            tokens = self._held()
            now = time.time_ns()
            if not tokens.is_due(now):
                if tokens.is_over(now):
                    raise self._over()
                return bearer_headers(tokens)
            if not tokens.is_over(now) and time.monotonic() < self._renew_after:
                return bearer_headers(tokens)
            try:
                renewed = await self._renewed(transport, tokens)
            except (NetworkError, ServerError, RateLimitError) as error:
                # What we have is good for some minutes still; a server that is away for a moment
                # must not stop what may come through.
                if tokens.is_over(time.time_ns()):
                    raise
                wait_s = max((error.retry_after_ms or 0) / 1000, RENEW_AGAIN_S)
                self._renew_after = time.monotonic() + wait_s
                return bearer_headers(tokens)
            if renewed is not None:
                return bearer_headers(renewed)

    async def doubt(self, transport: Transport, headers: dict[str, str]) -> bool:
        """Renew after a refusal, in case the server took our bearer for nobody's.

        Returns whether there is another bearer than in `headers`, with which to ask again. It
        renews once a minute at the most: most refusals are meant.

        Raises:
            AuthError: the session has ended, which is why we were refused.
        """
        tokens = self._held()
        if bearer_headers(tokens) != headers:
            return True
        if tokens.refresh is None or not self._may_doubt():
            return False
        try:
            return await self._renewed(transport, tokens) is not None
        except (NetworkError, ServerError, RateLimitError):
            return False

    def _held(self) -> Tokens:
        with self._lock:
            tokens, ended = self._tokens, self._ended
        if tokens is None:
            raise AuthError("nobody is logged in", hint="connect with: clew team connect")
        if ended:
            raise self._over()
        return tokens

    def _may_doubt(self) -> bool:
        now = time.monotonic()
        with self._lock:
            may = self._doubted_at is None or now - self._doubted_at >= DOUBT_S_MIN
            if may:
                self._doubted_at = now
        return may

    async def _renewed(self, transport: Transport, stale: Tokens) -> Tokens | None:
        """Return tokens newer than `stale`; None where whoever renewed gave up: look again."""
        with self._lock:
            if self._tokens is not stale:
                return self._tokens
            theirs = self._renewal
            if theirs is None:
                ours: Future[Tokens | None] = Future()
                # Running, so that a waiter that is cancelled cannot cancel it for the others.
                ours.set_running_or_notify_cancel()
                self._renewal = ours
        if theirs is not None:
            try:
                async with asyncio.timeout(WAIT_S_MAX):
                    return await asyncio.wrap_future(theirs)
            except TimeoutError as error:
                raise NetworkError(
                    f"{transport.host} did not renew our session", may_have_happened=False
                ) from error
        return await self._renew(transport, stale, ours)

    async def _renew(
        self, transport: Transport, stale: Tokens, outcome: Future[Tokens | None]
    ) -> Tokens | None:
        try:
            tokens = _checked_user(await self.auth.renew(transport, stale), stale)
        except BaseException as error:
            with self._lock:
                self._renewal = None
                if isinstance(error, AuthError) and self._tokens is stale:
                    self._ended = True
            if isinstance(error, Exception):
                outcome.set_exception(error)
            else:
                outcome.set_result(None)
            if isinstance(error, AuthError):
                raise self._over() from None
            raise
        with self._lock:
            self._renewal = None
            # Somebody logged in or out meanwhile: what we got belongs to nobody any more.
            is_ours = self._tokens is stale
            if is_ours:
                self._tokens = tokens
        outcome.set_result(tokens if is_ours else None)
        if is_ours and self._on_change is not None:
            self._on_change(tokens)
        return tokens if is_ours else None

    def _over(self) -> AuthError:
        return AuthError(
            "the session with the team's server has ended",
            hint="connect again: clew team connect",
            status=401,
        )


def _checked_user(tokens: Tokens, stale: Tokens) -> Tokens:
    """Return renewed tokens that are of the same user: what waits is that one's, and no other's."""
    if stale.user_id is not None and tokens.user_id != stale.user_id:
        raise AuthError("the server renewed the session of somebody else", status=401)
    return tokens
