"""Tokens as a value that shows nothing of itself, and when they are to be renewed. Light install.

A bearer is a JWT, of which we read when it was made, when it ends and whose it is. Its signature is
the server's to check: we take the server's word over TLS, and what we read decides nothing but when
to renew. Opaque bearers have no known end and are used until they are refused.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from dataclasses import dataclass, replace
from typing import Any, Final, TypeGuard
from uuid import UUID

import msgspec

from clew.base.times import NS_PER_S
from clew.team.errors import SyncError, TeamError, ValidationError
from clew.team.trailbase.answers import decode_json

RENEW_BEFORE_S: Final = 5 * 60
"""As the integration documents it: a request that is under way has ended by then."""

RENEW_LIFE_SHARE: Final = 0.2
"""Of a bearer that lives so shortly that five minutes are most of it: debug servers give two."""

TOKEN_CHARS_MAX: Final = 8 * 1024
"""What a server takes in one header."""


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """What a login gave.

    `user_id` is a UUID where the server's is one. `obtained_at` and `expires_at` are Unix
    nanoseconds by the clock of this machine; None for a bearer that does not say when it ends.
    """

    bearer: str
    refresh: str | None = None
    csrf: str | None = None
    user_id: str | None = None
    email: str | None = None
    obtained_at: int = 0
    expires_at: int | None = None

    def __repr__(self) -> str:
        return f"Tokens(user_id={self.user_id!r}, renewable={self.refresh is not None})"

    def __reduce__(self) -> str:
        # A pickle or a deep copy would be one more place that tokens are in.
        raise TypeError("tokens are not pickled")

    def is_due(self, now: int) -> bool:
        """Whether the bearer should be renewed before it is used again."""
        if self.expires_at is None or self.refresh is None:
            return False
        life_ns = self.expires_at - self.obtained_at
        before_ns = min(RENEW_BEFORE_S * NS_PER_S, int(life_ns * RENEW_LIFE_SHARE))
        # A clock that was put back makes the bearer older than it looks.
        return now >= self.expires_at - before_ns or now < self.obtained_at - _CLOCK_STEP_NS

    def is_over(self, now: int) -> bool:
        """Whether the server would take the bearer for nobody's."""
        return self.expires_at is not None and now >= self.expires_at

    def renewed_by(self, newer: Tokens) -> Tokens:
        """Return what holds after a renewal: the server may leave out what has not changed."""
        return replace(
            newer,
            refresh=newer.refresh or self.refresh,
            csrf=newer.csrf or self.csrf,
            user_id=newer.user_id or self.user_id,
            email=newer.email or self.email,
        )

    def to_secret(self) -> str:
        """Return all of it as one text, for a vault alone."""
        return msgspec.json.encode({name: getattr(self, name) for name in _KEPT}).decode()

    @classmethod
    def from_secret(cls, secret: str) -> Tokens:
        """Return what `to_secret` made.

        Raises:
            SyncError: it is none. Nothing of it is repeated.
        """
        try:
            return msgspec.convert(msgspec.json.decode(secret), cls)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise SyncError(
                "what is kept of this connection cannot be read",
                hint="connect again: clew team connect",
            ) from None


_KEPT: Final = ("bearer", "refresh", "csrf", "user_id", "email", "obtained_at", "expires_at")

_CLOCK_STEP_NS: Final = 60 * NS_PER_S
"""Clocks are set by a few seconds all the time; a minute is a step."""


def make_tokens(
    bearer: object,
    *,
    refresh: object = None,
    csrf: object = None,
    user_id: object = None,
    email: object = None,
    expires_in_s: object = None,
) -> Tokens:
    """Return the tokens of an answer, whose parts are whatever the server sent.

    Raises:
        SyncError: there is no bearer among them, or something that no header can carry.
    """
    claims = read_claims(bearer) if isinstance(bearer, str) else {}
    now = time.time_ns()
    life_s = _life_s(claims, expires_in_s)
    return Tokens(
        bearer=checked_token(bearer),
        refresh=checked_token(refresh) if refresh else None,
        csrf=checked_token(csrf) if csrf else None,
        user_id=_id_of(user_id or claims.get("sub")),
        email=_text_of(email or claims.get("email")),
        obtained_at=now,
        # By how long it lives, not by when it ends: the server's clock is not ours.
        expires_at=None if life_s is None else now + int(life_s * NS_PER_S),
    )


def checked_token(token: object) -> str:
    """Return a token that a header can carry.

    Raises:
        SyncError: it is none. It is not repeated.
    """
    if (
        isinstance(token, str)
        and 0 < len(token) <= TOKEN_CHARS_MAX
        and token.isascii()
        and token.isprintable()
        and " " not in token
    ):
        return token
    raise SyncError("the server gave no token that can be used")


def read_claims(bearer: str) -> dict[str, Any]:
    """Return what a JWT says of itself, unchecked; nothing where it is none."""
    parts = bearer.split(".")
    if len(parts) != 3 or len(bearer) > TOKEN_CHARS_MAX:
        return {}
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = decode_json(body)
    except (binascii.Error, ValueError, TeamError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _life_s(claims: dict[str, Any], expires_in_s: object) -> float | None:
    made, ends = claims.get("iat"), claims.get("exp")
    if _is_number(ends):
        # Without a beginning all that is left is the hope that the clocks agree.
        begin = made if _is_number(made) else time.time()
        return min(max(float(ends) - float(begin), 0.0), _LIFE_S_MAX)
    if _is_number(expires_in_s):
        return min(max(float(expires_in_s), 0.0), _LIFE_S_MAX)
    return None


_LIFE_S_MAX: Final = 366 * 24 * 60 * 60.0
"""Longer is a number that somebody made up, and must stay one that a clock holds."""


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53


def _text_of(value: object) -> str | None:
    return value[:254] if isinstance(value, str) and value.isprintable() else None


def _id_of(value: object) -> str | None:
    if not isinstance(value, str) or not value or not value.isprintable():
        return None
    try:
        return uuid_of(value)
    except ValidationError:
        return value[:128]


def uuid_of(text: str) -> str:
    """Return a UUID in its usual form, from that or from URL-safe base64 with or without padding.

    Raises:
        ValidationError: it is neither.
    """
    try:
        if len(text) == 36:
            return str(UUID(text))
    except ValueError:
        raise _no_id(text) from None
    if _BASE64_ID.fullmatch(text):
        # Not through `UUID`, which costs five times as much: a page has a thousand of them.
        raw = base64.urlsafe_b64decode(text[:22] + "==").hex()
        return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
    raise _no_id(text)


_BASE64_ID: Final = re.compile(r"[A-Za-z0-9_-]{22}(?:==)?")


def _no_id(text: str) -> ValidationError:
    return ValidationError(f"not an id: {text[:64]!r}")


def base64_of(uuid: str) -> str:
    """Return a UUID as the server writes it: URL-safe base64 with padding.

    Raises:
        ValidationError: it is no UUID.
    """
    return base64.urlsafe_b64encode(UUID(uuid_of(uuid)).bytes).decode()
