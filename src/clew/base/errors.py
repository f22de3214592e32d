"""The closed set of error codes and the one error type of the product.

An error carries its code, a message for a person (lower case, no full stop), an optional hint that
names the next step, and data. Surfaces translate a code once: HTTP status, gRPC status, exit code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

MESSAGE_CHARS_MAX: Final = 2000
"""Of a message or hint on any door: errors repeat what was asked, which may be of any length, and
gRPC carries them in a header of 8 KiB."""

NOWHERE: Final = "there is nothing at "
"""How doors begin to say that an address is none of theirs. What is not found at an address that a
door knows is said by other words, and clients tell the two apart by these: a server of an older
version does not have every address that is asked of it."""


class ErrorCode(StrEnum):
    """Why an operation did not happen. Closed: a surface matches on it exhaustively."""

    INVALID_ARGUMENT = "invalid_argument"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ClewError(Exception):
    """An operating error: something outside the program was not as it must be.

    `retry_after_ms` is set where trying again later makes sense (overloaded, unavailable).
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        hint: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after_ms = retry_after_ms


class NotOfferedError(ClewError):
    """What is asked for is understood, and done by other servers: this one may be a query tier.

    Its code is UNSUPPORTED, as that of a media type that nobody here knows.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(ErrorCode.UNSUPPORTED, message, hint=hint)


def shorten(text: str, characters: int = MESSAGE_CHARS_MAX) -> str:
    """Return a text cut to so many characters, the last one an ellipsis if it was cut."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
