"""What an error of the server means for the operation that met it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from clew.base.errors import ClewError, shorten
from clew.base.times import NS_PER_MS
from clew.team.errors import (
    AuthError,
    ConflictError,
    DeniedError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SyncError,
    ValidationError,
)

REASON_CHARS_MAX: Final = 500
"""Of an error as it is kept with an operation: a line or two in a list."""


AWAY: Final = frozenset({502, 503, 504})
"""What says that there is no server behind an address just now: no fault of an operation's."""


class VerdictKind(StrEnum):
    """What is done with an operation that failed.

    `OFFLINE` and `DELAY` cost it nothing; `RETRY` is one of its tries; `ASIDE` ends it; `PAUSE`
    ends the round of its account, until somebody logs in; `CONFLICT` means to read the record.
    """

    OFFLINE = "offline"
    DELAY = "delay"
    RETRY = "retry"
    ASIDE = "aside"
    PAUSE = "pause"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`attempted`: the server may have done it. `retry_after_ns` is what it said, if it did."""

    kind: VerdictKind
    reason: str
    attempted: bool = False
    retry_after_ns: int | None = None


def judge(error: Exception) -> Verdict:
    """Return what becomes of an operation that met an error. Says nothing of what it sent."""
    reason = _reason_of(error)
    match error:
        case NetworkError():
            return Verdict(VerdictKind.OFFLINE, reason, attempted=error.may_have_happened)
        case RateLimitError():
            return Verdict(VerdictKind.DELAY, reason, retry_after_ns=_retry_after(error))
        case ServerError() if error.retry_after_ms is not None or error.status in AWAY:
            return Verdict(
                VerdictKind.DELAY, reason, attempted=True, retry_after_ns=_retry_after(error)
            )
        case AuthError():
            return Verdict(VerdictKind.PAUSE, reason)
        case ConflictError():
            return Verdict(VerdictKind.CONFLICT, reason)
        case DeniedError() | ValidationError() | NotFoundError() | SyncError():
            return Verdict(VerdictKind.ASIDE, reason)
        case _:
            # 5xx, and what no adapter should raise: it may have been done.
            return Verdict(VerdictKind.RETRY, reason, attempted=True)


def _retry_after(error: ClewError) -> int | None:
    return None if error.retry_after_ms is None else error.retry_after_ms * NS_PER_MS


def _reason_of(error: Exception) -> str:
    if isinstance(error, ClewError):
        return shorten(error.message, REASON_CHARS_MAX)
    # Somebody else's error may say what was sent.
    return type(error).__name__
