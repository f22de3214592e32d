"""Why a socket was closed and why a frame was refused, and what a client does about it."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

from clew.base.errors import ErrorCode


class CloseCode(IntEnum):
    """Why the server closed a socket (4000 and above are TRAILS' own to give)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    TOO_LARGE = 1009
    RESTART = 4000
    OVERLOADED = 4001
    UNAUTHORISED = 4003
    REVOKED = 4004
    UNKNOWN_PARENT = 4005
    ANCESTOR_CANCELLED = 4006
    SLOW_CONSUMER = 4008
    HEARTBEAT = 4009
    SUPERSEDED = 4010
    TERMINAL = 4011
    """The app has ended, or its state does not allow it to join: nothing brings it in."""
    BAD_VERSION = 4012
    """What came first is no frame of this protocol, or none that may come first."""


STOP: Final = frozenset(
    {
        CloseCode.TOO_LARGE,
        CloseCode.UNAUTHORISED,
        CloseCode.REVOKED,
        CloseCode.UNKNOWN_PARENT,
        CloseCode.ANCESTOR_CANCELLED,
        CloseCode.SUPERSEDED,
        CloseCode.TERMINAL,
        CloseCode.BAD_VERSION,
    }
)
"""A client that comes back after one of these would only hear the same again."""


def is_resumable(code: int | None) -> bool:
    """Whether a client may come back after a close; a code that nobody knows is no reason not to.

    None, and 1006, stand for a connection that was lost without one.
    """
    return code not in STOP


class FrameError(StrEnum):
    """The codes of `error` frames."""

    REGISTRATION_FAILED = "registration_failed"
    """The state of the app does not allow it, or the form of the frame; the socket is closed."""
    MESSAGE_ERROR = "message_error"
    """A message was refused; the socket stays open."""
    INVALID_FRAME = "invalid_frame"
    UNAUTHORISED = "unauthorised"
    """The proof or the join token is missing or wrong."""
    REVOKED = "revoked"
    UNKNOWN_PARENT = "unknown_parent"
    ANCESTOR_CANCELLED = "ancestor_cancelled"
    SUPERSEDED = "superseded"
    """A newer proved connection speaks for this app."""
    TERMINAL = "terminal"
    """The app has ended; nothing brings it back."""
    BAD_VERSION = "bad_version"
    NOT_REGISTERED = "not_registered"
    """This socket does not speak for that app."""
    QUOTA_EXCEEDED = "quota_exceeded"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    """There is no such app, or none that the issuer may see."""
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    INTERNAL = "internal"


RETRYABLE: Final = frozenset(
    {
        FrameError.QUOTA_EXCEEDED,
        FrameError.OVERLOADED,
        FrameError.UNAVAILABLE,
        FrameError.TIMEOUT,
        FrameError.INTERNAL,
    }
)
"""The same frame may be taken later."""

CLOSE_OF: Final = {
    FrameError.REGISTRATION_FAILED: CloseCode.TERMINAL,
    FrameError.UNAUTHORISED: CloseCode.UNAUTHORISED,
    FrameError.REVOKED: CloseCode.REVOKED,
    FrameError.UNKNOWN_PARENT: CloseCode.UNKNOWN_PARENT,
    FrameError.ANCESTOR_CANCELLED: CloseCode.ANCESTOR_CANCELLED,
    FrameError.SUPERSEDED: CloseCode.SUPERSEDED,
    FrameError.TERMINAL: CloseCode.TERMINAL,
    FrameError.BAD_VERSION: CloseCode.BAD_VERSION,
    FrameError.TOO_LARGE: CloseCode.TOO_LARGE,
    FrameError.OVERLOADED: CloseCode.OVERLOADED,
}
"""With what a socket is closed when the refusal ends the only app on it."""

FRAME_ERROR_OF: Final = {
    ErrorCode.INVALID_ARGUMENT: FrameError.INVALID_FRAME,
    ErrorCode.NOT_FOUND: FrameError.NOT_FOUND,
    ErrorCode.ALREADY_EXISTS: FrameError.ALREADY_EXISTS,
    ErrorCode.CONFLICT: FrameError.CONFLICT,
    ErrorCode.UNAUTHENTICATED: FrameError.UNAUTHORISED,
    ErrorCode.FORBIDDEN: FrameError.FORBIDDEN,
    ErrorCode.TOO_LARGE: FrameError.TOO_LARGE,
    ErrorCode.UNSUPPORTED: FrameError.UNSUPPORTED,
    ErrorCode.OVERLOADED: FrameError.OVERLOADED,
    ErrorCode.TIMEOUT: FrameError.TIMEOUT,
    ErrorCode.UNAVAILABLE: FrameError.UNAVAILABLE,
    ErrorCode.INTERNAL: FrameError.INTERNAL,
}
"""What an `error` frame says for an error of ours."""


def is_retryable(code: str) -> bool:
    """Whether a client may send the same frame again; it may not after a code that it never saw."""
    return code in RETRYABLE
