"""Until when something is valid: for a time, until a moment, or for ever."""

from __future__ import annotations

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import TIME_NS_MAX, parse_duration_ns, parse_time


def read_expiry(expires_in: str | None, expires_at: str | None, now: int) -> int | None:
    """Return the moment in Unix nanoseconds, None for never.

    Raises:
        ClewError: INVALID_ARGUMENT for both, for what is neither, and for what is not to come.
    """
    if expires_in is not None and expires_at is not None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "expires_in and expires_at exclude each other",
            hint="give one of them",
        )
    if expires_in is not None:
        at = now + parse_duration_ns(expires_in)
    elif expires_at is not None:
        at = parse_time(expires_at, now=now)
    else:
        return None
    if not now < at <= TIME_NS_MAX:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "it would never be valid, or for longer than time is counted",
            hint="give expires_in=30d, or a moment to come as expires_at",
        )
    return at
