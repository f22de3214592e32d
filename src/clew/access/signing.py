"""Requests that a process signs with the key it joined the tree with, and what keeps them single.

The signature is over everything that says what is asked and by whom: the method, the path with its
query, the id of the app, the time, a nonce, the idempotency key and the hash of the body, so that
none of them can be exchanged; the time and the nonce make each request count once.
Who remembers nonces for as long as a time is taken for fresh, on both sides of now, has forgotten
none that could still come back.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

APP_ID_HEADER: Final = "x-trails-app-id"
TIMESTAMP_HEADER: Final = "x-trails-timestamp"
NONCE_HEADER: Final = "x-trails-nonce"
SIGNATURE_HEADER: Final = "x-trails-sig"
IDEMPOTENCY_HEADER: Final = "idempotency-key"
"""Names a command of an app's own choosing: whoever could exchange it could have it given twice."""

FORM: Final = "trails-rest-v2"
"""The first line of what is signed. The form before it had neither this line nor the app's id and
the idempotency key; it is not taken any more."""

SKEW_NS_MAX: Final = 150 * NS_PER_S
"""How far the clocks of a process and the server may be apart: half of how long nonces are kept."""

NONCE_NS_KEPT: Final = 2 * SKEW_NS_MAX
"""Five minutes: a time that is ahead by the most is fresh until it is behind by the most."""

NONCES_MAX: Final = 200_000
"""Nonces of all apps: 666 signed requests a second for five minutes, some 40 MB."""

NONCES_PER_APP_MAX: Final = 20_000
"""So that one app cannot keep the others out."""

NONCE_RETRY_MS: Final = 5000

_NONCE: Final = re.compile(r"[A-Za-z0-9_.~+/=-]{16,128}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class AppKey:
    """What the tree knows of an app that calls: its public key, and whether it must sign."""

    pub_key: str | None
    must_sign: bool


class AppKeys(Protocol):
    """Finds apps. The tree does; `app` hands it in."""

    async def find_key(self, app_id: str) -> AppKey | None:
        """Return what is known of an app, None when there is no such app."""
        ...


class NoApps:
    """Stands for the tree where there is none."""

    async def find_key(self, app_id: str) -> AppKey | None:
        """Return None: there is no such app."""
        return None


@dataclass(frozen=True, slots=True)
class SignedHead:
    """What the headers of a signed request say; without an idempotency key it is empty."""

    app_id: str
    timestamp: str
    nonce: str
    signature: str
    idempotency_key: str = ""


def signed_octets(method: str, target: str, head: SignedHead, body: bytes) -> bytes:
    r"""Return what is signed: eight lines, joined by ``\n``.

    The form; `method` in capitals; `target`, the path with the query as they are sent (no ``?``
    where there is no query); the id of the app in lower case; the time in milliseconds since 1970;
    the nonce; the idempotency key as it is sent, an empty line where there is none; and the hash of
    the body as 64 hex digits.
    """
    lines = (
        *(FORM, method, target, head.app_id, head.timestamp, head.nonce, head.idempotency_key),
        hashlib.sha256(body).hexdigest(),
    )
    # As headers are bytes on the wire: each character is one.
    return "\n".join(lines).encode("latin-1")


class NonceCache:
    """Which signed requests were here. Belongs to one event loop."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now` gives Unix nanoseconds."""
        self._now = now
        self._seen: dict[tuple[str, str], None] = {}
        self._order: deque[tuple[int, str, str]] = deque()
        self._by_app: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def check(self, head: SignedHead) -> None:
        """Raise unless a request may be new; its signature is looked at afterwards.

        Raises:
            ClewError: UNAUTHENTICATED for a time that is not fresh or a nonce that was here,
                OVERLOADED when there are too many to remember one more.
        """
        if not (_TIMESTAMP.fullmatch(head.timestamp) and _NONCE.fullmatch(head.nonce)):
            raise ClewError(
                ErrorCode.UNAUTHENTICATED,
                f"{TIMESTAMP_HEADER} or {NONCE_HEADER} is none",
                hint="send milliseconds since 1970, and 16 to 128 random characters",
            )
        now = self._now()
        if abs(now - int(head.timestamp) * NS_PER_MS) > SKEW_NS_MAX:
            raise ClewError(
                ErrorCode.UNAUTHENTICATED,
                "the request was signed at another time",
                hint=f"sign each anew; clocks may be {SKEW_NS_MAX // NS_PER_S} s apart",
            )
        self._forget(now)
        if (head.app_id, head.nonce) in self._seen:
            raise ClewError(
                ErrorCode.UNAUTHENTICATED,
                "the request was here already",
                hint="sign each anew, with a fresh nonce",
            )
        if len(self._seen) >= NONCES_MAX or self._by_app.get(head.app_id, 0) >= NONCES_PER_APP_MAX:
            raise ClewError(
                ErrorCode.OVERLOADED,
                "too many signed requests at once",
                hint="ask less often, or over the socket of the app",
                retry_after_ms=NONCE_RETRY_MS,
            )

    def remember(self, head: SignedHead) -> None:
        """Take a nonce out of use, once the signature was found right.

        Only then: nobody but the app may use up what is its own.
        """
        self._seen[(head.app_id, head.nonce)] = None
        self._order.append((self._now() + NONCE_NS_KEPT, head.app_id, head.nonce))
        self._by_app[head.app_id] = self._by_app.get(head.app_id, 0) + 1

    def _forget(self, now: int) -> None:
        while self._order and self._order[0][0] < now:
            _, app_id, nonce = self._order.popleft()
            del self._seen[(app_id, nonce)]
            left = self._by_app[app_id] - 1
            if left:
                self._by_app[app_id] = left
            else:
                del self._by_app[app_id]
