"""`/api/auth/v1`: the calls, in the server's words."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from clew.testing.trailbase.accounts import PASSWORD_CHARS_MAX, Tokens
from clew.testing.trailbase.http import of_json, of_text
from clew.testing.trailbase.values import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.testing.trailbase.accounts import Accounts, FakeUser
    from clew.testing.trailbase.http import Request, Response

NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the server would have sent. `token` is what its link ends with."""

    to: str
    subject: str
    token: str = field(repr=False)


class LoginDesk:
    """Answers the calls under `/api/auth/v1`."""

    def __init__(
        self,
        accounts: Accounts,
        now: Callable[[], int],
        *,
        password_chars_min: int,
        posts_per_ip: int | None,
    ) -> None:
        self._accounts = accounts
        self._now = now
        self._password_chars_min = password_chars_min
        self._posts_per_ip = posts_per_ip
        self._buckets: dict[str, tuple[float, int]] = {}
        self.mails: list[Mail] = []
        self.has_mail = True
        """Whether mails go out; where they do not, a registration answers 424."""

    def answer(self, request: Request, path: str) -> Response:
        """Return the answer to a call; `path` is what stands behind the base.

        Raises:
            Refusal: an answer that is no success.
        """
        if request.method == "POST":
            self._hold_back(request.peer)
        match request.method, path:
            case "POST", "/login":
                return self._log_in(_fields(request))
            case "POST", "/login_mfa":
                return self._log_in_again(_fields(request))
            case "POST", "/register":
                return self._register(_fields(request))
            case "POST", "/refresh":
                return self._refresh(_fields(request))
            case (("GET" | "POST"), "/logout"):
                return self._log_out(request)
            case "GET", "/status":
                return self._status(request)
            case "DELETE", "/delete":
                self._accounts.delete(self._known(request))
                return of_text("deleted")
            case "POST", "/change_password":
                return self._change_password(request)
            case "GET", "/verify_email/trigger":
                return self._trigger(dict(parse_qsl(request.query)).get("email", ""))
            case "GET", "/oauth/providers":
                return of_json({"providers": []})
            case "GET", _ if path.startswith("/verify_email/confirm/"):
                return self._confirm(path.rpartition("/")[2])
            case _:
                raise Refusal(404)

    def _log_in(self, fields: dict[str, str]) -> Response:
        if fields.get("username") and not fields.get("email"):
            raise Refusal(400, "Invalid email")
        email = fields.get("email_or_username") or fields.get("email") or ""
        if "@" not in email:
            raise Refusal(400, "Invalid email")
        outcome = self._accounts.log_in(email.strip().lower(), fields.get("password", ""))
        if isinstance(outcome, str):
            return of_json({"mfa_token": outcome}, 403)
        return of_json(_tokens(outcome))

    def _log_in_again(self, fields: dict[str, str]) -> Response:
        tokens = self._accounts.log_in_again(fields.get("mfa_token", ""), fields.get("totp", ""))
        return of_json(_tokens(tokens))

    def _register(self, fields: dict[str, str]) -> Response:
        email = fields.get("email", "").strip().lower()
        if "@" not in email:
            raise Refusal(400, "Invalid email")
        password = fields.get("password", "")
        self._check_password(password, fields.get("password_repeat"))
        if self._accounts.find(email) is None:
            user = self._accounts.add(email, password, is_verified=False, totp_secret=None)
            self._send("Verify your address", user)
        # Nobody learns here whether there was such an account before.
        return of_text("registered")

    def _refresh(self, fields: dict[str, str]) -> Response:
        auth_token, csrf_token = self._accounts.refresh(fields.get("refresh_token", ""))
        return of_json({"auth_token": auth_token, "csrf_token": csrf_token})

    def _log_out(self, request: Request) -> Response:
        if request.method == "POST":
            self._accounts.end(_fields(request).get("refresh_token", ""))
            return of_text("")
        user = self._accounts.bearer(request.headers.get("authorization"))
        if user is not None:
            self._accounts.end_all(user)
        return of_text("")

    def _status(self, request: Request) -> Response:
        bearer = request.headers.get("authorization")
        refresh_token = request.headers.get("refresh-token")
        if self._accounts.bearer(bearer) is not None:
            token = str(bearer).partition(" ")[2]
            csrf_token = request.headers.get("csrf-token")
            return of_json(_status(token, refresh_token, csrf_token))
        if refresh_token:
            try:
                auth_token, csrf_token = self._accounts.refresh(refresh_token)
            except Refusal:
                return of_json(_status(None, None, None))
            return of_json(_status(auth_token, refresh_token, csrf_token))
        return of_json(_status(None, None, None))

    def _change_password(self, request: Request) -> Response:
        user, fields = self._known(request), _fields(request)
        if fields.get("old_password") != user.password:
            raise Refusal(400, "Invalid old password")
        self._check_password(fields.get("new_password", ""), fields.get("new_password_repeat"))
        user.password = fields["new_password"]
        return of_text("")

    def _trigger(self, email: str) -> Response:
        user = self._accounts.find(email)
        if user is not None and not user.is_verified:
            self._send("Verify your address", user)
        return of_text("Verification email sent")

    def _confirm(self, token: str) -> Response:
        mail = next((mail for mail in self.mails if mail.token == token), None)
        user = None if mail is None else self._accounts.find(mail.to)
        if user is None:
            raise Refusal(400, "Invalid code")
        self._accounts.verify(user)
        return of_text("verified")

    def _known(self, request: Request) -> FakeUser:
        user = self._accounts.bearer(request.headers.get("authorization"))
        if user is None:
            raise Refusal(401)
        return user

    def _check_password(self, password: str, again: str | None) -> None:
        if again is None:
            raise Refusal(400, "missing field `password_repeat`")
        if password != again:
            raise Refusal(400, "Passwords don't match")
        if not self._password_chars_min <= len(password) <= PASSWORD_CHARS_MAX:
            raise Refusal(400, "Invalid password")

    def _send(self, subject: str, user: FakeUser) -> None:
        if not self.has_mail:
            raise Refusal(424)
        self.mails.append(Mail(user.email, subject, secrets.token_urlsafe(16)))

    def _hold_back(self, peer: str) -> None:
        burst = self._posts_per_ip
        if burst is None:
            return
        left, at = self._buckets.get(peer, (float(burst), self._now()))
        # One more in every second, up to as many as may come at once.
        left = min(float(burst), left + (self._now() - at) / NS_PER_S)
        self._buckets[peer] = (max(0.0, left - 1), self._now())
        if left < 1:
            raise Refusal(429)


def _fields(request: Request) -> dict[str, str]:
    if "json" not in request.headers.get("content-type", "application/json"):
        return dict(parse_qsl(request.content.decode()))
    body = request.json()
    if not isinstance(body, dict):
        raise Refusal(400, "Failed to parse the request body as JSON")
    return {name: value for name, value in body.items() if isinstance(value, str)}


def _tokens(tokens: Tokens) -> dict[str, str]:
    return {
        "auth_token": tokens.auth_token,
        "refresh_token": tokens.refresh_token,
        "csrf_token": tokens.csrf_token,
    }


def _status(auth: str | None, refresh: str | None, csrf: str | None) -> dict[str, str | None]:
    return {"auth_token": auth, "refresh_token": refresh, "csrf_token": csrf}
