"""How somebody becomes known to a server: what the two kinds of it ask for and answer. Light.

`RecordsAuth` is TrailBase's own, at one address; `DocumentedAuth` that of the documented API, which
was written down under two. Each call is one question; `session.py` decides when they are asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from clew.team.errors import (
    AuthError,
    DeniedError,
    MfaRequiredError,
    NotFoundError,
    SyncError,
    ValidationError,
)
from clew.team.trailbase.tokens import Tokens, make_tokens

if TYPE_CHECKING:
    from clew.team.trailbase.answers import Reply
    from clew.team.trailbase.transport import Transport

PASSWORD_CHARS_MIN: Final = 8
PASSWORD_CHARS_MAX: Final = 128
"""As the server has them. Told here, where the reason can be said: its own answer is a bare 400."""

RECORDS_AUTH: Final = "/api/auth/v1"

DOCUMENTED_AUTHS: Final = ("/auth", "/api/auth")
"""The two addresses under which the documented API was written down."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Who somebody says to be. `totp` is the code of an authenticator, where one is asked for."""

    email: str
    password: str
    totp: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(email={self.email!r})"


class Auth(Protocol):
    """What a server offers to know somebody by. Raises the classes of `clew.team.errors`."""

    async def login(self, transport: Transport, credentials: Credentials) -> Tokens:
        """Return tokens for a password.

        Raises:
            AuthError: it is the wrong one, or the address of the account was never verified.
            MfaRequiredError: it is right, and a one-time code is asked for.
        """
        ...

    async def register(self, transport: Transport, credentials: Credentials) -> Tokens | None:
        """Ask for an account; None where a mail must be answered first."""
        ...

    async def renew(self, transport: Transport, tokens: Tokens) -> Tokens:
        """Return what the server gives for a refresh token.

        Raises:
            AuthError: the session has ended.
        """
        ...

    async def logout(self, transport: Transport, tokens: Tokens) -> None:
        """End the session. The bearer is good until it ends all the same."""
        ...


class RecordsAuth:
    """TrailBase's own."""

    async def login(self, transport: Transport, credentials: Credentials) -> Tokens:
        """See `Auth`."""
        body = {**_who(credentials.email), "password": credentials.password}
        try:
            reply = await transport.ask("POST", f"{RECORDS_AUTH}/login", body=body)
        except MfaRequiredError as error:
            if credentials.totp is None:
                raise
            return await self.login_mfa(transport, error.token, credentials.totp)
        except AuthError:
            raise _unknown(transport) from None
        return _records_tokens(reply)

    async def login_mfa(self, transport: Transport, mfa_token: str, totp: str) -> Tokens:
        """Return tokens for the second half of a login.

        Raises:
            AuthError: the code is wrong, or came more than two minutes late.
        """
        body = {"mfa_token": mfa_token, "totp": totp}
        try:
            return _records_tokens(
                await transport.ask("POST", f"{RECORDS_AUTH}/login_mfa", body=body)
            )
        except (AuthError, DeniedError) as error:
            raise AuthError(
                f"{transport.host} does not take this code",
                hint="codes change every 30 s, and a login waits two minutes for one",
                status=error.status,
            ) from None

    async def request_otp(self, transport: Transport, email: str) -> None:
        """Have a one-time code sent by mail, where the server offers it; good for five minutes."""
        await transport.ask("POST", f"{RECORDS_AUTH}/otp/request", body={"email": email})

    async def login_otp(self, transport: Transport, email: str, code: str) -> Tokens:
        """Return tokens for a code that came by mail."""
        body = {"email": email, "code": code}
        return _records_tokens(await transport.ask("POST", f"{RECORDS_AUTH}/otp/login", body=body))

    async def register(self, transport: Transport, credentials: Credentials) -> Tokens | None:
        """See `Auth`. The server says the same whether or not there is such an account."""
        password = _checked_password(credentials.password)
        body = {"email": credentials.email, "password": password, "password_repeat": password}
        await transport.ask("POST", f"{RECORDS_AUTH}/register", body=body)
        return None

    async def renew(self, transport: Transport, tokens: Tokens) -> Tokens:
        """See `Auth`. The refresh token is not renewed, and its end does not move."""
        body = {"refresh_token": tokens.refresh}
        reply = await transport.ask("POST", f"{RECORDS_AUTH}/refresh", body=body)
        return tokens.renewed_by(_records_tokens(reply))

    async def logout(self, transport: Transport, tokens: Tokens) -> None:
        """See `Auth`."""
        # The call without a body would end the sessions of all of somebody's machines.
        if tokens.refresh is not None:
            body = {"refresh_token": tokens.refresh}
            await transport.ask(
                "POST", f"{RECORDS_AUTH}/logout", body=body, headers=bearer_headers(tokens)
            )

    async def status(self, transport: Transport, tokens: Tokens) -> Tokens | None:
        """Return who the server takes us for; None for nobody."""
        reply = await transport.ask(
            "GET", f"{RECORDS_AUTH}/status", headers=bearer_headers(tokens, with_refresh=True)
        )
        document = reply.object()
        if document.get("auth_token") is None:
            return None
        return tokens.renewed_by(_records_tokens(reply))


class DocumentedAuth:
    """That of the documented API, under one of its two addresses."""

    def __init__(self, prefix: str = DOCUMENTED_AUTHS[0]) -> None:
        self.prefix: Final = prefix

    async def login(self, transport: Transport, credentials: Credentials) -> Tokens:
        """See `Auth`."""
        body = {"email": credentials.email, "password": credentials.password}
        try:
            reply = await transport.ask("POST", f"{self.prefix}/login", body=body)
        except (AuthError, DeniedError):
            raise _unknown(transport) from None
        return _documented_tokens(reply)

    async def register(self, transport: Transport, credentials: Credentials) -> Tokens | None:
        """See `Auth`. This kind of server gives tokens at once."""
        body = {"email": credentials.email, "password": _checked_password(credentials.password)}
        return _documented_tokens(await transport.ask("POST", f"{self.prefix}/register", body=body))

    async def renew(self, transport: Transport, tokens: Tokens) -> Tokens:
        """See `Auth`."""
        body = {"refresh_token": tokens.refresh}
        reply = await transport.ask("POST", f"{self.prefix}/refresh", body=body)
        return tokens.renewed_by(_documented_tokens(reply))

    async def logout(self, transport: Transport, tokens: Tokens) -> None:
        """See `Auth`. A server that knows no such call has no session to end."""
        body = {"refresh_token": tokens.refresh}
        try:
            await transport.ask(
                "POST", f"{self.prefix}/logout", body=body, headers=bearer_headers(tokens)
            )
        except (NotFoundError, SyncError):
            return


def bearer_headers(tokens: Tokens, *, with_refresh: bool = False) -> dict[str, str]:
    """Return the headers that say who we are. The refresh token goes only where it is asked for."""
    headers = {"authorization": f"Bearer {tokens.bearer}"}
    if tokens.csrf is not None:
        headers["csrf-token"] = tokens.csrf
    if with_refresh and tokens.refresh is not None:
        headers["refresh-token"] = tokens.refresh
    return headers


def _who(email: str) -> dict[str, str]:
    # A server that is set to addresses alone answers a name with 400.
    return {"email": email} if "@" in email else {"username": email}


def _checked_password(password: str) -> str:
    if PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        return password
    raise ValidationError(f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters")


def _unknown(transport: Transport) -> AuthError:
    return AuthError(
        f"{transport.host} does not know this address and password",
        hint="check them; a new account's address must be verified by mail first",
        status=401,
    )


def _records_tokens(reply: Reply) -> Tokens:
    document = reply.object()
    return make_tokens(
        document.get("auth_token"),
        refresh=document.get("refresh_token"),
        csrf=document.get("csrf_token"),
    )


def _documented_tokens(reply: Reply) -> Tokens:
    document = reply.object()
    user: Any = document.get("user")
    user = user if isinstance(user, dict) else {}
    return make_tokens(
        document.get("access_token"),
        refresh=document.get("refresh_token"),
        user_id=document.get("user_id") or user.get("id"),
        email=document.get("email") or user.get("email"),
        expires_in_s=document.get("expires_in"),
    )
