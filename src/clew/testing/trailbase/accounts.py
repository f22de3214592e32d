"""Users, their sessions and their tokens, as `/api/auth/v1` has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clew.base.ids import new_uuid
from clew.testing.trailbase.values import Refusal, decode_id, encode_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.testing.trailbase.database import Database

AUTH_TTL_S: Final = 60 * 60
"""Of a release build; a debug build has two minutes."""

REFRESH_TTL_S: Final = 30 * 24 * 60 * 60

MFA_TTL_S: Final = 2 * 60

FAILED_LOGINS_MAX: Final = 3
FAILED_LOGINS_S: Final = 60
"""Failed logins of one account in this time before it is refused."""

REFRESH_CHARS: Final = 86

PASSWORD_CHARS_MAX: Final = 128

TOTP_STEP_S: Final = 30

NS_PER_S: Final = 1_000_000_000


@dataclass(eq=False, slots=True)
class FakeUser:
    """Somebody with an account. `id` is a UUID as text; `password` is what they log in with."""

    id: str
    email: str
    password: str = field(repr=False)
    is_verified: bool = True
    totp_secret: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> bytes:
        """The id as the database has it."""
        return decode_id(self.id)

    def totp(self, at_ns: int) -> str:
        """Return the one-time code for a moment of the server's clock.

        Raises:
            ValueError: they have no second factor.
        """
        if self.totp_secret is None:
            raise ValueError(f"{self.email} has no second factor")
        counter = struct.pack(">Q", at_ns // NS_PER_S // TOTP_STEP_S)
        digest = hmac.digest(self.totp_secret, counter, "sha1")
        place = digest[-1] & 0xF
        number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFF_FFFF
        return f"{number % 1_000_000:06d}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gives."""

    auth_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    csrf_token: str = field(repr=False)


@dataclass(slots=True)
class _Session:
    user: FakeUser
    expires_at: int
    has_mfa: bool


class Accounts:
    """Everything about who somebody is. Times are Unix nanoseconds of the server's clock."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now
        self._key = Ed25519PrivateKey.generate()
        self._public_key = self._key.public_key()
        self._seen: dict[str, tuple[FakeUser, int]] = {}
        self._users: dict[str, FakeUser] = {}
        self._sessions: dict[str, _Session] = {}
        self._second_steps: dict[str, tuple[FakeUser, int]] = {}
        self._failures: dict[str, list[int]] = {}
        self.auth_ttl_s = AUTH_TTL_S
        self.refresh_ttl_s = REFRESH_TTL_S

    def add(
        self, email: str, password: str, *, is_verified: bool, totp_secret: bytes | None
    ) -> FakeUser:
        """Make an account.

        Raises:
            ValueError: there is one with this address.
        """
        if email in self._users:
            raise ValueError(f"there is an account of {email}")
        user = FakeUser(new_uuid(self._now()), email, password, is_verified, totp_secret)
        self._database.write(
            "INSERT INTO _user (id, email, verified) VALUES (?, ?, ?)",
            (user.key, email, int(is_verified)),
        )
        self._users[email] = user
        return user

    def find(self, email: str) -> FakeUser | None:
        """Return whose address it is."""
        return self._users.get(email.strip().lower())

    def verify(self, user: FakeUser) -> None:
        """Take an address for verified."""
        user.is_verified = True
        self._database.write("UPDATE _user SET verified = 1 WHERE id = ?", (user.key,))

    def delete(self, user: FakeUser) -> None:
        """Remove an account and its sessions."""
        self.end_all(user)
        self._database.write("DELETE FROM _user WHERE id = ?", (user.key,))
        del self._users[user.email]

    def log_in(self, email: str, password: str) -> Tokens | str:
        """Return tokens, or the token for the second step where there is one.

        Raises:
            Refusal: 401 for a wrong password and for an unverified address alike; 429.
        """
        failures = self._failures.setdefault(email, [])
        since = self._now() - FAILED_LOGINS_S * NS_PER_S
        failures[:] = [at for at in failures if at > since]
        if len(failures) >= FAILED_LOGINS_MAX:
            raise Refusal(429)
        user = self.find(email)
        if user is None or not _is_same(user.password, password) or not user.is_verified:
            failures.append(self._now())
            raise Refusal(401)
        if user.totp_secret is None:
            return self._begin(user, has_mfa=False)
        token = secrets.token_urlsafe(32)
        self._second_steps[token] = (user, self._now() + MFA_TTL_S * NS_PER_S)
        return token

    def log_in_again(self, token: str, code: str) -> Tokens:
        """Return tokens for the second step of a login.

        Raises:
            Refusal: 401.
        """
        user, expires_at = self._second_steps.get(token, (None, 0))
        if user is None or expires_at <= self._now():
            raise Refusal(401)
        step = TOTP_STEP_S * NS_PER_S
        codes = [user.totp(self._now() + moved * step) for moved in (-1, 0, 1)]
        if not any(_is_same(known, code) for known in codes):
            raise Refusal(401)
        del self._second_steps[token]
        return self._begin(user, has_mfa=True)

    def refresh(self, refresh_token: str) -> tuple[str, str]:
        """Return a new auth token and its CSRF token; the refresh token stays, and its end too.

        Raises:
            Refusal: 401.
        """
        session = self._sessions.get(refresh_token)
        if session is None or session.expires_at <= self._now():
            raise Refusal(401)
        return self._mint(session.user, has_mfa=session.has_mfa)

    def end(self, refresh_token: str) -> None:
        """End one session; unknown ones are ended already."""
        self._sessions.pop(refresh_token, None)

    def end_all(self, user: FakeUser) -> None:
        """End every session of somebody. Their auth tokens stay good until they end."""
        for token, session in list(self._sessions.items()):
            if session.user is user:
                del self._sessions[token]

    def mint(self, user: FakeUser) -> str:
        """Return an auth token without a session."""
        return self._mint(user, has_mfa=False)[0]

    def bearer(self, header: str | None) -> FakeUser | None:
        """Return who a header speaks for; nobody where it is missing, wrong or past its end."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        user, expires_at = self._seen.get(token) or self._read(token)
        if user is None or self._users.get(user.email) is not user:
            return None
        # What a token says does not change, so its signature is looked at once.
        self._seen[token] = (user, expires_at)
        return user if expires_at > self._now() else None

    def _read(self, token: str) -> tuple[FakeUser | None, int]:
        signed, _, signature = token.rpartition(".")
        try:
            self._public_key.verify(_unpadded(signature), signed.encode())
            claims = json.loads(_unpadded(signed.split(".")[1]))
        except (InvalidSignature, ValueError, IndexError):
            return None, 0
        if claims["type"] != 1:
            return None, 0
        users = (user for user in self._users.values() if encode_id(user.key) == claims["sub"])
        return next(users, None), claims["exp"] * NS_PER_S

    def _begin(self, user: FakeUser, *, has_mfa: bool) -> Tokens:
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        refresh_token = "".join(secrets.choice(letters) for _ in range(REFRESH_CHARS))
        expires_at = self._now() + self.refresh_ttl_s * NS_PER_S
        self._sessions[refresh_token] = _Session(user, expires_at, has_mfa)
        auth_token, csrf_token = self._mint(user, has_mfa=has_mfa)
        return Tokens(auth_token, refresh_token, csrf_token)

    def _mint(self, user: FakeUser, *, has_mfa: bool) -> tuple[str, str]:
        csrf_token = secrets.token_urlsafe(15)
        now_s = self._now() // NS_PER_S
        claims: dict[str, object] = {
            "sub": encode_id(user.key),
            "iat": now_s,
            "exp": now_s + self.auth_ttl_s,
            "type": 1,
            "provider": 0,
            "email": user.email,
            "csrf_token": csrf_token,
        }
        if has_mfa:
            claims["mfa"] = True
        parts = [{"typ": "JWT", "alg": "EdDSA"}, claims]
        signed = ".".join(_bare(json.dumps(part).encode()) for part in parts)
        return f"{signed}.{_bare(self._key.sign(signed.encode()))}", csrf_token


def _is_same(known: str, given: str) -> bool:
    return hmac.compare_digest(
        hashlib.sha256(known.encode()).digest(), hashlib.sha256(given.encode()).digest()
    )


def _bare(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
